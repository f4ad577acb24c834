#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/schema.h"

#include "proto/frame.h"

#include "supervisor/contracts.h"
#include "supervisor/entry.h"
#include "supervisor/module_method.h"
#include "supervisor/problems.h"
#include "supervisor/registry.h"
#include "supervisor/registry_check.h"

#define PATH_BYTES 256

/* Everything is compared with everything below these. */
#define MAX_METHODS 500
#define MAX_PARTS   100

struct checker {
    const struct changeset *set;
    const struct snapshot *state; /* after the change */
    struct map changed; /* id → change; of contracts that are there after it */
    struct problems *problems;
};

static void complain(const struct checker *c, const struct entry *entry,
                     const char *path, enum err_kind kind, const char *hint,
                     const char *fmt, ...) __attribute__((format(printf, 6, 7)));
static void complain(const struct checker *c, const struct entry *entry,
                     const char *path, enum err_kind kind, const char *hint,
                     const char *fmt, ...)
{
    struct problem_at at = entry_at(entry, path);
    va_list args;

    va_start(args, fmt);
    problems_vadd(c->problems, SEVERITY_ERROR, kind, &at, hint, fmt, args);
    va_end(args);
}

/* Lua has one empty table for lists and maps. */
static bool is_list(const struct value *value)
{
    return value == NULL || value->type == VALUE_NIL || value->type == VALUE_LIST ||
           (value->type == VALUE_MAP && value->as.map.n == 0);
}

static bool is_map(const struct value *value)
{
    return value == NULL || value->type == VALUE_NIL || value->type == VALUE_MAP ||
           (value->type == VALUE_LIST && value->as.list.n == 0);
}

/* ---- definitions ----------------------------------------------------------------- */

/* Appends a JSON pointer to a path as places of entries are named: /a/0 → .a[0] */
static void append_pointer(char path[PATH_BYTES], const char *pointer, size_t n)
{
    size_t at = strlen(path), i = 0;

    while (i < n && pointer[i] == '/' && at + 2 < PATH_BYTES) {
        bool index = isdigit((unsigned char)pointer[++i]) != 0;

        path[at++] = index ? '[' : '.';
        while (i < n && pointer[i] != '/' && at + 2 < PATH_BYTES)
            path[at++] = pointer[i++];
        if (index)
            path[at++] = ']';
    }
    path[at] = '\0';
}

static void check_schema(const struct checker *c, const struct entry *entry,
                         const struct value *definition, const char *path)
{
    struct err err;
    struct schema *schema = schema_create(definition, &err);
    char place[PATH_BYTES];

    if (schema == NULL) {
        snprintf(place, sizeof(place), "%.200s.definition", path);
        append_pointer(place, err.text, strcspn(err.text, ":"));
        complain(c, entry, place, ERR_INVALID, NULL, "invalid schema: %s", err.text);
    }
    schema_destroy(schema);
}

/* direction: "input" or "output" */
static void check_schemas(const struct checker *c, const struct entry *entry,
                          const struct value *method, size_t index,
                          const char *direction)
{
    const struct value *list;
    char key[32], path[PATH_BYTES];

    snprintf(key, sizeof(key), "%s_schemas", direction);
    snprintf(path, sizeof(path), "methods[%zu].%s", index, key);
    list = value_get(method, key);
    if (!is_list(list)) {
        complain(c, entry, path, ERR_INVALID, "write a list of {format, definition}",
                 "%s must be a list", key);
        return;
    }
    for (size_t i = 0; i < value_list_n(list); i++) {
        const struct value *item = &list->as.list.items[i];
        const struct value *definition = value_get(item, "definition");
        const char *format = value_get_text(item, "format");

        snprintf(path, sizeof(path), "methods[%zu].%s[%zu]", index, key, i);
        if (definition != NULL && (format == NULL || format[0] == '\0'))
            complain(c, entry, path, ERR_INVALID,
                     "write format: application/schema+json",
                     "%s schema has a definition but no format specified", direction);
        else if (definition != NULL && schema_is_of_format(format))
            check_schema(c, entry, definition, path);
    }
}

