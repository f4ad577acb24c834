#include "supervisor/terminal_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <ev.h>

#include "common/err.h"
#include "common/exit.h"
#include "common/id.h"
#include "common/mem.h"
#include "common/nearest.h"
#include "common/value.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/calls.h"
#include "supervisor/core.h"
#include "supervisor/entry.h"
#include "supervisor/options.h"
#include "supervisor/registry.h"
#include "supervisor/registry_check.h"
#include "supervisor/registry_kinds.h"
#include "supervisor/router.h"
#include "supervisor/service.h"

/* No service ever gets a control pid with so high a generation. */
#define CONTROL_PID pid_make(0, 0xffffffffu, 1)

struct terminal_run {
    struct supervisor *sup;
    const struct options *options;
    char *entry;
    char *host; /* NULL: a function, which needs none */
    bool ended;
    bool has_mode; /* stdin is a tty, and this is how we found it */
    struct termios mode;
    void (*done)(void *context, int exit_code);
    void *context;
};

/* ---- what is meant --------------------------------------------------------------- */

static bool is_process(const struct entry *entry)
{
    return entry->type != NULL && (entry->type->flags & KIND_PROCESS) != 0;
}

static bool is_function(const struct entry *entry)
{
    return entry->type != NULL && (entry->type->flags & KIND_CALLABLE) != 0;
}

static const char *command_name(const struct entry *entry)
{
    return value_text(value_get_path(&entry->meta, "command.name"));
}

static const struct entry *find_by_command(const struct snapshot *state,
                                           const char *name, bool functions_too)
{
    for (size_t i = 0; i < state->n; i++) {
        const struct entry *entry = state->entries[i];
        const char *command = command_name(entry);

        if (command != NULL && strcmp(command, name) == 0 &&
            (is_process(entry) || (functions_too && is_function(entry))))
            return entry;
    }
    return NULL;
}

/* -x hello, without a colon: a command, else the only process of that name. */
static const struct entry *find_by_bare_name(const struct snapshot *state,
                                             const char *name, struct err *err)
{
    const struct entry *found = find_by_command(state, name, false);
    bool is_command = found != NULL;

    for (size_t i = 0; found == NULL && i < state->n; i++) {
        if (is_process(state->entries[i]) && strcmp(state->entries[i]->name, name) == 0)
            found = state->entries[i];
    }
    if (found == NULL)
        err_set(err, ERR_NOT_FOUND, "no process is called '%s'; -x wants NS:ENTRY",
                name);
    for (size_t i = 0; found != NULL && !is_command && i < state->n; i++) {
        const struct entry *other = state->entries[i];

        if (other != found && is_process(other) && strcmp(other->name, name) == 0) {
            err_set(err, ERR_CONFLICT, "'%s' may be %s or %s", name, found->id,
                    other->id);
            return NULL;
        }
    }
    return found;
}

/* The command that name was probably meant to be, NULL if none is near. */
static const char *nearest_command(const struct snapshot *state, const char *name)
{
    const char **names = xcalloc(state->n + 1, sizeof(names[0])), *nearest;

    for (size_t i = 0; i < state->n; i++)
        names[i] =
            is_process(state->entries[i]) ? command_name(state->entries[i]) : NULL;
    nearest = nearest_find(name, names, state->n);
    free(names);
    return nearest;
}

static void refuse_command(const struct snapshot *state, const char *name,
                           struct err *err)
{
    const char *nearest = nearest_command(state, name);

