/*
 * Checks the types of programs of which somebody knows whether they are right.
 *
 * Standard input: for each its text, and the number of the line that has a mistake (0:
 * it is right), each behind its length (32 bits, little-endian). A right program must
 * have no report, a wrong one an error on that line. Those that don't are shown on
 * standard output; the exit status says whether there were any.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "worker/check.h"

#define MAX_BYTES (1 << 20) /* of one program */
#define MAX_SHOWN 5

/* The caller frees it; NULL at the end. */
static char *read_text(size_t *n_out)
{
    uint8_t head[4];
    uint32_t n;
    char *text;

    if (fread(head, 1, sizeof(head), stdin) != sizeof(head))
        return NULL;
    n = head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 |
        (uint32_t)head[3] << 24;
    text = n <= MAX_BYTES ? malloc(n + 1) : NULL;
    if (text == NULL || fread(text, 1, n, stdin) != n) {
        free(text);
        return NULL;
    }
    text[n] = '\0';
    *n_out = n;
    return text;
}

static bool is_as_known(const struct check_report *report, int line)
{
    for (size_t i = 0; i < report->n; i++)
        if (report->errors[i].line == line)
            return true;
    return line == 0 && report->n == 0;
}

static void show(const char *text, const struct check_report *report, int line)
{
    printf("%s\nthe mistake is on line %d; found:\n", text, line);
    for (size_t i = 0; i < report->n; i++)
        printf("%d:%d %s\n", report->errors[i].line, report->errors[i].col,
               report->errors[i].message);
}

int main(void)
{
    unsigned long n = 0, n_right = 0, n_bad = 0;
    char *text, *line;
    size_t n_text, n_line;

    while ((text = read_text(&n_text)) != NULL && (line = read_text(&n_line)) != NULL) {
        struct check_report report;

        if (check_types(text, n_text, false, &report) == -1)
            abort();
        n++;
        n_right += atoi(line) == 0;
        if (!is_as_known(&report, atoi(line)) && n_bad++ < MAX_SHOWN)
            show(text, &report, atoi(line));
        check_report_finish(&report);
        free(text);
        free(line);
    }
    printf("%lu programs, %lu of them right, %lu misjudged\n", n, n_right, n_bad);
    return n != 0 && n_bad == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