static void check_definition(const struct checker *c, const struct entry *entry)
{
    const struct value *methods = value_get(entry_fields(entry), "methods");
    struct map names;

    if (!is_list(methods))
        complain(c, entry, "methods", ERR_INVALID, "write a list of {name, ...}",
                 "methods must be a list");
    methods = contract_methods(entry);
    if (methods->as.list.n > MAX_METHODS) {
        complain(c, entry, "methods", ERR_INVALID, "split the contract",
                 "more than %d methods", MAX_METHODS);
        return;
    }
    map_init(&names);
    for (size_t i = 0; i < methods->as.list.n; i++) {
        const struct value *method = &methods->as.list.items[i];
        const char *name = value_get_text(method, "name");
        char path[PATH_BYTES];

        snprintf(path, sizeof(path), "methods[%zu].name", i);
        if (name == NULL || name[0] == '\0')
            complain(c, entry, path, ERR_INVALID, NULL, "method name cannot be empty");
        else if (map_put(&names, name, strlen(name), (void *)method) != NULL)
            complain(c, entry, path, ERR_INVALID, "rename one of the two",
                     "duplicate method name: %s", name);
        check_schemas(c, entry, method, i, "input");
        check_schemas(c, entry, method, i, "output");
    }
    map_finish(&names);
}

/* ---- bindings -------------------------------------------------------------------- */

static bool has_method(const struct value *methods, const char *name)
{
    for (size_t i = 0; i < methods->as.list.n; i++) {
        const char *other = value_get_text(&methods->as.list.items[i], "name");

        if (other != NULL && strcmp(other, name) == 0)
            return true;
    }
    return false;
}

/* The first method of the definition that the part doesn't bind, NULL if none. */
static const char *find_unbound(const struct contract_part *part,
                                const struct value *methods)
{
    for (size_t i = 0; i < methods->as.list.n; i++) {
        const char *name = value_get_text(&methods->as.list.items[i], "name");

        if (name != NULL && value_get(part->methods, name) == NULL)
            return name;
    }
    return NULL;
}

/* The first method that the part binds and the definition doesn't have. */
static const char *find_undefined(const struct contract_part *part,
                                  const struct value *methods)
{
    for (size_t i = 0; i < value_map_n(part->methods); i++)
        if (!has_method(methods, part->methods->as.map.pairs[i].key))
            return part->methods->as.map.pairs[i].key;
    return NULL;
}

/* F-62: it may come later; but a file that almost has the id of one that is there
 * hardly means that. */
static void warn_of_function(const struct checker *c, const struct entry *entry,
                             const char *path, const char *id)
{
    const char *nearest = NULL;
    struct problem_at at;
    struct bytes method;
    char hint[400];

    if (entry->origin.file != NULL && snapshot_find(c->state, id, strlen(id)) == NULL &&
        module_method_find(c->state, bytes_of_text(id), &method) == NULL)
        nearest = nearest_entry(c->state, NULL, id);
    if (nearest == NULL)
        return;
    at = entry_at(entry, path);
    snprintf(hint, sizeof(hint), "did you mean %s?", nearest);
    problems_add(c->problems, SEVERITY_WARNING, ERR_NOT_FOUND, &at, hint,
                 "%s names %s, which does not exist", path, id);
}

static void check_functions(const struct checker *c, const struct entry *entry,
                            const struct contract_part *part, size_t index)
{
    char path[PATH_BYTES];

    for (size_t i = 0; i < value_map_n(part->methods); i++) {
        const struct value_pair *pair = &part->methods->as.map.pairs[i];
        char *id = entry_resolve(entry, &pair->value);

        snprintf(path, sizeof(path), "contracts[%zu].methods.%s", index, pair->key);
        if (id == NULL)
            complain(c, entry, path, ERR_INVALID, "write namespace:name",
                     "method %s is bound to no function id", pair->key);
        else
            warn_of_function(c, entry, path, id);
        free(id);
    }
}

