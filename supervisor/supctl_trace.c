/* Traces: which there are, and one as a waterfall. */
#include "supervisor/supctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/exit.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/utf8.h"

#include "supervisor/supctl_table.h"

#define NAME_COLUMNS 33
#define TIME_COLUMNS 8
#define BAR_COLUMNS  28
#define MAX_INDENT   8
#define CELL_BYTES   (NAME_COLUMNS * 4 + 1)
#define TIME_BYTES   32

/* ---- cells ----------------------------------------------------------------------- */

/* Below 0: unknown. */
static const char *format_ns(char out[TIME_BYTES], int64_t ns)
{
    if (ns < 0)
        snprintf(out, TIME_BYTES, "-");
    else if (ns < 1000000)
        snprintf(out, TIME_BYTES, "%.0fus", (double)ns / 1e3);
    else if (ns < 1000000000)
        snprintf(out, TIME_BYTES, "%.1fms", (double)ns / 1e6);
    else
        snprintf(out, TIME_BYTES, "%.2fs", (double)ns / 1e9);
    return out;
}

/* What stands in so many columns, a character each; nothing that steers a terminal. */
static void format_cell(char *out, const char *text, unsigned n_columns)
{
    size_t n = strlen(text), at = 0;

    for (unsigned i = 0; i < n_columns; i++) {
        size_t n_bytes = at < n ? utf8_showable_bytes(text + at, n - at) : 0;

        if (at >= n) {
            *out++ = ' ';
        } else if (n_bytes == 0) {
            *out++ = '?';
            at++;
        } else {
            memcpy(out, text + at, n_bytes);
            out += n_bytes;
            at += n_bytes;
        }
    }
    *out = '\0';
}

struct scale {
    int64_t from_ns, span_ns; /* what the bars cover */
};

static unsigned column_at(const struct scale *scale, int64_t at_ns)
{
    int64_t column = (at_ns - scale->from_ns) * BAR_COLUMNS / scale->span_ns;

    return column < 0 ? 0 : column > BAR_COLUMNS ? BAR_COLUMNS : (unsigned)column;
}

/* Dots while nobody worked at it, then lines; at least one of either. */
static void format_bar(char out[BAR_COLUMNS + 1], const struct value *span,
                       const struct scale *scale)
{
    int64_t start = value_get_int(span, "started_at", 0),
            waited = value_get_int(span, "queue_ns", 0) +
                     value_get_int(span, "transit_ns", 0),
            lasted = value_get_int(span, "duration_ns",
                                   scale->from_ns + scale->span_ns - start);
    unsigned from = column_at(scale, start), until = column_at(scale, start + lasted),
             ran = column_at(scale, start + (waited < lasted ? waited : lasted));

    if (from == BAR_COLUMNS)
        from--;
    if (until == from)
        until++;
    memset(out, ' ', BAR_COLUMNS);
    memset(out + from, '=', until - from);
    if (ran > from)
        memset(out + from, '.', ran - from);
    out[BAR_COLUMNS] = '\0';
}

static void print_span(const struct value *span, unsigned depth,
                       const struct scale *scale)
{
    unsigned indent = 2 * (depth < MAX_INDENT ? depth : MAX_INDENT);
    char cell[CELL_BYTES], bar[BAR_COLUMNS + 1], queue[TIME_BYTES], run[TIME_BYTES];
    const char *name = value_get_text(span, "name"),
               *error = value_get_text(span, "error"),
               *status = value_get_text(span, "status");

    format_cell(cell, name != NULL ? name : "", NAME_COLUMNS - indent);
    format_bar(bar, span, scale);
    printf("%*s%s%*s%*s %s\n", (int)indent, "", cell, TIME_COLUMNS + 1,
           format_ns(queue, value_get_int(span, "queue_ns", -1)), TIME_COLUMNS + 1,
           format_ns(run, value_get_int(span, "run_ns", -1)), bar);
    if (status != NULL && strcmp(status, "ok") != 0) {
        printf("%*s  ! ", (int)indent, "");
        supctl_text_print(stdout, error != NULL ? error : status);
        putchar('\n');
    }
}

/* ---- the tree -------------------------------------------------------------------- */

#define NOBODY SIZE_MAX

struct tree {
    const struct value *spans;
    size_t n, *first_child, *next_sibling;
    size_t first_root;
};

static int64_t start_of(const struct value *span)
{
    return value_get_int(span, "started_at", 0);
}

