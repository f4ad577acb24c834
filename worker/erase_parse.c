#include "worker/erase_parse.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void erase_push(struct parser *p, const struct goal *goals, size_t n)
{
    const struct token *at = &p->tok;

    for (size_t i = n; i-- > 0;) {
        p->depth += goals[i].nests;
        if (p->depth > ERASE_MAX_DEPTH || p->n_goals == MAX_GOALS) {
            erase_error_set(p->lexer.error, at, "nesting deeper than %d levels",
                            ERASE_MAX_DEPTH);
            p->failed = true;
            return;
        }
        p->goals[p->n_goals++] = goals[i];
    }
}

/* Reads a token into out; an EOF once the pass has failed. */
static void read_token(struct parser *p, struct token *out)
{
    if (!p->failed && erase_lex(&p->lexer, out))
        return;
    p->failed = true;
    out->kind = TK_EOF;
    out->end = out->start;
}

/* Escapes that Lua would refuse lose their backslash (LUA-10). */
static void rewrite_escapes(struct parser *p)
{
    uint32_t at = p->tok.start, after = at;

    for (;;) {
        at = erase_lex_odd_escape(&p->lexer, after, p->tok.end, &after);
        if (at == p->tok.end)
            return;
        edits_delete(&p->edits, at);
    }
}

void erase_advance(struct parser *p)
{
    if (p->tok.odd_escapes && p->in_type == 0)
        rewrite_escapes(p);
    p->prev_end = p->tok.end;
    p->prev_line = p->tok.end_line;
    if (p->n_ahead == 0) {
        read_token(p, &p->tok);
        return;
    }
    p->tok = p->ahead[0];
    p->ahead[0] = p->ahead[1];
    p->n_ahead--;
}

const struct token *erase_peek(struct parser *p, unsigned n)
{
    assert(n >= 1 && n <= 2);
    while (p->n_ahead < n) {
        p->ahead[p->n_ahead] = p->tok; /* a position, should the read fail */
        read_token(p, &p->ahead[p->n_ahead]);
        p->n_ahead++;
    }
    return &p->ahead[n - 1];
}

bool erase_accept(struct parser *p, unsigned kind)
{
    if (p->tok.kind != kind)
        return false;
    erase_advance(p);
    return true;
}

void erase_tell_step(struct parser *p, enum trace_what what, const struct token *at)
{
    struct trace_step step = {what, at->kind, at->start, at->end};

    if (p->in_type == 0 && !p->failed)
        p->follow(p->follow_context, &step);
}

bool erase_accept_as(struct parser *p, unsigned kind, enum trace_what what)
{
    if (p->tok.kind != kind)
        return false;
    erase_tell(p, what);
    erase_advance(p);
    return true;
}

void erase_unexpected(struct parser *p, const char *message)
{
    char text[TOKEN_TEXT_BYTES];

    erase_error_set(p->lexer.error, &p->tok, "%s near %s", message,
                    erase_token_text(&p->lexer, &p->tok, text));
    p->failed = true;
}

void erase_expect(struct parser *p, unsigned kind)
{
    char message[32], scratch[4];

    if (erase_accept(p, kind))
        return;
    snprintf(message, sizeof(message), "%s expected", erase_token_name(kind, scratch));
    erase_unexpected(p, message);
}

void erase_expect_as(struct parser *p, unsigned kind, enum trace_what what)
{
    if (p->tok.kind == kind)
        erase_tell(p, what);
    erase_expect(p, kind);
}

void erase_expect_angle(struct parser *p)
{
    if (p->tok.kind != TK_SHR && p->tok.kind != TK_GE) {
        erase_expect(p, '>');
        return;
    }
    p->tok.kind = p->tok.kind == TK_SHR ? '>' : '=';
    p->tok.start++;
    p->prev_end = p->tok.start;
    p->prev_line = p->tok.line;
}

bool erase_is_word(const struct parser *p, const struct token *token, const char *word)
{
    size_t n = strlen(word);

    return token->kind == TK_NAME && token->end - token->start == n &&
           memcmp(p->lexer.text + token->start, word, n) == 0;
}

uint32_t erase_begin(struct parser *p)
{
    p->in_type++;
    return p->tok.start;
}

void erase_plan_annotation(struct parser *p, unsigned type_mode, struct goal then)
{
    uint32_t from = erase_begin(p);

    erase_advance(p);
    erase_plan(p, GOAL(TYPE, .mode = (uint8_t)type_mode), GOAL(ERASE, .from = from),
               then);
}

void erase_step_expect(struct parser *p, struct goal goal)
{
    if (goal.token == '>')
        erase_expect_angle(p);
    else
        erase_expect_as(p, goal.token, TRACE_TOKEN);
}

void erase_step_close(struct parser *p, struct goal goal)
{
    char message[80], wanted[4], opened[4];

    if (erase_accept_as(p, goal.token, TRACE_CLOSE))
        return;
    if (goal.token == ':' && erase_accept(p, TK_OPTIONAL))
        return; /* `A extends B ? C?: D`: the token is both "?" and ":" */
    if (goal.token == '>' && (p->tok.kind == TK_SHR || p->tok.kind == TK_GE)) {
        erase_expect_angle(p);
        return;
    }
    if ((uint32_t)p->tok.line == goal.mark) {
        erase_expect(p, goal.token);
        return;
    }
    snprintf(message, sizeof(message), "%s expected (to close %s at line %u)",
             erase_token_name(goal.token, wanted),
             erase_token_name(goal.opener, opened), goal.mark);
    erase_unexpected(p, message);
}

static void end_range(struct parser *p, uint32_t from, enum trace_what what)
{
    if (--p->in_type != 0)
        return;
    edits_blank(&p->edits, from, p->prev_end);
    if (p->follow != NULL)
        erase_tell_step(p, what, &(struct token){.start = from, .end = p->prev_end});
}

void erase_step_erase(struct parser *p, struct goal goal)
{
    end_range(p, goal.from, TRACE_ERASED);
}

/* Without memory for it the text that comes out is not to be had either. */
static void note_type(struct parser *p, uint32_t from)
{
    if (p->n_types == p->types_size) {
        size_t size = p->types_size == 0 ? 16 : 2 * p->types_size;
        struct erased_type *types = realloc(p->types, size * sizeof(*types));

        if (types == NULL) {
            p->edits.no_memory = true;
            return;
        }
        p->types = types;
        p->types_size = size;
    }
    p->types[p->n_types++] = (struct erased_type){from, p->prev_end};
}

/* The ';' keeps the statements on both sides apart: `f()` and `(g)()` would fuse. */
void erase_step_erase_statement(struct parser *p, struct goal goal)
{
    end_range(p, goal.from, TRACE_DECLARATION);
    if (p->in_type != 0)
        return;
    edits_put(&p->edits, goal.from, ';');
    note_type(p, goal.from);
}
