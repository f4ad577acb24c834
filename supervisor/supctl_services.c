/* Services, pools and calls. */
#include "supervisor/supctl.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/exit.h"
#include "common/mem.h"

#include "proto/trace_context.h"

#include "supervisor/supctl_table.h"

static const struct column service_columns[] = {
    {"SERVICE", "id", COLUMN_TEXT},          {"KIND", "kind", COLUMN_TEXT},
    {"STATE", "state", COLUMN_STATE},        {"UPTIME", "uptime_ms", COLUMN_MS},
    {"RESTARTS", "restarts", COLUMN_NUMBER}, {"PID", "pid", COLUMN_TEXT},
    {"DETAILS", "details", COLUMN_TEXT},
};

static const struct column pool_columns[] = {
    {"POOL", "entry", COLUMN_TEXT},
    {"KIND", "kind", COLUMN_TEXT},
    {"STATE", "state", COLUMN_STATE},
    {"PROCS", "n_processes", COLUMN_NUMBER},
    {"SLOTS", "n_slots", COLUMN_NUMBER},
    {"BUSY", "n_busy", COLUMN_NUMBER},
    {"QUEUED", "n_queued", COLUMN_NUMBER},
    {"ACTORS", "n_actors", COLUMN_NUMBER},
    {"CALLS", "n_calls_done", COLUMN_NUMBER},
    {"RATE/S", "rate", COLUMN_NUMBER},
    {"P50", "p50_us", COLUMN_US},
    {"P99", "p99_us", COLUMN_US},
    {"P99.9", "p999_us", COLUMN_US},
    {"Q P99", "queue_p99_us", COLUMN_US},
    {"DEATHS", "n_deaths", COLUMN_NUMBER},
};

static const struct column worker_columns[] = {
    {"WORKER", "index", COLUMN_NUMBER},    {"PID", "os_pid", COLUMN_NUMBER},
    {"POOL", "pool", COLUMN_TEXT},         {"STATE", "state", COLUMN_STATE},
    {"UPTIME", "uptime_ms", COLUMN_MS},    {"BUSY", "n_busy", COLUMN_NUMBER},
    {"ACTORS", "n_actors", COLUMN_NUMBER}, {"CALLS", "n_calls_done", COLUMN_NUMBER},
    {"MEMORY", "rss_bytes", COLUMN_BYTES},
};

static void print_record(const struct supctl *ctl, const struct value *record)
{
    if (ctl->json)
        supctl_print_json(record, false);
    else
        supctl_record_print(stdout, record);
}

static bool is_running(const struct value *service)
{
    const char *state = value_get_text(service, "state");

    return state != NULL && strcmp(state, "running") == 0;
}

static int list_of(struct supctl *ctl, const char *target, const struct column *columns,
                   unsigned n_columns, const char *none)
{
    struct value list;
    int code = supctl_ask(ctl, target, value_list(), ASK_TIMEOUT_MS, &list);

    if (code == EXIT_OK)
        supctl_print_list(ctl, &list, columns, n_columns, none);
    value_finish(&list);
    return code;
}

/* ---- status ---------------------------------------------------------------------- */

/* The record of one service; EXIT_NO_SUCH_NAME (said) when there is none. */
static int ask_service(struct supctl *ctl, const char *id, struct value *out)
{
    int code = supctl_ask(ctl, "@services.get", supctl_args(id), ASK_TIMEOUT_MS, out);

    if (code == EXIT_OK && out->type != VALUE_MAP)
        code = supctl_fail_text(ctl, ERR_NOT_FOUND, "no such service: %s", id);
    return code;
}

static int status_of_one(struct supctl *ctl)
{
    struct value service;
    int code = ask_service(ctl, ctl->args[0], &service);

    if (code == EXIT_OK) {
        print_record(ctl, &service);
        code = is_running(&service) ? EXIT_OK : EXIT_NOT_RUNNING;
    }
    value_finish(&service);
    return code;
}

