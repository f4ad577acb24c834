#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/value.h"

#include "supervisor/contract_doc.h"

#define NAME_BYTES 512

/* Text inside a cell: no line breaks, no bars. */
static void put_cell(struct buf *out, const char *text)
{
    for (; text != NULL && *text != '\0'; text++) {
        if (*text == '|')
            buf_append(out, "\\|", 2);
        else if (*text == '\n' || *text == '\r')
            buf_append(out, " ", 1);
        else
            buf_append(out, text, 1);
    }
}

/* ---- types ----------------------------------------------------------------------- */

static void put_json_cell(struct buf *out, const struct value *value)
{
    struct buf json;

    buf_init(&json, 0);
    if (value_write_json(&json, value, 0) && buf_append(&json, "", 1)) {
        buf_append(out, "`", 1);
        put_cell(out, (const char *)buf_head(&json));
        buf_append(out, "`", 1);
    }
    buf_finish(&json);
}

static void put_type_names(struct buf *out, const struct value *type)
{
    for (size_t i = 0; i < value_list_n(type); i++) {
        buf_append_text(out, i == 0 ? "" : " or ");
        put_cell(out, value_text(&type->as.list.items[i]));
    }
    if (value_text(type) != NULL)
        put_cell(out, value_text(type));
}

static void put_values(struct buf *out, const struct value *values)
{
    for (size_t i = 0; i < value_list_n(values); i++) {
        buf_append_text(out, i == 0 ? "" : ", ");
        put_json_cell(out, &values->as.list.items[i]);
    }
}

/* What a schema takes, in a few words. */
static void put_type(struct buf *out, const struct value *schema)
{
    static const char *const choices[] = {"anyOf", "oneOf", "allOf"};
    const struct value *type = value_get(schema, "type");
    const char *items = value_get_text(value_get(schema, "items"), "type");

    if (value_get(schema, "const") != NULL) {
        put_json_cell(out, value_get(schema, "const"));
    } else if (value_get(schema, "enum") != NULL) {
        put_values(out, value_get(schema, "enum"));
    } else if (value_get_text(schema, "$ref") != NULL) {
        buf_append_text(out, "`");
        put_cell(out, value_get_text(schema, "$ref"));
        buf_append_text(out, "`");
    } else if (type != NULL) {
        put_type_names(out, type);
        if (items != NULL && value_text(type) != NULL &&
            strcmp(value_text(type), "array") == 0) {
            buf_append_text(out, " of ");
            put_cell(out, items);
        }
    } else if (schema != NULL && schema->type == VALUE_BOOL) {
        buf_append_text(out, schema->as.boolean ? "any" : "none");
    } else {
        for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
            if (value_get(schema, choices[i]) != NULL) {
                buf_append_text(out, choices[i]);
                return;
            }
        }
        buf_append_text(out, "any");
    }
}

/* ---- properties, those of objects in objects and lists too ----------------------- */

struct level {
    const struct value *schema;
    size_t next, n_name; /* of its properties; the name so far */
};

struct walk {
    struct level levels[VALUE_MAX_DEPTH];
    size_t n;
    char name[NAME_BYTES]; /* "to[].address" */
};

/* Goes into a schema whose name stands in walk->name up to n_name. */
static void enter(struct walk *walk, const struct value *schema, size_t n_name)
{
    const struct value *items = value_get(schema, "items");

    while (items != NULL && value_map_n(value_get(schema, "properties")) == 0 &&
           n_name + 3 < sizeof(walk->name)) {
        memcpy(walk->name + n_name, "[]", 3);
        n_name += 2;
        schema = items;
        items = value_get(schema, "items");
    }
    if (value_map_n(value_get(schema, "properties")) != 0 && walk->n < VALUE_MAX_DEPTH)
        walk->levels[walk->n++] = (struct level){.schema = schema, .n_name = n_name};
}

static bool is_required(const struct value *schema, const char *name)
{
    const struct value *required = value_get(schema, "required");

    for (size_t i = 0; i < value_list_n(required); i++) {
        const char *other = value_text(&required->as.list.items[i]);

        if (other != NULL && strcmp(other, name) == 0)
            return true;
    }
    return false;
}

static void put_property(struct buf *out, struct walk *walk, struct level *level)
{
    const struct value *properties = value_get(level->schema, "properties");
    const struct value_pair *pair = &properties->as.map.pairs[level->next++];
    int n = snprintf(walk->name + level->n_name, sizeof(walk->name) - level->n_name,
                     "%s%s", level->n_name == 0 ? "" : ".", pair->key);
    size_t n_name = level->n_name + (n < 0 ? 0 : (size_t)n);

    buf_append_text(out, "| ");
    put_cell(out, walk->name);
    buf_append_text(out, " | ");
    put_type(out, &pair->value);
    buf_append_text(out, is_required(level->schema, pair->key) ? " | yes | " : " | | ");
    put_cell(out, value_get_text(&pair->value, "description"));
    buf_append_text(out, " |\n");
    if (n_name + 1 < sizeof(walk->name))
        enter(walk, &pair->value, n_name);
}

static void put_properties(struct buf *out, const struct value *schema)
{
    struct walk walk = {.n = 0};

    enter(&walk, schema, 0);
    if (walk.n == 0)
        return;
    buf_append_text(out, "| name | type | required | description |\n"
                         "|---|---|---|---|\n");
    while (walk.n > 0) {
        struct level *level = &walk.levels[walk.n - 1];

        if (level->next == value_map_n(value_get(level->schema, "properties")))
            walk.n--;
        else
            put_property(out, &walk, level);
    }
    buf_append_text(out, "\n");
}

