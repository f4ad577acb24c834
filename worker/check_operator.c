#include "worker/check_private.h"

#include "common/mem.h"

#include "worker/check_show.h"

#define UNARY_PRIORITY 12

/* As Lua's own parser has them: of what stands left and right of it. */
static const struct {
    uint16_t kind;
    uint8_t left, right;
} priorities[] = {
    {TK_OR, 1, 1}, {TK_AND, 2, 2}, {TK_EQ, 3, 3},  {TK_NE, 3, 3},     {'<', 3, 3},
    {'>', 3, 3},   {TK_LE, 3, 3},  {TK_GE, 3, 3},  {'|', 4, 4},       {'~', 5, 5},
    {'&', 6, 6},   {TK_SHL, 7, 7}, {TK_SHR, 7, 7}, {TK_CONCAT, 9, 8}, {'+', 10, 10},
    {'-', 10, 10}, {'*', 11, 11},  {'/', 11, 11},  {'%', 11, 11},     {TK_IDIV, 11, 11},
    {'^', 14, 13},
};

static bool is_number(struct checker *c, const struct type *type)
{
    type = type_behind(&c->types, type);
    return type->sort == SORT_INTEGER || type->sort == SORT_NUMBER ||
           type->sort == SORT_FRACTION || type->sort == SORT_EXACT;
}

static bool may_be_object(const struct type *type)
{
    return type->sort == SORT_ANY || type->sort == SORT_NEVER ||
           type->sort == SORT_TABLE || type->sort == SORT_USERDATA ||
           (type->sort >= SORT_REF && type->sort != SORT_FUN &&
            type->sort != SORT_LITERAL);
}

/* May it bring a metamethod, which does what nobody can know? */
static bool may_do_anything(struct checker *c, const struct type *type)
{
    type = type_behind(&c->types, type);
    if (type->sort == SORT_UNION) {
        for (uint32_t i = 0; i < type->as.of.n; i++) {
            const struct type *member = type_behind(&c->types, type->as.of.items[i]);

            if (member->sort == SORT_UNION || may_be_object(member))
                return true;
        }
        return false;
    }
    return may_be_object(type);
}

static const char *name_of_use(enum operand_use use)
{
    switch (use) {
    case USE_CONCAT:
        return "concatenate";
    case USE_LENGTH:
        return "take the length of";
    case USE_ORDER:
        return "compare";
    default:
        return "do arithmetic on";
    }
}

static bool check_use(struct checker *c, const struct operand *operand,
                      const struct operand *other, enum operand_use use)
{
    if (type_can(&c->types, operand->type, use))
        return true;
    if (other == NULL || !may_do_anything(c, other->type))
        check_say_cannot(c, operand, name_of_use(use));
    return false;
}

static void reduce_unary(struct checker *c, const struct operator* op)
{
    struct operand *operand = check_operand(c);
    const struct type *type = type_behind(&c->types, operand->type);

    if (op->kind == TK_NOT) {
        struct entries entries = operand->entries;

        check_become_value(c, operand, PLAIN(BOOLEAN));
        operand->entries = entries;
        entries_not(&operand->entries);
    } else if (op->kind == '#') {
        check_use(c, operand, NULL, USE_LENGTH);
        check_become_value(c, operand,
                           check_is_string(c, type) || type->sort == SORT_LITERAL
                               ? PLAIN(INTEGER)
                               : PLAIN(ANY));
    } else {
        check_use(c, operand, NULL, op->kind == '-' ? USE_NUMBER : USE_BITS);
        check_become_value(c, operand,
                           !is_number(c, type)        ? PLAIN(ANY)
                           : op->kind == '~'          ? PLAIN(INTEGER)
                           : type->sort == SORT_EXACT ? PLAIN(NUMBER)
                                                      : type);
    }
    operand->start = op->start;
}

static const struct type *arithmetic(struct checker *c, const struct operator* op,
                                     const struct operand *a, const struct operand *b)
{
    bool bits = op->kind == '&' || op->kind == '|' || op->kind == '~' ||
                op->kind == TK_SHL || op->kind == TK_SHR;
    enum operand_use use = bits ? USE_BITS : USE_NUMBER;
    bool good = check_use(c, a, b, use) && check_use(c, b, a, use);

    if (!good || !is_number(c, a->type) || !is_number(c, b->type))
        return PLAIN(ANY);
    if (bits)
        return PLAIN(INTEGER);
    return op->kind != '/' && op->kind != '^' && a->type->sort == SORT_INTEGER &&
                   b->type->sort == SORT_INTEGER
               ? PLAIN(INTEGER)
               : PLAIN(NUMBER);
}

static const struct type *concat(struct checker *c, const struct operand *a,
                                 const struct operand *b)
{
    bool good = check_use(c, a, b, USE_CONCAT) && check_use(c, b, a, USE_CONCAT);

    return good && (check_is_string(c, a->type) || is_number(c, a->type)) &&
                   (check_is_string(c, b->type) || is_number(c, b->type))
               ? PLAIN(STRING)
               : PLAIN(ANY);
}

static void compare(struct checker *c, const struct operand *a, const struct operand *b)
{
    char left[TYPE_NAME_BYTES], right[TYPE_NAME_BYTES];

    if (!check_use(c, a, b, USE_ORDER) || !check_use(c, b, a, USE_ORDER))
        return;
    if ((is_number(c, a->type) && check_is_string(c, b->type)) ||
        (check_is_string(c, a->type) && is_number(c, b->type)))
        check_say(c, a->start, "can't compare %s with %s", type_show(a->type, left),
                  type_show(b->type, right));
}

