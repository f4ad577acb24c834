#include "worker/check_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/check_show.h"

/* ---- operands -------------------------------------------------------------------- */

struct operand *check_push_operand(struct checker *c, const struct type *type,
                                   uint32_t start, uint32_t end)
{
    struct operand *operand = CHECK_PUSH(c, operands);

    if (operand == NULL) {
        operand = &c->none;
        memset(operand, 0, sizeof(*operand));
    }
    operand->type = type != NULL ? type : PLAIN(ANY);
    operand->start = start;
    operand->end = end;
    operand->local = operand->kind_of = NO_LOCAL;
    return operand;
}

struct operand *check_operand(struct checker *c)
{
    return c->n_operands > 0 ? &c->operands[c->n_operands - 1] : &c->none;
}

void check_pop_operands(struct checker *c, uint32_t n)
{
    c->n_operands = n;
}

const char *check_operand_name(const struct operand *operand,
                               char out[OPERAND_NAME_BYTES])
{
    int n = operand->n_bytes > 50 ? 50 : (int)operand->n_bytes;

    switch (operand->form) {
    case OPERAND_LOCAL:
    case OPERAND_GLOBAL:
        snprintf(out, OPERAND_NAME_BYTES, "'%.*s'", n, operand->name);
        break;
    case OPERAND_FIELD:
        snprintf(out, OPERAND_NAME_BYTES, "field '%.*s'", n, operand->name);
        break;
    case OPERAND_CALL:
        snprintf(out, OPERAND_NAME_BYTES, "the result");
        break;
    case OPERAND_INDEX:
        snprintf(out, OPERAND_NAME_BYTES, "an element");
        break;
    default:
        snprintf(out, OPERAND_NAME_BYTES, "a value");
    }
    return out;
}

void check_become_value(struct checker *c, struct operand *operand,
                        const struct type *type)
{
    operand->type = type;
    operand->form = OPERAND_VALUE;
    operand->local = operand->kind_of = NO_LOCAL;
    operand->place = operand->about = NULL;
    operand->of = NULL;
    operand->known = 0;
    operand->method = operand->true_constant = false;
    entries_blur(c, &operand->entries);
}

struct listed check_listed(struct checker *c, uint32_t first, uint32_t i)
{
    uint32_t n = c->n_operands - first;
    const struct operand *last;

    if (i < n)
        return (struct listed){c->operands[first + i].type, &c->operands[first + i],
                               false};
    if (n == 0)
        return (struct listed){PLAIN(NIL), NULL, true};
    last = check_operand(c);
    if (last->form == OPERAND_DOTS ||
        (last->form == OPERAND_CALL && (last->of == NULL || !last->of->has_rets)))
        return (struct listed){NULL, last, false};
    if (last->form == OPERAND_CALL && i - n + 1 < last->of->n_rets)
        return (struct listed){last->of->rets[i - n + 1], last, false};
    if (last->form == OPERAND_CALL && i == n && last->of->n_rets <= 1 &&
        (last->of->fails || !last->of->complete))
        return (struct listed){NULL, last, false}; /* why it failed (LUA-33) */
    return (struct listed){PLAIN(NIL), NULL, true};
}

uint32_t check_count(struct checker *c, uint32_t first, bool *more_out)
{
    uint32_t n = c->n_operands - first;
    const struct operand *last = check_operand(c);

    *more_out = false;
    if (n == 0 || (last->form != OPERAND_DOTS && last->form != OPERAND_CALL))
        return n;
    if (last->form == OPERAND_CALL && last->of != NULL && last->of->has_rets)
        return n - 1 + last->of->n_rets;
    *more_out = true;
    return n - 1;
}

/* ---- constants and names --------------------------------------------------------- */

static const struct type *type_of_number(const char *text, uint32_t n)
{
    bool hex = n > 1 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    char copy[64];
    double number;

    if (hex || (memchr(text, '.', n) == NULL && memchr(text, 'e', n) == NULL &&
                memchr(text, 'E', n) == NULL))
        return hex && memchr(text, '.', n) != NULL ? PLAIN(NUMBER) : PLAIN(INTEGER);
    if (n >= sizeof(copy))
        return PLAIN(NUMBER);
    memcpy(copy, text, n);
    copy[n] = '\0';
    number = strtod(copy, NULL);
    return number == floor(number) ? PLAIN(NUMBER) : PLAIN(FRACTION);
}

