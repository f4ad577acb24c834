#include <string.h>

#include "common/expr_parser.h"

/* NOLINTBEGIN(misc-no-recursion): EXPR_MAX_DEPTH bounds all of it. */

/* ---- calls ----------------------------------------------------------------------- */

/* What is asked of each item. */
static struct node *parse_body(struct parser *p, const struct expr_function *function)
{
    bool reduces = function->predicate == PREDICATE_REDUCE;
    struct node *node;

    p->n_in_predicate++;
    p->n_in_reduce += reduces;
    node = parser_expression(p, 0);
    p->n_in_predicate--;
    p->n_in_reduce -= reduces;
    return node;
}

struct node *parser_call(struct parser *p, const char *name, size_t n,
                         struct node *piped)
{
    const struct expr_function *function = expr_function_find(name, n);
    struct node *node = node_create(NODE_CALL, name), *kid;
    bool braces;

    node->function = function;
    if (piped != NULL)
        node_add(node, piped);
    if (function == NULL)
        return parser_fail(p, name, node, "there is no such function");
    node->type = function->call == NULL ? NODE_PREDICATE : NODE_CALL;
    node->known = function->known;
    if (parser_expect(p, "(") == -1)
        goto failed;
    while (!parser_sees_sign(p, ")")) {
        bool is_body = function->call == NULL && node->n_kids == 1;

        if (node->n_kids > (piped != NULL ? 1u : 0u) && parser_expect(p, ",") == -1)
            goto failed;
        braces = is_body && parser_sees_sign(p, "{");
        if (braces && parser_advance(p) == -1)
            goto failed;
        kid = is_body ? parse_body(p, function) : parser_expression(p, 0);
        if (kid == NULL || (braces && parser_expect(p, "}") == -1)) {
            node_destroy(kid);
            goto failed;
        }
        node_add(node, kid);
        if (node->n_kids > MAX_KIDS)
            return parser_fail(p, name, node, "too many arguments");
    }
    if (node->n_kids < function->n_least || node->n_kids > function->n_most)
        return parser_fail(p, name, node, "the wrong number of arguments");
    if (parser_advance(p) == 0)
        return node;
failed:
    node_destroy(node);
    return NULL;
}

/* ---- what stands behind a value: .a ?.a [a] [a:b] -------------------------------- */

static struct node *member_of(struct node *left, const char *at, bool optional)
{
    struct node *node = node_create(NODE_MEMBER, at);

    node->optional = optional;
    node_add(node, left);
    return node;
}

/* The name behind a dot. */
static struct node *parse_name_member(struct parser *p, struct node *left,
                                      bool optional)
{
    struct node *node = member_of(left, p->token.text, optional), *key;

    if (p->token.type != TOKEN_NAME)
        return parser_fail(p, p->token.text, node, "expected a name behind the dot");
    key = node_create(NODE_LITERAL, p->token.text);
    key->value = value_bytes(p->token.text, p->token.n);
    key->known = KNOWN_TEXT;
    node_add(node, key);
    if (parser_advance(p) == 0)
        return node;
    node_destroy(node);
    return NULL;
}

static struct node *parse_brackets(struct parser *p, struct node *left, bool optional)
{
    struct node *node = member_of(left, p->token.text, optional), *from = NULL,
                *to = NULL;

    if (parser_advance(p) == -1)
        goto failed;
    if (!parser_sees_sign(p, ":")) {
        from = parser_expression(p, 0);
        if (from == NULL)
            goto failed;
    }
    node_add(node, from);
    if (parser_sees_sign(p, ":")) {
        node->type = NODE_SLICE;
        if (parser_advance(p) == -1)
            goto failed;
        if (!parser_sees_sign(p, "]")) {
            to = parser_expression(p, 0);
            if (to == NULL)
                goto failed;
        }
        node_add(node, to);
    }
    if (parser_expect(p, "]") == 0)
        return node;
failed:
    node_destroy(node);
    return NULL;
}

struct node *parser_postfix(struct parser *p, struct node *node)
{
    bool chained = false;

