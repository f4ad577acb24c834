/*
 * schema_machine -- what runs a compiled schema over data: an explicit stack of visits.
 *
 * A visit is one subschema that looks at one node. It runs its operations in order; one
 * that depends on another subschema pushes a visit, returns OP_WAITS and is run again
 * when that has ended, with the answer in child_ok. Every loop pays in steps for what
 * it does, so a check ends in time proportional to the data, whatever the schema.
 *
 * schema_check.c runs the machine. The operations are in schema_values.c (what a node
 * itself says), schema_parts.c (members, items) and schema_unique.c (doubles); those
 * that combine schemas stand beside the machine. schema_report.c keeps the flaws.
 */
#ifndef TROUPE_COMMON_SCHEMA_MACHINE_H
#define TROUPE_COMMON_SCHEMA_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/schema_private.h"

struct schema_report;

#define STEP_BYTES 256 /* of text that are looked at for one step */

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

typedef enum outcome schema_operation(struct machine *m, struct visit *v,
                                      const struct op *op);

/* ---- schema_report.c ---- */

/* The node doesn't satisfy v's subschema, and why; v ends sooner or later. */
void machine_fail(struct machine *m, struct visit *v, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Whatever was found so far, the answer is no: the check would take too long. */
void machine_give_up(struct machine *m, const char *why);

/* The errors by path, so that they don't depend on the order of a Lua table. */
void schema_report_sort(struct schema_report *report);

/* false: there are no n steps left, the machine has given up. */
static inline bool machine_spend(struct machine *m, uint64_t n)
{
    if (m->steps > n) {
        m->steps -= n;
        return true;
    }
    machine_give_up(m, "checking this takes too long");
    return false;
}

/* ---- schema_check.c ---- */

/* The visit on top waits for a new one, which looks at node by way of the segment.
 * Always OP_WAITS. */
enum outcome machine_descend(struct machine *m, uint32_t sub, uint32_t node, bool quiet,
                             enum segment segment, uint32_t segment_at);

/* Did a child of the visit just end? Its answer is in m->child_ok then. */
static inline bool visit_take_answer(struct visit *v)
{
    bool waited = v->waiting;

    v->waiting = false;
    return waited;
}

static inline const struct flat_node *visit_node(const struct machine *m,
                                                 const struct visit *v)
{
    return &m->flat->nodes[v->node];
}

/* ---- schema_values.c ---- */

schema_operation schema_run_constants, schema_run_bound, schema_run_length,
    schema_run_pattern, schema_run_count;

/* The node's types as far as the subschema allows them; fails v when there is none. */
void schema_begin_visit(struct machine *m, struct visit *v);

/* ---- schema_parts.c, schema_unique.c ---- */

schema_operation schema_run_required, schema_run_dependent, schema_run_properties,
    schema_run_names, schema_run_items, schema_run_contains;
schema_operation schema_run_unique;

#endif
