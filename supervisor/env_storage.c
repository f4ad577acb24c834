#include "supervisor/env_storage.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/value.h"

#include "supervisor/entry.h"

extern char **environ;

struct memory {
    char *id;
    struct value values; /* a map */
};

int storage_set_not_found(struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "environment variable not found");
}

static int read_only(struct map *memories, const struct entry *storage, const char *key,
                     const char *value, struct err *err)
{
    (void)memories, (void)storage, (void)key, (void)value;
    return err_set(err, ERR_PERMISSION_DENIED, "storage is read-only");
}

/* Scalars as text; NULL for the rest. Owned. */
char *storage_scalar(const struct value *value)
{
    struct buf buf;
    char *text = NULL;

    if (value == NULL || value->type == VALUE_NIL || value->type >= VALUE_LIST)
        return NULL;
    if (value->type == VALUE_STRING)
        return xstrdup(value->as.string.data);
    buf_init(&buf, 0);
    if (value_write_json(&buf, value, 0))
        text = xstrndup((char *)buf_head(&buf), buf_len(&buf));
    buf_finish(&buf);
    return text;
}

static void add_value(struct storage_union *out, const char *key, size_t n_key,
                      const char *value, size_t n_value)
{
    size_t n = strnlen(key, n_key);
    char *name;

    if (map_find(&out->names, key, n) != NULL)
        return;
    value_add_n(&out->values, key, n, value_bytes(value, n_value));
    name = out->values.as.map.pairs[out->values.as.map.n - 1].key;
    map_put(&out->names, name, n, name);
}

/* ---- os -------------------------------------------------------------------------- */

static char *os_get(struct map *memories, const struct entry *storage, const char *key,
                    struct err *err)
{
    const char *text = getenv(key);

    (void)memories, (void)storage;
    if (text == NULL) {
        storage_set_not_found(err);
        return NULL;
    }
    return xstrdup(text);
}

static void os_get_all(struct map *memories, const struct entry *storage,
                       struct storage_union *out)
{
    (void)memories, (void)storage;
    for (char **at = environ; *at != NULL; at++) {
        const char *equals = strchr(*at, '=');

        if (equals != NULL && equals != *at)
            add_value(out, *at, (size_t)(equals - *at), equals + 1, strlen(equals + 1));
    }
}

/* ---- memory ---------------------------------------------------------------------- */

static struct memory *memory_of(struct map *memories, const struct entry *storage)
{
    struct memory *memory = map_find(memories, storage->id, strlen(storage->id));

    if (memory != NULL)
        return memory;
    memory = xcalloc(1, sizeof(*memory));
    memory->id = xstrdup(storage->id);
    memory->values = value_map();
    map_put(memories, memory->id, strlen(memory->id), memory);
    return memory;
}

static void memory_destroy(struct memory *memory)
{
    if (memory == NULL)
        return;
    value_finish(&memory->values);
    free(memory->id);
    free(memory);
}

void storage_forget(struct map *memories, const char *id)
{
    memory_destroy(map_remove(memories, id, strlen(id)));
}

static char *memory_get(struct map *memories, const struct entry *storage,
                        const char *key, struct err *err)
{
    const char *text = value_get_text(&memory_of(memories, storage)->values, key);

    if (text == NULL) {
        storage_set_not_found(err);
        return NULL;
    }
    return xstrdup(text);
}

static int memory_set(struct map *memories, const struct entry *storage,
                      const char *key, const char *value, struct err *err)
{
    (void)err;
    value_put(&memory_of(memories, storage)->values, key, value_string(value));
    return 0;
}

static void memory_get_all(struct map *memories, const struct entry *storage,
                           struct storage_union *out)
{
    const struct value *values = &memory_of(memories, storage)->values;

    for (size_t i = 0; i < values->as.map.n; i++) {
        const struct value_pair *pair = &values->as.map.pairs[i];

        add_value(out, pair->key, strlen(pair->key), pair->value.as.string.data,
                  pair->value.as.string.n);
    }
}

