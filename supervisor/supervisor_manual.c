#include "supervisor/supervisor_manual.h"

#include <stdio.h>
#include <string.h>

#include "common/exit.h"
#include "common/mem.h"

#include "supervisor/manual.h"
#include "supervisor/options_table.h"
#include "supervisor/settings.h"

static const struct {
    enum command command;
    const char *text;
} notes[] = {
    {COMMAND_RUN,
     "An app is a folder with _index.yaml files, its src folder if it has one, or a "
     "pack. Without NAME and -x it stays in the foreground until it is stopped.\n"
     "\n"
     "With -x or NAME (the meta.command.name of a process) one process runs on the "
     "terminal; what is behind it are its arguments. Its result is the exit status: an "
     "integer is itself, nil and true are 0, an error is 1. Logs then go nowhere "
     "unless "
     "they are asked for."},
    {COMMAND_CHECK,
     "Every problem is told at once, as file:line:column with what would be right; "
     "exit status 78 if there was an error. Lua sources are compiled, nothing runs."},
    {COMMAND_TEST,
     "The app is booted, its tests run one after the other, and a summary ends it. A "
     "PATTERN is a test's name, id or meta.suite; names and ids may begin or end with "
     "*. Exit status 1 if any failed."},
    {COMMAND_PACK,
     "The file holds every entry and every source, and runs with any supervisor that "
     "knows its format. --bytecode compiles Lua: then the pack holds no source of it, "
     "and runs with builds like this one only."},
    {COMMAND_DEV,
     "The same as to boot it, and each time that a file is saved it is reloaded as "
     "'supctl reload' does: all or nothing."},
    {COMMAND_COMPLETION, "For bash: supervisor completion bash > "
                         "~/.local/share/bash-completion/completions/supervisor"},
};

static const char *const synopsis[] = {
    "supervisor --config PATH [OPTIONS]",
    "supervisor COMMAND [OPTIONS] [ARGS...]",
    NULL,
};

static const char description[] =
    "supervisor boots an app: a registry of entries in YAML that says which functions, "
    "processes and services there are. It runs none of their code itself. It starts "
    "worker processes, routes every call and message between them, restarts what dies "
    "and stops everything in order.\n"
    "\n"
    "It stays in the foreground. supctl(1) looks into it and steers it.";

static const char examples[] =
    "    supervisor --config registry.yaml  # boot one file\n"
    "    supervisor run -x app:hello Ann    # run one process on the terminal\n"
    "    supervisor check --config myapp    # what is wrong with it?\n"
    "    supervisor dev myapp               # reload whenever a file is saved\n"
    "    supervisor --config myapp -o app:worker:pool.workers=8\n";

static const struct manual_section sections[] = {
    {"SIGNALS",
     "TERM, INT\tStop in order: services, then calls and actors. A second one stops at "
     "once.\n"
     "HUP\tRead the app's files again and run what has changed, as 'supctl reload'.\n"
     "USR1\tOpen the log file again, for logrotate(8).\n"
     "USR2\tUpgrade in place; this build refuses it with a log line."},
    {"EXIT STATUS",
     "0\tA clean stop, or what a process on the terminal gave back.\n"
     "1\tWhat was asked for failed.\n"
     "2\tThe command line makes no sense.\n"
     "69\tA needed thing is missing or taken: the state folder is locked by another "
     "supervisor, an address is in use, workers can't be confined as asked.\n"
     "70\tA bug of supervisor.\n"
     "78\tThe registry or the settings don't load."},
    {"ENVIRONMENT",
     "XDG_STATE_HOME\tWhere the state of apps is kept, unless run by root; "
     "~/.local/state without it.\n"
     "XDG_RUNTIME_DIR\tWhere control sockets are made, unless run by root; "
     "/tmp/troupe-UID without it.\n"
     "SKIP_TEST_DIRS\tNames of folders, separated by commas, that are not searched for "
     "entries.\n"
     "NOTIFY_SOCKET, WATCHDOG_USEC\tSet by systemd(1): readiness, state and a watchdog "
     "are told there."},
    {"FILES",
     "/etc/troupe/supervisor.yaml, ./supervisor.yaml, ./.wippy.yaml\tSettings; later "
     "ones win. See supervisor.yaml(5).\n"
     "/var/lib/troupe/APP\tThe state of an app that root runs.\n"
     "/run/troupe/APP.sock\tThe control socket of an app that root runs."},
};

