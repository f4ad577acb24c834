/*
 * registry_history -- the tree of versions and the ways between them (REG-20, REG-22).
 */
#ifndef TROUPE_SUPERVISOR_REGISTRY_HISTORY_H
#define TROUPE_SUPERVISOR_REGISTRY_HISTORY_H

#include <stddef.h>
#include <stdint.h>

struct change;
struct entry;
struct err;
struct version;

struct history {
    struct version *versions; /* ascending ids; the first is v0 */
    size_t n, size, max_versions;
    size_t n_bytes, max_bytes; /* of all versions but v0 */
    uint64_t current, next;
};

void history_init(struct history *history, size_t max_versions, size_t max_bytes);
void history_finish(struct history *history);

/* Appends a version whose parent is the present one, and makes it the present one. The
 * first one is v0. The changes are counted anew. */
void history_add(struct history *history, const struct change *changes, size_t n,
                 int64_t at_ns);

/* The same for a version of an earlier run: id is larger than all there are. The
 * present one stays what it is. None is dropped, it might be the next one's parent:
 * that waits for history_add(). */
void history_restore(struct history *history, uint64_t id, uint64_t parent,
                     const struct change *changes, size_t n, int64_t at_ns);

const struct version *history_find(const struct history *history, uint64_t id);
const struct version *history_next(const struct history *history,
                                   const struct version *after);

/* Goes from the present version to another one: step is called for each id on the way
 * with what is there (NULL: nothing); the last call for an id counts. NotFound. */
int history_path(const struct history *history, uint64_t version,
                 void (*step)(void *context, const char *id, struct entry *entry),
                 void *context, struct err *err);

#endif
