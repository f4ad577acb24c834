/* Everything that grows with traffic has its bound; here is how near it is to it. */
#include "supervisor/metrics_private.h"

#include <stddef.h>

#include "common/buf.h"
#include "common/mem.h"

#include "supervisor/actors.h"
#include "supervisor/bus.h"
#include "supervisor/calls.h"
#include "supervisor/control.h"
#include "supervisor/core.h"
#include "supervisor/function_stats.h"
#include "supervisor/groups.h"
#include "supervisor/logs.h"
#include "supervisor/metric_store.h"
#include "supervisor/names.h"
#include "supervisor/pool.h"
#include "supervisor/registry.h"
#include "supervisor/router_spawn.h"
#include "supervisor/rollout.h"
#include "supervisor/spans.h"
#include "supervisor/stores.h"
#include "supervisor/system.h"
#include "supervisor/worker.h"

#define ROWS "troupe_table_rows"
#define MOST "troupe_table_rows_max"

struct table {
    const char *name;
    double n, most;
};

static void write_rows(const struct table *tables, size_t n, struct buf *out)
{
    metric_write_head(out, ROWS, "gauge", "How much is in what grows with traffic.");
    for (size_t i = 0; i < n; i++) {
        const struct labels labels = {{"table"}, {tables[i].name}};

        metrics_sample(out, ROWS, &labels, tables[i].n);
    }
    metric_write_head(out, MOST, "gauge", "How much there may be.");
    for (size_t i = 0; i < n; i++) {
        const struct labels labels = {{"table"}, {tables[i].name}};

        metrics_sample(out, MOST, &labels, tables[i].most);
    }
}

static void write_queues(struct supervisor *sup, struct buf *out)
{
    static const char name[] = "troupe_pool_queue_max";

    metric_write_head(out, name, "gauge", "Calls that may wait for a slot.");
    POOLS_FOREACH (pool, sup->pools) {
        const struct labels labels = {{"pool"}, {pool_entry(pool)}};
        struct pool_figures figures;

        pool_get_figures(pool, &figures);
        metrics_sample(out, name, &labels, figures.n_queue_max);
    }
}

static void write_losses(struct supervisor *sup, struct buf *out)
{
    struct spans_figures spans;

    spans_get_figures(sup->spans, &spans);
    metric_write_head(out, "troupe_spans_lost_total", "counter",
                      "Spans that were overwritten before they had ended.");
    metrics_sample(out, "troupe_spans_lost_total", NULL, (double)spans.n_lost);
    metric_write_head(out, "troupe_log_records_skipped_total", "counter",
                      "Records that followers were too slow for.");
    metrics_sample(out, "troupe_log_records_skipped_total", NULL,
                   (double)logs_count_skipped(sup->logs));
    metric_write_head(out, "troupe_flood_drops_total", "counter",
                      "Messages to workers that had been sent far too much already.");
    metrics_sample(out, "troupe_flood_drops_total", NULL,
                   (double)workers_count_dropped(sup->workers));
    metric_write_head(out, "troupe_functions_refused_total", "counter",
                      "Functions that have no figures, there were too many.");
    metrics_sample(out, "troupe_functions_refused_total", NULL,
                   (double)sup->functions->n_refused);
}

void metrics_write_tables(struct supervisor *sup, struct buf *out)
{
    struct spans_figures spans;

    spans_get_figures(sup->spans, &spans);
    const struct table tables[] = {
        {"bus_subscriptions", (double)bus_count_subscriptions(sup->bus),
         (double)BUS_PATTERNS_MAX_PER_WORKER * workers_count(sup->workers)},
        {"bus_followers", bus_count_followers(sup->bus), BUS_MAX_FOLLOWERS},
        {"calls", calls_n_open(sup->calls), CALLS_MAX},
        {"changes_waiting", rollouts_count_waiting(sup->rollouts),
         ROLLOUTS_MAX_WAITING},
        {"control_clients",
         sup->control != NULL ? control_count_clients(sup->control) : 0,
         CONTROL_MAX_CLIENTS},
        {"functions", (double)sup->functions->rows.n, FUNCTION_ROWS_MAX},
        {"group_memberships", (double)groups_count(sup->groups), GROUPS_MAX_ROWS},
        {"kept_call_bytes", (double)calls_kept_bytes(sup->calls), CALLS_KEPT_MAX_BYTES},
        {"locks", (double)names_count(sup->locks), NAMES_MAX},
        {"log_followers", logs_count_followers(sup->logs), LOGS_MAX_FOLLOWERS},
        {"names", (double)names_count(sup->names), NAMES_MAX},
        {"registry_entries", (double)registry_state(sup->registry)->n,
         REGISTRY_MAX_ENTRIES},
        {"registry_versions", (double)registry_count_versions(sup->registry),
         REGISTRY_MAX_VERSIONS},
        {"registry_version_bytes", (double)registry_version_bytes(sup->registry),
         REGISTRY_MAX_VERSION_BYTES},
        {"requests", system_count_open(sup->system), SYSTEM_MAX_OPEN},
        {"spans", (double)spans.n, (double)spans.n_max},
        {"spawns_waiting", (double)router_spawn_count_waiting(sup->router),
         SPAWNS_MAX_WAITING},
        {"store_keys", (double)stores_count_keys(sup->stores),
         (double)stores_count_keys_max(sup->stores)},
        {"watches", (double)actors_count_edges(sup->actors), ACTORS_MAX_EDGES},
        {"workers", (double)workers_count(sup->workers), PID_MAX_WORKERS - 1},
    };

    write_rows(tables, N_ELEMENTS(tables), out);
    write_queues(sup, out);
    write_losses(sup, out);
}
