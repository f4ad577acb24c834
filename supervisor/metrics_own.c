/* The runtime's own figures, as they are when somebody asks. */
#include "supervisor/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ev.h>

#include "common/buf.h"
#include "common/mem.h"
#include "common/series.h"
#include "common/value.h"

#include "proto/frame.h"

#include "supervisor/actors.h"
#include "supervisor/bus.h"
#include "supervisor/calls.h"
#include "supervisor/config.h"
#include "supervisor/control.h"
#include "supervisor/core.h"
#include "supervisor/function_stats.h"
#include "supervisor/groups.h"
#include "supervisor/latency.h"
#include "supervisor/metric_store.h"
#include "supervisor/metrics_http.h"
#include "supervisor/metrics_private.h"
#include "supervisor/names.h"
#include "supervisor/otel.h"
#include "supervisor/pool.h"
#include "supervisor/registry.h"
#include "supervisor/service.h"
#include "supervisor/status.h"
#include "supervisor/worker.h"

static size_t append_series(struct buf *out, const char *name,
                            const struct labels *labels)
{
    struct series_label given[N_ELEMENTS(labels->names)];
    size_t n = 0, before = buf_len(out);

    for (; labels != NULL && n < N_ELEMENTS(given) && labels->names[n] != NULL; n++)
        given[n] = (struct series_label){bytes_of_text(labels->names[n]),
                                         bytes_of_text(labels->values[n])};
    series_append(out, bytes_of_text(name), given, n);
    return buf_len(out) - before;
}

void metrics_sample(struct buf *out, const char *name, const struct labels *labels,
                    double number)
{
    if (append_series(out, name, labels) == 0)
        return;
    buf_append_text(out, " ");
    metric_write_number(out, number);
    buf_append_text(out, "\n");
}

static void histogram(struct buf *out, const char *name, const struct labels *labels,
                      const double *bounds, const uint64_t *counts, size_t n,
                      double sum)
{
    struct buf series;

    buf_init(&series, 0);
    if (append_series(&series, name, labels) != 0)
        metric_write_histogram(out, buf_bytes(&series), strlen(name), bounds, counts, n,
                               sum);
    buf_finish(&series);
}

static void latency_histogram(struct buf *out, const char *name,
                              const struct labels *labels,
                              const struct latency *latency)
{
    uint64_t counts[LATENCY_N_BOUNDS + 1];

    latency_totals(latency, counts);
    histogram(out, name, labels, latency_bounds_s, counts, LATENCY_N_BOUNDS,
              latency->sum_s);
}

/* ---- the supervisor itself ------------------------------------------------------- */

struct single {
    const char *name, *kind, *help;
    double value;
};

static void write_singles(struct buf *out, const struct single *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        metric_write_head(out, rows[i].name, rows[i].kind, rows[i].help);
        metrics_sample(out, rows[i].name, NULL, rows[i].value);
    }
}

