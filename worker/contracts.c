#include "worker/contracts.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/schema.h"

#include "worker/contract_check.h"

struct default_binding {
    char *contract, *binding;
};

struct contracts {
    struct map definitions; /* id → contract, counted */
    struct map bindings;    /* id → binding_record, counted */
    struct map defaults;    /* contract id → default_binding */
};

struct contracts *contracts_create(void)
{
    struct contracts *contracts = xcalloc(1, sizeof(*contracts));

    map_init(&contracts->definitions);
    map_init(&contracts->bindings);
    map_init(&contracts->defaults);
    return contracts;
}

void contracts_forget(struct contracts *contracts)
{
    MAP_FOREACH (row, &contracts->definitions) {
        contract_unref(row->value);
    }
    MAP_FOREACH (row, &contracts->bindings) {
        binding_unref(row->value);
    }
    MAP_FOREACH (row, &contracts->defaults) {
        struct default_binding *known = row->value;

        free(known->contract);
        free(known->binding);
        free(known);
    }
    map_finish(&contracts->definitions);
    map_finish(&contracts->bindings);
    map_finish(&contracts->defaults);
    map_init(&contracts->definitions);
    map_init(&contracts->bindings);
    map_init(&contracts->defaults);
}

void contracts_destroy(struct contracts *contracts)
{
    if (contracts == NULL)
        return;
    contracts_forget(contracts);
    free(contracts);
}

struct contract *contracts_find(const struct contracts *contracts, const char *id)
{
    return map_find(&contracts->definitions, id, strlen(id));
}

struct binding_record *contracts_find_binding(const struct contracts *contracts,
                                              const char *id)
{
    return map_find(&contracts->bindings, id, strlen(id));
}

const char *contracts_find_default(const struct contracts *contracts, const char *id)
{
    const struct default_binding *known =
        map_find(&contracts->defaults, id, strlen(id));

    return known == NULL ? NULL : known->binding;
}

/* ---- definitions ----------------------------------------------------------------- */

struct contract *contract_ref(struct contract *contract)
{
    contract->n_refs++;
    return contract;
}

static void free_method(struct contract_method *method)
{
    for (uint32_t i = 0; i < method->n_inputs; i++)
        schema_destroy(method->inputs[i]);
    free(method->inputs);
    schema_destroy(method->output);
}

void contract_unref(struct contract *contract)
{
    if (contract == NULL || --contract->n_refs != 0)
        return;
    for (uint32_t i = 0; i < contract->n_rows; i++)
        free_method(&contract->rows[i]);
    free(contract->rows);
    map_finish(&contract->by_name);
    value_finish(&contract->methods);
    free(contract->id);
    free(contract);
}

static size_t list_n(const struct value *list)
{
    return list != NULL && list->type == VALUE_LIST ? list->as.list.n : 0;
}

/* *out stays NULL when the format isn't one that is checked. */
static int compile_schema(const struct value *schemas, size_t i, struct schema **out,
                          struct err *err)
{
    const struct value *item = &schemas->as.list.items[i];
    const struct value *definition = value_get(item, "definition");
    const char *format = value_get_text(item, "format");

    *out = NULL;
    if (definition == NULL || !schema_is_of_format(format))
        return 0;
    *out = schema_create(definition, err);
    return *out == NULL ? err_wrap(err, "invalid schema") : 0;
}

static int compile_method(struct contract_method *method, const struct value *declared,
                          struct err *err)
{
    const struct value *inputs = value_get(declared, "input_schemas");
    const struct value *outputs = value_get(declared, "output_schemas");
    size_t n = list_n(inputs);

    method->inputs = xcalloc(n + 1, sizeof(*method->inputs));
    for (size_t i = 0; i < n; i++) {
        if (compile_schema(inputs, i, &method->inputs[i], err) == -1)
            return -1;
        method->n_inputs++;
    }
    if (list_n(outputs) == 0)
        return 0;
    return compile_schema(outputs, 0, &method->output, err);
}

static int compile_methods(struct contract *contract, struct err *err)
{
    size_t n = list_n(&contract->methods);

    contract->rows = xcalloc(n + 1, sizeof(*contract->rows));
    for (size_t i = 0; i < n; i++) {
        const struct value *declared = &contract->methods.as.list.items[i];
        struct contract_method *method = &contract->rows[contract->n_rows];
        const char *name = value_get_text(declared, "name");

        if (name == NULL)
            continue;
        contract->n_rows++;
        method->check =
            (struct call_check){contract_check_arguments, contract_check_result};
        method->contract = contract;
        method->name = name;
        if (compile_method(method, declared, err) == -1)
            return err_wrap(err, "method %s", name);
        map_put(&contract->by_name, name, strlen(name), method);
    }
    return 0;
}

