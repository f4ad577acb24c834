/*
 * registry_part -- one entry and all that it needs, out of many.
 *
 * What `supctl reload NS:ENTRY` takes up: the entry, what it names (REG-14: its
 * process, its imports, what those import), and so on, each as the files say.
 */
#ifndef TROUPE_SUPERVISOR_REGISTRY_PART_H
#define TROUPE_SUPERVISOR_REGISTRY_PART_H

#include <stddef.h>

struct entry;
struct map;

/* Adds the entry of that id and what it needs to part (initialised by the caller), by
 * id; nothing when it isn't among entries, whose ids differ. */
void registry_part_find(struct entry *const *entries, size_t n, const char *id,
                        struct map *part);

#endif
