/*
 * options -- the command line of `supervisor` as a struct.
 *
 * Options may stand before or behind the command, up to "--"; what looks like a
 * negative number is an argument. Nothing here looks at files: options say what was
 * typed, config what it means. Called through a link named `wippy`, that program's own
 * spelling of what we support is understood.
 */
#ifndef TROUPE_SUPERVISOR_OPTIONS_H
#define TROUPE_SUPERVISOR_OPTIONS_H

#include <stdbool.h>

#include "common/log.h"

struct err;

enum command {
    COMMAND_BOOT, /* no command: stay in the foreground */
    COMMAND_RUN,
    COMMAND_RUN_LIST,
    COMMAND_DEV, /* COMMAND_BOOT, with an eye on the files */
    COMMAND_CHECK,
    COMMAND_TEST,
    COMMAND_LINT,
    COMMAND_PACK,
    COMMAND_CONTRACTS,
    COMMAND_INIT, /* writes wippy.lock */
    COMMAND_COMPLETION,
    COMMAND_MANUAL,
    COMMAND_HELP,
    COMMAND_VERSION,
};

struct texts { /* borrowed from argv */
    const char **items;
    unsigned n;
};

struct options {
    enum command command;
    const char *help_about; /* name of a command, or NULL */
    bool as_wippy;          /* called by that name */
    struct texts configs;   /* --config */
    struct texts overrides; /* -o ns:entry:field=value */
    struct texts sets;      /* --set section.path=value */
    char **owned;           /* texts that argv doesn't have as they are */
    unsigned n_owned;
    const char *state, *control;
    const char *exec; /* -x: NS:ENTRY or a bare name */
    const char *host; /* --host */
    const char *name; /* run NAME */
    struct pack_options {
        const char *out;                                   /* the file to write */
        struct texts bytecode, exclude, exclude_ns, embed; /* patterns; commas too */
        bool list;
    } pack;
    struct lint_options {
        const char *level; /* NULL: warning */
        struct texts ns, codes;
        const char *limit; /* a number; NULL: all */
        bool json, summary;
    } lint;
    struct init_options { /* NULL: as is usual */
        const char *src, *modules, *lock_file;
    } init;
    struct doc_options {     /* contracts doc */
        const char *pattern; /* of ids; NULL: all */
        const char *out;     /* NULL: standard output */
        bool asked, json;    /* the word `doc` was there; else Markdown */
    } doc;
    struct texts args;
    bool has_log_format, has_log_level, silent;
    enum log_format log_format;
    enum log_level log_level;
};

/* argv lives at least as long as out. -1: err is a usage error (exit status 2), out
 * needs options_finish() in any case. */
int options_parse(struct options *out, int argc, char **argv, struct err *err);
void options_finish(struct options *options);

#endif
