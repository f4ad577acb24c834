/*
 * entry_path -- fields of entries by dotted paths, for those who change entries before
 * they enter the registry.
 */
#ifndef TROUPE_SUPERVISOR_ENTRY_PATH_H
#define TROUPE_SUPERVISOR_ENTRY_PATH_H

#include <stdbool.h>

#include "common/value.h"

struct entry;

/* Which of the entry's two trees *path is in ("meta.x"; "data.x" or "x"); *path is
 * moved behind the prefix. */
struct value *entry_choose_tree(struct entry *entry, const char **path);

/* Sets the field, or appends to the list that it is, unless the value is there already.
 * What is missing on the way is made. Take value; false: a part of path is empty, or
 * there are too many. */
bool value_set_path(struct value *map, const char *path, struct value value);
bool value_append_path(struct value *map, const char *path, struct value value);

#endif
