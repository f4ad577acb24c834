#include "worker/erase_parse.h"

static bool ends_block(unsigned kind)
{
    return kind == TK_EOF || kind == TK_ELSE || kind == TK_ELSEIF || kind == TK_END ||
           kind == TK_UNTIL;
}

static void plan_if(struct parser *p)
{
    uint32_t line = (uint32_t)p->tok.line;

    erase_tell(p, TRACE_IF);
    erase_advance(p);
    erase_plan(p, GOAL(EXPR), EXPECT(TK_THEN), GOAL(BLOCK),
               GOAL(IF_NEXT, .nests = true, .mark = line));
}

/* Behind a block of an `if` that started on line goal.mark. */
void erase_step_if_next(struct parser *p, struct goal goal)
{
    if (erase_accept_as(p, TK_ELSEIF, TRACE_TOKEN))
        erase_plan(p, GOAL(EXPR), EXPECT(TK_THEN), GOAL(BLOCK), goal);
    else if (erase_accept_as(p, TK_ELSE, TRACE_TOKEN))
        erase_plan(p, GOAL(BLOCK), CLOSE(TK_END, TK_IF, goal.mark));
    else
        erase_plan(p, CLOSE(TK_END, TK_IF, goal.mark));
}

static void plan_while(struct parser *p)
{
    int line = p->tok.line;

    erase_tell(p, TRACE_WHILE);
    erase_advance(p);
    erase_plan(p, GOAL(EXPR), EXPECT(TK_DO), GOAL(BLOCK),
               CLOSE(TK_END, TK_WHILE, line));
}

static void plan_do(struct parser *p)
{
    int line = p->tok.line;

    erase_tell(p, TRACE_DO);
    erase_advance(p);
    erase_plan(p, GOAL(BLOCK), CLOSE(TK_END, TK_DO, line));
}

static void plan_repeat(struct parser *p)
{
    int line = p->tok.line;

    erase_tell(p, TRACE_REPEAT);
    erase_advance(p);
    erase_plan(p, GOAL(BLOCK), CLOSE(TK_UNTIL, TK_REPEAT, line), GOAL(EXPR),
               GOAL(REPEAT_END));
}

void erase_step_repeat_end(struct parser *p, struct goal goal)
{
    (void)goal;
    erase_tell(p, TRACE_REPEAT_END);
}

static void plan_for(struct parser *p)
{
    int line = p->tok.line;

    erase_tell(p, TRACE_FOR);
    erase_advance(p);
    erase_expect_as(p, TK_NAME, TRACE_FOR_NAME);
    if (erase_accept(p, '=')) {
        erase_plan(p, GOAL(EXPR), EXPECT(','), GOAL(EXPR), GOAL(FOR_STEP),
                   EXPECT(TK_DO), GOAL(BLOCK), CLOSE(TK_END, TK_FOR, line));
        return;
    }
    while (erase_accept(p, ','))
        erase_expect_as(p, TK_NAME, TRACE_FOR_NAME);
    if (p->tok.kind != TK_IN) {
        erase_unexpected(p, "'=' or 'in' expected");
        return;
    }
    erase_tell(p, TRACE_FOR_IN);
    erase_advance(p);
    erase_plan(p, GOAL(EXPR_LIST), EXPECT(TK_DO), GOAL(BLOCK),
               CLOSE(TK_END, TK_FOR, line));
}

void erase_step_for_step(struct parser *p, struct goal goal)
{
    (void)goal;
    if (erase_accept(p, ','))
        erase_plan(p, GOAL(EXPR));
}

static void plan_function(struct parser *p)
{
    uint32_t line = (uint32_t)p->tok.line;

    erase_advance(p);
    erase_expect_as(p, TK_NAME, TRACE_FUNCTION_NAME);
    while (erase_accept(p, '.'))
        erase_expect_as(p, TK_NAME, TRACE_FUNCTION_FIELD);
    if (erase_accept(p, ':'))
        erase_expect_as(p, TK_NAME, TRACE_FUNCTION_METHOD);
    erase_plan(p, GOAL(BODY, .mark = line));
}

static void plan_local(struct parser *p)
{
    uint32_t line;

    erase_advance(p);
    line = (uint32_t)p->tok.line;
    if (erase_accept(p, TK_FUNCTION)) {
        erase_expect_as(p, TK_NAME, TRACE_LOCAL_FUNCTION);
        erase_plan(p, GOAL(BODY, .mark = line));
    } else {
        erase_tell(p, TRACE_LOCAL);
        erase_plan(p, GOAL(LOCAL_NAME));
    }
}

/* `<const>`, `<close>`: they stay, and Lua judges them. */
static bool accept_attribute(struct parser *p)
{
    if (!erase_accept(p, '<'))
        return false;
    erase_expect(p, TK_NAME);
    erase_expect(p, '>');
    return true;
}

/* One name of a `local` list: an attribute may stand before or behind its type. */
void erase_step_local_name(struct parser *p, struct goal goal)
{
    bool attribute;

    (void)goal;
    erase_expect_as(p, TK_NAME, TRACE_LOCAL_NAME);
    attribute = accept_attribute(p);
    if (p->tok.kind == ':')
        erase_plan_annotation(p, TYPE_OF_LOCAL, GOAL(LOCAL_NEXT, .mode = !attribute));
    else
        erase_plan(p, GOAL(LOCAL_NEXT));
}

