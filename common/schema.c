#include "common/schema.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/hex.h"
#include "common/mem.h"
#include "common/regex.h"
#include "common/schema_private.h"

/* ---- references ------------------------------------------------------------------ */

/* One part of a pointer inside a URI: %XX, then ~1 and ~0. Returns what comes behind
 * it. */
static const char *read_part(const char *at, char *out, size_t out_bytes)
{
    size_t n = 0;

    while (*at != '\0' && *at != '/') {
        char c = *at++;

        if (c == '%' && hex_digit(at[0]) != -1 && hex_digit(at[1]) != -1) {
            c = (char)(hex_digit(at[0]) << 4 | hex_digit(at[1]));
            at += 2;
        }
        if (c == '~' && (*at == '0' || *at == '1'))
            c = *at++ == '0' ? '~' : '/';
        if (n + 1 < out_bytes)
            out[n++] = c;
    }
    out[n] = '\0';
    return at;
}

static const struct value *step_into(const struct value *from, const char *part)
{
    char *end;
    unsigned long index;

    if (from->type == VALUE_MAP)
        return value_get(from, part);
    index = strtoul(part, &end, 10);
    if (from->type != VALUE_LIST || *part == '\0' || *end != '\0' ||
        index >= from->as.list.n)
        return NULL;
    return &from->as.list.items[index];
}

static const struct value *find_pointer(const struct value *from, const char *pointer)
{
    char part[256];

    while (from != NULL && *pointer == '/') {
        pointer = read_part(pointer + 1, part, sizeof(part));
        from = step_into(from, part);
    }
    return from;
}

/* The number + 1 of the subschema that a pointer means; one that stands where no
 * keyword looks for schemas becomes one now. 0: there is none, err may say why. */
static uintptr_t find_target(struct compiler *c, const char *text)
{
    struct schema *schema = c->schema;
    const struct value *target = find_pointer(&schema->source, text + 1);
    uintptr_t found = 0;
    uint32_t sub;

    if (target != NULL)
        found = (uintptr_t)map_find_number(&schema->by_source, (uintptr_t)target);
    if (target == NULL || found != 0)
        return found;
    sub = schema_add_sub(c, &(struct sub){.source = target,
                                          .types = TYPE_ANY,
                                          .parent = NO_SUB,
                                          .keyword = text + 2,
                                          .index = NO_SUB});
    return sub == NO_SUB ? 0 : (uintptr_t)sub + 1;
}

static int resolve(struct compiler *c, const struct unresolved *ref)
{
    const char *text = ref->text;
    uintptr_t found;

    c->at = ref->sub;
    if (text[0] != '#')
        return schema_refuse(c, c->at, "$ref",
                             "'%.80s' is outside of this schema, only '#...' can be "
                             "followed",
                             text);
    if (text[1] == '\0' || text[1] == '/')
        found = find_target(c, text);
    else
        found = (uintptr_t)map_find(&c->schema->anchors, text + 1, strlen(text + 1));
    if (found == 0)
        return schema_refuse(c, c->at, "$ref", "'%.80s' is no schema in this one",
                             text);
    c->schema->ops[ref->op].as.sub = (uint32_t)(found - 1);
    return 0;
}

/* ---- references that lead back without going deeper into the data ---------------- */

/* The next subschema that looks at the same data as sub; NO_SUB behind the last. */
static uint32_t next_beside(const struct schema *schema, const struct sub *sub,
                            uint32_t *op, uint32_t *i)
{
    for (; *op < sub->n_ops; ++*op, *i = 0) {
        const struct op *row = &schema->ops[sub->first_op + *op];

        if (row->code == OP_ALL || row->code == OP_ANY || row->code == OP_ONE) {
            if (*i < row->as.list.n)
                return schema->lists[row->as.list.first + (*i)++];
        } else if (row->code == OP_NOT || row->code == OP_REF) {
            if ((*i)++ == 0)
                return row->as.sub;
        } else if (row->code == OP_IF) {
            const uint32_t branches[] = {row->as.branch.condition, row->as.branch.then,
                                         row->as.branch.otherwise};

            while (*i < N_ELEMENTS(branches)) {
                uint32_t branch = branches[(*i)++];

                if (branch != NO_SUB)
                    return branch;
            }
        }
    }
    return NO_SUB;
}

enum trail_state { TRAIL_UNSEEN, TRAIL_OPEN, TRAIL_DONE };

struct trail {
    uint32_t sub, op, i;
};

