#include "worker/check_private.h"

#include <string.h>

#include "worker/check_show.h"

/* ---- local ----------------------------------------------------------------------- */

/* What a local without an annotation is known to be: tables may change. */
static const struct type *kept_type(struct checker *c, const struct type *type)
{
    if (type == NULL || type->sort == SORT_VALUE)
        return PLAIN(ANY);
    if (type->sort == SORT_LITERAL)
        return PLAIN(TABLE);
    if (type->sort == SORT_UNION) {
        for (uint32_t i = 0; i < type->as.of.n; i++)
            if (type_behind(&c->types, type->as.of.items[i])->sort == SORT_LITERAL)
                return PLAIN(ANY);
    }
    return type;
}

/* The functions in a table that is written out are known by its name. */
static void note_members(struct checker *c, uint32_t local, const struct type *type)
{
    if (type == NULL || type->sort != SORT_LITERAL)
        return;
    for (uint32_t i = 0; i < type->as.fields.n; i++) {
        const struct type_field *field = &type->as.fields.items[i];

        if (field->name != NULL)
            check_note_member(c, local, field->name, field->n_bytes, field->type);
    }
    if (type->open)
        check_fact(c, local)->wild = true;
}

/* A field that the local's type wants, and that is given to it behind its table. */
static bool comes_later(struct checker *c, uint32_t ordinal, const struct type *literal,
                        const struct type_field *field)
{
    c->types.steps_left -= 1 + literal->as.fields.n;
    return type_find_field(literal, field->name, field->n_bytes) == NULL &&
           check_has_member(c, ordinal, field->name, field->n_bytes);
}

/* A table as it is written, and such fields. */
static const struct type *with_later_fields(struct checker *c, uint32_t ordinal,
                                            const struct type *literal,
                                            const struct type *wanted)
{
    uint32_t n, n_later = 0;
    struct type_field *fields;
    struct type *filled;

    wanted = type_behind(&c->types, type_without_nil(&c->types, wanted));
    if (literal->sort != SORT_LITERAL || wanted->sort != SORT_RECORD || !c->second)
        return literal;
    for (uint32_t i = 0; i < wanted->as.fields.n; i++)
        n_later += comes_later(c, ordinal, literal, &wanted->as.fields.items[i]);
    if (n_later == 0)
        return literal;
    n = literal->as.fields.n;
    filled = type_store_alloc(&c->types, sizeof(*filled));
    fields = type_store_alloc(&c->types, (n + n_later) * sizeof(*fields));
    if (filled == NULL || fields == NULL)
        return literal;
    if (n != 0)
        memcpy(fields, literal->as.fields.items, n * sizeof(*fields));
    for (uint32_t i = 0; i < wanted->as.fields.n; i++) {
        if (!comes_later(c, ordinal, literal, &wanted->as.fields.items[i]))
            continue;
        fields[n] = wanted->as.fields.items[i];
        fields[n++].type = PLAIN(ANY);
    }
    *filled = *literal;
    filled->as.fields.items = fields;
    filled->as.fields.n = n;
    return filled;
}

static void check_local(struct checker *c, const struct pending *name, uint32_t ordinal,
                        const struct listed *got, uint32_t end)
{
    int n = name_shown(name->n_bytes);
    char type[TYPE_NAME_BYTES];
    struct operand value;

    if (name->type == NULL || got->type == NULL)
        return;
    if (got->missing) {
        if (!type_accepts_nil(&c->types, name->type))
            check_say(c, end, "local '%.*s' gets no value: expected %s", n, name->name,
                      type_show(name->type, type));
        return;
    }
    value = *got->operand;
    value.type = with_later_fields(c, ordinal, got->type, name->type);
    check_fits(c, &value, name->type, "local '%.*s'", n, name->name);
}

/* Locals that a value was made of go along with the one that holds it. */
static void group_with(struct checker *c, uint32_t local, const struct operand *value)
{
    if (value == NULL)
        return;
    for (uint32_t i = 0; i < value->entries.n; i++)
        if (value->entries.rows[i].local < c->n_locals)
            check_group(c, local, value->entries.rows[i].local);
    for (uint32_t i = 0; i < c->n_locals && value->entries.many; i++)
        check_group(c, local, i);
}