/* ---- methods --------------------------------------------------------------------- */

/* The fence is longer than any run of backticks inside. */
static void put_raw(struct buf *out, const struct value *definition)
{
    size_t run = 0, longest = 2;
    struct buf json;

    buf_init(&json, 0);
    value_write_json(&json, definition, 2);
    for (size_t i = 0; i < buf_len(&json); i++) {
        run = buf_head(&json)[i] == '`' ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    for (size_t i = 0; i <= longest; i++)
        buf_append_text(out, "`");
    buf_append_text(out, "json\n");
    buf_append(out, buf_head(&json), buf_len(&json));
    buf_append_text(out, "\n");
    for (size_t i = 0; i <= longest; i++)
        buf_append_text(out, "`");
    buf_append_text(out, "\n\n");
    buf_finish(&json);
}

static void put_schemas(struct buf *out, const struct value *method, const char *key,
                        const char *direction)
{
    const struct value *schemas = value_get(method, key);

    for (size_t i = 0; i < value_list_n(schemas); i++) {
        const struct value *schema = &schemas->as.list.items[i];
        const struct value *definition = value_get(schema, "definition");
        struct value parsed = {0};

        buf_printf(out, "#### `%s`: %s %zu\n\n", value_get_text(method, "name"),
                   direction, i + 1);
        if (value_get_text(schema, "format") != NULL)
            buf_printf(out, "Format: `%s`\n\n", value_get_text(schema, "format"));
        if (definition == NULL)
            continue;
        if (value_text(definition) != NULL &&
            value_read_json(definition->as.string.data, definition->as.string.n,
                            &parsed, NULL) == 0)
            definition = &parsed;
        put_properties(out, definition);
        put_raw(out, definition);
        value_finish(&parsed);
    }
}

static void put_types(struct buf *out, const struct value *schemas)
{
    for (size_t i = 0; i < value_list_n(schemas); i++) {
        buf_append_text(out, i == 0 ? "" : ", ");
        put_type(out, value_get(&schemas->as.list.items[i], "definition"));
    }
}

static void put_methods(struct buf *out, const struct value *methods)
{
    if (value_list_n(methods) == 0) {
        buf_append_text(out, "No methods.\n\n");
        return;
    }
    buf_append_text(out, "### Methods\n\n| name | description | inputs | outputs |\n"
                         "|---|---|---|---|\n");
    for (size_t i = 0; i < value_list_n(methods); i++) {
        const struct value *method = &methods->as.list.items[i];

        buf_append_text(out, "| ");
        put_cell(out, value_get_text(method, "name"));
        buf_append_text(out, " | ");
        put_cell(out, value_get_text(method, "description"));
        buf_append_text(out, " | ");
        put_types(out, value_get(method, "input_schemas"));
        buf_append_text(out, " | ");
        put_types(out, value_get(method, "output_schemas"));
        buf_append_text(out, " |\n");
    }
    buf_append_text(out, "\n");
    for (size_t i = 0; i < value_list_n(methods); i++) {
        put_schemas(out, &methods->as.list.items[i], "input_schemas", "input");
        put_schemas(out, &methods->as.list.items[i], "output_schemas", "output");
    }
}

/* ---- bindings -------------------------------------------------------------------- */

static void put_binding(struct buf *out, const struct value *binding)
{
    const struct value *required = value_get(binding, "context_required");
    const struct value *methods = value_get(binding, "methods");

    buf_append_text(out, "| ");
    put_cell(out, value_get_text(binding, "id"));
    buf_append_text(out,
                    value_get_bool(binding, "default", false) ? " | yes | " : " | | ");
    for (size_t i = 0; i < value_list_n(required); i++) {
        buf_append_text(out, i == 0 ? "" : ", ");
        put_cell(out, value_text(&required->as.list.items[i]));
    }
    buf_append_text(out, " | ");
    for (size_t i = 0; i < value_map_n(methods); i++) {
        const struct value_pair *pair = &methods->as.map.pairs[i];

        buf_append_text(out, i == 0 ? "" : ", ");
        put_cell(out, pair->key);
        buf_append_text(out, " → ");
        put_cell(out, value_text(&pair->value));
    }
    buf_append_text(out, " |\n");
}

static void put_bindings(struct buf *out, const struct value *bindings)
{
    if (value_list_n(bindings) == 0) {
        buf_append_text(out, "No bindings.\n\n");
        return;
    }
    buf_append_text(out, "### Bindings\n\n"
                         "| binding | default | required context | functions |\n"
                         "|---|---|---|---|\n");
    for (size_t i = 0; i < value_list_n(bindings); i++)
        put_binding(out, &bindings->as.list.items[i]);
    buf_append_text(out, "\n");
}

bool contract_doc_to_markdown(const struct value *list, struct buf *out)
{
    size_t before = buf_len(out);

    buf_append_text(out, "# Contracts\n\n");
    for (size_t i = 0; i < value_list_n(list); i++) {
        const struct value *record = &list->as.list.items[i];
        const char *comment = value_get_text(record, "comment");

        buf_printf(out, "## %s\n\n", value_get_text(record, "id"));
        if (comment != NULL && comment[0] != '\0')
            buf_printf(out, "%s\n\n", comment);
        put_methods(out, value_get(record, "methods"));
        put_bindings(out, value_get(record, "bindings"));
    }
    if (buf_len(out) < before + 3)
        return false;
    if (out->data[out->end - 1] == '\n' && out->data[out->end - 2] == '\n')
        out->end--; /* the line break that stood before something more */
    return true;
}
