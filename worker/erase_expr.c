#include "worker/erase_parse.h"

static bool is_binary_operator(unsigned kind)
{
    switch (kind) {
    case '+':
    case '-':
    case '*':
    case '/':
    case '%':
    case '^':
    case '&':
    case '|':
    case '~':
    case '<':
    case '>':
    case TK_AND:
    case TK_OR:
    case TK_EQ:
    case TK_NE:
    case TK_LE:
    case TK_GE:
    case TK_IDIV:
    case TK_SHL:
    case TK_SHR:
    case TK_CONCAT:
        return true;
    default:
        return false;
    }
}

static bool skip_unary_operators(struct parser *p)
{
    bool any = false;

    while (p->tok.kind == '-' || p->tok.kind == '#' || p->tok.kind == '~' ||
           p->tok.kind == TK_NOT) {
        erase_tell(p, TRACE_UNARY);
        erase_advance(p);
        any = true;
    }
    return any;
}

/* Precedence changes nothing about what is erased, for casts bind tighter than every
 * operator: an expression is operands with operators between. */
void erase_step_expr(struct parser *p, struct goal goal)
{
    bool lone;

    (void)goal;
    erase_tell(p, TRACE_EXPR);
    lone = !skip_unary_operators(p);
    erase_plan(p, GOAL(OPERAND), GOAL(EXPR_MORE, .mode = lone));
}

/* Behind an operand; mode: it has had no operator so far. */
void erase_step_expr_more(struct parser *p, struct goal goal)
{
    if (is_binary_operator(p->tok.kind)) {
        erase_tell(p, TRACE_BINARY);
        erase_advance(p);
        skip_unary_operators(p);
        erase_plan(p, GOAL(OPERAND), GOAL(EXPR_MORE));
        return;
    }
    erase_tell(p, TRACE_EXPR_END);
    p->lone_cast_spreads = goal.mode && p->operand_cast != NO_OFFSET &&
                           (p->value == VALUE_CALL || p->value == VALUE_DOTS);
}

/* Makes the operand just read yield one value, as its cast demands. */
static void truncate_operand(struct parser *p)
{
    if (p->in_type > 0)
        return;
    edits_put(&p->edits, p->operand_cast, ')');
    edits_put_before(&p->edits, p->operand_at, '(');
}

void erase_step_expr_list(struct parser *p, struct goal goal)
{
    (void)goal;
    erase_tell(p, TRACE_LIST);
    erase_plan(p, GOAL(EXPR), GOAL(EXPR_LIST_MORE));
}

void erase_step_expr_list_more(struct parser *p, struct goal goal)
{
    if (erase_accept(p, ',')) {
        erase_plan(p, GOAL(EXPR), goal);
        return;
    }
    erase_tell(p, TRACE_LIST_END);
    if (p->lone_cast_spreads)
        truncate_operand(p);
}

/* At '{'. */
static void plan_table(struct parser *p, struct goal then)
{
    uint32_t line = (uint32_t)p->tok.line;

    erase_tell(p, TRACE_TABLE);
    erase_advance(p);
    erase_plan(p, GOAL(TABLE_ITEM, .nests = true, .mark = line), then);
}

void erase_step_operand(struct parser *p, struct goal goal)
{
    struct goal casts = GOAL(CASTS, .from = p->tok.start, .mark = NO_OFFSET);
    uint32_t line = (uint32_t)p->tok.line;

    (void)goal;
    switch (p->tok.kind) {
    case TK_DOTS:
    case TK_NUMBER:
    case TK_STRING:
    case TK_NIL:
    case TK_TRUE:
    case TK_FALSE:
        casts.mode = p->tok.kind == TK_DOTS ? VALUE_DOTS : VALUE_ANY;
        erase_tell(p, TRACE_CONSTANT);
        erase_advance(p);
        erase_step_casts(p, casts);
        break;
    case '{':
        plan_table(p, casts);
        break;
    case TK_FUNCTION:
        erase_tell(p, TRACE_LAMBDA);
        erase_advance(p);
        erase_plan(p, GOAL(BODY, .mark = line), casts);
        break;
    default:
        casts.mode = VALUE_AS_READ;
        erase_plan(p, GOAL(PREFIX), casts);
    }
}

/* After "::", a name and another "::" on the same line make a label (LUA-10). */
static bool at_cast(struct parser *p)
{
    int line = p->tok.line;

    if (p->tok.kind != TK_DBCOLON)
        return erase_word_before_type(p, "as");
    return erase_peek(p, 1)->kind != TK_NAME || erase_peek(p, 1)->line != line ||
           erase_peek(p, 2)->kind != TK_DBCOLON || erase_peek(p, 2)->line != line;
}

/* Behind an operand that started at goal.from and is a goal.mode; goal.mark is where
 * its first cast was. */
void erase_step_casts(struct parser *p, struct goal goal)
{
    uint32_t from = p->tok.start;

    if (goal.mode == VALUE_AS_READ)
        goal.mode = (uint8_t)p->value;
    if (goal.mark != NO_OFFSET && p->in_type == 0)
        p->cast_end = p->prev_end;
    if (p->tok.kind == '!' || at_cast(p)) {
        goal.mark = goal.mark == NO_OFFSET ? from : goal.mark;
        erase_begin(p);
        if (erase_accept(p, '!')) {
            erase_plan(p, GOAL(ERASE, .from = from), goal);
        } else {
            erase_advance(p);
            erase_plan(p, GOAL(TYPE), GOAL(ERASE, .from = from), goal);
        }
        return;
    }
    p->value = goal.mode;
    p->operand_at = goal.from;
    p->operand_cast = goal.mark;
}

