#include "supervisor/contract_targets.h"

#include <stdlib.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/value.h"

#include "supervisor/contracts.h"
#include "supervisor/core.h"
#include "supervisor/entry.h"
#include "supervisor/registry.h"
#include "supervisor/system.h"

/* "contract binding 'x' not found": before, id (NULL: none was given), behind. */
static void fail(struct request *request, const char *before, const char *id,
                 const char *behind)
{
    request_refuse(request, ERR_NOT_FOUND, "%s'%.255s'%s", before, id == NULL ? "" : id,
                   behind);
}

/* {id, methods} */
static struct value describe_definition(const struct entry *entry)
{
    struct value record = value_map();

    value_put(&record, "id", value_string(entry->id));
    value_put(&record, "methods", value_copy(contract_methods(entry)));
    return record;
}

static void handle_get(struct request *request)
{
    const char *id = request_text(request, 0);
    const struct entry *entry =
        id == NULL
            ? NULL
            : contract_find_definition(registry_state(request->sup->registry), id);

    if (entry == NULL)
        fail(request, "contract definition ", id, " not found");
    else
        request_reply_taken(request, describe_definition(entry));
}

/* {method: function id}, the ids whole. */
static struct value describe_functions(const struct entry *binding,
                                       const struct value *methods)
{
    struct value map = value_map();
    size_t n = value_map_n(methods);

    for (size_t i = 0; i < n; i++) {
        const struct value_pair *pair = &methods->as.map.pairs[i];
        char *id = entry_resolve(binding, &pair->value);

        if (id != NULL)
            value_put(&map, pair->key, value_string(id));
        free(id);
    }
    return map;
}

/* {methods, context_required, definition}; definition is nil when it isn't there. */
static struct value describe_part(const struct snapshot *state,
                                  const struct entry *binding,
                                  const struct contract_part *part)
{
    const struct entry *definition =
        part->id == NULL ? NULL : contract_find_definition(state, part->id);
    struct value record = value_map();

    value_put(&record, "contract", value_string(part->id == NULL ? "" : part->id));
    value_put(&record, "methods", describe_functions(binding, part->methods));
    if (part->context_required != NULL)
        value_put(&record, "context_required", value_copy(part->context_required));
    if (definition != NULL)
        value_put(&record, "definition", describe_definition(definition));
    return record;
}

/* {id, contracts} */
static struct value describe_binding(const struct snapshot *state,
                                     const struct entry *binding)
{
    struct value record = value_map();
    struct value *parts;
    struct contract_part part;

    value_put(&record, "id", value_string(binding->id));
    parts = value_put(&record, "contracts", value_list());
    for (size_t i = 0; contract_part_read(binding, i, &part); i++) {
        value_append(parts, describe_part(state, binding, &part));
        contract_part_finish(&part);
    }
    return record;
}

static void handle_open(struct request *request)
{
    const struct snapshot *state = registry_state(request->sup->registry);
    const char *id = request_text(request, 0);
    const struct entry *binding = id == NULL ? NULL : contract_find_binding(state, id);

    if (binding == NULL)
        fail(request, "contract binding ", id, " not found");
    else
        request_reply_taken(request, describe_binding(state, binding));
}

static void handle_default(struct request *request)
{
    const char *id = request_text(request, 0);
    const struct entry *binding =
        id == NULL ? NULL
                   : contract_find_default(registry_state(request->sup->registry), id);

    if (binding == NULL)
        fail(request, "no default binding for contract ", id, "");
    else
        request_reply_taken(request, value_string(binding->id));
}

static void add_id(void *context, const struct entry *binding,
                   const struct contract_part *part)
{
    (void)part;
    value_append(context, value_string(binding->id));
}

static void handle_implementations(struct request *request)
{
    const char *id = request_text(request, 0);
    struct value list = value_list();

    if (id != NULL)
        contract_each_binding(registry_state(request->sup->registry), id, add_id,
                              &list);
    request_reply_taken(request, list);
}

static const struct system_target targets[] = {
    {"contract.default", handle_default, ALLOW_WORKER},
    {"contract.get", handle_get, ALLOW_WORKER},
    {"contract.implementations", handle_implementations, ALLOW_WORKER},
    {"contract.open", handle_open, ALLOW_WORKER},
};

void contract_targets_add(struct supervisor *sup)
{
    system_add_targets(sup->system, targets, N_ELEMENTS(targets));
}
