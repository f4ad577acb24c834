#include "worker/check_private.h"

/*
 * What each local may be at a place is local.now. Whoever changes it for a while (a
 * branch, the right side of an `and`) notes where the trail was, and undoes it later:
 * the trail has what was before for everything that was changed since the mark.
 */

void flow_set(struct checker *c, uint32_t i, const struct type *type)
{
    struct local *local = &c->locals[i];
    struct trail_row *row;

    if (local->now == type)
        return;
    if (local->logged <= c->mark) {
        row = CHECK_PUSH(c, trail);
        if (row == NULL)
            return;
        *row = (struct trail_row){i, local->ordinal, local->logged, local->now};
        local->logged = c->n_trail;
    }
    local->now = type;
}

static struct local *find_again(struct checker *c, uint32_t i, uint32_t ordinal)
{
    if (i >= c->n_locals || c->locals[i].ordinal != ordinal)
        return NULL; /* it went out of scope */
    return &c->locals[i];
}

void flow_undo(struct checker *c, uint32_t mark)
{
    while (c->n_trail > mark) {
        const struct trail_row *row = &c->trail[--c->n_trail];
        struct local *local = find_again(c, row->local, row->ordinal);

        if (local != NULL) {
            local->now = row->was;
            local->logged = row->logged;
        }
    }
}

/* ---- conditions ------------------------------------------------------------------ */

static struct entry *find_entry(struct entries *entries, uint32_t local)
{
    for (uint32_t i = 0; i < entries->n; i++)
        if (entries->rows[i].local == local)
            return &entries->rows[i];
    return NULL;
}

void entries_add(struct entries *entries, const struct entry *entry)
{
    struct entry *there = find_entry(entries, entry->local);

    if (there != NULL)
        *there = *entry;
    else if (entries->n < MAX_ENTRIES)
        entries->rows[entries->n++] = *entry;
    else
        entries->many = true;
}

void entries_blur(struct checker *c, struct entries *entries)
{
    for (uint32_t i = 0; i < entries->n; i++) {
        struct entry *entry = &entries->rows[i];

        if (find_again(c, entry->local, entry->ordinal) != NULL)
            entry->yes = entry->no = type_weak(&c->types, c->locals[entry->local].now);
    }
}

void entries_merge(struct entries *into, const struct entries *from)
{
    for (uint32_t i = 0; i < from->n; i++)
        entries_add(into, &from->rows[i]);
    into->many |= from->many;
}

void entries_not(struct entries *entries)
{
    for (uint32_t i = 0; i < entries->n; i++) {
        const struct type *yes = entries->rows[i].yes;

        entries->rows[i].yes = entries->rows[i].no;
        entries->rows[i].no = yes;
    }
}

/* `A and B`: when it is true, both are. When it isn't, a local that only one of them
 * speaks of may be anything, and which depends on the others. For `or` the other way
 * round. What B says counts from where A was true (false for `or`). right_decides: B
 * may be false at all (true for `or`). */
void entries_both(struct checker *c, struct entries *left, struct entries *right,
                  bool is_and, bool right_decides)
{
    struct entries all = {.many = left->many || right->many};

    if (!is_and) {
        entries_not(left);
        entries_not(right);
    }
    entries_merge(&all, left);
    entries_merge(&all, right);
    for (uint32_t i = 0; i < all.n; i++) {
        struct entry *row = &all.rows[i];
        const struct entry *a = find_entry(left, row->local);
        const struct entry *b = find_entry(right, row->local);
        const struct local *local = find_again(c, row->local, row->ordinal);
        const struct type *now = local != NULL ? local->now : PLAIN(ANY);
        const struct type *a_no = a != NULL ? a->no : now;
        const struct type *b_no = b != NULL ? b->no : a != NULL ? a->yes : now;

        row->yes = b != NULL ? b->yes : a != NULL ? a->yes : now;
        row->no = a_no;
        if (!right_decides)
            continue;
        row->no = type_union(&c->types, a_no, b_no);
        if (a == NULL || b == NULL)
            row->no = type_weak(&c->types, row->no);
    }
    if (!is_and)
        entries_not(&all);
    *left = all;
}

