/*
 * main -- boot order, signals, ordered stop; the one place that sees everything.
 *
 * Boot is a chain of steps, each started by the end of the one before it:
 *
 *     command line → settings → registry → state folder's lock → sources compiled →
 *     control socket → services → banner (or the process of `run -x`)
 *
 * Stop is another: services (dependents first) → pools → compiler → end of the loop.
 * The stop that begins is never taken back; a second request for it ends everything at
 * once.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ev.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/exit.h"
#include "common/log.h"
#include "common/mem.h"

#include "supervisor/banner.h"
#include "supervisor/bus.h"
#include "supervisor/calls.h"
#include "supervisor/code.h"
#include "supervisor/config.h"
#include "supervisor/contract_doc.h"
#include "supervisor/control.h"
#include "supervisor/core.h"
#include "supervisor/dev.h"
#include "supervisor/entry.h"
#include "supervisor/env.h"
#include "supervisor/interceptors.h"
#include "supervisor/jail.h"
#include "supervisor/lint.h"
#include "supervisor/metrics_http.h"
#include "supervisor/modules.h"
#include "supervisor/notify.h"
#include "supervisor/options.h"
#include "supervisor/otel.h"
#include "supervisor/pack_make.h"
#include "supervisor/pool.h"
#include "supervisor/pool_setup.h"
#include "supervisor/process_calls.h"
#include "supervisor/problems.h"
#include "supervisor/registry.h"
#include "supervisor/registry_load.h"
#include "supervisor/registry_store.h"
#include "supervisor/reload.h"
#include "supervisor/rollout.h"
#include "supervisor/service.h"
#include "supervisor/state.h"
#include "supervisor/status.h"
#include "supervisor/supervisor_manual.h"
#include "supervisor/terminal_run.h"
#include "supervisor/test_run.h"
#include "supervisor/worker.h"

#define LAST_GRACE_MS 2000 /* beyond shutdown.timeout, for what should have ended */

enum { SIG_INT, SIG_TERM, SIG_HUP, SIG_USR1, SIG_USR2, N_SIGNALS };

struct program {
    struct supervisor sup;
    struct options options;
    struct problems problems;
    struct load_options load; /* what a reload reads again */
    struct value disable;     /* of load */
    struct entry_list broken; /* read by a load that failed: their sources count too */
    struct notify notify;
    struct terminal_run *terminal; /* run -x, run NAME, test; else NULL */
    struct test_run *tests;        /* test, when the app has no runner; else NULL */
    struct dev *dev;               /* dev; else NULL */
    int lock_fd, log_fd;           /* -1 = none */
    int exit_code;
    bool stopping;
    bool gave_up; /* perhaps before the loop runs: ev_break says nothing to it then */
    uint64_t stop_at_ns; /* when the stop must be over */
    struct ev_signal signals[N_SIGNALS];
    struct ev_timer tick;     /* once a second */
    struct ev_timer watchdog; /* systemd's */
    struct ev_timer stop_timer;
};

static struct program *program_of(struct supervisor *sup)
{
    return container_of(sup, struct program, sup);
}

/* ---- stop
 * --------------------------------------------------------------------------------- */

static void on_flushed(void *context)
{
    struct program *program = context;

    ev_break(program->sup.loop, EVBREAK_ALL);
}

static void on_pools_stopped(void *context)
{
    struct program *program = context;

    code_stop(program->sup.code);
    if (program->sup.otel != NULL)
        otel_flush(program->sup.otel, on_flushed, program);
    else
        on_flushed(program);
}

static void on_services_stopped(void *context)
{
    struct program *program = context;

    pools_stop(program->sup.pools, program->stop_at_ns, on_pools_stopped, program);
}

static void on_stop_timeout(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    (void)timer, (void)revents;
    log_error("not everything stopped in time, killing the rest", NULL);
    ev_break(loop, EVBREAK_ALL);
}

