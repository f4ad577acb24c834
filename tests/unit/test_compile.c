#include "worker/compile.h"

#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/luac_head.h"
#include "common/value.h"

#include "tests/unit/unit.h"

static int compile(const char *source, size_t n_bytes, struct value *result,
                   struct err *err)
{
    struct value args = value_list();
    int failed;

    value_append(&args, value_string("app:unit"));
    value_append(&args, value_string("library.lua"));
    value_append(&args, value_bytes(source, n_bytes));
    *result = (struct value){0};
    failed = compile_source(NULL, &args, result, err);
    value_finish(&args);
    return failed;
}

/* Runs the bytecode with a fresh _ENV; the text of its result or error. */
static const char *run(const struct value *result)
{
    static char text[1000];
    const struct value *code = value_get(result, "bytecode");
    lua_State *L = luaL_newstate();

    luaL_openlibs(L);
    ck_assert_int_eq(luaL_loadbufferx(L, code->as.string.data, code->as.string.n,
                                      "=other name", "b"),
                     LUA_OK);
    lua_newtable(L); /* _ENV */
    lua_getglobal(L, "error");
    lua_setfield(L, -2, "error");
    lua_getglobal(L, "print");
    lua_setfield(L, -2, "print");
    lua_pcall(L, 1, 1, 0);
    snprintf(text, sizeof(text), "%s", luaL_tolstring(L, -1, NULL));
    lua_close(L);
    return text;
}

static const struct {
    const char *source, *want;
} good[] = {
    {"return 1", "1"},
    {"", "nil"},
    {"x = 1 return x", "1"},
    /* lines are where they were */
    {"error('here')", "app:unit:1: here"},
    {"\n\nerror('here')", "app:unit:3: here"},
    {"local function f()\n  error('deep')\nend\nf()", "app:unit:2: deep"},
    {"-- a comment\r\nerror('crlf')", "app:unit:2: crlf"},
    /* chunks take no arguments of the app's */
    {"return select == nil", "true"},
    {"return ...", "table: "},
    /* types are gone */
    {"local x: number = 5 type T = {a: string} return x", "5"},
    {"local function f(a: string, b: number?): string return a end\n\nerror(f('t'))",
     "app:unit:3: t"},
    {"local s = 'a\\\nb'\nerror('after')", "app:unit:3: after"},
    {"local s = [[\n\n]]\nerror('after')", "app:unit:4: after"},
};

START_TEST(compile_keeps_meaning_and_lines)
{
    struct value result;
    struct err err;

    ck_assert_msg(compile(good[_i].source, strlen(good[_i].source), &result, &err) == 0,
                  "%s: %s", good[_i].source, err.text);
    ck_assert_msg(strncmp(run(&result), good[_i].want, strlen(good[_i].want)) == 0,
                  "%s: %s", good[_i].source, run(&result));
    value_finish(&result);
}
END_TEST

static const struct {
    const char *source;
    int line; /* 0: of the whole */
    const char *problem;
} bad[] = {
    {"local x = = 1", 1, "unexpected symbol"},
    {"\n\nlocal x = = 1", 3, "unexpected symbol"},
    {"if true then", 1, "'end' expected"},
    {"goto nowhere", 1, "nowhere"},
    {"\ngoto nowhere", 2, "nowhere"},
    {"break", 1, "break"},
    {"local a <const> = 1\na = 2", 2, "assign"},
    {"\x1bLua", 1, "unexpected symbol"},
    {"return 'unfinished", 1, "unfinished"},
    {"local function f() ::l:: ::l:: end", 1, "label 'l'"},
};

START_TEST(compile_says_where_it_is_wrong)
{
    struct value result;
    struct err err;

    ck_assert_int_eq(compile(bad[_i].source, strlen(bad[_i].source), &result, &err),
                     -1);
    ck_assert_int_eq(err.kind, ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "app:unit"));
    ck_assert_str_eq(value_get_text(&result, "kind"), "Invalid");
    ck_assert_int_eq(value_get_int(value_get_path(&result, "details"), "line", -1),
                     bad[_i].line);
    ck_assert_msg(strstr(value_text(value_get_path(&result, "details.problem")),
                         bad[_i].problem) != NULL,
                  "%s: %s", bad[_i].source,
                  value_text(value_get_path(&result, "details.problem")));
    value_finish(&result);
}
END_TEST

START_TEST(compile_counts_200_locals_with_its_own)
{
    struct value result;
    struct err err;
    struct buf source;

    buf_init(&source, 0);
    for (int i = 0; i < 198; i++)
        buf_printf(&source, "local a%d\n", i);
    ck_assert_int_eq(
        compile((char *)buf_head(&source), buf_len(&source), &result, &err), 0);
    value_finish(&result);
    for (int i = 198; i < 201; i++)
        buf_printf(&source, "local a%d\n", i);
    ck_assert_int_eq(
        compile((char *)buf_head(&source), buf_len(&source), &result, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "too many local variables"));
    value_finish(&result);
    buf_finish(&source);
}
END_TEST