/* Depth first from one subschema. -1: there is a loop, *where_out is on it. */
static int follow(const struct schema *schema, uint32_t from, uint8_t *state,
                  struct trail *trail, uint32_t *where_out)
{
    uint32_t n = 1;

    trail[0] = (struct trail){.sub = from};
    state[from] = TRAIL_OPEN;
    while (n > 0) {
        struct trail *top = &trail[n - 1];
        uint32_t to = next_beside(schema, &schema->subs[top->sub], &top->op, &top->i);

        if (to == NO_SUB) {
            state[top->sub] = TRAIL_DONE;
            n--;
        } else if (state[to] == TRAIL_OPEN) {
            *where_out = top->sub;
            return -1;
        } else if (state[to] == TRAIL_UNSEEN) {
            state[to] = TRAIL_OPEN;
            trail[n++] = (struct trail){.sub = to};
        }
    }
    return 0;
}

static int refuse_loops(const struct compiler *c)
{
    const struct schema *schema = c->schema;
    uint8_t *state = xcalloc(schema->n_subs, 1);
    struct trail *trail = xcalloc(schema->n_subs, sizeof(*trail));
    uint32_t where = 0;
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < schema->n_subs; i++)
        if (state[i] == TRAIL_UNSEEN)
            rc = follow(schema, i, state, trail, &where);
    free(state);
    free(trail);
    if (rc == -1)
        return schema_refuse(c, where, NULL, "leads back to itself without end");
    return 0;
}

/* ---- all of it ------------------------------------------------------------------- */

static int compile_all(struct compiler *c)
{
    struct schema *schema = c->schema;
    uint32_t next = 0, n_resolved = 0;
    struct sub root = {.source = &schema->source,
                       .types = TYPE_ANY,
                       .parent = NO_SUB,
                       .index = NO_SUB};

    c->at = NO_SUB;
    if (schema_add_sub(c, &root) == NO_SUB)
        return -1;
    for (;;) { /* either may give the other more to do */
        while (next < schema->n_subs) {
            c->at = next++;
            if (schema_compile_sub(c) == -1)
                return -1;
        }
        if (n_resolved == c->n_refs)
            return refuse_loops(c);
        if (resolve(c, &c->refs[n_resolved++]) == -1)
            return -1;
    }
}

bool schema_is_of_format(const char *format)
{
    return format != NULL && (strcmp(format, "application/schema+json") == 0 ||
                              strcmp(format, "json-schema") == 0);
}

static int read_source(const struct value *definition, struct value *out,
                       struct err *err)
{
    if (definition->type != VALUE_STRING) {
        *out = value_copy(definition);
        return 0;
    }
    if (value_read_json(definition->as.string.data, definition->as.string.n, out,
                        err) == -1)
        return err_wrap(err, "/");
    return 0;
}

struct schema *schema_create(const struct value *definition, struct err *err)
{
    struct schema *schema = xcalloc(1, sizeof(*schema));
    struct compiler c = {.schema = schema, .err = err};
    int rc;

    map_init(&schema->by_source);
    map_init(&schema->anchors);
    rc = read_source(definition, &schema->source, err);
    if (rc == 0)
        rc = compile_all(&c);
    free(c.refs);
    if (rc == 0)
        return schema;
    schema_destroy(schema);
    return NULL;
}

static void free_names(struct name_list *list)
{
    if (list == NULL)
        return;
    map_finish(&list->by_name);
    free(list->names);
    free(list);
}

static void finish_op(struct op *op)
{
    switch (op->code) {
    case OP_CONST:
    case OP_ENUM:
        if (op->as.constants != NULL)
            flat_finish(op->as.constants);
        free(op->as.constants);
        break;
    case OP_REQUIRED:
        free_names(op->as.required);
        break;
    case OP_DEPENDENT_REQUIRED:
        free_names(op->as.dependent.required);
        break;
    case OP_PROPERTIES:
        map_finish(&op->as.properties->properties);
        free(op->as.properties->patterns);
        free(op->as.properties);
        break;
    default:
        break;
    }
}

void schema_destroy(struct schema *schema)
{
    if (schema == NULL)
        return;
    for (uint32_t i = 0; i < schema->n_ops; i++)
        finish_op(&schema->ops[i]);
    for (uint32_t i = 0; i < schema->n_patterns; i++)
        regex_destroy(schema->patterns[i]);
    free(schema->patterns);
    free(schema->ops);
    free(schema->subs);
    free(schema->lists);
    map_finish(&schema->by_source);
    map_finish(&schema->anchors);
    value_finish(&schema->source);
    free(schema);
}
