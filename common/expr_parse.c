#include <stdlib.h>
#include <string.h>

#include "common/expr_private.h"
#include "common/mem.h"
#include "common/regex.h"

#define MAX_LOCALS 32
#define MAX_KIDS   10000
#define MAX_HEIGHT 500 /* what chains of operators and members add up to */

#define PATTERN_BYTES (256 << 10) /* grows as it meets texts; this is a lot */

struct parser {
    const char *text;
    struct lexer lexer;
    struct token token; /* the one that is looked at */
    const struct value *sketch;
    unsigned demands;
    unsigned depth, n_in_predicate, n_locals, n_locals_most;
    size_t program; /* of all patterns so far */
    struct {
        const char *name;
        size_t n;
    } locals[MAX_LOCALS];
    struct err *err;
};

/* NOLINTBEGIN(misc-no-recursion): EXPR_MAX_DEPTH bounds all of it. */

static struct node *parse_expression(struct parser *p, int precedence);

/* ---- nodes ----
 */

void node_destroy(struct node *node) /* NOLINT(misc-no-recursion): EXPR_MAX_DEPTH */
{
    if (node == NULL)
        return;
    for (size_t i = 0; i < node->n_kids; i++)
        node_destroy(node->kids[i]);
    regex_destroy(node->regex);
    value_finish(&node->value);
    free(node->kids);
    free(node);
}

static size_t size_of(const struct node *node) /* NOLINT(misc-no-recursion) */
{
    size_t size = sizeof(*node) + node->n_kids * sizeof(node);

    if (node->value.type == VALUE_STRING)
        size += node->value.as.string.n;
    if (node->regex != NULL)
        size += PATTERN_BYTES;
    for (size_t i = 0; i < node->n_kids; i++)
        if (node->kids[i] != NULL)
            size += size_of(node->kids[i]);
    return size;
}

static struct node *node_create(enum node_type type, const char *at)
{
    struct node *node = xcalloc(1, sizeof(*node));

    node->type = type;
    node->at = at;
    return node;
}

/* Takes the kid, which may be NULL (a slice's open end). */
static void add_kid(struct node *node, struct node *kid)
{
    if ((node->n_kids & (node->n_kids - 1)) == 0)
        node->kids = xrealloc(node->kids, (node->n_kids != 0 ? 2 * node->n_kids : 1) *
                                              sizeof(struct node *));
    node->kids[node->n_kids++] = kid;
    if (kid != NULL && kid->height >= node->height)
        node->height = kid->height + 1;
}

static struct node *fail(struct parser *p, const char *at, struct node *drop,
                         const char *what)
{
    expr_fail_at(p->text, at, p->err, "%s", what);
    node_destroy(drop);
    return NULL;
}

/* ---- tokens ----
 */

static int advance(struct parser *p)
{
    value_finish(&p->token.value);
    return lexer_next(&p->lexer, &p->token, p->err);
}

static bool is_word(const struct parser *p, enum token_type type, const char *text)
{
    return p->token.type == type && p->token.n == strlen(text) &&
           memcmp(p->token.text, text, p->token.n) == 0;
}

static bool is_sign(const struct parser *p, const char *text)
{
    return is_word(p, TOKEN_SIGN, text);
}

/* Skips the sign; -1 with err when it isn't there. */
static int expect(struct parser *p, const char *sign)
{
    if (is_sign(p, sign))
        return advance(p);
    return expr_fail_at(p->text, p->token.text, p->err, "expected '%s' before %s%.*s%s",
                        sign, p->token.type == TOKEN_END ? "" : "'",
                        p->token.type == TOKEN_END ? 7 : (int)p->token.n,
                        p->token.type == TOKEN_END ? "the end" : p->token.text,
                        p->token.type == TOKEN_END ? "" : "'");
}

/* ---- what is known before anything runs ----
 */

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

static bool may_be(const struct node *node, enum known_type type)
{
    return node->known == KNOWN_NOTHING || node->known == type;
}

