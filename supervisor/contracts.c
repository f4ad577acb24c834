#include "supervisor/contracts.h"

#include <stdlib.h>
#include <string.h>

#include "supervisor/entry.h"
#include "supervisor/registry.h"

bool is_contract_definition(const struct entry *entry)
{
    return strcmp(entry->kind, "contract.definition") == 0;
}

bool is_contract_binding(const struct entry *entry)
{
    return strcmp(entry->kind, "contract.binding") == 0;
}

static bool is_of_contracts(const struct entry *entry)
{
    return is_contract_definition(entry) || is_contract_binding(entry);
}

bool contracts_changed(const struct changeset *set)
{
    return changeset_concerns(set, is_of_contracts);
}

const struct entry *contract_find_definition(const struct snapshot *state,
                                             const char *id)
{
    const struct entry *entry = snapshot_find(state, id, strlen(id));

    return entry != NULL && is_contract_definition(entry) ? entry : NULL;
}

const struct entry *contract_find_binding(const struct snapshot *state, const char *id)
{
    const struct entry *entry = snapshot_find(state, id, strlen(id));

    return entry != NULL && is_contract_binding(entry) ? entry : NULL;
}

const struct value *contract_methods(const struct entry *definition)
{
    static const struct value no_methods = {.type = VALUE_LIST};
    const struct value *methods = value_get(entry_fields(definition), "methods");

    return methods != NULL && methods->type == VALUE_LIST ? methods : &no_methods;
}

bool contract_part_read(const struct entry *binding, size_t i,
                        struct contract_part *out)
{
    const struct value *parts = value_get(entry_fields(binding), "contracts");
    const struct value *part, *ref;

    if (parts == NULL || parts->type != VALUE_LIST || i >= parts->as.list.n)
        return false;
    part = &parts->as.list.items[i];
    ref = value_get(part, "contract");
    *out = (struct contract_part){
        .id = ref == NULL ? NULL : entry_resolve(binding, ref),
        .methods = value_get(part, "methods"),
        .context_required = value_get(part, "context_required"),
        .is_default = value_get_bool(part, "default", false),
    };
    return true;
}

void contract_part_finish(struct contract_part *part)
{
    free(part->id);
    part->id = NULL;
}

void contract_each_binding(const struct snapshot *state, const char *id,
                           void (*found)(void *context, const struct entry *binding,
                                         const struct contract_part *part),
                           void *context)
{
    for (size_t i = 0; i < state->n; i++) {
        const struct entry *entry = state->entries[i];
        struct contract_part part;

        if (!is_contract_binding(entry))
            continue;
        for (size_t k = 0; contract_part_read(entry, k, &part); k++) {
            if (part.id != NULL && strcmp(part.id, id) == 0)
                found(context, entry, &part);
            contract_part_finish(&part);
        }
    }
}

static void note_default(void *context, const struct entry *binding,
                         const struct contract_part *part)
{
    const struct entry **first = context;

    if (part->is_default && *first == NULL)
        *first = binding;
}

const struct entry *contract_find_default(const struct snapshot *state, const char *id)
{
    const struct entry *found = NULL;

    contract_each_binding(state, id, note_default, &found);
    return found;
}
