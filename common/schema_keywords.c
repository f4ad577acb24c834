#include <stdarg.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/regex.h"
#include "common/schema.h"
#include "common/schema_private.h"

#define MAX_PATTERNS  100
#define POINTER_BYTES 240
#define MAX_PARENTS   (2 * VALUE_MAX_DEPTH)

/* ---- what is wrong, and where ---------------------------------------------------- */

static void append_sub(struct buf *buf, const struct sub *sub)
{
    if (sub->keyword != NULL)
        buf_printf(buf, "/%.60s", sub->keyword);
    if (sub->key != NULL)
        buf_printf(buf, "/%.60s", sub->key);
    else if (sub->index != NO_SUB)
        buf_printf(buf, "/%u", sub->index);
}

int schema_refuse(const struct compiler *c, uint32_t sub, const char *keyword,
                  const char *fmt, ...)
{
    uint32_t parents[MAX_PARENTS];
    unsigned n = 0;
    struct buf pointer;
    va_list args;

    buf_init(&pointer, POINTER_BYTES);
    for (; sub != NO_SUB && n < MAX_PARENTS; sub = c->schema->subs[sub].parent)
        parents[n++] = sub;
    while (n > 0)
        append_sub(&pointer, &c->schema->subs[parents[--n]]);
    if (keyword != NULL)
        buf_printf(&pointer, "/%s", keyword);
    if (buf_len(&pointer) == 0)
        buf_append(&pointer, "/", 1);
    va_start(args, fmt);
    err_vset(c->err, ERR_INVALID, fmt, args);
    va_end(args);
    err_wrap(c->err, "%.*s", (int)buf_len(&pointer), (const char *)buf_head(&pointer));
    buf_finish(&pointer);
    return -1;
}

static int refuse_here(const struct compiler *c, const char *keyword, const char *what)
{
    return schema_refuse(c, c->at, keyword, "%s", what);
}

/* ---- growing --------------------------------------------------------------------- */

static struct op *add_op(struct compiler *c, enum op_code code, unsigned types)
{
    struct schema *schema = c->schema;
    struct op *op;

    if (schema->n_ops == schema->size_ops) {
        schema->size_ops = schema->size_ops == 0 ? 16 : schema->size_ops * 2;
        schema->ops = xrealloc(schema->ops, schema->size_ops * sizeof(*schema->ops));
    }
    op = &schema->ops[schema->n_ops++];
    *op = (struct op){.code = (uint8_t)code, .types = (uint8_t)types};
    schema->subs[c->at].n_ops++;
    return op;
}

/* Lua has one empty table for both. */
static bool is_map(const struct value *value)
{
    return value->type == VALUE_MAP ||
           (value->type == VALUE_LIST && value->as.list.n == 0);
}

static size_t map_n(const struct value *value)
{
    return value->type == VALUE_MAP ? value->as.map.n : 0;
}

static bool is_list(const struct value *value)
{
    return value->type == VALUE_LIST ||
           (value->type == VALUE_MAP && value->as.map.n == 0);
}

static size_t list_n(const struct value *value)
{
    return value->type == VALUE_LIST ? value->as.list.n : 0;
}

uint32_t schema_add_sub(struct compiler *c, const struct sub *sub)
{
    struct schema *schema = c->schema;
    uint32_t i = schema->n_subs;

    if (!is_map(sub->source) && sub->source->type != VALUE_BOOL) {
        schema_refuse(c, sub->parent, sub->keyword,
                      "%s%sa schema is a map or a boolean",
                      sub->key == NULL ? "" : sub->key, sub->key == NULL ? "" : ": ");
        return NO_SUB;
    }
    if (i == SCHEMA_MAX_SUBS) {
        refuse_here(c, sub->keyword, "too many subschemas");
        return NO_SUB;
    }
    if (i == schema->size_subs) {
        schema->size_subs = schema->size_subs == 0 ? 16 : schema->size_subs * 2;
        schema->subs =
            xrealloc(schema->subs, schema->size_subs * sizeof(*schema->subs));
    }
    schema->subs[i] = *sub;
    schema->n_subs++;
    map_put_number(&schema->by_source, (uintptr_t)sub->source,
                   (void *)((uintptr_t)i + 1));
    return i;
}