static bool operands_fit(enum operation op, const struct node *a, const struct node *b)
{
    switch (op) {
    case OP_OR:
    case OP_AND:
        return may_be(a, KNOWN_BOOL) && may_be(b, KNOWN_BOOL);
    case OP_LESS:
    case OP_LESS_EQUAL:
    case OP_GREATER:
    case OP_GREATER_EQUAL:
    case OP_ADD:
        return (may_be(a, KNOWN_NUMBER) && may_be(b, KNOWN_NUMBER)) ||
               (may_be(a, KNOWN_TEXT) && may_be(b, KNOWN_TEXT));
    case OP_SUBTRACT:
    case OP_MULTIPLY:
    case OP_DIVIDE:
    case OP_MODULO:
    case OP_POWER:
    case OP_RANGE:
        return may_be(a, KNOWN_NUMBER) && may_be(b, KNOWN_NUMBER);
    case OP_CONTAINS:
    case OP_STARTS_WITH:
    case OP_ENDS_WITH:
    case OP_MATCHES:
        return may_be(a, KNOWN_TEXT) && may_be(b, KNOWN_TEXT);
    case OP_IN:
        return may_be(b, KNOWN_LIST) || may_be(b, KNOWN_MAP);
    default:
        return true;
    }
}

static enum known_type known_of_binary(enum operation op, const struct node *a,
                                       const struct node *b)
{
    if (op == OP_ADD)
        return a->known != KNOWN_NOTHING ? a->known : b->known;
    if (op == OP_RANGE)
        return KNOWN_LIST;
    if (op == OP_DEFAULT)
        return a->known == b->known ? a->known : KNOWN_NOTHING;
    return op >= OP_SUBTRACT && op <= OP_POWER ? KNOWN_NUMBER : KNOWN_BOOL;
}

/* ---- operators ----
 */

enum precedence {
    PIPE_LEVEL = 0,
    NOT_LEVEL = 50,
    SIGN_LEVEL = 90,
};

static const struct operator_row {
    const char *text;
    int precedence;
    enum operation op;
    bool negatable, to_the_right;
} operators[] = {
    {"or", 10, OP_OR, false, false},
    {"||", 10, OP_OR, false, false},
    {"and", 15, OP_AND, false, false},
    {"&&", 15, OP_AND, false, false},
    {"==", 20, OP_EQUAL, false, false},
    {"!=", 20, OP_UNEQUAL, false, false},
    {"<", 20, OP_LESS, false, false},
    {"<=", 20, OP_LESS_EQUAL, false, false},
    {">", 20, OP_GREATER, false, false},
    {">=", 20, OP_GREATER_EQUAL, false, false},
    {"in", 20, OP_IN, true, false},
    {"contains", 20, OP_CONTAINS, true, false},
    {"startsWith", 20, OP_STARTS_WITH, true, false},
    {"endsWith", 20, OP_ENDS_WITH, true, false},
    {"matches", 20, OP_MATCHES, true, false},
    {"..", 25, OP_RANGE, false, false},
    {"+", 30, OP_ADD, false, false},
    {"-", 30, OP_SUBTRACT, false, false},
    {"*", 60, OP_MULTIPLY, false, false},
    {"/", 60, OP_DIVIDE, false, false},
    {"%", 60, OP_MODULO, false, false},
    {"**", 100, OP_POWER, false, true},
    {"^", 100, OP_POWER, false, true},
    {"??", 500, OP_DEFAULT, false, false},
};

static const struct operator_row *operator_at(const struct parser *p)
{
    for (size_t i = 0; i < N_ELEMENTS(operators); i++)
        if ((p->token.type == TOKEN_SIGN || p->token.type == TOKEN_NAME) &&
            is_word(p, p->token.type, operators[i].text))
            return &operators[i];
    return NULL;
}

static int compile_pattern(struct parser *p, struct node *node,
                           const struct node *right)
{
    char why[120] = "";

    if (node->op != OP_MATCHES || right->type != NODE_LITERAL ||
        right->value.type != VALUE_STRING)
        return 0;
    node->regex = regex_create(right->value.as.string.data, right->value.as.string.n,
                               why, sizeof(why));
    if (node->regex == NULL)
        return expr_fail_at(p->text, right->at, p->err, "invalid pattern: %s", why);
    p->program += regex_size(node->regex);
    if (p->program > EXPR_MAX_PROGRAM)
        return expr_fail_at(p->text, right->at, p->err, "the patterns are too large");
    return 0;
}

