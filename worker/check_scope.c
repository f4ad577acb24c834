#include "worker/check_private.h"

#include <string.h>

#define KEY_BYTES 128 /* of a member; longer names are known to nobody */

/* ---- locals ---------------------------------------------------------------------- */

/* The fact of the next local: made in the first pass, met again in the second. */
static struct fact *next_fact(struct checker *c)
{
    struct fact *fact;

    if (c->second)
        return c->n_locals_seen < c->n_facts ? &c->facts[c->n_locals_seen] : NULL;
    fact = CHECK_PUSH(c, facts);
    if (fact != NULL)
        fact->group = c->n_locals_seen;
    return fact;
}

void check_declare(struct checker *c, const struct pending *name,
                   const struct type *value)
{
    struct fact *fact = next_fact(c);
    struct local *local = fact != NULL ? CHECK_PUSH(c, locals) : NULL;

    if (local == NULL) {
        c->stopped = true;
        return;
    }
    local->name = name->name;
    local->n_bytes = name->n_bytes;
    local->ordinal = c->n_locals_seen++;
    local->function = c->function;
    local->declared = name->type;
    local->logged = c->n_trail;
    if (name->type == NULL && (!c->second || fact->n_assigned != 0))
        local->now = PLAIN(ANY);
    else
        local->now = value;
}

uint32_t check_find_local(struct checker *c, const char *name, uint32_t n)
{
    for (uint32_t i = c->n_locals; i-- > 0;) {
        const struct local *local = &c->locals[i];

        if (local->n_bytes == n && memcmp(local->name, name, n) == 0) {
            c->types.steps_left -= (c->n_locals - i) / 8;
            return i;
        }
    }
    c->types.steps_left -= c->n_locals / 8;
    return NO_LOCAL;
}

struct fact *check_fact(struct checker *c, uint32_t local)
{
    return &c->facts[c->locals[local].ordinal];
}

void check_drop_locals(struct checker *c, uint32_t n)
{
    c->n_locals = n;
}

bool check_is_constant(struct checker *c, uint32_t local)
{
    return c->second && check_fact(c, local)->n_assigned == 0;
}

/* What somebody else changes, or has changed by the time that this code runs, is only
 * known to be what it was declared as. */
const struct type *check_read(struct checker *c, uint32_t i)
{
    const struct local *local = &c->locals[i];
    const struct fact *fact = check_fact(c, i);

    if (!c->second)
        return PLAIN(ANY);
    if (fact->n_assigned == 0 && local->function == c->function)
        return local->now;
    if (fact->n_assigned == 0)
        return type_weak(&c->types, local->now);
    if (fact->in_closure || local->function != c->function)
        return type_weak(&c->types, local->declared);
    return local->now;
}

void check_assign_local(struct checker *c, uint32_t i, const struct type *value)
{
    struct local *local = &c->locals[i];
    struct fact *fact = check_fact(c, i);

    if (!c->second) {
        fact->n_assigned++;
        fact->last_step = c->step;
        fact->in_closure |= local->function != c->function;
        return;
    }
    if (local->declared == NULL || local->function != c->function)
        return;
    if (!type_fits(&c->types, value, local->declared, NULL))
        flow_set(c, i, PLAIN(ANY)); /* that was told */
    else if (type_behind(&c->types, value)->sort == SORT_ANY)
        flow_set(c, i, type_weak(&c->types, local->declared));
    else
        flow_set(c, i, type_assigned(&c->types, local->declared, value));
}

/* ---- groups ---------------------------------------------------------------------- */

static uint32_t group_of(struct checker *c, uint32_t ordinal)
{
    while (c->facts[ordinal].group != ordinal) {
        uint32_t next = c->facts[ordinal].group;

        c->facts[ordinal].group = c->facts[next].group;
        ordinal = next;
    }
    return ordinal;
}

void check_group(struct checker *c, uint32_t a, uint32_t b)
{
    uint32_t x = group_of(c, c->locals[a].ordinal);
    uint32_t y = group_of(c, c->locals[b].ordinal);

    c->facts[y].group = x;
}

bool check_same_group(struct checker *c, uint32_t a, uint32_t b)
{
    return group_of(c, c->locals[a].ordinal) == group_of(c, c->locals[b].ordinal);
}

/* ---- members --------------------------------------------------------------------- */

/* The bytes of the key; 0 when the name is too long. */
static size_t make_key(uint32_t ordinal, const char *name, uint32_t n,
                       char out[KEY_BYTES])
{
    if (n > KEY_BYTES - sizeof(ordinal))
        return 0;
    memcpy(out, &ordinal, sizeof(ordinal));
    memcpy(out + sizeof(ordinal), name, n);
    return sizeof(ordinal) + n;
}

static void note_class(struct checker *c, uint32_t local)
{
    struct fact *fact = check_fact(c, local);
    uint32_t *row = fact->is_class ? NULL : CHECK_PUSH(c, classes);

    fact->is_class = true;
    if (row != NULL)
        *row = c->locals[local].ordinal;
}

void check_note_member(struct checker *c, uint32_t local, const char *name, uint32_t n,
                       const struct type *type)
{
    char key[KEY_BYTES];
    size_t n_key = make_key(c->locals[local].ordinal, name, n, key);
    struct member *member;
    const char *copy;

    if (c->second || n_key == 0)
        return;
    if (n == 7 && memcmp(name, "__index", 7) == 0)
        note_class(c, local);
    member = map_find(&c->members, key, n_key);
    if (member == NULL) {
        member = type_store_alloc(&c->types, sizeof(*member));
        copy = type_store_copy(&c->types, key, n_key);
        if (member == NULL || copy == NULL)
            return;
        map_put(&c->members, copy, n_key, member);
    }
    member->n_assigned++;
    member->type = type != NULL && type->sort == SORT_FUN ? type : NULL;
}

const struct type *check_find_member(struct checker *c, uint32_t local,
                                     const char *name, uint32_t n)
{
    char key[KEY_BYTES];
    size_t n_key = make_key(c->locals[local].ordinal, name, n, key);
    const struct member *member = n_key != 0 ? map_find(&c->members, key, n_key) : NULL;

    if (!check_is_constant(c, local) || check_fact(c, local)->wild || member == NULL ||
        member->n_assigned != 1)
        return NULL;
    return member->type;
}

bool check_has_member(struct checker *c, uint32_t ordinal, const char *name, uint32_t n)
{
    char key[KEY_BYTES];
    size_t n_key = make_key(ordinal, name, n, key);

    return n_key == 0 || map_find(&c->members, key, n_key) != NULL;
}

bool check_is_class_name(struct checker *c, const char *name, uint32_t n)
{
    if (!c->types.classes || map_find(&c->class_names, name, n) != NULL)
        return c->types.classes;
    for (uint32_t i = 0; i < c->n_classes; i++)
        if (check_has_member(c, c->classes[i], name, n))
            return true;
    c->types.steps_left -= c->n_classes;
    return false;
}

/* ---- globals --------------------------------------------------------------------- */

void check_note_global(struct checker *c, const char *name, uint32_t n)
{
    if (!c->second)
        map_put(&c->globals, name, n, c);
}

bool check_is_global(struct checker *c, const char *name, uint32_t n)
{
    return c->second && map_find(&c->globals, name, n) == NULL;
}
