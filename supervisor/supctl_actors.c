/* Actors, names and groups. */
#include "supervisor/supctl.h"

#include <limits.h>
#include <stdio.h>

#include "common/exit.h"
#include "common/mem.h"

#include "supervisor/supctl_table.h"

#define NAMED_AT_MOST 20

/* On stderr: what reads our output reads rows. */
static void say_what_lacks(const struct value *answer, size_t n_shown)
{
    const struct value *silent = value_get(answer, "silent_workers");
    long long n_silent = value_get_int(answer, "silent", 0);

    fflush(stdout);
    if (value_get_bool(answer, "cut", false))
        fprintf(stderr, "supctl: the list is cut: %zu of %lld actors\n", n_shown,
                (long long)value_get_int(answer, "total", 0));
    if (n_silent > 0)
        fprintf(stderr,
                "supctl: %lld worker%s did not answer in time: actors are missing\n",
                n_silent, n_silent == 1 ? "" : "s");
    for (size_t i = 0; i < value_list_n(silent) && i < NAMED_AT_MOST; i++)
        fprintf(stderr, "  %s, pid %lld\n",
                value_get_text(&silent->as.list.items[i], "pool"),
                (long long)value_get_int(&silent->as.list.items[i], "os_pid", 0));
}

static int run_ps(struct supctl *ctl)
{
    static const struct column columns[] = {
        {"PID", "pid", COLUMN_TEXT},       {"SOURCE", "source", COLUMN_TEXT},
        {"STATE", "state", COLUMN_STATE},  {"MAILBOX", "mailbox", COLUMN_NUMBER},
        {"STEPS", "steps", COLUMN_NUMBER},
    };
    struct value args = value_list(), options = value_map(), answer;
    const struct value *actors;
    int code;

    value_put(&options, "count", value_bool(true));
    value_append(&args, options);
    code = supctl_ask(ctl, "@actors.list", args, ASK_TIMEOUT_MS, &answer);
    actors = value_get(&answer, "actors");
    if (code == EXIT_OK && actors != NULL && actors->type == VALUE_LIST) {
        supctl_print_list(ctl, actors, columns, N_ELEMENTS(columns), "no actors");
        say_what_lacks(&answer, actors->as.list.n);
    }
    value_finish(&answer);
    return code;
}

static int run_inspect(struct supctl *ctl)
{
    struct value actor;
    int code = supctl_ask(ctl, "@actors.inspect", supctl_args(ctl->args[0]),
                          ASK_TIMEOUT_MS, &actor);

    if (code == EXIT_OK && ctl->json)
        supctl_print_json(&actor, false);
    else if (code == EXIT_OK)
        supctl_record_print(stdout, &actor);
    value_finish(&actor);
    return code;
}

static int simple(struct supctl *ctl, const char *target, struct value args)
{
    struct value result;
    int code = supctl_ask(ctl, target, args, ASK_TIMEOUT_MS, &result);

    if (code == EXIT_OK && ctl->json)
        supctl_print_json(&result, false);
    value_finish(&result);
    return code;
}

static int run_kill(struct supctl *ctl)
{
    return simple(ctl, "@actors.terminate", supctl_args(ctl->args[0]));
}

static int run_cancel(struct supctl *ctl)
{
    struct value args = supctl_args(ctl->args[0]);

    if (ctl->reason != NULL)
        value_append(&args, value_string(ctl->reason));
    return simple(ctl, "@actors.cancel", args);
}

static int run_send(struct supctl *ctl)
{
    struct value args = value_list();

    for (unsigned i = 0; i < ctl->n_args; i++)
        value_append(&args, i < 2 ? value_string(ctl->args[i])
                                  : supctl_json_or_text(ctl->args[i]));
    return simple(ctl, "@actors.send", args);
}

static int run_spawn(struct supctl *ctl)
{
    struct value args = value_list(), spawn_args = value_list(), result;
    int code;

    for (unsigned i = 2; i < ctl->n_args; i++)
        value_append(&spawn_args, supctl_json_or_text(ctl->args[i]));
    value_append(&args, value_string(ctl->args[0]));
    value_append(&args, value_string(ctl->args[1]));
    value_append(&args, spawn_args);
    value_append(&args, value_string(ctl->name != NULL ? ctl->name : ""));
    code = supctl_ask(ctl, "@actors.spawn", args, ASK_TIMEOUT_MS, &result);
    if (code == EXIT_OK && (ctl->json || result.type != VALUE_STRING))
        supctl_print_json(&result, false);
    else if (code == EXIT_OK)
        puts(value_text(&result));
    value_finish(&result);
    return code;
}

static int run_names(struct supctl *ctl)
{
    static const struct column columns[] = {
        {"NAME", "name", COLUMN_TEXT},
        {"PID", "pid", COLUMN_TEXT},
    };
    struct value names;
    int code = supctl_ask(ctl, "@names.list", value_list(), ASK_TIMEOUT_MS, &names);

    if (code == EXIT_OK)
        supctl_print_list(ctl, &names, columns, N_ELEMENTS(columns), "no names");
    value_finish(&names);
    return code;
}

static int run_groups(struct supctl *ctl)
{
    static const struct column groups[] = {
        {"SCOPE", "scope", COLUMN_TEXT},
        {"GROUP", "group", COLUMN_TEXT},
        {"MEMBERS", "members", COLUMN_NUMBER},
        {"WATCHERS", "watchers", COLUMN_NUMBER},
    };
    static const struct column members[] = {
        {"PID", "pid", COLUMN_TEXT},
        {"JOINED", "joined", COLUMN_NUMBER},
    };
    struct value args = value_list(), list;
    int code;

    for (unsigned i = 0; i < ctl->n_args; i++)
        value_append(&args, value_string(ctl->args[i]));
    code = supctl_ask(ctl, "@pg.list", args, ASK_TIMEOUT_MS, &list);
    if (code == EXIT_OK && ctl->n_args == 2)
        supctl_print_list(ctl, &list, members, N_ELEMENTS(members), "no members");
    else if (code == EXIT_OK)
        supctl_print_list(ctl, &list, groups, N_ELEMENTS(groups), "no groups");
    value_finish(&list);
    return code;
}

static const struct command commands[] = {
    {"ps", "ps", "actors", 0, 0, 0, run_ps},
    {"inspect", "inspect PID|NAME", "all about one actor", 1, 1, 0, run_inspect},
    {"kill", "kill PID|NAME", "end an actor at once", 1, 1, 0, run_kill},
    {"cancel", "cancel PID|NAME", "ask an actor to end", 1, 1, FLAG_REASON, run_cancel},
    {"send", "send PID|NAME TOPIC [JSON...]", "send a message", 2, UINT_MAX, 0,
     run_send},
    {"spawn", "spawn NS:ENTRY HOST [JSON...]", "start an actor, print its pid", 2,
     UINT_MAX, FLAG_NAME, run_spawn},
    {"names", "names", "who is registered", 0, 0, 0, run_names},
    {"groups", "groups [SCOPE [GROUP]]", "process groups, or the members of one", 0, 2,
     0, run_groups},
};
const struct command_table supctl_actor_commands = {commands, N_ELEMENTS(commands),
                                                    "Actors"};
