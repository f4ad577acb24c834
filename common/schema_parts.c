#include "common/schema_machine.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/regex.h"

/* ---- objects --------------------------------------------------------------------- */

static bool has_key(struct machine *m, const struct flat_node *object, uint32_t at,
                    const char *name, size_t n)
{
    const struct flat_node *nodes = m->flat->nodes;

    for (uint32_t i = 0; i < object->n && machine_spend(m, 1); i++) {
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
            machine_fail(m, v, "property '%.100s' is missing", list->names[i]);
}

/* One pass over the members, however many names there are. */
static void require_names(struct machine *m, struct visit *v,
                          const struct name_list *list)
{
    const struct flat_node *object = visit_node(m, v), *nodes = m->flat->nodes;
    uint32_t at = v->node + 1, n_seen = 0;
    bool few[32] = {false}, *seen = few;

    if (list->n > N_ELEMENTS(few) && (seen = calloc(list->n, 1)) == NULL) {
        machine_give_up(m, "no memory to look for properties");
        return;
    }
    for (uint32_t i = 0; i < object->n && n_seen < list->n && machine_spend(m, 1);
         i++) {
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

enum outcome schema_run_required(struct machine *m, struct visit *v,
                                 const struct op *op)
{
    require_names(m, v, op->as.required);
    return OP_DONE;
}

enum outcome schema_run_dependent(struct machine *m, struct visit *v,
                                  const struct op *op)
{
    const char *when = op->as.dependent.when;

    if (has_key(m, visit_node(m, v), v->node + 1, when, strlen(when)))
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

        if (!machine_spend(m, 1 + key->n / STEP_BYTES))
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

enum outcome schema_run_properties(struct machine *m, struct visit *v,
                                   const struct op *op)
{
    const struct flat_node *nodes = m->flat->nodes;
    uint32_t n = visit_node(m, v)->n;

    if (visit_take_answer(v) && !m->child_ok)
        v->failed = true;
    if (v->cursor == 0)
        v->cursor = v->node + 1;
    while (v->i < n && machine_spend(m, 1) && !(v->failed && v->quiet)) {
        uint32_t sub = next_rule(m, v, op->as.properties);

        if (sub != NO_SUB)
            return machine_descend(m, sub, nodes[v->cursor].next, false, SEGMENT_KEY,
                                   v->cursor);
        v->cursor = nodes[nodes[v->cursor].next].next;
        v->i++;
        v->n_patterns = 0;
        v->covered = false;
    }
    return OP_DONE;
}

enum outcome schema_run_names(struct machine *m, struct visit *v, const struct op *op)
{
    const struct flat_node *nodes = m->flat->nodes;

    if (visit_take_answer(v)) {
        if (!m->child_ok)
            machine_fail(m, v, "property name '%.*s' is not allowed",
                         nodes[v->cursor].n > 100 ? 100 : (int)nodes[v->cursor].n,
                         nodes[v->cursor].as.text);
        v->cursor = nodes[nodes[v->cursor].next].next;
        v->i++;
    } else {
        v->cursor = v->node + 1;
    }
    if (v->i == visit_node(m, v)->n || (v->failed && v->quiet))
        return OP_DONE;
    return machine_descend(m, op->as.sub, v->cursor, true, SEGMENT_NONE, 0);
}

/* ---- arrays ---------------------------------------------------------------------- */

enum outcome schema_run_items(struct machine *m, struct visit *v, const struct op *op)
{
    const struct sub_list *prefix = &op->as.items.prefix;
    uint32_t index = v->i, at, sub;

    if (visit_take_answer(v) && !m->child_ok)
        v->failed = true;
    if (v->cursor == 0)
        v->cursor = v->node + 1;
    sub =
        index < prefix->n ? m->schema->lists[prefix->first + index] : op->as.items.rest;
    if (index == visit_node(m, v)->n || sub == NO_SUB || (v->failed && v->quiet))
        return OP_DONE;
    at = v->cursor;
    v->cursor = m->flat->nodes[at].next;
    v->i++;
    return machine_descend(m, sub, at, false, SEGMENT_INDEX, index);
}

static void judge_contains(struct machine *m, struct visit *v, const struct op *op)
{
    if (v->n_matched < op->as.contains.min)
        machine_fail(m, v, "must contain at least %u items that match 'contains'",
                     op->as.contains.min);
    else if (v->n_matched > op->as.contains.max)
        machine_fail(m, v, "must contain at most %u items that match 'contains'",
                     op->as.contains.max);
}

enum outcome schema_run_contains(struct machine *m, struct visit *v,
                                 const struct op *op)
{
    uint32_t at, index = v->i;

    if (visit_take_answer(v) && m->child_ok)
        v->n_matched++;
    if (v->cursor == 0)
        v->cursor = v->node + 1;
    if (index == visit_node(m, v)->n) {
        judge_contains(m, v, op);
        return OP_DONE;
    }
    at = v->cursor;
    v->cursor = m->flat->nodes[at].next;
    v->i++;
    return machine_descend(m, op->as.contains.sub, at, true, SEGMENT_INDEX, index);
}
