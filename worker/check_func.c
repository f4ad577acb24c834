#include "worker/check_private.h"

#include <stdlib.h>
#include <string.h>

#include "common/value.h"

#include "worker/check_show.h"
#include "worker/type_tree.h"

static struct frame *current_function(struct checker *c)
{
    for (uint32_t i = c->n_frames; i-- > 0;)
        if (c->frames[i].kind == FRAME_FUNCTION)
            return &c->frames[i];
    return NULL;
}

bool func_is_generic(void *context, const char *name)
{
    struct checker *c = context;

    for (uint32_t i = c->n_frames; i-- > 0;) {
        const struct value *names = c->frames[i].generics;

        for (size_t j = 0; names != NULL && j < names->as.list.n; j++)
            if (strcmp(value_text(&names->as.list.items[j]), name) == 0)
                return true;
    }
    return false;
}

/* ---- names ----------------------------------------------------------------------- */

/* `function` as a value, `local function NAME`, `function NAME…`. */
void func_open(struct checker *c, const struct trace_step *step)
{
    struct pending name = {c->source + step->start, step->end - step->start,
                           step->start, NULL};
    struct type_fun *fun = type_store_alloc(&c->types, sizeof(*fun));
    uint32_t local = NO_LOCAL;
    struct frame *frame;

    if (step->what == TRACE_LOCAL_FUNCTION) {
        check_declare(c, &name, PLAIN(ANY));
        local = c->n_locals - 1;
    } else if (step->what == TRACE_FUNCTION_NAME) {
        local = check_find_local(c, name.name, name.n_bytes);
    }
    frame = check_open(c, FRAME_FUNCTION, step->start);
    if (frame == NULL || fun == NULL || c->stopped) {
        c->stopped = true;
        return;
    }
    frame->item = step->what == TRACE_LAMBDA           ? FUNCTION_LAMBDA
                  : step->what == TRACE_LOCAL_FUNCTION ? FUNCTION_LOCAL
                                                       : FUNCTION_NAMED;
    frame->fun = fun;
    frame->local = local;
    frame->name = name.name;
    frame->n_bytes = name.n_bytes;
}

void func_name(struct checker *c, const struct trace_step *step)
{
    struct frame *frame = check_top(c);

    frame->deep = frame->dotted;
    frame->dotted = true;
    frame->method = step->what == TRACE_FUNCTION_METHOD;
    frame->name = c->source + step->start;
    frame->n_bytes = step->end - step->start;
}

/* ---- parameters and results ------------------------------------------------------ */

void func_param(struct checker *c, const struct trace_step *step)
{
    struct pending *param;

    if (step->kind == TK_DOTS) {
        check_top(c)->spreads = true;
        return;
    }
    param = CHECK_PUSH(c, pending);
    if (param == NULL)
        return;
    param->name = c->source + step->start;
    param->n_bytes = step->end - step->start;
    param->at = step->start;
}

static void take_generics(struct checker *c, const struct trace_step *step)
{
    struct frame *frame = check_top(c);

    frame->generics = malloc(sizeof(*frame->generics));
    if (frame->generics == NULL)
        c->stopped = true;
    else
        *frame->generics = type_tree_read_places(
            c->source + step->start, step->end - step->start, TYPE_GENERICS);
}

static void take_results(struct checker *c, const struct trace_step *step)
{
    struct value list = type_tree_read_places(c->source + step->start,
                                              step->end - step->start, TYPE_RETURNS);
    struct type_fun *fun = check_top(c)->fun;
    size_t n = list.type == VALUE_LIST ? list.as.list.n : 0;
    const struct type **rets = type_store_alloc(&c->types, (n + 1) * sizeof(*rets));

    fun->annotated = true;
    if (list.type == VALUE_LIST && rets != NULL) {
        for (size_t i = 0; i < n; i++)
            rets[i] = check_type_of_tree(c, &list.as.list.items[i], step->start);
        fun->has_rets = true;
        fun->rets = rets;
        fun->n_rets = (uint32_t)n;
    }
    value_finish(&list);
}

