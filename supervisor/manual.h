/*
 * manual -- what a program says of itself: help, manual page and shell completion.
 *
 * A program describes its commands and options once, in a struct manual filled from the
 * tables that its command line is read by. Everything that people or shells are told
 * comes from there: manual_print_help() for the terminal, manual_print_page() in the
 * format of man(7), manual_complete() for the word that a shell wants completed. The
 * scripts of manual_print_completion() know nothing of their own: they ask the program.
 *
 * What an argument may be is told by its name in the usage: lower-case words with bars
 * are choices ("md|json"), FILE and PATH are files, DIR is a folder; other names are
 * handed to the program, which may know (running services, say).
 */
#ifndef TROUPE_SUPERVISOR_MANUAL_H
#define TROUPE_SUPERVISOR_MANUAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define MANUAL_MAX_COMMANDS 64
#define MANUAL_MAX_FLAGS    64

struct manual_command {
    const char *name;      /* "registry get": two words are one command */
    const char *usage;     /* the name and what goes behind it */
    const char *help;      /* half a sentence */
    const char *notes;     /* more, for the page and for help about it; NULL: none */
    const char *completes; /* what its NS:ENTRY names ("services"); NULL: anything */
    const char *group;     /* heading in lists */
    uint32_t flags;        /* bits of the options that it takes */
};

struct manual_flag {
    const char *name;  /* long, without dashes */
    const char *value; /* what it takes; NULL: nothing */
    const char *help;
    uint32_t of; /* the bit that commands have which take it; 0: all do */
    char letter; /* 0: none */
};

/* A section of the page. Blank lines part paragraphs; a line "tag<TAB>text" is an item
 * of a list; lines that start with four blanks stay as they are. */
struct manual_section {
    const char *heading;
    const char *text;
};

struct manual {
    const char *program;
    const char *page_section;    /* "1" */
    const char *summary;         /* behind the name, at the top of the page */
    const char *const *synopsis; /* a line each, NULL at the end */
    const char *description;     /* text as in a section */
    const char *examples;        /* lines, as they are typed */
    const struct manual_section *sections;
    unsigned n_sections;
    const char *see_also; /* "supctl(1), ..." */
    struct manual_command commands[MANUAL_MAX_COMMANDS];
    unsigned n_commands;
    struct manual_flag flags[MANUAL_MAX_FLAGS];
    unsigned n_flags;
};

/* Both copy the row, not its texts. More than the maximum is a bug: it aborts. */
void manual_add_command(struct manual *manual, const struct manual_command *command);
void manual_add_flag(struct manual *manual, const struct manual_flag *flag);

/* Is this the command of that name, or one of its two-word commands? */
bool manual_is_about(const struct manual_command *command, const char *about);

/* Help about one command, or about all for NULL; 80 columns. false: no such command,
 * nothing was printed. */
bool manual_print_help(const struct manual *manual, const char *about, FILE *out);

/* The page, for man(1). */
void manual_print_page(const struct manual *manual, FILE *out);

/* The script for a shell ("bash", "zsh", "fish"); false: no such shell. */
bool manual_print_completion(const char *program, const char *shell, FILE *out);

/* ---- completion ------------------------------------------------------------------ */

struct manual_offers {
    FILE *out;
    const char *typed;  /* the beginning of the word */
    const char *option; /* what stands glued before it: "--level=" */
    int option_bytes;
};

/* Offers a word if it goes on from what was typed; help may be NULL. One that would
 * move a terminal's cursor is left out: apps choose names. */
void manual_offer(const struct manual_offers *offers, const char *word,
                  const char *help);

/* What the program knows of an argument called `what` ("services", "PID"). */
typedef void manual_ask(void *context, const char *what,
                        const struct manual_offers *offers);

/* words: what stands behind the program's name, the last of them (maybe empty) being
 * typed. Prints a line for each word that it could become, with its help behind a tab;
 * ":files" and ":folders" leave it to the shell. ask may be NULL. */
void manual_complete(const struct manual *manual, const char *const *words,
                     unsigned n_words, manual_ask *ask, void *context, FILE *out);

#endif