/* left is taken. */
static struct node *join(struct parser *p, const struct operator_row *row, bool negated,
                         const char *at, struct node *left)
{
    struct node *node = node_create(NODE_BINARY, at), *right;

    node->op = row->op;
    node->negated = negated;
    add_kid(node, left);
    right =
        parse_expression(p, row->to_the_right ? row->precedence : row->precedence + 1);
    if (right == NULL) {
        node_destroy(node);
        return NULL;
    }
    add_kid(node, right);
    if (!operands_fit(row->op, left, right))
        return fail(p, at, node, "these two don't go with that operator");
    node->known = known_of_binary(row->op, left, right);
    if (compile_pattern(p, node, right) == -1) {
        node_destroy(node);
        return NULL;
    }
    return node;
}

/* ---- calls ----
 */

/* f(...), with piped as the first argument if there is one; piped is taken. The name
 * was read, '(' is looked at. */
static struct node *parse_call(struct parser *p, const char *name, size_t n,
                               struct node *piped)
{
    const struct expr_function *function = expr_function_find(name, n);
    struct node *node = node_create(NODE_CALL, name), *kid;
    bool braces;

    node->function = function;
    if (piped != NULL)
        add_kid(node, piped);
    if (function == NULL)
        return fail(p, name, node, "there is no such function");
    node->type = function->is_predicate ? NODE_PREDICATE : NODE_CALL;
    node->known = function->known;
    if (expect(p, "(") == -1)
        goto failed;
    while (!is_sign(p, ")")) {
        bool is_body = function->is_predicate && node->n_kids == 1;

        if (node->n_kids > (piped != NULL ? 1u : 0u) && expect(p, ",") == -1)
            goto failed;
        braces = is_body && is_sign(p, "{");
        if (braces && advance(p) == -1)
            goto failed;
        p->n_in_predicate += is_body;
        kid = parse_expression(p, 0);
        p->n_in_predicate -= is_body;
        if (kid == NULL || (braces && expect(p, "}") == -1)) {
            node_destroy(kid);
            goto failed;
        }
        add_kid(node, kid);
        if (node->n_kids > MAX_KIDS)
            return fail(p, name, node, "too many arguments");
    }
    if (node->n_kids < function->n_least || node->n_kids > function->n_most)
        return fail(p, name, node, "the wrong number of arguments");
    if (advance(p) == 0)
        return node;
failed:
    node_destroy(node);
    return NULL;
}

/* ---- what stands behind a value: .a ?.a [a] [a:b] ----
 */

static struct node *member_of(struct node *left, const char *at, bool optional)
{
    struct node *node = node_create(NODE_MEMBER, at);

    node->optional = optional;
    add_kid(node, left);
    return node;
}

/* The name behind a dot. */
static struct node *parse_name_member(struct parser *p, struct node *left,
                                      bool optional)
{
    struct node *node = member_of(left, p->token.text, optional), *key;

    if (p->token.type != TOKEN_NAME)
        return fail(p, p->token.text, node, "expected a name behind the dot");
    key = node_create(NODE_LITERAL, p->token.text);
    key->value = value_bytes(p->token.text, p->token.n);
    key->known = KNOWN_TEXT;
    add_kid(node, key);
    if (advance(p) == 0)
        return node;
    node_destroy(node);
    return NULL;
}

static struct node *parse_brackets(struct parser *p, struct node *left, bool optional)
{
    struct node *node = member_of(left, p->token.text, optional), *from = NULL,
                *to = NULL;

    if (advance(p) == -1)
        goto failed;
    if (!is_sign(p, ":")) {
        from = parse_expression(p, 0);
        if (from == NULL)
            goto failed;
    }
    add_kid(node, from);
    if (is_sign(p, ":")) {
        node->type = NODE_SLICE;
        if (advance(p) == -1)
            goto failed;
        if (!is_sign(p, "]")) {
            to = parse_expression(p, 0);
            if (to == NULL)
                goto failed;
        }
        add_kid(node, to);
    }
    if (expect(p, "]") == 0)
        return node;
failed:
    node_destroy(node);
    return NULL;
}

/* Takes node. */
static struct node *parse_postfix(struct parser *p, struct node *node)
{
    bool chained = false;