void func_annotate(struct checker *c, const struct trace_step *step)
{
    const struct type *type;
    struct frame *frame;

    if (c->source[step->start] == '<') {
        take_generics(c, step);
        return;
    }
    if (c->header) {
        take_results(c, step);
        func_begin_body(c);
        return;
    }
    type = check_annotation(c, step);
    frame = check_top(c);
    frame->fun->annotated = true;
    if (!frame->spreads && c->n_pending > frame->pending)
        c->pending[c->n_pending - 1].type = type;
}

void func_params_end(struct checker *c, const struct trace_step *step)
{
    (void)step;
    c->header = true;
}

/* ---- body ------------------------------------------------------------------------ */

static bool fill_params(struct checker *c, struct frame *frame)
{
    struct type_fun *fun = frame->fun;
    uint32_t n = c->n_pending - frame->pending, self = frame->method;
    const struct type **params = type_store_alloc(&c->types, (n + 1) * sizeof(*params));

    if (params == NULL)
        return false;
    for (uint32_t i = 0; i < n; i++)
        params[i + self] = c->pending[frame->pending + i].type;
    fun->params = params;
    fun->n_params = n + self;
    fun->more = frame->spreads;
    fun->method = frame->method;
    return true;
}

static const struct type *make_type(struct checker *c, const struct type_fun *fun)
{
    struct type *type = type_store_alloc(&c->types, sizeof(*type));

    if (type == NULL)
        return PLAIN(ANY);
    type->sort = SORT_FUN;
    type->as.fun = fun;
    return type;
}

/* The statement's name now stands for it. */
static void bind_name(struct checker *c, const struct frame *frame)
{
    const struct type *type = make_type(c, frame->fun);

    if (frame->dotted && !c->second && c->types.classes)
        map_put(&c->class_names, frame->name, frame->n_bytes, c);
    if (frame->item == FUNCTION_LOCAL) {
        if (check_is_constant(c, frame->local))
            c->locals[frame->local].now = type;
    } else if (frame->local != NO_LOCAL && !frame->dotted) {
        check_assign_local(c, frame->local, type);
    } else if (frame->local != NO_LOCAL && !frame->deep) {
        check_note_member(c, frame->local, frame->name, frame->n_bytes, type);
    } else if (frame->local == NO_LOCAL && !frame->dotted) {
        check_note_global(c, frame->name, frame->n_bytes);
    }
}

void func_begin_body(struct checker *c)
{
    struct frame frame = *check_top(c);

    c->header = false;
    if (!fill_params(c, &frame)) {
        c->stopped = true;
        return;
    }
    if (frame.item != FUNCTION_LAMBDA)
        bind_name(c, &frame);
    c->function++;
    c->life = LIFE_LIVE;
    c->mark = check_top(c)->mark = c->n_trail;
    if (frame.method)
        check_declare(c, &(struct pending){"self", 4, 0, NULL}, PLAIN(ANY));
    for (uint32_t i = frame.pending; i < c->n_pending && !c->stopped; i++) {
        const struct type *type = c->pending[i].type;

        check_declare(c, &c->pending[i], type != NULL ? type : PLAIN(ANY));
    }
    c->n_pending = frame.pending;
}

void func_drop_generics(struct frame *frame)
{
    if (frame->generics != NULL)
        value_finish(frame->generics);
    free(frame->generics);
    frame->generics = NULL;
}

void func_close(struct checker *c, const struct trace_step *step)
{
    struct frame frame = *check_top(c);
    struct type_fun *fun = frame.fun;
    char type[TYPE_NAME_BYTES];

    fun->complete = true;
    if (fun->has_rets && fun->n_rets != 0 && !frame.returns && c->life == LIFE_LIVE &&
        !type_accepts_nil(&c->types, fun->rets[0]))
        check_say(c, step->start, "the function ends without a result: expected %s",
                  type_show(fun->rets[0], type));
    flow_undo(c, frame.mark);
    c->mark = frame.old_mark;
    c->life = frame.life;
    c->function--;
    check_drop_locals(c, frame.locals);
    func_drop_generics(&frame);
    check_pop(c);
    if (frame.item == FUNCTION_LAMBDA)
        check_push_operand(c, make_type(c, fun), frame.start, step->end);
}

