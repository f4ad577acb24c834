/*
 * entry -- one thing of the registry: an id, a kind, searchable meta, and data.
 *
 * Entries are immutable once they are in the registry and counted by reference, so that
 * snapshots and versions share them. A change makes a new entry of the same id.
 */
#ifndef TROUPE_SUPERVISOR_ENTRY_H
#define TROUPE_SUPERVISOR_ENTRY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/value.h"

#include "supervisor/problems.h"

struct embed;
struct err;
struct kind;
struct map;

/* Where one key of an entry stands. path: "kind", "meta.server", "pool.type" (data). */
struct entry_place {
    char *path;
    unsigned line, column;
    bool is_block;   /* a text whose lines stand below, one for one, */
    unsigned indent; /* each behind so many blanks */
};

/* Where an entry comes from. */
struct entry_origin {
    char *file; /* its YAML file, as a person would name it; NULL: no file */
    unsigned line, column;
    bool is_applied; /* by an operator: no reload reads file, it is no source */
    struct entry_place *places;
    size_t n_places;
    char *source_file; /* the file behind `source: file://...`, NULL: inline */
};

/* One name that a Lua entry binds: an import, or a module (target ":json"). */
struct entry_binding {
    char *name;
    char *target;
};

struct entry {
    unsigned n_refs;
    char *id;               /* "ns:name" */
    const char *name;       /* points into id */
    size_t namespace_bytes; /* id's length before the colon */
    char *kind;
    const struct kind *type; /* its row, NULL when nobody knows the kind */
    struct value meta;       /* always a map */
    struct value data;       /* a map for nearly all */
    struct value decoded;    /* data without placeholders; nil when it has none */
    struct entry_origin origin;

    struct entry_binding *bindings; /* Lua kinds: modules, then imports */
    size_t n_modules, n_bindings;   /* imports are bindings[n_modules ...] */

    struct embed *files;   /* fs.embed from a pack: what it holds; counted */
    struct embed *code_in; /* bytecode kinds, once they are checked: where code is */
    struct bytes code;     /* the file with the right hash */
};

/* Takes meta and data; copies the rest. One reference. */
struct entry *entry_create(const char *id, size_t id_bytes, const char *kind,
                           struct value meta, struct value data);
struct entry *entry_ref(const struct entry *entry);
void entry_unref(struct entry *entry); /* NULL is fine */

/* About how much memory it takes. */
size_t entry_count_bytes(const struct entry *entry);

/* The same id, kind, meta and data? */
bool entry_equal(const struct entry *a, const struct entry *b);

/* Is it as the source files say (else made or changed at run time)? */
static inline bool entry_is_of_sources(const struct entry *entry)
{
    return entry->origin.file != NULL && !entry->origin.is_applied;
}

/* What a handler reads: data with the values of environment variables in the place of
 * placeholders (ENV-06). Whoever shows or compares an entry takes data. */
static inline const struct value *entry_fields(const struct entry *entry)
{
    return entry->decoded.type != VALUE_NIL ? &entry->decoded : &entry->data;
}

/* {id, kind, meta, data}, and back (REG-30, REG-34). */
struct value entry_to_value(const struct entry *entry);
int entry_of_value(const struct value *value, struct entry **entry_out,
                   struct err *err);

/* The id that `ref` (text or {ns, name}) means; a bare name gets owner's namespace, or
 * ":" before it when owner is NULL. NULL when ref is no reference. Caller frees. */
char *entry_resolve(const struct entry *owner, const struct value *ref);

/* The data field's reference resolved in the entry's own namespace; NULL if absent. */
char *entry_get_reference(const struct entry *entry, const char *field);

/* Where to point at for path: the longest part of it that the file has. */
struct problem_at entry_at(const struct entry *entry, const char *path);

/* Where line and column of the entry's source are in a file a person can open. */
struct problem_at entry_source_at(const struct entry *entry, unsigned line,
                                  unsigned column);

struct entry_list {
    struct entry **items; /* counted */
    size_t n, size;
};
void entry_list_add(struct entry_list *list, struct entry *entry); /* takes entry */
void entry_list_finish(struct entry_list *list);

/* The entries by their ids; the caller finishes by_id, which borrows from them. */
void entry_list_index(const struct entry_list *list, struct map *by_id);

#endif
