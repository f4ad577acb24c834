#include "supervisor/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "common/value.h"

void problems_init(struct problems *problems)
{
    *problems = (struct problems){0};
}

void problems_finish(struct problems *problems)
{
    for (size_t i = 0; i < problems->n; i++) {
        struct problem *row = &problems->rows[i];

        free(row->file);
        free(row->entry);
        free(row->text);
        free(row->hint);
    }
    free(problems->rows);
    problems_init(problems);
}

/* What a file says must not move the cursor of a terminal. */
static void tame(char *text)
{
    size_t n = strlen(text), n_shown;

    for (; n != 0; text += n_shown, n -= n_shown) {
        n_shown = utf8_showable_bytes(text, n);
        if (n_shown == 0) {
            *text = '?';
            n_shown = 1;
        }
    }
}

static char *copy_text(const char *text)
{
    char *copy = text == NULL ? NULL : xstrdup(text);

    if (copy != NULL)
        tame(copy);
    return copy;
}

void problems_vadd(struct problems *problems, enum severity severity,
                   enum err_kind kind, const struct problem_at *at, const char *hint,
                   const char *fmt, va_list args)
{
    char text[600];
    struct problem *row;

    if (severity == SEVERITY_ERROR)
        problems->n_errors++;
    else
        problems->n_warnings++;
    if (problems->n == PROBLEMS_MAX)
        return;
    if (vsnprintf(text, sizeof(text), fmt, args) >= (int)sizeof(text))
        memcpy(text + sizeof(text) - 4, "...", 4);
    if (problems->n == problems->size) {
        problems->size = problems->size == 0 ? 16 : problems->size * 2;
        problems->rows = xrealloc(problems->rows, problems->size * sizeof(*row));
    }
    row = &problems->rows[problems->n];
    *row = (struct problem){.severity = severity,
                            .kind = kind,
                            .file = copy_text(at->file),
                            .line = at->line,
                            .column = at->column,
                            .entry = copy_text(at->entry),
                            .text = copy_text(text),
                            .hint = copy_text(hint),
                            .code = at->code,
                            .sequence = problems->n};
    problems->n++;
}

void problems_add(struct problems *problems, enum severity severity, enum err_kind kind,
                  const struct problem_at *at, const char *hint, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    problems_vadd(problems, severity, kind, at, hint, fmt, args);
    va_end(args);
}

void problems_add_row(struct problems *problems, const struct problem *row)
{
    struct problem_at at = {row->file, row->line, row->column, row->entry, row->code};

    problems_add(problems, row->severity, row->kind, &at, row->hint, "%s", row->text);
}

int problems_set_err(const struct problems *problems, enum err_kind kind,
                     const char *what_follows, struct err *err)
{
    return err_set(err, kind, "%zu problem%s%s", problems->n_errors,
                   problems->n_errors == 1 ? "" : "s", what_follows);
}

static int compare_files(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        return (a != NULL) - (b != NULL);
    return strcmp(a, b);
}

static int compare_problems(const void *left, const void *right)
{
    const struct problem *a = left, *b = right;
    int order = compare_files(a->file, b->file);

    if (order != 0)
        return order;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

void problems_sort(struct problems *problems)
{
    if (problems->n > 1)
        qsort(problems->rows, problems->n, sizeof(*problems->rows), compare_problems);
}

static bool format_place(struct buf *buf, const struct problem *problem)
{
    if (problem->file == NULL)
        return true;
    if (!buf_append_text(buf, problem->file))
        return false;
    if (problem->line != 0 && !buf_printf(buf, ":%u", problem->line))
        return false;
    if (problem->line != 0 && problem->column != 0 &&
        !buf_printf(buf, ":%u", problem->column))
        return false;
    return buf_append_text(buf, ": ");
}

bool problem_format(struct buf *buf, const struct problem *problem)
{
    bool error = problem->severity == SEVERITY_ERROR;

    if (!format_place(buf, problem) ||
        !buf_append_text(buf, error ? "error: " : "warning: "))
        return false;
    if (problem->entry != NULL && !buf_printf(buf, "%s: ", problem->entry))
        return false;
    if (!buf_append_text(buf, problem->text))
        return false;
    if (problem->hint != NULL && !buf_printf(buf, "; %s", problem->hint))
        return false;
    return buf_append(buf, "\n", 1);
}

bool problems_format(struct buf *buf, struct problems *problems)
{
    size_t n_all = problems->n_errors + problems->n_warnings;

    problems_sort(problems);
    for (size_t i = 0; i < problems->n; i++)
        if (!problem_format(buf, &problems->rows[i]))
            return false;
    if (n_all > problems->n)
        return buf_printf(buf, "... and %zu more\n", n_all - problems->n);
    return true;
}

void problem_log(const struct problem *problem)
{
    enum log_level level = problem->severity == SEVERITY_ERROR ? LOG_ERROR : LOG_WARN;
    const char *file = problem->file != NULL ? problem->file : "";
    const char *entry = problem->entry != NULL ? problem->entry : "";

    if (problem->hint != NULL)
        log_write(level, problem->text, "file=%s line=%u column=%u entry=%s hint=%s",
                  file, problem->line, problem->column, entry, problem->hint);
    else
        log_write(level, problem->text, "file=%s line=%u column=%u entry=%s", file,
                  problem->line, problem->column, entry);
}

const struct problem *problems_first_error(const struct problems *problems)
{
    for (size_t i = 0; i < problems->n; i++)
        if (problems->rows[i].severity == SEVERITY_ERROR)
            return &problems->rows[i];
    return NULL;
}

static void put_text(struct value *map, const char *key, const char *text)
{
    if (text != NULL)
        value_put(map, key, value_string(text));
}

static struct value describe(const struct problem *row)
{
    struct value map = value_map();
    struct buf line;

    buf_init(&line, 0);
    problem_format(&line, row);
    value_put(&map, "line",
              value_bytes((const char *)buf_head(&line),
                          buf_len(&line) - (buf_len(&line) != 0)));
    buf_finish(&line);
    put_text(&map, "file", row->file);
    value_put(&map, "row", value_int(row->line));
    value_put(&map, "column", value_int(row->column));
    put_text(&map, "entry", row->entry);
    put_text(&map, "severity", row->severity == SEVERITY_ERROR ? "error" : "warning");
    put_text(&map, "text", row->text);
    put_text(&map, "hint", row->hint);
    return map;
}

struct value problems_describe(const struct problems *problems)
{
    struct value list = value_list();

    for (size_t i = 0; i < problems->n; i++)
        value_append(&list, describe(&problems->rows[i]));
    return list;
}
