#include "supervisor/interceptors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/nearest.h"
#include "common/wildcard.h"

#include "proto/value_codec.h"

#include "supervisor/core.h"
#include "supervisor/entry.h"
#include "supervisor/problems.h"
#include "supervisor/registry.h"
#include "supervisor/registry_config.h"
#include "supervisor/registry_kinds.h"

#define ORDER_DEFAULT 50
#define ORDER_MAX     1000000000
#define CHAINS_MAX    100000 /* methods of modules make targets without end */

static int64_t order_of(const struct entry *entry)
{
    return entry_integer(entry, "order", ORDER_DEFAULT, -ORDER_MAX, ORDER_MAX, NULL);
}

/* ---- chains ---------------------------------------------------------------------- */

struct chain *chain_ref(struct chain *chain)
{
    chain->n_refs++;
    return chain;
}

void chain_unref(struct chain *chain)
{
    if (--chain->n_refs != 0)
        return;
    for (size_t i = 0; i < chain->n; i++) {
        free(chain->links[i].id);
        free(chain->links[i].option);
        buf_finish(&chain->links[i].head);
    }
    value_finish(&chain->options);
    free(chain->target);
    free(chain);
}

static bool fits_id(const struct value *patterns, struct bytes target)
{
    if (patterns == NULL || patterns->type == VALUE_NIL)
        return true;
    for (size_t i = 0; patterns->type == VALUE_LIST && i < patterns->as.list.n; i++) {
        const char *pattern = value_text(&patterns->as.list.items[i]);

        if (pattern != NULL && wildcard_matches(pattern, target.data, target.n))
            return true;
    }
    return false;
}

static bool fits_meta(const struct value *wanted, const struct value *meta)
{
    if (wanted == NULL || wanted->type != VALUE_MAP)
        return true;
    for (size_t i = 0; i < wanted->as.map.n; i++) {
        const struct value *own = value_get(meta, wanted->as.map.pairs[i].key);

        if (own == NULL || !value_equal(own, &wanted->as.map.pairs[i].value))
            return false;
    }
    return true;
}

static bool fits(const struct entry *interceptor, struct bytes target,
                 const struct entry *entry)
{
    const struct value *match = value_get(entry_fields(interceptor), "match");

    return fits_id(value_get(match, "functions"), target) &&
           fits_meta(value_get(match, "meta"), &entry->meta);
}

static void put_pair(struct chain_link *link, const char *key,
                     const struct value *value)
{
    struct value name = value_string(key);

    value_encode(&link->head, &name);
    value_encode(&link->head, value);
    value_finish(&name);
    link->n_head++;
}

static void fill_link(struct chain_link *link, const struct entry *interceptor,
                      struct bytes target, const struct entry *entry)
{
    const struct value *fields = entry_fields(interceptor);
    const struct value *config = value_get(fields, "config");
    const char *option = value_text(value_get_path(fields, "match.option"));
    struct value id = value_bytes(target.data, target.n), none = value_map();

    link->id = xstrdup(interceptor->id);
    link->option = option != NULL ? xstrdup(option) : NULL;
    buf_init(&link->head, 0);
    put_pair(link, "id", &id);
    put_pair(link, "meta", &entry->meta);
    put_pair(link, "config",
             config != NULL && config->type == VALUE_MAP ? config : &none);
    value_finish(&id);
    value_finish(&none);
}

static struct chain *make_chain(const struct interceptors *interceptors,
                                struct bytes target, const struct entry *entry)
{
    struct chain *chain =
        xcalloc(1, sizeof(*chain) + interceptors->n * sizeof(struct chain_link));
    const struct value *options = value_get(&entry->meta, "options");

    chain->n_refs = 1;
    chain->target = xstrndup((const char *)target.data, target.n);
    if (options != NULL && options->type == VALUE_MAP)
        chain->options = value_copy(options);
    for (size_t i = 0; i < interceptors->n; i++) {
        const struct entry *interceptor = interceptors->entries[i];

        if (!fits(interceptor, target, entry))
            continue;
        fill_link(&chain->links[chain->n++], interceptor, target, entry);
        if (order_of(interceptor) < RETRY_ORDER)
            chain->n_outer = chain->n;
    }
    return chain;
}

static void forget_chains(struct interceptors *interceptors)
{
    MAP_FOREACH (row, &interceptors->chains)
        chain_unref(row->value);
    map_finish(&interceptors->chains);
    map_init(&interceptors->chains);
}

struct chain *interceptors_chain(struct interceptors *interceptors, struct bytes target,
                                 const struct entry *entry)
{
    struct map *chains = &interceptors->chains;
    struct chain *chain = map_find(chains, (const char *)target.data, target.n);

    if (chain != NULL)
        return chain;
    if (chains->n == CHAINS_MAX)
        forget_chains(interceptors);
    chain = make_chain(interceptors, target, entry);
    map_put(chains, chain->target, target.n, chain);
    return chain;
}

/* ---- the set --------------------------------------------------------------------- */

static bool is_interceptor(const struct entry *entry)
{
    const unsigned wanted = KIND_INTERCEPTOR | KIND_SUPPORTED;

    return entry->type != NULL && (entry->type->flags & wanted) == wanted;
}

