#include "worker/type_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/value.h"
#include "common/value_walk.h"

#include "worker/type_reader.h"

#define MAX_DEPTH       64
#define MAX_VALUE_DEPTH ((size_t)4 * MAX_DEPTH) /* a record is three values deep */

static const char *const primitives[] = {
    "any",    "unknown", "never",    "boolean", "number",   "integer",
    "string", "table",   "function", "thread",  "userdata", "error",
};

/* ---- nodes ----------------------------------------------------------------------- */

static struct value text_of(const struct type_reader *r, const struct token *token)
{
    return value_bytes(r->lexer.text + token->start, token->end - token->start);
}

static struct value node(const char *k)
{
    struct value map = value_map();

    value_put(&map, "k", value_string(k));
    return map;
}

static struct value node_with(const char *k, const char *key, struct value item)
{
    struct value map = node(k);

    value_put(&map, key, item);
    return map;
}

/* A string without escapes, or a number; anything else is nil. */
static struct value literal(const struct type_reader *r, const struct token *token)
{
    const char *text = r->lexer.text + token->start;
    size_t n = token->end - token->start;
    char copy[64], *end;
    long long integer;
    double number;

    if (token->kind == TK_STRING) {
        bool plain =
            (text[0] == '"' || text[0] == '\'') && memchr(text, '\\', n) == NULL;

        return plain ? value_bytes(text + 1, n - 2) : (struct value){0};
    }
    if (n >= sizeof(copy))
        return (struct value){0};
    memcpy(copy, text, n);
    copy[n] = '\0';
    errno = 0;
    integer = strtoll(copy, &end, 0);
    if (*end == '\0' && errno == 0 && (copy[0] != '0' || n == 1 || copy[1] == 'x'))
        return value_int(integer);
    number = strtod(copy, &end);
    return *end == '\0' ? value_float(number) : (struct value){0};
}

/* ---- the grammar -------------------------------------------------------------------
 *
 * Functions that call each other take the level they are on, which is bounded.
 */

// NOLINTBEGIN(misc-no-recursion)

static struct value read_type(struct type_reader *r, int depth);
static struct value read_rest(struct type_reader *r, struct value first, int depth);

/* A number, perhaps with a minus before it, or a text; else nil. */
static struct value read_argument(struct type_reader *r)
{
    bool minus = type_reader_accept(r, '-');
    const struct token *token = type_reader_peek(r, 0);
    struct value value = {0};

    if (token->kind == TK_NUMBER || (token->kind == TK_STRING && !minus))
        value = literal(r, token);
    if (minus && value.type == VALUE_INT)
        value.as.integer = -value.as.integer;
    if (minus && value.type == VALUE_FLOAT)
        value.as.real = -value.as.real;
    type_reader_advance(r);
    return value;
}

/* Behind '(' of an annotation, up to its ')'. An argument that must be worked out makes
 * all of them nothing. */
static struct value read_arguments(struct type_reader *r)
{
    struct value args = value_list();
    size_t start = r->at;
    bool good = true;
    int level = 1;

    while (good && !type_reader_is(r, ')')) {
        value_append(&args, read_argument(r));
        good = args.as.list.items[args.as.list.n - 1].type != VALUE_NIL &&
               (type_reader_is(r, ')') || type_reader_accept(r, ','));
    }
    if (good) {
        type_reader_advance(r);
        return args;
    }
    r->at = start;
    while (level > 0 && !type_reader_is(r, TK_EOF)) {
        level += type_reader_is(r, '(') - type_reader_is(r, ')');
        type_reader_advance(r);
    }
    value_finish(&args);
    return value_list();
}

/* At '@'. */
static void read_annotation(struct type_reader *r, struct value *type)
{
    struct value row = value_map(), *list;
    int line;

    type_reader_advance(r);
    value_put(&row, "name", text_of(r, type_reader_peek(r, 0)));
    line = type_reader_peek(r, 0)->line;
    type_reader_expect(r, TK_NAME);
    if (type_reader_is(r, '(') && type_reader_peek(r, 0)->line == line) {
        type_reader_advance(r);
        value_put(&row, "args", read_arguments(r));
    }
    list = value_get(type, "ann");
    if (list == NULL)
        list = value_put(type, "ann", value_list());
    value_append(list, row);
}

/* Types with commas between, up to one of kind `end`, which stays. */
static struct value read_list(struct type_reader *r, unsigned end, int depth)
{
    struct value list = value_list();