/* ---- return ---------------------------------------------------------------------- */

/* Can it be what somebody failed for: a text, or an object? */
static bool may_be_reason(struct checker *c, const struct listed *got)
{
    struct type_members members;

    if (got->missing)
        return false;
    if (got->type == NULL)
        return true;
    type_list_members(&c->types, got->type, &members);
    for (unsigned i = 0; i < members.n; i++) {
        const char *kind = type_kind_name(members.items[i]);

        if (kind == NULL || strcmp(kind, "string") == 0 || strcmp(kind, "table") == 0 ||
            strcmp(kind, "userdata") == 0)
            return true;
    }
    return members.many;
}

/* `return nil, "why"`, or what may come to that: whatever the function gives when all
 * goes well, that is how it fails (LUA-33). */
static bool may_fail(struct checker *c, const struct frame *frame)
{
    struct listed value = check_listed(c, frame->operands, 0);
    struct listed reason = check_listed(c, frame->operands, 1);

    return !value.missing && may_be_reason(c, &reason) &&
           (value.type == NULL || value.type->sort == SORT_NEVER ||
            type_falsy(&c->types, value.type)->sort != SORT_NEVER);
}

/* What is to be held against the first annotation; NULL: nothing. */
static const struct type *type_of_success(struct checker *c, const struct type *type,
                                          const struct type *wanted)
{
    const struct type *rest = type_truthy(&c->types, type);

    if (type_fits(&c->types, type, wanted, NULL))
        return type;
    return rest->sort != SORT_NEVER ? rest : NULL;
}

static void check_result(struct checker *c, const struct frame *frame,
                         const struct type_fun *fun, uint32_t i, bool fails)
{
    struct listed got = check_listed(c, frame->operands, i);
    const struct type *wanted = fun->rets[i];
    char type[TYPE_NAME_BYTES];
    struct operand value;

    if (got.type == NULL)
        return;
    if (got.missing) {
        if (!fails && !type_accepts_nil(&c->types, wanted))
            check_say(c, frame->start, "result %u is missing: expected %s", i + 1,
                      type_show(wanted, type));
        return;
    }
    if (fails && i == 0)
        got.type = type_of_success(c, got.type, wanted);
    if (got.type == NULL)
        return;
    value = *got.operand;
    value.type = got.type;
    check_fits(c, &value, wanted, "result %u", i + 1);
}

/* Values that nobody annotated: a reason behind the only result, or where one would
 * be. */
static void check_surplus(struct checker *c, const struct frame *frame,
                          const struct type_fun *fun, bool fails)
{
    uint32_t n_there = c->n_operands - frame->operands, n_given;
    bool more;

    n_given = check_count(c, frame->operands, &more);
    if (n_given <= fun->n_rets || n_there <= fun->n_rets)
        return;
    if (fun->n_rets <= 1 &&
        (fails ||
         (n_there == 2 && type_accepts_nil(&c->types, check_operand(c)->type))))
        return;
    check_say(c, c->operands[frame->operands + fun->n_rets].start,
              "the function returns %u value%s, got %u%s", fun->n_rets,
              fun->n_rets == 1 ? "" : "s", n_given, more ? " or more" : "");
}

/* A `return` is complete; its values are the operands of frame. */
void func_return(struct checker *c, struct frame *frame)
{
    struct frame *function = current_function(c);
    struct type_fun *fun;
    bool fails;

    if (function == NULL)
        return;
    function->returns |= c->n_operands != frame->operands;
    fun = function->fun;
    if (!fun->has_rets)
        return;
    fails = may_fail(c, frame);
    fun->fails |= fails;
    for (uint32_t i = 0; i < fun->n_rets; i++)
        check_result(c, frame, fun, i, fails);
    check_surplus(c, frame, fun, fails);
}
