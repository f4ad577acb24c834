/*
 * calls_fake -- two workers that are only sockets: one asks, the other answers.
 *
 * Stands in for worker.c and the router under the tests of calls: a further attempt
 * goes to the same worker. Everything begins anew with fake_begin().
 */
#ifndef TROUPE_TESTS_CALLS_FAKE_H
#define TROUPE_TESTS_CALLS_FAKE_H

#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

#include "proto/frame.h"

#include "supervisor/calls.h"
#include "supervisor/core.h"
#include "supervisor/worker.h"

struct retry_policy;

struct fake_peer {
    struct worker worker;
    int fd; /* the worker's end */
    struct buf in;
};

extern struct calls_fake {
    struct supervisor sup;
    struct fake_peer asker, answerer;
    int n_places_free, n_left_queue, n_again, n_asked_hearing;
    const char *killed_why;
    enum worker_hearing hearing; /* what worker_hearing() says */
} fake;

void fake_begin(void);
void fake_end(void);

/* The next frame that this peer was sent; 0 = none. */
uint8_t fake_next_frame(struct fake_peer *peer, struct bytes *body_out);

/* Where a call of the asker comes from. */
struct origin fake_origin(uint64_t call);

/* A CALL of the asker with that number, given to the answerer. policy NULL = once. */
struct call *fake_ask_with(uint64_t number, uint64_t deadline_at_ns,
                           const struct retry_policy *policy);
struct call *fake_ask(uint64_t number, uint64_t deadline_at_ns);

/* The number of the CALL, or the REPLY, that must have come next. */
uint64_t fake_number_at_callee(void);
struct frame_reply fake_reply_at_caller(void);

/* An answer to the call of that number as its callee knows it; what calls_on_reply()
 * says. */
int fake_answer(struct worker *from, uint64_t number, uint8_t status,
                struct bytes result, struct err *err);

/* The caller must have got this error next. */
void fake_check_failed(uint64_t number, enum err_kind kind, const char *text);

#endif
