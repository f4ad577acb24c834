#include "supervisor/manual.h"

#include <string.h>

#define WIDTH       80
#define LEFT        2  /* of a row */
#define COLUMN      30 /* where its help begins */
#define FLAG_COLUMN 36 /* likewise, of an option */

/* Prints text from the present column on, and what doesn't fit below, at indent. */
static void print_wrapped(FILE *out, const char *text, size_t column, size_t indent)
{
    bool is_first = true;

    while (*(text += strspn(text, " ")) != '\0') {
        size_t n = strcspn(text, " ");

        if (!is_first && column + 1 + n > WIDTH) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!is_first) {
            fputc(' ', out);
            column++;
        }
        fwrite(text, 1, n, out);
        column += n;
        text += n;
        is_first = false;
    }
    fputc('\n', out);
}

static void print_row(FILE *out, const char *left, const char *help, size_t column)
{
    size_t n = LEFT + strlen(left);

    fprintf(out, "%*s%s", LEFT, "", left);
    if (n + 1 < column)
        fprintf(out, "%*s", (int)(column - n), "");
    else
        fprintf(out, "\n%*s", (int)column, "");
    print_wrapped(out, help, column, column);
}

/* Those that all commands take, or those of a mask. */
static void print_flags(const struct manual *manual, const char *heading, uint32_t mask,
                        FILE *out)
{
    bool any = false;

    for (unsigned i = 0; i < manual->n_flags; i++) {
        const struct manual_flag *flag = &manual->flags[i];
        char left[100];

        if (mask == 0 ? flag->of != 0 : (flag->of & mask) == 0)
            continue;
        if (!any)
            fprintf(out, "\n%s:\n", heading);
        any = true;
        snprintf(left, sizeof(left), "%c%c%s--%s%s%s", flag->letter != 0 ? '-' : ' ',
                 flag->letter != 0 ? flag->letter : ' ',
                 flag->letter != 0 ? ", " : "  ", flag->name,
                 flag->value != NULL ? " " : "",
                 flag->value != NULL ? flag->value : "");
        print_row(out, left, flag->help, FLAG_COLUMN);
    }
}

/* As in a section: paragraphs wrapped, what is indented left alone. */
static void print_text(const char *text, FILE *out)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        char line[600];

        snprintf(line, sizeof(line), "%.*s", (int)n, text);
        if (line[0] == ' ')
            fprintf(out, "%s\n", line);
        else
            print_wrapped(out, line, 0, 0);
        text += n + (text[n] == '\n');
    }
}

static bool print_about(const struct manual *manual, const char *about, FILE *out)
{
    bool any = false;

    for (unsigned i = 0; i < manual->n_commands; i++) {
        const struct manual_command *command = &manual->commands[i];

        if (!manual_is_about(command, about))
            continue;
        fprintf(out, "%susage: %s %s\n\n", any ? "\n" : "", manual->program,
                command->usage);
        print_text(command->help, out);
        if (command->notes != NULL) {
            fputc('\n', out);
            print_text(command->notes, out);
        }
        if (command->flags != 0)
            print_flags(manual, "Its options", command->flags, out);
        any = true;
    }
    if (any)
        print_flags(manual, "Options", 0, out);
    return any;
}

static void print_commands(const struct manual *manual, FILE *out)
{
    const char *group = NULL;

    for (unsigned i = 0; i < manual->n_commands; i++) {
        const struct manual_command *command = &manual->commands[i];

        if (group == NULL || strcmp(group, command->group) != 0)
            fprintf(out, "\n%s:\n", command->group);
        group = command->group;
        print_row(out, command->usage, command->help, COLUMN);
    }
}

bool manual_print_help(const struct manual *manual, const char *about, FILE *out)
{
    if (about != NULL)
        return print_about(manual, about, out);
    for (unsigned i = 0; manual->synopsis[i] != NULL; i++)
        fprintf(out, "%s %s\n", i == 0 ? "usage:" : "      ", manual->synopsis[i]);
    fprintf(out, "\n%c%s.\n", manual->summary[0] - 'a' + 'A', manual->summary + 1);
    print_commands(manual, out);
    print_flags(manual, "Options", 0, out);
    fputs("\nExamples:\n", out);
    print_text(manual->examples, out);
    fprintf(out, "\n'%s help COMMAND' says more about one, 'man %s' about all.\n",
            manual->program, manual->program);
    return true;
}
