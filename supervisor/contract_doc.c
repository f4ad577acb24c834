#include "supervisor/contract_doc.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/file_write.h"
#include "common/wildcard.h"

#include "supervisor/contracts.h"
#include "supervisor/entry.h"
#include "supervisor/options.h"
#include "supervisor/registry.h"

static void copy_text(struct value *to, const char *key, const struct value *from)
{
    const char *text = value_get_text(from, key);

    value_put(to, key, value_string(text == NULL ? "" : text));
}

static void copy_list(struct value *to, const char *key, const struct value *from)
{
    const struct value *list = value_get(from, key);

    value_put(to, key,
              list != NULL && list->type == VALUE_LIST ? value_copy(list)
                                                       : value_list());
}

static struct value describe_method(const struct value *declared)
{
    struct value method = value_map();

    copy_text(&method, "name", declared);
    copy_text(&method, "description", declared);
    copy_list(&method, "input_schemas", declared);
    copy_list(&method, "output_schemas", declared);
    return method;
}

static void add_binding(void *context, const struct entry *binding,
                        const struct contract_part *part)
{
    struct value *row = value_append(context, value_map());
    struct value *methods;

    value_put(row, "id", value_string(binding->id));
    value_put(row, "default", value_bool(part->is_default));
    value_put(row, "context_required",
              part->context_required != NULL &&
                      part->context_required->type == VALUE_LIST
                  ? value_copy(part->context_required)
                  : value_list());
    methods = value_put(row, "methods", value_map());
    for (size_t i = 0; part->methods != NULL && part->methods->type == VALUE_MAP &&
                       i < part->methods->as.map.n;
         i++) {
        const struct value_pair *pair = &part->methods->as.map.pairs[i];
        char *id = entry_resolve(binding, &pair->value);

        value_put(methods, pair->key, value_string(id));
        free(id);
    }
}

static struct value describe(const struct snapshot *state, const struct entry *entry)
{
    const struct value *methods = contract_methods(entry);
    struct value record = value_map(), *list;

    value_put(&record, "id", value_string(entry->id));
    copy_text(&record, "comment", &entry->meta);
    list = value_put(&record, "methods", value_list());
    for (size_t i = 0; i < methods->as.list.n; i++)
        value_append(list, describe_method(&methods->as.list.items[i]));
    list = value_put(&record, "bindings", value_list());
    contract_each_binding(state, entry->id, add_binding, list);
    return record;
}

/* A list of {id, comment, methods, bindings}; pattern as in common/wildcard.h, NULL:
 * all. */
static struct value collect(const struct snapshot *state, const char *pattern)
{
    struct value list = value_list();

    for (size_t i = 0; i < state->n; i++) {
        const struct entry *entry = state->entries[i];

        if (is_contract_definition(entry) &&
            (pattern == NULL ||
             wildcard_matches(pattern, entry->id, strlen(entry->id))))
            value_append(&list, describe(state, entry));
    }
    return list;
}

static int write_out(struct buf *text, const char *path, FILE *out, struct err *err)
{
    if (path != NULL)
        return file_write_whole(path, 0666, buf_bytes(text), err);
    if (fwrite(buf_head(text), 1, buf_len(text), out) != buf_len(text) ||
        fflush(out) != 0)
        return err_set(err, ERR_UNAVAILABLE, "can't write the documentation");
    return 0;
}

int contract_doc_write(const struct snapshot *state, const struct options *options,
                       FILE *out, struct err *err)
{
    const struct doc_options *doc = &options->doc;
    struct value list = collect(state, doc->pattern);
    struct buf text;
    bool ok;
    int rc;

    if (list.as.list.n == 0 && doc->pattern != NULL) {
        value_finish(&list);
        return err_set(err, ERR_NOT_FOUND, "no contract matches '%.200s'",
                       doc->pattern);
    }
    buf_init(&text, 0);
    ok = doc->json ? value_write_json(&text, &list, 2) && buf_append(&text, "\n", 1)
                   : contract_doc_to_markdown(&list, &text);
    value_finish(&list);
    rc = ok ? write_out(&text, doc->out, out, err)
            : err_set(err, ERR_UNAVAILABLE, "no memory for the documentation");
    buf_finish(&text);
    return rc;
}
