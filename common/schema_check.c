#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/regex.h"
#include "common/schema.h"
#include "common/schema_private.h"
#include "common/utf8.h"

/* What a check may cost. Schemas that people write need a few steps per node. */
#define STEPS_BASE     1000000
#define STEPS_PER_NODE 32
#define MAX_VISITS     200000
#define SMALL_LIST     8   /* items that are compared with each other one by one */
#define STEP_BYTES     256 /* of text that are looked at for one step */

enum segment { SEGMENT_NONE, SEGMENT_KEY, SEGMENT_INDEX };

/* One subschema looking at one node. */
struct visit {
    uint32_t sub, node;
    uint32_t op;         /* of sub's, counted from its first */
    uint32_t i, cursor;  /* the operation's own: which child, and its node */
    uint32_t n_matched;  /* the operation's own */
    uint32_t n_patterns; /* OP_PROPERTIES: patterns that this member was held against */
    uint32_t segment_at; /* the key's node, or the index */
    uint8_t segment;     /* enum segment: the step from the visit below to this one */
    uint8_t types;       /* of the node, as far as sub allows them */
    bool begun, waiting; /* a child was pushed, *child_ok is its answer */
    bool quiet;          /* nobody wants to know why: the first flaw ends it */
    bool covered;        /* OP_PROPERTIES: a rule was there for this member */
    bool failed;
};

struct machine {
    const struct schema *schema;
    struct flat *flat;
    struct schema_report *report; /* may be NULL */
    struct visit *visits, inline_visits[32];
    uint32_t n, size;
    uint64_t steps;
    bool child_ok;
    bool gave_up;
};

enum outcome { OP_DONE, OP_WAITS };

/* ---- reporting ---------------------------------------------------------------------
 */

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

