#include "worker/check.h"

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/nearest.h"
#include "common/value.h"

#include "worker/check_private.h"
#include "worker/check_show.h"
#include "worker/type_tree.h"

#define BASE_BYTES     (16ul << 20)  /* of memory, whatever the source */
#define MAX_BYTES      (256ul << 20) /* whatever it is */
#define BYTES_PER_BYTE 16ul
#define BASE_STEPS     20000000l
#define STEPS_PER_BYTE 100l
#define MAX_VECTOR     (1u << 26) /* rows of any vector */

/* ---- vectors and frames ---------------------------------------------------------- */

void *check_grow(struct checker *c, void *items, uint32_t *n, uint32_t *size,
                 size_t item_bytes)
{
    void **vector = items, *grown;

    if (*n == *size) {
        uint32_t wanted = *size == 0 ? 64 : 2 * *size;

        grown = wanted <= MAX_VECTOR ? realloc(*vector, wanted * item_bytes) : NULL;
        if (grown == NULL) {
            c->stopped = true;
            return NULL;
        }
        *vector = grown;
        *size = wanted;
    }
    grown = (char *)*vector + (size_t)(*n)++ * item_bytes;
    memset(grown, 0, item_bytes);
    return grown;
}

struct frame *check_open(struct checker *c, enum frame_kind kind, uint32_t start)
{
    struct frame *frame = CHECK_PUSH(c, frames);

    if (frame == NULL)
        return NULL;
    frame->kind = (uint8_t)kind;
    frame->start = start;
    frame->operands = c->n_operands;
    frame->operators = c->n_operators;
    frame->locals = c->n_locals;
    frame->pending = c->n_pending;
    frame->fields = c->n_fields;
    frame->joins = c->n_joins;
    frame->mark = c->n_trail;
    frame->old_mark = c->mark;
    frame->life = c->life;
    frame->local = NO_LOCAL;
    return frame;
}

struct frame *check_top(struct checker *c)
{
    assert(c->n_frames > 0);
    return &c->frames[c->n_frames - 1];
}

void check_pop(struct checker *c)
{
    assert(c->n_frames > 0);
    c->n_frames--;
}

/* ---- reports --------------------------------------------------------------------- */

/* CR LF and LF CR count as one end of a line, as in erase_lex.c. */
static void find_place(const struct checker *c, uint32_t at, struct check_error *error)
{
    uint32_t line_start = 0;

    error->line = 1;
    for (uint32_t i = 0; i < at && i < c->n_bytes; i++) {
        char byte = c->source[i], next = i + 1 < c->n_bytes ? c->source[i + 1] : '\0';

        if (byte != '\n' && byte != '\r')
            continue;
        if ((next == '\n' || next == '\r') && next != byte)
            i++;
        error->line++;
        line_start = i + 1;
    }
    error->col = (int)(at - line_start) + 1;
}

static void say(struct checker *c, uint32_t at, const char *text)
{
    struct check_report *report = c->report;
    struct check_error *error;

    if (report->n_all++ >= CHECK_MAX_ERRORS)
        return;
    error = &report->errors[report->n++];
    find_place(c, at, error);
    snprintf(error->message, sizeof(error->message), "%s", text);
    for (char *byte = error->message; *byte != '\0'; byte++)
        if ((unsigned char)*byte < 0x20 || *byte == 0x7f)
            *byte = '?';
}

static bool is_silent(const struct checker *c)
{
    return !c->second || c->stopped || c->types.exhausted;
}

void check_say(struct checker *c, uint32_t at, const char *fmt, ...)
{
    char text[CHECK_TEXT_BYTES];
    va_list args;

    if (is_silent(c))
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    say(c, at, text);
}

/* "expected T, got V", and what else there is to say. */
static void explain(struct checker *c, const struct type *value,
                    const struct type *wanted, const struct misfit *misfit,
                    char out[CHECK_TEXT_BYTES])
{
    char want[TYPE_NAME_BYTES], got[TYPE_NAME_BYTES];
    const char *maybe = "";

    if (misfit->at != NO_PLACE) {
        snprintf(out, CHECK_TEXT_BYTES, "%s", misfit->text);
        return;
    }
    if (type_is_union(&c->types, value, true) &&
        type_fits(&c->types, type_without_nil(&c->types, value), wanted, NULL))
        maybe = ", which may be nil";
    snprintf(out, CHECK_TEXT_BYTES, "expected %s, got %s%s%s%s",
             type_show(wanted, want), type_show(value, got), maybe,
             misfit->text[0] != '\0' ? ": " : "", misfit->text);
}

void check_fits(struct checker *c, const struct operand *value,
                const struct type *wanted, const char *fmt, ...)
{
    char what[CHECK_TEXT_BYTES], why[CHECK_TEXT_BYTES];
    char text[2 * CHECK_TEXT_BYTES + 4];
    struct misfit misfit;
    va_list args;

    if (is_silent(c) || wanted == NULL ||
        type_fits(&c->types, value->type, wanted, &misfit))
        return;
    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    explain(c, value->type, wanted, &misfit, why);
    snprintf(text, sizeof(text), "%s: %s", what, why);
    say(c, misfit.at != NO_PLACE ? misfit.at : value->start, text);
}