static void write_supervisor(struct supervisor *sup, struct buf *out)
{
    struct status_process process;

    status_get_process(sup->status, &process);
    const struct single rows[] = {
        {"troupe_uptime_seconds", "gauge", "Since the supervisor started.",
         process.uptime_s},
        {"troupe_resident_bytes", "gauge", "Memory of the supervisor.",
         (double)process.rss_bytes},
        {"troupe_open_fds", "gauge", "Descriptors that the supervisor has open.",
         (double)process.n_fds},
        {"troupe_max_fds", "gauge", "Descriptors that it may have; 0 is no limit.",
         (double)process.max_fds},
        {"troupe_registry_entries", "gauge", "Entries of the registry.",
         (double)registry_state(sup->registry)->n},
        {"troupe_registry_version", "gauge", "Version of the registry.",
         (double)registry_version(sup->registry)},
        {"troupe_calls_open", "gauge", "Requests that have no answer yet.",
         calls_n_open(sup->calls)},
        {"troupe_names", "gauge", "Registered names.", (double)names_count(sup->names)},
        {"troupe_group_memberships", "gauge", "Who is in which process group.",
         (double)groups_count(sup->groups)},
        {"troupe_watches", "gauge", "Monitors and links between worker processes.",
         (double)actors_count_edges(sup->actors)},
        {"troupe_bus_subscriptions", "gauge", "Patterns that workers have subscribed.",
         (double)bus_count_subscriptions(sup->bus)},
        {"troupe_bus_events_total", "counter", "Events of the bus.",
         (double)bus_count_events(sup->bus)},
        {"troupe_control_clients", "gauge", "Connections to the control socket.",
         sup->control != NULL ? control_count_clients(sup->control) : 0},
        {"troupe_socket_read_bytes_total", "counter",
         "Read from workers and control clients.", (double)sup->conns.n_bytes_in},
        {"troupe_socket_written_bytes_total", "counter",
         "Written to workers and control clients.", (double)sup->conns.n_bytes_out},
    };
    const struct labels version = {{"version"}, {TROUPE_VERSION}};

    metric_write_head(out, "troupe_build_info", "gauge", "Always 1.");
    metrics_sample(out, "troupe_build_info", &version, 1);
    write_singles(out, rows, N_ELEMENTS(rows));
}

static void write_collector(struct supervisor *sup, struct buf *out)
{
    static const char dropped[] = "troupe_metrics_dropped_total";
    struct metrics_figures figures;

    metrics_get_figures(sup->metrics, &figures);
    const struct single rows[] = {
        {"troupe_metrics_samples", "gauge", "Samples that the application has made.",
         (double)figures.n_samples},
        {"troupe_metrics_samples_max", "gauge", "How many there may be.",
         (double)figures.max_samples},
        {"troupe_loop_longest_seconds", "gauge",
         "The longest turn of the supervisor's event loop so far.",
         figures.longest_turn_s},
    };
    const struct {
        const char *reason;
        uint64_t n;
    } reasons[] = {{"bound", figures.n_beyond_bound},
                   {"conflict", figures.n_conflicts},
                   {"malformed", figures.n_malformed},
                   {"worker", figures.n_dropped_by_workers}};

    write_singles(out, rows, N_ELEMENTS(rows));
    metric_write_head(out, dropped, "counter",
                      "Changes of series that were not taken.");
    for (size_t i = 0; i < N_ELEMENTS(reasons); i++) {
        const struct labels labels = {{"reason"}, {reasons[i].reason}};

        metrics_sample(out, dropped, &labels, (double)reasons[i].n);
    }
    metric_write_head(out, "troupe_loop_seconds", "histogram",
                      "Time that turns of the supervisor's event loop took.");
    latency_histogram(out, "troupe_loop_seconds", NULL, figures.loop);
}

static void write_http(const struct metrics_http *http, struct buf *out)
{
    struct metrics_http_figures figures;

    if (http == NULL)
        return;
    metrics_http_get_figures(http, &figures);
    const struct single rows[] = {
        {"troupe_metrics_http_connections", "gauge", "Scrapers that are connected.",
         figures.n_connections},
        {"troupe_metrics_http_connections_max", "gauge", "How many there may be.",
         METRICS_HTTP_MOST},
        {"troupe_metrics_http_answered_total", "counter",
         "Requests that had what they asked for.", (double)figures.n_answered},
        {"troupe_metrics_http_refused_total", "counter",
         "Requests that were answered with an error.", (double)figures.n_refused},
        {"troupe_metrics_http_cut_off_total", "counter",
         "Connections that were too slow or too many.", (double)figures.n_cut_off},
    };

    write_singles(out, rows, N_ELEMENTS(rows));
}