    while (!r->failed && !type_reader_is(r, end)) {
        value_append(&list, read_type(r, depth));
        if (!type_reader_accept(r, ','))
            break;
    }
    return list;
}

/* At a name. */
static struct value read_name(struct type_reader *r, int depth)
{
    const struct token *first = type_reader_peek(r, 0), *last = first;
    struct value name, type;
    bool primitive = false;

    type_reader_advance(r);
    while (type_reader_is(r, '.')) {
        type_reader_advance(r);
        last = type_reader_peek(r, 0);
        type_reader_expect(r, TK_NAME);
    }
    name = value_bytes(r->lexer.text + first->start, last->end - first->start);
    for (size_t i = 0; i < N_ELEMENTS(primitives); i++)
        primitive = primitive || strcmp(primitives[i], name.as.string.data) == 0;
    type = node_with(primitive ? "prim" : "ref", "name", name);
    if (!primitive && type_reader_is(r, '<')) {
        type_reader_advance(r);
        value_put(&type, "args", read_list(r, '>', depth));
        type_reader_expect_angle(r);
    }
    if (!primitive && r->places)
        value_put(&type, "at", value_int(first->start));
    return type;
}

static bool at_field(struct type_reader *r)
{
    unsigned next = type_reader_peek(r, 1)->kind;

    return (type_reader_is(r, TK_NAME) || token_is_keyword(type_reader_peek(r, 0))) &&
           (next == ':' || next == TK_OPTIONAL);
}

/* `name: T` or `name?: T`. */
static struct value read_field(struct type_reader *r, int depth)
{
    struct value field = value_map();

    value_put(&field, "name", text_of(r, type_reader_peek(r, 0)));
    type_reader_advance(r);
    value_put(&field, "opt", value_bool(type_reader_is(r, TK_OPTIONAL)));
    type_reader_advance(r);
    value_put(&field, "type", read_type(r, depth));
    return field;
}

/* What follows the first item of braces when they are of no one form, as in
 * `{id: string, [string]: any}`: the erasing pass knows no difference. */
static void skip_items(struct type_reader *r, int depth)
{
    struct value type;

    do {
        if (type_reader_accept(r, '[')) {
            type = read_type(r, depth);
            value_finish(&type);
            type_reader_expect(r, ']');
            type_reader_expect(r, ':');
        } else if (at_field(r)) {
            type_reader_advance(r);
            type_reader_advance(r);
        }
        type = read_type(r, depth);
        value_finish(&type);
    } while (!r->failed && type_reader_accept(r, ',') && !type_reader_is(r, '}'));
}

/* At '{'. */
static struct value read_braces(struct type_reader *r, int depth)
{
    struct value type, fields;

    type_reader_advance(r);
    if (type_reader_accept(r, '}'))
        return node_with("prim", "name", value_string("table"));
    if (type_reader_accept(r, '[')) {
        type = node_with("map", "key", read_type(r, depth));
        type_reader_expect(r, ']');
        type_reader_expect(r, ':');
        value_put(&type, "val", read_type(r, depth));
        type_reader_accept(r, ',');
    } else if (at_field(r)) {
        fields = value_list();
        while (!r->failed && !type_reader_is(r, '}') && at_field(r)) {
            value_append(&fields, read_field(r, depth));
            if (!type_reader_accept(r, ','))
                break;
        }
        type = node_with("record", "fields", fields);
    } else {
        type = node_with("array", "elem", read_type(r, depth));
        type_reader_accept(r, ',');
    }
    if (!r->failed && !type_reader_is(r, '}')) {
        value_finish(&type);
        type = node_with("prim", "name", value_string("table"));
        skip_items(r, depth);
    }
    type_reader_expect(r, '}');
    return type;
}

struct parameters {
    bool named; /* they can only be a function's */
    bool more;  /* the last is "...T" */
};

/* `name: T`, `T`, `...T`; behind '('. */
static struct value read_parameters(struct type_reader *r, struct parameters *out,
                                    int depth)
{
    struct value list = value_list();

    while (!r->failed && !type_reader_is(r, ')')) {
        if (type_reader_accept(r, TK_DOTS)) {
            out->named = out->more = true;
            type_reader_accept(r, ':');
            if (type_reader_is(r, ')'))
                break;
        } else if (type_reader_is(r, TK_NAME) && at_field(r)) {
            out->named = true;
            type_reader_advance(r);
            type_reader_advance(r);
        }
        value_append(&list, read_type(r, depth));
        if (!type_reader_accept(r, ','))
            break;
    }
    type_reader_expect(r, ')');
    return list;
}