static const struct type *type_of_constant(struct checker *c,
                                           const struct trace_step *step)
{
    const char *text = c->source + step->start;
    uint32_t n = step->end - step->start;

    switch (step->kind) {
    case TK_NIL:
        return PLAIN(NIL);
    case TK_TRUE:
        return PLAIN(TRUE);
    case TK_FALSE:
        return PLAIN(FALSE);
    case TK_NUMBER:
        return type_of_number(text, n);
    case TK_STRING:
        if (text[0] == '[' || memchr(text, '\\', n) != NULL)
            return PLAIN(STRING);
        return type_text(&c->types, text + 1, n - 2);
    default:
        return PLAIN(ANY);
    }
}

void expr_constant(struct checker *c, const struct trace_step *step)
{
    struct operand *operand =
        check_push_operand(c, type_of_constant(c, step), step->start, step->end);

    operand->form = step->kind == TK_DOTS ? OPERAND_DOTS : OPERAND_CONSTANT;
    operand->true_constant = step->kind == TK_TRUE;
}

static void name_local(struct checker *c, struct operand *operand, uint32_t local)
{
    struct entry entry = {.local = local, .ordinal = c->locals[local].ordinal};

    operand->form = OPERAND_LOCAL;
    operand->local = local;
    operand->type = check_read(c, local);
    if (!c->second)
        return;
    entry.yes = type_truthy(&c->types, operand->type);
    entry.no = type_falsy(&c->types, operand->type);
    entries_add(&operand->entries, &entry);
}

/* A declared type as a value: `T(v)`, `T:is(v)`. */
static const struct type *type_value(struct checker *c, const char *name, uint32_t n)
{
    struct type *ref, *value;

    if (map_find(&c->types.declared, name, n) == NULL)
        return PLAIN(ANY);
    ref = type_store_alloc(&c->types, sizeof(*ref));
    value = type_store_alloc(&c->types, sizeof(*value));
    if (ref == NULL || value == NULL)
        return PLAIN(ANY);
    ref->sort = SORT_REF;
    ref->as.text.data = name;
    ref->as.text.n = n;
    value->sort = SORT_VALUE;
    value->as.val = ref;
    return value;
}

void expr_name(struct checker *c, const struct trace_step *step)
{
    const char *name = c->source + step->start;
    uint32_t n = step->end - step->start;
    uint32_t local = check_find_local(c, name, n);
    struct operand *operand = check_push_operand(c, NULL, step->start, step->end);

    operand->name = name;
    operand->n_bytes = n;
    if (local != NO_LOCAL) {
        name_local(c, operand, local);
        return;
    }
    operand->form = OPERAND_GLOBAL;
    if (!check_is_global(c, name, n))
        return;
    operand->type = type_value(c, name, n);
    if (operand->type->sort == SORT_ANY)
        operand->known = call_find_known(name, n);
}

/* ---- suffixes -------------------------------------------------------------------- */

/* "can't index 'x' of type P?, which may be nil". */
void check_say_cannot(struct checker *c, const struct operand *operand,
                      const char *what)
{
    char name[OPERAND_NAME_BYTES], type[TYPE_NAME_BYTES];
    const struct type *rest = type_without_nil(&c->types, operand->type);
    bool maybe = rest != operand->type && rest->sort != SORT_NEVER;

    check_operand_name(operand, name);
    type_show(operand->type, type);
    check_say(c, operand->start, "can't %s %s of type %s%s", what, name, type,
              maybe ? ", which may be nil" : "");
    if (operand->form == OPERAND_LOCAL) /* once is enough */
        flow_set(c, operand->local, maybe ? rest : PLAIN(ANY));
}

static void say_no_field(struct checker *c, const struct operand *base,
                         const char *name, uint32_t n, uint32_t at)
{
    const char *nearest = type_nearest_field(&c->types, base->type, name, n);
    char type[TYPE_NAME_BYTES];

    type_show(base->type, type);
    check_say(c, at, "no field '%.*s' in %s%s%.60s%s", name_shown(n), name, type,
              nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "",
              nearest != NULL ? "'?" : "");
}

/* Methods of a class live in a metatable, and the class may be another library's: what
 * is told is a name that some class here has, spelt wrong. */
static bool may_be_inherited(struct checker *c, const struct operand *base,
                             const char *name, uint32_t n, bool method)
{
    const struct type *type = NULL, *place;
    const char *nearest;

    if (check_is_class_name(c, name, n))
        return true;
    if (!method)
        return false;
    nearest = type_nearest_field(&c->types, base->type, name, n);
    if (nearest == NULL)
        return true;
    type_field(&c->types, base->type, nearest, strlen(nearest), &type, &place);
    type = type_without_nil(&c->types, type);
    return type->sort != SORT_FUN && type->sort != SORT_FUNCTION;
}