/* A name or a parenthesised expression with its suffixes. */
void erase_step_prefix(struct parser *p, struct goal goal)
{
    int line = p->tok.line;

    (void)goal;
    if (erase_accept_as(p, TK_NAME, TRACE_NAME)) {
        erase_step_suffixes(p, GOAL(SUFFIXES, .mode = VALUE_VARIABLE));
    } else if (erase_accept_as(p, '(', TRACE_PAREN)) {
        erase_plan(p, GOAL(EXPR), CLOSE(')', '(', line),
                   GOAL(SUFFIXES, .mode = VALUE_ANY));
    } else {
        erase_unexpected(p, "unexpected symbol");
    }
}

/* `::<T>` between a function and its arguments. */
static void plan_type_arguments(struct parser *p)
{
    uint32_t from;
    int line;

    if (p->tok.kind != TK_DBCOLON || erase_peek(p, 1)->kind != '<')
        return;
    from = erase_begin(p);
    erase_advance(p);
    line = p->tok.line;
    erase_advance(p);
    erase_plan(p, GOAL(TYPE), GOAL(TYPE_LIST_MORE), CLOSE('>', '<', line),
               GOAL(ERASE, .from = from));
}

static void plan_call(struct parser *p)
{
    erase_plan(p, GOAL(ARGS), GOAL(CALLED), GOAL(SUFFIXES, .mode = VALUE_CALL));
    plan_type_arguments(p); /* on top of the stack: these come first */
}

static bool at_arguments(struct parser *p)
{
    return p->tok.kind == '(' || p->tok.kind == '{' || p->tok.kind == TK_STRING ||
           (p->tok.kind == TK_DBCOLON && erase_peek(p, 1)->kind == '<');
}

/* What is before is a goal.mode. */
void erase_step_suffixes(struct parser *p, struct goal goal)
{
    int line;

    while (erase_accept(p, '.')) {
        erase_expect_as(p, TK_NAME, TRACE_FIELD);
        goal.mode = VALUE_VARIABLE;
    }
    line = p->tok.line;
    if (erase_accept_as(p, '[', TRACE_INDEX)) {
        erase_plan(p, GOAL(EXPR), CLOSE(']', '[', line),
                   GOAL(SUFFIXES, .mode = VALUE_VARIABLE));
    } else if (erase_accept(p, ':')) {
        erase_expect_as(p, TK_NAME, TRACE_METHOD);
        plan_call(p);
    } else if (at_arguments(p)) {
        plan_call(p);
    } else {
        p->value = goal.mode;
    }
}

void erase_step_args(struct parser *p, struct goal goal)
{
    int line = p->tok.line;

    (void)goal;
    erase_tell(p, TRACE_CALL);
    if (p->tok.kind == '{') {
        erase_tell(p, TRACE_TABLE);
        erase_advance(p);
        erase_plan(p, GOAL(TABLE_ITEM, .nests = true, .mark = (uint32_t)line));
    } else if (erase_accept(p, '(')) {
        if (!erase_accept_as(p, ')', TRACE_CLOSE))
            erase_plan(p, GOAL(EXPR_LIST), CLOSE(')', '(', line));
    } else if (!erase_accept_as(p, TK_STRING, TRACE_CONSTANT)) {
        erase_unexpected(p, "function arguments expected");
    }
}

void erase_step_called(struct parser *p, struct goal goal)
{
    (void)goal;
    if (p->follow != NULL)
        erase_tell_step(p, TRACE_CALLED,
                        &(struct token){.start = p->prev_end - 1, .end = p->prev_end});
}

/* Behind '{' or a separator; goal.mark is the line of '{'. */
void erase_step_table_item(struct parser *p, struct goal goal)
{
    struct goal next = GOAL(TABLE_NEXT, .nests = true, .mark = goal.mark);

    if (erase_accept_as(p, '}', TRACE_CLOSE))
        return;
    if (erase_accept_as(p, '[', TRACE_ITEM_KEYED)) {
        erase_plan(p, GOAL(EXPR), EXPECT(']'), EXPECT('='), GOAL(EXPR), next);
        return;
    }
    if (p->tok.kind == TK_NAME && erase_peek(p, 1)->kind == '=') {
        erase_tell(p, TRACE_ITEM_NAMED);
        erase_advance(p);
        erase_advance(p);
    } else {
        erase_tell(p, TRACE_ITEM);
        next.mode = 1;
    }
    erase_plan(p, GOAL(EXPR), next);
}

/* mode: the item had no key, so as the last one it may yield many values. */
void erase_step_table_next(struct parser *p, struct goal goal)
{
    bool separator = p->tok.kind == ',' || p->tok.kind == ';';
    unsigned after = separator ? erase_peek(p, 1)->kind : p->tok.kind;

    if (goal.mode && p->lone_cast_spreads && after == '}')
        truncate_operand(p);
    if (separator) {
        erase_advance(p);
        erase_plan(p, GOAL(TABLE_ITEM, .nests = true, .mark = goal.mark));
        return;
    }
    erase_step_close(p, CLOSE('}', '{', goal.mark));
}