static struct value function_node(struct value params, const struct parameters *found)
{
    struct value type = node_with("fun", "params", params);

    if (found->more)
        value_put(&type, "more", value_bool(true));
    return type;
}

/* Takes list, which may be nil: then nobody knows what the function gives. */
static void put_results(struct value *type, struct value list)
{
    if (list.type == VALUE_LIST)
        value_put(type, "ret", list);
}

static struct value read_results(struct type_reader *r, int depth);

/* Behind what is taken and its arrow or ':'. */
static struct value read_function(struct type_reader *r, struct value params,
                                  const struct parameters *found, int depth)
{
    struct value type = function_node(params, found);

    put_results(&type, read_results(r, depth));
    return type;
}

/* The only type in parentheses; takes the list. */
static struct value take_only(struct value *list)
{
    struct value type = list->as.list.items[0];

    list->as.list.n = 0;
    value_finish(list);
    return type;
}

/* What stands behind "->", or behind the ':' of a "fun": a list; nil when it ends in
 * "...T", so that nobody knows how many there are. Parentheses are read once: only
 * what follows them says whether they are the list, what a function takes that is the
 * result, or the start of one type. */
static struct value read_results(struct type_reader *r, int depth)
{
    struct parameters found = {0};
    struct value list, first;

    if (depth >= MAX_DEPTH)
        r->failed = true;
    if (type_reader_accept(r, '(')) {
        list = read_parameters(r, &found, depth);
        if (!r->failed && type_reader_accept(r, TK_ARROW)) {
            first = read_function(r, list, &found, depth + 1);
        } else if (list.as.list.n == 1 && !found.more) {
            first = take_only(&list);
        } else {
            if (found.more)
                value_finish(&list);
            return list;
        }
        first = read_rest(r, first, depth + 1);
    } else {
        first = read_type(r, depth);
    }
    list = value_list();
    value_append(&list, first);
    return list;
}

/* At '(' of a function's type or of a type in parentheses; fun: the word stood
 * there. */
static struct value read_parentheses(struct type_reader *r, bool fun, int depth)
{
    struct parameters found = {0};
    struct value params;

    type_reader_advance(r);
    params = read_parameters(r, &found, depth);
    if (fun ? type_reader_accept(r, ':') : type_reader_accept(r, TK_ARROW))
        return read_function(r, params, &found, depth);
    if (!fun && !found.named && params.as.list.n == 1)
        return take_only(&params);
    return function_node(params, &found);
}

/* Skips what is in parentheses, at '('. */
static void skip_parentheses(struct type_reader *r)
{
    int level = 0;

    do {
        level += type_reader_is(r, '(') - type_reader_is(r, ')');
        type_reader_advance(r);
    } while (level > 0 && !type_reader_is(r, TK_EOF));
}

/* Behind "asserts": `name is T`. */
static void skip_assertion(struct type_reader *r, int depth)
{
    struct value type;

    type_reader_advance(r);
    if (!type_reader_accept_word(r, "is"))
        return;
    type = read_type(r, depth);
    value_finish(&type);
}

/* At a name that starts a type of its own when the right token follows; false: it is
 * just a name. */
static bool read_word(struct type_reader *r, int depth, struct value *out)
{
    unsigned next = type_reader_peek(r, 1)->kind;

    if (next == '(' && type_reader_accept_word(r, "fun")) {
        *out = read_parentheses(r, true, depth);
    } else if (next == '{' && (type_reader_accept_word(r, "readonly") ||
                               type_reader_accept_word(r, "interface"))) {
        *out = read_braces(r, depth);
    } else if (next == '(' && type_reader_accept_word(r, "keyof")) {
        *out = node_with("keyof", "inner", read_parentheses(r, false, depth));
    } else if (next == '(' && type_reader_accept_word(r, "typeof")) {
        skip_parentheses(r);
        *out = node("any");
    } else if (next == TK_NAME && type_reader_accept_word(r, "asserts")) {
        skip_assertion(r, depth);
        *out = node("any");
    } else {
        return false;
    }
    return true;
}

static struct value read_primary(struct type_reader *r, int depth)
{
    const struct token *token = type_reader_peek(r, 0);
    struct value value = {0};