    while (node != NULL) {
        bool optional = is_sign(p, "?.");

        if (node->height > MAX_HEIGHT)
            return fail(p, p->token.text, node, "too many things inside each other");
        if (optional || is_sign(p, ".")) {
            chained |= optional;
            if (advance(p) == -1) {
                node_destroy(node);
                return NULL;
            }
            node = optional && is_sign(p, "[") ? parse_brackets(p, node, true)
                                               : parse_name_member(p, node, optional);
        } else if (is_sign(p, "[")) {
            node = parse_brackets(p, node, false);
        } else {
            break;
        }
    }
    if (node != NULL && chained) {
        struct node *chain = node_create(NODE_CHAIN, node->at);

        add_kid(chain, node);
        node = chain;
    }
    return node;
}

/* ---- values ----
 */

/* [a, b] */
static struct node *parse_list(struct parser *p)
{
    struct node *node = node_create(NODE_LIST, p->token.text), *kid;

    node->known = KNOWN_LIST;
    if (advance(p) == -1)
        goto failed;
    while (!is_sign(p, "]")) {
        if (node->n_kids != 0 && expect(p, ",") == -1)
            goto failed;
        if (node->n_kids != 0 && is_sign(p, "]"))
            break;
        kid = parse_expression(p, 0);
        if (kid == NULL)
            goto failed;
        add_kid(node, kid);
        if (node->n_kids > MAX_KIDS)
            return fail(p, node->at, node, "too long a list");
    }
    if (advance(p) == 0)
        return node;
failed:
    node_destroy(node);
    return NULL;
}

static struct node *parse_key(struct parser *p)
{
    struct node *key;

    if (is_sign(p, "(")) {
        if (advance(p) == -1)
            return NULL;
        key = parse_expression(p, 0);
        if (key != NULL && expect(p, ")") == -1) {
            node_destroy(key);
            return NULL;
        }
        return key;
    }
    if (p->token.type != TOKEN_NAME && p->token.type != TOKEN_TEXT &&
        p->token.type != TOKEN_NUMBER)
        return fail(p, p->token.text, NULL, "expected a key");
    key = node_create(NODE_LITERAL, p->token.text);
    if (p->token.type == TOKEN_TEXT) {
        key->value = p->token.value;
        p->token.value = (struct value){0};
    } else {
        key->value = value_bytes(p->token.text, p->token.n);
    }
    key->known = KNOWN_TEXT;
    if (advance(p) == 0)
        return key;
    node_destroy(key);
    return NULL;
}

/* {a: 1, "b": 2} */
static struct node *parse_map(struct parser *p)
{
    struct node *node = node_create(NODE_MAP, p->token.text), *kid;

    node->known = KNOWN_MAP;
    if (advance(p) == -1)
        goto failed;
    while (!is_sign(p, "}")) {
        if (node->n_kids != 0 && expect(p, ",") == -1)
            goto failed;
        if (node->n_kids != 0 && is_sign(p, "}"))
            break;
        kid = parse_key(p);
        if (kid == NULL)
            goto failed;
        add_kid(node, kid);
        kid = expect(p, ":") == 0 ? parse_expression(p, 0) : NULL;
        if (kid == NULL)
            goto failed;
        add_kid(node, kid);
        if (node->n_kids > MAX_KIDS)
            return fail(p, node->at, node, "too long a map");
    }
    if (advance(p) == 0)
        return node;
failed:
    node_destroy(node);
    return NULL;
}

static struct node *literal(struct parser *p, struct value value)
{
    struct node *node = node_create(NODE_LITERAL, p->token.text);

    node->value = value;
    node->known = value.type == VALUE_NIL ? KNOWN_NIL : known_of_value(&value);
    if (advance(p) == 0)
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
        return fail(p, name, node, "there is no such variable");
    if (sample != NULL)
        node->known = known_of_value(sample);
    return node;
}

static struct node *parse_named(struct parser *p)
{
    const char *name = p->token.text;
    size_t n = p->token.n;

    if (is_word(p, TOKEN_NAME, "true"))
        return literal(p, value_bool(true));
    if (is_word(p, TOKEN_NAME, "false"))
        return literal(p, value_bool(false));
    if (is_word(p, TOKEN_NAME, "nil"))
        return literal(p, (struct value){0});
    if (operator_at(p) != NULL)
        return fail(p, name, NULL, "an operator without its left side");
    if (advance(p) == -1)
        return NULL;
    return is_sign(p, "(") ? parse_call(p, name, n, NULL) : variable(p, name, n);
}

