/*
 * registry_load -- files and folders, overrides and requirements → the registry (REG-01
 * … REG-13).
 *
 * Every problem of a load is collected, then all of them are told; with one error
 * nothing is changed. A path is a file with entries, a pack (*.wapp, see pack.h), or a
 * folder: one with a wippy.lock is loaded as that says; one that holds no registry file
 * itself but a folder `src` means that; any other is searched as it is.
 */
#ifndef TROUPE_SUPERVISOR_REGISTRY_LOAD_H
#define TROUPE_SUPERVISOR_REGISTRY_LOAD_H

#include <stddef.h>

#include "supervisor/registry_yaml.h"

struct changeset;
struct err;
struct problems;
struct registry;
struct value;

struct load_options {
    const char *const *paths; /* none: "." */
    size_t n_paths;
    const char *const *overrides; /* -o ns:entry:field=value, in their order */
    size_t n_overrides;
    const struct value *override_map; /* config: "ns:entry:field" → value; NULL: none */
    const char *override_file;        /* where those stand; NULL: nobody knows */
    const struct value *disable; /* config: namespaces, entries, meta; NULL: none */
    size_t max_file_bytes, max_source_bytes; /* 0: 16 MiB */
};

/* Reads everything into entries, which the caller finishes; problems tell the rest.
 * incomplete: at least one file could not be used. Touches nothing else, so that it can
 * be done on another thread. */
void registry_read(const struct load_options *options, struct entry_list *entries,
                   bool *incomplete_out, struct problems *problems);

/* The change to what was read, whatever problems has got so far. NULL when it then has
 * an error. part: only that entry and what it needs; NULL: all. */
struct changeset *registry_prepare_loaded(struct registry *registry,
                                          const struct entry_list *entries,
                                          const char *part, bool incomplete,
                                          struct problems *problems, struct err *err);

/* Reads and prepares the change to what was read: v0 of a new registry, a reload of
 * another. NULL when problems has an error; entries_out (may be NULL) then gets those
 * that could be read with the texts they name, so that their sources can be looked at
 * too. The caller finishes it. */
struct changeset *registry_load(struct registry *registry,
                                const struct load_options *options,
                                struct entry_list *entries_out,
                                struct problems *problems, struct err *err);

#endif
