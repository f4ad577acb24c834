/*
 * main -- the command line, and what is there before the boot and after the stop.
 *
 * program.h says in which order everything comes and goes.
 */
#include "supervisor/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/err.h"
#include "common/exit.h"
#include "common/log.h"
#include "common/value.h"

#include "supervisor/calls.h"
#include "supervisor/config.h"
#include "supervisor/contract_doc.h"
#include "supervisor/dev.h"
#include "supervisor/env.h"
#include "supervisor/init.h"
#include "supervisor/jail.h"
#include "supervisor/modules.h"
#include "supervisor/pack_make.h"
#include "supervisor/process_calls.h"
#include "supervisor/registry.h"
#include "supervisor/registry_store.h"
#include "supervisor/state.h"
#include "supervisor/supervisor_manual.h"
#include "supervisor/terminal_run.h"
#include "supervisor/test_run.h"
#include "supervisor/worker.h"

/* ---- registry and state folder --------------------------------------------------- */

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
        .override_file = config->overrides_file,
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

static bool take_state(struct program *program)
{
    struct err err = {0};

    if (program_starts_nothing(program))
        return true;
    program->lock_fd = state_open(program->sup.config->state_dir, &err);
    if (program->lock_fd == -1) {
        fprintf(stderr, "supervisor: %s%s\n", err.text,
                strstr(err.text, "--state") == NULL
                    ? "; choose another state folder with --state"
                    : "");
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

    if (program_starts_nothing(program))
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
    program->exit_code = program_exit_code_for(&err);
    return false;
}

/* ---- serving --------------------------------------------------------------------- */

static void on_terminal_done(void *context, int exit_code)
{
    struct program *program = context;

    /* A main that called system.exit(3) and then just ends has said 3. */
    program_stop(&program->sup, exit_code == EXIT_OK ? EXIT_KEPT : exit_code, false);
}

static void on_control_exit(struct supervisor *sup, const struct frame_exit *frame)
{
    struct program *program = program_of(sup);

    if (!process_calls_on_exit(sup, frame) && program->terminal != NULL)
        terminal_run_on_exit(program->terminal, frame);
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
    program->sup.stop = program_stop;
    program->sup.on_exit = on_control_exit;
    if (!apply_settings(program)) {
        destroy_modules(program);
        return;
    }
    program_watch(program);
    if (program->problems.n_errors > 0 || prepare_terminal(program)) {
        program_boot(program);
        run_loop(program);
    }
    program_unwatch(program);
    destroy_modules(program);
}

/* ---- life ------------------------------------------------------------------------ */

/* Logs go to stdout (LG-3); beside a terminal process they would be in its way. */
static bool set_up_log(struct program *program)
{
    const struct options *options = &program->options;
    const struct config *config = program->sup.config;
    const char *path = config_get_text(config, "logger.file");
    bool has_terminal = options->exec != NULL || options->name != NULL ||
                        options->command == COMMAND_TEST;
    bool asked_for = options->has_log_level || options->has_log_format;

    log_set_format(config->log_format);
    log_set_level(config->log_level);
    program->log_fd = program_open_log(program);
    if (program->log_fd == -1 && path[0] != '\0') {
        fprintf(stderr, "supervisor: logger.file %s: %s\n", path, strerror(errno));
        program->exit_code = EXIT_NEEDED;
        return false;
    }
    if (options->silent || (has_terminal && !asked_for && program->log_fd == -1))
        log_set_fd(-1);
    else if (program->log_fd != -1)
        log_set_fd(program->log_fd);
    else
        log_set_fd(has_terminal ? STDERR_FILENO : STDOUT_FILENO);
    return true;
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

static void run(struct program *program)
{
    struct supervisor *sup = &program->sup;

    sup->config = config_load(&program->options, &program->problems);
    if (program->problems.n_errors > 0) {
        program->exit_code = program_print_problems(program);
        return;
    }
    if (!set_up_log(program))
        return;
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

/* What a program that runs prints is told by its log too; what these print is all that
 * there is of them. */
static int finish_output(const struct program *program)
{
    enum command command = program->options.command;
    bool counts = program_starts_nothing(program) || command == COMMAND_RUN_LIST ||
                  command == COMMAND_CONTRACTS || command >= COMMAND_COMPLETION;

    if ((fflush(stdout) == 0 && !ferror(stdout)) || !counts ||
        program->exit_code != EXIT_OK)
        return program->exit_code;
    fprintf(stderr, "supervisor: can't write all of the output: %s\n", strerror(errno));
    return EXIT_FAILED;
}

int main(int argc, char **argv)
{
    struct program program = {.lock_fd = -1, .log_fd = -1, .notify = {.fd = -1}};
    struct err err = {0};
    sigset_t blocked;

    if (argc > 1 && strcmp(argv[1], "complete") == 0)
        return supervisor_manual_complete(argc - 2, argv + 2);
    open_standard_descriptors();
    /* Whoever started us may have blocked others; a HUP waits until it can be a
     * reload, a USR1 until there is a log. Without that they end us. */
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGHUP);
    sigaddset(&blocked, SIGUSR1);
    sigaddset(&blocked, SIGUSR2);
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
        program.exit_code = init_write_lock_file(&program.options.init);
    } else {
        run(&program);
    }
    program.exit_code = finish_output(&program);
    config_destroy(program.sup.config);
    problems_finish(&program.problems);
    options_finish(&program.options);
    if (program.log_fd != -1)
        close(program.log_fd);
    return program.exit_code;
}
