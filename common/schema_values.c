#include "common/schema_machine.h"

#include <math.h>
#include <stdio.h>

#include "common/mem.h"
#include "common/regex.h"
#include "common/utf8.h"

/* ---- types ----------------------------------------------------------------------- */

static unsigned types_of(const struct flat_node *node)
{
    switch (node->type) {
    case FLAT_NULL:
        return TYPE_NULL;
    case FLAT_BOOL:
        return TYPE_BOOLEAN;
    case FLAT_INT:
        return TYPE_INTEGER | TYPE_NUMBER;
    case FLAT_FLOAT:
        return number_is_integral(flat_number(node)) ? TYPE_INTEGER | TYPE_NUMBER
                                                     : TYPE_NUMBER;
    case FLAT_STRING:
        return TYPE_STRING;
    case FLAT_LIST:
        return TYPE_ARRAY;
    case FLAT_MAP:
        return TYPE_OBJECT;
    case FLAT_EMPTY:
        return TYPE_ARRAY | TYPE_OBJECT;
    default:
        return TYPE_OTHER;
    }
}

static const char *type_name(unsigned types)
{
    static const struct {
        unsigned bit;
        const char *name;
    } rows[] = {{TYPE_NULL, "null"},       {TYPE_BOOLEAN, "boolean"},
                {TYPE_INTEGER, "integer"}, {TYPE_NUMBER, "number"},
                {TYPE_STRING, "string"},   {TYPE_ARRAY, "array"},
                {TYPE_OBJECT, "object"}};

    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        if ((types & rows[i].bit) != 0)
            return rows[i].name;
    return "something else";
}

/* "integer or null" */
static void format_types(unsigned types, char *out, size_t out_bytes)
{
    size_t n = 0;

    if ((types & TYPE_NUMBER) != 0)
        types &= ~(unsigned)TYPE_INTEGER;
    out[0] = '\0';
    for (unsigned bit = 1; bit < TYPE_ANY; bit <<= 1) {
        if ((types & bit) != 0 && n < out_bytes)
            n += (size_t)snprintf(out + n, out_bytes - n, "%s%s", n == 0 ? "" : " or ",
                                  type_name(bit));
    }
}

void schema_begin_visit(struct machine *m, struct visit *v)
{
    const struct sub *sub = &m->schema->subs[v->sub];
    unsigned types = types_of(visit_node(m, v));
    char wanted[80];

    v->begun = true;
    v->types = (uint8_t)(types & sub->types);
    if (sub->never) {
        machine_fail(m, v, "is not allowed");
    } else if (v->types == 0) {
        format_types(sub->types, wanted, sizeof(wanted));
        machine_fail(m, v, "expected %s, got %s", wanted, type_name(types));
    }
}

/* ---- constants, numbers, texts, counts ------------------------------------------- */

enum outcome schema_run_constants(struct machine *m, struct visit *v,
                                  const struct op *op)
{
    const struct flat *all = op->as.constants;
    uint32_t at = 1;

    for (uint32_t i = 0; i < all->nodes[0].n; i++, at = all->nodes[at].next) {
        if (flat_equal(all, at, m->flat, v->node, &m->steps) && m->steps != 0)
            return OP_DONE;
        if (!machine_spend(m, 1))
            return OP_DONE;
    }
    machine_fail(m, v,
                 op->code == OP_CONST ? "is not the value required"
                                      : "is none of the values allowed");
    return OP_DONE;
}

enum outcome schema_run_bound(struct machine *m, struct visit *v, const struct op *op)
{
    static const char *const texts[] = {[OP_MINIMUM] = "must be at least %s",
                                        [OP_MAXIMUM] = "must be at most %s",
                                        [OP_ABOVE] = "must be greater than %s",
                                        [OP_BELOW] = "must be less than %s",
                                        [OP_MULTIPLE] = "must be a multiple of %s"};
    struct number number = flat_number(visit_node(m, v));
    bool is_number = number.is_integer || !isnan(number.as.real);
    int order = is_number ? number_compare(number, op->as.number) : 0;
    char limit[NUMBER_TEXT_BYTES], text[80];
    bool ok = is_number;

    if (op->code == OP_MINIMUM)
        ok = ok && order >= 0;
    else if (op->code == OP_MAXIMUM)
        ok = ok && order <= 0;
    else if (op->code == OP_ABOVE)
        ok = ok && order > 0;
    else if (op->code == OP_BELOW)
        ok = ok && order < 0;
    else
        ok = number_is_multiple(number, op->as.number);
    if (ok)
        return OP_DONE;
    number_format(limit, op->as.number);
    snprintf(text, sizeof(text), texts[op->code], limit);
    machine_fail(m, v, "%s", text);
    return OP_DONE;
}

/* Code points; a byte that is no UTF-8 counts as one. */
static uint64_t count_characters(const struct flat_node *node)
{
    const char *text = node->as.text;
    size_t left = node->n;
    uint64_t n = 0;

    for (; left != 0; n++) {
        size_t step = utf8_sequence_bytes(text, left);

        step = step == 0 ? 1 : step;
        text += step;
        left -= step;
    }
    return n;
}

/* A character has one to four bytes: most texts need no counting. */
enum outcome schema_run_length(struct machine *m, struct visit *v, const struct op *op)
{
    uint64_t limit = op->as.count, n_bytes = visit_node(m, v)->n;
    bool least = op->code == OP_MIN_LENGTH;

    if (least ? n_bytes / 4 >= limit : n_bytes <= limit)
        return OP_DONE;
    if (!machine_spend(m, n_bytes / STEP_BYTES))
        return OP_DONE;
    if (least && (n_bytes < limit || count_characters(visit_node(m, v)) < limit))
        machine_fail(m, v, "must have at least %llu characters",
                     (unsigned long long)limit);
    else if (!least && count_characters(visit_node(m, v)) > limit)
        machine_fail(m, v, "must have at most %llu characters",
                     (unsigned long long)limit);
    return OP_DONE;
}

enum outcome schema_run_pattern(struct machine *m, struct visit *v, const struct op *op)
{
    const struct flat_node *node = visit_node(m, v);

    if (machine_spend(m, 1 + node->n / STEP_BYTES) &&
        !regex_matches(op->as.pattern.regex, node->as.text, node->n))
        machine_fail(m, v, "does not match the pattern %.100s", op->as.pattern.text);
    return OP_DONE;
}

enum outcome schema_run_count(struct machine *m, struct visit *v, const struct op *op)
{
    const char *what =
        op->code == OP_MIN_ITEMS || op->code == OP_MAX_ITEMS ? "items" : "properties";
    bool least = op->code == OP_MIN_ITEMS || op->code == OP_MIN_PROPERTIES;
    uint64_t n = visit_node(m, v)->n;

    if (least ? n < op->as.count : n > op->as.count)
        machine_fail(m, v, "must have at %s %llu %s", least ? "least" : "most",
                     (unsigned long long)op->as.count, what);
    return OP_DONE;
}
