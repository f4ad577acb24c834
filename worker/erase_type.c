#include "worker/erase_parse.h"

#include "common/mem.h"

/* Words that start a type of their own when the right token follows. */
enum type_word {
    WORD_NONE,
    WORD_FUN,
    WORD_RECORD,
    WORD_TYPEOF,
    WORD_KEYOF,
    WORD_ASSERTS
};

static const struct {
    const char *word;
    uint16_t before;
    uint8_t sort;
} type_words[] = {
    {"fun", '(', WORD_FUN},          {"readonly", '{', WORD_RECORD},
    {"interface", '{', WORD_RECORD}, {"typeof", '(', WORD_TYPEOF},
    {"keyof", '(', WORD_KEYOF},      {"asserts", TK_NAME, WORD_ASSERTS},
};

/* Primitive types that nobody gives type arguments: behind them '<' compares, as in
 * `n as number < 3`. */
static const char *const plain_types[] = {
    "any",     "unknown", "never",  "boolean",  "number",
    "integer", "string",  "thread", "userdata", "error",
};

/* May a type start with this token? */
static bool starts_type(const struct token *token)
{
    switch (token->kind) {
    case TK_NAME:
    case TK_NIL:
    case TK_TRUE:
    case TK_FALSE:
    case TK_FUNCTION:
    case TK_STRING:
    case TK_NUMBER:
    case '{':
    case '(':
        return true;
    default:
        return false;
    }
}

/* On a line of its own, `as (x)`, `as {x}` and `as "x"` are calls of a variable with
 * that name: plain Lua keeps its meaning. No other type can follow a variable. */
bool erase_word_before_type(struct parser *p, const char *word)
{
    const struct token *next;

    if (!erase_is_word(p, &p->tok, word))
        return false;
    next = erase_peek(p, 1);
    if (next->kind == '(' || next->kind == '{' || next->kind == TK_STRING)
        return p->tok.line == p->prev_line;
    return starts_type(next);
}

void erase_step_type(struct parser *p, struct goal goal)
{
    erase_plan(p, GOAL(SIMPLE_TYPE, .mode = goal.mode),
               GOAL(TYPE_MORE, .mode = goal.mode & TYPE_OF_LOCAL));
}

void erase_step_type_more(struct parser *p, struct goal goal)
{
    int line = p->tok.line;

    if (erase_accept(p, '|') || erase_accept(p, '&')) {
        erase_plan(p, GOAL(SIMPLE_TYPE, .mode = goal.mode), goal);
    } else if (erase_word_before_type(p, "extends")) {
        erase_advance(p);
        erase_plan(p, GOAL(SIMPLE_TYPE, .mode = TYPE_CONDITION), EXPECT('?'),
                   GOAL(TYPE), CLOSE(':', '?', line), GOAL(TYPE, .mode = goal.mode));
    }
}

/* Behind a type of a list that ',' continues. */
void erase_step_type_list_more(struct parser *p, struct goal goal)
{
    if (erase_accept(p, ','))
        erase_plan(p, GOAL(TYPE), goal);
}

static bool is_plain_type(const struct parser *p, const struct token *name)
{
    for (unsigned i = 0; i < N_ELEMENTS(plain_types); i++) {
        if (erase_is_word(p, name, plain_types[i]))
            return true;
    }
    return false;
}

/* At '<' behind a type's name: does a list of types open here? */
static bool at_type_arguments(struct parser *p, unsigned mode)
{
    const struct token *next = erase_peek(p, 1);

    if (!starts_type(next))
        return false;
    if ((mode & TYPE_OF_LOCAL) &&
        (erase_is_word(p, next, "const") || erase_is_word(p, next, "close")) &&
        erase_peek(p, 2)->kind == '>')
        return false;
    return true;
}

static void plan_type_name(struct parser *p, struct goal suffix)
{
    bool plain = is_plain_type(p, &p->tok);
    int line;

    erase_advance(p);
    while (erase_accept(p, '.')) {
        erase_expect(p, TK_NAME);
        plain = false;
    }
    line = p->tok.line;
    if (p->tok.kind == '<' && !plain && at_type_arguments(p, suffix.mode)) {
        erase_advance(p);
        erase_plan(p, GOAL(TYPE), GOAL(TYPE_LIST_MORE), CLOSE('>', '<', line), suffix);
        return;
    }
    erase_plan(p, suffix);
}

static enum type_word at_type_word(struct parser *p)
{
    for (unsigned i = 0; i < N_ELEMENTS(type_words); i++) {
        if (erase_is_word(p, &p->tok, type_words[i].word) &&
            erase_peek(p, 1)->kind == type_words[i].before)
            return type_words[i].sort;
    }
    return WORD_NONE;
}

/* At the '(' or '{' of a list. */
static void plan_group(struct parser *p, struct goal item, struct goal suffix)
{
    item.nests = true;
    item.mark = (uint32_t)p->tok.line;
    erase_advance(p);
    erase_plan(p, item, suffix);
}

