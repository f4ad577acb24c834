/*
 * registry_requires -- what a source requires by name and nobody gives it.
 *
 * require() only looks at what `modules` and `imports` have bound (REQ-01), so a name
 * that is in neither fails when the file is run. The source is read as far as that
 * takes: comments, strings and names, no grammar. Entries with imports are left alone,
 * since what those bind is bound for their importers, too; so are libraries, which see
 * what their importers have.
 */
#ifndef TROUPE_SUPERVISOR_REGISTRY_REQUIRES_H
#define TROUPE_SUPERVISOR_REGISTRY_REQUIRES_H

struct entry;
struct problems;

/* Adds a warning for each such name. entry: of a Lua kind, with its bindings read. */
void requires_check(const struct entry *entry, struct problems *problems);

#endif
