#include "supervisor/module_method.h"

#include <string.h>

#include "supervisor/registry.h"
#include "supervisor/registry_kinds.h"

/* Modules are the one kind that is called by its methods, having none of its own. */
static bool is_module(const struct entry *entry)
{
    unsigned flags = entry->type != NULL ? entry->type->flags : 0;

    return (flags & KIND_LUA) != 0 && (flags & KIND_CALLABLE) != 0 &&
           (flags & KIND_METHOD) == 0;
}

const struct entry *module_method_find(const struct snapshot *state,
                                       struct bytes target, struct bytes *method_out)
{
    const uint8_t *dot = target.n != 0 ? memrchr(target.data, '.', target.n) : NULL;
    const struct entry *entry;
    size_t n_id, n_method;

    if (dot == NULL)
        return NULL;
    n_id = (size_t)(dot - target.data);
    n_method = target.n - n_id - 1;
    if (n_method == 0 || n_method > METHOD_MAX_BYTES ||
        snapshot_find(state, target.data, target.n) != NULL)
        return NULL;
    entry = snapshot_find(state, target.data, n_id);
    if (entry == NULL || !is_module(entry))
        return NULL;
    *method_out = (struct bytes){dot + 1, n_method};
    return entry;
}
