/* Random annotated programs next to their plain twins: both must do the same in Lua. */
#include "worker/erase.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "common/buf.h"

#include "tests/unit/unit.h"

#define N_PROGRAMS       3000
#define MAX_INSTRUCTIONS 200000

struct generator {
    unsigned state;
    struct buf typed, plain;
    unsigned n_variables; /* v0 … are numbers */
    unsigned n_labels;
    bool variadic; /* "..." may be used, and is numbers */
    bool open;     /* a '(' right here would go on with the last statement */
};

static unsigned pick(struct generator *g, unsigned n)
{
    g->state = g->state * 1103515245u + 12345u;
    return (g->state >> 16) % n;
}

static void both(struct generator *g, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void both(struct generator *g, const char *fmt, ...)
{
    char text[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    ck_assert(buf_append_text(&g->typed, text) && buf_append_text(&g->plain, text));
}

/* For the annotated program only, but for its line ends. */
static void typed(struct generator *g, const char *text)
{
    ck_assert(buf_append_text(&g->typed, text));
    for (; (text = strchr(text, '\n')) != NULL; text++)
        ck_assert(buf_append_text(&g->plain, "\n"));
}

static void plain(struct generator *g, const char *text)
{
    ck_assert(buf_append_text(&g->plain, text));
}

/* Every function below that takes a depth calls others with less of it only. */
// NOLINTBEGIN(misc-no-recursion)

static void gen_type(struct generator *g, unsigned depth)
{
    static const char *const simple[] = {
        "number",
        "string?",
        "nil",
        "lib.T",
        "'\\q'",
        "42",
        "any",
        "function",
        "T",
        "{}",
        "() -> ()",
        "fun()",
        "number @min(0)",
        "true",
        "Box<T>",
    };
    static const char *const before[] = {
        "{",
        "{a: ",
        "{[string]:\n",
        "(T) -> ",
        "(",
        "A | ",
        "A & ",
        "keyof(",
        "Map<K,\n",
        "fun(a: T): ",
        "readonly {",
        "A extends B ? C : ",
        "interface {a?: ",
        "(a: ",
        "{a: T, b: ",
    };
    static const char *const behind[] = {
        "}", "}",           "}",
        "",  ")",           "",
        "",  ")",           ">",
        "",  ",}",          "",
        "}", ") -> (T, U)", " @max(1 + 2)}",
    };
    unsigned k = pick(g, N_ELEMENTS(before));

    if (depth == 0 || pick(g, 2) == 0) {
        typed(g, simple[pick(g, N_ELEMENTS(simple))]);
        return;
    }
    typed(g, before[k]);
    gen_type(g, depth - 1);
    typed(g, behind[k]);
}

static void gen_annotation(struct generator *g)
{
    static const char *const colons[] = {":", ": ", " :", ":\n"};

    if (pick(g, 3) == 0)
        return;
    typed(g, colons[pick(g, N_ELEMENTS(colons))]);
    gen_type(g, 3);
}

static void gen_number(struct generator *g, unsigned depth);

/* One or more numbers; the last may be a call or "..." that yields several. */
static void gen_list(struct generator *g, unsigned depth);

/* A cast makes one value of its operand, which parentheses do in plain Lua. */
static bool begin_cast(struct generator *g)
{
    if (pick(g, 3) != 0)
        return false;
    plain(g, "(");
    return true;
}

static void end_cast(struct generator *g, bool is_cast)
{
    if (!is_cast)
        return;
    switch (pick(g, 3)) {
    case 0:
        typed(g, pick(g, 2) == 0 ? " as " : "\nas number as ");
        gen_type(g, 0);
        break;
    case 1:
        typed(g, pick(g, 2) == 0 ? "!" : "! !");
        break;
    default:
        typed(g, " :: ");
        gen_type(g, 2);
    }
    typed(g, pick(g, 4) == 0 ? "!" : " ");
    plain(g, ")");
}

/* A call of what yields several numbers, among them its arguments; only with paren_ok
 * does it start with a '('. */
static void gen_call(struct generator *g, unsigned depth, bool paren_ok)
{
    static const char *const callees[] = {"as", "is", "type.of", "fun:keyof", "(as)"};

    both(g, "%s", callees[pick(g, N_ELEMENTS(callees) - !paren_ok)]);
    if (pick(g, 4) == 0)
        typed(g, pick(g, 2) == 0 ? "::<T>" : " :: <Box<List<T>>, {a: T}>");
    both(g, "(");
    if (depth > 0 && pick(g, 4) != 0)
        gen_list(g, depth - 1);
    both(g, ")");
}

static void gen_operand(struct generator *g, unsigned depth)
{
    bool is_cast = begin_cast(g);

    switch (pick(g, depth == 0 ? 3 : 7)) {
    case 0:
        both(g, "%u", pick(g, 10));
        break;
    case 1:
        both(g, "v%u", pick(g, g->n_variables));
        break;
    case 2:
        both(g, "readonly");
        break;
    case 3:
        both(g, "(");
        gen_number(g, depth - 1);
        both(g, ")");
        break;
    case 4:
        both(g, "select('#', ");
        gen_list(g, depth - 1);
        both(g, ")");
        break;
    case 5:
        both(g, "(#({");
        gen_list(g, depth - 1);
        both(g, pick(g, 2) == 0 ? "}))" : ", }))");
        break;
    default:
        gen_call(g, depth - 1, true);
    }
    end_cast(g, is_cast);
}

static void gen_number(struct generator *g, unsigned depth)
{
    static const char *const operators[] = {" + ", " - ",  " * ",
                                            " ^ ", "\n+ ", " // 3 + "};

    if (pick(g, 4) == 0)
        both(g, "- ");
    gen_operand(g, depth);
    while (depth > 0 && pick(g, 3) == 0) {
        both(g, "%s", operators[pick(g, N_ELEMENTS(operators))]);
        gen_operand(g, depth - 1);
    }
}

static void gen_list(struct generator *g, unsigned depth)
{
    bool is_cast;

    while (pick(g, 3) == 0) {
        gen_number(g, depth);
        both(g, ", ");
    }
    if (depth == 0 || pick(g, 2) == 0) {
        gen_number(g, depth);
        return;
    }
    is_cast = begin_cast(g);
    if (g->variadic && pick(g, 2) == 0)
        both(g, "...");
    else
        gen_call(g, depth - 1, true);
    end_cast(g, is_cast);
}

static void gen_block(struct generator *g, unsigned depth);

static void gen_function_rest(struct generator *g, const char *head, unsigned depth)
{
    bool variadic = g->variadic;

    both(g, "%s", head);
    if (pick(g, 3) == 0)
        typed(g, "<T, U: Bound<T>>");
    both(g, "(interface");
    gen_annotation(g);
    both(g, ", ...");
    gen_annotation(g);
    both(g, ")");
    switch (pick(g, 4)) {
    case 0:
        typed(g, ": ");
        gen_type(g, 2);
        typed(g, ", T");
        break;
    case 1:
        typed(g, pick(g, 2) == 0 ? ": ()" : ":\n(T, U)");
        break;
    default:
        gen_annotation(g);
    }
    both(g, "\n");
    g->variadic = true;
    g->open = false;
    gen_block(g, depth);
    if (pick(g, 3) == 0)
        typed(g, " type Inner = {T}\n");
    both(g, "return ");
    gen_list(g, 2);
    both(g, "\nend");
    g->variadic = variadic;
}

static void gen_local(struct generator *g)
{
    unsigned name = g->n_variables;

    both(g, "local v%u", name);
    if (pick(g, 4) == 0)
        both(g, " <const>");
    gen_annotation(g);
    if (pick(g, 3) == 0) {
        both(g, ", extends");
        gen_annotation(g);
    }
    both(g, " = ");
    gen_list(g, 2);
    g->n_variables++;
}

static void gen_loop(struct generator *g, unsigned depth)
{
    unsigned label = g->n_labels++;

    both(g, "for i = 1, 2 do if i < ");
    gen_number(g, 1);
    both(g, " then goto l%u end\n", label);
    g->open = false;
    gen_block(g, depth - 1);
    both(g, " ::l%u::", label);
    if (pick(g, 2) == 0)
        typed(g, " type AtTheEnd = T");
    both(g, "\nend");
}

static void gen_failure(struct generator *g)
{
    both(g, "print(pcall(function(x");
    gen_annotation(g);
    both(g, ")");
    gen_annotation(g);
    both(g, "\n");
    if (pick(g, 2) == 0)
        typed(g, "type T = {\na: T}\n");
    both(g, pick(g, 2) == 0 ? "error('" : "error('\\65");
    typed(g, "\\q\\-");
    plain(g, "q-");
    both(g, "\\\n')");
    both(g, " end))");
}

static void gen_declaration(struct generator *g)
{
    static const char *const heads[] = {
        "type Name = ",
        "type Pair<A, B: C<A>> =\n",
        "interface Shape: Base, lib.Other a: ",
    };
    unsigned k = pick(g, N_ELEMENTS(heads));

    typed(g, heads[k]);
    gen_type(g, 4);
    if (k == 2)
        typed(g, "\nfunction area(self: T): T, U b?: T end");
    plain(g, ";");
}

/* Leaves g->open saying whether a '(' would now be taken for arguments. */
static void gen_statement(struct generator *g, unsigned depth)
{
    static const char *const heads[] = {"print(", "print(readonly, ", "readonly = "};
    unsigned k;

    switch (pick(g, depth == 0 ? 7 : 11)) {
    case 0:
        gen_declaration(g);
        g->open = false;
        return;
    case 1:
        gen_local(g);
        break;
    case 2:
        gen_failure(g);
        break;
    case 3:
        gen_call(g, 2, !g->open);
        break;
    case 4:
    case 5:
        k = pick(g, N_ELEMENTS(heads));
        both(g, "%s", heads[k]);
        gen_list(g, 3);
        if (k != 2)
            both(g, ")");
        break;
    case 6:
        both(g, "readonly = readonly");
        typed(g, pick(g, 2) == 0 ? " as number" : "!");
        plain(g, ";"); /* what a cast ends doesn't go on */
        g->open = false;
        return;
    case 7:
        both(g, "if ");
        gen_number(g, 2);
        both(g, " > "); /* a '<' behind a cast's type would open its arguments */
        gen_number(g, 2);
        both(g, " then\n");
        g->open = false;
        gen_block(g, depth - 1);
        both(g, "\nend");
        break;
    case 8:
        gen_loop(g, depth);
        break;
    case 9:
        gen_function_rest(g, "print((function", depth - 1);
        both(g, ")(1, 2, 3))");
        break;
    default:
        gen_function_rest(g, "local function local_f", depth - 1);
        both(g, " print(local_f(4, 5))");
    }
    g->open = true;
}

static void gen_block(struct generator *g, unsigned depth)
{
    unsigned n_variables = g->n_variables;

    both(g, "do ");
    for (unsigned n = 1 + pick(g, 4); n > 0; n--) {
        gen_statement(g, depth);
        if (pick(g, 3) == 0) {
            both(g, ";");
            g->open = false;
        }
        both(g, pick(g, 3) == 0 ? "\n\n" : "\n");
    }
    both(g, "end ");
    g->open = false;
    g->n_variables = n_variables;
}

// NOLINTEND(misc-no-recursion)

static void gen_program(struct generator *g)
{
    both(g, "local readonly, v0 = 1, 2\n"
            "local function as(...) return 1, ... end\n"
            "local function is(a, b) return b or 3, a or 4 end\n"
            "local type = {of = as} local fun = {}\n"
            "function fun:keyof(...) return select('#', ...), ... end\n");
    g->n_variables = 1;
    for (unsigned n = 2 + pick(g, 3); n > 0; n--)
        gen_block(g, 3);
    both(g, "return ");
    gen_list(g, 3);
}

/* Check refuses long messages, so programs go to stderr. */
static void fail_with(const char *why, const char *program)
{
    fprintf(stderr, "%s\n", program);
    ck_abort_msg("%.500s", why);
}

static int capture_print(lua_State *L)
{
    struct buf *out = lua_touserdata(L, lua_upvalueindex(1));

    for (int i = 1; i <= lua_gettop(L); i++) {
        buf_append_text(out, luaL_tolstring(L, i, NULL));
        buf_append_text(out, " ");
        lua_pop(L, 1);
    }
    buf_append_text(out, "\n");
    return 0;
}

static void stop_program(lua_State *L, lua_Debug *debug)
{
    (void)debug;
    lua_sethook(L, NULL, 0, 0);
    luaL_error(L, "out of instructions");
}

/* Runs text in a state of its own; out gets what it prints, returns and raises. Whether
 * it returned. */
static bool run(const char *text, size_t n_bytes, struct buf *out)
{
    lua_State *L = luaL_newstate();
    bool returned;

    buf_init(out, 0);
    luaL_requiref(L, "_G", luaopen_base, 1);
    lua_pushlightuserdata(L, out);
    lua_pushcclosure(L, capture_print, 1);
    lua_setglobal(L, "print");
    lua_settop(L, 0);
    if (luaL_loadbufferx(L, text, n_bytes, "=app:twin", "t") != LUA_OK)
        fail_with(lua_tostring(L, -1), text);
    lua_sethook(L, stop_program, LUA_MASKCOUNT, MAX_INSTRUCTIONS);
    returned = lua_pcall(L, 0, LUA_MULTRET, 0) == LUA_OK;
    for (int i = 1; i <= lua_gettop(L); i++) {
        buf_append_text(out, luaL_tolstring(L, i, NULL));
        buf_append_text(out, returned ? " returned\n" : " raised\n");
        lua_pop(L, 1);
    }
    buf_append(out, "", 1);
    lua_close(L);
    return returned;
}

/* Whether the program returned. */
static bool check_twins(struct generator *g)
{
    struct erased erased = {0};
    struct buf out_typed, out_plain;
    struct err err = {0};
    bool returned;

    ck_assert(buf_append(&g->typed, "", 1) && buf_append(&g->plain, "", 1));
    if (erase_types((char *)buf_head(&g->typed), buf_len(&g->typed) - 1, "app:twin",
                    &erased, &err) == -1)
        fail_with(err.text, (char *)buf_head(&g->typed));
    run(erased.text, erased.n_bytes, &out_typed);
    returned = run((char *)buf_head(&g->plain), buf_len(&g->plain) - 1, &out_plain);
    if (strcmp((char *)buf_head(&out_typed), (char *)buf_head(&out_plain)) != 0) {
        fprintf(stderr, "plain:\n%s\ngives:\n%s\nerased gives:\n%s\ntyped:\n",
                buf_head(&g->plain), buf_head(&out_plain), buf_head(&out_typed));
        fail_with("twins differ", (char *)buf_head(&g->typed));
    }
    buf_finish(&out_typed);
    buf_finish(&out_plain);
    erased_finish(&erased);
    return returned;
}

START_TEST(erased_programs_do_what_their_plain_twins_do)
{
    unsigned n_returned = 0;

    for (unsigned i = 0; i < N_PROGRAMS; i++) {
        struct generator g = {.state = i * 2654435761u + 1};

        buf_init(&g.typed, 0);
        buf_init(&g.plain, 0);
        gen_program(&g);
        n_returned += check_twins(&g);
        buf_finish(&g.typed);
        buf_finish(&g.plain);
    }
    /* Programs that stop at once would prove nothing. */
    ck_assert_uint_gt(n_returned, N_PROGRAMS * 9 / 10);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, erased_programs_do_what_their_plain_twins_do);
}

int main(void)
{
    return unit_main("erase_lua", fill);
}
