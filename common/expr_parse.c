#include <stdlib.h>
#include <string.h>

#include "common/expr_parser.h"
#include "common/mem.h"
#include "common/regex.h"

/* ---- tokens ---------------------------------------------------------------------- */

int parser_advance(struct parser *p)
{
    value_finish(&p->token.value);
    return lexer_next(&p->lexer, &p->token, p->err);
}

bool parser_sees(const struct parser *p, enum token_type type, const char *text)
{
    return p->token.type == type && p->token.n == strlen(text) &&
           memcmp(p->token.text, text, p->token.n) == 0;
}

int parser_expect(struct parser *p, const char *sign)
{
    if (parser_sees_sign(p, sign))
        return parser_advance(p);
    return expr_fail_at(p->text, p->token.text, p->err, "expected '%s' before %s%.*s%s",
                        sign, p->token.type == TOKEN_END ? "" : "'",
                        p->token.type == TOKEN_END ? 7 : (int)p->token.n,
                        p->token.type == TOKEN_END ? "the end" : p->token.text,
                        p->token.type == TOKEN_END ? "" : "'");
}

struct node *parser_fail(struct parser *p, const char *at, struct node *drop,
                         const char *what)
{
    expr_fail_at(p->text, at, p->err, "%s", what);
    node_destroy(drop);
    return NULL;
}

/* NOLINTBEGIN(misc-no-recursion): EXPR_MAX_DEPTH bounds all of it. */

/* ---- what is known before anything runs ------------------------------------------ */

static bool operands_fit(enum operation op, const struct node *a, const struct node *b)
{
    switch (op) {
    case OP_OR:
    case OP_AND:
        return node_may_be(a, KNOWN_BOOL) && node_may_be(b, KNOWN_BOOL);
    case OP_LESS:
    case OP_LESS_EQUAL:
    case OP_GREATER:
    case OP_GREATER_EQUAL:
    case OP_ADD:
        return (node_may_be(a, KNOWN_NUMBER) && node_may_be(b, KNOWN_NUMBER)) ||
               (node_may_be(a, KNOWN_TEXT) && node_may_be(b, KNOWN_TEXT));
    case OP_SUBTRACT:
    case OP_MULTIPLY:
    case OP_DIVIDE:
    case OP_MODULO:
    case OP_POWER:
    case OP_RANGE:
        return node_may_be(a, KNOWN_NUMBER) && node_may_be(b, KNOWN_NUMBER);
    case OP_CONTAINS:
    case OP_STARTS_WITH:
    case OP_ENDS_WITH:
    case OP_MATCHES:
        return node_may_be(a, KNOWN_TEXT) && node_may_be(b, KNOWN_TEXT);
    case OP_IN:
        return node_may_be(b, KNOWN_LIST) || node_may_be(b, KNOWN_MAP);
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

/* ---- operators ------------------------------------------------------------------- */

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
            parser_sees(p, p->token.type, operators[i].text))
            return &operators[i];
    return NULL;
}

bool parser_sees_operator(const struct parser *p)
{
    return operator_at(p) != NULL;
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
    node_add(node, left);
    right =
        parser_expression(p, row->to_the_right ? row->precedence : row->precedence + 1);
    if (right == NULL) {
        node_destroy(node);
        return NULL;
    }
    node_add(node, right);
    if (!operands_fit(row->op, left, right))
        return parser_fail(p, at, node, "these two don't go with that operator");
    node->known = known_of_binary(row->op, left, right);
    if (compile_pattern(p, node, right) == -1) {
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

        if (!parser_sees(p, p->token.type == TOKEN_NAME ? TOKEN_NAME : TOKEN_SIGN,
                         rows[i].text))
            continue;
        node = node_create(NODE_UNARY, p->token.text);
        node->op = rows[i].op;
        node->known = rows[i].wants;
        kid = parser_advance(p) == 0 ? parser_expression(p, rows[i].precedence) : NULL;
        if (kid == NULL) {
            node_destroy(node);
            return NULL;
        }
        node_add(node, kid);
        if (!node_may_be(kid, rows[i].wants))
            return parser_fail(p, node->at, node, "that operator doesn't go with this");
        return node;
    }
    return parser_value(p);
}

/* ---- whole expressions ----------------------------------------------------------- */

/* a | f(...): the left side becomes the first argument. left is taken. */
static struct node *parse_pipe(struct parser *p, struct node *left)
{
    const char *name;
    size_t n;

    if (parser_advance(p) == -1)
        goto failed;
    name = p->token.text;
    n = p->token.n;
    if (p->token.type != TOKEN_NAME)
        return parser_fail(p, name, left, "expected a function behind the pipe");
    if (parser_advance(p) == -1)
        goto failed;
    return parser_postfix(p, parser_call(p, name, n, left));
failed:
    node_destroy(left);
    return NULL;
}

/* c ? a : b. condition is taken. */
static struct node *parse_choice(struct parser *p, struct node *condition)
{
    struct node *node = node_create(NODE_CHOICE, p->token.text), *kid;

