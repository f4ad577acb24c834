/*
 * erase_parse -- the parser's own stack and what its three grammar files share; private
 * to the erasing pass.
 *
 * Recursive descent without the recursion: what a recursive parser would still have to
 * do after the call it is in stands here as a *goal* on a stack. A step takes one goal
 * off, looks at the tokens and plans further goals in the order they are to be reached.
 *
 *     while EXPR do BLOCK end
 *
 *     erase_plan(p, GOAL(EXPR), EXPECT(TK_DO), GOAL(BLOCK), CLOSE(TK_END, …))
 *
 * The first error stops the pass: then p->failed is set and steps may return at once or
 * go on consuming, nothing they do matters any more.
 *
 * No decision looks further than two tokens ahead, and each token is read once.
 */
#ifndef TROUPE_WORKER_ERASE_PARSE_H
#define TROUPE_WORKER_ERASE_PARSE_H

#include "worker/erase_edit.h"
#include "worker/erase_lex.h"
#include "worker/erase_trace.h"

/* Every goal with the file that reaches it. */
#define ERASE_GOALS(X)                                                                 \
    /* erase_parse.c */                                                                \
    X(EXPECT, expect)                                                                  \
    X(CLOSE, close)                                                                    \
    X(ERASE, erase)                                                                    \
    X(ERASE_STATEMENT, erase_statement)                                                \
    /* erase_stat.c */                                                                 \
    X(BLOCK, block)                                                                    \
    X(IF_NEXT, if_next)                                                                \
    X(FOR_STEP, for_step)                                                              \
    X(LOCAL_NAME, local_name)                                                          \
    X(LOCAL_NEXT, local_next)                                                          \
    X(CALL_OR_ASSIGN, call_or_assign)                                                  \
    X(RETURN_END, return_end)                                                          \
    X(REPEAT_END, repeat_end)                                                          \
    X(BODY, body)                                                                      \
    X(PARAMS, params)                                                                  \
    X(PARAM, param)                                                                    \
    X(PARAM_NEXT, param_next)                                                          \
    X(RETURNS, returns)                                                                \
    /* erase_expr.c */                                                                 \
    X(EXPR, expr)                                                                      \
    X(EXPR_MORE, expr_more)                                                            \
    X(EXPR_LIST, expr_list)                                                            \
    X(EXPR_LIST_MORE, expr_list_more)                                                  \
    X(OPERAND, operand)                                                                \
    X(CASTS, casts)                                                                    \
    X(PREFIX, prefix)                                                                  \
    X(SUFFIXES, suffixes)                                                              \
    X(ARGS, args)                                                                      \
    X(CALLED, called)                                                                  \
    X(TABLE_ITEM, table_item)                                                          \
    X(TABLE_NEXT, table_next)                                                          \
    /* erase_type.c */                                                                 \
    X(TYPE, type)                                                                      \
    X(TYPE_MORE, type_more)                                                            \
    X(TYPE_LIST_MORE, type_list_more)                                                  \
    X(SIMPLE_TYPE, simple_type)                                                        \
    X(TYPE_SUFFIX, type_suffix)                                                        \
    X(BRACE_ITEM, brace_item)                                                          \
    X(BRACE_NEXT, brace_next)                                                          \
    X(PAREN_ITEM, paren_item)                                                          \
    X(PAREN_NEXT, paren_next)                                                          \
    X(GENERICS, generics)                                                              \
    X(GENERIC, generic)                                                                \
    X(GENERIC_NEXT, generic_next)                                                      \
    X(INTERFACE_BASES, interface_bases)                                                \
    X(INTERFACE_MEMBER, interface_member)

enum goal_what {
#define X(name, step) GOAL_##name,
    ERASE_GOALS(X)
#undef X
};

struct goal {
    uint8_t what;
    bool nests;      /* counts as one level of nesting while it is on the stack */
    uint8_t mode;    /* what the step's own enum says */
    uint8_t count;   /* PAREN_*: items so far, 2 = more than one */
    uint16_t token;  /* EXPECT, CLOSE: the token wanted */
    uint16_t opener; /* CLOSE: the token it belongs to */
    uint32_t from;   /* offset where a range or an operand starts */
    uint32_t mark;   /* line of the opener; CASTS: offset of the first cast */
};

#define GOAL(name, ...)                                                                \
    (struct goal)                                                                      \
    {                                                                                  \
        .what = GOAL_##name, __VA_ARGS__                                               \
    }
#define EXPECT(kind) GOAL(EXPECT, .token = (kind))
/* The closing token of what an opener started on a line. */
#define CLOSE(kind, open, line)                                                        \
    GOAL(CLOSE, .nests = true, .token = (kind), .opener = (open),                      \
         .mark = (uint32_t)(line))