static void plan_word_type(struct parser *p, enum type_word word, struct goal suffix)
{
    int line = p->tok.line;

    erase_advance(p);
    switch (word) {
    case WORD_FUN:
        plan_group(p, GOAL(PAREN_ITEM, .mode = TYPE_FUN), suffix);
        break;
    case WORD_RECORD:
        plan_group(p, GOAL(BRACE_ITEM), suffix);
        break;
    case WORD_TYPEOF:
        erase_advance(p);
        erase_plan(p, GOAL(EXPR), CLOSE(')', '(', line), suffix);
        break;
    case WORD_KEYOF:
        erase_advance(p);
        erase_plan(p, GOAL(TYPE), CLOSE(')', '(', line), suffix);
        break;
    default: /* asserts NAME [is TYPE] */
        erase_advance(p);
        if (erase_word_before_type(p, "is")) {
            erase_advance(p);
            erase_plan(p, GOAL(TYPE, .mode = suffix.mode & TYPE_OF_LOCAL));
        } else {
            erase_plan(p, suffix);
        }
    }
}

void erase_step_simple_type(struct parser *p, struct goal goal)
{
    struct goal suffix = GOAL(TYPE_SUFFIX, .mode = goal.mode);
    enum type_word word;

    switch (p->tok.kind) {
    case TK_NIL:
    case TK_TRUE:
    case TK_FALSE:
    case TK_FUNCTION:
    case TK_STRING:
    case TK_NUMBER:
        erase_advance(p);
        erase_plan(p, suffix);
        break;
    case TK_NAME:
        word = at_type_word(p);
        if (word != WORD_NONE)
            plan_word_type(p, word, suffix);
        else
            plan_type_name(p, suffix);
        break;
    case '{':
        plan_group(p, GOAL(BRACE_ITEM), suffix);
        break;
    case '(':
        plan_group(p, GOAL(PAREN_ITEM, .mode = goal.mode), suffix);
        break;
    default:
        erase_unexpected(p, "type expected");
    }
}

/* `@name` with its arguments, which start on the same line. */
static void plan_type_annotation(struct parser *p, struct goal suffix)
{
    int line;

    erase_advance(p);
    erase_expect(p, TK_NAME);
    line = p->tok.line;
    if (p->tok.kind != '(' || line != p->prev_line) {
        erase_plan(p, suffix);
        return;
    }
    erase_advance(p);
    if (erase_accept(p, ')'))
        erase_plan(p, suffix);
    else
        erase_plan(p, GOAL(EXPR_LIST), CLOSE(')', '(', line), suffix);
}

/* In `A extends B ? C : D` the '?' that a type follows isn't B's. */
static bool at_optional_mark(struct parser *p, unsigned mode)
{
    return p->tok.kind == '?' &&
           !((mode & TYPE_CONDITION) && starts_type(erase_peek(p, 1)));
}

void erase_step_type_suffix(struct parser *p, struct goal goal)
{
    int line = p->tok.line;

    if (p->tok.kind == '@') {
        plan_type_annotation(p, goal);
    } else if (at_optional_mark(p, goal.mode)) {
        erase_advance(p);
        erase_plan(p, goal);
    } else if (erase_accept(p, '[')) {
        if (erase_accept(p, ']'))
            erase_plan(p, goal);
        else
            erase_plan(p, GOAL(TYPE), CLOSE(']', '[', line), goal);
    }
}

static bool at_field(struct parser *p)
{
    unsigned next;

    if (p->tok.kind != TK_NAME && !token_is_keyword(&p->tok))
        return false;
    next = erase_peek(p, 1)->kind;
    return next == ':' || next == TK_OPTIONAL;
}

/* Behind '{' or ','; goal.mark is the line of '{'. */
void erase_step_brace_item(struct parser *p, struct goal goal)
{
    struct goal next = GOAL(BRACE_NEXT, .nests = true, .mark = goal.mark);

    if (erase_accept(p, '}'))
        return;
    if (erase_accept(p, '[')) {
        erase_plan(p, GOAL(TYPE), EXPECT(']'), EXPECT(':'), GOAL(TYPE), next);
        return;
    }
    if (at_field(p)) {
        erase_advance(p);
        erase_advance(p);
    }
    erase_plan(p, GOAL(TYPE), next);
}

void erase_step_brace_next(struct parser *p, struct goal goal)
{
    if (erase_accept(p, ','))
        erase_plan(p, GOAL(BRACE_ITEM, .nests = true, .mark = goal.mark));
    else
        erase_step_close(p, CLOSE('}', '{', goal.mark));
}

/* Behind the ')' of a list in a type: is it what functions take, what they return, or
 * just a type in parentheses? */