void flow_spread(struct checker *c, struct entries *entries)
{
    uint32_t n = entries->n;

    for (uint32_t i = 0; i < c->n_locals && n > 0; i++) {
        const struct local *local = &c->locals[i];
        const struct type *weak;

        if (local->function != c->function ||
            !type_is_union(&c->types, local->now, true) ||
            find_entry(entries, i) != NULL)
            continue;
        for (uint32_t j = 0; j < n; j++) {
            if (entries->rows[j].local >= c->n_locals ||
                !check_same_group(c, i, entries->rows[j].local))
                continue;
            weak = type_weak(&c->types, local->now);
            entries_add(entries, &(struct entry){i, local->ordinal, weak, weak});
            break;
        }
    }
    c->types.steps_left -= (long)c->n_locals * n / 8;
}

/* Every local that may be several things may be any of them from here on. */
static void forget(struct checker *c)
{
    for (uint32_t i = 0; i < c->n_locals; i++)
        flow_set(c, i, type_weak(&c->types, c->locals[i].now));
    c->types.steps_left -= c->n_locals;
}

void flow_apply(struct checker *c, const struct entries *entries, bool yes)
{
    if (entries->many)
        forget(c);
    for (uint32_t i = 0; i < entries->n; i++) {
        const struct entry *entry = &entries->rows[i];

        if (find_again(c, entry->local, entry->ordinal) != NULL)
            flow_set(c, entry->local, yes ? entry->yes : entry->no);
    }
}

/* ---- if ----------------------------------------------------------------------------
 *
 * frame.mark … frame.here: what the conditions so far have denied; behind it, what the
 * open branch changes. Each branch that comes to its end adds to the frame's joins.
 */

void flow_if_open(struct checker *c, struct frame *frame)
{
    c->mark = frame->here = frame->mark;
    frame->worst = LIFE_DEAD;
}

void flow_if_then(struct checker *c, struct frame *frame, struct operand *condition)
{
    flow_spread(c, &condition->entries);
    frame->entries = type_store_alloc(&c->types, sizeof(*frame->entries));
    if (frame->entries == NULL)
        return;
    *frame->entries = condition->entries;
    frame->here = c->mark = c->n_trail;
    flow_apply(c, frame->entries, true);
    c->life = LIFE_LIVE;
}

static struct join_row *find_join(struct checker *c, const struct frame *frame,
                                  uint32_t local)
{
    for (uint32_t i = frame->joins; i < c->n_joins; i++)
        if (c->joins[i].local == local)
            return &c->joins[i];
    return NULL;
}

/* A local that the branch changed; was is what it was before the `if`. */
static void join_one(struct checker *c, struct frame *frame, uint32_t i,
                     const struct type *was)
{
    struct join_row *row = find_join(c, frame, i);
    const struct type *type = c->locals[i].now;

    if (row != NULL) {
        row->type = type_union(&c->types, row->type, type);
        row->never |= type->sort == SORT_NEVER;
        return;
    }
    row = CHECK_PUSH(c, joins);
    if (row == NULL)
        return;
    row->local = i;
    row->ordinal = c->locals[i].ordinal;
    row->type = frame->n_joined != 0 ? type_union(&c->types, was, type) : type;
    row->never = type->sort == SORT_NEVER;
}

