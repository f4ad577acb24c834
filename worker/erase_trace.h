/*
 * erase_trace -- what the erasing pass reads, step by step, for those who want to know
 * more of a source than its plain text: the type checker (check.h).
 *
 * A step names a piece of syntax and where it stands. They come in the order of the
 * source. Expressions come as they are written, operands with operators between:
 *
 *     local x: T = -f(1)      LOCAL, LOCAL_NAME x, ERASED ": T", LIST, EXPR, UNARY -,
 *                             NAME f, CALL, LIST, EXPR, CONSTANT 1, EXPR_END, LIST_END,
 *                             CLOSE ), EXPR_END, LIST_END
 *
 * Types come as one range each (ERASED, DECLARATION); what stands inside them doesn't
 * come at all. A source that is refused half way has had the steps up to there.
 */
#ifndef TROUPE_WORKER_ERASE_TRACE_H
#define TROUPE_WORKER_ERASE_TRACE_H

#include <stddef.h>
#include <stdint.h>

struct erase_error;

enum trace_what {
    /* types: the range with ':', "as", "::", '!' or '<' */
    TRACE_ERASED,
    TRACE_DECLARATION, /* `type …`, `interface … end` */
    /* expressions */
    TRACE_LIST,     /* of expressions */
    TRACE_LIST_END, /* no range */
    TRACE_EXPR,
    TRACE_EXPR_END, /* no range */
    TRACE_UNARY,
    TRACE_BINARY,
    TRACE_CONSTANT, /* nil, true, false, a number, a string, "..." */
    TRACE_NAME,     /* of a variable */
    TRACE_PAREN,    /* '(' … CLOSE */
    TRACE_FIELD,    /* the name behind '.' */
    TRACE_INDEX,    /* '[', EXPR, CLOSE */
    TRACE_METHOD,   /* the name behind ':'; a CALL follows */
    TRACE_CALL,     /* '(', LIST, CLOSE; or the constant or table follows, no CLOSE */
    TRACE_CALLED,   /* behind the arguments; the range is the last token of them */
    TRACE_TABLE,    /* '{', items, CLOSE */
    TRACE_ITEM,     /* one without a key; an EXPR follows */
    TRACE_ITEM_NAMED,
    TRACE_ITEM_KEYED, /* '[', EXPR, TOKEN ']', TOKEN '=', EXPR */
    TRACE_LAMBDA,     /* `function` as an operand; FUNCTION follows */
    /* functions: FUNCTION, [ERASED '<'], PARAM…, PARAMS_END, [ERASED ':'], CLOSE */
    TRACE_FUNCTION,
    TRACE_PARAM, /* a name or "..." */
    TRACE_PARAMS_END,
    /* statements */
    TRACE_LOCAL, /* LOCAL_NAME…, then LIST … LIST_END or LOCAL_END */
    TRACE_LOCAL_NAME,
    TRACE_LOCAL_END,
    TRACE_LOCAL_FUNCTION, /* its name; FUNCTION follows */
    TRACE_FUNCTION_NAME,  /* of a statement; then FUNCTION_FIELD…, FUNCTION_METHOD */
    TRACE_FUNCTION_FIELD,
    TRACE_FUNCTION_METHOD,
    TRACE_PLACE,       /* a call or the first place of an assignment */
    TRACE_CALL_END,    /* it was a call */
    TRACE_ASSIGN_MORE, /* ',' behind a place; the next follows */
    TRACE_ASSIGN,      /* '='; LIST … LIST_END follows */
    TRACE_RETURN,      /* the word; LIST … LIST_END may follow */
    TRACE_RETURN_END,
    TRACE_FOR, /* FOR_NAME…, then EXPR… or (LIST … LIST_END), TOKEN `do`, …, CLOSE */
    TRACE_FOR_NAME,
    TRACE_FOR_IN, /* behind the names: values of a list follow, not bounds */
    TRACE_IF,     /* EXPR, TOKEN `then`; TOKEN `elseif`, `else`; CLOSE */
    TRACE_WHILE,  /* EXPR, TOKEN `do`, …, CLOSE */
    TRACE_DO,
    TRACE_REPEAT, /* …, CLOSE `until`, EXPR, REPEAT_END */
    TRACE_REPEAT_END,
    TRACE_BREAK,
    TRACE_GOTO,
    TRACE_LABEL,
    TRACE_TOKEN, /* one that only stands between other steps */
    TRACE_CLOSE, /* ')', ']', '}', `end`, `until` */
};

struct trace_step {
    enum trace_what what;
    unsigned kind;       /* of the token; see erase_lex.h */
    uint32_t start, end; /* offsets into the source */
};

typedef void erase_follower(void *context, const struct trace_step *step);

/* Reads the source as erase_types_at() does, and tells of each step. */
int erase_follow(const char *source, size_t n_bytes, erase_follower *follow,
                 void *context, struct erase_error *error);

#endif
