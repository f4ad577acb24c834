#include "supervisor/lint.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/exit.h"
#include "common/mem.h"
#include "common/value.h"

#include "supervisor/entry.h"
#include "supervisor/options.h"
#include "supervisor/problems.h"
#include "supervisor/registry_disable.h"

/* Problems that say no code of their own (PROBLEM_PARSE does) have one by their
 * kind. */
static const char *code_of(const struct problem *problem)
{
    if (problem->code != NULL)
        return problem->code;
    switch (problem->kind) {
    case ERR_NOT_FOUND:
        return "R0002"; /* something that is named doesn't exist */
    case ERR_ALREADY_EXISTS:
    case ERR_CONFLICT:
        return "R0003"; /* two of one name */
    case ERR_TIMEOUT:
        return "R0004"; /* a kind that nobody knows */
    default:
        return "R0001"; /* a field is wrong, or missing */
    }
}

static bool is_in_namespace(const struct texts *patterns, const char *id)
{
    size_t n = id != NULL ? strcspn(id, ":") : 0;
    char *namespace;
    bool found = false;

    if (patterns->n == 0)
        return true;
    namespace = xstrndup(id != NULL ? id : "", n);
    for (unsigned i = 0; i < patterns->n && !found; i++)
        found = pattern_matches(patterns->items[i], namespace);
    free(namespace);
    return found;
}

static bool has_code(const struct texts *codes, const char *code)
{
    for (unsigned i = 0; i < codes->n; i++)
        if (strcmp(codes->items[i], code) == 0)
            return true;
    return codes->n == 0;
}

static bool is_level_shown(const struct lint_options *options,
                           const struct problem *problem)
{
    return problem->severity == SEVERITY_ERROR || options->level == NULL ||
           strcmp(options->level, "error") != 0;
}

static struct value describe(const struct problem *problem)
{
    struct value map = value_map();

    value_put(&map, "entry_id",
              value_string(problem->entry != NULL ? problem->entry : ""));
    value_put(&map, "code", value_string(code_of(problem)));
    value_put(&map, "severity",
              value_string(problem->severity == SEVERITY_ERROR ? "error" : "warning"));
    value_put(&map, "message", value_string(problem->text));
    value_put(&map, "line", value_int(problem->line));
    value_put(&map, "column", value_int(problem->column));
    if (problem->file != NULL)
        value_put(&map, "file", value_string(problem->file));
    if (problem->hint != NULL)
        value_put(&map, "hint", value_string(problem->hint));
    return map;
}

/* What is shown, and the counts of all that was chosen. */
struct report {
    struct value diagnostics; /* with --json */
    struct buf text;          /* without */
    size_t n_shown, n_errors, n_warnings, n_entries;
};

static void add(struct report *report, const struct lint_options *options,
                const struct problem *problem)
{
    size_t limit = options->limit != NULL ? strtoull(options->limit, NULL, 10) : 0;

    if (!is_in_namespace(&options->ns, problem->entry) ||
        !has_code(&options->codes, code_of(problem)))
        return;
    if (problem->severity == SEVERITY_ERROR)
        report->n_errors++;
    else
        report->n_warnings++;
    if (options->summary || !is_level_shown(options, problem) ||
        (options->limit != NULL && report->n_shown == limit))
        return;
    report->n_shown++;
    if (options->json)
        value_append(&report->diagnostics, describe(problem));
    else
        problem_format(&report->text, problem);
}

static void print_json(FILE *out, struct report *report)
{
    struct value map = value_map();
    struct buf text;

    value_put(&map, "diagnostics", value_copy(&report->diagnostics));
    value_put(&map, "total_entries", value_int((int64_t)report->n_entries));
    value_put(&map, "error_count", value_int((int64_t)report->n_errors));
    value_put(&map, "warning_count", value_int((int64_t)report->n_warnings));
    value_put(&map, "hint_count", value_int(0));
    buf_init(&text, 0);
    if (value_write_json(&text, &map, 2))
        fprintf(out, "%.*s\n", (int)buf_len(&text), (const char *)buf_head(&text));
    buf_finish(&text);
    value_finish(&map);
}

static void print_text(FILE *out, struct report *report)
{
    if (report->n_errors + report->n_warnings == 0) {
        fprintf(out, "No issues found\n");
        return;
    }
    if (buf_len(&report->text) != 0)
        fwrite(buf_head(&report->text), 1, buf_len(&report->text), out);
    fprintf(out, "Checked %zu entries: %zu errors, %zu warnings\n", report->n_entries,
            report->n_errors, report->n_warnings);
}

int lint_print(FILE *out, const struct lint_options *options, struct problems *problems,
               struct entry *const *entries, size_t n_entries)
{
    struct report report = {.diagnostics = value_list()};

    buf_init(&report.text, 0);
    for (size_t i = 0; i < n_entries; i++)
        report.n_entries += is_in_namespace(&options->ns, entries[i]->id);
    problems_sort(problems);
    for (size_t i = 0; i < problems->n; i++)
        add(&report, options, &problems->rows[i]);
    if (options->json)
        print_json(out, &report);
    else
        print_text(out, &report);
    value_finish(&report.diagnostics);
    buf_finish(&report.text);
    return report.n_errors == 0 ? EXIT_OK : EXIT_FAILED;
}