static void print_supervisor(const struct supctl *ctl, const struct value *sup)
{
    static const struct column columns[] = {
        {"SUPERVISOR", "app", COLUMN_TEXT},
        {"PID", "pid", COLUMN_NUMBER},
        {"STATE", "state", COLUMN_STATE},
        {"UPTIME", "uptime_ms", COLUMN_MS},
        {"MEMORY", "rss_bytes", COLUMN_BYTES},
        {"ENTRIES", "n_entries", COLUMN_NUMBER},
        {"VERSION", "registry_version", COLUMN_NUMBER},
        {"CALLS OPEN", "calls_open", COLUMN_NUMBER},
    };
    struct value list = value_list();

    if (sup != NULL)
        value_append(&list, value_copy(sup));
    supctl_table_print(stdout, &list, columns, N_ELEMENTS(columns), "no supervisor?",
                       ctl->in_colour);
    if (value_get_text(sup, "metrics") != NULL)
        printf("metrics at http://%s/metrics\n", value_get_text(sup, "metrics"));
    value_finish(&list);
}

static int run_status(struct supctl *ctl)
{
    struct value status;
    int code;

    if (ctl->n_args == 1)
        return status_of_one(ctl);
    code = supctl_ask(ctl, "@system.status", value_list(), ASK_TIMEOUT_MS, &status);
    if (code == EXIT_OK && ctl->json) {
        supctl_print_json(&status, false);
    } else if (code == EXIT_OK) {
        print_supervisor(ctl, value_get(&status, "supervisor"));
        putchar('\n');
        supctl_table_print(stdout, value_get(&status, "services"), service_columns,
                           N_ELEMENTS(service_columns), "no services", ctl->in_colour);
        putchar('\n');
        supctl_table_print(stdout, value_get(&status, "pools"), pool_columns,
                           N_ELEMENTS(pool_columns), "no pools", ctl->in_colour);
        putchar('\n');
        supctl_table_print(stdout, value_get(&status, "workers"), worker_columns,
                           N_ELEMENTS(worker_columns), "no workers", ctl->in_colour);
    }
    value_finish(&status);
    return code;
}

/* ---- services -------------------------------------------------------------------- */

static int run_services(struct supctl *ctl)
{
    return list_of(ctl, "@services.list", service_columns, N_ELEMENTS(service_columns),
                   "no services");
}

static int service_verb(struct supctl *ctl, const char *target)
{
    struct value args = supctl_args(ctl->args[0]), result;
    int code;

    if (ctl->no_wait)
        value_append(&args, value_bool(true));
    code = supctl_ask(ctl, target, args, 0, &result);
    if (code == EXIT_OK && ctl->json)
        supctl_print_json(&result, false);
    else if (code == EXIT_OK && result.type == VALUE_MAP && ctl->is_terminal)
        printf("%s %s\n", ctl->args[0], value_get_text(&result, "state"));
    value_finish(&result);
    return code;
}

static int run_start(struct supctl *ctl)
{
    return service_verb(ctl, "@services.start");
}

static int run_restart(struct supctl *ctl)
{
    return service_verb(ctl, "@services.restart");
}

static int run_reset_failed(struct supctl *ctl)
{
    return service_verb(ctl, "@services.reset_failed");
}

/* Without --no-wait the end of the connection is the answer: it has ended. */
static int stop_supervisor(struct supctl *ctl)
{
    struct value options = value_map(), args = value_list(), result = {0};
    struct supctl_error error = {0};
    const struct value done = value_bool(true);
    int code = EXIT_OK;

    value_put(&options, "now", value_bool(ctl->now));
    value_put(&options, "no_wait", value_bool(ctl->no_wait));
    value_append(&args, options);
    ctl->client = supctl_client_connect(ctl->control, &error);
    if (ctl->client == NULL ||
        (supctl_client_call(ctl->client, "@system.stop", &args, NULL, ctl->timeout_ms,
                            NULL, NULL, &result, &error) != 0 &&
         (!error.unreachable || ctl->no_wait)))
        code = supctl_fail(ctl, &error);
    else if (ctl->json)
        supctl_print_json(&done, false);
    value_finish(&args);
    value_finish(&result);
    supctl_error_finish(&error);
    return code;
}

static int run_stop(struct supctl *ctl)
{
    return ctl->n_args == 0 ? stop_supervisor(ctl)
                            : service_verb(ctl, "@services.stop");
}

static int run_is_running(struct supctl *ctl)
{
    struct value service;
    int code = ask_service(ctl, ctl->args[0], &service);

    if (code == EXIT_OK && ctl->json)
        supctl_print_json(&service, false);
    if (code == EXIT_OK && !is_running(&service))
        code = EXIT_NOT_RUNNING;
    value_finish(&service);
    return code;
}

