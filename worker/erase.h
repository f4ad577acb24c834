/*
 * erase -- takes the type annotations out of an app's source, so that stock Lua 5.4 can
 * compile it (lua-environment.md sections B and C).
 *
 * The pass is a parser of the whole language, types and all: what it accepts, Lua
 * accepts too, but for what only a compiler can know (a goto without its label, too
 * many locals, nesting beyond Lua's own limit). The output has the same lines as the
 * input: an erased byte becomes a blank, CR and LF stay. Columns stay as well, except
 * behind an unknown string escape (`\q` loses its backslash, LUA-10) and where a cast
 * of a call had to get parentheses because it yields one value only (TYPE-21).
 *
 * Time and memory grow linearly with the source. Nesting is bounded by
 * ERASE_MAX_DEPTH; the parser keeps a stack of its own and never recurses.
 */
#ifndef TROUPE_WORKER_ERASE_H
#define TROUPE_WORKER_ERASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct buf;

#define ERASE_MAX_DEPTH 200          /* brackets, blocks, functions inside each other */
#define ERASE_MAX_BYTES (64ul << 20) /* of one source */

/* Where a statement that declares a type stands in the source: [from, to). */
struct erased_type {
    uint32_t from, to;
};

struct erased {
    char *text; /* plain Lua 5.4; a NUL follows that n_bytes doesn't count */
    size_t n_bytes;
    /* The chunk may look at its globals as a table: one of the names _G and _ENV, or a
     * string constant "_G", occurs in it. */
    bool uses_G;
    struct erased_type *types; /* in their order; owned */
    size_t n_types;
};

/* Where and why a source was refused. */
struct erase_error {
    enum err_kind kind; /* INVALID: the source's fault; UNAVAILABLE: no memory */
    int line, col;      /* from 1, col in bytes; 0 = unknown */
    bool at_eof;        /* the source ended too early */
    char message[256];  /* one line, printable, without the position */
};

/* Fills out, which the caller finishes; borrows source. -1 with err's text being
 * `CHUNK:LINE:COL: message` or `CHUNK at EOF: message`, and out untouched. */
int erase_types(const char *source, size_t n_bytes, const char *chunk_name,
                struct erased *out, struct err *err);

/* The same with the position apart, for erase_render_error(). */
int erase_types_at(const char *source, size_t n_bytes, struct erased *out,
                   struct erase_error *error);

/* Frees the text; an all-zero struct is fine. */
void erased_finish(struct erased *erased);

/* Appends the diagnostic of several lines that boot, lint and apply show (LUA-12): the
 * message, the position, the line of source and a caret below the column. col 0 leaves
 * the caret out, line 0 the excerpt. False when buf has no room. */
bool erase_render_error(const struct erase_error *error, const char *source,
                        size_t n_bytes, const char *chunk_name, struct buf *out);

#endif
