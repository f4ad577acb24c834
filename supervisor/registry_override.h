/*
 * registry_override -- fields of entries that the command line and the settings change
 * on their way from the files to the registry (REG-11).
 *
 * The entries are not in a registry yet and belong to the list alone.
 */
#ifndef TROUPE_SUPERVISOR_REGISTRY_OVERRIDE_H
#define TROUPE_SUPERVISOR_REGISTRY_OVERRIDE_H

struct entry_list;
struct load_options;
struct problems;

/* Applies the config's overrides, then the command line's. problems may be NULL (the
 * second time). */
void registry_override(const struct load_options *options, struct entry_list *entries,
                       struct problems *problems);

#endif
