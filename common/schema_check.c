#include "common/schema_machine.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/schema.h"

/* What a check may cost. Schemas that people write need a few steps per node. */
#define STEPS_BASE     1000000
#define STEPS_PER_NODE 32
#define MAX_VISITS     200000

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

enum outcome machine_descend(struct machine *m, uint32_t sub, uint32_t node, bool quiet,
                             enum segment segment, uint32_t segment_at)
{
    if (m->n == m->size && !grow(m)) {
        machine_give_up(m, "the schema goes too deep for this");
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
    return machine_descend(m, sub, v->node, quiet, SEGMENT_NONE, 0);
}

/* ---- combinations ---------------------------------------------------------------- */

static enum outcome run_all(struct machine *m, struct visit *v, const struct op *op)
{
    if (visit_take_answer(v) && !m->child_ok)
        v->failed = true;
    if (v->i == op->as.list.n || (v->failed && v->quiet))
        return OP_DONE;
    return look_beside(m, v, m->schema->lists[op->as.list.first + v->i++], false);
}

/* anyOf and oneOf: why a branch doesn't fit helps nobody, there are others. */
static enum outcome run_choice(struct machine *m, struct visit *v, const struct op *op)
{
    uint32_t most = op->code == OP_ANY ? 1 : 2;

    if (visit_take_answer(v) && m->child_ok)
        v->n_matched++;
    if (v->i < op->as.list.n && v->n_matched < most)
        return look_beside(m, v, m->schema->lists[op->as.list.first + v->i++], true);
    if (v->n_matched == 0)
        machine_fail(m, v, "matches no schema of %s",
                     op->code == OP_ANY ? "anyOf" : "oneOf");
    else if (op->code == OP_ONE && v->n_matched > 1)
        machine_fail(m, v, "matches more than one schema of oneOf");
    return OP_DONE;
}

static enum outcome run_not(struct machine *m, struct visit *v, const struct op *op)
{
    if (!visit_take_answer(v))
        return look_beside(m, v, op->as.sub, true);
    if (m->child_ok)
        machine_fail(m, v, "matches the schema of 'not'");
    return OP_DONE;
}

/* v->i: 0 the condition is asked, 1 the branch is. */
static enum outcome run_if(struct machine *m, struct visit *v, const struct op *op)
{
    uint32_t branch;

    if (!visit_take_answer(v))
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
    if (!visit_take_answer(v))
        return look_beside(m, v, op->as.sub, false);
    v->failed = v->failed || !m->child_ok;
    return OP_DONE;
}

/* ---- running --------------------------------------------------------------------- */

static enum outcome (*const runners[OP_N_CODES])(struct machine *, struct visit *,
                                                 const struct op *) = {
    [OP_CONST] = schema_run_constants,
    [OP_ENUM] = schema_run_constants,
    [OP_MINIMUM] = schema_run_bound,
    [OP_MAXIMUM] = schema_run_bound,
    [OP_ABOVE] = schema_run_bound,
    [OP_BELOW] = schema_run_bound,
    [OP_MULTIPLE] = schema_run_bound,
    [OP_MIN_LENGTH] = schema_run_length,
    [OP_MAX_LENGTH] = schema_run_length,
    [OP_PATTERN] = schema_run_pattern,
    [OP_MIN_ITEMS] = schema_run_count,
    [OP_MAX_ITEMS] = schema_run_count,
    [OP_UNIQUE] = schema_run_unique,
    [OP_ITEMS] = schema_run_items,
    [OP_CONTAINS] = schema_run_contains,
    [OP_MIN_PROPERTIES] = schema_run_count,
    [OP_MAX_PROPERTIES] = schema_run_count,
    [OP_REQUIRED] = schema_run_required,
    [OP_DEPENDENT_REQUIRED] = schema_run_dependent,
    [OP_PROPERTIES] = schema_run_properties,
    [OP_NAMES] = schema_run_names,
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
        schema_begin_visit(m, v);
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
    while (m->n > 0 && machine_spend(m, 1) && !m->gave_up) {
        if (!run_visit(m))
            continue;
        m->child_ok = !m->visits[m->n - 1].failed;
        m->n--;
    }
    return !m->gave_up && m->child_ok;
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
    machine_descend(&m, 0, 0, report == NULL, SEGMENT_NONE, 0);
    ok = run(&m);
    if (m.visits != m.inline_visits)
        free(m.visits);
    if (report != NULL)
        schema_report_sort(report);
    return ok;
}