static void fail(struct machine *m, struct visit *v, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void fail(struct machine *m, struct visit *v, const char *fmt, ...)
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

/* Whatever was found so far, the answer is no: the check would take too long. */
static void give_up(struct machine *m, const char *why)
{
    struct schema_error *error = m->gave_up ? NULL : add_error(m, NULL);

    m->gave_up = true;
    if (error != NULL)
        snprintf(error->text, sizeof(error->text), "%s", why);
}

static bool spend(struct machine *m, uint64_t n)
{
    if (m->steps > n) {
        m->steps -= n;
        return true;
    }
    give_up(m, "checking this takes too long");
    return false;
}

/* ---- visits ------------------------------------------------------------------------
 */

static bool grow(struct machine *m)
{
    uint32_t size = m->size * 2;
    struct visit *visits;

    if (m->size >= MAX_VISITS)
        return false;
    if (m->visits == m->inline_visits) {
        visits = malloc(size * sizeof(*visits));
        if (visits != NULL)
            memcpy(visits, m->visits, m->n * sizeof(*visits));
    } else {
        visits = realloc(m->visits, size * sizeof(*visits));
    }
    if (visits == NULL)
        return false;
    m->visits = visits;
    m->size = size;
    return true;
}

/* The visit on top waits for a new one, which looks at node by way of the segment. */
static enum outcome descend(struct machine *m, uint32_t sub, uint32_t node, bool quiet,
                            enum segment segment, uint32_t segment_at)
{
    if (m->n == m->size && !grow(m)) {
        give_up(m, "the schema goes too deep for this");
        return OP_WAITS;
    }
    if (m->n != 0) {
        struct visit *top = &m->visits[m->n - 1];

        top->waiting = true;
        quiet = quiet || top->quiet;
    }
    m->visits[m->n++] = (struct visit){.sub = sub,
                                       .node = flat_resolve(m->flat, node),
                                       .segment_at = segment_at,
                                       .segment = (uint8_t)segment,
                                       .quiet = quiet};
    return OP_WAITS;
}

static enum outcome look_beside(struct machine *m, const struct visit *v, uint32_t sub,
                                bool quiet)
{
    return descend(m, sub, v->node, quiet, SEGMENT_NONE, 0);
}

/* Did a child of the visit just end? Its answer is in m->child_ok then. */
static bool take_answer(struct visit *v)
{
    bool waited = v->waiting;

    v->waiting = false;
    return waited;
}

static const struct flat_node *node_of(const struct machine *m, const struct visit *v)
{
    return &m->flat->nodes[v->node];
}

/* ---- types -------------------------------------------------------------------------
 */

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

static void begin(struct machine *m, struct visit *v)
{
    const struct sub *sub = &m->schema->subs[v->sub];
    unsigned types = types_of(node_of(m, v));
    char wanted[80];

    v->begun = true;
    v->types = (uint8_t)(types & sub->types);
    if (sub->never) {
        fail(m, v, "is not allowed");
    } else if (v->types == 0) {
        format_types(sub->types, wanted, sizeof(wanted));
        fail(m, v, "expected %s, got %s", wanted, type_name(types));
    }
}

/* ---- operations on what the node itself says ---------------------------------------
 */

static enum outcome run_constants(struct machine *m, struct visit *v,
                                  const struct op *op)
{
    const struct flat *all = op->as.constants;
    uint32_t at = 1;

    for (uint32_t i = 0; i < all->nodes[0].n; i++, at = all->nodes[at].next) {
        if (flat_equal(all, at, m->flat, v->node, &m->steps) && m->steps != 0)
            return OP_DONE;
        if (!spend(m, 1))
            return OP_DONE;
    }
    fail(m, v,
         op->code == OP_CONST ? "is not the value required"
                              : "is none of the values allowed");
    return OP_DONE;
}

static enum outcome run_bound(struct machine *m, struct visit *v, const struct op *op)
{
    static const char *const texts[] = {[OP_MINIMUM] = "must be at least %s",
                                        [OP_MAXIMUM] = "must be at most %s",
                                        [OP_ABOVE] = "must be greater than %s",
                                        [OP_BELOW] = "must be less than %s",
                                        [OP_MULTIPLE] = "must be a multiple of %s"};
    struct number number = flat_number(node_of(m, v));
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
    fail(m, v, "%s", text);
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
static enum outcome run_length(struct machine *m, struct visit *v, const struct op *op)
{
    uint64_t limit = op->as.count, n_bytes = node_of(m, v)->n;
    bool least = op->code == OP_MIN_LENGTH;

    if (least ? n_bytes / 4 >= limit : n_bytes <= limit)
        return OP_DONE;
    if (!spend(m, n_bytes / STEP_BYTES))
        return OP_DONE;
    if (least && (n_bytes < limit || count_characters(node_of(m, v)) < limit))
        fail(m, v, "must have at least %llu characters", (unsigned long long)limit);
    else if (!least && count_characters(node_of(m, v)) > limit)
        fail(m, v, "must have at most %llu characters", (unsigned long long)limit);
    return OP_DONE;
}

static enum outcome run_pattern(struct machine *m, struct visit *v, const struct op *op)
{
    const struct flat_node *node = node_of(m, v);

    if (spend(m, 1 + node->n / STEP_BYTES) &&
        !regex_matches(op->as.pattern.regex, node->as.text, node->n))
        fail(m, v, "does not match the pattern %.100s", op->as.pattern.text);
    return OP_DONE;
}

static enum outcome run_count(struct machine *m, struct visit *v, const struct op *op)
{
    const char *what =
        op->code == OP_MIN_ITEMS || op->code == OP_MAX_ITEMS ? "items" : "properties";
    bool least = op->code == OP_MIN_ITEMS || op->code == OP_MIN_PROPERTIES;
    uint64_t n = node_of(m, v)->n;

    if (least ? n < op->as.count : n > op->as.count)
        fail(m, v, "must have at %s %llu %s", least ? "least" : "most",
             (unsigned long long)op->as.count, what);
    return OP_DONE;
}

/* ---- uniqueItems -------------------------------------------------------------------
 */

/* A seat for each item, found by its hash. */
struct seats {
    uint32_t *nodes; /* 0 = free: the root is no item */
    uint32_t mask;
};

/* Is there an item equal to that at node already? Else it takes a seat. */
static bool sits_already(struct machine *m, struct seats *seats, uint32_t node)
{
    const uint64_t *hashes = m->flat->hashes;
    uint32_t at = (uint32_t)(hashes[node] >> 7) & seats->mask;

    while (seats->nodes[at] != 0) {
        uint32_t other = seats->nodes[at];

        if (!spend(m, 1))
            return false;
        if (hashes[other] == hashes[node] &&
            flat_equal(m->flat, other, m->flat, node, &m->steps))
            return true;
        at = (at + 1) & seats->mask;
    }
    seats->nodes[at] = node;
    return false;
}

/* 0 = none, else the first item that is equal to an earlier one, counted from 1. */
static uint32_t find_double_hashed(struct machine *m, const struct flat_node *list,
                                   uint32_t first)
{
    struct seats seats = {.mask = 15};
    uint32_t found = 0, at = first;

    while (seats.mask / 2 < list->n)
        seats.mask = seats.mask * 2 + 1;
    seats.nodes = calloc((size_t)seats.mask + 1, sizeof(*seats.nodes));
    if (seats.nodes == NULL || !flat_make_hashes(m->flat)) {
        free(seats.nodes);
        give_up(m, "no memory to compare the items");
        return 0;
    }
    for (uint32_t i = 0; i < list->n && found == 0 && !m->gave_up; i++) {
        if (sits_already(m, &seats, at))
            found = i + 1;
        at = m->flat->nodes[at].next;
    }
    free(seats.nodes);
    return found;
}

static uint32_t find_double_plainly(struct machine *m, const struct flat_node *list,
                                    uint32_t first)
{
    const struct flat_node *nodes = m->flat->nodes;
    uint32_t at = first;

    for (uint32_t i = 0; i < list->n; i++, at = nodes[at].next) {
        uint32_t other = first;

        for (uint32_t k = 0; k < i; k++, other = nodes[other].next)
            if (flat_equal(m->flat, other, m->flat, at, &m->steps))
                return i + 1;
    }
    return 0;
}

static enum outcome run_unique(struct machine *m, struct visit *v, const struct op *op)
{
    const struct flat_node *list = node_of(m, v);
    uint32_t found;

    (void)op;
    if (list->n > SMALL_LIST)
        found = find_double_hashed(m, list, v->node + 1);
    else
        found = find_double_plainly(m, list, v->node + 1);
    if (spend(m, 1) && found != 0)
        fail(m, v, "item %u equals an earlier one", found - 1);
    return OP_DONE;
}

/* ---- objects -----------------------------------------------------------------------
 */

static bool has_key(struct machine *m, const struct flat_node *object, uint32_t at,
                    const char *name, size_t n)
{
    const struct flat_node *nodes = m->flat->nodes;

    for (uint32_t i = 0; i < object->n && spend(m, 1); i++) {
        if (nodes[at].n == n && memcmp(nodes[at].as.text, name, n) == 0)
            return true;
        at = nodes[nodes[at].next].next;
    }
    return false;
}

static void fail_missing(struct machine *m, struct visit *v,
                         const struct name_list *list, const bool *seen)
{
    for (uint32_t i = 0; i < list->n && !m->gave_up; i++)
        if (!seen[i])
            fail(m, v, "property '%.100s' is missing", list->names[i]);
}

/* One pass over the members, however many names there are. */
static void require_names(struct machine *m, struct visit *v,
                          const struct name_list *list)
{
    const struct flat_node *object = node_of(m, v), *nodes = m->flat->nodes;
    uint32_t at = v->node + 1, n_seen = 0;
    bool few[32] = {false}, *seen = few;

    if (list->n > N_ELEMENTS(few) && (seen = calloc(list->n, 1)) == NULL) {
        give_up(m, "no memory to look for properties");
        return;
    }
    for (uint32_t i = 0; i < object->n && n_seen < list->n && spend(m, 1); i++) {
        uintptr_t found =
            (uintptr_t)map_find(&list->by_name, nodes[at].as.text, nodes[at].n);

        if (found != 0 && !seen[found - 1]) {
            seen[found - 1] = true;
            n_seen++;
        }
        at = nodes[nodes[at].next].next;
    }
    if (n_seen < list->n)
        fail_missing(m, v, list, seen);
    if (seen != few)
        free(seen);
}

static enum outcome run_required(struct machine *m, struct visit *v,
                                 const struct op *op)
{
    require_names(m, v, op->as.required);
    return OP_DONE;
}

static enum outcome run_dependent(struct machine *m, struct visit *v,
                                  const struct op *op)
{
    const char *when = op->as.dependent.when;

    if (has_key(m, node_of(m, v), v->node + 1, when, strlen(when)))
        require_names(m, v, op->as.dependent.required);
    return OP_DONE;
}

/* The next subschema for the member at v->cursor; NO_SUB behind the last one.
 * v->n_patterns counts what this member was held against: 0 nothing, 1 its own name,
 * i + 2 pattern i, and the last of all is what is additional. */
static uint32_t next_rule(struct machine *m, struct visit *v,
                          const struct property_rules *rules)
{
    const struct flat_node *key = &m->flat->nodes[v->cursor];
    uintptr_t found;

    if (v->n_patterns == 0) {
        v->n_patterns++;
        found = (uintptr_t)map_find(&rules->properties, key->as.text, key->n);
        if (found != 0) {
            v->covered = true;
            return (uint32_t)(found - 1);
        }
    }
    while (v->n_patterns <= rules->n_patterns) {
        const struct pattern_rule *rule = &rules->patterns[v->n_patterns++ - 1];

        if (!spend(m, 1 + key->n / STEP_BYTES))
            return NO_SUB;
        if (regex_matches(rule->regex, key->as.text, key->n)) {
            v->covered = true;
            return rule->sub;
        }
    }
    if (v->covered || v->n_patterns > rules->n_patterns + 1)
        return NO_SUB;
    v->n_patterns++;
    return rules->additional;
}

static enum outcome run_properties(struct machine *m, struct visit *v,
                                   const struct op *op)
{
    const struct flat_node *nodes = m->flat->nodes;
    uint32_t n = node_of(m, v)->n;

    if (take_answer(v) && !m->child_ok)
        v->failed = true;
    if (v->cursor == 0)
        v->cursor = v->node + 1;
    while (v->i < n && spend(m, 1) && !(v->failed && v->quiet)) {
        uint32_t sub = next_rule(m, v, op->as.properties);

        if (sub != NO_SUB)
            return descend(m, sub, nodes[v->cursor].next, false, SEGMENT_KEY,
                           v->cursor);
        v->cursor = nodes[nodes[v->cursor].next].next;
        v->i++;
        v->n_patterns = 0;
        v->covered = false;
    }
    return OP_DONE;
}

static enum outcome run_names(struct machine *m, struct visit *v, const struct op *op)
{
    const struct flat_node *nodes = m->flat->nodes;

    if (take_answer(v)) {
        if (!m->child_ok)
            fail(m, v, "property name '%.*s' is not allowed",
                 nodes[v->cursor].n > 100 ? 100 : (int)nodes[v->cursor].n,
                 nodes[v->cursor].as.text);
        v->cursor = nodes[nodes[v->cursor].next].next;
        v->i++;
    } else {
        v->cursor = v->node + 1;
    }
    if (v->i == node_of(m, v)->n || (v->failed && v->quiet))
        return OP_DONE;
    return descend(m, op->as.sub, v->cursor, true, SEGMENT_NONE, 0);
}

/* ---- arrays ------------------------------------------------------------------------
 */

static enum outcome run_items(struct machine *m, struct visit *v, const struct op *op)
{
    const struct sub_list *prefix = &op->as.items.prefix;
    uint32_t index = v->i, at, sub;

    if (take_answer(v) && !m->child_ok)
        v->failed = true;
    if (v->cursor == 0)
        v->cursor = v->node + 1;
    sub =
        index < prefix->n ? m->schema->lists[prefix->first + index] : op->as.items.rest;
    if (index == node_of(m, v)->n || sub == NO_SUB || (v->failed && v->quiet))
        return OP_DONE;
    at = v->cursor;
    v->cursor = m->flat->nodes[at].next;
    v->i++;
    return descend(m, sub, at, false, SEGMENT_INDEX, index);
}

static void judge_contains(struct machine *m, struct visit *v, const struct op *op)
{
    if (v->n_matched < op->as.contains.min)
        fail(m, v, "must contain at least %u items that match 'contains'",
             op->as.contains.min);
    else if (v->n_matched > op->as.contains.max)
        fail(m, v, "must contain at most %u items that match 'contains'",
             op->as.contains.max);
}

static enum outcome run_contains(struct machine *m, struct visit *v,
                                 const struct op *op)
{
    uint32_t at, index = v->i;

    if (take_answer(v) && m->child_ok)
        v->n_matched++;
    if (v->cursor == 0)
        v->cursor = v->node + 1;
    if (index == node_of(m, v)->n) {
        judge_contains(m, v, op);
        return OP_DONE;
    }
    at = v->cursor;
    v->cursor = m->flat->nodes[at].next;
    v->i++;
    return descend(m, op->as.contains.sub, at, true, SEGMENT_INDEX, index);
}

/* ---- combinations ------------------------------------------------------------------
 */

static enum outcome run_all(struct machine *m, struct visit *v, const struct op *op)
{
    if (take_answer(v) && !m->child_ok)
        v->failed = true;
    if (v->i == op->as.list.n || (v->failed && v->quiet))
        return OP_DONE;
    return look_beside(m, v, m->schema->lists[op->as.list.first + v->i++], false);
}

/* anyOf and oneOf: why a branch doesn't fit helps nobody, there are others. */
static enum outcome run_choice(struct machine *m, struct visit *v, const struct op *op)
{
    uint32_t most = op->code == OP_ANY ? 1 : 2;

    if (take_answer(v) && m->child_ok)
        v->n_matched++;
    if (v->i < op->as.list.n && v->n_matched < most)
        return look_beside(m, v, m->schema->lists[op->as.list.first + v->i++], true);
    if (v->n_matched == 0)
        fail(m, v, "matches no schema of %s", op->code == OP_ANY ? "anyOf" : "oneOf");
    else if (op->code == OP_ONE && v->n_matched > 1)
        fail(m, v, "matches more than one schema of oneOf");
    return OP_DONE;
}

static enum outcome run_not(struct machine *m, struct visit *v, const struct op *op)
{
    if (!take_answer(v))
        return look_beside(m, v, op->as.sub, true);
    if (m->child_ok)
        fail(m, v, "matches the schema of 'not'");
    return OP_DONE;
}

/* v->i: 0 the condition is asked, 1 the branch is. */
static enum outcome run_if(struct machine *m, struct visit *v, const struct op *op)
{
    uint32_t branch;

    if (!take_answer(v))
        return look_beside(m, v, op->as.branch.condition, true);
    if (v->i == 1) {
        v->failed = v->failed || !m->child_ok;
        return OP_DONE;
    }
    branch = m->child_ok ? op->as.branch.then : op->as.branch.otherwise;
    if (branch == NO_SUB)
        return OP_DONE;
    v->i = 1;
    return look_beside(m, v, branch, false);
}

static enum outcome run_ref(struct machine *m, struct visit *v, const struct op *op)
{
    if (!take_answer(v))
        return look_beside(m, v, op->as.sub, false);
    v->failed = v->failed || !m->child_ok;
    return OP_DONE;
}

/* ---- the machine -------------------------------------------------------------------
 */

static enum outcome (*const runners[OP_N_CODES])(struct machine *, struct visit *,
                                                 const struct op *) = {
    [OP_CONST] = run_constants,
    [OP_ENUM] = run_constants,
    [OP_MINIMUM] = run_bound,
    [OP_MAXIMUM] = run_bound,
    [OP_ABOVE] = run_bound,
    [OP_BELOW] = run_bound,
    [OP_MULTIPLE] = run_bound,
    [OP_MIN_LENGTH] = run_length,
    [OP_MAX_LENGTH] = run_length,
    [OP_PATTERN] = run_pattern,
    [OP_MIN_ITEMS] = run_count,
    [OP_MAX_ITEMS] = run_count,
    [OP_UNIQUE] = run_unique,
    [OP_ITEMS] = run_items,
    [OP_CONTAINS] = run_contains,
    [OP_MIN_PROPERTIES] = run_count,
    [OP_MAX_PROPERTIES] = run_count,
    [OP_REQUIRED] = run_required,
    [OP_DEPENDENT_REQUIRED] = run_dependent,
    [OP_PROPERTIES] = run_properties,
    [OP_NAMES] = run_names,
    [OP_ALL] = run_all,
    [OP_ANY] = run_choice,
    [OP_ONE] = run_choice,
    [OP_NOT] = run_not,
    [OP_IF] = run_if,
    [OP_REF] = run_ref,
};

/* Runs the visit on top until it is over (true) or waits for a child. */
static bool run_visit(struct machine *m)
{
    struct visit *v = &m->visits[m->n - 1];
    const struct sub *sub = &m->schema->subs[v->sub];

    if (!v->begun)
        begin(m, v);
    while (v->op < sub->n_ops && v->types != 0 && !m->gave_up &&
           !(v->failed && v->quiet)) {
        const struct op *op = &m->schema->ops[sub->first_op + v->op];

        if ((op->types & v->types) != 0 && runners[op->code](m, v, op) == OP_WAITS)
            return false;
        v->op++;
        v->i = v->cursor = v->n_matched = v->n_patterns = 0;
        v->covered = false;
    }
    return true;
}

static bool run(struct machine *m)
{
    while (m->n > 0 && spend(m, 1) && !m->gave_up) {
        if (!run_visit(m))
            continue;
        m->child_ok = !m->visits[m->n - 1].failed;
        m->n--;
    }
    return !m->gave_up && m->child_ok;
}

/* By path, so that they don't depend on the order of a Lua table. */
static void sort_errors(struct schema_report *report)
{
    for (size_t i = 1; i < report->n; i++) {
        struct schema_error error = report->errors[i];
        size_t k = i;

        for (; k > 0 && strverscmp(report->errors[k - 1].path, error.path) > 0; k--)
            report->errors[k] = report->errors[k - 1];
        report->errors[k] = error;
    }
}

bool schema_check(const struct schema *schema, struct flat *flat,
                  struct schema_report *report)
{
    struct machine m = {.schema = schema,
                        .flat = flat,
                        .report = report,
                        .steps = STEPS_BASE + (uint64_t)flat->n * STEPS_PER_NODE};
    bool ok;

    m.visits = m.inline_visits;
    m.size = N_ELEMENTS(m.inline_visits);
    if (report != NULL) {
        report->n = 0;
        report->more = false;
    }
    descend(&m, 0, 0, report == NULL, SEGMENT_NONE, 0);
    ok = run(&m);
    if (m.visits != m.inline_visits)
        free(m.visits);
    if (report != NULL)
        sort_errors(report);
    return ok;
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