    err_set(err, ERR_NOT_FOUND,
            "command \"%.60s\" not found. Use 'supervisor run list' to see available "
            "commands%s%s%s",
            name, nearest != NULL ? "; did you mean '" : "",
            nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
}

static void refuse_entry(const struct snapshot *state, const char *id, struct err *err)
{
    const char *nearest = nearest_entry(state, "process.", id);

    err_set(err, ERR_NOT_FOUND, "entry not found: %s%s%s%s", id,
            nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
            nearest != NULL ? "?" : "");
}

static const struct entry *find_target(const struct snapshot *state,
                                       const struct options *options, struct err *err)
{
    const struct entry *entry;

    if (options->command == COMMAND_TEST)
        return find_by_command(state, "test", true); /* has_test was asked */
    if (options->exec == NULL) {
        entry = find_by_command(state, options->name, false);
        if (entry == NULL)
            refuse_command(state, options->name, err);
        return entry;
    }
    if (strchr(options->exec, ':') == NULL)
        return find_by_bare_name(state, options->exec, err);
    entry = snapshot_find(state, options->exec, strlen(options->exec));
    if (entry == NULL)
        refuse_entry(state, options->exec, err);
    else if (!is_process(entry))
        err_set(err, ERR_INVALID, "%s is no process but a %s", entry->id, entry->kind);
    return entry != NULL && is_process(entry) ? entry : NULL;
}

static const struct entry *find_host(const struct snapshot *state, const char *name,
                                     struct err *err)
{
    const struct entry *found = NULL;
    char all[300] = "";
    unsigned n = 0;

    for (size_t i = 0; i < state->n; i++) {
        const struct entry *entry = state->entries[i];
        size_t n_all = strlen(all);

        if (strcmp(entry->kind, "terminal.host") != 0)
            continue;
        if (name != NULL && strcmp(entry->id, name) == 0)
            return entry;
        snprintf(all + n_all, sizeof(all) - n_all, "%s%s", n > 0 ? ", " : "",
                 entry->id);
        found = entry;
        n++;
    }
    if (name == NULL && n == 1)
        return found;
    if (name != NULL)
        err_set(err, ERR_NOT_FOUND, "no terminal.host %.100s found in registry%s%s",
                name, n > 0 ? "; there is " : "", all);
    else if (n > 1)
        err_set(err, ERR_CONFLICT,
                "multiple terminal hosts found (%s), use --host to specify", all);
    else
        err_set(err, ERR_NOT_FOUND, "no terminal.host found in registry");
    return NULL;
}

struct terminal_run *terminal_run_create(struct supervisor *sup,
                                         const struct options *options,
                                         void (*done)(void *context, int exit_code),
                                         void *context, struct err *err)
{
    const struct snapshot *state = registry_state(sup->registry);
    const struct entry *entry = find_target(state, options, err), *host = NULL;
    struct terminal_run *run;

    if (entry == NULL)
        return NULL;
    if (is_process(entry)) {
        host = find_host(state, options->host, err);
        if (host == NULL)
            return NULL;
    }
    run = xcalloc(1, sizeof(*run));
    run->sup = sup;
    run->options = options;
    run->entry = xstrdup(entry->id);
    run->host = host != NULL ? xstrdup(host->id) : NULL;
    run->done = done;
    run->context = context;
    run->has_mode = tcgetattr(STDIN_FILENO, &run->mode) == 0;
    return run;
}

/* Its worker puts the mode back itself, unless it died of something worse (MP-19). Only
 * a mode that differs is set: doing so in the background would stop us. */
static void restore_mode(const struct terminal_run *run)
{
    struct termios now;

    if (run->has_mode && tcgetattr(STDIN_FILENO, &now) == 0 &&
        (now.c_lflag != run->mode.c_lflag || now.c_iflag != run->mode.c_iflag ||
         now.c_oflag != run->mode.c_oflag))
        tcsetattr(STDIN_FILENO, TCSANOW, &run->mode);
}

void terminal_run_destroy(struct terminal_run *run)
{
    if (run == NULL)
        return;
    restore_mode(run);
    free(run->entry);
    free(run->host);
    free(run);
}

bool terminal_run_has_test(const struct registry *registry)
{
    return find_by_command(registry_state(registry), "test", true) != NULL;
}

void terminal_run_list(const struct registry *registry, FILE *out)
{
    const struct snapshot *state = registry_state(registry);
    bool any = false;

    for (size_t i = 0; i < state->n; i++) {
        const struct entry *entry = state->entries[i];
        const char *name = command_name(entry);
        const char *text = value_text(value_get_path(&entry->meta, "command.short"));

        if (name == NULL || !is_process(entry))
            continue;
        if (text == NULL)
            text = value_text(value_get(&entry->meta, "comment"));
        fprintf(out, "%-20s %-30s %s\n", name, entry->id, text != NULL ? text : "");
        any = true;
    }
    if (!any)
        fprintf(out, "no commands: no process has a meta.command.name\n");
}

/* ---- how it ends ----------------------------------------------------------------- */

static void end(struct terminal_run *run, int exit_code)
{
    if (run->ended)
        return;
    run->ended = true;
    run->done(run->context, exit_code);
}

/* "x: x: rest" says x once (TH-4). */
static const char *collapse(const char *text)
{
    for (;;) {
        const char *colon = strstr(text, ": ");
        size_t n = colon != NULL ? (size_t)(colon - text) + 2 : 0;

        if (n == 0 || strncmp(text, text + n, n) != 0)
            return text;
        text += n;
    }
}

static void fail(struct terminal_run *run, const struct err *err)
{
    restore_mode(run);
    fflush(stdout);
    fprintf(stderr, "%s\n", collapse(err->text));
    end(run, EXIT_FAILED);
}

static void fail_bytes(struct terminal_run *run, struct bytes error)
{
    struct err err;

    error_of_bytes(error, &err);
    fail(run, &err);
}

static int code_of_number(double number)
{
    if (isnan(number) || isinf(number))
        return EXIT_FAILED;
    return number >= 2147483647.0 || number <= -2147483648.0 ? EXIT_FAILED
                                                             : (int)number;
}

static void end_with_value(struct terminal_run *run, const struct value *value)
{
    int code = EXIT_OK;

    if (value != NULL && value->type == VALUE_INT)
        code = (int)value->as.integer;
    else if (value != NULL && value->type == VALUE_FLOAT)
        code = code_of_number(value->as.real);
    else if (value != NULL && value->type == VALUE_BOOL)
        code = value->as.boolean ? EXIT_OK : EXIT_FAILED;
    else if (value != NULL && value->type == VALUE_STRING)
        printf("%s\n", value->as.string.data);
    fflush(stdout);
    end(run, code & 255);
}

static void end_with_bytes(struct terminal_run *run, struct bytes result)
{
    struct value list;
    struct err err = {0};

    /* a result that is no plain data (functions, userdata) is "anything else" */
    if (payload_decode(result, &list, &err) != 0) {
        end(run, EXIT_OK);
        return;
    }
    end_with_value(run, value_item(&list, 0));
    value_finish(&list);
}

void terminal_run_on_exit(struct terminal_run *run, const struct frame_exit *frame)
{
    if (frame->to != CONTROL_PID)
        return;
    if (frame->failed != 0)
        fail_bytes(run, frame->result);
    else
        end_with_bytes(run, frame->result);
}

/* ---- how it starts --------------------------------------------------------------- */

static struct value make_arguments(const struct options *options)
{
    struct value list = value_list();

