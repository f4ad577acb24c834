/*
 * registry_override -- what changes entries between their files and the registry:
 * overrides (REG-11), disabled entries (REG-12), requirements (REG-13).
 *
 * The entries are not in a registry yet and belong to the list alone.
 */
#ifndef TROUPE_SUPERVISOR_REGISTRY_OVERRIDE_H
#define TROUPE_SUPERVISOR_REGISTRY_OVERRIDE_H

#include <stdbool.h>
#include <stddef.h>

struct entry_list;
struct load_options;
struct problems;
struct value;

/* Applies the config's overrides, then the command line's. problems may be NULL (the
 * second time). */
void registry_override(const struct load_options *options, struct entry_list *entries,
                       struct problems *problems);

/* Takes out what the config's section `disable` names. */
void registry_disable(const struct value *disable, struct entry_list *entries);

/* Writes the values of requirements into their targets; what can't be is a warning. */
void registry_link(struct entry_list *entries, struct problems *problems);

/* Does text ("app.api:x") match a pattern of segments? '*' is one of them, '**' any
 * number, '(a|b)' alternatives. */
bool pattern_matches(const char *pattern, const char *text);

#endif