static void write_otel(const struct otel *otel, struct buf *out)
{
    struct otel_figures figures;

    if (otel == NULL)
        return;
    otel_get_figures(otel, &figures);
    const struct single rows[] = {
        {"troupe_otel_spans_sent_total", "counter", "Spans that a collector has taken.",
         (double)figures.n_sent},
        {"troupe_otel_spans_failed_total", "counter",
         "Spans that could not be brought to it.", (double)figures.n_failed},
        {"troupe_otel_spans_dropped_total", "counter",
         "Spans that there was no place for.", (double)figures.n_dropped},
        {"troupe_otel_spans_waiting", "gauge", "Spans on their way.",
         (double)figures.n_waiting},
        {"troupe_otel_spans_waiting_max", "gauge", "How many there may be.",
         (double)figures.n_waiting_max},
    };

    write_singles(out, rows, N_ELEMENTS(rows));
}

/* ---- pools ----------------------------------------------------------------------- */

static double n_processes(const struct pool_figures *f)
{
    return f->n_processes;
}

static double n_ready(const struct pool_figures *f)
{
    return f->n_ready;
}

static double n_slots(const struct pool_figures *f)
{
    return f->n_slots;
}

static double n_busy(const struct pool_figures *f)
{
    return f->n_busy;
}

static double n_queued(const struct pool_figures *f)
{
    return f->n_queued;
}

static double n_held(const struct pool_figures *f)
{
    return f->n_held;
}

static double n_actors(const struct pool_figures *f)
{
    return f->n_actors;
}

static double n_deaths(const struct pool_figures *f)
{
    return (double)f->n_deaths;
}

static const struct {
    const char *name, *kind, *help;
    double (*get)(const struct pool_figures *figures);
} pool_rows[] = {
    {"troupe_pool_processes", "gauge", "Worker processes.", n_processes},
    {"troupe_pool_ready", "gauge", "Of those, that take work.", n_ready},
    {"troupe_pool_slots", "gauge", "Calls that run at a time.", n_slots},
    {"troupe_pool_busy", "gauge", "Calls that run now.", n_busy},
    {"troupe_pool_queued", "gauge", "Calls that wait for a slot.", n_queued},
    {"troupe_pool_held", "gauge", "Calls that callers hold back.", n_held},
    {"troupe_pool_actors", "gauge", "Actors, by the last heartbeat.", n_actors},
    {"troupe_pool_deaths_total", "counter", "Worker processes that died.", n_deaths},
};

static void write_pools(struct supervisor *sup, struct buf *out)
{
    for (size_t i = 0; i < N_ELEMENTS(pool_rows); i++) {
        metric_write_head(out, pool_rows[i].name, pool_rows[i].kind, pool_rows[i].help);
        POOLS_FOREACH (pool, sup->pools) {
            const struct labels labels = {{"pool"}, {pool_entry(pool)}};
            struct pool_figures figures;

            pool_get_figures(pool, &figures);
            metrics_sample(out, pool_rows[i].name, &labels, pool_rows[i].get(&figures));
        }
    }
}

/* ---- functions ------------------------------------------------------------------- */

static int compare_rows(const void *a, const void *b)
{
    const struct function_stats *const *left = a, *const *right = b;

    return strcmp((*left)->id, (*right)->id);
}

/* By id; to be freed. */
static const struct function_stats **sorted_rows(const struct function_table *table)
{
    const struct function_stats **rows =
        xcalloc(table->rows.n + 1, sizeof(const struct function_stats *));
    size_t n = 0;

    MAP_FOREACH (row, &table->rows)
        rows[n++] = row->value;
    qsort(rows, n, sizeof(const struct function_stats *), compare_rows);
    return rows;
}

/* Writes the samples of one function. */
typedef void write_function(struct buf *out, const char *name,
                            const struct function_stats *stats);

static void write_outcomes(struct buf *out, const char *name,
                           const struct function_stats *stats)
{
    for (unsigned i = 0; i < FUNCTION_N_OUTCOMES; i++) {
        const struct labels labels = {{"function", "status"},
                                      {stats->id, function_outcome_name(i)}};

        metrics_sample(out, name, &labels, (double)stats->n_ended[i]);
    }
}