static void check_fields(const struct checker *c, const struct entry *entry,
                         const struct contract_part *part, size_t index)
{
    const struct value *keys = part->context_required;
    char path[PATH_BYTES];
    bool ok = keys == NULL || keys->type == VALUE_LIST || keys->type == VALUE_NIL;

    for (size_t i = 0; ok && i < value_list_n(keys); i++)
        ok = keys->as.list.items[i].type == VALUE_STRING;
    snprintf(path, sizeof(path), "contracts[%zu].context_required", index);
    if (!ok)
        complain(c, entry, path, ERR_INVALID, NULL,
                 "context_required must be a list of keys");
    snprintf(path, sizeof(path), "contracts[%zu].methods", index);
    if (!is_map(part->methods))
        complain(c, entry, path, ERR_INVALID, "write a map of method: function id",
                 "methods must be a map");
    else if (value_map_n(part->methods) > MAX_METHODS)
        complain(c, entry, path, ERR_INVALID, NULL, "more than %d methods",
                 MAX_METHODS);
    else
        check_functions(c, entry, part, index);
}

static void check_part(const struct checker *c, const struct entry *entry,
                       const struct contract_part *part, size_t index)
{
    const struct entry *definition;
    const char *method, *nearest;
    char path[PATH_BYTES], hint[400];

    snprintf(path, sizeof(path), "contracts[%zu].contract", index);
    definition = part->id == NULL ? NULL : contract_find_definition(c->state, part->id);
    if (definition == NULL) {
        nearest = part->id == NULL
                      ? NULL
                      : nearest_entry(c->state, "contract.definition", part->id);
        snprintf(hint, sizeof(hint), "did you mean %s?",
                 nearest == NULL ? "" : nearest);
        complain(c, entry, path, ERR_INVALID, nearest == NULL ? NULL : hint,
                 "binding references undefined contract: %s",
                 part->id == NULL ? "" : part->id);
        return;
    }
    check_fields(c, entry, part, index);
    snprintf(path, sizeof(path), "contracts[%zu].methods", index);
    method = find_unbound(part, contract_methods(definition));
    if (method != NULL)
        complain(c, entry, path, ERR_INVALID, "name the function that runs it",
                 "contract method is not bound: %s of %s", method, part->id);
    method = find_undefined(part, contract_methods(definition));
    if (method == NULL)
        return;
    snprintf(path, sizeof(path), "contracts[%zu].methods.%s", index, method);
    complain(c, entry, path, ERR_INVALID, NULL,
             "bound method is not defined in contract definition: %s of %s", method,
             part->id);
}

static void check_twice(const struct checker *c, const struct entry *entry,
                        const char *id, size_t index, struct map *seen)
{
    const struct entry *definition =
        id == NULL ? NULL : contract_find_definition(c->state, id);
    char path[PATH_BYTES];

    if (definition == NULL ||
        map_put(seen, definition->id, strlen(id), (void *)definition) == NULL)
        return;
    snprintf(path, sizeof(path), "contracts[%zu].contract", index);
    complain(c, entry, path, ERR_INVALID, "take one of the two out",
             "contract is bound twice: %s", id);
}

static void check_binding(const struct checker *c, const struct entry *entry)
{
    struct contract_part part;
    struct map seen;
    size_t n = 0;

    map_init(&seen);
    for (; n < MAX_PARTS && contract_part_read(entry, n, &part); n++) {
        check_part(c, entry, &part, n);
        check_twice(c, entry, part.id, n, &seen);
        contract_part_finish(&part);
    }
    map_finish(&seen);
    if (n == 0)
        complain(c, entry, "contracts", ERR_INVALID,
                 "write contracts: [{contract: id, methods: {name: function}}]",
                 "binding must bind at least one contract");
    if (n < MAX_PARTS || !contract_part_read(entry, n, &part))
        return;
    contract_part_finish(&part);
    complain(c, entry, "contracts", ERR_INVALID, "split the binding",
             "more than %d contracts", MAX_PARTS);
}

/* ---- what a change does to others ------------------------------------------------ */

static bool is_changed(const struct checker *c, const struct entry *entry)
{
    return map_find(&c->changed, entry->id, strlen(entry->id)) != NULL;
}

struct use {
    const struct checker *c;
    const struct entry *definition; /* as it will be, NULL: it goes */
    const struct entry *before;
    bool told;
};

