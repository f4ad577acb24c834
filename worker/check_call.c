#include "worker/check_private.h"

#include <string.h>

#include "common/mem.h"

#include "worker/check_show.h"

/* ---- what everybody knows -------------------------------------------------------- */

enum special {
    KNOWN_PLAIN,
    KNOWN_LIBRARY,
    KNOWN_TYPE,
    KNOWN_ASSERT,
    KNOWN_ERROR,
    KNOWN_PAIRS,
    KNOWN_IPAIRS,
    KNOWN_SETMETATABLE,
};

/* Globals that are there in every program: what they give, and that they come back. */
static const struct known {
    const char *library, *name;
    const struct type *result;
    enum special special;
} known[] = {
    {NULL, "type", PLAIN(STRING), KNOWN_TYPE},
    {NULL, "assert", PLAIN(ANY), KNOWN_ASSERT},
    {NULL, "error", PLAIN(NEVER), KNOWN_ERROR},
    {NULL, "pairs", PLAIN(ANY), KNOWN_PAIRS},
    {NULL, "ipairs", PLAIN(ANY), KNOWN_IPAIRS},
    {NULL, "print", PLAIN(ANY), KNOWN_PLAIN},
    {NULL, "tostring", PLAIN(STRING), KNOWN_PLAIN},
    {NULL, "rawequal", PLAIN(BOOLEAN), KNOWN_PLAIN},
    {NULL, "rawset", PLAIN(ANY), KNOWN_PLAIN},
    {NULL, "setmetatable", PLAIN(TABLE), KNOWN_SETMETATABLE},
    {NULL, "string", PLAIN(ANY), KNOWN_LIBRARY},
    {NULL, "table", PLAIN(ANY), KNOWN_LIBRARY},
    {NULL, "os", PLAIN(ANY), KNOWN_LIBRARY},
    {"string", "format", PLAIN(STRING), KNOWN_PLAIN},
    {"string", "rep", PLAIN(STRING), KNOWN_PLAIN},
    {"string", "sub", PLAIN(STRING), KNOWN_PLAIN},
    {"string", "upper", PLAIN(STRING), KNOWN_PLAIN},
    {"string", "lower", PLAIN(STRING), KNOWN_PLAIN},
    {"string", "reverse", PLAIN(STRING), KNOWN_PLAIN},
    {"string", "gsub", PLAIN(STRING), KNOWN_PLAIN},
    {"string", "char", PLAIN(STRING), KNOWN_PLAIN},
    {"string", "len", PLAIN(INTEGER), KNOWN_PLAIN},
    {"table", "concat", PLAIN(STRING), KNOWN_PLAIN},
    {"table", "insert", PLAIN(ANY), KNOWN_PLAIN},
    {"table", "remove", PLAIN(ANY), KNOWN_PLAIN},
    {"table", "sort", PLAIN(ANY), KNOWN_PLAIN},
    {"os", "time", PLAIN(INTEGER), KNOWN_PLAIN},
    {"os", "clock", PLAIN(NUMBER), KNOWN_PLAIN},
};

static uint16_t find_known(const char *library, const char *name, uint32_t n)
{
    for (unsigned i = 0; i < N_ELEMENTS(known); i++) {
        const struct known *row = &known[i];

        if ((row->library == NULL) != (library == NULL) ||
            (library != NULL && strcmp(row->library, library) != 0))
            continue;
        if (strlen(row->name) == n && memcmp(row->name, name, n) == 0)
            return (uint16_t)(i + 1);
    }
    return 0;
}

static const struct known *known_of(const struct operand *operand)
{
    return operand->known != 0 ? &known[operand->known - 1] : NULL;
}

static bool is_special(const struct operand *operand, enum special special)
{
    return operand->known != 0 && known_of(operand)->special == special;
}

uint16_t call_find_known(const char *name, uint32_t n)
{
    return find_known(NULL, name, n);
}

uint16_t call_find_known_field(uint16_t library, const char *name, uint32_t n)
{
    const struct known *row = &known[library - 1];

    return row->special == KNOWN_LIBRARY ? find_known(row->name, name, n) : 0;
}

uint16_t call_find_method_of_string(const char *name, uint32_t n)
{
    return find_known("string", name, n);
}

