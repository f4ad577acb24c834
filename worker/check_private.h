/*
 * check_private -- what the files of the type checker share: its state, and which file
 * does what.
 *
 *     check.c           the two passes, the table from steps to handlers, reports
 *     check_scope.c     locals and members of tables by name, what is known of them
 *     check_flow.c      what a local may be at a place
 *     check_expr.c      operands: constants, names, fields
 *     check_operator.c  operators, and what conditions say of locals
 *     check_call.c      calls, and functions that everybody knows
 *     check_table.c     tables as they are written
 *     check_stat.c      statements
 *     check_func.c      functions
 *
 * The state is three stacks that grow and shrink with the source: frames (syntax that
 * is open), operands (values that an expression has come to), operators.
 */
#ifndef TROUPE_WORKER_CHECK_PRIVATE_H
#define TROUPE_WORKER_CHECK_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/map.h"

#include "worker/check.h"
#include "worker/check_field.h"
#include "worker/check_fit.h"
#include "worker/check_narrow.h"
#include "worker/check_type.h"
#include "worker/erase_lex.h"
#include "worker/erase_trace.h"

struct value;

#define NO_LOCAL    UINT32_MAX
#define MAX_ENTRIES 8 /* locals that one condition may say something of */

/* ---- locals ---------------------------------------------------------------------- */

/* What the first pass found out of the n-th local of the source. */
struct fact {
    uint32_t n_assigned; /* besides its declaration */
    uint32_t last_step;  /* of the last assignment; see checker.step */
    uint32_t group;      /* another local that goes along with it, or itself */
    bool in_closure;     /* assigned by a function inside the one that declares it */
    bool wild;           /* fields are assigned by keys that nobody can read */
    bool is_class;       /* it has an __index: others have its fields, too */
};

/* A field of a table that a local holds, as the first pass found it. */
struct member {
    uint32_t n_assigned;
    const struct type *type; /* of the function that it is, or NULL */
};

struct local {
    const char *name; /* in the source */
    uint32_t n_bytes;
    uint32_t ordinal;            /* of its fact */
    uint32_t function;           /* the depth of the function that declares it */
    const struct type *declared; /* NULL: no annotation */
    const struct type *now;      /* what it may be here */
    uint32_t logged; /* row of the trail behind its last one; see check_flow.c */
    uint32_t seen;   /* checker.n_seen: visited */
};

/* ---- flow ------------------------------------------------------------------------ */

enum life {
    LIFE_LIVE,
    LIFE_MAYBE, /* it called something that may never return */
    LIFE_DEAD,
};

struct trail_row {
    uint32_t local, ordinal, logged;
    const struct type *was;
};

/* What several branches make of a local. */
struct join_row {
    uint32_t local, ordinal;
    const struct type *type;
    bool never; /* a branch leaves nothing of it: control doesn't come that way */
};

/* What a condition says of a local. */
struct entry {
    uint32_t local, ordinal;
    const struct type *yes, *no;
};

struct entries {
    struct entry rows[MAX_ENTRIES];
    uint32_t n;
    bool many; /* there were more: it may say something of any local */
};

/* ---- expressions ----------------------------------------------------------------- */

enum operand_form {
    OPERAND_VALUE,
    OPERAND_CONSTANT,
    OPERAND_LOCAL,
    OPERAND_GLOBAL,
    OPERAND_FIELD,
    OPERAND_INDEX,
    OPERAND_CALL,
    OPERAND_DOTS,
};

struct operand {
    const struct type *type; /* of its first value; never NULL */
    uint32_t start, end;     /* end: where its name ends, for messages */
    uint8_t form;            /* enum operand_form */
    bool method;             /* a field that was read with ':' */
    bool true_constant;      /* the word `true` */
    uint16_t known;          /* a library's function: 1 + its row; see check_call.c */
    uint32_t local;   /* LOCAL: itself; FIELD: of which it is a field; or NO_LOCAL */
    const char *name; /* of the variable or field */
    uint32_t n_bytes;
    const struct type *place;  /* what may be put there; NULL: anything */
    const struct type_fun *of; /* CALL: whose results follow; NULL: nobody knows */
    uint32_t kind_of;          /* it is type(local) */
    uint8_t life;              /* CALL: enum life behind it */
    const struct type *about;  /* T.is: T; pairs(t), ipairs(t): of t */
    struct entries entries;
};

