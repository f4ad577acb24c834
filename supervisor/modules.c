#include "supervisor/modules.h"

#include "supervisor/actor_targets.h"
#include "supervisor/actors.h"
#include "supervisor/bus.h"
#include "supervisor/config.h"
#include "supervisor/contract_targets.h"
#include "supervisor/control.h"
#include "supervisor/core.h"
#include "supervisor/env.h"
#include "supervisor/function_stats.h"
#include "supervisor/groups.h"
#include "supervisor/insight.h"
#include "supervisor/jail.h"
#include "supervisor/logs.h"
#include "supervisor/metrics.h"
#include "supervisor/metrics_http.h"
#include "supervisor/names.h"
#include "supervisor/offload.h"
#include "supervisor/otel.h"
#include "supervisor/policies.h"
#include "supervisor/registry_targets.h"
#include "supervisor/reload.h"
#include "supervisor/rollout.h"
#include "supervisor/router.h"
#include "supervisor/service.h"
#include "supervisor/spans.h"
#include "supervisor/status.h"
#include "supervisor/stores.h"
#include "supervisor/system.h"
#include "supervisor/token_targets.h"

/* Of the calls that belong to no trace, how many begin one. */
static double choose_share(const struct config *config)
{
    double share = config_get_real(config, "trace.sample"),
           exported = config_get_real(config, "otel.sample_rate");

    if (config_get_bool(config, "otel.enabled") &&
        config_get_bool(config, "otel.interceptor.enabled") && exported > share)
        return exported;
    return share;
}

void modules_create(struct supervisor *sup, const struct load_options *load,
                    char *worker_path)
{
    conn_set_init(&sup->conns, sup->loop);
    sup->system = system_create(sup);
    sup->offload = offload_create(sup->loop);
    sup->logs = logs_create(sup);
    sup->functions = function_table_create();
    router_create(sup, worker_path);
    sup->actors = actors_create(sup);
    sup->names = names_create(sup);
    sup->groups = groups_create(sup);
    sup->locks = names_create_plain(sup);
    sup->bus = bus_create(sup);
    sup->services = services_create(sup);
    env_add_targets(sup->system);
    sup->status = status_create(sup);
    sup->metrics =
        metrics_create(sup, (size_t)config_get_int(sup->config, "metrics.max_samples"));
    sup->spans =
        spans_create(sup, (size_t)config_get_int(sup->config, "trace.max_spans"),
                     choose_share(sup->config));
    actor_targets_add(sup);
    insight_add_targets(sup);
    jail_add_targets(sup);
    sup->rollouts = rollouts_create(sup);
    sup->reloads = reloads_create(sup, load);
    registry_targets_add(sup);
    contract_targets_add(sup);
    sup->policies = policy_spread_create(sup);
    sup->stores = stores_create(sup);
    token_targets_add(sup);
}

void modules_destroy(struct supervisor *sup)
{
    offload_destroy(sup->offload); /* before those that its jobs answer */
    metrics_http_destroy(sup->metrics_http);
    otel_destroy(sup->otel);
    sup->otel = NULL; /* spans may still end */
    control_destroy(sup->control);
    rollouts_destroy(sup->rollouts);
    reloads_destroy(sup->reloads);
    services_destroy(sup->services);
    router_destroy(sup);
    function_table_destroy(sup->functions);
    bus_destroy(sup->bus);
    sup->bus = NULL; /* who still has something to say asks for it */
    groups_destroy(sup->groups);
    names_destroy(sup->locks);
    names_destroy(sup->names);
    actors_destroy(sup->actors);
    spans_destroy(sup->spans);
    metrics_destroy(sup->metrics);
    status_destroy(sup->status);
    stores_destroy(sup->stores);
    policy_spread_destroy(sup->policies);
    logs_destroy(sup->logs);
    system_destroy(sup->system);
    conn_set_finish(&sup->conns);
}
