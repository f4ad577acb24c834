/*
 * erase_lex -- the tokens of the typed dialect (LUA-10); private to the erasing pass.
 *
 * The words that only types know (fun, as, is, readonly, …) are ordinary names here:
 * the parser tells them by where they stand, so that variables may bear them.
 */
#ifndef TROUPE_WORKER_ERASE_LEX_H
#define TROUPE_WORKER_ERASE_LEX_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/erase.h"

enum token_kind {
    TK_EOF = 0, /* 1 … 255: the byte itself */
    TK_AND = 256,
    TK_BREAK,
    TK_DO,
    TK_ELSE,
    TK_ELSEIF,
    TK_END,
    TK_FALSE,
    TK_FOR,
    TK_FUNCTION,
    TK_GOTO,
    TK_IF,
    TK_IN,
    TK_LOCAL,
    TK_NIL,
    TK_NOT,
    TK_OR,
    TK_REPEAT,
    TK_RETURN,
    TK_THEN,
    TK_TRUE,
    TK_UNTIL,
    TK_WHILE,
    TK_EQ,       /* == */
    TK_NE,       /* ~= */
    TK_LE,       /* <= */
    TK_GE,       /* >= */
    TK_IDIV,     /* // */
    TK_SHL,      /* << */
    TK_SHR,      /* >> */
    TK_CONCAT,   /* .. */
    TK_DOTS,     /* ... */
    TK_DBCOLON,  /* :: */
    TK_ARROW,    /* -> */
    TK_OPTIONAL, /* ?: */
    TK_NAME,
    TK_NUMBER,
    TK_STRING,
    TK_INTERFACE, /* never read: messages name it */
};

struct token {
    uint16_t kind;
    bool odd_escapes;    /* a string with escapes that Lua 5.4 refuses */
    uint32_t start, end; /* offsets into the source */
    uint32_t line_start; /* offset of the line that the token starts on */
    int line, end_line;  /* differ for strings over several lines */
};

struct lexer {
    const char *text; /* borrowed */
    uint32_t n_bytes, at, line_start;
    int line;
    bool uses_G;               /* see struct erased */
    struct erase_error *error; /* borrowed */
};

/* Skips a byte order mark and a first line that starts with '#', as luaL_loadfile does;
 * the offset where the Lua text starts. */
uint32_t erase_lex_init(struct lexer *lx, const char *text, uint32_t n_bytes,
                        struct erase_error *error);

/* Reads one token. False with the error filled when there is none; then the lexer
 * must not be used any more. */
bool erase_lex(struct lexer *lx, struct token *out);

/* The next escape at or after `at` within the string that ends at `end` that Lua
 * doesn't know: the offset of its backslash, or `end`. *after_out is where to look
 * on. */
uint32_t erase_lex_odd_escape(const struct lexer *lx, uint32_t at, uint32_t end,
                              uint32_t *after_out);

static inline bool token_is_keyword(const struct token *token)
{
    return token->kind >= TK_AND && token->kind <= TK_WHILE;
}

/* How a message names the kind: 'end', <name>, <eof>. The text has static life but for
 * single bytes, which go into scratch. */
const char *erase_token_name(unsigned kind, char scratch[4]);

/* Fills error for the token unless an error is there already. */
void erase_error_set(struct erase_error *error, const struct token *at, const char *fmt,
                     ...) __attribute__((format(printf, 3, 4)));

/* The token as it stands in the source, for messages: quoted, short and printable. */
#define TOKEN_TEXT_BYTES 64
const char *erase_token_text(const struct lexer *lx, const struct token *token,
                             char out[TOKEN_TEXT_BYTES]);

#endif
