/*
 * type_reader -- the tokens of a text that is a type, for the parser in type_tree.c.
 *
 * All tokens are there at once, so that the parser can look ahead and go back. What
 * doesn't fit the grammar only sets `failed`, behind which every question may still be
 * asked: the last token, EOF, is never passed.
 */
#ifndef TROUPE_WORKER_TYPE_READER_H
#define TROUPE_WORKER_TYPE_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "worker/erase_lex.h"

struct type_reader {
    struct lexer lexer;
    struct erase_error error;
    struct token *tokens; /* owned */
    size_t n, at;
    bool places; /* refs say where they stand, see type_tree.h */
    bool failed;
};

/* Borrows text. False: it has what is no token, or there is no memory. The caller
 * finishes the reader in any case. */
bool type_reader_init(struct type_reader *r, const char *text, size_t n_bytes);
void type_reader_finish(struct type_reader *r);

/* The token so far ahead of the one that is to be read. */
struct token *type_reader_peek(struct type_reader *r, size_t ahead);
bool type_reader_is(struct type_reader *r, unsigned kind);
bool type_reader_is_word(struct type_reader *r, const char *word);

void type_reader_advance(struct type_reader *r);

/* Pass a token if it is that one. */
bool type_reader_accept(struct type_reader *r, unsigned kind);
bool type_reader_accept_word(struct type_reader *r, const char *word);

/* The same; anything else is a failure. */
void type_reader_expect(struct type_reader *r, unsigned kind);

/* Passes one '>' off what may be ">>" or ">=". */
void type_reader_expect_angle(struct type_reader *r);

#endif
