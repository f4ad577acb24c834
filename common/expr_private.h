/* expr_private -- tokens and nodes, shared by the files of expr. */
#ifndef TROUPE_COMMON_EXPR_PRIVATE_H
#define TROUPE_COMMON_EXPR_PRIVATE_H

#include <string.h>

#include "common/err.h"
#include "common/expr.h"
#include "common/number.h"

struct buf;
struct regex;

/* ---- tokens ---------------------------------------------------------------------- */

enum token_type {
    TOKEN_END,
    TOKEN_NUMBER,
    TOKEN_TEXT,
    TOKEN_NAME, /* and words that are operators: the parser knows where */
    TOKEN_SIGN, /* an operator or a bracket */
};

struct token {
    enum token_type type;
    const char *text; /* in the source; NAME and SIGN are compared by it */
    size_t n;
    struct value value; /* of NUMBER and TEXT; owned */
};

struct lexer {
    const char *text, *at, *end;
};

/* Reads the next token; -1 with err when there is none. Tokens own their value. */
int lexer_next(struct lexer *lexer, struct token *token_out, struct err *err);

/* "line:column: message" of a place in the text. Returns -1. */
int expr_fail_at(const char *text, const char *at, struct err *err, const char *fmt,
                 ...) __attribute__((format(printf, 4, 5)));

/* ---- nodes ----------------------------------------------------------------------- */

enum node_type {
    NODE_LITERAL,
    NODE_VARIABLE,  /* name */
    NODE_LOCAL,     /* index: of `let` */
    NODE_ITEM,      /* #, the item that a predicate looks at */
    NODE_INDEX,     /* #index, where it is */
    NODE_ACC,       /* #acc, what reduce has so far */
    NODE_LIST,      /* kids */
    NODE_MAP,       /* kids: keys (literals or any) and values in turn */
    NODE_MEMBER,    /* kids[0].name or kids[0][kids[1]]; nil-safe when optional */
    NODE_CHAIN,     /* kids[0]: where `?.` stops */
    NODE_SLICE,     /* kids[0][kids[1]:kids[2]]; NULL = open */
    NODE_UNARY,     /* op */
    NODE_BINARY,    /* op */
    NODE_CHOICE,    /* kids[0] ? kids[1] : kids[2] */
    NODE_CALL,      /* function, kids */
    NODE_PREDICATE, /* function, kids[0]: list, kids[1]: what is asked of each item */
    NODE_LET,       /* kids[0]: value, kids[1]: the rest */
};

enum operation {
    OP_NONE,
    OP_OR,
    OP_AND,
    OP_EQUAL,
    OP_UNEQUAL,
    OP_LESS,
    OP_LESS_EQUAL,
    OP_GREATER,
    OP_GREATER_EQUAL,
    OP_IN,
    OP_CONTAINS,
    OP_STARTS_WITH,
    OP_ENDS_WITH,
    OP_MATCHES,
    OP_RANGE,
    OP_ADD,
    OP_SUBTRACT,
    OP_MULTIPLY,
    OP_DIVIDE,
    OP_MODULO,
    OP_POWER,
    OP_DEFAULT,
    OP_NOT,
    OP_MINUS,
    OP_PLUS,
};

/* What is known of a result before it is there. */
enum known_type {
    KNOWN_NOTHING,
    KNOWN_NIL,
    KNOWN_BOOL,
    KNOWN_NUMBER,
    KNOWN_TEXT,
    KNOWN_LIST,
    KNOWN_MAP,
};

struct node {
    enum node_type type;
    enum operation op;
    enum known_type known;
    bool optional, negated; /* MEMBER: ?.  BINARY: not in, not contains ... */
    unsigned index;         /* LOCAL, LET */
    unsigned height;        /* of the tree below it */
    const char *at;         /* in the source, for errors */
    struct value value;     /* LITERAL; VARIABLE: its name as text */
    struct regex *regex;    /* MATCHES with a literal on its right */
    const struct expr_function *function;
    struct node **kids;
    size_t n_kids;
};

struct expr {
    char *text;
    struct node *root;
    unsigned n_locals; /* the most at any time */
    size_t size_bytes;
};

void node_destroy(struct node *node);

/* ---- evaluation ------------------------------------------------------------------ */

/* A value that is somebody else's, or the evaluation's own. */
struct operand {
    bool owned;
    union {
        const struct value *ref;
        struct value own;
    } as;
};

struct evaluation {
    const struct expr *expr;
    const struct value *variables;
    struct value *locals;
    const struct value *item; /* # */
    size_t index;             /* #index */
    const struct value *acc;  /* #acc, of the innermost reduce */
    size_t n_steps;           /* left */
    bool stopped;             /* a `?.` met nil: up to the next CHAIN */
    struct regex *pattern;    /* the last one that was no literal, NULL: none */
    struct value pattern_text;
    struct err *err;
};

static inline bool is_number(const struct value *value)
{
    return value->type == VALUE_INT || value->type == VALUE_FLOAT;
}