    while (node != NULL) {
        bool optional = parser_sees_sign(p, "?.");

        if (node->height > MAX_HEIGHT)
            return parser_fail(p, p->token.text, node,
                               "too many things inside each other");
        if (optional || parser_sees_sign(p, ".")) {
            chained |= optional;
            if (parser_advance(p) == -1) {
                node_destroy(node);
                return NULL;
            }
            node = optional && parser_sees_sign(p, "[")
                       ? parse_brackets(p, node, true)
                       : parse_name_member(p, node, optional);
        } else if (parser_sees_sign(p, "[")) {
            node = parse_brackets(p, node, false);
        } else {
            break;
        }
    }
    if (node != NULL && chained) {
        struct node *chain = node_create(NODE_CHAIN, node->at);

        node_add(chain, node);
        node = chain;
    }
    return node;
}

/* ---- values ---------------------------------------------------------------------- */

/* [a, b] */
static struct node *parse_list(struct parser *p)
{
    struct node *node = node_create(NODE_LIST, p->token.text), *kid;

    node->known = KNOWN_LIST;
    if (parser_advance(p) == -1)
        goto failed;
    while (!parser_sees_sign(p, "]")) {
        if (node->n_kids != 0 && parser_expect(p, ",") == -1)
            goto failed;
        if (node->n_kids != 0 && parser_sees_sign(p, "]"))
            break;
        kid = parser_expression(p, 0);
        if (kid == NULL)
            goto failed;
        node_add(node, kid);
        if (node->n_kids > MAX_KIDS)
            return parser_fail(p, node->at, node, "too long a list");
    }
    if (parser_advance(p) == 0)
        return node;
failed:
    node_destroy(node);
    return NULL;
}

static struct node *parse_key(struct parser *p)
{
    struct node *key;

    if (parser_sees_sign(p, "(")) {
        if (parser_advance(p) == -1)
            return NULL;
        key = parser_expression(p, 0);
        if (key != NULL && parser_expect(p, ")") == -1) {
            node_destroy(key);
            return NULL;
        }
        return key;
    }
    if (p->token.type != TOKEN_NAME && p->token.type != TOKEN_TEXT &&
        p->token.type != TOKEN_NUMBER)
        return parser_fail(p, p->token.text, NULL, "expected a key");
    key = node_create(NODE_LITERAL, p->token.text);
    if (p->token.type == TOKEN_TEXT) {
        key->value = p->token.value;
        p->token.value = (struct value){0};
    } else {
        key->value = value_bytes(p->token.text, p->token.n);
    }
    key->known = KNOWN_TEXT;
    if (parser_advance(p) == 0)
        return key;
    node_destroy(key);
    return NULL;
}

/* {a: 1, "b": 2} */
static struct node *parse_map(struct parser *p)
{
    struct node *node = node_create(NODE_MAP, p->token.text), *kid;

    node->known = KNOWN_MAP;
    if (parser_advance(p) == -1)
        goto failed;
    while (!parser_sees_sign(p, "}")) {
        if (node->n_kids != 0 && parser_expect(p, ",") == -1)
            goto failed;
        if (node->n_kids != 0 && parser_sees_sign(p, "}"))
            break;
        kid = parse_key(p);
        if (kid == NULL)
            goto failed;
        node_add(node, kid);
        kid = parser_expect(p, ":") == 0 ? parser_expression(p, 0) : NULL;
        if (kid == NULL)
            goto failed;
        node_add(node, kid);
        if (node->n_kids > MAX_KIDS)
            return parser_fail(p, node->at, node, "too long a map");
    }
    if (parser_advance(p) == 0)
        return node;
failed:
    node_destroy(node);
    return NULL;
}

static enum known_type known_of_value(const struct value *value)
{
    static const enum known_type known[] = {
        [VALUE_NIL] = KNOWN_NOTHING, [VALUE_BOOL] = KNOWN_BOOL,
        [VALUE_INT] = KNOWN_NUMBER,  [VALUE_FLOAT] = KNOWN_NUMBER,
        [VALUE_STRING] = KNOWN_TEXT, [VALUE_LIST] = KNOWN_LIST,
        [VALUE_MAP] = KNOWN_MAP,
    };

