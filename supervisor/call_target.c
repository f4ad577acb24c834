#include "supervisor/call_target.h"

#include <string.h>

#include "common/err.h"
#include "common/log.h"
#include "common/value.h"

#include "supervisor/call_options.h"
#include "supervisor/calls.h"
#include "supervisor/core.h"
#include "supervisor/entry.h"
#include "supervisor/module_method.h"
#include "supervisor/pool.h"
#include "supervisor/process_calls.h"
#include "supervisor/registry.h"

static struct pool *find_module_pool(const struct supervisor *sup, struct bytes id)
{
    struct bytes method;
    const struct entry *module =
        module_method_find(registry_state(sup->registry), id, &method);

    return module != NULL ? pools_find(sup->pools, module->id, strlen(module->id))
                          : NULL;
}

bool call_target_find(const struct supervisor *sup, struct bytes id,
                      struct call_target *out)
{
    struct pool *pool = pools_find(sup->pools, id.data, id.n);

    *out = (struct call_target){pool, NULL};
    if (pool != NULL)
        return pool_use(pool) == POOL_FOR_CALLS && !pool_kind_is_host(pool_kind(pool));
    out->entry = process_calls_find(sup, id);
    if (out->entry == NULL)
        out->pool = find_module_pool(sup, id);
    return out->entry != NULL || out->pool != NULL;
}

int call_target_is_gone(struct bytes id, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "pool not found: %.*s", (int)id.n,
                   (const char *)id.data);
}

void call_target_give(struct supervisor *sup, struct call *call,
                      const struct call_target *target, struct worker *home,
                      struct bytes body)
{
    struct pool *pool = target->pool;

    call_observe(sup->calls, call,
                 pool != NULL ? pool_stats(pool)
                              : function_stats_get(sup->functions, target->entry->id),
                 NULL, body);
    if (pool == NULL)
        process_calls_start(sup, call, target->entry, body);
    else if (pool_kind(pool) != POOL_KIND_INLINE)
        pool_submit(pool, call, body);
    else if (home != NULL)
        call_send(sup->calls, call, home, body);
    else
        pool_submit(pool_hidden(pool), call, body);
}

void call_keep_for_retry(struct supervisor *sup, struct call *call,
                         const struct call_options *options, struct bytes target,
                         struct bytes body)
{
    if (options->retry != NULL &&
        !call_may_retry(sup->calls, call, options->retry, body))
        log_warn("no room to keep a call, it is tried only once",
                 "target=%.*s bytes=%zu", (int)target.n, (const char *)target.data,
                 body.n);
}

void call_target_options(const struct call_target *target, const struct value *given,
                         struct call_options *out)
{
    struct call_options own = {0};

    if (target->pool != NULL)
        own = call_options_copy(pool_options(target->pool));
    else
        call_options_read(&own, value_get(&target->entry->meta, "options"));
    call_options_overlay(out, &own, given);
    call_options_finish(&own);
}