struct contract *contracts_add(struct contracts *contracts, const struct value *record,
                               struct err *err)
{
    const char *id = value_get_text(record, "id");
    const struct value *methods = value_get(record, "methods");
    struct contract *contract;

    if (id == NULL || methods == NULL) {
        err_set(err, ERR_INTERNAL, "the supervisor described no contract");
        return NULL;
    }
    contract = contracts_find(contracts, id);
    if (contract != NULL)
        return contract;
    contract = xcalloc(1, sizeof(*contract));
    contract->n_refs = 1;
    contract->id = xstrdup(id);
    contract->methods = value_copy(methods);
    map_init(&contract->by_name);
    if (compile_methods(contract, err) == -1) {
        contract_unref(contract);
        return NULL;
    }
    map_put(&contracts->definitions, contract->id, strlen(contract->id), contract);
    return contract;
}

const struct contract_method *contract_find_method(const struct contract *contract,
                                                   const char *name, size_t n_bytes)
{
    return map_find(&contract->by_name, name, n_bytes);
}

/* ---- bindings -------------------------------------------------------------------- */

struct binding_record *binding_ref(struct binding_record *binding)
{
    binding->n_refs++;
    return binding;
}

void binding_unref(struct binding_record *binding)
{
    if (binding == NULL || --binding->n_refs != 0)
        return;
    for (uint32_t i = 0; i < binding->n_contracts; i++) {
        contract_unref(binding->contracts[i].contract);
        value_finish(&binding->contracts[i].methods);
        value_finish(&binding->contracts[i].required);
    }
    free(binding->contracts);
    free(binding->id);
    free(binding);
}

/* F-65: the binding may have come in before its definition did. */
static int fail_load(const struct value *part, struct err *err)
{
    const char *id = value_get_text(part, "contract");

    err_set(err, ERR_INTERNAL, "failed to load contract '%.255s'",
            id == NULL ? "" : id);
    err->retryable = RETRY_YES;
    return -1;
}

static int fill_part(struct contracts *contracts, struct bound_contract *bound,
                     const struct value *part, struct err *err)
{
    const struct value *definition = value_get(part, "definition");
    const struct value *methods = value_get(part, "methods");
    const struct value *required = value_get(part, "context_required");
    struct contract *contract;

    if (definition == NULL)
        return fail_load(part, err);
    contract = contracts_add(contracts, definition, err);
    if (contract == NULL)
        return -1;
    bound->contract = contract_ref(contract);
    if (methods != NULL)
        bound->methods = value_copy(methods);
    if (required != NULL)
        bound->required = value_copy(required);
    return 0;
}

struct binding_record *contracts_add_binding(struct contracts *contracts,
                                             const struct value *record,
                                             struct err *err)
{
    const char *id = value_get_text(record, "id");
    const struct value *parts = value_get(record, "contracts");
    struct binding_record *binding;

    if (id == NULL) {
        err_set(err, ERR_INTERNAL, "the supervisor described no binding");
        return NULL;
    }
    binding = contracts_find_binding(contracts, id);
    if (binding != NULL)
        return binding;
    binding = xcalloc(1, sizeof(*binding));
    binding->n_refs = 1;
    binding->id = xstrdup(id);
    binding->contracts = xcalloc(list_n(parts) + 1, sizeof(*binding->contracts));
    for (size_t i = 0; i < list_n(parts); i++) {
        binding->n_contracts++;
        if (fill_part(contracts, &binding->contracts[i], &parts->as.list.items[i],
                      err) == -1) {
            binding_unref(binding);
            return NULL;
        }
    }
    map_put(&contracts->bindings, binding->id, strlen(binding->id), binding);
    return binding;
}

bool binding_find_method(const struct binding_record *binding, const char *name,
                         size_t n_bytes, struct bound_method *out)
{
    for (uint32_t i = 0; i < binding->n_contracts; i++) {
        const struct bound_contract *of = &binding->contracts[i];
        const struct contract_method *method =
            contract_find_method(of->contract, name, n_bytes);

        if (method == NULL)
            continue;
        *out = (struct bound_method){.method = method,
                                     .of = of,
                                     .function =
                                         value_get_text(&of->methods, method->name)};
        return true;
    }
    return false;
}

const char *contracts_add_default(struct contracts *contracts, const char *id,
                                  const char *binding)
{
    struct default_binding *known = map_find(&contracts->defaults, id, strlen(id));

    if (known == NULL) {
        known = xcalloc(1, sizeof(*known));
        known->contract = xstrdup(id);
        known->binding = xstrdup(binding);
        map_put(&contracts->defaults, known->contract, strlen(known->contract), known);
    }
    return known->binding;
}