/* ---- arguments ------------------------------------------------------------------- */

/* 'name' of a function that a message is about. */
static const char *function_name(const struct operand *called,
                                 char out[OPERAND_NAME_BYTES])
{
    struct operand plain = *called;

    if (plain.form == OPERAND_FIELD)
        plain.form = OPERAND_GLOBAL; /* its name alone */
    else if (plain.form != OPERAND_LOCAL && plain.form != OPERAND_GLOBAL)
        return "the function";
    return check_operand_name(&plain, out);
}

static void check_argument(struct checker *c, const struct operand *called,
                           const struct type_fun *fun, uint32_t first, uint32_t i,
                           uint32_t skip, uint32_t end)
{
    struct listed got = check_listed(c, first, i);
    const struct type *wanted = fun->params[i + skip];
    char name[OPERAND_NAME_BYTES], type[TYPE_NAME_BYTES];
    struct operand value;

    if (got.type == NULL || wanted == NULL)
        return;
    function_name(called, name);
    if (got.missing) {
        if (!type_accepts_nil(&c->types, wanted))
            check_say(c, end, "argument %u of %s is missing: expected %s", i + 1, name,
                      type_show(wanted, type));
        return;
    }
    value = *got.operand;
    value.type = got.type;
    check_fits(c, &value, wanted, "argument %u of %s", i + 1, name);
}

static void check_too_many(struct checker *c, const struct operand *called,
                           const struct type_fun *fun, uint32_t first, uint32_t skip)
{
    uint32_t n_taken = fun->n_params > skip ? fun->n_params - skip : 0;
    uint32_t n_there = c->n_operands - first, n_given;
    char name[OPERAND_NAME_BYTES];
    bool more;

    n_given = check_count(c, first, &more);
    /* Whoever passes on all that a call gives means those that are taken. */
    if (fun->more || !fun->annotated || n_given <= n_taken || n_there <= n_taken)
        return;
    check_say(c, c->operands[first + n_taken].start, "%s takes %u argument%s, got %u%s",
              function_name(called, name), n_taken, n_taken == 1 ? "" : "s", n_given,
              more ? " or more" : "");
}

/* The function behind a name is known; end is where the arguments end. */
static void check_arguments(struct checker *c, const struct operand *called,
                            const struct type_fun *fun, uint32_t first, uint32_t end)
{
    uint32_t skip = called->method ? 1 : 0;

    /* Whether a function in a record takes the record is nowhere said. */
    if (called->method && called->place != NULL)
        return;
    for (uint32_t i = 0; i + skip < fun->n_params; i++)
        check_argument(c, called, fun, first, i, skip, end);
    check_too_many(c, called, fun, first, skip);
}

/* ---- results --------------------------------------------------------------------- */

static const struct type *first_result(const struct type_fun *fun)
{
    if (!fun->has_rets)
        return PLAIN(ANY);
    return fun->n_rets != 0 ? fun->rets[0] : PLAIN(NIL);
}

/* assert(x, …): x holds from here on. */
static const struct type *after_assert(struct checker *c, uint32_t first)
{
    struct operand *claim = &c->operands[first];
    struct entries entries;

    if (c->n_operands <= first)
        return PLAIN(ANY);
    entries = claim->entries;
    flow_spread(c, &entries);
    flow_apply(c, &entries, true);
    return type_truthy(&c->types, claim->type);
}

/* setmetatable(x, …): x. What is written out has one from then on. */
static const struct type *after_setmetatable(struct checker *c, uint32_t first)
{
    const struct type *type;

    if (c->n_operands <= first)
        return PLAIN(TABLE);
    type = type_behind(&c->types, c->operands[first].type);
    return type->sort == SORT_RECORD ? type : PLAIN(TABLE);
}

/* `T:is(x)`: x is a T when that is true. */
static void note_question(struct checker *c, const struct type *about,
                          const struct operand *asked, struct operand *result)
{
    struct entry entry = {.local = asked->local, .yes = about};

    result->type = type_weak(&c->types, type_union(&c->types, about, PLAIN(NIL)));
    if (asked->form != OPERAND_LOCAL)
        return;
    entry.ordinal = c->locals[asked->local].ordinal;
    entry.no = type_weak(&c->types, asked->type);
    entries_add(&result->entries, &entry);
}

