/* expr_parser -- what the parser's files share; all of it is private to them. */
#ifndef TROUPE_COMMON_EXPR_PARSER_H
#define TROUPE_COMMON_EXPR_PARSER_H

#include "common/expr_private.h"

#define MAX_LOCALS 32
#define MAX_KIDS   10000
#define MAX_HEIGHT 500 /* what chains of operators and members add up to */

struct parser {
    const char *text;
    struct lexer lexer;
    struct token token; /* the one that is looked at */
    const struct value *sketch;
    unsigned demands;
    unsigned depth, n_in_predicate, n_in_reduce, n_locals, n_locals_most;
    size_t program; /* of all patterns so far */
    struct {
        const char *name;
        size_t n;
    } locals[MAX_LOCALS];
    struct err *err;
};

/* ---- nodes ---- */

struct node *node_create(enum node_type type, const char *at);

/* Takes the kid, which may be NULL (a slice's open end). */
void node_add(struct node *node, struct node *kid);

/* About how much memory the tree takes. */
size_t node_size_bytes(const struct node *node);

static inline bool node_may_be(const struct node *node, enum known_type type)
{
    return node->known == KNOWN_NOTHING || node->known == type;
}

/* ---- tokens ---- */

/* Reads the next token; -1 with err when there is none. */
int parser_advance(struct parser *p);

bool parser_sees(const struct parser *p, enum token_type type, const char *text);

static inline bool parser_sees_sign(const struct parser *p, const char *text)
{
    return parser_sees(p, TOKEN_SIGN, text);
}

static inline bool parser_sees_word(const struct parser *p, const char *text)
{
    return parser_sees(p, TOKEN_NAME, text);
}

/* Skips the sign; -1 with err when it isn't there. */
int parser_expect(struct parser *p, const char *sign);

/* Says what is wrong there. Destroys drop (NULL is fine). Returns NULL. */
struct node *parser_fail(struct parser *p, const char *at, struct node *drop,
                         const char *what);

/* ---- the grammar: NULL with err on failure; what it takes is destroyed then ---- */

/* A whole expression, or as much as binds at least that strongly. */
struct node *parser_expression(struct parser *p, int precedence);

/* Is an operator looked at that has two sides? */
bool parser_sees_operator(const struct parser *p);

/* A value with all that stands behind it. */
struct node *parser_value(struct parser *p);

/* What stands behind a value: .a ?.a [a] [a:b]. Takes node. */
struct node *parser_postfix(struct parser *p, struct node *node);

/* f(...), with piped as the first argument if there is one; piped is taken. The name
 * was read, '(' is looked at. */
struct node *parser_call(struct parser *p, const char *name, size_t n,
                         struct node *piped);

#endif