static const struct type *start_type(struct checker *c, const struct pending *name,
                                     const struct listed *got, bool has_values)
{
    if (name->type == NULL)
        return has_values ? kept_type(c, got->type) : PLAIN(NIL);
    if (!has_values)
        return type_accepts_nil(&c->types, name->type) ? PLAIN(NIL) : name->type;
    if (got->type == NULL || type_behind(&c->types, got->type)->sort == SORT_ANY)
        return name->type;
    return type_assigned(&c->types, name->type, got->type);
}

/* All values are there; names come into scope together. */
static void finish_local(struct checker *c)
{
    struct frame frame = *check_top(c);
    uint32_t n = c->n_pending - frame.pending, first = frame.operands;
    uint32_t n_values = c->n_operands - first;

    for (uint32_t i = 0; i < n && n_values != 0; i++) {
        struct listed got = check_listed(c, first, i);

        check_local(c, &c->pending[frame.pending + i], c->n_locals_seen + i, &got,
                    c->pending[frame.pending + i].at);
    }
    for (uint32_t i = 0; i < n && !c->stopped; i++) {
        const struct pending *name = &c->pending[frame.pending + i];
        struct listed got = check_listed(c, first, i);
        const struct type *type = start_type(c, name, &got, n_values != 0);

        check_declare(c, name, type);
        if (c->stopped)
            return;
        group_with(c, c->n_locals - 1, got.operand);
        if (n_values != 0 && i >= n_values)
            check_group(c, c->n_locals - 1, c->n_locals - 2);
        if (name->type == NULL)
            note_members(c, c->n_locals - 1, got.type);
    }
    c->n_pending = frame.pending;
    check_pop_operands(c, first);
    check_pop(c);
}

/* ---- assignments and calls ------------------------------------------------------- */

static void assign_field(struct checker *c, const struct operand *place,
                         const struct type *type)
{
    if (place->local == NO_LOCAL)
        return;
    if (place->form == OPERAND_FIELD)
        check_note_member(c, place->local, place->name, place->n_bytes, type);
    else
        check_fact(c, place->local)->wild |= !c->second;
}

static void check_assigned(struct checker *c, const struct operand *place,
                           const struct listed *got, const struct type *wanted,
                           uint32_t start)
{
    char name[OPERAND_NAME_BYTES], type[TYPE_NAME_BYTES];
    struct operand value;

    if (wanted == NULL || got->type == NULL)
        return;
    check_operand_name(place, name);
    if (got->missing) {
        if (!type_accepts_nil(&c->types, wanted))
            check_say(c, start, "%s gets no value: expected %s", name,
                      type_show(wanted, type));
        return;
    }
    value = *got->operand;
    value.type = got->type;
    check_fits(c, &value, wanted, "%s", name);
}

static void assign_one(struct checker *c, const struct operand *place,
                       const struct listed *got)
{
    const struct type *type = got->type != NULL ? got->type : PLAIN(ANY);

    switch (place->form) {
    case OPERAND_LOCAL:
        check_assigned(c, place, got, c->locals[place->local].declared, place->start);
        group_with(c, place->local, got->operand);
        check_assign_local(c, place->local, type);
        break;
    case OPERAND_GLOBAL:
        check_note_global(c, place->name, place->n_bytes);
        break;
    default:
        check_assigned(c, place, got, place->place, place->start);
        assign_field(c, place, type);
    }
}

static void finish_assign(struct checker *c)
{
    struct frame frame = *check_top(c);
    uint32_t first = frame.operands + frame.n_places;

    for (uint32_t i = 0; i < frame.n_places; i++) {
        struct operand place = c->operands[frame.operands + i];
        struct listed got = check_listed(c, first, i);

        assign_one(c, &place, &got);
    }
    for (uint32_t i = 1; i < frame.n_places; i++) { /* a, b = f() */
        const struct operand *one = &c->operands[frame.operands + i - 1],
                             *other = one + 1;

        if (one->form == OPERAND_LOCAL && other->form == OPERAND_LOCAL)
            check_group(c, one->local, other->local);
    }
    check_pop_operands(c, frame.operands);
    check_pop(c);
}

