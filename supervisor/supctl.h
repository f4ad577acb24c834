/*
 * supctl -- the operator's command line, a client of the control socket.
 *
 * supctl.c reads the command line and finds the command in one table; the commands live
 * in supctl_*.c by subject, each asks the supervisor with supctl_ask() and prints. What
 * the supervisor refuses becomes an exit status (cli.md's table, common/exit.h) and one
 * line on stderr.
 */
#ifndef TROUPE_SUPERVISOR_SUPCTL_H
#define TROUPE_SUPERVISOR_SUPCTL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/value.h"

#include "supervisor/supctl_client.h"

struct column; /* of supctl_table.h */

enum flag {
    FLAG_NO_WAIT = 1,
    FLAG_NOW = 2,
    FLAG_FOLLOW = 4,
    FLAG_SERVICE = 8,
    FLAG_LEVEL = 16,
    FLAG_LINES = 32,
    FLAG_CONTEXT = 64,
    FLAG_NAME = 128,
    FLAG_REASON = 256,
    FLAG_DRY_RUN = 512,
    FLAG_TRACE = 1024,
};

struct supctl {
    /* from the command line */
    bool json;
    bool no_wait, now, follow, dry_run, trace;
    const char *control;
    uint64_t timeout_ms; /* 0 = the command's own */
    const char *service, *level, *name, *reason;
    int64_t n_lines;      /* -1 = not given */
    struct value context; /* --context k=v */
    const char **args;
    unsigned n_args;
    const struct command *command;

    bool is_terminal;             /* stdout */
    bool in_colour;               /* a terminal that may have it */
    struct supctl_client *client; /* connected when the command first asks */
};

struct command {
    const char *name; /* "registry get": two words are one command */
    const char *usage;
    const char *help;
    unsigned n_min, n_max;          /* arguments; UINT_MAX = any number */
    unsigned flags;                 /* enum flag that it takes */
    int (*run)(struct supctl *ctl); /* the exit status */
};

/* Tables of commands, by subject. */
struct command_table {
    const struct command *rows;
    unsigned n;
    const char *title;
};
extern const struct command_table supctl_service_commands;  /* supctl_services.c */
extern const struct command_table supctl_actor_commands;    /* supctl_actors.c */
extern const struct command_table supctl_system_commands;   /* supctl_system.c */
extern const struct command_table supctl_registry_commands; /* supctl_registry.c */
extern const struct command_table supctl_follow_commands;   /* supctl_follow.c */
extern const struct command_table supctl_observe_commands;  /* supctl_observe.c */
extern const struct command_table supctl_manual_commands;   /* supctl_manual.c */

/* All of them, and all options; supctl.c reads command lines by these. */
struct flag_row {
    const char *name;
    char letter; /* 0 = none */
    unsigned id; /* enum flag, or one that every command takes: SUPCTL_GLOBAL up */
    const char *value; /* NULL = takes none */
    const char *help;
};
#define SUPCTL_GLOBAL (1U << 16)
extern const struct command_table *const supctl_tables[];
extern const unsigned supctl_n_tables;
extern const struct flag_row supctl_flags[];
extern const unsigned supctl_n_flags;

/* ---- for commands ---------------------------------------------------------------- */

/* Asks an @target (or an entry). args is taken. timeout_ms 0 = as long as it takes,
 * unless --timeout was given. Returns EXIT_OK and the result (owned by the caller), or
 * the exit status after having printed the error. */
int supctl_ask(struct supctl *ctl, const char *target, struct value args,
               uint64_t timeout_ms, struct value *result_out);

/* The same, for streams; each item goes to on_item, which returns false to end. */
int supctl_ask_stream(struct supctl *ctl, const char *target, struct value args,
                      bool (*on_item)(struct supctl *ctl, const struct value *item));

/* A list of one text. */
struct value supctl_args(const char *text);

/* For @registry.list: of one namespace (NULL: all), without data. */
struct value supctl_args_brief(const char *space);

/* Parses text as JSON, takes it as a string when it isn't. */
struct value supctl_json_or_text(const char *text);

/* Prints as JSON: one line, or indented for people when pretty. */
void supctl_print_json(const struct value *value, bool pretty);

/* Prints a list as JSON, or as columns; none: what an empty one says. */
void supctl_print_list(const struct supctl *ctl, const struct value *list,
                       const struct column *columns, unsigned n, const char *none);

/* Prints an error and returns its exit status. */
int supctl_fail(const struct supctl *ctl, const struct supctl_error *error);
int supctl_fail_text(const struct supctl *ctl, enum err_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* For people, when id was not found: what it is, or which entry (of kinds that start
 * with kind_prefix; NULL: any) was probably meant. */
void supctl_suggest(struct supctl *ctl, const char *kind_prefix, const char *id);

int supctl_run_trace(struct supctl *ctl);  /* supctl_trace.c */
int supctl_run_doctor(struct supctl *ctl); /* supctl_doctor.c */

/* ---- supctl_manual.c: help and completion ---------------------------------------- */

/* Help about the command that the words begin with, about all for none; false: there is
 * no such command. */
bool supctl_print_help(const char *const *words, unsigned n);

/* `supctl complete WORDS...`, which completion scripts call: an exit status. */
int supctl_complete(int argc, char **argv);

#define ASK_TIMEOUT_MS 10000 /* for what the supervisor knows itself */

#endif
