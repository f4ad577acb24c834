/* Any bytes as a source. What the eraser accepts can be checked, with the same report
 * each time; each error has a message and a place inside the source. A source that the
 * eraser refuses harms nobody either. Types only add reports: without any there are
 * none about annotations. */
#include "worker/check.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"

#include "worker/erase.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool truth, const char *why)
{
    if (truth)
        return;
    fprintf(stderr, "%s\n", why);
    abort();
}

static int count_lines(const char *source, size_t n)
{
    int n_lines = 1;

    for (size_t i = 0; i < n; i++)
        n_lines += source[i] == '\n' || source[i] == '\r';
    return n_lines;
}

static void check_report(const struct check_report *report, const char *source,
                         size_t n)
{
    int n_lines = count_lines(source, n);

    must(report->n <= CHECK_MAX_ERRORS && report->n <= report->n_all, "counts");
    for (size_t i = 0; i < report->n; i++) {
        const struct check_error *error = &report->errors[i];

        must(error->message[0] != '\0', "no message");
        must(error->line >= 1 && error->line <= n_lines, error->message);
        must(error->col >= 1 && (size_t)error->col <= n + 1, error->message);
    }
}

static void check_same(const struct check_report *a, const struct check_report *b)
{
    must(a->n == b->n && a->n_all == b->n_all, "another report");
    for (size_t i = 0; i < a->n; i++)
        must(a->errors[i].line == b->errors[i].line &&
                 strcmp(a->errors[i].message, b->errors[i].message) == 0,
             "another error");
}

/* What is left says nothing about values that only types speak of. */
static void check_untyped(const struct erased *erased)
{
    static const char *const of_types[] = {"unknown type", "local '", "result ",
                                           "argument ", "no field"};
    struct check_report report;

    must(check_types(erased->text, erased->n_bytes, false, &report) == 0, "no memory");
    for (size_t i = 0; i < report.n; i++)
        for (size_t j = 0; j < sizeof(of_types) / sizeof(*of_types); j++)
            must(strncmp(report.errors[i].message, of_types[j], strlen(of_types[j])) !=
                     0,
                 report.errors[i].message);
    check_report_finish(&report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *source = malloc(n == 0 ? 1 : n); /* a copy of ours: no NUL behind it */
    struct check_report first, second;
    struct erase_error error;
    struct erased erased;

    must(source != NULL, "no memory");
    if (n != 0)
        memcpy(source, data, n);
    must(check_types(source, n, false, &first) == 0, "no memory");
    check_report(&first, source, n);
    if (erase_types_at(source, n, &erased, &error) == 0) {
        must(check_types(source, n, false, &second) == 0, "no memory");
        check_same(&first, &second);
        check_report_finish(&second);
        check_untyped(&erased);
        erased_finish(&erased);
    }
    check_report_finish(&first);
    free(source);
    return 0;
}
