/*
 * registry_fields -- fields of an entry that nobody reads, or that can't be read.
 *
 * An app may keep what it likes beside the fields of its kind (REG-04), so a field that
 * nobody knows is worth a warning only where it is one slip away from one that somebody
 * does; inside blocks of ours (pool, lifecycle, host) every unknown one is.
 */
#ifndef TROUPE_SUPERVISOR_REGISTRY_FIELDS_H
#define TROUPE_SUPERVISOR_REGISTRY_FIELDS_H

struct entry;
struct problems;
struct snapshot;

/* Adds what it finds to problems; state is what the entry is to be part of. */
void entry_check_fields(const struct entry *entry, const struct snapshot *state,
                        struct problems *problems);

/* Two env.variable of state under one public name: the first by id has it (ENV-03). */
void registry_check_variable_names(const struct snapshot *state,
                                   struct problems *problems);

#endif
