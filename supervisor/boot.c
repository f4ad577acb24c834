#include "supervisor/program.h"

#include <stdio.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/exit.h"
#include "common/log.h"

#include "supervisor/banner.h"
#include "supervisor/bus.h"
#include "supervisor/code.h"
#include "supervisor/config.h"
#include "supervisor/control.h"
#include "supervisor/dev.h"
#include "supervisor/interceptors.h"
#include "supervisor/lint.h"
#include "supervisor/metrics_http.h"
#include "supervisor/otel.h"
#include "supervisor/pack_make.h"
#include "supervisor/pool_setup.h"
#include "supervisor/registry.h"
#include "supervisor/reload.h"
#include "supervisor/rollout.h"
#include "supervisor/service.h"
#include "supervisor/status.h"
#include "supervisor/terminal_run.h"
#include "supervisor/test_run.h"

/* The steps stand here in reverse: each names the one that follows it. */

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
    notify_state(&program->notify, text);
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

int program_print_problems(struct program *program)
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
    for (size_t i = 0; i < program->problems.n; i++)
        problem_log(&program->problems.rows[i]);
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

int program_exit_code_for(const struct err *err)
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
        give_up(program, program_exit_code_for(&err), &err);
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

bool program_starts_nothing(const struct program *program)
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
    int code = program_print_problems(program);

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
    if (n_failed > 0 || program->problems.n_errors > 0 ||
        program_starts_nothing(program)) {
        if (program->problems.n == 0) {
            size_t n = registry_state(program->sup.registry)->n;

            printf("no problems in %zu %s\n", n, n == 1 ? "entry" : "entries");
        }
        give_up(program, program_print_problems(program), NULL);
        return;
    }
    log_debug("sources compiled", "chunks=%zu", n_compiled);
    start_serving(program);
}

void program_boot(struct program *program)
{
    struct supervisor *sup = &program->sup;

    if (program->problems.n_errors > 0) {
        code_compile(sup->code, program->broken.items, program->broken.n, on_problem,
                     on_compiled, program);
        return;
    }
    if (!program_starts_nothing(program))
        log_warnings(program);
    code_compile_all(sup->code, on_problem, on_compiled, program);
}