static void begin_stop(struct program *program)
{
    struct supervisor *sup = &program->sup;
    uint64_t timeout_ms = sup->config->shutdown_timeout_ms;

    program->stopping = true;
    dev_stop(program->dev);
    program->stop_at_ns = (uint64_t)clock_monotonic_ns() + timeout_ms * 1000000;
    status_set_phase(sup->status, "stopping");
    notify_send(&program->notify, "STOPPING=1\nSTATUS=stopping");
    log_info("stopping", "timeout_ms=%llu", (unsigned long long)timeout_ms);
    ev_timer_set(&program->stop_timer, (double)(timeout_ms + LAST_GRACE_MS) / 1e3, 0);
    ev_timer_start(sup->loop, &program->stop_timer);
    rollouts_close(sup->rollouts);
    services_stop_all(sup, timeout_ms, on_services_stopped, program);
}

/* See core.h. */
static void stop(struct supervisor *sup, int exit_code, bool now)
{
    struct program *program = program_of(sup);

    if (program->exit_code == EXIT_OK)
        program->exit_code = exit_code;
    if (now) {
        ev_break(sup->loop, EVBREAK_ALL);
        return;
    }
    if (!program->stopping)
        begin_stop(program);
}

/* ---- signals and timers
 * ------------------------------------------------------------------- */

static int open_log_file(const struct program *program)
{
    const char *path = config_get_text(program->sup.config, "logger.file");

    if (path[0] == '\0')
        return -1;
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
}

static void reopen_log(struct program *program)
{
    int fd;

    if (program->log_fd == -1)
        return;
    fd = open_log_file(program);
    if (fd == -1) {
        log_error("log file can't be reopened, keeping the old one", "why=%s",
                  strerror(errno));
        return;
    }
    log_set_fd(fd);
    close(program->log_fd);
    program->log_fd = fd;
    log_info("log file reopened", NULL);
}

static void on_signal(struct ev_loop *loop, struct ev_signal *watcher, int revents)
{
    struct program *program = watcher->data;

    (void)revents;
    switch (watcher->signum) {
    case SIGINT:
    case SIGTERM:
        if (!program->stopping) {
            stop(&program->sup, EXIT_OK, false);
            return;
        }
        log_warn("second signal, ending at once", "signal=%d", watcher->signum);
        program->exit_code = EXIT_FAILED;
        ev_break(loop, EVBREAK_ALL);
        return;
    case SIGHUP:
        if (!program->stopping)
            reload_begin_logged(program->sup.reloads);
        return;
    case SIGUSR1:
        reopen_log(program);
        return;
    default:
        log_warn("upgrade in place is not in this build yet, nothing changed", NULL);
        return;
    }
}

static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    (void)loop, (void)timer, (void)revents;
    log_flush_repeats();
}

static void on_watchdog(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct program *program = timer->data;
    char line[200], text[240];

    (void)loop, (void)revents;
    status_line(program->sup.status, line, sizeof(line));
    snprintf(text, sizeof(text), "WATCHDOG=1\nSTATUS=%s", line);
    notify_send(&program->notify, text);
}

