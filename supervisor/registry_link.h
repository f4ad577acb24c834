/*
 * registry_link -- what modules require of those who use them (REG-13).
 *
 * A requirement (ns.requirement) gets its value from a parameter of a dependency
 * (ns.dependency), or from its own default, and writes it into fields of other entries.
 */
#ifndef TROUPE_SUPERVISOR_REGISTRY_LINK_H
#define TROUPE_SUPERVISOR_REGISTRY_LINK_H

struct entry_list;
struct problems;

/* Writes the values of requirements into their targets; what can't be is a warning. */
void registry_link(struct entry_list *entries, struct problems *problems);

#endif