    for (unsigned i = 0; i < options->args.n; i++)
        value_append(&list, value_string(options->args.items[i]));
    return list;
}

static void on_spawned(void *context, uint8_t status, struct bytes result)
{
    if (status != REPLY_OK)
        fail_bytes(context, result);
    /* otherwise its EXIT is what we wait for */
}

static void on_host_started(void *context, const struct err *err)
{
    struct terminal_run *run = context;
    struct origin origin = {.type = ORIGIN_INTERNAL, .who.internal = {on_spawned, run}};
    struct value args;

    if (err != NULL) {
        fail(run, err);
        return;
    }
    args = make_arguments(run->options);
    calls_spawn_internal(run->sup, &origin, run->entry, run->host, "", &args,
                         (struct bytes){NULL, 0}, CONTROL_PID);
    value_finish(&args);
}

static void on_called(void *context, uint8_t status, struct bytes result)
{
    if (status != REPLY_OK)
        fail_bytes(context, result);
    else
        end_with_bytes(context, result);
}

static void call_function(struct terminal_run *run)
{
    struct origin origin = {.type = ORIGIN_INTERNAL, .who.internal = {on_called, run}};
    struct value args = make_arguments(run->options);
    struct buf payload;

    buf_init(&payload, 0);
    payload_encode(&payload, args.as.list.items, args.as.list.n);
    router_call_internal(run->sup, &origin, run->entry, buf_bytes(&payload), 0);
    buf_finish(&payload);
    value_finish(&args);
}

void terminal_run_start(struct terminal_run *run)
{
    if (run->host == NULL)
        call_function(run);
    else
        services_start(run->sup, run->host, on_host_started, run);
}