START_TEST(compile_takes_nul_bytes_and_empty_sources)
{
    static const char source[] = "return 'a\0b'";
    struct value result;
    struct err err;

    if (compile(source, sizeof(source) - 1, &result, &err) == 0)
        ck_assert_str_eq(run(&result), "a");
    else
        ck_assert_int_eq(err.kind, ERR_INVALID);
    value_finish(&result);
}
END_TEST

START_TEST(compile_refuses_other_arguments)
{
    struct value args = value_list(), result = {0};
    struct err err;

    ck_assert_int_eq(compile_source(NULL, &args, &result, &err), -1);
    value_append(&args, value_int(1));
    value_append(&args, value_int(1));
    value_append(&args, value_int(1));
    ck_assert_int_eq(compile_source(NULL, &args, &result, &err), -1);
    ck_assert_int_eq(err.kind, ERR_INVALID);
    value_finish(&args);
    value_finish(&result);
}
END_TEST

/* Types are checked for who asks for it, and only then. */
START_TEST(compile_refuses_type_errors_when_strict_TYPE_21)
{
    static const char source[] = "local a: string = 1\nlocal b: number = 'x'";
    struct value args = value_list(), result = {0};
    const struct value *problems;
    struct err err;

    value_append(&args, value_string("app:unit"));
    value_append(&args, value_string("library.lua"));
    value_append(&args, value_string(source));
    value_append(&args, value_bool(true));
    ck_assert_int_eq(compile_source(NULL, &args, &result, &err), 0);
    value_finish(&result);
    value_append(&args, value_bool(true));
    ck_assert_int_eq(compile_source(NULL, &args, &result, &err), -1);
    ck_assert_int_eq(err.kind, ERR_INVALID);
    ck_assert_str_eq(err.text, "type errors in app:unit: "
                               "1:19 local 'a': expected string, got integer; "
                               "2:19 local 'b': expected number, got \"x\"");
    ck_assert_str_eq(value_get_text(&result, "message"), err.text);
    problems = value_get_path(&result, "details.problems");
    ck_assert_uint_eq(problems->as.list.n, 2);
    ck_assert_int_eq(value_get_int(&problems->as.list.items[1], "line", 0), 2);
    ck_assert_int_eq(value_get_int(&problems->as.list.items[1], "column", 0), 19);
    value_finish(&result);
    value_finish(&args);
}
END_TEST

START_TEST(compile_says_whether_globals_are_looked_at)
{
    static const struct {
        const char *source;
        bool uses_G;
    } rows[] = {{"return x", false},
                {"return _G", true},
                {"return _ENV", true},
                {"return require('_G')", true},
                {"return my_G", false}};

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct value result;
        struct err err;

        ck_assert_int_eq(compile(rows[i].source, strlen(rows[i].source), &result, &err),
                         0);
        ck_assert_int_eq(value_get_bool(&result, "uses_G", false), rows[i].uses_G);
        value_finish(&result);
    }
}
END_TEST

/* What a file of bytecode says it is for, is what it was made by. */
START_TEST(bytecode_names_the_lua_that_made_it)
{
    uint8_t head[LUAC_HEAD_BYTES];
    char made_for[80];

    luac_head_write(head);
    luac_head_describe((struct bytes){head, sizeof(head)}, made_for, sizeof(made_for));
    ck_assert_msg(strncmp(made_for, LUA_RELEASE ",", strlen(LUA_RELEASE) + 1) == 0,
                  "%s", made_for);
    ck_assert(luac_head_matches((struct bytes){head, sizeof(head)}));
    ck_assert_uint_eq(sizeof(lua_Integer), sizeof(long long));
    ck_assert_uint_eq(sizeof(lua_Number), sizeof(double));
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, bytecode_names_the_lua_that_made_it);
    tcase_add_loop_test(tc, compile_keeps_meaning_and_lines, 0, N_ELEMENTS(good));
    tcase_add_loop_test(tc, compile_says_where_it_is_wrong, 0, N_ELEMENTS(bad));
    tcase_add_test(tc, compile_counts_200_locals_with_its_own);
    tcase_add_test(tc, compile_takes_nul_bytes_and_empty_sources);
    tcase_add_test(tc, compile_refuses_other_arguments);
    tcase_add_test(tc, compile_refuses_type_errors_when_strict_TYPE_21);
    tcase_add_test(tc, compile_says_whether_globals_are_looked_at);
}

int main(void)
{
    return unit_main("compile", fill);
}