/* Maps have keys without NUL bytes only. */
static inline bool is_key(const struct value *value)
{
    return value->type == VALUE_STRING &&
           strlen(value->as.string.data) == value->as.string.n;
}

static inline double real_of(const struct value *value)
{
    return value->type == VALUE_INT ? (double)value->as.integer : value->as.real;
}

static inline struct number number_of(const struct value *value)
{
    return value->type == VALUE_INT ? number_of_integer(value->as.integer)
                                    : number_of_real(value->as.real);
}

static inline const struct value *operand_value(const struct operand *operand)
{
    return operand->owned ? &operand->as.own : operand->as.ref;
}

static inline struct operand operand_own(struct value value)
{
    return (struct operand){.owned = true, .as.own = value};
}

void operand_finish(struct operand *operand);

/* The value for good: what is borrowed is copied. */
struct value operand_take(struct operand *operand);

/* Charges n steps. -1 with err when there are no more. What takes time that grows with
 * its operands charges for that before it begins: nothing else bounds it. */
int evaluation_spend(struct evaluation *ev, const struct node *node, size_t n);

/* The same for a copy of the value, or for whatever else looks at all of it once. */
int evaluation_charge_copy(struct evaluation *ev, const struct node *node,
                           const struct value *value);
int evaluation_fail(struct evaluation *ev, const struct node *node, const char *fmt,
                    ...) __attribute__((format(printf, 3, 4)));

int expr_run(struct evaluation *ev, const struct node *node, struct operand *out);

/* What an operator with two sides makes of them; `and`, `or` and `??` are
 * run_binary's. */
int expr_apply(struct evaluation *ev, const struct node *node, const struct value *a,
               const struct value *b, struct operand *out);

int expr_equal(struct evaluation *ev, const struct node *node, const struct value *a,
               const struct value *b, bool *out);

/* By their bytes: below, at or above 0. */
int expr_compare_texts(const struct value *a, const struct value *b);

/* Frees the pattern that is kept. */
void expr_forget_pattern(struct evaluation *ev);

/* ---- functions ------------------------------------------------------------------- */

/* A call of a plain function: n arguments in, *out if it is 0. */
struct expr_call {
    struct evaluation *ev;
    const struct node *node;
    struct operand *args;
    size_t n;
    struct operand *out;
};

enum predicate {
    PREDICATE_NONE,
    PREDICATE_ALL,
    PREDICATE_ANY,
    PREDICATE_NO,
    PREDICATE_ONE,
    PREDICATE_COUNT,
    PREDICATE_FILTER,
    PREDICATE_MAP,
    PREDICATE_FIND,
    PREDICATE_FIND_LAST,
    PREDICATE_FIND_INDEX,
    PREDICATE_FIND_LAST_INDEX,
    PREDICATE_SUM,
    PREDICATE_GROUP,
    PREDICATE_SORT,
    PREDICATE_REDUCE,
};

struct expr_function {
    const char *name;
    unsigned n_least, n_most; /* arguments */
    enum known_type known;
    int (*call)(struct expr_call *call); /* NULL: a predicate */
    enum predicate predicate;
};

/* Each ends with a row without a name. */
extern const struct expr_function expr_list_functions[], expr_number_functions[],
    expr_text_functions[], expr_time_functions[], expr_predicates[];

const struct expr_function *expr_function_find(const char *name, size_t n);

/* The operand's value; NULL with an error when it is of another type. An empty map is
 * an empty list too. */
const struct value *expr_take(struct evaluation *ev, const struct node *node,
                              const struct operand *operand, enum value_type type);

static inline const struct value *expr_arg(const struct expr_call *call, size_t i)
{
    return operand_value(&call->args[i]);
}

const struct value *expr_arg_as(struct expr_call *call, size_t i, enum value_type type);
int expr_arg_whole(struct expr_call *call, size_t i, int64_t *out);

static inline int expr_call_spend(struct expr_call *call, size_t n)
{
    return evaluation_spend(call->ev, call->node, n);
}

static inline int expr_call_charge(struct expr_call *call, const struct value *value)
{
    return evaluation_charge_copy(call->ev, call->node, value);
}

/* Takes value. */
static inline int expr_return(struct expr_call *call, struct value value)
{
    *call->out = operand_own(value);
    return 0;
}

/* The text that buf is, and frees it; an error when not all of it fitted. */
int expr_return_buf(struct expr_call *call, struct buf *buf, bool fits);

/* The function's name and what is wrong with what it was given. Returns -1. */
int expr_call_fail(struct expr_call *call, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Returns items in the order of their keys; the argument order_arg, if it is there,
 * says which way. */
int expr_sort(struct expr_call *call, const struct value *items,
              const struct value *keys, size_t order_arg);

/* Runs a NODE_PREDICATE. */
int expr_predicate(struct evaluation *ev, const struct node *node, struct operand *out);

#endif