/* # and, within braces, .field */
static struct node *parse_item(struct parser *p)
{
    struct node *node = node_create(NODE_ITEM, p->token.text);
    bool short_form = is_sign(p, ".");

    if (p->n_in_predicate == 0)
        return fail(p, node->at, node, "only a predicate has items");
    if (advance(p) == -1) {
        node_destroy(node);
        return NULL;
    }
    return short_form ? parse_name_member(p, node, false) : node;
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
        return fail(p, p->token.text, NULL, "unexpected end");
    default:
        break;
    }
    if (is_sign(p, "["))
        return parse_list(p);
    if (is_sign(p, "{"))
        return parse_map(p);
    if (is_sign(p, "#") || is_sign(p, "."))
        return parse_item(p);
    if (!is_sign(p, "("))
        return fail(p, p->token.text, NULL, "expected a value");
    if (advance(p) == -1)
        return NULL;
    node = parse_expression(p, 0);
    if (node != NULL && expect(p, ")") == -1) {
        node_destroy(node);
        return NULL;
    }
    return node;
}

static struct node *parse_unary(struct parser *p)
{
    static const struct {
        const char *text;
        enum operation op;
        int precedence;
        enum known_type wants;
    } rows[] = {{"not", OP_NOT, NOT_LEVEL, KNOWN_BOOL},
                {"!", OP_NOT, NOT_LEVEL, KNOWN_BOOL},
                {"-", OP_MINUS, SIGN_LEVEL, KNOWN_NUMBER},
                {"+", OP_PLUS, SIGN_LEVEL, KNOWN_NUMBER}};

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct node *node, *kid;

        if (!is_word(p, p->token.type == TOKEN_NAME ? TOKEN_NAME : TOKEN_SIGN,
                     rows[i].text))
            continue;
        node = node_create(NODE_UNARY, p->token.text);
        node->op = rows[i].op;
        node->known = rows[i].wants;
        kid = advance(p) == 0 ? parse_expression(p, rows[i].precedence) : NULL;
        if (kid == NULL) {
            node_destroy(node);
            return NULL;
        }
        add_kid(node, kid);
        if (!may_be(kid, rows[i].wants))
            return fail(p, node->at, node, "that operator doesn't go with this");
        return node;
    }
    return parse_postfix(p, parse_primary(p));
}

/* ---- whole expressions ----
 */

/* a | f(...): the left side becomes the first argument. left is taken. */
static struct node *parse_pipe(struct parser *p, struct node *left)
{
    const char *name;
    size_t n;

    if (advance(p) == -1)
        goto failed;
    name = p->token.text;
    n = p->token.n;
    if (p->token.type != TOKEN_NAME)
        return fail(p, name, left, "expected a function behind the pipe");
    if (advance(p) == -1)
        goto failed;
    return parse_postfix(p, parse_call(p, name, n, left));
failed:
    node_destroy(left);
    return NULL;
}

/* c ? a : b. condition is taken. */
static struct node *parse_choice(struct parser *p, struct node *condition)
{
    struct node *node = node_create(NODE_CHOICE, p->token.text), *kid;

    add_kid(node, condition);
    if (!may_be(condition, KNOWN_BOOL))
        return fail(p, node->at, node, "a condition must be a boolean");
    for (int i = 0; i < 2; i++) {
        kid =
            (i == 0 ? advance(p) : expect(p, ":")) == 0 ? parse_expression(p, 0) : NULL;
        if (kid == NULL) {
            node_destroy(node);
            return NULL;
        }
        add_kid(node, kid);
    }
    if (node->kids[1]->known == node->kids[2]->known)
        node->known = node->kids[1]->known;
    return node;
}

/* let x = 1; rest */
static struct node *parse_let(struct parser *p)
{
    struct node *node = node_create(NODE_LET, p->token.text), *kid;
    const char *name;
    size_t n;