/* -1 = not settled yet. A failed service that will be tried again is not settled. */
static int settled_code(const struct value *service)
{
    const char *state = value_get_text(service, "state");

    if (state == NULL || strcmp(state, "running") == 0 || strcmp(state, "exited") == 0)
        return EXIT_OK;
    if (strcmp(state, "failed") == 0 && value_get_int(service, "next_try_at", 0) == 0)
        return EXIT_FAILED;
    return -1;
}

static int tell_failed(const struct supctl *ctl, const struct value *service)
{
    const char *details = value_get_text(service, "details");

    return supctl_fail_text(ctl, ERR_UNAVAILABLE, "%s: %s", ctl->args[0],
                            details != NULL && details[0] != '\0' ? details : "failed");
}

/* Asks once; -1 = not settled and worth another look. end_at_ms: monotonic, 0: none. */
static int look(struct supctl *ctl, uint64_t end_at_ms)
{
    struct value service;
    int code = ask_service(ctl, ctl->args[0], &service);

    if (code == EXIT_OK) {
        code = settled_code(&service);
        if (code == EXIT_FAILED)
            code = tell_failed(ctl, &service);
        else if (code == -1 && end_at_ms != 0 && clock_monotonic_ms() >= end_at_ms)
            code = supctl_fail_text(ctl, ERR_TIMEOUT, "%s is still %s", ctl->args[0],
                                    value_get_text(&service, "state"));
        else if (code == EXIT_OK && ctl->json)
            supctl_print_json(&service, false);
    }
    value_finish(&service);
    return code;
}

static int run_wait(struct supctl *ctl)
{
    static const struct timespec pause = {0, 100000000};
    uint64_t end_at_ms =
        ctl->timeout_ms != 0 ? clock_monotonic_ms() + ctl->timeout_ms : 0;
    int code;

    ctl->timeout_ms = 0; /* of the whole, not of one question */
    while ((code = look(ctl, end_at_ms)) == -1)
        nanosleep(&pause, NULL);
    return code;
}

/* ---- pools ----------------------------------------------------------------------- */

static int run_pools(struct supctl *ctl)
{
    return list_of(ctl, "@pools.list", pool_columns, N_ELEMENTS(pool_columns),
                   "no pools");
}

static int run_workers(struct supctl *ctl)
{
    return list_of(ctl, "@workers.list", worker_columns, N_ELEMENTS(worker_columns),
                   "no workers");
}

static int run_pool(struct supctl *ctl)
{
    struct value pool, workers = {0};
    int code =
        supctl_ask(ctl, "@pools.get", supctl_args(ctl->args[0]), ASK_TIMEOUT_MS, &pool);

    if (code == EXIT_OK && ctl->json) {
        supctl_print_json(&pool, false);
    } else if (code == EXIT_OK) {
        if (value_get(&pool, "workers") != NULL)
            workers = value_copy(value_get(&pool, "workers"));
        value_remove(&pool, "workers");
        supctl_record_print(stdout, &pool);
        putchar('\n');
        supctl_table_print(stdout, &workers, worker_columns, N_ELEMENTS(worker_columns),
                           "no workers", ctl->in_colour);
    }
    value_finish(&workers);
    value_finish(&pool);
    return code;
}

static int run_scale(struct supctl *ctl)
{
    struct value args = supctl_args(ctl->args[0]), result;
    char *end;
    long long n = strtoll(ctl->args[1], &end, 10);
    int code;

    if (end == ctl->args[1] || *end != '\0' || n < 0) {
        value_finish(&args);
        fprintf(stderr, "supctl: scale wants a number of slots, not '%s'\n",
                ctl->args[1]);
        return EXIT_USAGE;
    }
    value_append(&args, value_int(n));
    code = supctl_ask(ctl, "@pools.scale", args, 0, &result);
    if (code == EXIT_OK && ctl->json)
        supctl_print_json(&result, false);
    value_finish(&result);
    return code;
}

/* ---- calls ----------------------------------------------------------------------- */

/* The same may have come from inside the function, about what it called. */
static bool is_nobodys(const struct supctl_error *error, const char *id)
{
    const char *message = value_get_text(&error->fields, "message");
    const struct value *details = value_get(&error->fields, "details");
    const char *target = details != NULL ? value_get_text(details, "target") : NULL;

    return message != NULL && target != NULL && strcmp(target, id) == 0 &&
           strcmp(message, "no handler registered for target") == 0;
}