static uint32_t add_child(struct compiler *c, const struct value *source,
                          const char *keyword, const char *key, uint32_t index)
{
    return schema_add_sub(c, &(struct sub){.source = source,
                                           .types = TYPE_ANY,
                                           .parent = c->at,
                                           .keyword = keyword,
                                           .key = key,
                                           .index = index});
}

/* The subschema under that keyword of the present one; NO_SUB in *sub_out: none. */
static int read_sub(struct compiler *c, const struct value *map, const char *keyword,
                    uint32_t *sub_out)
{
    const struct value *source = value_get(map, keyword);

    *sub_out = NO_SUB;
    if (source == NULL)
        return 0;
    *sub_out = add_child(c, source, keyword, NULL, NO_SUB);
    return *sub_out == NO_SUB ? -1 : 0;
}

static int read_sub_list(struct compiler *c, const struct value *list,
                         const char *keyword, struct sub_list *out)
{
    struct schema *schema = c->schema;
    size_t n = list_n(list);

    if (!is_list(list))
        return refuse_here(c, keyword, "must be a list of schemas");
    if (n > SCHEMA_MAX_SUBS)
        return refuse_here(c, keyword, "too many subschemas");
    *out = (struct sub_list){.first = schema->n_lists, .n = (uint32_t)n};
    if (schema->n_lists + n > schema->size_lists) {
        schema->size_lists = schema->n_lists + (uint32_t)n + 16;
        schema->lists =
            xrealloc(schema->lists, schema->size_lists * sizeof(*schema->lists));
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t sub =
            add_child(c, &list->as.list.items[i], keyword, NULL, (uint32_t)i);

        if (sub == NO_SUB)
            return -1;
        schema->lists[schema->n_lists++] = sub;
    }
    return 0;
}

static struct regex *add_pattern(struct compiler *c, const char *keyword,
                                 const char *text, size_t n_bytes)
{
    struct schema *schema = c->schema;
    struct regex *regex;
    char why[120];

    if (schema->n_patterns == MAX_PATTERNS) {
        refuse_here(c, keyword, "too many patterns");
        return NULL;
    }
    regex = regex_create(text, n_bytes, why, sizeof(why));
    if (regex == NULL) {
        schema_refuse(c, c->at, keyword, "pattern '%.80s' is not supported: %s", text,
                      why);
        return NULL;
    }
    schema->patterns =
        xrealloc(schema->patterns, (schema->n_patterns + 1) * sizeof(void *));
    schema->patterns[schema->n_patterns++] = regex;
    return regex;
}

/* ---- keywords with a plain value ------------------------------------------------- */

static bool read_number(const struct value *value, struct number *out)
{
    if (value->type == VALUE_INT)
        *out = number_of_integer(value->as.integer);
    else if (value->type == VALUE_FLOAT)
        *out = number_of_real(value->as.real);
    else
        return false;
    return number_is_finite(*out);
}

static int compile_number(struct compiler *c, const struct value *value,
                          const char *keyword, struct op *op)
{
    if (!read_number(value, &op->as.number))
        return refuse_here(c, keyword, "must be a number");
    if (op->code == OP_MULTIPLE &&
        number_compare(op->as.number, number_of_integer(0)) <= 0)
        return refuse_here(c, keyword, "must be greater than 0");
    return 0;
}

static int read_count(struct compiler *c, const struct value *value,
                      const char *keyword, uint64_t *out)
{
    struct number number;

    if (!read_number(value, &number) || !number_is_integral(number) ||
        number_compare(number, number_of_integer(0)) < 0)
        return refuse_here(c, keyword, "must be a whole number that isn't negative");
    *out = number.is_integer ? (uint64_t)number.as.integer : UINT64_MAX;
    return 0;
}