    switch (token->kind) {
    case TK_NIL:
        type_reader_advance(r);
        return node_with("prim", "name", value_string("nil"));
    case TK_TRUE:
    case TK_FALSE:
        type_reader_advance(r);
        return node_with("lit", "value", value_bool(token->kind == TK_TRUE));
    case TK_STRING:
    case TK_NUMBER:
        type_reader_advance(r);
        value = literal(r, token);
        return value.type == VALUE_NIL ? node("any") : node_with("lit", "value", value);
    case TK_FUNCTION:
        type_reader_advance(r);
        return node_with("prim", "name", value_string("function"));
    case '{':
        return read_braces(r, depth);
    case '(':
        return read_parentheses(r, false, depth);
    case TK_NAME:
        return read_word(r, depth, &value) ? value : read_name(r, depth);
    default:
        r->failed = true;
        return value;
    }
}

/* In `A extends B ? C : D` the '?' belongs to nothing before it. */
static bool at_optional_mark(struct type_reader *r, bool condition)
{
    unsigned next = type_reader_peek(r, 1)->kind;

    return type_reader_is(r, '?') &&
           !(condition && (next == TK_NAME || next == '{' || next == '(' ||
                           next == TK_NIL || next == TK_TRUE || next == TK_FALSE ||
                           next == TK_STRING || next == TK_NUMBER));
}

/* Behind the first part of a type. */
static struct value read_suffixes(struct type_reader *r, struct value type,
                                  bool condition, int depth)
{
    bool more = true;

    while (more && !r->failed) {
        if (type_reader_is(r, '@')) {
            read_annotation(r, &type);
        } else if (at_optional_mark(r, condition)) {
            type_reader_advance(r);
            type = node_with("opt", "inner", type);
        } else if (type_reader_is(r, '[') && type_reader_peek(r, 1)->kind == ']') {
            type_reader_advance(r);
            type_reader_advance(r);
            type = node_with("array", "elem", type);
        } else if (type_reader_accept(
                       r, '[')) { /* the type of a field: nothing at run time */
            struct value of = read_type(r, depth);

            value_finish(&of);
            value_finish(&type);
            type = node("any");
            type_reader_expect(r, ']');
        } else {
            more = false;
        }
    }
    return type;
}

static struct value read_simple(struct type_reader *r, bool condition, int depth)
{
    return read_suffixes(r, read_primary(r, depth), condition, depth);
}

/* Behind the first of those with '&' between. */
static struct value read_and_rest(struct type_reader *r, struct value type, int depth)
{
    struct value list;

    if (!type_reader_is(r, '&'))
        return type;
    list = value_list();
    value_append(&list, type);
    while (!r->failed && type_reader_accept(r, '&'))
        value_append(&list, read_simple(r, false, depth));
    return node_with("and", "of", list);
}

/* Behind `A extends`. */
static void skip_condition(struct type_reader *r, int depth)
{
    struct value parts[3];

    parts[0] = read_simple(r, true, depth);
    type_reader_expect(r, '?');
    parts[1] = read_type(r, depth);
    if (!type_reader_accept(r, TK_OPTIONAL))
        type_reader_expect(r, ':');
    parts[2] = read_type(r, depth);
    for (size_t i = 0; i < N_ELEMENTS(parts); i++)
        value_finish(&parts[i]);
}

/* Behind the first part of a type. */
static struct value read_rest(struct type_reader *r, struct value first, int depth)
{
    struct value type, list;

    type = read_and_rest(r, read_suffixes(r, first, false, depth), depth);
    if (type_reader_is_word(r, "extends")) {
        type_reader_advance(r);
        value_finish(&type);
        skip_condition(r, depth);
        return node("any");
    }
    if (!type_reader_is(r, '|'))
        return type;
    list = value_list();
    value_append(&list, type);
    while (!r->failed && type_reader_accept(r, '|'))
        value_append(&list, read_and_rest(r, read_simple(r, false, depth), depth));
    return node_with("or", "of", list);
}

static struct value read_type(struct type_reader *r, int depth)
{
    if (++depth > MAX_DEPTH || r->failed) {
        r->failed = true;
        return (struct value){0};
    }
    return read_rest(r, read_primary(r, depth), depth);
}

// NOLINTEND(misc-no-recursion)

/* ---- declarations ---------------------------------------------------------------- */

/* `<A, B: Bound>`, if it is there: the names. */
static struct value read_generics(struct type_reader *r)
{
    struct value names = value_list(), bound;

    if (!type_reader_accept(r, '<'))
        return names;
    do {
        value_append(&names, text_of(r, type_reader_peek(r, 0)));
        type_reader_expect(r, TK_NAME);
        if (type_reader_accept(r, ':')) {
            bound = read_type(r, 0);
            value_finish(&bound);
        }
    } while (!r->failed && type_reader_accept(r, ','));
    type_reader_expect_angle(r);
    return names;
}

