#include "supervisor/entry.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/id.h"
#include "common/map.h"
#include "common/mem.h"

#include "supervisor/embed.h"
#include "supervisor/registry_kinds.h"

struct entry *entry_create(const char *id, size_t id_bytes, const char *kind,
                           struct value meta, struct value data)
{
    struct entry *entry = xcalloc(1, sizeof(*entry));

    entry->n_refs = 1;
    entry->id = xstrndup(id, id_bytes);
    entry->namespace_bytes = id_namespace_bytes(id, id_bytes);
    entry->name = entry->id + entry->namespace_bytes;
    if (*entry->name == ':')
        entry->name++;
    entry->kind = xstrdup(kind);
    entry->type = kind_find(kind);
    entry->meta = meta.type == VALUE_MAP ? meta : value_map();
    if (meta.type != VALUE_MAP)
        value_finish(&meta);
    entry->data = data;
    return entry;
}

struct entry *entry_ref(const struct entry *entry)
{
    struct entry *counted = (struct entry *)entry;

    counted->n_refs++;
    return counted;
}

static void free_origin(struct entry_origin *origin)
{
    for (size_t i = 0; i < origin->n_places; i++)
        free(origin->places[i].path);
    free(origin->places);
    free(origin->file);
    free(origin->source_file);
}

void entry_unref(struct entry *entry)
{
    if (entry == NULL || --entry->n_refs != 0)
        return;
    for (size_t i = 0; i < entry->n_bindings; i++) {
        free(entry->bindings[i].name);
        free(entry->bindings[i].target);
    }
    free(entry->bindings);
    free_origin(&entry->origin);
    value_finish(&entry->meta);
    value_finish(&entry->data);
    value_finish(&entry->decoded);
    embed_unref(entry->files);
    embed_unref(entry->code_in);
    free(entry->kind);
    free(entry->id);
    free(entry);
}

size_t entry_count_bytes(const struct entry *entry)
{
    return sizeof(*entry) + value_count_bytes(&entry->meta) +
           value_count_bytes(&entry->data) + value_count_bytes(&entry->decoded);
}

bool entry_equal(const struct entry *a, const struct entry *b)
{
    return strcmp(a->id, b->id) == 0 && strcmp(a->kind, b->kind) == 0 &&
           value_equal(&a->meta, &b->meta) && value_equal(&a->data, &b->data);
}

struct value entry_to_value(const struct entry *entry)
{
    struct value map = value_map();

    value_put(&map, "id", value_string(entry->id));
    value_put(&map, "kind", value_string(entry->kind));
    value_put(&map, "meta", value_copy(&entry->meta));
    if (entry->data.type != VALUE_NIL)
        value_put(&map, "data", value_copy(&entry->data));
    return map;
}

static struct value copy_field(const struct value *map, const char *key)
{
    const struct value *field = value_get(map, key);

    return field == NULL ? (struct value){0} : value_copy(field);
}

int entry_of_value(const struct value *value, struct entry **entry_out, struct err *err)
{
    const char *kind = value_get_text(value, "kind");
    const struct value *id_value = value_get(value, "id");
    char *id = id_value == NULL ? NULL : entry_resolve(NULL, id_value);
    size_t n = id == NULL ? 0 : strlen(id);

    if (id == NULL || id[0] == ':' || n > ID_MAX_BYTES || id[n - 1] == ':') {
        free(id);
        return err_set(err, ERR_INVALID, "entry must have valid id field");
    }
    if (kind == NULL || kind[0] == '\0') {
        free(id);
        return err_set(err, ERR_INVALID, "entry must have kind field");
    }
    *entry_out =
        entry_create(id, n, kind, copy_field(value, "meta"), copy_field(value, "data"));
    free(id);
    return 0;
}

/* A NUL in a reference would make two names of one. */
static const char *clean_text(const struct value *value)
{
    const char *text = value_text(value);

    return text != NULL && strlen(text) == value->as.string.n ? text : NULL;
}

char *entry_resolve(const struct entry *owner, const struct value *ref)
{
    const char *name = clean_text(ref), *ns = NULL;

    if (name != NULL && strchr(name, ':') != NULL)
        return xstrdup(name);
    if (name == NULL) {
        name = clean_text(value_get(ref, "name"));
        ns = clean_text(value_get(ref, "ns"));
    }
    if (name == NULL || name[0] == '\0')
        return NULL;
    if (ns != NULL && ns[0] != '\0')
        return xasprintf("%s:%s", ns, name);
    if (owner == NULL)
        return xasprintf(":%s", name);
    return xasprintf("%.*s:%s", (int)owner->namespace_bytes, owner->id, name);
}

char *entry_get_reference(const struct entry *entry, const char *field)
{
    const struct value *ref = value_get(entry_fields(entry), field);

    return ref == NULL ? NULL : entry_resolve(entry, ref);
}

static const struct entry_place *find_place(const struct entry_origin *origin,
                                            const char *path, size_t n)
{
    for (size_t i = 0; i < origin->n_places; i++) {
        const char *have = origin->places[i].path;

        if (strncmp(have, path, n) == 0 && have[n] == '\0')
            return &origin->places[i];
    }
    return NULL;
}

/* The length of path without its last part, 0 at the end. */
static size_t shorten(const char *path, size_t n)
{
    while (n > 0 && path[n - 1] != '.' && path[n - 1] != '[')
        n--;
    return n == 0 ? 0 : n - 1;
}

struct problem_at entry_at(const struct entry *entry, const char *path)
{
    const struct entry_origin *origin = &entry->origin;
    struct problem_at at = {.file = origin->file,
                            .line = origin->line,
                            .column = origin->column,
                            .entry = entry->id};

    for (size_t n = strlen(path); n > 0; n = shorten(path, n)) {
        const struct entry_place *place = find_place(origin, path, n);

        if (place != NULL) {
            at.line = place->line;
            at.column = place->column;
            break;
        }
    }
    return at;
}

struct problem_at entry_source_at(const struct entry *entry, unsigned line,
                                  unsigned column)
{
    static const char path[] = "source";
    const struct entry_place *place =
        find_place(&entry->origin, path, sizeof(path) - 1);
    struct problem_at at = entry_at(entry, path);

    if (entry->origin.source_file != NULL) {
        at.file = entry->origin.source_file;
        at.line = line;
        at.column = column;
    } else if (place != NULL && place->is_block) {
        at.line += line;
        at.column = column != 0 ? column + place->indent : 0;
    }
    return at;
}

/* ---- lists ----------------------------------------------------------------------- */

void entry_list_add(struct entry_list *list, struct entry *entry)
{
    if (list->n == list->size) {
        list->size = list->size == 0 ? 64 : list->size * 2;
        list->items = xrealloc(list->items, list->size * sizeof(void *));
    }
    list->items[list->n++] = entry;
}

void entry_list_finish(struct entry_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        entry_unref(list->items[i]);
    free(list->items);
    *list = (struct entry_list){0};
}

void entry_list_index(const struct entry_list *list, struct map *by_id)
{
    map_init(by_id);
    for (size_t i = 0; i < list->n; i++)
        map_put(by_id, list->items[i]->id, strlen(list->items[i]->id), list->items[i]);
}
