/*
 * registry_imports -- who imports whom among Lua entries, and whether that can work.
 *
 * An entry binds names: its modules and its imports, and with each import everything
 * that one binds in its turn (REQ-01). One name may mean one thing only, and no entry
 * may reach itself.
 */
#ifndef TROUPE_SUPERVISOR_REGISTRY_IMPORTS_H
#define TROUPE_SUPERVISOR_REGISTRY_IMPORTS_H

struct changeset;
struct entry;
struct problems;

/* Reads modules and imports of a Lua entry into entry->bindings, once. */
void entry_read_bindings(struct entry *entry, struct problems *problems);

/* Checks targets, cycles and clashes of everything that the change touches, and fills
 * changeset->affected. All bindings of the result have been read. */
void imports_check(struct changeset *changeset, struct problems *problems);

#endif