void flow_if_branch_end(struct checker *c, struct frame *frame)
{
    uint32_t seen = ++c->n_seen;

    if (c->life < frame->worst)
        frame->worst = c->life;
    if (c->life == LIFE_MAYBE)
        frame->maybe = true;
    if (c->life == LIFE_DEAD)
        return;
    c->types.steps_left -= (c->n_trail - frame->mark) + (c->n_joins - frame->joins);
    for (uint32_t i = frame->mark; i < c->n_trail; i++) {
        const struct trail_row *row = &c->trail[i];
        struct local *local = find_again(c, row->local, row->ordinal);

        if (local == NULL || row->local >= frame->locals || local->seen == seen)
            continue;
        local->seen = seen;
        join_one(c, frame, row->local, row->was);
    }
    for (uint32_t i = frame->joins; i < c->n_joins; i++) {
        struct join_row *row = &c->joins[i];
        const struct local *local = find_again(c, row->local, row->ordinal);

        if (local != NULL && local->seen != seen)
            row->type = type_union(&c->types, row->type, local->now);
    }
    frame->n_joined++;
}

/* To the next condition, or the `else`. */
void flow_if_next(struct checker *c, struct frame *frame)
{
    flow_undo(c, frame->here);
    c->mark = frame->mark;
    if (frame->entries != NULL)
        flow_apply(c, frame->entries, false);
    frame->here = c->mark = c->n_trail;
    c->life = LIFE_LIVE;
}

void flow_if_close(struct checker *c, struct frame *frame)
{
    flow_undo(c, frame->mark);
    c->mark = frame->old_mark;
    for (uint32_t i = frame->joins; i < c->n_joins; i++) {
        const struct join_row *row = &c->joins[i];
        const struct type *type = row->type;

        if (frame->maybe)
            type = row->never ? PLAIN(ANY) : type_weak(&c->types, type);
        if (find_again(c, row->local, row->ordinal) != NULL)
            flow_set(c, row->local, type);
    }
    c->n_joins = frame->joins;
    if (frame->worst == LIFE_DEAD)
        c->life = LIFE_DEAD;
    else if (frame->maybe && frame->life == LIFE_LIVE)
        c->life = LIFE_MAYBE;
    else
        c->life = frame->life;
}

/* ---- loops ----------------------------------------------------------------------- */

/* What the loop assigns to may be anything that it was declared as when it comes round
 * again. */
void flow_loop_open(struct checker *c, struct frame *frame)
{
    for (uint32_t i = 0; i < c->n_locals; i++) {
        const struct local *local = &c->locals[i];

        if (local->declared != NULL && check_fact(c, i)->last_step > c->step)
            flow_set(c, i, type_weak(&c->types, local->declared));
    }
    c->types.steps_left -= c->n_locals;
    frame->mark = c->mark = c->n_trail;
}

/* Nobody knows how often it ran: what it changed may be what it was, or that. */
void flow_loop_close(struct checker *c, struct frame *frame)
{
    uint32_t from = c->n_joins;

    for (uint32_t i = frame->mark; i < c->n_trail; i++) {
        struct join_row *row = CHECK_PUSH(c, joins);

        if (row == NULL)
            return;
        row->local = c->trail[i].local;
        row->ordinal = c->trail[i].ordinal;
    }
    flow_undo(c, frame->mark);
    c->mark = frame->old_mark;
    for (uint32_t i = from; i < c->n_joins; i++) {
        const struct local *local =
            find_again(c, c->joins[i].local, c->joins[i].ordinal);

        if (local != NULL)
            flow_set(c, c->joins[i].local, type_weak(&c->types, local->now));
    }
    c->n_joins = from;
    if (frame->breaks)
        forget(c);
    c->life = frame->always && !frame->breaks ? LIFE_DEAD : frame->life;
}

/* Control may come here from elsewhere. */
void flow_restart(struct checker *c)
{
    for (uint32_t i = 0; i < c->n_locals; i++) {
        const struct local *local = &c->locals[i];

        if (local->declared != NULL)
            flow_set(c, i, type_weak(&c->types, local->declared));
        else if (type_is_union(&c->types, local->now, false))
            flow_set(c, i, PLAIN(ANY));
    }
    c->types.steps_left -= c->n_locals;
}