static int compare(const void *a, const void *b)
{
    const struct entry *const *left = a, *const *right = b;
    int64_t first = order_of(*left), second = order_of(*right);

    return first != second ? (first > second) - (first < second)
                           : strcmp((*left)->id, (*right)->id);
}

static void forget_entries(struct interceptors *interceptors)
{
    for (size_t i = 0; i < interceptors->n; i++)
        entry_unref(interceptors->entries[i]);
    free(interceptors->entries);
    interceptors->entries = NULL;
    interceptors->n = 0;
}

static void collect(struct interceptors *interceptors, const struct snapshot *state)
{
    size_t n = 0;

    forget_entries(interceptors);
    for (size_t i = 0; i < state->n; i++)
        n += is_interceptor(state->entries[i]);
    if (n == 0)
        return;
    interceptors->entries = xcalloc(n, sizeof(struct entry *));
    for (size_t i = 0; i < state->n; i++)
        if (is_interceptor(state->entries[i]))
            interceptors->entries[interceptors->n++] = entry_ref(state->entries[i]);
    qsort(interceptors->entries, n, sizeof(struct entry *), compare);
}

static void on_changed(void *context, const struct changeset *changeset)
{
    struct interceptors *interceptors = context;

    if (changeset_concerns(changeset, is_interceptor))
        collect(interceptors, registry_state(interceptors->sup->registry));
    forget_chains(interceptors); /* targets' meta may be different now */
}

struct interceptors *interceptors_create(struct supervisor *sup)
{
    struct interceptors *interceptors = xcalloc(1, sizeof(*interceptors));

    interceptors->sup = sup;
    map_init(&interceptors->chains);
    return interceptors;
}

void interceptors_destroy(struct interceptors *interceptors)
{
    if (interceptors == NULL)
        return;
    forget_chains(interceptors);
    map_finish(&interceptors->chains);
    forget_entries(interceptors);
    free(interceptors);
}

void interceptors_load(struct interceptors *interceptors)
{
    struct registry *registry = interceptors->sup->registry;
    struct registry_observer observer = {.changed = on_changed,
                                         .context = interceptors};

    collect(interceptors, registry_state(registry));
    registry_add_observer(registry, &observer);
}

/* ---- checks ---------------------------------------------------------------------- */

static void complain(const struct entry *entry, const char *path, const char *text,
                     const char *hint, struct problems *problems)
{
    struct problem_at at = entry_at(entry, path);

    problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at, hint, "%s", text);
}

static void check_patterns(const struct entry *entry, const struct value *patterns,
                           struct problems *problems)
{
    bool is_right = patterns->type == VALUE_LIST;

    for (size_t i = 0; is_right && i < patterns->as.list.n; i++)
        is_right = value_text(&patterns->as.list.items[i]) != NULL;
    if (!is_right)
        complain(entry, "match.functions", "match.functions must be a list of texts",
                 "write ids or patterns, for instance [\"app:*\"]", problems);
}

static void check_keys(const struct entry *entry, const struct value *match,
                       struct problems *problems)
{
    static const char *const known[] = {"functions", "meta", "option"};

    for (size_t i = 0; i < match->as.map.n; i++) {
        const char *key = match->as.map.pairs[i].key, *nearest;
        char path[120], text[160], hint[60];
        bool is_known = false;

        for (size_t k = 0; k < N_ELEMENTS(known); k++)
            is_known = is_known || strcmp(key, known[k]) == 0;
        if (is_known)
            continue;
        nearest = nearest_find(key, known, N_ELEMENTS(known));
        snprintf(path, sizeof(path), "match.%s", key);
        snprintf(text, sizeof(text), "match has no field %.60s", key);
        if (nearest != NULL)
            snprintf(hint, sizeof(hint), "did you mean %s?", nearest);
        else
            snprintf(hint, sizeof(hint), "there are functions, meta and option");
        complain(entry, path, text, hint, problems);
    }
}

static void check_match(const struct entry *entry, const struct value *match,
                        struct problems *problems)
{
    const struct value *patterns = value_get(match, "functions");
    const struct value *meta = value_get(match, "meta");
    const struct value *option = value_get(match, "option");

    if (match->type != VALUE_MAP) {
        complain(entry, "match", "match must be a map of fields", NULL, problems);
        return;
    }
    check_keys(entry, match, problems);
    if (patterns != NULL && patterns->type != VALUE_NIL)
        check_patterns(entry, patterns, problems);
    if (meta != NULL && meta->type != VALUE_NIL && meta->type != VALUE_MAP)
        complain(entry, "match.meta", "match.meta must be a map",
                 "every key must equal the target's meta value", problems);
    if (option != NULL && option->type != VALUE_NIL &&
        (value_text(option) == NULL || value_text(option)[0] == '\0'))
        complain(entry, "match.option", "match.option must be the name of an option",
                 NULL, problems);
}

void interceptor_check(const struct entry *entry, struct problems *problems)
{
    const struct value *match = value_get(entry_fields(entry), "match");
    const struct value *config = value_get(entry_fields(entry), "config");

    entry_integer(entry, "order", ORDER_DEFAULT, -ORDER_MAX, ORDER_MAX, problems);
    if (match != NULL && match->type != VALUE_NIL)
        check_match(entry, match, problems);
    if (config != NULL && config->type != VALUE_NIL && config->type != VALUE_MAP)
        complain(entry, "config", "config must be a map", NULL, problems);
}