static bool is_question(const struct operand *called)
{
    return called->about != NULL && called->form == OPERAND_FIELD && called->method &&
           called->n_bytes == 2 && memcmp(called->name, "is", 2) == 0;
}

static const struct type_fun *function_of(struct checker *c,
                                          const struct operand *called)
{
    const struct type *type = type_without_nil(&c->types, called->type);

    type = type_behind(&c->types, type);
    return type->sort == SORT_FUN ? type->as.fun : NULL;
}

/* What the call comes to; the arguments are still there. */
static const struct type *type_of_call(struct checker *c, const struct operand *called,
                                       const struct type_fun *fun, uint32_t first)
{
    const struct known *row = known_of(called);

    if (is_special(called, KNOWN_ASSERT))
        return after_assert(c, first);
    if (is_special(called, KNOWN_SETMETATABLE))
        return after_setmetatable(c, first);
    if (row != NULL)
        return row->special == KNOWN_LIBRARY ? PLAIN(ANY) : row->result;
    if (fun != NULL)
        return first_result(fun);
    if (called->type->sort == SORT_VALUE)
        return called->type->as.val; /* T(v) */
    return PLAIN(ANY);
}

static uint8_t life_behind(const struct operand *called, const struct type *type)
{
    if (is_special(called, KNOWN_ERROR) || type->sort == SORT_NEVER)
        return LIFE_DEAD;
    return called->known != 0 ? LIFE_LIVE : LIFE_MAYBE;
}

void call_open(struct checker *c, const struct trace_step *step)
{
    check_open(c, FRAME_CALL, step->start);
}

/* Beyond its type: what a condition, a loop or another place may ask of it. */
static void describe_result(struct checker *c, const struct operand *called,
                            const struct operand *asked, struct operand *result)
{
    result->known = 0;
    result->entries = called->entries;
    if (called->known != 0)
        result->about = asked->type;
    if (is_special(called, KNOWN_TYPE) && asked->form == OPERAND_LOCAL)
        result->kind_of = asked->local;
    if (is_special(called, KNOWN_ASSERT))
        result->entries.n = 0;
    if (is_special(called, KNOWN_PAIRS) || is_special(called, KNOWN_IPAIRS))
        result->known = called->known;
    if (is_question(called) && asked->type != NULL)
        note_question(c, called->about, asked, result);
}

void call_close(struct checker *c, const struct trace_step *step)
{
    uint32_t first = check_top(c)->operands;
    struct operand called, asked = {0};
    const struct type_fun *fun;
    const struct type *type;
    struct operand *result;

    check_pop(c);
    if (first == 0 || c->n_operands < first)
        return;
    called = c->operands[first - 1];
    if (c->n_operands > first)
        asked = c->operands[first];
    fun = function_of(c, &called);
    if (fun != NULL)
        check_arguments(c, &called, fun, first, step->start);
    else if (!type_can(&c->types, called.type, USE_CALL))
        check_say_cannot(c, &called, "call");
    type = type_of_call(c, &called, fun, first);
    for (uint32_t i = first; i < c->n_operands; i++)
        entries_merge(&called.entries, &c->operands[i].entries);
    entries_blur(c, &called.entries);
    check_pop_operands(c, first - 1);
    result = check_push_operand(c, type, called.start, step->end);
    result->form = OPERAND_CALL;
    result->of = fun;
    result->life = life_behind(&called, type);
    describe_result(c, &called, &asked, result);
}

/* ---- loops over tables ----------------------------------------------------------- */

void call_loop_types(struct checker *c, const struct operand *called,
                     const struct type **key_out, const struct type **value_out)
{
    const struct type *of = called->about;

    *key_out = *value_out = PLAIN(ANY);
    if (called->form != OPERAND_CALL || called->known == 0 || of == NULL)
        return;
    of = type_behind(&c->types, of);
    if (is_special(called, KNOWN_IPAIRS))
        *key_out = PLAIN(INTEGER);
    if (of->sort == SORT_ARRAY || of->sort == SORT_MAP) {
        if (is_special(called, KNOWN_PAIRS))
            *key_out = of->as.key;
        *value_out = type_without_nil(&c->types, of->as.val);
    }
}