static void start_watchers(struct program *program)
{
    static const int numbers[N_SIGNALS] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
    struct ev_loop *loop = program->sup.loop;
    sigset_t none;

    for (unsigned i = 0; i < N_SIGNALS; i++) {
        ev_signal_init(&program->signals[i], on_signal, numbers[i]);
        program->signals[i].data = program;
        ev_signal_start(loop, &program->signals[i]);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    ev_timer_init(&program->tick, on_tick, 1, 1);
    ev_timer_start(loop, &program->tick);
    ev_timer_init(&program->stop_timer, on_stop_timeout, 0, 0);
    ev_timer_init(&program->watchdog, on_watchdog, 0, 0);
    if (program->notify.watchdog_ms != 0) {
        double every = (double)program->notify.watchdog_ms / 1e3;

        program->watchdog.data = program;
        ev_timer_set(&program->watchdog, every, every);
        ev_timer_start(loop, &program->watchdog);
    }
}

/* Without its watcher a signal would end us by itself: one that comes now, when all has
 * ended well, must not spoil the exit status. */
static void stop_watchers(struct program *program)
{
    struct ev_loop *loop = program->sup.loop;
    sigset_t all, before;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 0; i < N_SIGNALS; i++) {
        ev_signal_stop(loop, &program->signals[i]);
        signal(program->signals[i].signum, SIG_IGN);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    ev_timer_stop(loop, &program->tick);
    ev_timer_stop(loop, &program->watchdog);
    ev_timer_stop(loop, &program->stop_timer);
}

/* ---- boot, last step first
 * ---------------------------------------------------------------- */

static void on_terminal_done(void *context, int exit_code)
{
    struct program *program = context;

    stop(&program->sup, exit_code, false);
}

static void on_control_exit(struct supervisor *sup, const struct frame_exit *frame)
{
    struct program *program = program_of(sup);

    if (!process_calls_on_exit(sup, frame) && program->terminal != NULL)
        terminal_run_on_exit(program->terminal, frame);
}

static void start_watching(struct program *program)
{
    FILE *out = program->options.silent ? NULL : stdout;
    struct err err = {0};

    program->dev = dev_create(&program->sup, &program->load, out, &err);
    if (program->dev == NULL)
        log_error("files aren't watched, nothing will be reloaded", "why=%s", err.text);
}

static void on_services_started(void *context)
{
    struct program *program = context;
    char line[200], text[240];

    if (program->stopping)
        return;
    status_set_phase(program->sup.status, "running");
    status_line(program->sup.status, line, sizeof(line));
    snprintf(text, sizeof(text), "READY=1\nSTATUS=%s", line);
    notify_send(&program->notify, text);
    log_info("started", "app=%s entries=%zu control=%s", program->sup.config->app,
             registry_state(program->sup.registry)->n,
             program->sup.config->control_path);
    if (program->terminal != NULL)
        terminal_run_start(program->terminal);
    else if (program->tests != NULL)
        test_run_start(program->tests);
    else if (!program->options.silent)
        banner_print(stdout, &program->sup);
    if (program->options.command == COMMAND_DEV)
        start_watching(program);
}

/* EV-7: apps may follow what becomes of the registry. */
static void publish_changes(struct supervisor *sup, const struct changeset *changeset)
{
    for (size_t i = 0; i < changeset->n; i++) {
        const struct change *change = &changeset->changes[i];
        struct value data = {0};

        if (change->after != NULL)
            data = entry_to_value(change->after);
        bus_publish(sup, "registry", change_op_name(change->op), change->of_id, &data);
        value_finish(&data);
    }
}

static void on_registry_changed(void *context, const struct changeset *changeset)
{
    services_refresh(context);
    publish_changes(context, changeset);
}

/* Prints all that is wrong; the exit status. */
static int print_problems(struct program *program)
{
    struct buf buf;

    buf_init(&buf, 0);
    problems_format(&buf, &program->problems);
    fflush(stdout);
    if (buf_len(&buf) != 0)
        (void)!fwrite(buf_head(&buf), 1, buf_len(&buf), stderr);
    buf_finish(&buf);
    return program->problems.n_errors > 0 ? EXIT_BAD_CONFIG : EXIT_OK;
}

/* Warnings of the load go to the log once there is one. */
static void log_warnings(const struct program *program)
{
    for (size_t i = 0; i < program->problems.n; i++) {
        const struct problem *problem = &program->problems.rows[i];

        log_warn(problem->text, "file=%s line=%u entry=%s",
                 problem->file != NULL ? problem->file : "", problem->line,
                 problem->entry != NULL ? problem->entry : "");
    }
}

static void give_up(struct program *program, int exit_code, const struct err *err)
{
    if (err != NULL) {
        fflush(stdout);
        fprintf(stderr, "supervisor: %s\n", err->text);
    }
    program->exit_code = exit_code;
    program->gave_up = true;
    ev_break(program->sup.loop, EVBREAK_ALL);
}

static int exit_code_for(const struct err *err)
{
    switch (err->kind) {
    case ERR_INTERNAL:
        return EXIT_BUG;
    case ERR_INVALID:
        return EXIT_BAD_CONFIG;
    default:
        return EXIT_NEEDED;
    }
}

/* -1: it was to be served and can't be. */
static int serve_metrics(struct supervisor *sup, struct err *err)
{
    const struct config *config = sup->config;

    if (!config_get_bool(config, "prometheus.enabled"))
        return 0;
    sup->metrics_http =
        metrics_http_create(sup, config_get_text(config, "prometheus.address"),
                            config_get_ms(config, "prometheus.timeout"), err);
    return sup->metrics_http != NULL ? 0 : -1;
}

/* -1: they were to be exported and can't be. */
static int export_spans(struct supervisor *sup, struct err *err)
{
    if (!config_get_bool(sup->config, "otel.enabled"))
        return 0;
    sup->otel = otel_create(sup, err);
    return sup->otel != NULL ? 0 : -1;
}

static void start_serving(struct program *program)
{
    struct supervisor *sup = &program->sup;
    struct registry_observer observer = {.changed = on_registry_changed,
                                         .context = sup};
    struct err err = {0};

    sup->control = control_create(sup, sup->config->control_path, &err);
    if (sup->control == NULL || serve_metrics(sup, &err) == -1 ||
        export_spans(sup, &err) == -1) {
        give_up(program, exit_code_for(&err), &err);
        return;
    }
    pools_load(sup);
    rollouts_open(sup->rollouts);
    interceptors_load(sup->interceptors);
    registry_add_observer(sup->registry, &observer);
    reloads_open(sup->reloads);
    services_start_all(sup, on_services_started, program);
}

static void on_problem(void *context, const struct entry *entry, const struct err *err,
                       const struct value *details)
{
    struct program *program = context;

    code_add_problem(&program->problems, entry, err, details);
}

/* Commands that look at the app and leave it alone. */
static bool starts_nothing(const struct program *program)
{
    enum command command = program->options.command;

    return command == COMMAND_CHECK || command == COMMAND_LINT ||
           command == COMMAND_PACK;
}

static int print_lint(struct program *program)
{
    const struct snapshot *state = registry_state(program->sup.registry);
    const struct entry_list *broken = &program->broken;

    if (state->n != 0 || broken->n == 0)
        return lint_print(stdout, &program->options.lint, &program->problems,
                          state->entries, state->n);
    return lint_print(stdout, &program->options.lint, &program->problems, broken->items,
                      broken->n);
}

static void finish_pack(struct program *program)
{
    struct err err = {0};
    int code = print_problems(program);

    if (pack_make(&program->sup, &program->options, stdout, &err) == -1)
        give_up(program, EXIT_FAILED, &err);
    else
        give_up(program, code, NULL);
}

static void on_compiled(void *context, size_t n_compiled, size_t n_failed)
{
    struct program *program = context;

    if (program->stopping)
        return;
    if (program->options.command == COMMAND_LINT) {
        give_up(program, print_lint(program), NULL);
        return;
    }
    if (n_failed == 0 && program->problems.n_errors == 0 &&
        program->options.command == COMMAND_PACK) {
        finish_pack(program);
        return;
    }
    if (n_failed > 0 || program->problems.n_errors > 0 || starts_nothing(program)) {
        if (program->problems.n == 0)
            printf("no problems in %zu entries\n",
                   registry_state(program->sup.registry)->n);
        give_up(program, print_problems(program), NULL);
        return;
    }
    log_debug("sources compiled", "chunks=%zu", n_compiled);
    start_serving(program);
}

/* Reads all files and makes them version 0. */
static bool load_registry(struct program *program)
{
    const struct config *config = program->sup.config;
    struct err err = {0};
    struct changeset *changeset;

    program->disable = pack_disabled(config, &program->options);
    program->load = (struct load_options){
        .paths = (const char *const *)config->registry_paths,
        .n_paths = config->n_registry_paths,
        .overrides = program->options.overrides.items,
        .n_overrides = program->options.overrides.n,
        .override_map = config->overrides.type == VALUE_MAP ? &config->overrides : NULL,
        .disable = &program->disable};
    changeset = registry_load(program->sup.registry, &program->load, &program->broken,
                              &program->problems, &err);
    if (changeset != NULL &&
        registry_commit(program->sup.registry, changeset, NULL, &err) == 0)
        return true;
    if (program->problems.n_errors == 0)
        problems_add(&program->problems, SEVERITY_ERROR, err.kind,
                     &(struct problem_at){0}, NULL, "%s", err.text);
    return false;
}

/* ---- life
 * ---------------------------------------------------------------------------------- */

static bool apply_settings(struct program *program)
{
    const struct config *config = program->sup.config;
    struct err err = {0};
    struct worker_times times = {
        .ready_timeout_ms = (uint32_t)config_get_ms(config, "workers.ready_timeout"),
        .ping_every_ms = (uint32_t)config_get_ms(config, "workers.ping_every"),
        .pong_timeout_ms = (uint32_t)config_get_ms(config, "workers.pong_timeout")};
    struct jail_settings jail = {
        .level = config_get_text(config, "workers.confine"),
        .user = config_get_text(config, "workers.user"),
        .memory_mb = (uint32_t)config_get_int(config, "workers.memory_mb"),
        .total_memory_mb = (uint32_t)config_get_int(config, "workers.total_memory_mb"),
        .total_cpus = config_get_real(config, "workers.total_cpus")};

    workers_set_times(program->sup.workers, &times);
    calls_set_grace_ms(program->sup.calls,
                       (uint32_t)config_get_ms(config, "calls.cancel_grace"),
                       (uint32_t)config_get_ms(config, "calls.busy_grace"));
    if (workers_confine(program->sup.workers, &jail, &err) == 0)
        return true;
    log_error("can't start workers as safely as asked", "error=%s", err.text);
    program->exit_code = EXIT_NEEDED;
    return false;
}

static void destroy_modules(struct program *program)
{
    terminal_run_destroy(program->terminal);
    program->terminal = NULL;
    dev_destroy(program->dev);
    program->dev = NULL;
    test_run_destroy(program->tests);
    program->tests = NULL;
    modules_destroy(&program->sup);
}

/* Logs go to stdout (LG-3); beside a terminal process they would be in its way. */
static void set_up_log(struct program *program)
{
    const struct options *options = &program->options;
    const struct config *config = program->sup.config;
    bool has_terminal = options->exec != NULL || options->name != NULL ||
                        options->command == COMMAND_TEST;
    bool asked_for = options->has_log_level || options->has_log_format;

    log_set_format(config->log_format);
    log_set_level(config->log_level);
    program->log_fd = open_log_file(program);
    if (options->silent || (has_terminal && !asked_for && program->log_fd == -1))
        log_set_fd(-1);
    else if (program->log_fd != -1)
        log_set_fd(program->log_fd);
    else
        log_set_fd(has_terminal ? STDERR_FILENO : STDOUT_FILENO);
}

static void raise_limits(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* What needs no running app; -1 = boot. */
static int run_without_boot(struct program *program)
{
    struct err err = {0};

    if (program->options.command == COMMAND_RUN_LIST) {
        terminal_run_list(program->sup.registry, stdout);
        return EXIT_OK;
    }
    if (program->options.command != COMMAND_CONTRACTS)
        return -1;
    if (contract_doc_write(registry_state(program->sup.registry), &program->options,
                           stdout, &err) == 0)
        return EXIT_OK;
    fprintf(stderr, "supervisor: %s\n", err.text);
    return EXIT_FAILED;
}

static bool prepare_terminal(struct program *program)
{
    const struct options *options = &program->options;
    struct err err = {0};

    if (options->exec == NULL && options->name == NULL &&
        options->command != COMMAND_TEST)
        return true;
    if (options->command == COMMAND_TEST &&
        !terminal_run_has_test(program->sup.registry))
        program->tests = test_run_create(&program->sup, options, stdout,
                                         on_terminal_done, program, &err);
    else
        program->terminal = terminal_run_create(&program->sup, options,
                                                on_terminal_done, program, &err);
    if (program->terminal == NULL && program->tests == NULL) {
        fprintf(stderr, "supervisor: %s\n", err.text);
        program->exit_code = EXIT_FAILED;
    }
    return program->terminal != NULL || program->tests != NULL;
}

static bool take_state(struct program *program)
{
    struct err err = {0};

    if (starts_nothing(program))
        return true;
    program->lock_fd = state_open(program->sup.config->state_dir, &err);
    if (program->lock_fd == -1) {
        fprintf(stderr, "supervisor: %s\n", err.text);
        program->exit_code = EXIT_NEEDED;
    }
    return program->lock_fd != -1;
}

/* What changed at run time before counts again, on top of the files as they are. */
static bool restore_history(struct program *program)
{
    struct supervisor *sup = &program->sup;
    const char *type = config_get_text(sup->config, "registry.history_type");
    bool enabled = config_get_bool(sup->config, "registry.enable_history");
    struct err err = {0};

    if (starts_nothing(program))
        return true;
    if (!enabled || strcmp(type, "nil") == 0)
        registry_keep_no_history(sup->registry);
    if (!enabled || strcmp(type, "sqlite") != 0)
        return true;
    sup->history = registry_store_open(
        config_get_text(sup->config, "registry.history_path"), &err);
    if (sup->history != NULL &&
        registry_store_restore(sup->history, sup->registry, &err) == 0)
        return true;
    fprintf(stderr, "supervisor: %s\n", err.text);
    program->exit_code = exit_code_for(&err);
    return false;
}

static void run_loop(struct program *program)
{
    if (!program->gave_up)
        ev_run(program->sup.loop, 0);
}

static void serve(struct program *program)
{
    struct supervisor *sup = &program->sup;

    ev_set_allocator(mem_allocate); /* its own way of having no memory is abort() */
    sup->loop = ev_default_loop(EVFLAG_AUTO);
    if (sup->loop == NULL) {
        fprintf(stderr, "supervisor: no event loop is to be had\n");
        program->exit_code = EXIT_BUG;
        return;
    }
    modules_create(&program->sup, &program->load, NULL);
    program->sup.stop = stop;
    program->sup.on_exit = on_control_exit;
    if (!apply_settings(program)) {
        destroy_modules(program);
        return;
    }
    start_watchers(program);
    if (program->problems.n_errors > 0) {
        code_compile(sup->code, program->broken.items, program->broken.n, on_problem,
                     on_compiled, program);
        run_loop(program);
    } else if (prepare_terminal(program)) {
        if (!starts_nothing(program))
            log_warnings(program);
        code_compile_all(sup->code, on_problem, on_compiled, program);
        run_loop(program);
    }
    stop_watchers(program);
    destroy_modules(program);
}

static void run(struct program *program)
{
    struct supervisor *sup = &program->sup;

    sup->config = config_load(&program->options, &program->problems);
    if (program->problems.n_errors > 0) {
        program->exit_code = print_problems(program);
        return;
    }
    set_up_log(program);
    raise_limits();
    notify_init(&program->notify);
    sup->registry = registry_create();
    sup->env = env_create(sup->registry); /* entries' placeholders ask for variables */
    if (load_registry(program)) {
        int code = run_without_boot(program);

        if (code != -1)
            program->exit_code = code;
        else if (take_state(program) && restore_history(program))
            serve(program);
    } else {
        serve(program); /* only to compile, so that all problems are told at once */
    }
    registry_store_close(sup->history);
    entry_list_finish(&program->broken);
    value_finish(&program->disable);
    env_destroy(sup->env);
    registry_destroy(sup->registry);
    notify_finish(&program->notify);
}

static int write_lock_file(void)
{
    static const char text[] = "directories:\n  modules: .wippy\n  src: ./src\n";
    FILE *file = fopen("wippy.lock", "wxe");

    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
        fprintf(stderr, "supervisor: cannot write wippy.lock: %s\n", strerror(errno));
        return EXIT_FAILED;
    }
    return EXIT_OK;
}

/* A descriptor that we open must never turn out to be somebody's standard output. */
static void open_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd != -1 && fd <= STDERR_FILENO);
    if (fd != -1)
        close(fd);
}