static int compile_count(struct compiler *c, const struct value *value,
                         const char *keyword, struct op *op)
{
    return read_count(c, value, keyword, &op->as.count);
}

static int compile_pattern(struct compiler *c, const struct value *value,
                           const char *keyword, struct op *op)
{
    if (value->type != VALUE_STRING)
        return refuse_here(c, keyword, "must be a text");
    op->as.pattern.text = value->as.string.data;
    op->as.pattern.regex =
        add_pattern(c, keyword, value->as.string.data, value->as.string.n);
    return op->as.pattern.regex == NULL ? -1 : 0;
}

static int compile_constants(struct compiler *c, const struct value *value,
                             const char *keyword, struct op *op)
{
    const struct value one = {.type = VALUE_LIST,
                              .as.list = {.items = (struct value *)value, .n = 1}};

    if (op->code == OP_ENUM && !is_list(value))
        return refuse_here(c, keyword, "must be a list of values");
    op->as.constants = xmalloc(sizeof(*op->as.constants));
    flat_init(op->as.constants);
    if (flat_add_value(op->as.constants, op->code == OP_ENUM ? value : &one) == -1)
        return refuse_here(c, keyword, "too many values");
    return 0;
}

static int compile_unique(struct compiler *c, const struct value *value,
                          const char *keyword, struct op *op)
{
    if (value->type != VALUE_BOOL)
        return refuse_here(c, keyword, "must be true or false");
    if (!value->as.boolean)
        op->types = 0;
    return 0;
}

static struct name_list *read_names(const struct value *value)
{
    size_t n = list_n(value);
    struct name_list *list = xcalloc(1, sizeof(*list));

    list->names = xcalloc(n + 1, sizeof(*list->names));
    map_init(&list->by_name);
    for (size_t i = 0; i < n; i++) {
        const struct value *item = &value->as.list.items[i];

        if (map_find(&list->by_name, item->as.string.data, item->as.string.n) != NULL)
            continue;
        list->names[list->n++] = item->as.string.data;
        map_put(&list->by_name, item->as.string.data, item->as.string.n,
                (void *)(uintptr_t)list->n);
    }
    return list;
}

static bool are_names(const struct value *value)
{
    if (!is_list(value))
        return false;
    for (size_t i = 0; i < list_n(value); i++)
        if (value->as.list.items[i].type != VALUE_STRING)
            return false;
    return true;
}

static int compile_required(struct compiler *c, const struct value *value,
                            const char *keyword, struct op *op)
{
    if (!are_names(value))
        return refuse_here(c, keyword, "must be a list of texts");
    op->as.required = read_names(value);
    return 0;
}

static int compile_ref(struct compiler *c, const struct value *value,
                       const char *keyword, struct op *op)
{
    if (value->type != VALUE_STRING)
        return refuse_here(c, keyword, "must be a text");
    op->as.sub = NO_SUB;
    if (c->n_refs == c->size_refs) {
        c->size_refs = c->size_refs == 0 ? 8 : c->size_refs * 2;
        c->refs = xrealloc(c->refs, c->size_refs * sizeof(*c->refs));
    }
    c->refs[c->n_refs++] = (struct unresolved){
        .op = c->schema->n_ops - 1, .sub = c->at, .text = value->as.string.data};
    return 0;
}

/* ---- one subschema --------------------------------------------------------------- */

static const struct {
    const char *name;
    unsigned bits;
} type_names[] = {
    {"null", TYPE_NULL},       {"boolean", TYPE_BOOLEAN},
    {"integer", TYPE_INTEGER}, {"number", TYPE_NUMBER | TYPE_INTEGER},
    {"string", TYPE_STRING},   {"array", TYPE_ARRAY},
    {"object", TYPE_OBJECT},
};