/* ---- static ---------------------------------------------------------------------- */

static char *static_get(struct map *memories, const struct entry *storage,
                        const char *key, struct err *err)
{
    char *text =
        storage_scalar(value_get(value_get(entry_fields(storage), "values"), key));

    (void)memories;
    if (text == NULL)
        storage_set_not_found(err);
    return text;
}

static void static_get_all(struct map *memories, const struct entry *storage,
                           struct storage_union *out)
{
    const struct value *values = value_get(entry_fields(storage), "values");

    (void)memories;
    for (size_t i = 0; i < value_map_n(values); i++) {
        const struct value_pair *pair = &values->as.map.pairs[i];
        char *text = storage_scalar(&pair->value);

        if (text != NULL)
            add_value(out, pair->key, strlen(pair->key), text, strlen(text));
        free(text);
    }
}

/* ---- file ------------------------------------------------------------------------ */

const char *storage_file_path(const struct entry *storage, struct err *err)
{
    const char *path = value_get_text(entry_fields(storage), "file_path");

    if (path == NULL || path[0] == '\0')
        err_set(err, ERR_INVALID, "file path must not be empty");
    return path != NULL && path[0] != '\0' ? path : NULL;
}

static char *file_get(struct map *memories, const struct entry *storage,
                      const char *key, struct err *err)
{
    const char *path = storage_file_path(storage, err);
    struct bytes found_key, value;
    char *text = NULL;
    bool exists;
    struct buf file;
    size_t at = 0;

    (void)memories;
    if (path == NULL || env_file_read(path, &file, &exists, err) != 0)
        return NULL;
    while (text == NULL && env_file_next(buf_bytes(&file), &at, &found_key, &value)) {
        if (found_key.n == strlen(key) && memcmp(found_key.data, key, found_key.n) == 0)
            text = xstrndup((const char *)value.data, value.n);
    }
    buf_finish(&file);
    if (text == NULL)
        storage_set_not_found(err);
    return text;
}

struct env_file_modes storage_file_modes(const struct entry *storage)
{
    return (struct env_file_modes){
        (unsigned)value_get_int(entry_fields(storage), "file_mode", 0644) & 0777,
        (unsigned)value_get_int(entry_fields(storage), "dir_mode", 0755) & 0777,
        value_get_bool(entry_fields(storage), "auto_create", false)};
}

static void file_get_all(struct map *memories, const struct entry *storage,
                         struct storage_union *out)
{
    const char *path = storage_file_path(storage, NULL);
    struct bytes key, value;
    struct err err = {0};
    struct buf file;
    bool exists;
    size_t at = 0;

    (void)memories;
    if (path == NULL)
        return;
    if (env_file_read(path, &file, &exists, &err) != 0) {
        log_warn("environment file left out", "storage=%s why=%s", storage->id,
                 err.text);
        return;
    }
    while (env_file_next(buf_bytes(&file), &at, &key, &value))
        add_value(out, (const char *)key.data, key.n, (const char *)value.data,
                  value.n);
    buf_finish(&file);
}

/* ---- all kinds ------------------------------------------------------------------- */

static const struct storage_kind storage_kinds[] = {
    {"env.storage.file", file_get, NULL, file_get_all},
    {"env.storage.memory", memory_get, memory_set, memory_get_all},
    {"env.storage.os", os_get, read_only, os_get_all},
    {"env.storage.static", static_get, read_only, static_get_all},
};

const struct storage_kind *storage_kind_find(const struct entry *storage)
{
    for (unsigned i = 0; i < N_ELEMENTS(storage_kinds); i++) {
        if (strcmp(storage_kinds[i].kind, storage->kind) == 0)
            return &storage_kinds[i];
    }
    return NULL;
}

void storage_forget_all(struct map *memories)
{
    MAP_FOREACH (row, memories)
        memory_destroy(row->value);
    map_finish(memories);
}

bool storage_is_file(const struct entry *storage)
{
    return strcmp(storage->kind, "env.storage.file") == 0;
}