/* A binding that stays as it is uses a definition that changes or goes. */
static void check_use(struct use *use, const struct entry *binding,
                      const struct contract_part *part)
{
    const char *method;
    char hint[400];

    if (use->told)
        return;
    snprintf(hint, sizeof(hint), "change %s too", binding->id);
    if (use->definition == NULL) {
        use->told = true;
        complain(use->c, use->before, "name", ERR_INVALID, hint,
                 "contract definition is in use by binding: %s", binding->id);
        return;
    }
    method = find_unbound(part, contract_methods(use->definition));
    if (method == NULL)
        method = find_undefined(part, contract_methods(use->definition));
    if (method == NULL)
        return;
    use->told = true;
    complain(use->c, use->definition, "methods", ERR_INVALID, hint,
             "definition update would invalidate binding: %s, method %s", binding->id,
             method);
}

static void check_uses_of(const struct map *uses, const struct entry *binding)
{
    struct contract_part part;

    for (size_t i = 0; contract_part_read(binding, i, &part); i++) {
        struct use *use =
            part.id == NULL ? NULL : map_find(uses, part.id, strlen(part.id));

        if (use != NULL)
            check_use(use, binding, &part);
        contract_part_finish(&part);
    }
}

/* One look at all bindings, however many definitions change. */
static void check_uses(const struct checker *c)
{
    struct use *all = xcalloc(c->set->n + 1, sizeof(*all));
    struct map uses;

    map_init(&uses);
    for (size_t i = 0; i < c->set->n; i++) {
        const struct entry *before = c->set->changes[i].before;

        if (before == NULL || !is_contract_definition(before))
            continue;
        all[i] =
            (struct use){.c = c,
                         .before = before,
                         .definition = contract_find_definition(c->state, before->id)};
        map_put(&uses, before->id, strlen(before->id), &all[i]);
    }
    for (size_t i = 0; uses.n != 0 && i < c->state->n; i++)
        if (is_contract_binding(c->state->entries[i]) &&
            !is_changed(c, c->state->entries[i]))
            check_uses_of(&uses, c->state->entries[i]);
    map_finish(&uses);
    free(all);
}

/* Two defaults: the one that is new is to blame, the later one if both are. */
static void check_default(const struct checker *c, struct map *defaults,
                          const struct entry *entry, const char *id, size_t index)
{
    struct entry *first = map_find(defaults, id, strlen(id));
    const struct entry *blamed = is_changed(c, entry) ? entry : first;
    char path[PATH_BYTES];

    if (first == NULL || first == entry) {
        const struct entry *definition = contract_find_definition(c->state, id);

        if (definition != NULL) /* whose id lives longer than ours */
            map_put(defaults, definition->id, strlen(id), (void *)entry);
        return;
    }
    if (!is_changed(c, blamed))
        return;
    snprintf(path, sizeof(path), "contracts[%zu].default", index);
    complain(c, blamed, blamed == entry ? path : "contracts", ERR_ALREADY_EXISTS,
             "only one binding may be the default",
             "contract already has default binding: %s has %s", id,
             blamed == entry ? first->id : entry->id);
}

static void check_defaults(const struct checker *c)
{
    struct map defaults;

    map_init(&defaults);
    for (size_t i = 0; i < c->state->n; i++) {
        const struct entry *entry = c->state->entries[i];
        struct contract_part part;

        for (size_t k = 0;
             is_contract_binding(entry) && contract_part_read(entry, k, &part); k++) {
            if (part.is_default && part.id != NULL)
                check_default(c, &defaults, entry, part.id, k);
            contract_part_finish(&part);
        }
    }
    map_finish(&defaults);
}

void contracts_check(const struct changeset *set, struct problems *problems)
{
    struct checker c = {.set = set, .state = set->result, .problems = problems};

    if (!contracts_changed(set))
        return;
    map_init(&c.changed);
    for (size_t i = 0; i < set->n; i++)
        if (set->changes[i].after != NULL)
            map_put(&c.changed, set->changes[i].of_id, strlen(set->changes[i].of_id),
                    &set->changes[i]);
    for (size_t i = 0; i < set->n; i++) {
        const struct change *change = &set->changes[i];

        if (change->after != NULL && is_contract_definition(change->after))
            check_definition(&c, change->after);
        if (change->after != NULL && is_contract_binding(change->after))
            check_binding(&c, change->after);
    }
    check_uses(&c);
    check_defaults(&c);
    map_finish(&c.changed);
}