/* A NotFound may be the function's own answer: then the call has failed, but the name
 * exists. */
static int call_failed(struct supctl *ctl, const struct supctl_error *error)
{
    struct supctl_error ignored = {0};
    struct value args = supctl_args(ctl->args[0]), entry = {0};
    int code = supctl_fail(ctl, error);

    if (code == EXIT_NO_SUCH_NAME &&
        supctl_client_call(ctl->client, "@registry.get", &args, NULL, ASK_TIMEOUT_MS,
                           NULL, NULL, &entry, &ignored) == 0 &&
        entry.type == VALUE_MAP) {
        code = EXIT_FAILED;
        if (is_nobodys(error, ctl->args[0]))
            supctl_suggest(ctl, NULL, ctl->args[0]);
    } else if (code == EXIT_NO_SUCH_NAME) {
        supctl_suggest(ctl, "function.", ctl->args[0]);
    }
    value_finish(&args);
    value_finish(&entry);
    supctl_error_finish(&ignored);
    return code;
}

/* On stderr, so that stdout is the result's. */
static void begin_trace(struct supctl *ctl)
{
    uint8_t text[TRACE_TEXT_BYTES];

    trace_begin(text);
    value_put(&ctl->context, "traceparent", value_bytes(text, sizeof(text)));
    fprintf(stderr, "trace %.*s\n", TRACE_ID_BYTES, (char *)text + TRACE_ID_AT);
}

static int run_call(struct supctl *ctl)
{
    struct supctl_error error = {0};
    struct value args = value_list(), result = {0};
    int code = EXIT_OK;

    for (unsigned i = 1; i < ctl->n_args; i++)
        value_append(&args, supctl_json_or_text(ctl->args[i]));
    if (ctl->trace)
        begin_trace(ctl);
    ctl->client = supctl_client_connect(ctl->control, &error);
    if (ctl->client == NULL)
        code = supctl_fail(ctl, &error);
    else if (supctl_client_call(ctl->client, ctl->args[0], &args, &ctl->context,
                                ctl->timeout_ms, NULL, NULL, &result, &error) != 0)
        code = call_failed(ctl, &error);
    else
        supctl_print_json(&result, ctl->is_terminal && !ctl->json);
    supctl_error_finish(&error);
    value_finish(&args);
    value_finish(&result);
    return code;
}

static const struct command commands[] = {
    {"status", "status [NS:ENTRY]", "the supervisor and all it runs, or one service", 0,
     1, 0, run_status},
    {"services", "services", "services and their states", 0, 0, 0, run_services},
    {"start", "start NS:ENTRY", "start a service and what it needs", 1, 1, FLAG_NO_WAIT,
     run_start},
    {"stop", "stop [NS:ENTRY]",
     "stop a service and what needs it; without a name, the supervisor", 0, 1,
     FLAG_NO_WAIT | FLAG_NOW, run_stop},
    {"restart", "restart NS:ENTRY", "stop and start a service", 1, 1, FLAG_NO_WAIT,
     run_restart},
    {"is-running", "is-running NS:ENTRY", "exit status 0 if it runs, 3 if not", 1, 1, 0,
     run_is_running},
    {"wait", "wait NS:ENTRY", "wait until a service runs, has exited or has failed", 1,
     1, 0, run_wait},
    {"reset-failed", "reset-failed NS:ENTRY", "forget a service's failures", 1, 1, 0,
     run_reset_failed},
    {"pools", "pools", "function pools and hosts", 0, 0, 0, run_pools},
    {"pool", "pool NS:ENTRY", "one pool and its workers", 1, 1, 0, run_pool},
    {"workers", "workers", "worker processes", 0, 0, 0, run_workers},
    {"scale", "scale NS:ENTRY N", "give a pool N slots", 2, 2, 0, run_scale},
    {"call", "call NS:ENTRY [JSON...]", "call a function, print its result as JSON", 1,
     UINT_MAX, FLAG_CONTEXT | FLAG_TRACE, run_call},
};
const struct command_table supctl_service_commands = {commands, N_ELEMENTS(commands),
                                                      "Services and pools"};
