#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/exit.h"
#include "common/mem.h"

#include "supervisor/manual.h"
#include "supervisor/supctl.h"

#define COMPLETE_TIMEOUT_MS 500 /* who waits for a key wants no more */

/* What a command's NS:ENTRY names, and what half a sentence can't say. */
static const struct note {
    const char *command;
    const char *completes;
    const char *text;
} notes[] = {
    {"status", "services",
     "Without a name: the supervisor, its services, pools and workers. With one: that "
     "service; exit status 3 if it does not run."},
    {"start", "services",
     "Returns when it runs, has failed, or has not started in its start_timeout."},
    {"stop", "services",
     "A service is stopped after those that need it. Without a name the supervisor "
     "stops "
     "everything in order and ends; with --now it kills what runs."},
    {"restart", "services", NULL},
    {"is-running", "services", "A service that is starting does not run yet."},
    {"wait", "services", NULL},
    {"reset-failed", "services", "Its delays and attempts begin anew."},
    {"pool", "pools", NULL},
    {"scale", "pools", "Until the next change of its entry."},
    {"call", "functions",
     "Each argument is JSON, or a text when it isn't. --timeout is the call's own "
     "deadline. An error goes to standard error, with exit status 1."},
    {"spawn", "processes", NULL},
    {"events", NULL,
     "SYSTEM and KIND are patterns: * is one segment between dots, ** any number."},
    {"registry get", "entries", NULL},
    {"registry find", NULL,
     "FIELD is .kind, .id, .ns or .name, whose VALUE may hold one *, or meta.X. Before "
     "meta.X, ~ asks for a regular expression, * for a part of the text or of an item, "
     "^ "
     "for its start, $ for its end. All of them must fit."},
    {"registry apply", NULL,
     "All of it in one version, or none of it; what doesn't load is refused with file "
     "and line, what is there already stays as it is. --dry-run only says what would "
     "change."},
    {"registry rollback", NULL,
     "The entries become as they were in that version, which is the present one again; "
     "services that run other code restart. Files stay as they are: the next reload "
     "brings back what they say."},
    {"reload", NULL,
     "New workers take the changed code over while calls go on; services that changed "
     "restart. What doesn't load changes nothing."},
    {"top", NULL, "Keys: q ends it; the last line names the others."},
    {"trace", NULL,
     "ID is one that 'supctl trace' lists, or its beginning. Record with 'supctl call "
     "--trace', or for a share of all calls with the setting trace.sample."},
    {"doctor", NULL, "Needs no running supervisor, but asks one if it is there."},
};

static const char *const synopsis[] = {"supctl COMMAND [OPTIONS] [ARGS...]", NULL};

static const char description[] =
    "supctl asks a running supervisor(1) over its control socket, which belongs to the "
    "user who started it. It finds the only one that runs by itself; --control says "
    "which one when there are several.\n"
    "\n"
    "Results are tables for people; with --json they are JSON whose keys are stable. "
    "Options may stand anywhere. What begins with a dash and is no option goes behind "
    "'--'. No command makes another one wait.";

static const char examples[] = "    supctl status\n"
                               "    supctl call app:add 2 3\n"
                               "    supctl logs -f --level warn\n"
                               "    supctl reload --dry-run\n"
                               "    supctl registry find .kind=function.lua --json\n";

static const struct manual_section sections[] = {
    {"EXIT STATUS",
     "0\tDone.\n"
     "1\tWhat was asked for failed; standard error has the error's kind and message.\n"
     "2\tThe command line makes no sense.\n"
     "3\tThe service does not run ('is-running', 'status' with a name).\n"
     "4\tThere is nothing of that name.\n"
     "5\tRefused: the user may not.\n"
     "6\tNo supervisor answers."},
    {"ENVIRONMENT",
     "TROUPE_CONTROL\tThe control socket, as with --control.\n"
     "XDG_RUNTIME_DIR\tWhere sockets of supervisors are looked for that root doesn't "
     "run.\n"
     "NO_COLOR\tTables are without colour, if it holds anything.\n"
     "TERM\tThe terminal that 'supctl top' draws on; tables for one that is 'dumb' are "
     "without colour."},
    {"FILES", "/run/troupe/APP.sock, $XDG_RUNTIME_DIR/troupe/APP.sock, "
              "/tmp/troupe-UID/APP.sock\tControl sockets, where they are looked for."},
};

static void add_command(struct manual *manual, const struct command *row,
                        const char *title)
{
    struct manual_command command = {.name = row->name,
                                     .usage = row->usage,
                                     .help = row->help,
                                     .group = title,
                                     .flags = row->flags};

    for (unsigned i = 0; i < N_ELEMENTS(notes); i++) {
        if (strcmp(notes[i].command, row->name) == 0) {
            command.completes = notes[i].completes;
            command.notes = notes[i].text;
        }
    }
    manual_add_command(manual, &command);
}

static struct manual fill(void)
{
    struct manual manual = {
        .program = "supctl",
        .page_section = "1",
        .summary = "looks into and steers a running supervisor",
        .synopsis = synopsis,
        .description = description,
        .examples = examples,
        .sections = sections,
        .n_sections = N_ELEMENTS(sections),
        .see_also = "supervisor(1), supervisor.yaml(5), worker(8)",
    };