/* `x == nil`, `type(x) == "string"`: what that says of the local. */
static bool read_equation(struct checker *c, const struct operand *side,
                          const struct operand *constant, struct entry *out)
{
    const struct type *exact = constant->type;
    uint32_t local = side->kind_of;

    if (constant->form != OPERAND_CONSTANT || !c->second)
        return false;
    if (local != NO_LOCAL && exact->sort == SORT_TEXT) {
        const struct type *now = check_read(c, local);

        out->yes =
            type_of_kind(&c->types, now, exact->as.text.data, exact->as.text.n, true);
        out->no =
            type_of_kind(&c->types, now, exact->as.text.data, exact->as.text.n, false);
    } else if (side->form == OPERAND_LOCAL &&
               (exact->sort == SORT_TEXT || exact->sort <= SORT_FALSE)) {
        local = side->local;
        out->yes = type_equal(&c->types, side->type, exact, true);
        out->no = type_equal(&c->types, side->type, exact, false);
    } else {
        return false;
    }
    out->local = local;
    out->ordinal = c->locals[local].ordinal;
    return true;
}

static void equate(struct checker *c, const struct operator* op, struct operand *a,
                   const struct operand *b)
{
    struct entries entries = a->entries, right = b->entries;
    struct entry entry = {0};
    bool found = read_equation(c, a, b, &entry) || read_equation(c, b, a, &entry);

    entries_merge(&entries, &right);
    entries_blur(c, &entries);
    if (found) {
        entries_add(&entries, &entry);
        if (op->kind == TK_NE)
            entries_not(&entries);
    }
    check_become_value(c, a, PLAIN(BOOLEAN));
    a->entries = entries;
}

static const struct type *type_of_choice(struct checker *c, bool is_and,
                                         const struct type *a, const struct type *b)
{
    const struct type *yes = type_truthy(&c->types, a);
    const struct type *no = type_falsy(&c->types, a);

    if (is_and ? no->sort == SORT_NEVER : yes->sort == SORT_NEVER)
        return b;
    if (is_and ? yes->sort == SORT_NEVER : no->sort == SORT_NEVER)
        return a;
    return type_union(&c->types, is_and ? no : yes, b);
}

static void choose(struct checker *c, const struct operator* op, struct operand *a,
                   struct operand *b)
{
    bool is_and = op->kind == TK_AND;
    struct entries entries = a->entries;
    const struct type *deciding =
        is_and ? type_falsy(&c->types, b->type) : type_truthy(&c->types, b->type);

    flow_undo(c, op->mark);
    c->mark = op->old_mark;
    entries_both(c, &entries, &b->entries, is_and, deciding->sort != SORT_NEVER);
    check_become_value(c, a, type_of_choice(c, is_and, a->type, b->type));
    a->entries = entries;
}

static const struct type *compute(struct checker *c, const struct operator* op,
                                  const struct operand *a, const struct operand *b)
{
    switch (op->kind) {
    case '<':
    case '>':
    case TK_LE:
    case TK_GE:
        compare(c, a, b);
        return PLAIN(BOOLEAN);
    case TK_CONCAT:
        return concat(c, a, b);
    default:
        return arithmetic(c, op, a, b);
    }
}

static void reduce_binary(struct checker *c, const struct operator* op)
{
    struct operand *a, *b;
    const struct type *type;

    if (c->n_operands < 2)
        return;
    a = &c->operands[c->n_operands - 2];
    b = &c->operands[c->n_operands - 1];
    switch (op->kind) {
    case TK_AND:
    case TK_OR:
        choose(c, op, a, b);
        break;
    case TK_EQ:
    case TK_NE:
        equate(c, op, a, b);
        break;
    default:
        type = compute(c, op, a, b);
        entries_merge(&a->entries, &b->entries);
        check_become_value(c, a, type);
    }
    a->end = b->end;
    check_pop_operands(c, c->n_operands - 1);
}

/* Works out what is bound at least as tightly as priority. */
static void reduce(struct checker *c, unsigned priority)
{
    while (c->n_operators > check_top(c)->operators) {
        struct operator op = c->operators[c->n_operators - 1];

        if (op.priority < priority)
            return;
        c->n_operators--;
        if (op.unary)
            reduce_unary(c, &op);
        else
            reduce_binary(c, &op);
    }
}

void expr_open(struct checker *c, const struct trace_step *step)
{
    check_open(c, FRAME_EXPR, step->start);
}

void expr_close(struct checker *c, const struct trace_step *step)
{
    (void)step;
    reduce(c, 0);
    check_pop(c);
}

void expr_unary(struct checker *c, const struct trace_step *step)
{
    struct operator* op = CHECK_PUSH(c, operators);

    if (op == NULL)
        return;
    op->kind = (uint16_t)step->kind;
    op->priority = UNARY_PRIORITY;
    op->unary = true;
    op->start = step->start;
}

void expr_binary(struct checker *c, const struct trace_step *step)
{
    struct operator* op;
    unsigned row = 0;

    while (row + 1 < N_ELEMENTS(priorities) && priorities[row].kind != step->kind)
        row++;
    reduce(c, priorities[row].left);
    op = CHECK_PUSH(c, operators);
    if (op == NULL)
        return;
    op->kind = (uint16_t)step->kind;
    op->priority = priorities[row].right;
    op->start = step->start;
    if (step->kind != TK_AND && step->kind != TK_OR)
        return;
    op->mark = c->n_trail;
    op->old_mark = c->mark;
    c->mark = c->n_trail;
    flow_apply(c, &check_operand(c)->entries, step->kind == TK_AND);
}