    if (advance(p) == -1)
        goto failed;
    name = p->token.text;
    n = p->token.n;
    if (p->token.type != TOKEN_NAME)
        return fail(p, name, node, "expected a name behind let");
    if (p->n_locals == MAX_LOCALS)
        return fail(p, name, node, "too many names");
    if (advance(p) == -1 || expect(p, "=") == -1)
        goto failed;
    kid = parse_expression(p, 0);
    if (kid == NULL)
        goto failed;
    add_kid(node, kid);
    if (expect(p, ";") == -1)
        goto failed;
    node->index = p->n_locals;
    p->locals[p->n_locals].name = name;
    p->locals[p->n_locals++].n = n;
    if (p->n_locals > p->n_locals_most)
        p->n_locals_most = p->n_locals;
    kid = parse_expression(p, 0);
    p->n_locals--;
    if (kid == NULL)
        goto failed;
    add_kid(node, kid);
    node->known = kid->known;
    return node;
failed:
    node_destroy(node);
    return NULL;
}

/* Takes node; goes on while operators bind at least as strongly as that. */
static struct node *parse_operators(struct parser *p, struct node *node, int precedence)
{
    while (node != NULL) {
        const char *at = p->token.text;
        bool negated = is_word(p, TOKEN_NAME, "not");
        const struct operator_row *row;

        if (node->height > MAX_HEIGHT)
            return fail(p, at, node, "too long an expression");
        if (is_sign(p, "|") && precedence == PIPE_LEVEL) {
            node = parse_pipe(p, node);
            continue;
        }
        if (negated && advance(p) == -1) {
            node_destroy(node);
            return NULL;
        }
        row = operator_at(p);
        if (negated && (row == NULL || !row->negatable))
            return fail(p, at, node,
                        "expected in, contains, startsWith, endsWith or "
                        "matches behind not");
        if (row == NULL || row->precedence < precedence)
            return negated ? fail(p, at, node, "put parentheses around this") : node;
        if (advance(p) == -1) {
            node_destroy(node);
            return NULL;
        }
        node = join(p, row, negated, at, node);
    }
    return NULL;
}

static struct node *parse_expression(struct parser *p, int precedence)
{
    struct node *node;

    if (p->depth >= EXPR_MAX_DEPTH)
        return fail(p, p->token.text, NULL, "too many things inside each other");
    p->depth++;
    if (precedence == 0 && is_word(p, TOKEN_NAME, "let")) {
        node = parse_let(p);
    } else {
        node = parse_operators(p, parse_unary(p), precedence);
        if (node != NULL && precedence == 0 && is_sign(p, "?"))
            node = parse_choice(p, node);
    }
    p->depth--;
    return node;
}

/* NOLINTEND(misc-no-recursion) */

struct expr *expr_compile(const char *text, size_t n_bytes, const struct value *sketch,
                          unsigned demands, struct err *err)
{
    struct expr *expr;
    struct parser p = {.sketch = sketch, .demands = demands, .err = err};

    if (n_bytes == 0 || n_bytes > EXPR_MAX_BYTES) {
        err_set(err, ERR_INVALID,
                n_bytes == 0 ? "expression cannot be empty" : "expression is too long");
        return NULL;
    }
    expr = xcalloc(1, sizeof(*expr));
    expr->text = xstrndup(text, n_bytes);
    p.text = expr->text;
    p.lexer = (struct lexer){expr->text, expr->text, expr->text + n_bytes};
    if (advance(&p) == 0)
        expr->root = parse_expression(&p, 0);
    if (expr->root != NULL && p.token.type != TOKEN_END) {
        expr_fail_at(p.text, p.token.text, err, "unexpected '%.*s'", (int)p.token.n,
                     p.token.text);
        node_destroy(expr->root);
        expr->root = NULL;
    }
    if (expr->root != NULL && (demands & EXPR_BOOLEAN) != 0 &&
        !may_be(expr->root, KNOWN_BOOL)) {
        expr_fail_at(p.text, p.text, err, "expected a boolean as the result");
        node_destroy(expr->root);
        expr->root = NULL;
    }
    value_finish(&p.token.value);
    expr->n_locals = p.n_locals_most;
    if (expr->root != NULL) {
        expr->size_bytes = sizeof(*expr) + n_bytes + size_of(expr->root);
        return expr;
    }
    expr_destroy(expr);
    return NULL;
}

size_t expr_size_bytes(const struct expr *expr)
{
    return expr->size_bytes;
}

void expr_destroy(struct expr *expr)
{
    if (expr == NULL)
        return;
    node_destroy(expr->root);
    free(expr->text);
    free(expr);
}
