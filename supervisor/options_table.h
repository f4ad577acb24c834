/*
 * options_table -- every command and option of `supervisor`, once.
 *
 * options.c reads command lines by it; supervisor_manual.c tells people and shells of
 * it.
 */
#ifndef TROUPE_SUPERVISOR_OPTIONS_TABLE_H
#define TROUPE_SUPERVISOR_OPTIONS_TABLE_H

#include <stdbool.h>

#include "supervisor/options.h"

enum option_id {
    OPT_CONFIG,
    OPT_OVERRIDE,
    OPT_SET,
    OPT_STATE,
    OPT_CONTROL,
    OPT_LOG_FORMAT,
    OPT_LOG_LEVEL,
    OPT_VERBOSE,
    OPT_SILENT,
    OPT_EXEC,
    OPT_HOST,
    OPT_FORMAT,
    OPT_OUT,
    OPT_VERSION,
    OPT_HELP,
    OPT_CONSOLE, /* this and the next two: wippy's */
    OPT_EVENTS,
    OPT_MEMORY,
    OPT_BYTECODE,
    OPT_EXCLUDE,
    OPT_EXCLUDE_NS,
    OPT_EMBED,
    OPT_LIST,
    OPT_LEVEL,
    OPT_JSON,
    OPT_NS,
    OPT_CODE,
    OPT_LIMIT,
    OPT_SUMMARY,
    OPT_SRC_DIR,
    OPT_MODULES_DIR,
    OPT_LOCK_FILE, /* of init; lint takes it for the sake of scripts */
    OPT_NOTHING,   /* taken for the sake of scripts, has no effect here */
    OPT_NOTHING_WITH_VALUE,
};

struct option_row {
    const char *name;
    char letter; /* 0 = none */
    enum option_id id;
    const char *value; /* what it takes, NULL = nothing */
    const char *help;
    enum command of; /* the one command that has it; BOOT = all */
};

struct command_row {
    const char *name;
    const char *usage;
    const char *help;
    bool later; /* known, but not in this build */
    enum command id;
};

extern const struct option_row options_table[];
extern const unsigned n_options;
/* What `wippy` has besides, in front of ours where letters are the same. */
extern const struct option_row wippy_options_table[];
extern const unsigned n_wippy_options;
extern const struct command_row commands_table[];
extern const unsigned n_commands;

#endif