static int add_type(struct compiler *c, const struct value *name)
{
    const char *text = value_text(name);

    for (size_t i = 0; text != NULL && i < N_ELEMENTS(type_names); i++) {
        if (strcmp(type_names[i].name, text) == 0) {
            c->schema->subs[c->at].types |= (uint8_t)type_names[i].bits;
            return 0;
        }
    }
    return schema_refuse(c, c->at, "type", "unknown type '%.40s'",
                         text == NULL ? "" : text);
}

static int compile_type(struct compiler *c, const struct value *map)
{
    const struct value *type = value_get(map, "type");
    int rc = 0;

    if (type == NULL)
        return 0;
    c->schema->subs[c->at].types = 0;
    if (type->type != VALUE_LIST)
        return add_type(c, type);
    if (type->as.list.n == 0)
        return refuse_here(c, "type", "must name a type");
    for (size_t i = 0; rc == 0 && i < type->as.list.n; i++)
        rc = add_type(c, &type->as.list.items[i]);
    return rc;
}

/* Keywords that need nothing but their own value. */
static const struct plain_keyword {
    const char *name;
    enum op_code code;
    unsigned types;
    int (*compile)(struct compiler *c, const struct value *value, const char *keyword,
                   struct op *op);
} plain_keywords[] = {
    {"const", OP_CONST, TYPE_ANY, compile_constants},
    {"enum", OP_ENUM, TYPE_ANY, compile_constants},
    {"minimum", OP_MINIMUM, TYPE_NUMBER, compile_number},
    {"maximum", OP_MAXIMUM, TYPE_NUMBER, compile_number},
    {"exclusiveMinimum", OP_ABOVE, TYPE_NUMBER, compile_number},
    {"exclusiveMaximum", OP_BELOW, TYPE_NUMBER, compile_number},
    {"multipleOf", OP_MULTIPLE, TYPE_NUMBER, compile_number},
    {"minLength", OP_MIN_LENGTH, TYPE_STRING, compile_count},
    {"maxLength", OP_MAX_LENGTH, TYPE_STRING, compile_count},
    {"pattern", OP_PATTERN, TYPE_STRING, compile_pattern},
    {"minItems", OP_MIN_ITEMS, TYPE_ARRAY, compile_count},
    {"maxItems", OP_MAX_ITEMS, TYPE_ARRAY, compile_count},
    {"uniqueItems", OP_UNIQUE, TYPE_ARRAY, compile_unique},
    {"minProperties", OP_MIN_PROPERTIES, TYPE_OBJECT, compile_count},
    {"maxProperties", OP_MAX_PROPERTIES, TYPE_OBJECT, compile_count},
    {"required", OP_REQUIRED, TYPE_OBJECT, compile_required},
    {"$ref", OP_REF, TYPE_ANY, compile_ref},
};

static int compile_plain(struct compiler *c, const struct value *map)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < N_ELEMENTS(plain_keywords); i++) {
        const struct plain_keyword *row = &plain_keywords[i];
        const struct value *value = value_get(map, row->name);

        if (value != NULL)
            rc = row->compile(c, value, row->name, add_op(c, row->code, row->types));
    }
    return rc;
}

static int compile_dependent(struct compiler *c, const struct value *map)
{
    const struct value *rules = value_get(map, "dependentRequired");

    if (rules == NULL)
        return 0;
    if (!is_map(rules))
        return refuse_here(c, "dependentRequired", "must be a map of lists");
    for (size_t i = 0; i < map_n(rules); i++) {
        const struct value_pair *pair = &rules->as.map.pairs[i];
        struct op *op;

        if (!are_names(&pair->value))
            return refuse_here(c, "dependentRequired", "must be a map of lists");
        op = add_op(c, OP_DEPENDENT_REQUIRED, TYPE_OBJECT);
        op->as.dependent.when = pair->key;
        op->as.dependent.required = read_names(&pair->value);
    }
    return 0;
}

