#include "supervisor/registry_script.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/value.h"

#include "supervisor/entry.h"
#include "supervisor/problems.h"
#include "supervisor/registry_yaml.h"
#include "supervisor/yaml_tree.h"

#define TEXT_MAX_BYTES ((size_t)16 * 1024 * 1024)
#define MAX_NODES      1000000

/* ---- operations as values -------------------------------------------------------- */

static int read_op(const char *text, enum change_op *op_out, struct err *err)
{
    static const enum change_op ops[] = {CHANGE_CREATE, CHANGE_UPDATE, CHANGE_DELETE};

    for (unsigned i = 0; text != NULL && i < N_ELEMENTS(ops); i++) {
        if (strcmp(change_op_name(ops[i]), text) == 0) {
            *op_out = ops[i];
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "invalid operation kind: %.60s",
                   text != NULL ? text : "none");
}

int operation_of_value(const struct value *value, struct operation *out,
                       struct err *err)
{
    const struct value *entry = value_get(value, "entry");
    const struct value *id = entry;

    if (read_op(value_get_text(value, "kind"), &out->op, err) != 0)
        return -1;
    if (out->op != CHANGE_DELETE)
        return entry_of_value(entry, &out->entry, err);
    if (value_get(entry, "id") != NULL)
        id = value_get(entry, "id");
    out->id = entry_resolve(NULL, id);
    return out->id != NULL
               ? 0
               : err_set(err, ERR_INVALID, "entry must have valid id field");
}

void operations_free(struct operation *operations, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        entry_unref(operations[i].entry);
        free((char *)operations[i].id);
    }
    free(operations);
}

/* ---- the two forms --------------------------------------------------------------- */

static struct operation *add(struct script *script)
{
    script->operations =
        xrealloc(script->operations, (script->n + 1) * sizeof(script->operations[0]));
    script->operations[script->n] = (struct operation){.op = CHANGE_CREATE};
    return &script->operations[script->n++];
}

static int complain(struct problems *problems, const char *name,
                    const struct yaml_node *node, const char *hint, const char *text)
{
    struct problem_at at = {.file = name, .line = node->line, .column = node->column};

    problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at, hint, "%s", text);
    return -1;
}

static int read_list(struct script *script, const char *name,
                     const struct yaml_node *root, struct problems *problems)
{
    struct err err;
    int rc = 0;

    for (size_t i = 0; i < root->n; i++) {
        struct value value = yaml_to_value(root->pairs[i].node);

        if (operation_of_value(&value, add(script), &err) == -1)
            rc = complain(problems, name, root->pairs[i].node,
                          "write {kind: entry.create, entry: {id, kind, meta, data}}",
                          err.text);
        value_finish(&value);
    }
    return rc;
}

static int read_deletions(struct script *script, const char *name,
                          const struct yaml_node *root, struct problems *problems)
{
    const struct yaml_pair *list = yaml_find(root, "delete");
    const struct yaml_pair *space = yaml_find(root, "namespace");

    if (list == NULL)
        return 0;
    if (list->node->type != VALUE_LIST)
        return complain(problems, name, list->node, NULL, "delete must be a list");
    for (size_t i = 0; i < list->node->n; i++) {
        const struct yaml_node *node = list->node->pairs[i].node;
        struct operation *operation;

        if (node->type != VALUE_STRING || node->n_text == 0)
            return complain(problems, name, node, NULL, "delete names ids");
        operation = add(script);
        operation->op = CHANGE_DELETE;
        operation->id = strchr(node->text, ':') != NULL
                            ? xstrdup(node->text)
                            : xasprintf("%s:%s", space->node->text, node->text);
    }
    return 0;
}

static int read_registry_file(struct script *script, const char *name, const char *text,
                              size_t n_bytes, const struct yaml_node *root,
                              struct problems *problems)
{
    struct load_file file = {
        .root_fd = -1, .label = "", .name = name, .is_named = true};
    struct load_budget budget = {.max_file_bytes = TEXT_MAX_BYTES,
                                 .max_source_bytes = TEXT_MAX_BYTES,
                                 .n_nodes_left = MAX_NODES,
                                 .n_source_bytes_left = TEXT_MAX_BYTES};
    const struct yaml_pair *space = yaml_find(root, "namespace");
    const struct yaml_pair *entries = yaml_find(root, "entries");
    struct entry_list list = {0};
    bool ok = true;

    if (space == NULL || space->node->type != VALUE_STRING)
        return complain(problems, name, root, NULL,
                        "a registry file has a namespace; or write a list of "
                        "operations");
    script->puts = true;
    if (entries != NULL || yaml_find(root, "delete") == NULL)
        ok = registry_read_text(&file, text, n_bytes, &budget, &list, problems);
    for (size_t i = 0; i < list.n; i++) {
        list.items[i]->origin.is_applied = true;
        add(script)->entry = entry_ref(list.items[i]);
    }
    entry_list_finish(&list);
    return ok ? read_deletions(script, name, root, problems) : -1;
}

int script_read(struct script *script, const char *name, const char *text,
                size_t n_bytes, struct problems *problems)
{
    struct yaml_limits limits = yaml_limits_default;
    struct yaml_document *document;
    const struct yaml_node *root;
    int rc;

    *script = (struct script){0};
    limits.max_bytes = TEXT_MAX_BYTES;
    document = yaml_parse(name, text, n_bytes, &limits, problems);
    if (document == NULL)
        return -1;
    root = yaml_root(document);
    if (root->type == VALUE_LIST)
        rc = read_list(script, name, root, problems);
    else if (root->type == VALUE_MAP)
        rc = read_registry_file(script, name, text, n_bytes, root, problems);
    else
        rc = complain(problems, name, root, NULL,
                      "changes are a registry file or a list of operations");
    if (rc == 0 && problems->n_errors == 0 && script->n == 0)
        rc = complain(problems, name, root, NULL, "no changes to apply");
    yaml_destroy(document);
    return problems->n_errors != 0 ? -1 : rc;
}

void script_finish(struct script *script)
{
    operations_free(script->operations, script->n);
    *script = (struct script){0};
}

/* ---- when its turn has come ------------------------------------------------------ */

/* Another kind under the same id is another thing: the old one goes. What is as the
 * file says already stays, and whatever runs it: so a file can be applied again. */
static size_t put(const struct registry *registry, const struct entry *entry,
                  struct operation *out)
{
    const struct entry *old = registry_find(registry, entry->id, strlen(entry->id));
    struct entry *mine = (struct entry *)entry;

    if (old != NULL && entry_equal(old, entry))
        return 0;
    if (old == NULL || strcmp(old->kind, entry->kind) == 0) {
        out[0] = (struct operation){.op = old == NULL ? CHANGE_CREATE : CHANGE_UPDATE,
                                    .entry = mine};
        return 1;
    }
    out[0] = (struct operation){.op = CHANGE_DELETE, .id = entry->id};
    out[1] = (struct operation){.op = CHANGE_CREATE, .entry = mine};
    return 2;
}

struct changeset *script_prepare(const struct script *script, struct registry *registry,
                                 struct problems *problems, struct err *err)
{
    struct operation *operations = xcalloc(2 * script->n + 1, sizeof(*operations));
    struct changeset *set;
    size_t n = 0;

    for (size_t i = 0; i < script->n; i++) {
        const struct operation *one = &script->operations[i];

        if (script->puts && one->op == CHANGE_CREATE)
            n += put(registry, one->entry, operations + n);
        else
            operations[n++] = *one;
    }
    set = registry_prepare(registry, operations, n, problems, err);
    free(operations);
    return set;
}
