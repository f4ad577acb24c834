#include "supervisor/supctl_table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/buf.h"
#include "common/mem.h"
#include "common/text_end.h"
#include "common/utf8.h"

/* ---- cells ----------------------------------------------------------------------- */

static void append_safe(struct buf *buf, const char *text, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes;) {
        size_t n = utf8_showable_bytes(text + i, n_bytes - i);

        if (n != 0)
            buf_append(buf, text + i, n);
        else
            buf_printf(buf, "\\x%02x", (uint8_t)text[i]);
        i += n != 0 ? n : 1;
    }
}

static void append_bytes(struct buf *buf, double n)
{
    static const char units[] = "BKMGT";
    unsigned unit = 0;

    while (n >= 1024 && unit < 4) {
        n /= 1024;
        unit++;
    }
    buf_printf(buf, unit > 0 && n < 10 ? "%.1f%c" : "%.0f%c", n, units[unit]);
}

static void append_ms(struct buf *buf, int64_t ms)
{
    int64_t s = ms / 1000;

    if (ms < 1000)
        buf_printf(buf, "%lldms", (long long)ms);
    else if (s < 60)
        buf_printf(buf, "%lld.%llds", (long long)s, (long long)(ms % 1000 / 100));
    else if (s < 3600)
        buf_printf(buf, "%lldm%02llds", (long long)(s / 60), (long long)(s % 60));
    else if (s < 86400)
        buf_printf(buf, "%lldh%02lldm", (long long)(s / 3600),
                   (long long)(s / 60 % 60));
    else
        buf_printf(buf, "%lldd%02lldh", (long long)(s / 86400),
                   (long long)(s / 3600 % 24));
}

static void append_us(struct buf *buf, int64_t us)
{
    if (us < 1000)
        buf_printf(buf, "%lldus", (long long)us);
    else if (us < 100000)
        buf_printf(buf, "%lld.%lldms", (long long)(us / 1000),
                   (long long)(us % 1000 / 100));
    else
        append_ms(buf, us / 1000);
}

static void append_time(struct buf *buf, int64_t at_ns)
{
    time_t seconds = (time_t)(at_ns / 1000000000);
    struct tm tm;
    char text[32];

    if (at_ns == 0) {
        buf_append_text(buf, "-"); /* has not happened yet */
        return;
    }
    gmtime_r(&seconds, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    buf_printf(buf, "%s.%03dZ", text, (int)(at_ns / 1000000 % 1000));
}

static double number_of(const struct value *value)
{
    return value->type == VALUE_INT ? (double)value->as.integer : value->as.real;
}

static void append_cell(struct buf *buf, const struct value *value,
                        enum column_kind kind)
{
    bool is_number =
        value != NULL && (value->type == VALUE_INT || value->type == VALUE_FLOAT);
    bool is_empty = value == NULL || value->type == VALUE_NIL ||
                    (value->type == VALUE_STRING && value->as.string.n == 0);

    if (is_empty)
        buf_append_text(buf, "-");
    else if (is_number && kind == COLUMN_BYTES)
        append_bytes(buf, number_of(value));
    else if (is_number && kind == COLUMN_MS)
        append_ms(buf, (int64_t)number_of(value));
    else if (is_number && kind == COLUMN_US)
        append_us(buf, (int64_t)number_of(value));
    else if (is_number && kind == COLUMN_PERCENT)
        buf_printf(buf, "%.0f%%", number_of(value));
    else if (kind == COLUMN_TIME && value->type == VALUE_INT)
        append_time(buf, value->as.integer);
    else if (value->type == VALUE_STRING)
        append_safe(buf, value->as.string.data, value->as.string.n);
    else
        value_write_json(buf, value, 0);
}

char *supctl_cell_text(const struct value *value, enum column_kind kind)
{
    struct buf buf;
    char *text;

    buf_init(&buf, 0);
    append_cell(&buf, value, kind);
    text = xstrndup((char *)buf_head(&buf), buf_len(&buf));
    buf_finish(&buf);
    return text;
}

/* Characters, as near to columns of the terminal as matters here. */
static size_t width_of(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++)
        n += ((uint8_t)*text & 0xc0) != 0x80;
    return n;
}

/* ---- tables ---------------------------------------------------------------------- */