    node_add(node, condition);
    if (!node_may_be(condition, KNOWN_BOOL))
        return parser_fail(p, node->at, node, "a condition must be a boolean");
    for (int i = 0; i < 2; i++) {
        kid = (i == 0 ? parser_advance(p) : parser_expect(p, ":")) == 0
                  ? parser_expression(p, 0)
                  : NULL;
        if (kid == NULL) {
            node_destroy(node);
            return NULL;
        }
        node_add(node, kid);
    }
    if (node->kids[1]->known == node->kids[2]->known)
        node->known = node->kids[1]->known;
    return node;
}

/* {a} */
static struct node *parse_block(struct parser *p)
{
    struct node *node = parser_expect(p, "{") == 0 ? parser_expression(p, 0) : NULL;

    if (node != NULL && parser_expect(p, "}") == -1) {
        node_destroy(node);
        return NULL;
    }
    return node;
}

/* if c {a} else {b}, or another if behind else */
static struct node *parse_if(struct parser *p)
{
    struct node *node = node_create(NODE_CHOICE, p->token.text), *kid;

    for (int i = 0; i < 3; i++) {
        if (i == 2 && !parser_sees_word(p, "else"))
            return parser_fail(p, p->token.text, node, "expected else");
        if (i != 1 && parser_advance(p) == -1)
            kid = NULL;
        else if (i == 0 || (i == 2 && parser_sees_word(p, "if")))
            kid = parser_expression(p, 0);
        else
            kid = parse_block(p);
        if (kid == NULL) {
            node_destroy(node);
            return NULL;
        }
        node_add(node, kid);
    }
    if (!node_may_be(node->kids[0], KNOWN_BOOL))
        return parser_fail(p, node->at, node, "a condition must be a boolean");
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

    if (parser_advance(p) == -1)
        goto failed;
    name = p->token.text;
    n = p->token.n;
    if (p->token.type != TOKEN_NAME)
        return parser_fail(p, name, node, "expected a name behind let");
    if (p->n_locals == MAX_LOCALS)
        return parser_fail(p, name, node, "too many names");
    if (parser_advance(p) == -1 || parser_expect(p, "=") == -1)
        goto failed;
    kid = parser_expression(p, 0);
    if (kid == NULL)
        goto failed;
    node_add(node, kid);
    if (parser_expect(p, ";") == -1)
        goto failed;
    node->index = p->n_locals;
    p->locals[p->n_locals].name = name;
    p->locals[p->n_locals++].n = n;
    if (p->n_locals > p->n_locals_most)
        p->n_locals_most = p->n_locals;
    kid = parser_expression(p, 0);
    p->n_locals--;
    if (kid == NULL)
        goto failed;
    node_add(node, kid);
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
        bool negated = parser_sees_word(p, "not");
        const struct operator_row *row;

        if (node->height > MAX_HEIGHT)
            return parser_fail(p, at, node, "too long an expression");
        if (parser_sees_sign(p, "|") && precedence == PIPE_LEVEL) {
            node = parse_pipe(p, node);
            continue;
        }
        if (negated && parser_advance(p) == -1) {
            node_destroy(node);
            return NULL;
        }
        row = operator_at(p);
        if (negated && (row == NULL || !row->negatable))
            return parser_fail(p, at, node,
                               "expected in, contains, startsWith, endsWith or "
                               "matches behind not");
        if (row == NULL || row->precedence < precedence)
            return negated ? parser_fail(p, at, node, "put parentheses around this")
                           : node;
        if (parser_advance(p) == -1) {
            node_destroy(node);
            return NULL;
        }
        node = join(p, row, negated, at, node);
    }
    return NULL;
}

struct node *parser_expression(struct parser *p, int precedence)
{
    struct node *node;

    if (p->depth >= EXPR_MAX_DEPTH)
        return parser_fail(p, p->token.text, NULL, "too many things inside each other");
    p->depth++;
    if (precedence == 0 && parser_sees_word(p, "let")) {
        node = parse_let(p);
    } else if (precedence == 0 && parser_sees_word(p, "if")) {
        node = parse_if(p);
    } else {
        node = parse_operators(p, parse_unary(p), precedence);
        if (node != NULL && precedence == 0 && parser_sees_sign(p, "?"))
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
    if (parser_advance(&p) == 0)
        expr->root = parser_expression(&p, 0);
    if (expr->root != NULL && p.token.type != TOKEN_END) {
        expr_fail_at(p.text, p.token.text, err, "unexpected '%.*s'", (int)p.token.n,
                     p.token.text);
        node_destroy(expr->root);
        expr->root = NULL;
    }
    if (expr->root != NULL && (demands & EXPR_BOOLEAN) != 0 &&
        !node_may_be(expr->root, KNOWN_BOOL)) {
        expr_fail_at(p.text, p.text, err, "expected a boolean as the result");
        node_destroy(expr->root);
        expr->root = NULL;
    }
    value_finish(&p.token.value);
    expr->n_locals = p.n_locals_most;
    if (expr->root != NULL) {
        expr->size_bytes = sizeof(*expr) + n_bytes + node_size_bytes(expr->root);
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