static const struct manual worker_page = {
    .program = "worker",
    .page_section = "8",
    .summary = "runs the code of apps for supervisor",
    .synopsis = (const char *const[]){"worker (started by supervisor)", NULL},
    .description =
        "worker holds Lua states and runs functions and processes in them. It is "
        "started "
        "by supervisor(1) alone, with a socket to it and a role: to run the functions "
        "of one pool, the processes of one host, or the process that has the terminal; "
        "or to compile sources. Started by hand it says so and exits with status 2.\n"
        "\n"
        "It reads nothing but that socket, and files when it checks that they may be "
        "read. Where the kernel allows, it gives up everything else before it runs any "
        "code of an app: new privileges, other system calls (seccomp), the file system "
        "(Landlock). 'supctl doctor' says how far that goes on a machine, "
        "workers.confine "
        "in supervisor.yaml(5) how far it has to go.\n"
        "\n"
        "It dies with its supervisor. One that hangs, crashes or outgrows its memory "
        "is "
        "killed and replaced; whoever waited for it gets an error of kind Unavailable.",
    .sections =
        (const struct manual_section[]){
            {"FILES", "" TROUPE_LIBEXECDIR "/worker\tWhere an installation has it. A "
                      "supervisor that "
                      "was not installed takes the one of its build folder."},
            {"EXIT STATUS", "0\tThe supervisor closed the connection.\n"
                            "2\tStarted by hand.\n"
                            "70\tOut of memory, or a bug."}},
    .n_sections = 2,
    .see_also = "supervisor(1), supctl(1), supervisor.yaml(5)",
};

static const char *notes_of(enum command command)
{
    for (unsigned i = 0; i < N_ELEMENTS(notes); i++) {
        if (notes[i].command == command)
            return notes[i].text;
    }
    return NULL;
}

static void add_options(struct manual *manual, const struct option_row *rows,
                        unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct manual_flag flag = {.name = rows[i].name,
                                   .value = rows[i].value,
                                   .help = rows[i].help,
                                   .of = rows[i].of == COMMAND_BOOT ? 0
                                                                    : 1U << rows[i].of,
                                   .letter = rows[i].letter};

        manual_add_flag(manual, &flag);
    }
}

/* What a link of that name understands besides; its letters come first. */
static void add_wippy_options(struct manual *manual)
{
    for (unsigned i = 0; i < manual->n_flags; i++) {
        for (unsigned w = 0; w < n_wippy_options; w++) {
            if (manual->flags[i].letter == wippy_options_table[w].letter)
                manual->flags[i].letter = 0;
        }
    }
    add_options(manual, wippy_options_table, n_wippy_options);
}

static void add_rows(struct manual *manual)
{
    for (unsigned i = 0; i < n_commands; i++) {
        const struct command_row *row = &commands_table[i];
        struct manual_command command = {.name = row->name,
                                         .usage = row->usage,
                                         .help = row->help,
                                         .notes = notes_of(row->id),
                                         .group = "Commands",
                                         .flags = 1U << row->id};

        if (!row->later)
            manual_add_command(manual, &command);
    }
    add_options(manual, options_table, n_options);
}

static struct manual fill(void)
{
    struct manual manual = {
        .program = "supervisor",
        .page_section = "1",
        .summary = "runs apps made of actors, functions and services",
        .synopsis = synopsis,
        .description = description,
        .examples = examples,
        .sections = sections,
        .n_sections = N_ELEMENTS(sections),
        .see_also = "supctl(1), supervisor.yaml(5), worker(8)",
    };

    add_rows(&manual);
    return manual;
}

static int complain(const char *fmt, const char *about)
{
    fputs("supervisor: ", stderr);
    fprintf(stderr, fmt, about);
    fputc('\n', stderr);
    return EXIT_USAGE;
}

static int print_help(const struct manual *manual, const char *about)
{
    if (manual_print_help(manual, about, stdout))
        return EXIT_OK;
    for (unsigned i = 0; i < n_commands; i++) {
        if (strcmp(commands_table[i].name, about) == 0)
            return complain("'%s' is not in this build", about);
    }
    return complain("no such command: '%.60s'", about);
}

int supervisor_manual_run(const struct options *options)
{
    struct manual manual = fill();
    const char *word = options->args.n > 0 ? options->args.items[0] : "";

    if (options->as_wippy)
        add_wippy_options(&manual);
    if (options->command == COMMAND_HELP)
        return print_help(&manual, options->help_about);
    if (options->command == COMMAND_COMPLETION) {
        if (manual_print_completion("supervisor", word, stdout))
            return EXIT_OK;
        if (options->args.n == 0)
            return complain("completion needs a shell: %s", "bash, zsh or fish");
        return complain("completion is for bash, zsh or fish, not '%.60s'", word);
    }
    if (strcmp(word, "worker") == 0)
        manual_print_page(&worker_page, stdout);
    else if (word[0] == '\0' || strcmp(word, "supervisor") == 0)
        manual_print_page(&manual, stdout);
    else
        return complain("there are pages of supervisor and worker, not of '%.60s'",
                        word);
    return EXIT_OK;
}

/* Settings by name; whoever uses them knows the value. */
static void offer_settings(void *context, const char *what,
                           const struct manual_offers *offers)
{
    const struct setting *row;

    (void)context;
    if (strcmp(what, "SECTION.KEY=VALUE") != 0)
        return;
    for (unsigned i = 0; (row = setting_at(i)) != NULL; i++) {
        char word[80];

        if (!setting_counts(row))
            continue;
        snprintf(word, sizeof(word), "%s=", row->key);
        manual_offer(offers, word, NULL);
    }
}

int supervisor_manual_complete(int argc, char **argv)
{
    const struct manual manual = fill();

    manual_complete(&manual, (const char *const *)argv, (unsigned)argc, offer_settings,
                    NULL, stdout);
    return EXIT_OK;
}
