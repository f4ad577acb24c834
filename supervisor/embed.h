/*
 * embed -- the files inside a pack that stand for a file system (kind fs.embed).
 *
 * They came with the pack, whose hash was right, and nothing changes them: no entry
 * that an app makes can have any. That is what makes it safe to take bytecode from here
 * and from nowhere else (hazards L1). Counted; entries share one.
 */
#ifndef TROUPE_SUPERVISOR_EMBED_H
#define TROUPE_SUPERVISOR_EMBED_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

struct err;
struct value;

struct embedded {
    char *path;
    struct bytes content; /* owned */
};

struct embed {
    unsigned n_refs;
    struct embedded *files; /* sorted by path */
    size_t n, size;
};

struct embed *embed_create(void); /* empty; one reference */
struct embed *embed_ref(struct embed *embed);
void embed_unref(struct embed *embed); /* NULL is fine */

/* Copies content. -1 with ALREADY_EXISTS, INVALID (the path) or UNAVAILABLE. Only while
 * it has one reference. */
int embed_add(struct embed *embed, const char *path, struct bytes content,
              struct err *err);

/* NULL if there is none of that path. */
const struct embedded *embed_find(const struct embed *embed, const char *path);

/* The data of the entry that stands for it: {files, bytes, hash}. The hash is over all
 * paths and contents, so that entries with other files are other entries. */
struct value embed_describe(const struct embed *embed);

#endif
