/*
 * code_private -- what compiling (code.c), the answers for workers (code_payload.c,
 * code_targets.c) and batches (code_batch.c) share.
 */
#ifndef TROUPE_SUPERVISOR_CODE_PRIVATE_H
#define TROUPE_SUPERVISOR_CODE_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/list.h"
#include "common/map.h"
#include "common/value.h"

#include "supervisor/code.h"

struct system;

enum chunk_state { CHUNK_WAITS, CHUNK_SENT, CHUNK_COMPILED, CHUNK_FAILED };

/* One entry's code. */
struct chunk {
    struct code *code;
    struct entry *entry; /* counted; the key */
    struct list pending; /* in code->pending while it waits */
    struct list waiters;
    enum chunk_state state;
    unsigned n_tries;
    bool forgotten; /* freed when its answer has come and been told */
    bool settling;
    struct buf payload;   /* compiled: the answer to @code.get */
    struct err err;       /* failed */
    struct value details; /* of err */
};

struct code {
    struct supervisor *sup;
    struct map chunks; /* by the entry's address */
    struct list pending;
    unsigned n_sent, n_careful; /* careful: second tries waiting or sent */
    struct worker *worker;      /* starting or ready; NULL = none */
    struct bytes settings;
    struct buf settings_buf;
    uint64_t n_calls, n_versions;
    bool types;  /* apps may use types as values */
    bool strict; /* type errors refuse a source */
    ev_timer idle;
};

/* Somebody who wants a chunk, until it has been told. */
struct waiter {
    struct list link;
    void (*ready)(struct waiter *waiter, const struct chunk *chunk); /* takes waiter */
    void (*drop)(void *context); /* its chunk goes unready; NULL = nothing to do */
    void *context;
};

/* ---- code.c ---- */

/* Has the entry anything to compile, or bytecode of its own? */
bool code_has_code(const struct entry *entry);

/* waiter->ready() is called now or later. */
void code_want(struct code *code, const struct entry *entry, struct waiter *waiter);

/* Starts the compiler if it isn't there and gives it as much as it may have. */
void code_send_pending(struct code *code);

/* drop: called with context if the chunk goes unready; may be NULL. */
struct waiter *code_make_waiter(void (*ready)(struct waiter *, const struct chunk *),
                                void (*drop)(void *), void *context);

/* ---- code_payload.c ---- */

/* Makes the answer to @code.get from what the compiler said: {bytecode, ...}. */
int code_build_payload(struct chunk *chunk, const struct value *compiled,
                       struct err *err);

/* What the compiler said, from a chunk that is compiled. */
int code_read_payload(const struct chunk *chunk, struct value *compiled_out,
                      struct err *err);

/* ---- code_targets.c ---- */

void code_add_targets(struct system *system);

#endif