/* Spans come in the order of their start; from the last one on, each goes in front. */
static void build_tree(struct tree *tree, const struct value *list)
{
    struct map by_id;

    tree->spans = list->as.list.items;
    tree->n = list->as.list.n;
    tree->first_child = xcalloc(tree->n + 1, sizeof(size_t));
    tree->next_sibling = xcalloc(tree->n + 1, sizeof(size_t));
    tree->first_root = NOBODY;
    map_init(&by_id);
    for (size_t i = 0; i < tree->n; i++) {
        const char *id = value_get_text(&tree->spans[i], "span");

        tree->first_child[i] = NOBODY;
        if (id != NULL)
            map_put(&by_id, id, strlen(id), &tree->first_child[i]);
    }
    for (size_t i = tree->n; i-- != 0;) {
        const char *id = value_get_text(&tree->spans[i], "parent");
        size_t *parent = id != NULL ? map_find(&by_id, id, strlen(id)) : NULL;

        /* a parent that begins later is none: so there are no circles */
        if (parent == NULL || parent >= &tree->first_child[i])
            parent = &tree->first_root;
        tree->next_sibling[i] = *parent;
        *parent = i;
    }
    map_finish(&by_id);
}

static void print_tree(const struct tree *tree, const struct scale *scale)
{
    size_t *stack = xcalloc(tree->n + 1, sizeof(size_t)), depth = 0;
    size_t at = tree->first_root;

    for (;;) {
        if (at == NOBODY) {
            if (depth == 0)
                break;
            at = tree->next_sibling[stack[--depth]];
            continue;
        }
        print_span(&tree->spans[at], (unsigned)depth, scale);
        stack[depth++] = at;
        at = tree->first_child[at];
    }
    free(stack);
}

static struct scale find_scale(const struct tree *tree)
{
    struct scale scale = {start_of(&tree->spans[0]), 1};

    for (size_t i = 0; i < tree->n; i++) {
        int64_t until = start_of(&tree->spans[i]) - scale.from_ns +
                        value_get_int(&tree->spans[i], "duration_ns", 0);

        if (until > scale.span_ns)
            scale.span_ns = until;
    }
    return scale;
}

static void print_waterfall(const struct value *list)
{
    struct tree tree;
    struct scale scale;
    const char *trace;
    char total[TIME_BYTES], starts[48];
    time_t at;

    if (list->as.list.n == 0)
        return;
    build_tree(&tree, list);
    scale = find_scale(&tree);
    trace = value_get_text(&tree.spans[0], "trace");
    at = (time_t)(scale.from_ns / 1000000000);
    strftime(starts, sizeof(starts), "%Y-%m-%d %H:%M:%S", localtime(&at));
    printf("%s  %s  %zu span%s in %s\n", trace != NULL ? trace : "", starts, tree.n,
           tree.n == 1 ? "" : "s", format_ns(total, scale.span_ns));
    printf("%-*s%*s%*s\n", NAME_COLUMNS, "SPAN", TIME_COLUMNS + 1, "QUEUE",
           TIME_COLUMNS + 1, "RUN");
    print_tree(&tree, &scale);
    free(tree.first_child);
    free(tree.next_sibling);
}

/* ---- commands -------------------------------------------------------------------- */

static void add_durations(struct value *list)
{
    for (size_t i = 0; list->type == VALUE_LIST && i < list->as.list.n; i++) {
        struct value *row = &list->as.list.items[i];

        value_put(row, "duration_us",
                  value_int(value_get_int(row, "duration_ns", 0) / 1000));
    }
}

static int list_traces(struct supctl *ctl)
{
    static const struct column columns[] = {
        {"TRACE", "trace", COLUMN_TEXT},       {"STATUS", "status", COLUMN_STATE},
        {"TOOK", "duration_us", COLUMN_US},    {"SPANS", "n_spans", COLUMN_NUMBER},
        {"FAILED", "n_failed", COLUMN_NUMBER}, {"NAME", "name", COLUMN_TEXT},
    };
    struct value args = value_list(), list;
    int code;

    if (ctl->n_lines >= 0)
        value_append(&args, value_int(ctl->n_lines));
    code = supctl_ask(ctl, "@trace.list", args, ASK_TIMEOUT_MS, &list);
    if (code == EXIT_OK && ctl->json) {
        supctl_print_json(&list, false);
    } else if (code == EXIT_OK) {
        add_durations(&list);
        supctl_table_print(stdout, &list, columns, N_ELEMENTS(columns),
                           "no traces; 'supctl call --trace' begins one",
                           ctl->in_colour);
    }
    value_finish(&list);
    return code;
}

int supctl_run_trace(struct supctl *ctl)
{
    struct value spans;
    int code;

    if (ctl->n_args == 0)
        return list_traces(ctl);
    code = supctl_ask(ctl, "@trace.get", supctl_args(ctl->args[0]), ASK_TIMEOUT_MS,
                      &spans);
    if (code == EXIT_OK && ctl->json)
        supctl_print_json(&spans, false);
    else if (code == EXIT_OK && spans.type == VALUE_LIST)
        print_waterfall(&spans);
    value_finish(&spans);
    return code;
}