    for (unsigned t = 0; t < supctl_n_tables; t++) {
        for (unsigned i = 0; i < supctl_tables[t]->n; i++)
            add_command(&manual, &supctl_tables[t]->rows[i], supctl_tables[t]->title);
    }
    for (unsigned i = 0; i < supctl_n_flags; i++) {
        const struct flag_row *row = &supctl_flags[i];
        struct manual_flag flag = {.name = row->name,
                                   .value = row->value,
                                   .help = row->help,
                                   .of = row->id < SUPCTL_GLOBAL ? row->id : 0,
                                   .letter = row->letter};

        manual_add_flag(&manual, &flag);
    }
    return manual;
}

bool supctl_print_help(const char *const *words, unsigned n)
{
    const struct manual manual = fill();
    char both[80];

    if (n == 0)
        return manual_print_help(&manual, NULL, stdout);
    if (n > 1)
        snprintf(both, sizeof(both), "%s %s", words[0], words[1]);
    return (n > 1 && manual_print_help(&manual, both, stdout)) ||
           manual_print_help(&manual, words[0], stdout);
}

/* ---- completion ------------------------------------------------------------------ */

/* What a running supervisor knows of: a list of maps, with the word under `key`. */
static const struct source {
    const char *what;
    const char *target;
    const char *key;
    const char *kind; /* only entries whose kind begins so; NULL: all */
} sources[] = {
    {"services", "@services.list", "id", NULL},
    {"pools", "@pools.list", "entry", NULL},
    {"entries", "@registry.list", "id", NULL},
    {"NS:ENTRY", "@registry.list", "id", NULL},
    {"functions", "@registry.list", "id", "function."},
    {"processes", "@registry.list", "id", "process.lua"},
    {"HOST", "@registry.list", "id", "process.host"},
    {"PID|NAME", "@names.list", "name", NULL},
    {"PID|NAME", "@actors.list", "pid", NULL},
    {"VERSION", "@registry.versions", "id", NULL},
    {"ID", "@trace.list", "trace", NULL},
};

static void offer_row(const struct source *source, const struct value *row,
                      const struct manual_offers *offers)
{
    const struct value *word = value_get(row, source->key);
    const char *kind = value_get_text(row, "kind");
    char number[24];

    if (word == NULL)
        return;
    if (source->kind != NULL &&
        (kind == NULL || strncmp(kind, source->kind, strlen(source->kind)) != 0))
        return;
    if (word->type == VALUE_INT) {
        snprintf(number, sizeof(number), "%lld", (long long)word->as.integer);
        manual_offer(offers, number, NULL);
    } else if (word->type == VALUE_STRING) {
        manual_offer(offers, word->as.string.data, kind);
    }
}

static void ask_source(struct supctl_client *client, const struct source *source,
                       const struct manual_offers *offers)
{
    struct value args = value_list(), result = {0};
    struct supctl_error error = {0};

    if (strcmp(source->target, "@registry.list") == 0)
        args = supctl_args_brief(NULL);
    if (supctl_client_call(client, source->target, &args, NULL, COMPLETE_TIMEOUT_MS,
                           NULL, NULL, &result, &error) == 0 &&
        result.type == VALUE_LIST) {
        for (size_t i = 0; i < result.as.list.n; i++)
            offer_row(source, &result.as.list.items[i], offers);
    }
    supctl_error_finish(&error);
    value_finish(&result);
    value_finish(&args);
}

static void ask(void *control, const char *what, const struct manual_offers *offers)
{
    struct supctl_error error = {0};
    struct supctl_client *client = NULL;

    for (unsigned i = 0; i < N_ELEMENTS(sources); i++) {
        if (strcmp(sources[i].what, what) != 0)
            continue;
        if (client == NULL)
            client = supctl_client_connect(control, &error);
        if (client == NULL)
            break;
        ask_source(client, &sources[i], offers);
    }
    supctl_error_finish(&error);
    supctl_client_close(client);
}

int supctl_complete(int argc, char **argv)
{
    const struct manual manual = fill();
    char *control = getenv("TROUPE_CONTROL");

    for (int i = 0; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--control") == 0)
            control = argv[i + 1];
        else if (strncmp(argv[i], "--control=", 10) == 0)
            control = argv[i] + 10;
    }
    manual_complete(&manual, (const char *const *)argv, (unsigned)argc, ask, control,
                    stdout);
    return EXIT_OK;
}

/* ---- commands -------------------------------------------------------------------- */

static int run_help(struct supctl *ctl)
{
    if (supctl_print_help(ctl->args, ctl->n_args))
        return EXIT_OK;
    fprintf(stderr, "supctl: no such command: '%s'\nSee 'supctl help'.\n",
            ctl->args[0]);
    return EXIT_USAGE;
}

static int run_completion(struct supctl *ctl)
{
    if (manual_print_completion("supctl", ctl->args[0], stdout))
        return EXIT_OK;
    fprintf(stderr, "supctl: completion is for bash, zsh or fish, not '%s'\n",
            ctl->args[0]);
    return EXIT_USAGE;
}

static int run_manual(struct supctl *ctl)
{
    const struct manual manual = fill();

    (void)ctl;
    manual_print_page(&manual, stdout);
    return EXIT_OK;
}

static const struct command commands[] = {
    {"help", "help [COMMAND]", "say what there is, or more about one command", 0, 2, 0,
     run_help},
    {"completion", "completion bash|zsh|fish",
     "print the script that completes commands in that shell", 1, 1, 0, run_completion},
    {"manual", "manual", "print the manual page, for 'man -l -'", 0, 0, 0, run_manual},
};
const struct command_table supctl_manual_commands = {commands, N_ELEMENTS(commands),
                                                     "About supctl"};