/* Behind the ':' of a function's results; nil as in read_results(). */
static struct value read_returns(struct type_reader *r)
{
    struct value all = value_list(), some;
    bool known = true;

    do {
        some = read_results(r, 0);
        known = known && some.type == VALUE_LIST;
        for (size_t i = 0; known && i < some.as.list.n; i++)
            value_append(&all, value_copy(&some.as.list.items[i]));
        value_finish(&some);
    } while (!r->failed && type_reader_accept(r, ','));
    if (!known)
        value_finish(&all);
    return all;
}

/* A method of an interface: a field that holds a function. Behind `function`. */
static struct value read_method(struct type_reader *r)
{
    struct value field = value_map(), generics, names, type;
    struct parameters found = {0};

    value_put(&field, "name", text_of(r, type_reader_peek(r, 0)));
    value_put(&field, "opt", value_bool(false));
    type_reader_expect(r, TK_NAME);
    generics = read_generics(r);
    type_reader_expect(r, '(');
    names = read_parameters(r, &found, 0);
    type = function_node(names, &found);
    if (r->places && generics.as.list.n != 0)
        value_put(&type, "generics", generics);
    else
        value_finish(&generics);
    if (type_reader_accept(r, ':'))
        put_results(&type, read_returns(r));
    value_put(&field, "type", type);
    return field;
}

/* Behind the name: bases, fields and methods up to `end`. */
static struct value read_interface(struct type_reader *r)
{
    struct value all = value_list(), fields = value_list();

    value_append(&all, node("record"));
    if (type_reader_accept(r, ':'))
        do
            value_append(&all, read_name(r, 0));
        while (!r->failed && type_reader_accept(r, ','));
    while (!r->failed && !type_reader_accept(r, TK_END)) {
        type_reader_accept(r, ',');
        if (type_reader_accept(r, TK_FUNCTION))
            value_append(&fields, read_method(r));
        else if (type_reader_is(r, TK_NAME) && at_field(r))
            value_append(&fields, read_field(r, 0));
        else if (!type_reader_is(r, TK_END))
            r->failed = true;
    }
    value_put(&all.as.list.items[0], "fields", fields);
    return node_with("and", "of", all);
}

static struct value read_declaration(struct type_reader *r)
{
    bool interface = type_reader_is_word(r, "interface");
    struct value declaration = value_map();

    type_reader_advance(r);
    value_put(&declaration, "name", text_of(r, type_reader_peek(r, 0)));
    type_reader_expect(r, TK_NAME);
    value_put(&declaration, "params", read_generics(r));
    if (interface) {
        value_put(&declaration, "type", read_interface(r));
    } else {
        type_reader_expect(r, '=');
        value_put(&declaration, "type", read_type(r, 0));
    }
    return declaration;
}

static struct value read_form(struct type_reader *r, enum type_form form)
{
    switch (form) {
    case TYPE_STATEMENT:
        return read_declaration(r);
    case TYPE_GENERICS:
        return read_generics(r);
    case TYPE_RETURNS:
        type_reader_advance(r);
        return read_returns(r);
    default:
        type_reader_advance(r);
        return read_type(r, 0);
    }
}

/* What stands behind a type wraps it without nesting anything in the text: "T[][]…".
 * Whoever goes through the tree may recurse. */
static bool is_too_deep(const struct value *tree)
{
    struct value_walk walk;
    bool deep = false;

    value_walk_init(&walk, tree);
    while (!deep && value_walk_next(&walk) != VISIT_END)
        deep = walk.depth > MAX_VALUE_DEPTH;
    value_walk_finish(&walk);
    return deep;
}

static struct value read_text(const char *text, size_t n_bytes, enum type_form form,
                              bool places)
{
    struct type_reader r;
    struct value tree = {0};

    if (!type_reader_init(&r, text, n_bytes)) {
        type_reader_finish(&r);
        return tree;
    }
    r.places = places;
    tree = read_form(&r, form);
    type_reader_finish(&r);
    if (r.failed || is_too_deep(&tree))
        value_finish(&tree);
    return tree;
}

struct value type_tree_read(const char *text, size_t n_bytes)
{
    return read_text(text, n_bytes, TYPE_STATEMENT, false);
}

struct value type_tree_read_places(const char *text, size_t n_bytes,
                                   enum type_form form)
{
    return read_text(text, n_bytes, form, true);
}