static int read_properties(struct compiler *c, const struct value *map,
                           struct property_rules *rules)
{
    const struct value *properties = value_get(map, "properties");

    if (properties != NULL && !is_map(properties))
        return refuse_here(c, "properties", "must be a map of schemas");
    for (size_t i = 0; properties != NULL && i < map_n(properties); i++) {
        const struct value_pair *pair = &properties->as.map.pairs[i];
        uint32_t sub = add_child(c, &pair->value, "properties", pair->key, NO_SUB);

        if (sub == NO_SUB)
            return -1;
        map_put(&rules->properties, pair->key, strlen(pair->key),
                (void *)((uintptr_t)sub + 1));
    }
    return 0;
}

static int read_patterns(struct compiler *c, const struct value *map,
                         struct property_rules *rules)
{
    const struct value *patterns = value_get(map, "patternProperties");

    if (patterns == NULL)
        return 0;
    if (!is_map(patterns))
        return refuse_here(c, "patternProperties", "must be a map of schemas");
    rules->patterns = xcalloc(map_n(patterns) + 1, sizeof(*rules->patterns));
    for (size_t i = 0; i < map_n(patterns); i++) {
        const struct value_pair *pair = &patterns->as.map.pairs[i];
        struct regex *regex =
            add_pattern(c, "patternProperties", pair->key, strlen(pair->key));
        uint32_t sub = NO_SUB;

        if (regex != NULL)
            sub = add_child(c, &pair->value, "patternProperties", pair->key, NO_SUB);
        if (sub == NO_SUB)
            return -1;
        rules->patterns[rules->n_patterns++] =
            (struct pattern_rule){.regex = regex, .sub = sub};
    }
    return 0;
}

static int compile_properties(struct compiler *c, const struct value *map)
{
    struct property_rules *rules;

    if (value_get(map, "properties") == NULL &&
        value_get(map, "patternProperties") == NULL &&
        value_get(map, "additionalProperties") == NULL)
        return 0;
    rules = xcalloc(1, sizeof(*rules));
    map_init(&rules->properties);
    add_op(c, OP_PROPERTIES, TYPE_OBJECT)->as.properties = rules;
    if (read_properties(c, map, rules) == -1 || read_patterns(c, map, rules) == -1)
        return -1;
    return read_sub(c, map, "additionalProperties", &rules->additional);
}

static int compile_names(struct compiler *c, const struct value *map)
{
    uint32_t sub;

    if (read_sub(c, map, "propertyNames", &sub) == -1)
        return -1;
    if (sub != NO_SUB)
        add_op(c, OP_NAMES, TYPE_OBJECT)->as.sub = sub;
    return 0;
}

static int compile_items(struct compiler *c, const struct value *map)
{
    const struct value *prefix = value_get(map, "prefixItems");
    const struct value *items = value_get(map, "items");
    struct sub_list list = {0};
    uint32_t rest;
    struct op *op;

    if (items != NULL && items->type == VALUE_LIST && items->as.list.n != 0)
        return refuse_here(c, "items", "is one schema; a list is called prefixItems");
    if (prefix != NULL && read_sub_list(c, prefix, "prefixItems", &list) == -1)
        return -1;
    if (read_sub(c, map, "items", &rest) == -1)
        return -1;
    if (list.n == 0 && rest == NO_SUB)
        return 0;
    op = add_op(c, OP_ITEMS, TYPE_ARRAY);
    op->as.items.prefix = list;
    op->as.items.rest = rest;
    return 0;
}

static uint32_t clamp(uint64_t count)
{
    return count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
}

