/*
 * env_storage -- the kinds of storages that environment variables are kept in (ENV-01).
 *
 * One row of functions for each kind. A router is none of them: env.c finds the storage
 * that it leads to. What env.storage.memory holds is kept by id in a map that the
 * caller owns; all other kinds have no state here.
 */
#ifndef TROUPE_SUPERVISOR_ENV_STORAGE_H
#define TROUPE_SUPERVISOR_ENV_STORAGE_H

#include <stdbool.h>

#include "common/map.h"
#include "common/value.h"

#include "supervisor/env_file.h"

struct entry;
struct err;

/* What is in several storages: of each name the first value. */
struct storage_union {
    struct value values; /* a map */
    struct map names;    /* that are in it */
};

/* key is the variable's name. */
struct storage_kind {
    const char *kind;
    /* Owned text; NULL with err, NOT_FOUND when the key isn't there. */
    char *(*get)(struct map *memories, const struct entry *storage, const char *key,
                 struct err *err);
    /* NULL: it waits for the disk, so env.c has it done elsewhere. */
    int (*set)(struct map *memories, const struct entry *storage, const char *key,
               const char *value, struct err *err);
    /* Adds what isn't in out yet. */
    void (*get_all)(struct map *memories, const struct entry *storage,
                    struct storage_union *out);
};

/* NULL: no storage, or a router. */
const struct storage_kind *storage_kind_find(const struct entry *storage);

/* Of one that is a file: what env_file_set() wants to know. The path is borrowed, NULL
 * with err when there is none. */
bool storage_is_file(const struct entry *storage);
const char *storage_file_path(const struct entry *storage, struct err *err);
struct env_file_modes storage_file_modes(const struct entry *storage);

/* Drops what the memory storage of that id holds; then all, and the map itself. */
void storage_forget(struct map *memories, const char *id);
void storage_forget_all(struct map *memories);

/* What get() says of a key that isn't there. Returns -1. */
int storage_set_not_found(struct err *err);

/* Scalars as text, owned; NULL for the rest. */
char *storage_scalar(const struct value *value);

#endif
