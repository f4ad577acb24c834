#include "supervisor/entry_path.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/value.h"

#include "supervisor/entry.h"

#define MAX_PATH_PARTS 32

/* The map at `path` without its last part, made where it is missing; *last_out is that
 * part. NULL for an empty part or too many. */
static struct value *open_path(struct value *map, const char *path,
                               const char **last_out)
{
    for (int depth = 0; depth < MAX_PATH_PARTS; depth++) {
        size_t n = strcspn(path, ".");
        char *key;

        if (n == 0)
            return NULL;
        if (map->type != VALUE_MAP) {
            value_finish(map);
            *map = value_map();
        }
        if (path[n] == '\0') {
            *last_out = path;
            return map;
        }
        key = xstrndup(path, n);
        if (value_get(map, key) == NULL)
            value_put(map, key, value_map());
        map = value_get(map, key);
        free(key);
        path += n + 1;
    }
    return NULL;
}

bool value_set_path(struct value *map, const char *path, struct value value)
{
    const char *last;
    struct value *place = open_path(map, path, &last);

    if (place == NULL)
        value_finish(&value);
    else
        value_put(place, last, value);
    return place != NULL;
}

bool value_append_path(struct value *map, const char *path, struct value value)
{
    const char *last;
    struct value *place = open_path(map, path, &last), *list;

    if (place == NULL) {
        value_finish(&value);
        return false;
    }
    list = value_get(place, last);
    if (list == NULL || list->type != VALUE_LIST)
        list = value_put(place, last, value_list());
    for (size_t i = 0; i < list->as.list.n; i++)
        if (value_equal(&list->as.list.items[i], &value)) {
            value_finish(&value);
            return true;
        }
    value_append(list, value);
    return true;
}

struct value *entry_choose_tree(struct entry *entry, const char **path)
{
    *path += **path == '.';
    if (strncmp(*path, "meta.", 5) == 0) {
        *path += 5;
        return &entry->meta;
    }
    if (strncmp(*path, "data.", 5) == 0)
        *path += 5;
    return &entry->data;
}
