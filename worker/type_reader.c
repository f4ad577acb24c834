#include "worker/type_reader.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_TOKENS 64 /* room for so many to begin with */

bool type_reader_init(struct type_reader *r, const char *text, size_t n_bytes)
{
    size_t size = 0;

    *r = (struct type_reader){0};
    erase_lex_init(&r->lexer, text, (uint32_t)n_bytes, &r->error);
    do {
        if (r->n == size) {
            struct token *tokens;

            size = size == 0 ? FIRST_TOKENS : 2 * size;
            tokens = realloc(r->tokens, size * sizeof(*tokens));
            if (tokens == NULL)
                return false;
            r->tokens = tokens;
        }
        if (!erase_lex(&r->lexer, &r->tokens[r->n]))
            return false;
    } while (r->tokens[r->n++].kind != TK_EOF);
    return true;
}

void type_reader_finish(struct type_reader *r)
{
    free(r->tokens);
    r->tokens = NULL;
}

struct token *type_reader_peek(struct type_reader *r, size_t ahead)
{
    size_t at = r->at + ahead;

    return &r->tokens[at < r->n ? at : r->n - 1];
}

bool type_reader_is(struct type_reader *r, unsigned kind)
{
    return type_reader_peek(r, 0)->kind == kind;
}

void type_reader_advance(struct type_reader *r)
{
    if (r->at + 1 < r->n)
        r->at++;
}

bool type_reader_accept(struct type_reader *r, unsigned kind)
{
    if (!type_reader_is(r, kind))
        return false;
    type_reader_advance(r);
    return true;
}

void type_reader_expect(struct type_reader *r, unsigned kind)
{
    if (!type_reader_accept(r, kind))
        r->failed = true;
}

void type_reader_expect_angle(struct type_reader *r)
{
    struct token *token = type_reader_peek(r, 0);

    if (token->kind == TK_SHR)
        token->kind = '>';
    else if (token->kind == TK_GE)
        token->kind = '=';
    else
        type_reader_expect(r, '>');
}

bool type_reader_is_word(struct type_reader *r, const char *word)
{
    const struct token *token = type_reader_peek(r, 0);
    size_t n = strlen(word);

    return token->kind == TK_NAME && token->end - token->start == n &&
           memcmp(r->lexer.text + token->start, word, n) == 0;
}

bool type_reader_accept_word(struct type_reader *r, const char *word)
{
    if (!type_reader_is_word(r, word))
        return false;
    type_reader_advance(r);
    return true;
}