/* mode: an attribute may still follow. */
void erase_step_local_next(struct parser *p, struct goal goal)
{
    if (goal.mode)
        accept_attribute(p);
    if (erase_accept(p, ','))
        erase_plan(p, GOAL(LOCAL_NAME));
    else if (erase_accept(p, '='))
        erase_plan(p, GOAL(EXPR_LIST));
    else
        erase_tell(p, TRACE_LOCAL_END);
}

static void read_label(struct parser *p)
{
    erase_advance(p);
    erase_expect_as(p, TK_NAME, TRACE_LABEL);
    erase_expect(p, TK_DBCOLON);
}

void erase_step_call_or_assign(struct parser *p, struct goal goal)
{
    bool more = p->tok.kind == ',';

    if (p->value == VALUE_CALL && goal.mode == 0 && !more && p->tok.kind != '=') {
        erase_tell(p, TRACE_CALL_END);
        return;
    }
    if (p->value != VALUE_VARIABLE || (!more && p->tok.kind != '=')) {
        erase_unexpected(p, "syntax error");
        return;
    }
    erase_tell(p, more ? TRACE_ASSIGN_MORE : TRACE_ASSIGN);
    erase_advance(p);
    if (more)
        erase_plan(p, GOAL(PREFIX), GOAL(CALL_OR_ASSIGN, .mode = 1));
    else
        erase_plan(p, GOAL(EXPR_LIST));
}

static void plan_return(struct parser *p)
{
    erase_tell(p, TRACE_RETURN);
    erase_advance(p);
    if (ends_block(p->tok.kind) || p->tok.kind == ';')
        erase_plan(p, GOAL(RETURN_END));
    else
        erase_plan(p, GOAL(EXPR_LIST), GOAL(RETURN_END));
}

void erase_step_return_end(struct parser *p, struct goal goal)
{
    (void)goal;
    erase_tell(p, TRACE_RETURN_END);
    erase_accept(p, ';');
}

static void plan_other(struct parser *p)
{
    if (erase_plan_declaration(p))
        return;
    /* `x = y as T` ends where a plain `x = y` would go on with "(g)()". */
    if (p->tok.kind == '(' && p->cast_end != 0 && p->cast_end == p->prev_end &&
        p->in_type == 0)
        edits_put_before(&p->edits, p->cast_end, ';');
    erase_tell(p, TRACE_PLACE);
    erase_plan(p, GOAL(PREFIX), GOAL(CALL_OR_ASSIGN));
}

static void plan_statement(struct parser *p)
{
    switch (p->tok.kind) {
    case ';':
        erase_advance(p);
        break;
    case TK_BREAK:
        erase_tell(p, TRACE_BREAK);
        erase_advance(p);
        break;
    case TK_GOTO:
        erase_advance(p);
        erase_expect_as(p, TK_NAME, TRACE_GOTO);
        break;
    case TK_DBCOLON:
        read_label(p);
        break;
    case TK_IF:
        plan_if(p);
        break;
    case TK_WHILE:
        plan_while(p);
        break;
    case TK_DO:
        plan_do(p);
        break;
    case TK_FOR:
        plan_for(p);
        break;
    case TK_REPEAT:
        plan_repeat(p);
        break;
    case TK_FUNCTION:
        plan_function(p);
        break;
    case TK_LOCAL:
        plan_local(p);
        break;
    default:
        plan_other(p);
    }
}

/* Statements up to the token that ends the block; a `return` is the last. */
void erase_step_block(struct parser *p, struct goal goal)
{
    if (ends_block(p->tok.kind))
        return;
    if (p->tok.kind == TK_RETURN) {
        plan_return(p);
        return;
    }
    erase_plan(p, goal);
    plan_statement(p);
}

/* Behind `function` or the function's name; goal.mark is the line of `function`. */
void erase_step_body(struct parser *p, struct goal goal)
{
    erase_tell(p, TRACE_FUNCTION);
    erase_plan(p, GOAL(GENERICS), GOAL(PARAMS), GOAL(RETURNS), GOAL(BLOCK),
               CLOSE(TK_END, TK_FUNCTION, goal.mark));
}

void erase_step_params(struct parser *p, struct goal goal)
{
    (void)goal;
    erase_expect(p, '(');
    if (!erase_accept_as(p, ')', TRACE_PARAMS_END))
        erase_plan(p, GOAL(PARAM));
}

void erase_step_param(struct parser *p, struct goal goal)
{
    bool last = erase_accept_as(p, TK_DOTS, TRACE_PARAM);
    struct goal next = GOAL(PARAM_NEXT, .mode = last);

    (void)goal;
    if (!last)
        erase_expect_as(p, TK_NAME, TRACE_PARAM);
    if (p->tok.kind == ':' || (p->tok.kind == TK_OPTIONAL && !last))
        erase_plan_annotation(p, 0, next);
    else
        erase_plan(p, next);
}

/* mode: it was "...", so no more can follow. */
void erase_step_param_next(struct parser *p, struct goal goal)
{
    if (!goal.mode && erase_accept(p, ','))
        erase_plan(p, GOAL(PARAM));
    else
        erase_expect_as(p, ')', TRACE_PARAMS_END);
}

/* What a function returns goes on over ',' only, so that the body may start with '('
 * or a name (TYPE-20). */
void erase_step_returns(struct parser *p, struct goal goal)
{
    uint32_t from;

    (void)goal;
    if (p->tok.kind != ':')
        return;
    from = erase_begin(p);
    erase_advance(p);
    erase_plan(p, GOAL(TYPE, .mode = TYPE_TUPLE_OK), GOAL(TYPE_LIST_MORE),
               GOAL(ERASE, .from = from));
}