struct operator
{
    uint16_t kind;
    uint8_t priority; /* of its right side */
    bool unary;
    uint32_t start;
    uint32_t mark, old_mark; /* `and`, `or`: the trail before its right side */
};

/* ---- syntax ---------------------------------------------------------------------- */

enum frame_kind {
    FRAME_CHUNK,
    FRAME_EXPR,
    FRAME_PAREN,
    FRAME_INDEX,
    FRAME_CALL,
    FRAME_TABLE,
    FRAME_FUNCTION,
    FRAME_LOCAL,
    FRAME_PLACE, /* a call or an assignment */
    FRAME_RETURN,
    FRAME_FOR,
    FRAME_IF,
    FRAME_WHILE,
    FRAME_DO,
    FRAME_REPEAT,
};

enum function_form { FUNCTION_LAMBDA, FUNCTION_LOCAL, FUNCTION_NAMED };

struct frame {
    uint8_t kind;
    uint8_t item;      /* TABLE: what the item is; FUNCTION: enum function_form */
    bool listed;       /* FOR: its values are a list */
    bool breaks;       /* loops: one leaves it early */
    bool always;       /* loops: nothing else ends it */
    bool has_else;     /* IF */
    bool returns;      /* FUNCTION: a `return` has values */
    bool spreads;      /* FUNCTION: has "..." */
    bool open;         /* TABLE: not all of it is known */
    uint8_t life;      /* before it */
    uint8_t worst;     /* IF: the best life of its branches */
    bool maybe;        /* IF: a branch may not come to its end */
    uint32_t n_joined; /* IF: branches that came to their end */
    uint32_t start;
    uint32_t operands, operators, locals, pending, fields, joins; /* before it */
    uint32_t mark, old_mark; /* the trail when it began, and the mark before */
    uint32_t here;           /* IF: the trail with what conditions before denied */
    const char *name;        /* FUNCTION; TABLE: of the item */
    uint32_t n_bytes;
    uint32_t local; /* FUNCTION_LOCAL: its own; FUNCTION_NAMED: the table's */
    bool method;
    bool dotted, deep;       /* FUNCTION_NAMED: the name has a dot; more than one */
    uint32_t n_places;       /* PLACE: of an assignment */
    struct type_fun *fun;    /* FUNCTION */
    struct value *generics;  /* FUNCTION: names; owned */
    struct entries *entries; /* IF, WHILE: of the condition; in the arena */
};

/* A name that waits for its type and its value: of a `local`, a `for`, a parameter. */
struct pending {
    const char *name;
    uint32_t n_bytes, at;
    const struct type *type;
};

struct checker {
    const char *source; /* borrowed */
    uint32_t n_bytes;
    struct type_store types;
    struct check_report *report;
    bool second;   /* pass: the one that judges */
    bool stopped;  /* no memory, or its share is used up */
    uint32_t step; /* the n-th of this pass */

    struct fact *facts; /* owned, as all below */
    uint32_t n_facts, facts_size;
    uint32_t n_locals_seen; /* declared so far in this pass */
    struct map members;     /* ordinal and name → struct member */
    struct map globals;     /* names of globals that the source assigns to */
    struct map class_names; /* of functions that are fields, as methods are */
    uint32_t *classes;      /* ordinals of locals that are; owned */
    uint32_t n_classes, classes_size;
    bool imports; /* types of libraries are known by their bare names */

    struct frame *frames;
    uint32_t n_frames, frames_size;
    struct operand *operands;
    uint32_t n_operands, operands_size;
    struct operator* operators;
    uint32_t n_operators, operators_size;
    struct local *locals;
    uint32_t n_locals, locals_size;
    struct pending *pending;
    uint32_t n_pending, pending_size;
    struct type_field *fields;
    uint32_t n_fields, fields_size;
    struct trail_row *trail;
    uint32_t n_trail, trail_size;
    struct join_row *joins;
    uint32_t n_joins, joins_size;