/* Says so when the type has no such field. NULL: nobody knows its type; then *place_out
 * stays as it is. */
static const struct type *find_field_type(struct checker *c, struct operand *base,
                                          const char *name, uint32_t n, uint32_t at,
                                          bool method, const struct type **place_out)
{
    const struct type *type, *place;

    switch (type_field(&c->types, base->type, name, n, &type, &place)) {
    case FIELD_TYPE:
        *place_out = place;
        return type;
    case FIELD_NONE:
        if (!may_be_inherited(c, base, name, n, method))
            say_no_field(c, base, name, n, at);
        return NULL;
    case FIELD_BAD:
        check_say_cannot(c, base, "index");
        return NULL;
    default:
        return NULL;
    }
}

/* Reads a field of the last operand; name NULL: by a key that nobody can read; method:
 * to call it with ':'. */
static void read_field(struct checker *c, const char *name, uint32_t n, uint32_t at,
                       bool method)
{
    struct operand *base = check_operand(c);
    uint32_t local = base->form == OPERAND_LOCAL ? base->local : NO_LOCAL;
    const struct type *type = NULL, *place = NULL, *about = NULL;
    uint16_t known = 0;

    if (base->known != 0 && name != NULL)
        known = call_find_known_field(base->known, name, n);
    if (base->type->sort == SORT_VALUE)
        about = base->type->as.val;
    if (local != NO_LOCAL && name != NULL && base->type->sort == SORT_TABLE)
        type = check_find_member(c, local, name, n);
    if (type == NULL && about == NULL)
        type = find_field_type(c, base, name, n, at, method, &place);
    check_become_value(c, base, type != NULL ? type : PLAIN(ANY));
    base->form = name != NULL ? OPERAND_FIELD : OPERAND_INDEX;
    base->local = local;
    base->place = place;
    base->about = about;
    base->known = known;
    base->name = name;
    base->n_bytes = n;
}

void expr_field(struct checker *c, const struct trace_step *step)
{
    read_field(c, c->source + step->start, step->end - step->start, step->start, false);
    check_operand(c)->end = step->end;
}

bool check_is_string(struct checker *c, const struct type *type)
{
    type = type_behind(&c->types, type);
    return type->sort == SORT_STRING || type->sort == SORT_TEXT;
}

void expr_method(struct checker *c, const struct trace_step *step)
{
    bool string = check_is_string(c, check_operand(c)->type);
    const char *name = c->source + step->start;
    uint32_t n = step->end - step->start;

    read_field(c, name, n, step->start, true);
    check_operand(c)->end = step->end;
    check_operand(c)->method = true;
    if (string)
        check_operand(c)->known = call_find_method_of_string(name, n);
}

void expr_index_close(struct checker *c, const struct trace_step *step)
{
    const struct operand *key = check_operand(c);
    const struct type *type = key->type;
    bool text = key->form == OPERAND_CONSTANT && type->sort == SORT_TEXT;
    struct entries entries = key->entries;
    uint32_t at = key->start;

    check_pop(c);
    if (c->n_operands < 2)
        return;
    check_pop_operands(c, c->n_operands - 1);
    if (text)
        read_field(c, type->as.text.data, type->as.text.n, at, false);
    else
        read_field(c, NULL, 0, at, false);
    entries_blur(c, &entries);
    entries_merge(&check_operand(c)->entries, &entries);
    check_operand(c)->end = step->end;
}

void expr_paren_close(struct checker *c, const struct trace_step *step)
{
    struct operand *operand = check_operand(c);

    operand->start = check_top(c)->start;
    operand->end = step->end;
    check_pop(c);
    if (operand->form == OPERAND_CALL || operand->form == OPERAND_DOTS)
        operand->form = OPERAND_VALUE;
    operand->of = NULL;
}

void expr_cast(struct checker *c, const struct trace_step *step)
{
    const char *text = c->source + step->start;
    struct operand *operand = check_operand(c);
    const struct type *type;

    if (c->n_operands == 0)
        return;
    if (text[0] == '!') {
        type = type_without_nil(&c->types, operand->type);
    } else {
        uint32_t skip = 2; /* `::<T>` are types for a function, no cast */

        while (step->start + skip < step->end && (unsigned char)text[skip] <= ' ')
            skip++;
        if (text[0] == ':' && text[skip] == '<')
            return;
        /* `-4 as number?` is minus of what may be nil, which nobody means. */
        type = type_weak(&c->types, check_annotation(c, step));
        operand = check_operand(c);
    }
    operand->type = type;
    operand->form = OPERAND_VALUE;
    operand->of = NULL;
    operand->known = 0;
    operand->about = NULL;
}
