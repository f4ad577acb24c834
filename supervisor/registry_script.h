/*
 * registry_script -- a text of changes, as `supctl registry apply` takes it.
 *
 * YAML or JSON, in one of two forms:
 *
 *   - a registry file (REG-03): each of its entries is created, or updated where there
 *     is another one of that id. A list `delete` beside `entries` names ids that go;
 *     bare ones are of the file's namespace.
 *   - a list of operations as Lua's build_delta() gives them: {kind: entry.create |
 *     entry.update | entry.delete, entry: {id, kind, meta, data}}.
 *
 * file:// in such a text names nothing: it has no folder. Entries made this way are as
 * if made at run time: a reload leaves them alone.
 */
#ifndef TROUPE_SUPERVISOR_REGISTRY_SCRIPT_H
#define TROUPE_SUPERVISOR_REGISTRY_SCRIPT_H

#include <stddef.h>

#include "supervisor/registry.h"

struct problems;
struct value;

struct script {
    struct operation *operations; /* entries counted, ids owned */
    size_t n;
    bool puts; /* a registry file: what "create" is depends on what there is */
};

/* 0, or -1: problems say why. script_finish() in any case. */
int script_read(struct script *script, const char *name, const char *text,
                size_t n_bytes, struct problems *problems);
void script_finish(struct script *script);

/* {kind: "entry.create", entry: ...} as an operation, whose entry and id are the
 * caller's: free them with operations_free(). */
int operation_of_value(const struct value *value, struct operation *out,
                       struct err *err);
void operations_free(struct operation *operations, size_t n);

struct changeset *script_prepare(const struct script *script, struct registry *registry,
                                 struct problems *problems, struct err *err);

#endif
