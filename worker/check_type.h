/*
 * check_type -- types as the checker sees them: small, shared, never changed.
 *
 * They live in an arena that ends with the check. Primitives are constants, so that
 * they compare by address. A union may be *weak*: the value is one of these, and nobody
 * can say which, so that anything that one of them may do is right.
 *
 * Names stay names (SORT_REF) until somebody looks behind them: declarations may refer
 * to each other in any order, and to themselves.
 */
#ifndef TROUPE_WORKER_CHECK_TYPE_H
#define TROUPE_WORKER_CHECK_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/map.h"

struct value;

enum type_sort {
    SORT_ANY,
    SORT_NEVER,
    SORT_NIL,
    SORT_TRUE,
    SORT_FALSE,
    SORT_BOOLEAN,
    SORT_INTEGER,
    SORT_NUMBER,
    SORT_FRACTION, /* a number that is no integer, as 1.5 */
    SORT_STRING,
    SORT_THREAD,
    SORT_USERDATA,
    SORT_TABLE,    /* of any shape, perhaps with a metatable */
    SORT_FUNCTION, /* of any kind */
    SORT_TEXT,     /* one string: text */
    SORT_EXACT,    /* one number that a type names: number */
    SORT_REF,      /* of a declaration: text */
    SORT_ARRAY,    /* val */
    SORT_MAP,      /* key, val */
    SORT_RECORD,   /* fields */
    SORT_LITERAL,  /* a table as it is written: fields, those of arrays without name */
    SORT_FUN,      /* fun */
    SORT_UNION,    /* of */
    SORT_ALL,      /* of: an intersection */
    SORT_VALUE,    /* a declared type as a value: val */
};

struct type_field {
    const char *name; /* borrowed from the source or the arena; NULL: an item */
    uint32_t n_bytes;
    uint32_t at; /* SORT_LITERAL: where its value stands */
    bool optional;
    const struct type *type;
};

struct type_fun {
    const struct type **params, **rets; /* a NULL means any */
    uint32_t n_params, n_rets;
    bool more;      /* "..." may follow the params */
    bool has_rets;  /* it says what it returns */
    bool method;    /* declared with ':': the first param is self */
    bool annotated; /* at least one type stands at it */
    bool complete;  /* all of its body was seen */
    bool fails;     /* a `return` of it may have nil and a reason (LUA-33) */
};

struct type {
    enum type_sort sort;
    const char *name; /* that it was declared by, for messages; or NULL */
    bool weak;        /* SORT_UNION */
    bool open;        /* SORT_LITERAL: it has more than its fields say */
    union {
        struct {
            const char *data;
            uint32_t n;
        } text;
        double number;
        struct {
            const struct type *key, *val;
        };
        struct {
            const struct type_field *items;
            uint32_t n;
        } fields;
        struct {
            const struct type **items;
            uint32_t n;
        } of;
        const struct type_fun *fun;
    } as;
};

/* One for each sort up to SORT_FUNCTION. */
extern const struct type type_plain[SORT_FUNCTION + 1];
#define PLAIN(sort) (&type_plain[SORT_##sort])

struct declaration {
    const char *name;
    const struct type *type; /* NULL: declared more than once */
};

#define TYPE_MAX_DEPTH 24 /* to which two types are compared */

struct type_store {
    struct map declared; /* name → struct declaration */
    struct arena_chunk *chunks;
    size_t chunk_used, n_bytes, max_bytes;
    long steps_left; /* of work that isn't linear in the source */
    struct {
        const struct type *value, *wanted;
    } compared[TYPE_MAX_DEPTH]; /* that are, one inside the other; see check_fit.c */
    bool exhausted; /* memory or steps: what comes out means nothing any more */
    bool classes;   /* the source sets metatables: methods may live there */
};

void type_store_init(struct type_store *types, size_t max_bytes, long max_steps);
void type_store_finish(struct type_store *types);

/* Zeroed memory; NULL when it is exhausted. */
void *type_store_alloc(struct type_store *types, size_t n_bytes);
const char *type_store_copy(struct type_store *types, const char *text, size_t n);

/* False when there are no steps left. */
bool type_store_step(struct type_store *types);

/* What a tree of type_tree.h says; NULL and what nobody can judge are any. generics is
 * asked for names that are parameters here. */
struct type_names {
    bool (*is_generic)(void *context, const char *name);
    void (*on_unknown)(void *context, const char *name, uint32_t at); /* or NULL */
    void *context;
};
const struct type *type_from_tree(struct type_store *types, const struct value *tree,
                                  const struct type_names *names);

/* Notes `type NAME = …`. */
void type_store_declare(struct type_store *types, const struct value *tree);

/* Behind names. Never a SORT_REF. */
const struct type *type_behind(const struct type_store *types, const struct type *type);

/* Those two or more; simplified. NULL stands for any. */
const struct type *type_union(struct type_store *types, const struct type *a,
                              const struct type *b);

/* As it is, but every union weak. */
const struct type *type_weak(struct type_store *types, const struct type *type);

bool type_is_union(const struct type_store *types, const struct type *type,
                   bool strong);

const struct type *type_text(struct type_store *types, const char *text, size_t n);

#endif