/* What an operand is, as far as erasing and assigning care. */
enum value {
    VALUE_ANY,      /* one value that nothing can be assigned to */
    VALUE_VARIABLE, /* a name, a field, an index */
    VALUE_CALL,
    VALUE_DOTS,
    VALUE_AS_READ, /* a goal's mode: what parser.value says once it is reached */
};

/* Bits of mode of TYPE, SIMPLE_TYPE, TYPE_SUFFIX and PAREN_*. */
enum type_mode {
    TYPE_TUPLE_OK = 1,  /* "(A, B)" and "()" may stand here: what a function returns */
    TYPE_OF_LOCAL = 2,  /* an attribute <const> or <close> may follow */
    TYPE_CONDITION = 4, /* between "extends" and its "?" */
    TYPE_FUN = 8,       /* PAREN_*: the list of "fun(…)" */
    TYPE_NAMED = 16,    /* PAREN_*: a parameter bore a name */
    TYPE_VARIADIC = 32, /* PAREN_*: the last was "..." */
};

#define NO_OFFSET UINT32_MAX

/* A level of nesting leaves fewer goals than this behind (the most: a call whose
 * argument is a function, nine for its two levels). */
#define MAX_GOALS (8 * ERASE_MAX_DEPTH + 64)

struct parser {
    struct lexer lexer;
    struct edits edits;
    struct token tok;      /* the current one */
    struct token ahead[2]; /* those after it, as far as somebody looked */
    unsigned n_ahead;
    uint32_t prev_end; /* offset behind the token before the current one */
    int prev_line;     /* and the line it ended on */
    unsigned in_type;  /* > 0: within what is being erased, so no edits of its parts */
    unsigned depth;    /* goals on the stack that nest */
    uint32_t cast_end; /* offset behind the last cast; 0 = none yet */
    bool failed;

    /* What the last operand or expression was; the goal next on the stack reads it. */
    enum value value;
    uint32_t operand_at;    /* where it starts */
    uint32_t operand_cast;  /* offset of its first cast, NO_OFFSET = none */
    bool lone_cast_spreads; /* all of it: one cast operand that may be many values */

    struct erased_type *types; /* owned */
    size_t n_types, types_size;

    erase_follower *follow; /* NULL: nobody wants the steps */
    void *follow_context;   /* borrowed */

    size_t n_goals;
    struct goal goals[MAX_GOALS];
};

#define X(name, step) void erase_step_##step(struct parser *p, struct goal goal);
ERASE_GOALS(X)
#undef X

/* Puts n goals on the stack so that goals[0] is reached first. */
void erase_push(struct parser *p, const struct goal *goals, size_t n);

#define erase_plan(p, ...)                                                             \
    erase_push((p), (const struct goal[]){__VA_ARGS__},                                \
               sizeof((const struct goal[]){__VA_ARGS__}) / sizeof(struct goal))

/* Tells who follows of a step at the token; nobody hears of the inside of types. */
void erase_tell_step(struct parser *p, enum trace_what what, const struct token *at);

static inline void erase_tell(struct parser *p, enum trace_what what)
{
    if (p->follow != NULL)
        erase_tell_step(p, what, &p->tok);
}

/* Goes on to the next token. */
void erase_advance(struct parser *p);

/* The token n places ahead, n from 1 to 2; an EOF token after an error. */
const struct token *erase_peek(struct parser *p, unsigned n);

/* Consumes the current token if it is of that kind. */
bool erase_accept(struct parser *p, unsigned kind);

/* The same, and tells of a step at that token. */
bool erase_accept_as(struct parser *p, unsigned kind, enum trace_what what);

/* Both with anything else being an error. */
void erase_expect_as(struct parser *p, unsigned kind, enum trace_what what);
void erase_expect(struct parser *p, unsigned kind);

/* A '>' that closes a list of types; takes just that much off ">>" and ">=". */
void erase_expect_angle(struct parser *p);

/* Fails with "MESSAGE near 'the current token'". */
void erase_unexpected(struct parser *p, const char *message);

/* Is this token the name `word`? */
bool erase_is_word(const struct parser *p, const struct token *token, const char *word);

/* Starts a range to erase at the current token, to be ended by ERASE or
 * ERASE_STATEMENT with .from = the offset returned. */
uint32_t erase_begin(struct parser *p);

/* At the ':' of an annotation: erases it with its type, then goes on with `then`. */
void erase_plan_annotation(struct parser *p, unsigned type_mode, struct goal then);

/* Is the current token the contextual keyword `word` with a type behind it? */
bool erase_word_before_type(struct parser *p, const char *word);

/* At the name of a statement that declares types: `type N =`, `type N<`,
 * `interface N`. Plans it; false if it is none. */
bool erase_plan_declaration(struct parser *p);

#endif
