#include "supervisor/manual.h"

#include <ctype.h>
#include <string.h>

#define PAGE_DATE "2026-11-21"

/* Text of a line: what troff would take for a command or an escape is quoted. */
static void print_escaped(FILE *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c = text[i];

        if (i == 0 && (c == '.' || c == '\''))
            fputs("\\&", out);
        if (c == '\\')
            fputs("\\e", out);
        else if (c == '-')
            fputs("\\-", out);
        else if (c == '~')
            fputs("\\(ti", out);
        else if (c == '^')
            fputs("\\(ha", out);
        else
            fputc(c, out);
    }
}

static void print_line(FILE *out, const char *text)
{
    print_escaped(out, text, strlen(text));
    fputc('\n', out);
}

static void print_bold(FILE *out, const char *text, size_t n)
{
    fputs("\\fB", out);
    print_escaped(out, text, n);
    fputs("\\fR", out);
}

static void print_item(FILE *out, const char *text, size_t n_tag, size_t n)
{
    fputs(".TP\n", out);
    print_bold(out, text, n_tag);
    fputc('\n', out);
    print_escaped(out, text + n_tag + 1, n - n_tag - 1);
    fputc('\n', out);
}

/* As manual_section describes it. */
static void print_text(FILE *out, const char *text)
{
    bool is_verbatim = false, is_apart = false;

    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        const char *tab = memchr(text, '\t', n);
        bool keeps = strncmp(text, "    ", 4) == 0;

        if (keeps != is_verbatim && n > 0) {
            fputs(keeps ? ".RS 4\n.nf\n" : ".fi\n.RE\n", out);
            is_verbatim = keeps;
        }
        if (n == 0) {
            is_apart = true;
        } else if (tab != NULL) {
            print_item(out, text, (size_t)(tab - text), n);
            is_apart = false;
        } else {
            if (is_apart && !keeps)
                fputs(".PP\n", out);
            is_apart = false;
            print_escaped(out, text + (keeps ? 4 : 0), n - (keeps ? 4 : 0));
            fputc('\n', out);
        }
        text += n + (text[n] == '\n');
    }
    if (is_verbatim)
        fputs(".fi\n.RE\n", out);
}

/* Those that all commands take, or those of a mask. */
static bool is_among(const struct manual_flag *flag, uint32_t mask)
{
    return mask == 0 ? flag->of == 0 : (flag->of & mask) != 0;
}

static bool has_flags(const struct manual *manual, uint32_t mask)
{
    for (unsigned i = 0; mask != 0 && i < manual->n_flags; i++) {
        if (is_among(&manual->flags[i], mask))
            return true;
    }
    return false;
}

static void print_flags(const struct manual *manual, uint32_t mask, FILE *out)
{
    for (unsigned i = 0; i < manual->n_flags; i++) {
        const struct manual_flag *flag = &manual->flags[i];

        if (!is_among(flag, mask))
            continue;
        fputs(".TP\n", out);
        if (flag->letter != 0)
            fprintf(out, "\\fB\\-%c\\fR, ", flag->letter);
        fputs("\\fB\\-\\-", out);
        print_escaped(out, flag->name, strlen(flag->name));
        fputs("\\fR", out);
        if (flag->value != NULL) {
            fputs(" \\fI", out);
            print_escaped(out, flag->value, strlen(flag->value));
            fputs("\\fR", out);
        }
        fputc('\n', out);
        print_line(out, flag->help);
    }
}

static void print_command(const struct manual *manual,
                          const struct manual_command *command, FILE *out)
{
    size_t n_name = strlen(command->name);

    fputs(".TP\n", out);
    print_bold(out, command->name, n_name);
    print_escaped(out, command->usage + n_name, strlen(command->usage) - n_name);
    fputc('\n', out);
    print_line(out, command->help);
    if (command->notes == NULL && !has_flags(manual, command->flags))
        return;
    fputs(".RS\n", out);
    if (command->notes != NULL) {
        fputs(".PP\n", out);
        print_text(out, command->notes);
    }
    if (has_flags(manual, command->flags))
        print_flags(manual, command->flags, out);
    fputs(".RE\n", out);
}

static void print_commands(const struct manual *manual, FILE *out)
{
    const char *group = NULL;

    if (manual->n_commands == 0)
        return;
    fputs(".SH COMMANDS\n", out);
    for (unsigned i = 0; i < manual->n_commands; i++) {
        const struct manual_command *command = &manual->commands[i];

        if (group == NULL || strcmp(group, command->group) != 0) {
            fputs(".SS ", out);
            print_line(out, command->group);
        }
        group = command->group;
        print_command(manual, command, out);
    }
}

static void print_head(const struct manual *manual, FILE *out)
{
    fputs(".TH ", out);
    for (const char *at = manual->program; *at != '\0'; at++)
        fputc(toupper((unsigned char)*at), out);
    fprintf(out, " %s %s \"Troupe %s\"\n.SH NAME\n%s \\- ", manual->page_section,
            PAGE_DATE, TROUPE_VERSION, manual->program);
    print_line(out, manual->summary);
    fputs(".SH SYNOPSIS\n.nf\n", out);
    for (unsigned i = 0; manual->synopsis[i] != NULL; i++) {
        size_t n = strcspn(manual->synopsis[i], " ");

        print_bold(out, manual->synopsis[i], n);
        print_line(out, manual->synopsis[i] + n);
    }
    fputs(".fi\n.SH DESCRIPTION\n", out);
    print_text(out, manual->description);
}

void manual_print_page(const struct manual *manual, FILE *out)
{
    print_head(manual, out);
    print_commands(manual, out);
    if (manual->n_flags > 0) {
        fputs(".SH OPTIONS\n", out);
        print_flags(manual, 0, out);
    }
    for (unsigned i = 0; i < manual->n_sections; i++) {
        fputs(".SH ", out);
        print_line(out, manual->sections[i].heading);
        print_text(out, manual->sections[i].text);
    }
    if (manual->examples != NULL) {
        fputs(".SH EXAMPLES\n", out);
        print_text(out, manual->examples);
    }
    fputs(".SH SEE ALSO\n", out);
    print_line(out, manual->see_also);
}