static const char *colour_of(const char *state)
{
    static const struct {
        const char *state, *colour;
    } colours[] = {
        {"running", "\033[32m"},  {"ready", "\033[32m"},    {"failed", "\033[31m"},
        {"dead", "\033[31m"},     {"starting", "\033[33m"}, {"stopping", "\033[33m"},
        {"draining", "\033[33m"},
    };

    for (unsigned i = 0; i < N_ELEMENTS(colours); i++) {
        if (strcmp(colours[i].state, state) == 0)
            return colours[i].colour;
    }
    return "\033[2m";
}

static bool is_right(enum column_kind kind)
{
    return kind != COLUMN_TEXT && kind != COLUMN_STATE;
}

static void print_cell(FILE *out, const char *text, size_t width, enum column_kind kind,
                       bool is_last, bool in_colour)
{
    int pad = (int)(width - width_of(text));

    if (is_right(kind))
        fprintf(out, "%*s%s", pad, "", text);
    else if (kind == COLUMN_STATE && in_colour)
        fprintf(out, "%s%s\033[0m%*s", colour_of(text), text, is_last ? 0 : pad, "");
    else
        fprintf(out, "%s%*s", text, is_last ? 0 : pad, "");
    fputs(is_last ? "\n" : "  ", out);
}

void supctl_table_print(FILE *out, const struct value *records,
                        const struct column *columns, unsigned n_columns,
                        const char *none, bool in_colour)
{
    size_t n = value_list_n(records);
    size_t *widths;
    char **cells;

    if (n == 0) {
        fprintf(out, "%s\n", none);
        return;
    }
    widths = xcalloc(n_columns, sizeof(*widths));
    cells = xcalloc(n * n_columns, sizeof(*cells));
    for (unsigned c = 0; c < n_columns; c++)
        widths[c] = strlen(columns[c].title);
    for (size_t i = 0; i < n * n_columns; i++) {
        const struct column *column = &columns[i % n_columns];
        const struct value *record = &records->as.list.items[i / n_columns];
        size_t width;

        cells[i] = supctl_cell_text(value_get_path(record, column->path), column->kind);
        width = width_of(cells[i]);
        if (width > widths[i % n_columns])
            widths[i % n_columns] = width;
    }
    for (unsigned c = 0; c < n_columns; c++)
        print_cell(out, columns[c].title, widths[c],
                   is_right(columns[c].kind) ? COLUMN_NUMBER : COLUMN_TEXT,
                   c == n_columns - 1, false);
    for (size_t i = 0; i < n * n_columns; i++) {
        unsigned c = (unsigned)(i % n_columns);

        print_cell(out, cells[i], widths[c], columns[c].kind, c == n_columns - 1,
                   in_colour);
        free(cells[i]);
    }
    free(cells);
    free(widths);
}

static enum column_kind kind_of_key(const char *key)
{
    static const struct {
        const char *end;
        enum column_kind kind;
    } ends[] = {
        {"_bytes", COLUMN_BYTES},     {"_ms", COLUMN_MS},
        {"_us", COLUMN_US},           {"started_at", COLUMN_TIME},
        {"last_update", COLUMN_TIME}, {"next_try_at", COLUMN_TIME},
    };

    for (unsigned i = 0; i < N_ELEMENTS(ends); i++) {
        if (text_ends_with(key, ends[i].end))
            return ends[i].kind;
    }
    return COLUMN_TEXT;
}

void supctl_record_print(FILE *out, const struct value *record)
{
    size_t width = 0;

    if (record->type != VALUE_MAP) {
        supctl_text_print(out, "-");
        return;
    }
    for (size_t i = 0; i < record->as.map.n; i++) {
        size_t n = strlen(record->as.map.pairs[i].key);

        if (n > width && n <= 24)
            width = n;
    }
    for (size_t i = 0; i < record->as.map.n; i++) {
        const struct value_pair *pair = &record->as.map.pairs[i];
        char *text = supctl_cell_text(&pair->value, kind_of_key(pair->key));

        fprintf(out, "%-*s  %s\n", (int)width, pair->key, text);
        free(text);
    }
}

void supctl_text_print(FILE *out, const char *text)
{
    struct buf buf;

    buf_init(&buf, 0);
    append_safe(&buf, text, strlen(text));
    fwrite(buf_head(&buf), 1, buf_len(&buf), out);
    buf_finish(&buf);
}