int main(int argc, char **argv)
{
    struct program program = {.lock_fd = -1, .log_fd = -1, .notify = {.fd = -1}};
    struct err err = {0};
    sigset_t blocked;

    if (argc > 1 && strcmp(argv[1], "complete") == 0)
        return supervisor_manual_complete(argc - 2, argv + 2);
    open_standard_descriptors();
    /* Whoever started us may have blocked others; a HUP waits until it can be a reload.
     */
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGHUP);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* `ulimit -f`: the write fails, that is enough */
    problems_init(&program.problems);
    if (options_parse(&program.options, argc, argv, &err) != 0) {
        fprintf(stderr, "supervisor: %s\n", err.text);
        program.exit_code = EXIT_USAGE;
    } else if (program.options.command == COMMAND_HELP ||
               program.options.command == COMMAND_MANUAL ||
               program.options.command == COMMAND_COMPLETION) {
        program.exit_code = supervisor_manual_run(&program.options);
    } else if (program.options.command == COMMAND_VERSION) {
        printf("troupe %s\n", TROUPE_VERSION);
    } else if (program.options.command == COMMAND_INIT) {
        program.exit_code = write_lock_file();
    } else {
        run(&program);
    }
    config_destroy(program.sup.config);
    problems_finish(&program.problems);
    options_finish(&program.options);
    if (program.log_fd != -1)
        close(program.log_fd);
    return program.exit_code;
}