static int compile_contains(struct compiler *c, const struct value *map)
{
    const struct value *min = value_get(map, "minContains");
    const struct value *max = value_get(map, "maxContains");
    uint64_t least = 1, most = UINT32_MAX;
    struct op *op;
    uint32_t sub;

    if (read_sub(c, map, "contains", &sub) == -1 ||
        (min != NULL && read_count(c, min, "minContains", &least) == -1) ||
        (max != NULL && read_count(c, max, "maxContains", &most) == -1))
        return -1;
    if (sub == NO_SUB)
        return 0;
    op = add_op(c, OP_CONTAINS, TYPE_ARRAY);
    op->as.contains.sub = sub;
    op->as.contains.min = clamp(least);
    op->as.contains.max = clamp(most);
    return 0;
}

static int compile_combinations(struct compiler *c, const struct value *map)
{
    static const struct {
        const char *name;
        enum op_code code;
    } rows[] = {{"allOf", OP_ALL}, {"anyOf", OP_ANY}, {"oneOf", OP_ONE}};

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        const struct value *value = value_get(map, rows[i].name);
        struct sub_list list;

        if (value == NULL)
            continue;
        if (list_n(value) == 0)
            return refuse_here(c, rows[i].name, "must be a list of schemas");
        if (read_sub_list(c, value, rows[i].name, &list) == -1)
            return -1;
        add_op(c, rows[i].code, TYPE_ANY)->as.list = list;
    }
    return 0;
}

static int compile_branches(struct compiler *c, const struct value *map)
{
    uint32_t not, condition, then, otherwise;
    struct op *op;

    if (read_sub(c, map, "not", &not ) == -1 ||
        read_sub(c, map, "if", &condition) == -1 ||
        read_sub(c, map, "then", &then) == -1 ||
        read_sub(c, map, "else", &otherwise) == -1)
        return -1;
    if (not != NO_SUB)
        add_op(c, OP_NOT, TYPE_ANY)->as.sub = not ;
    if (condition == NO_SUB || (then == NO_SUB && otherwise == NO_SUB))
        return 0;
    op = add_op(c, OP_IF, TYPE_ANY);
    op->as.branch.condition = condition;
    op->as.branch.then = then;
    op->as.branch.otherwise = otherwise;
    return 0;
}

/* Definitions count for nothing until somebody names them, but must be right. */
static int compile_definitions(struct compiler *c, const struct value *map)
{
    static const char *const names[] = {"$defs", "definitions"};

    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        const struct value *all = value_get(map, names[i]);

        if (all != NULL && !is_map(all))
            return refuse_here(c, names[i], "must be a map of schemas");
        for (size_t k = 0; all != NULL && k < map_n(all); k++)
            if (add_child(c, &all->as.map.pairs[k].value, names[i],
                          all->as.map.pairs[k].key, NO_SUB) == NO_SUB)
                return -1;
    }
    return 0;
}

static int compile_anchor(struct compiler *c, const struct value *map)
{
    const struct value *anchor = value_get(map, "$anchor");

    if (anchor == NULL)
        return 0;
    if (anchor->type != VALUE_STRING)
        return refuse_here(c, "$anchor", "must be a text");
    map_put(&c->schema->anchors, anchor->as.string.data, anchor->as.string.n,
            (void *)((uintptr_t)c->at + 1));
    return 0;
}

int schema_compile_sub(struct compiler *c)
{
    /* In the order in which flaws of the data are told. */
    static int (*const steps[])(struct compiler *, const struct value *) = {
        compile_type,     compile_plain,      compile_dependent,   compile_items,
        compile_contains, compile_properties, compile_names,       compile_combinations,
        compile_branches, compile_anchor,     compile_definitions,
    };
    struct sub *sub = &c->schema->subs[c->at];
    const struct value *source = sub->source;
    int rc = 0;

    sub->first_op = c->schema->n_ops;
    if (source->type == VALUE_BOOL) {
        sub->never = !source->as.boolean;
        return 0;
    }
    for (size_t i = 0; rc == 0 && i < N_ELEMENTS(steps); i++)
        rc = steps[i](c, source);
    return rc;
}