    return known[value->type];
}

static struct node *literal(struct parser *p, struct value value)
{
    struct node *node = node_create(NODE_LITERAL, p->token.text);

    node->value = value;
    node->known = value.type == VALUE_NIL ? KNOWN_NIL : known_of_value(&value);
    if (parser_advance(p) == 0)
        return node;
    node_destroy(node);
    return NULL;
}

static struct node *variable(struct parser *p, const char *name, size_t n)
{
    struct node *node = node_create(NODE_VARIABLE, name);
    const struct value *sample;

    for (unsigned i = p->n_locals; i-- > 0;) {
        if (p->locals[i].n == n && memcmp(p->locals[i].name, name, n) == 0) {
            node->type = NODE_LOCAL;
            node->index = i;
            return node;
        }
    }
    node->value = value_bytes(name, n);
    if (p->sketch == NULL)
        return node;
    sample = value_get(p->sketch, node->value.as.string.data);
    if (sample == NULL && (p->demands & EXPR_NAMES) != 0)
        return parser_fail(p, name, node, "there is no such variable");
    if (sample != NULL)
        node->known = known_of_value(sample);
    return node;
}

static struct node *parse_named(struct parser *p)
{
    const char *name = p->token.text;
    size_t n = p->token.n;

    if (parser_sees_word(p, "true"))
        return literal(p, value_bool(true));
    if (parser_sees_word(p, "false"))
        return literal(p, value_bool(false));
    if (parser_sees_word(p, "nil"))
        return literal(p, (struct value){0});
    if (parser_sees_operator(p))
        return parser_fail(p, name, NULL, "an operator without its left side");
    if (parser_advance(p) == -1)
        return NULL;
    return parser_sees_sign(p, "(") ? parser_call(p, name, n, NULL)
                                    : variable(p, name, n);
}

/* #, #index, #acc and, within braces, .field */
static struct node *parse_item(struct parser *p)
{
    struct node *node = node_create(NODE_ITEM, p->token.text);
    bool short_form = parser_sees_sign(p, ".");

    if (p->n_in_predicate == 0)
        return parser_fail(p, node->at, node, "only a predicate has items");
    if (parser_advance(p) == -1)
        goto failed;
    if (short_form)
        return parse_name_member(p, node, false);
    if (p->token.type != TOKEN_NAME || p->token.text != node->at + 1)
        return node;
    if (parser_sees_word(p, "index")) {
        node->type = NODE_INDEX;
        node->known = KNOWN_NUMBER;
    } else if (parser_sees_word(p, "acc") && p->n_in_reduce != 0) {
        node->type = NODE_ACC;
    } else {
        return parser_fail(p, node->at, node,
                           "there is #, #index and, in reduce, #acc");
    }
    if (parser_advance(p) == 0)
        return node;
failed:
    node_destroy(node);
    return NULL;
}

static struct node *parse_primary(struct parser *p)
{
    struct node *node;
    struct value value;

    switch (p->token.type) {
    case TOKEN_NUMBER:
    case TOKEN_TEXT:
        value = p->token.value;
        p->token.value = (struct value){0};
        return literal(p, value);
    case TOKEN_NAME:
        return parse_named(p);
    case TOKEN_END:
        return parser_fail(p, p->token.text, NULL, "unexpected end");
    default:
        break;
    }
    if (parser_sees_sign(p, "["))
        return parse_list(p);
    if (parser_sees_sign(p, "{"))
        return parse_map(p);
    if (parser_sees_sign(p, "#") || parser_sees_sign(p, "."))
        return parse_item(p);
    if (!parser_sees_sign(p, "("))
        return parser_fail(p, p->token.text, NULL, "expected a value");
    if (parser_advance(p) == -1)
        return NULL;
    node = parser_expression(p, 0);
    if (node != NULL && parser_expect(p, ")") == -1) {
        node_destroy(node);
        return NULL;
    }
    return node;
}

struct node *parser_value(struct parser *p)
{
    return parser_postfix(p, parse_primary(p));
}

/* NOLINTEND(misc-no-recursion) */
