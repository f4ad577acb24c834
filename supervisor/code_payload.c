#include "supervisor/code_private.h"

#include "common/mem.h"

#include "proto/value_codec.h"

#include "supervisor/entry.h"
#include "supervisor/registry_config.h"
#include "supervisor/registry_kinds.h"

/* What the compiler says of a source that workers need. */
static const char *const compiled_keys[] = {"bytecode", "uses_G", "types"};

static struct value names_of_modules(const struct entry *entry)
{
    struct value list = value_list();

    for (size_t i = 0; i < entry->n_modules; i++)
        value_append(&list, value_string(entry->bindings[i].name));
    return list;
}

static struct value imports_of(const struct entry *entry)
{
    struct value map = value_map();

    for (size_t i = entry->n_modules; i < entry->n_bindings; i++)
        value_put(&map, entry->bindings[i].name,
                  value_string(entry->bindings[i].target));
    return map;
}

int code_build_payload(struct chunk *chunk, const struct value *compiled,
                       struct err *err)
{
    const struct value *bytecode = value_get(compiled, "bytecode");
    const struct entry *entry = chunk->entry;
    struct pool_config pool;
    struct value map;
    bool fits;

    if (bytecode == NULL || bytecode->type != VALUE_STRING)
        return err_set(err, ERR_INTERNAL, "the compiler gave no bytecode for %s",
                       entry->id);
    map = value_map();
    value_put(&map, "id", value_string(entry->id));
    value_put(&map, "kind", value_string(entry->kind));
    value_put(&map, "method", value_string(value_get_text(&entry->data, "method")));
    for (size_t i = 0; i < N_ELEMENTS(compiled_keys); i++) {
        const struct value *field = value_get(compiled, compiled_keys[i]);

        if (field != NULL)
            value_put(&map, compiled_keys[i], value_copy(field));
    }
    value_put(&map, "modules", names_of_modules(entry));
    value_put(&map, "imports", imports_of(entry));
    value_put(&map, "version", value_int((int64_t)++chunk->code->n_versions));
    value_put(&map, "meta", value_copy(&entry->meta));
    if (entry->type != NULL && (entry->type->flags & KIND_POOL) != 0) {
        pool_config_read(entry, &pool, NULL);
        value_put(&map, "linger_ms", value_int(pool.linger_ms));
    }
    fits = payload_encode(&chunk->payload, &map, 1);
    value_finish(&map);
    if (!fits)
        return err_set(err, ERR_UNAVAILABLE, "no memory for the code of %s", entry->id);
    return 0;
}

int code_read_payload(const struct chunk *chunk, struct value *compiled_out,
                      struct err *err)
{
    struct value list = {0};

    if (payload_decode(buf_bytes(&chunk->payload), &list, err) == -1)
        return -1;
    *compiled_out = value_map();
    for (size_t i = 0; i < N_ELEMENTS(compiled_keys); i++) {
        const struct value *field = value_get(&list.as.list.items[0], compiled_keys[i]);

        if (field != NULL)
            value_put(compiled_out, compiled_keys[i], value_copy(field));
    }
    value_finish(&list);
    return 0;
}