static void write_in_flight(struct buf *out, const char *name,
                            const struct function_stats *stats)
{
    const struct labels labels = {{"function"}, {stats->id}};

    metrics_sample(out, name, &labels, stats->n_in_flight);
}

static void write_queue_time(struct buf *out, const char *name,
                             const struct function_stats *stats)
{
    const struct labels labels = {{"function"}, {stats->id}};

    if (stats->times != NULL)
        latency_histogram(out, name, &labels, &stats->times->queue);
}

static void write_run_time(struct buf *out, const char *name,
                           const struct function_stats *stats)
{
    const struct labels labels = {{"function"}, {stats->id}};

    if (stats->times != NULL)
        latency_histogram(out, name, &labels, &stats->times->run);
}

/* Of the last minute or two, for whoever has no buckets to look at. */
static void write_quantiles(struct buf *out, const char *name,
                            const struct function_stats *stats)
{
    static const struct {
        const char *text;
        double q;
    } shares[] = {{"0.5", 0.5}, {"0.99", 0.99}, {"0.999", 0.999}};
    double now = ev_time();

    if (stats->times == NULL || latency_quantile_us(&stats->times->run, 0.5, now) < 0)
        return;
    for (size_t i = 0; i < 2 * N_ELEMENTS(shares); i++) {
        bool is_run = i >= N_ELEMENTS(shares);
        size_t share = i % N_ELEMENTS(shares);
        const struct labels labels = {
            {"function", "part", "quantile"},
            {stats->id, is_run ? "run" : "queue", shares[share].text}};

        metrics_sample(out, name, &labels,
                       (double)latency_quantile_us(is_run ? &stats->times->run
                                                          : &stats->times->queue,
                                                   shares[share].q, now) /
                           1e6);
    }
}

/* F-53: the names and labels that the interceptor of that name gives. */
static void write_f53_calls(struct buf *out, const char *name,
                            const struct function_stats *stats)
{
    const struct labels failed = {{"function_id", "status"}, {stats->id, "error"}},
                        ok = {{"function_id", "status"}, {stats->id, "success"}};
    uint64_t n_failed = 0;

    for (unsigned i = FUNCTION_ERROR; i < FUNCTION_N_OUTCOMES; i++)
        n_failed += stats->n_ended[i];
    metrics_sample(out, name, &failed, (double)n_failed);
    metrics_sample(out, name, &ok, (double)stats->n_ended[FUNCTION_OK]);
}

static void write_f53_duration(struct buf *out, const char *name,
                               const struct function_stats *stats)
{
    const struct labels labels = {{"function_id"}, {stats->id}};

    if (stats->times != NULL)
        histogram(out, name, &labels, metric_bounds, stats->times->counts,
                  METRIC_N_BUCKETS - 1, stats->times->sum_s);
}

static void write_f53_in_flight(struct buf *out, const char *name,
                                const struct function_stats *stats)
{
    const struct labels labels = {{"function_id"}, {stats->id}};

    metrics_sample(out, name, &labels, stats->n_in_flight);
}

static const struct {
    const char *name, *kind, *help;
    write_function *write;
    bool is_f53;
} function_rows[] = {
    {"troupe_function_calls_total", "counter", "Calls that have ended.", write_outcomes,
     false},
    {"troupe_function_in_flight", "gauge", "Calls that have not ended.",
     write_in_flight, false},
    {"troupe_function_queue_seconds", "histogram", "Time until a worker got the call.",
     write_queue_time, false},
    {"troupe_function_quantile_seconds", "gauge",
     "What most calls of the last minutes stayed below.", write_quantiles, false},
    {"troupe_function_run_seconds", "histogram", "Time from there to the answer.",
     write_run_time, false},
    {"wippy_function_calls", "counter", "Calls that have ended.", write_f53_calls,
     true},
    {"wippy_function_duration", "histogram", "Seconds from call to answer.",
     write_f53_duration, true},
    {"wippy_function_in_flight", "gauge", "Calls that have not ended.",
     write_f53_in_flight, true},
};

