/*
 * pack -- a whole app in one file (*.wapp): entries, and the files that stand for file
 * systems. docs/pack.md has the layout.
 *
 * Reading one is reading a stranger's bytes: the hash over all of it is looked at
 * first, every length is checked against what is there, and what is built is bounded by
 * the file. The same entries make the same bytes.
 */
#ifndef TROUPE_SUPERVISOR_PACK_H
#define TROUPE_SUPERVISOR_PACK_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

struct entry_list;
struct err;

#define PACK_MAX_BYTES ((size_t)256 << 20)

/* Does the file's name say that it is one? */
bool pack_is_path(const char *path);

/* Appends the pack of entries (any order; ids differ). INVALID, UNAVAILABLE. */
int pack_encode(const struct entry_list *entries, struct buf *out, struct err *err);

/* Adds the entries of a pack, which is called label in what they say of their origin;
 * none on failure. INVALID: no pack, damaged, or of another version. */
int pack_decode(struct bytes bytes, const char *label, struct entry_list *out,
                struct err *err);

#endif
