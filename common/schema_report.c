#include "common/schema_machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/schema.h"

struct pointer {
    char *out;
    size_t n, size;
};

static void append(struct pointer *pointer, const char *text, size_t n)
{
    for (size_t i = 0; i < n && pointer->n + 1 < pointer->size; i++)
        pointer->out[pointer->n++] = text[i];
}

static void append_key(struct pointer *pointer, const struct flat_node *key)
{
    append(pointer, "/", 1);
    for (uint32_t i = 0; i < key->n && pointer->n + 1 < pointer->size; i++) {
        char c = key->as.text[i];

        if (c == '~' || c == '/')
            append(pointer, c == '~' ? "~0" : "~1", 2);
        else
            append(pointer, &c, 1);
    }
}

/* Where the visit on top looks; key may name a member of it. */
static void format_path(const struct machine *m, const struct flat_node *key, char *out,
                        size_t out_bytes)
{
    struct pointer pointer = {.out = out, .size = out_bytes};

    for (uint32_t i = 0; i < m->n; i++) {
        const struct visit *v = &m->visits[i];
        char index[16];

        if (v->segment == SEGMENT_KEY)
            append_key(&pointer, &m->flat->nodes[v->segment_at]);
        else if (v->segment == SEGMENT_INDEX)
            append(&pointer, index,
                   (size_t)snprintf(index, sizeof(index), "/%u", v->segment_at));
    }
    if (key != NULL)
        append_key(&pointer, key);
    if (pointer.n + 1 == out_bytes)
        memcpy(out + out_bytes - 4, "...", 3);
    out[pointer.n] = '\0';
}

static struct schema_error *add_error(struct machine *m, const struct flat_node *key)
{
    struct schema_report *report = m->report;
    struct schema_error *error;

    if (report == NULL)
        return NULL;
    if (report->n == SCHEMA_MAX_ERRORS) {
        report->more = true;
        m->gave_up = true; /* there's nothing more to learn */
        return NULL;
    }
    error = &report->errors[report->n++];
    format_path(m, key, error->path, sizeof(error->path));
    return error;
}

void machine_fail(struct machine *m, struct visit *v, const char *fmt, ...)
{
    struct schema_error *error;
    va_list args;

    v->failed = true;
    if (v->quiet || (error = add_error(m, NULL)) == NULL)
        return;
    va_start(args, fmt);
    vsnprintf(error->text, sizeof(error->text), fmt, args);
    va_end(args);
}

void machine_give_up(struct machine *m, const char *why)
{
    struct schema_error *error = m->gave_up ? NULL : add_error(m, NULL);

    m->gave_up = true;
    if (error != NULL)
        snprintf(error->text, sizeof(error->text), "%s", why);
}

void schema_report_sort(struct schema_report *report)
{
    for (size_t i = 1; i < report->n; i++) {
        struct schema_error error = report->errors[i];
        size_t k = i;

        for (; k > 0 && strverscmp(report->errors[k - 1].path, error.path) > 0; k--)
            report->errors[k] = report->errors[k - 1];
        report->errors[k] = error;
    }
}

size_t schema_report_format(const struct schema_report *report, char *out,
                            size_t out_bytes)
{
    struct pointer text = {.out = out, .size = out_bytes};

    for (size_t i = 0; i < report->n; i++) {
        const struct schema_error *error = &report->errors[i];
        const char *path = error->path[0] == '\0' ? "/" : error->path;

        append(&text, "; ", i == 0 ? 0 : 2);
        append(&text, path, strlen(path));
        append(&text, ": ", 2);
        append(&text, error->text, strlen(error->text));
    }
    if (report->more)
        append(&text, "; ...", 5);
    out[text.n] = '\0';
    return text.n;
}

struct value schema_report_to_value(const struct schema_report *report)
{
    struct value list = value_list();

    for (size_t i = 0; i < report->n; i++) {
        struct value *row = value_append(&list, value_map());

        value_put(row, "path", value_string(report->errors[i].path));
        value_put(row, "message", value_string(report->errors[i].text));
    }
    return list;
}