    uint32_t mark;       /* rows of the trail from here on belong to the open branch */
    uint32_t n_seen;     /* see local.seen */
    uint32_t function;   /* depth */
    uint8_t life;        /* enum life */
    bool header;         /* behind a function's parameters: its results may follow */
    struct operand none; /* what is pushed without memory */
};

/* ---- check.c --------------------------------------------------------------------- */

/* Room for one more in a vector of the checker; NULL (and stopped) without memory. */
void *check_grow(struct checker *c, void *items, uint32_t *n, uint32_t *size,
                 size_t item_bytes);
#define CHECK_PUSH(c, vector)                                                          \
    check_grow((c), &(c)->vector, &(c)->n_##vector, &(c)->vector##_size,               \
               sizeof(*(c)->vector))

struct frame *check_open(struct checker *c, enum frame_kind kind, uint32_t start);
struct frame *check_top(struct checker *c);
void check_pop(struct checker *c);

/* An error at an offset of the source; only the second pass has any. */
void check_say(struct checker *c, uint32_t at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Says "WHAT: expected …, got …" unless the value fits. */
void check_fits(struct checker *c, const struct operand *value,
                const struct type *wanted, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* The type that an annotation names; unknown names are told. */
const struct type *check_annotation(struct checker *c, const struct trace_step *step);

/* The same of a part of it; from: where the text that it was read from starts. */
const struct type *check_type_of_tree(struct checker *c, const struct value *tree,
                                      uint32_t from);

/* ---- check_scope.c --------------------------------------------------------------- */

void check_declare(struct checker *c, const struct pending *name,
                   const struct type *value);
uint32_t check_find_local(struct checker *c, const char *name, uint32_t n);
struct fact *check_fact(struct checker *c, uint32_t local);
void check_drop_locals(struct checker *c, uint32_t n);

/* Is it what it was declared as from then on? Nobody knows in the first pass: no. */
bool check_is_constant(struct checker *c, uint32_t local);

/* What reading it gives here. */
const struct type *check_read(struct checker *c, uint32_t i);

/* It is assigned to. */
void check_assign_local(struct checker *c, uint32_t i, const struct type *value);

void check_note_member(struct checker *c, uint32_t local, const char *name, uint32_t n,
                       const struct type *type);
const struct type *check_find_member(struct checker *c, uint32_t local,
                                     const char *name, uint32_t n);

/* Is that field of the local given a value somewhere? */
bool check_has_member(struct checker *c, uint32_t ordinal, const char *name,
                      uint32_t n);

/* Is it the name of something that a class here has? Objects of any type may have it,
 * then. */
bool check_is_class_name(struct checker *c, const char *name, uint32_t n);

void check_note_global(struct checker *c, const char *name, uint32_t n);
bool check_is_global(struct checker *c, const char *name, uint32_t n);

/* Two locals go along with each other: what is found out of one says something of the
 * other, and only people know what. */
void check_group(struct checker *c, uint32_t a, uint32_t b);
bool check_same_group(struct checker *c, uint32_t a, uint32_t b);

/* ---- check_flow.c ---------------------------------------------------------------- */

void flow_set(struct checker *c, uint32_t i, const struct type *type);
void flow_undo(struct checker *c, uint32_t mark);

/* A condition is true, or not. */
void flow_apply(struct checker *c, const struct entries *entries, bool yes);

/* Locals that go along with those of a condition, but that it says nothing of. */
void flow_spread(struct checker *c, struct entries *entries);

void entries_add(struct entries *entries, const struct entry *entry);
/* The condition is about them, but in a way that nobody can read. */
void entries_blur(struct checker *c, struct entries *entries);
void entries_merge(struct entries *into, const struct entries *from);
void entries_both(struct checker *c, struct entries *left, struct entries *right,
                  bool is_and, bool right_decides);
void entries_not(struct entries *entries);

void flow_if_open(struct checker *c, struct frame *frame);
void flow_if_then(struct checker *c, struct frame *frame, struct operand *condition);
void flow_if_branch_end(struct checker *c, struct frame *frame);
void flow_if_next(struct checker *c, struct frame *frame);
void flow_if_close(struct checker *c, struct frame *frame);

void flow_loop_open(struct checker *c, struct frame *frame);
void flow_loop_close(struct checker *c, struct frame *frame);

/* At a label: control may come from elsewhere. */
void flow_restart(struct checker *c);

/* ---- check_expr.c ---------------------------------------------------------------- */

struct operand *check_push_operand(struct checker *c, const struct type *type,
                                   uint32_t start, uint32_t end);
struct operand *check_operand(struct checker *c); /* the last one; never NULL */
void check_pop_operands(struct checker *c, uint32_t n);

/* What is left of an operand that was used for something: its value, and that the
 * result depends on the locals in it. */
void check_become_value(struct checker *c, struct operand *operand,
                        const struct type *type);

bool check_is_string(struct checker *c, const struct type *type);

void expr_constant(struct checker *c, const struct trace_step *step);
void expr_name(struct checker *c, const struct trace_step *step);
void expr_field(struct checker *c, const struct trace_step *step);
void expr_method(struct checker *c, const struct trace_step *step);
void expr_index_close(struct checker *c, const struct trace_step *step);
void expr_paren_close(struct checker *c, const struct trace_step *step);
void expr_cast(struct checker *c, const struct trace_step *step);

/* The i-th value of a list of operands from `first` on, the last of which may be many.
 * NULL: nobody knows. nil_out: it isn't there. */
struct listed {
    const struct type *type; /* NULL: unknown */
    const struct operand *operand;
    bool missing;
};
struct listed check_listed(struct checker *c, uint32_t first, uint32_t i);
/* How many values there are at least, and whether there may be more. */
uint32_t check_count(struct checker *c, uint32_t first, bool *more_out);

/* "can't WHAT 'name' of type T" */
void check_say_cannot(struct checker *c, const struct operand *operand,
                      const char *what);

/* How a message calls it: 'name', or a word. */
#define OPERAND_NAME_BYTES 72
const char *check_operand_name(const struct operand *operand,
                               char out[OPERAND_NAME_BYTES]);

/* ---- check_operator.c ------------------------------------------------------------ */

void expr_open(struct checker *c, const struct trace_step *step);
void expr_close(struct checker *c, const struct trace_step *step);
void expr_unary(struct checker *c, const struct trace_step *step);
void expr_binary(struct checker *c, const struct trace_step *step);

/* ---- check_call.c ---------------------------------------------------------------- */

void call_open(struct checker *c, const struct trace_step *step);
void call_close(struct checker *c, const struct trace_step *step);
uint16_t call_find_known(const char *name, uint32_t n);
uint16_t call_find_known_field(uint16_t library, const char *name, uint32_t n);
uint16_t call_find_method_of_string(const char *name, uint32_t n);

/* The types of both names of `for … in pairs(t)`, `ipairs(t)`: any if it is neither. */
void call_loop_types(struct checker *c, const struct operand *called,
                     const struct type **key_out, const struct type **value_out);

/* ---- check_table.c --------------------------------------------------------------- */

void table_open(struct checker *c, const struct trace_step *step);
void table_item(struct checker *c, const struct trace_step *step);
void table_close(struct checker *c, const struct trace_step *step);

/* ---- check_func.c ---------------------------------------------------------------- */

void func_open(struct checker *c, const struct trace_step *step);
void func_name(struct checker *c, const struct trace_step *step);
void func_param(struct checker *c, const struct trace_step *step);
void func_annotate(struct checker *c, const struct trace_step *step);
void func_params_end(struct checker *c, const struct trace_step *step);
void func_begin_body(struct checker *c);
void func_close(struct checker *c, const struct trace_step *step);
void func_return(struct checker *c, struct frame *frame);
void func_drop_generics(struct frame *frame);
bool func_is_generic(void *context, const char *name);

/* ---- check_stat.c ---------------------------------------------------------------- */

void stat_step(struct checker *c, const struct trace_step *step);

#endif