/* ---- types in the source --------------------------------------------------------- */

struct unknown {
    struct checker *c;
    uint32_t from;
};

static bool is_generic(void *context, const char *name)
{
    const struct unknown *unknown = context;

    return func_is_generic(unknown->c, name);
}

static void on_unknown(void *context, const char *name, uint32_t at)
{
    const struct unknown *unknown = context;
    struct checker *c = unknown->c;
    const char *names[100] = {"boolean", "number",   "integer", "string",
                              "table",   "function", "thread",  "userdata"};
    const char *nearest;
    size_t n = 8;

    if (is_silent(c))
        return;
    MAP_FOREACH (row, &c->types.declared)
        if (n < N_ELEMENTS(names) && !c->imports)
            names[n++] = row->text;
    nearest = nearest_find(name, names, n);
    if (c->imports && (nearest == NULL || !islower((unsigned char)name[0])))
        return; /* a library's; what is left are primitives spelt wrong */
    check_say(c, unknown->from + at, "unknown type '%.80s'%s%.80s%s", name,
              nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "",
              nearest != NULL ? "'?" : "");
}

const struct type *check_type_of_tree(struct checker *c, const struct value *tree,
                                      uint32_t from)
{
    struct unknown unknown = {c, from};
    struct type_names names = {is_generic, on_unknown, &unknown};

    return type_from_tree(&c->types, tree, &names);
}

const struct type *check_annotation(struct checker *c, const struct trace_step *step)
{
    struct value tree = type_tree_read_places(c->source + step->start,
                                              step->end - step->start, TYPE_ANNOTATION);
    const struct type *type = check_type_of_tree(c, &tree, step->start);

    /* `name?: T` */
    if (c->source[step->start] == '?')
        type = type_union(&c->types, type, PLAIN(NIL));
    value_finish(&tree);
    return type;
}

struct params {
    struct unknown unknown;
    const struct value *names;
};

static bool is_param(void *context, const char *name)
{
    const struct params *params = context;

    for (size_t i = 0; params->names != NULL && i < params->names->as.list.n; i++)
        if (strcmp(value_text(&params->names->as.list.items[i]), name) == 0)
            return true;
    return func_is_generic(params->unknown.c, name);
}

static void on_unknown_in_declaration(void *context, const char *name, uint32_t at)
{
    struct params *params = context;

    on_unknown(&params->unknown, name, at);
}

/* The first pass collects the declarations, the second looks at the names in them. */
static void declare(struct checker *c, const struct trace_step *step)
{
    struct value tree = type_tree_read_places(c->source + step->start,
                                              step->end - step->start, TYPE_STATEMENT);
    struct params params = {{c, step->start}, value_get(&tree, "params")};
    struct type_names names = {is_param, on_unknown_in_declaration, &params};

    if (c->second)
        type_from_tree(&c->types, value_get(&tree, "type"), &names);
    else
        type_store_declare(&c->types, &tree);
    value_finish(&tree);
}

/* ---- steps ----------------------------------------------------------------------- */

static void on_erased(struct checker *c, const struct trace_step *step)
{
    switch (check_top(c)->kind) {
    case FRAME_FUNCTION:
        func_annotate(c, step);
        break;
    case FRAME_LOCAL:
        if (c->n_pending > check_top(c)->pending)
            c->pending[c->n_pending - 1].type = check_annotation(c, step);
        break;
    default:
        expr_cast(c, step);
    }
}

static void on_close(struct checker *c, const struct trace_step *step)
{
    switch (check_top(c)->kind) {
    case FRAME_PAREN:
        expr_paren_close(c, step);
        break;
    case FRAME_INDEX:
        expr_index_close(c, step);
        break;
    case FRAME_TABLE:
        table_close(c, step);
        break;
    case FRAME_FUNCTION:
        func_close(c, step);
        break;
    case FRAME_CALL:
        break; /* CALLED follows */
    default:
        stat_step(c, step);
    }
}

static void on_paren(struct checker *c, const struct trace_step *step)
{
    check_open(c, FRAME_PAREN, step->start);
}

static void on_index(struct checker *c, const struct trace_step *step)
{
    check_open(c, FRAME_INDEX, step->start);
}

typedef void handler(struct checker *c, const struct trace_step *step);