static void write_functions(struct supervisor *sup, struct buf *out)
{
    bool with_f53 = config_get_bool(sup->config, "metrics.interceptor.enabled");
    const struct function_stats **rows = sorted_rows(sup->functions);

    for (size_t i = 0; i < N_ELEMENTS(function_rows); i++) {
        if (function_rows[i].is_f53 && !with_f53)
            continue;
        metric_write_head(out, function_rows[i].name, function_rows[i].kind,
                          function_rows[i].help);
        for (size_t j = 0; j < sup->functions->rows.n; j++)
            function_rows[i].write(out, function_rows[i].name, rows[j]);
    }
    free(rows);
}

/* ---- services -------------------------------------------------------------------- */

static void write_services(struct supervisor *sup, struct buf *out)
{
    static const char up[] = "troupe_service_up",
                      restarts[] = "troupe_service_restarts_total";
    struct value services = services_describe(sup);

    metric_write_head(out, restarts, "counter", "Restarts after a failure.");
    for (size_t i = 0; i < services.as.list.n; i++) {
        const struct value *service = &services.as.list.items[i];
        const struct labels labels = {{"service"}, {value_get_text(service, "id")}};

        metrics_sample(out, restarts, &labels,
                       (double)value_get_int(service, "restarts", 0));
    }
    metric_write_head(out, up, "gauge", "1 while it runs.");
    for (size_t i = 0; i < services.as.list.n; i++) {
        const struct value *service = &services.as.list.items[i];
        const struct labels labels = {{"service"}, {value_get_text(service, "id")}};
        const char *state = value_get_text(service, "state");

        metrics_sample(out, up, &labels,
                       state != NULL && strcmp(state, "running") == 0);
    }
    value_finish(&services);
}

/* ---- workers --------------------------------------------------------------------- */

static const struct {
    const char *name, *kind, *help;
    const char *figure; /* of PONG; NULL: resident memory */
} worker_rows[] = {
    {"troupe_worker_heap_bytes", "gauge", "Memory of all Lua states.", "heap_bytes"},
    {"troupe_worker_mailbox_drops_total", "counter",
     "Messages that a full mailbox didn't take.", "drops"},
    {"troupe_worker_resident_bytes", "gauge", "Memory of the process.", NULL},
    {"troupe_worker_slices_total", "counter", "Times that a coroutine ran.", "slices"},
};

static void write_workers(struct supervisor *sup, struct buf *out)
{
    for (size_t i = 0; i < N_ELEMENTS(worker_rows); i++) {
        metric_write_head(out, worker_rows[i].name, worker_rows[i].kind,
                          worker_rows[i].help);
        WORKERS_FOREACH (worker, sup->workers) {
            char index[16];
            const struct labels labels = {
                {"pool", "role", "worker"},
                {worker_entry(worker), worker_role(worker), index}};

            snprintf(index, sizeof(index), "%u", worker->index);
            metrics_sample(
                out, worker_rows[i].name, &labels,
                worker_rows[i].figure != NULL
                    ? (double)value_get_int(worker->figures, worker_rows[i].figure, 0)
                    : (double)status_rss_bytes(worker->os_pid));
        }
    }
}

void metrics_write_own(struct supervisor *sup, struct buf *out)
{
    write_supervisor(sup, out);
    write_collector(sup, out);
    write_http(sup->metrics_http, out);
    write_otel(sup->otel, out);
    metrics_write_tables(sup, out);
    write_functions(sup, out);
    write_pools(sup, out);
    write_services(sup, out);
    write_workers(sup, out);
}
