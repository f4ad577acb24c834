/*
 * registry_disable -- entries that the settings take out, by patterns (REG-12).
 */
#ifndef TROUPE_SUPERVISOR_REGISTRY_DISABLE_H
#define TROUPE_SUPERVISOR_REGISTRY_DISABLE_H

#include <stdbool.h>

struct entry_list;
struct value;

/* Takes out what the config's section `disable` names; NULL: nothing. */
void registry_disable(const struct value *disable, struct entry_list *entries);

/* Does text ("app.api:x") match a pattern of segments? '*' is one of them, '**' any
 * number, '(a|b)' alternatives. */
bool pattern_matches(const char *pattern, const char *text);

#endif