static void plan_behind_paren(struct parser *p, struct goal list)
{
    struct goal result =
        GOAL(TYPE, .mode = (list.mode & TYPE_OF_LOCAL) | TYPE_TUPLE_OK);
    bool one = list.count == 1 && !(list.mode & (TYPE_NAMED | TYPE_VARIADIC));

    if (list.mode & TYPE_FUN) {
        if (erase_accept(p, ':'))
            erase_plan(p, result);
    } else if (erase_accept(p, TK_ARROW)) {
        erase_plan(p, result);
    } else if (!one && (!(list.mode & TYPE_TUPLE_OK) || (list.mode & TYPE_NAMED))) {
        erase_expect(p, TK_ARROW);
    }
}

/* Behind '(' or ','; goal.mark is the line of '('. */
void erase_step_paren_item(struct parser *p, struct goal goal)
{
    struct goal next = goal;

    if (goal.count == 0 && erase_accept(p, ')')) {
        plan_behind_paren(p, goal);
        return;
    }
    next.what = GOAL_PAREN_NEXT;
    next.count = goal.count == 0 ? 1 : 2;
    if (erase_accept(p, TK_DOTS)) {
        next.mode |= TYPE_VARIADIC;
        erase_accept(p, ':');
        if (p->tok.kind == ')') {
            erase_plan(p, next);
            return;
        }
    } else if (p->tok.kind == TK_NAME && at_field(p)) {
        next.mode |= TYPE_NAMED;
        erase_advance(p);
        erase_advance(p);
    }
    erase_plan(p, GOAL(TYPE), next);
}

void erase_step_paren_next(struct parser *p, struct goal goal)
{
    if (!(goal.mode & TYPE_VARIADIC) && erase_accept(p, ',')) {
        goal.what = GOAL_PAREN_ITEM;
        erase_plan(p, goal);
        return;
    }
    erase_step_close(p, CLOSE(')', '(', goal.mark));
    if (!p->failed)
        plan_behind_paren(p, goal);
}

/* `<T, U: Bound>`, if one opens here. */
void erase_step_generics(struct parser *p, struct goal goal)
{
    uint32_t from;

    (void)goal;
    if (p->tok.kind != '<')
        return;
    from = erase_begin(p);
    erase_advance(p);
    erase_plan(p, GOAL(GENERIC), GOAL(ERASE, .from = from));
}

void erase_step_generic(struct parser *p, struct goal goal)
{
    (void)goal;
    erase_expect(p, TK_NAME);
    if (erase_accept(p, ':'))
        erase_plan(p, GOAL(TYPE), GOAL(GENERIC_NEXT));
    else
        erase_plan(p, GOAL(GENERIC_NEXT));
}

void erase_step_generic_next(struct parser *p, struct goal goal)
{
    (void)goal;
    if (erase_accept(p, ','))
        erase_plan(p, GOAL(GENERIC));
    else
        erase_expect_angle(p);
}

bool erase_plan_declaration(struct parser *p)
{
    uint32_t from, line = (uint32_t)p->tok.line;
    bool interface = erase_is_word(p, &p->tok, "interface");

    if (!interface && !erase_is_word(p, &p->tok, "type"))
        return false;
    if (erase_peek(p, 1)->kind != TK_NAME)
        return false;
    if (!interface && erase_peek(p, 2)->kind != '=' && erase_peek(p, 2)->kind != '<')
        return false;
    from = erase_begin(p);
    erase_advance(p);
    erase_advance(p);
    if (interface)
        erase_plan(p, GOAL(GENERICS), GOAL(INTERFACE_BASES),
                   GOAL(INTERFACE_MEMBER, .nests = true, .mark = line),
                   GOAL(ERASE_STATEMENT, .from = from));
    else
        erase_plan(p, GOAL(GENERICS), EXPECT('='), GOAL(TYPE),
                   GOAL(ERASE_STATEMENT, .from = from));
    return true;
}

void erase_step_interface_bases(struct parser *p, struct goal goal)
{
    (void)goal;
    if (erase_accept(p, ':'))
        erase_plan(p, GOAL(TYPE), GOAL(TYPE_LIST_MORE));
}

/* A field, a method or `end`; goal.mark is the line of `interface`, mode: a comma may
 * stand before it. */
void erase_step_interface_member(struct parser *p, struct goal goal)
{
    if (goal.mode)
        erase_accept(p, ',');
    goal.mode = 1;
    if (erase_accept(p, TK_FUNCTION)) {
        erase_expect(p, TK_NAME);
        erase_plan(p, GOAL(GENERICS), GOAL(PARAMS), GOAL(RETURNS), goal);
        return;
    }
    if (!erase_accept(p, TK_NAME)) {
        erase_step_close(p, CLOSE(TK_END, TK_INTERFACE, goal.mark));
        return;
    }
    if (!erase_accept(p, TK_OPTIONAL))
        erase_expect(p, ':');
    erase_plan(p, GOAL(TYPE), goal);
}