static handler *const handlers[TRACE_CLOSE + 1] = {
    [TRACE_ERASED] = on_erased,
    [TRACE_DECLARATION] = declare,
    [TRACE_LIST] = NULL,
    [TRACE_LIST_END] = stat_step,
    [TRACE_EXPR] = expr_open,
    [TRACE_EXPR_END] = expr_close,
    [TRACE_UNARY] = expr_unary,
    [TRACE_BINARY] = expr_binary,
    [TRACE_CONSTANT] = expr_constant,
    [TRACE_NAME] = expr_name,
    [TRACE_PAREN] = on_paren,
    [TRACE_FIELD] = expr_field,
    [TRACE_INDEX] = on_index,
    [TRACE_METHOD] = expr_method,
    [TRACE_CALL] = call_open,
    [TRACE_CALLED] = call_close,
    [TRACE_TABLE] = table_open,
    [TRACE_ITEM] = table_item,
    [TRACE_ITEM_NAMED] = table_item,
    [TRACE_ITEM_KEYED] = table_item,
    [TRACE_LAMBDA] = func_open,
    [TRACE_FUNCTION] = NULL,
    [TRACE_PARAM] = func_param,
    [TRACE_PARAMS_END] = func_params_end,
    [TRACE_LOCAL] = stat_step,
    [TRACE_LOCAL_NAME] = stat_step,
    [TRACE_LOCAL_END] = stat_step,
    [TRACE_LOCAL_FUNCTION] = func_open,
    [TRACE_FUNCTION_NAME] = func_open,
    [TRACE_FUNCTION_FIELD] = func_name,
    [TRACE_FUNCTION_METHOD] = func_name,
    [TRACE_PLACE] = stat_step,
    [TRACE_CALL_END] = stat_step,
    [TRACE_ASSIGN_MORE] = NULL,
    [TRACE_ASSIGN] = stat_step,
    [TRACE_RETURN] = stat_step,
    [TRACE_RETURN_END] = stat_step,
    [TRACE_FOR] = stat_step,
    [TRACE_FOR_NAME] = stat_step,
    [TRACE_FOR_IN] = stat_step,
    [TRACE_IF] = stat_step,
    [TRACE_WHILE] = stat_step,
    [TRACE_DO] = stat_step,
    [TRACE_REPEAT] = stat_step,
    [TRACE_REPEAT_END] = stat_step,
    [TRACE_BREAK] = stat_step,
    [TRACE_GOTO] = stat_step,
    [TRACE_LABEL] = stat_step,
    [TRACE_TOKEN] = stat_step,
    [TRACE_CLOSE] = on_close,
};

static void on_step(void *context, const struct trace_step *step)
{
    struct checker *c = context;

    c->step++;
    if (c->stopped || c->types.exhausted)
        return;
    if (c->header && step->what != TRACE_ERASED)
        func_begin_body(c);
    if (handlers[step->what] != NULL && !c->stopped)
        handlers[step->what](c, step);
}

/* ---- passes ---------------------------------------------------------------------- */

static bool run_pass(struct checker *c)
{
    struct erase_error error;
    bool good;

    c->step = 0;
    c->n_frames = c->n_operands = c->n_operators = c->n_locals = 0;
    c->n_pending = c->n_fields = c->n_trail = c->n_joins = 0;
    c->n_locals_seen = c->mark = c->function = 0;
    c->life = LIFE_LIVE;
    c->header = false;
    check_open(c, FRAME_CHUNK, 0);
    good = erase_follow(c->source, c->n_bytes, on_step, c, &error) == 0;
    while (c->n_frames > 0) { /* of a source that ended early for us */
        func_drop_generics(check_top(c));
        check_pop(c);
    }
    return good && !c->stopped && !c->types.exhausted;
}

static void finish(struct checker *c)
{
    free(c->facts);
    free(c->frames);
    free(c->operands);
    free(c->operators);
    free(c->locals);
    free(c->pending);
    free(c->fields);
    free(c->trail);
    free(c->joins);
    free(c->classes);
    map_finish(&c->members);
    map_finish(&c->globals);
    map_finish(&c->class_names);
    type_store_finish(&c->types);
    free(c);
}

static int by_place(const void *a, const void *b)
{
    const struct check_error *x = a, *y = b;

    return x->line != y->line ? (x->line > y->line) - (x->line < y->line)
                              : (x->col > y->col) - (x->col < y->col);
}

int check_types(const char *source, size_t n_bytes, bool imports,
                struct check_report *out)
{
    size_t max_bytes = BASE_BYTES + BYTES_PER_BYTE * n_bytes;
    struct checker *c = calloc(1, sizeof(*c));

    *out = (struct check_report){0};
    out->errors = calloc(CHECK_MAX_ERRORS, sizeof(*out->errors));
    if (c == NULL || out->errors == NULL) {
        free(c);
        check_report_finish(out);
        return -1;
    }
    c->source = source;
    c->n_bytes = (uint32_t)n_bytes;
    c->report = out;
    c->imports = imports;
    type_store_init(&c->types, max_bytes < MAX_BYTES ? max_bytes : MAX_BYTES,
                    BASE_STEPS + STEPS_PER_BYTE * (long)n_bytes);
    map_init(&c->members);
    map_init(&c->globals);
    map_init(&c->class_names);
    c->types.classes = memmem(source, n_bytes, "setmetatable", 12) != NULL;
    if (run_pass(c)) {
        c->second = true;
        run_pass(c);
    }
    qsort(out->errors, out->n, sizeof(*out->errors), by_place);
    finish(c);
    return 0;
}

void check_report_finish(struct check_report *report)
{
    free(report->errors);
    *report = (struct check_report){0};
}