/* Nobody knows what a function finds out of its arguments: it may raise. */
static void finish_call(struct checker *c)
{
    struct operand called = *check_operand(c);

    check_pop_operands(c, check_top(c)->operands);
    check_pop(c);
    if (called.life == LIFE_MAYBE)
        flow_apply(c, &called.entries, true);
    if (called.life > c->life)
        c->life = called.life;
}

/* ---- loops ----------------------------------------------------------------------- */

static void leave_loops(struct checker *c, bool all)
{
    c->life = LIFE_DEAD;
    for (uint32_t i = c->n_frames; i-- > 0;) {
        struct frame *frame = &c->frames[i];

        if (frame->kind == FRAME_FUNCTION)
            return;
        if (frame->kind != FRAME_FOR && frame->kind != FRAME_WHILE &&
            frame->kind != FRAME_REPEAT)
            continue;
        frame->breaks = true;
        if (!all)
            return;
    }
}

static void check_bound(struct checker *c, const struct operand *bound)
{
    static const char *const no = "a `for` counts with numbers";
    char type[TYPE_NAME_BYTES];

    if (!type_fits(&c->types, bound->type, PLAIN(NUMBER), NULL))
        check_say(c, bound->start, "%s, got %s", no, type_show(bound->type, type));
}

/* At `do`: the values are there. */
static void begin_for(struct checker *c)
{
    struct frame frame = *check_top(c);
    const struct type *types[2] = {PLAIN(ANY), PLAIN(ANY)};
    uint32_t n_values = c->n_operands - frame.operands;

    if (frame.listed) {
        if (n_values == 1)
            call_loop_types(c, check_operand(c), &types[0], &types[1]);
    } else {
        types[0] = PLAIN(INTEGER);
        for (uint32_t i = frame.operands; i < c->n_operands; i++) {
            check_bound(c, &c->operands[i]);
            if (c->operands[i].type->sort != SORT_INTEGER)
                types[0] = PLAIN(NUMBER);
        }
    }
    check_pop_operands(c, frame.operands);
    flow_loop_open(c, check_top(c));
    for (uint32_t i = frame.pending; i < c->n_pending && !c->stopped; i++) {
        uint32_t n = i - frame.pending;

        check_declare(c, &c->pending[i], n < 2 ? types[n] : PLAIN(ANY));
    }
    c->n_pending = frame.pending;
}

static struct operand take_condition(struct checker *c)
{
    struct operand condition = *check_operand(c);

    if (c->n_operands > 0)
        check_pop_operands(c, c->n_operands - 1);
    flow_spread(c, &condition.entries);
    return condition;
}

static void begin_while(struct checker *c)
{
    struct operand condition = take_condition(c);
    struct frame *frame = check_top(c);

    frame->always = condition.true_constant;
    frame->entries = type_store_alloc(&c->types, sizeof(*frame->entries));
    if (frame->entries == NULL)
        return;
    *frame->entries = condition.entries;
    flow_apply(c, &condition.entries, true);
    c->life = LIFE_LIVE;
}

static void end_loop(struct checker *c)
{
    struct frame frame = *check_top(c);

    check_drop_locals(c, frame.locals);
    flow_loop_close(c, &frame);
    if (frame.kind == FRAME_WHILE && !frame.breaks && frame.entries != NULL)
        flow_apply(c, frame.entries, false);
    check_pop(c);
}

static void end_repeat(struct checker *c)
{
    struct operand condition = take_condition(c);
    struct frame frame = *check_top(c);
    bool dead = c->life == LIFE_DEAD;

    check_drop_locals(c, frame.locals);
    flow_loop_close(c, &frame);
    if (!frame.breaks)
        flow_apply(c, &condition.entries, true);
    if (dead && !frame.breaks)
        c->life = LIFE_DEAD;
    check_pop(c);
}

/* ---- if -------------------------------------------------------------------------- */

static void end_branch(struct checker *c)
{
    check_drop_locals(c, check_top(c)->locals);
    flow_if_branch_end(c, check_top(c));
}

static void end_if(struct checker *c)
{
    struct frame *frame = check_top(c);

    end_branch(c);
    if (!frame->has_else) {
        flow_if_next(c, frame);
        flow_if_branch_end(c, frame);
    }
    flow_if_close(c, frame);
    check_pop(c);
}

