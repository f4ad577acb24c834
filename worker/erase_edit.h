/*
 * erase_edit -- the text that becomes plain Lua; private to the erasing pass.
 *
 * Most changes happen in place (a byte becomes a blank). The few that move bytes are
 * noted as splices and applied once at the end, so that offsets into the source stay
 * good while the parser works.
 */
#ifndef TROUPE_WORKER_ERASE_EDIT_H
#define TROUPE_WORKER_ERASE_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct splice {
    uint32_t at;
    char insert; /* goes before the byte at `at`; 0 = that byte goes instead */
};

struct edits {
    char *text; /* owned; the source with the changes in place; a NUL follows */
    uint32_t n_bytes;
    struct splice *splices; /* owned */
    size_t n_splices, size;
    bool unsorted;  /* the splices aren't in order of `at` yet */
    bool no_memory; /* a splice is missing: the text must not be used */
};

/* Copies source. False without memory. */
bool edits_init(struct edits *edits, const char *source, uint32_t n_bytes);
void edits_finish(struct edits *edits);

/* Makes [from, to) blank; line ends stay. */
void edits_blank(struct edits *edits, uint32_t from, uint32_t to);

void edits_delete(struct edits *edits, uint32_t at);

/* Puts c onto a blank at `at`, or, if there is none, between it and the byte before. */
void edits_put(struct edits *edits, uint32_t at, char c);

/* Puts c onto a blank just before `at`, or between it and the byte at `at`. */
void edits_put_before(struct edits *edits, uint32_t at, char c);

/* Applies the splices and hands the text over, which the caller frees. NULL without
 * memory. The edits must only be finished afterwards. */
char *edits_take(struct edits *edits, size_t *n_bytes_out);

#endif