/* ---- steps ----------------------------------------------------------------------- */

static void add_name(struct checker *c, const struct trace_step *step)
{
    struct pending *name = CHECK_PUSH(c, pending);

    if (name == NULL)
        return;
    name->name = c->source + step->start;
    name->n_bytes = step->end - step->start;
    name->at = step->start;
}

static void on_token(struct checker *c, const struct trace_step *step)
{
    struct frame *frame = check_top(c);

    switch (frame->kind) {
    case FRAME_IF:
        if (step->kind == TK_THEN) {
            struct operand condition = take_condition(c);

            flow_if_then(c, check_top(c), &condition);
            return;
        }
        end_branch(c);
        flow_if_next(c, check_top(c));
        check_top(c)->has_else = step->kind == TK_ELSE;
        break;
    case FRAME_WHILE:
        begin_while(c);
        break;
    case FRAME_FOR:
        if (step->kind == TK_DO)
            begin_for(c);
        break;
    default:
        break;
    }
}

static void on_list_end(struct checker *c)
{
    struct frame *frame = check_top(c);

    if (frame->kind == FRAME_LOCAL)
        finish_local(c);
    else if (frame->kind == FRAME_PLACE)
        finish_assign(c);
}

static void on_end(struct checker *c)
{
    struct frame *frame = check_top(c);

    switch (frame->kind) {
    case FRAME_IF:
        end_if(c);
        break;
    case FRAME_WHILE:
    case FRAME_FOR:
        end_loop(c);
        break;
    case FRAME_DO:
        check_drop_locals(c, frame->locals);
        check_pop(c);
        break;
    default: /* `until`: its locals live on in the condition */
        break;
    }
}

static void on_return_end(struct checker *c)
{
    struct frame frame = *check_top(c);

    func_return(c, &frame);
    check_pop_operands(c, frame.operands);
    check_pop(c);
    c->life = LIFE_DEAD;
}

static void on_open(struct checker *c, const struct trace_step *step)
{
    static const struct {
        enum trace_what what;
        enum frame_kind kind;
    } opens[] = {
        {TRACE_LOCAL, FRAME_LOCAL}, {TRACE_PLACE, FRAME_PLACE},
        {TRACE_FOR, FRAME_FOR},     {TRACE_RETURN, FRAME_RETURN},
        {TRACE_IF, FRAME_IF},       {TRACE_WHILE, FRAME_WHILE},
        {TRACE_DO, FRAME_DO},       {TRACE_REPEAT, FRAME_REPEAT},
    };
    struct frame *frame;
    unsigned i = 0;

    while (opens[i].what != step->what)
        i++;
    frame = check_open(c, opens[i].kind, step->start);
    if (frame == NULL)
        return;
    if (step->what == TRACE_IF)
        flow_if_open(c, frame);
    else if (step->what == TRACE_WHILE || step->what == TRACE_REPEAT)
        flow_loop_open(c, frame);
}

void stat_step(struct checker *c, const struct trace_step *step)
{
    switch (step->what) {
    case TRACE_LOCAL_NAME:
    case TRACE_FOR_NAME:
        add_name(c, step);
        break;
    case TRACE_LOCAL_END:
        finish_local(c);
        break;
    case TRACE_LIST_END:
        on_list_end(c);
        break;
    case TRACE_FOR_IN:
        check_top(c)->listed = true;
        break;
    case TRACE_CALL_END:
        finish_call(c);
        break;
    case TRACE_ASSIGN:
        check_top(c)->n_places = c->n_operands - check_top(c)->operands;
        break;
    case TRACE_RETURN_END:
        on_return_end(c);
        break;
    case TRACE_BREAK:
        leave_loops(c, false);
        break;
    case TRACE_GOTO:
        leave_loops(c, true);
        break;
    case TRACE_LABEL:
        flow_restart(c);
        c->life = LIFE_LIVE;
        break;
    case TRACE_REPEAT_END:
        end_repeat(c);
        break;
    case TRACE_TOKEN:
        on_token(c, step);
        break;
    case TRACE_CLOSE:
        on_end(c);
        break;
    default:
        on_open(c, step);
    }
}
