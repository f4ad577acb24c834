/*
 * worker_bench -- a whole worker inside a test, with the test as its supervisor.
 *
 * The worker's end of the socket is the real uplink; ours answers @code.get with units
 * compiled from source, keeps names, sends calls and events back to the worker as the
 * router would for an inline function, and writes down everything else. Outcomes are
 * text: the JSON of the result, or "Kind: message" of the error.
 */
#ifndef TROUPE_TESTS_WORKER_BENCH_H
#define TROUPE_TESTS_WORKER_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/list.h"
#include "common/map.h"
#include "common/value.h"

#include "worker/runtime.h"

struct conn;

/* A frame that the worker sent, or (reply_to != 0) one kept for later. */
struct bench_frame {
    struct list node;
    uint8_t type;
    struct bytes body;
    uint8_t data[];
};

struct bench {
    struct runtime rt;
    struct conn *conn;
    struct value units; /* id → what @code.get answers */
    struct value names; /* name → [pid, host] */
    struct list frames; /* what came and no helper took, oldest first */
    struct buf logs;    /* messages, one a line */
    struct map open;    /* calls of the worker without an answer */
    uint64_t n_calls, n_calls_kept;
    uint64_t last_pid; /* of bench_spawn() */
    int guard_s;       /* how long bench_until() waits */
    int64_t linger_ms; /* of what is added from now on; -1 = as they come */
    bool closed;
    bool holds_calls;    /* the next calls of the worker come back as HOLD */
    bool swallows_calls; /* they get no answer at all */
    bool lies;           /* every answer but to @code.get is answers_with */
    struct bytes answers_with;
    uint8_t answers_status;
    char close_reason[480];
};

#define BENCH_HOST    "t:host"
/* Of whatever names none itself. */
#define BENCH_MODULES "time funcs events logger ctx"
#define BENCH_INDEX   7
/* A pid of nobody's, from which the bench watches. */
#define BENCH_PID     ((uint64_t)1 << 32 | (uint64_t)3 << 22 | 1)

/* role NULL: "host". Adds `t:host` programs with bench_add(). */
void bench_begin(struct bench *bench, const char *role);
void bench_end(struct bench *bench);

/* An entry `id`, its method is main; `t:never` is one that never comes. modules: names
 * apart by blanks. */
void bench_add(struct bench *bench, const char *id, const char *kind,
               const char *modules, const char *source);
void bench_add_import(struct bench *bench, const char *id, const char *alias,
                      const char *target);

/* One turn of the worker's loop; may wait for its timers when wait is true. */
void bench_turn(struct bench *bench, bool wait);

/* Turns until nothing moves any more that needs no time. */
void bench_settle(struct bench *bench);

/* Turns until *condition holds; fails the test after guard_s. */
void bench_until(struct bench *bench, bool (*condition)(struct bench *, void *),
                 void *context);

/* Calls the function and waits for its answer. json: the list of arguments, NULL none.
 * The text lives until the next call. */
const char *bench_call(struct bench *bench, const char *id, const char *json);

/* The same in two steps. */
uint64_t bench_start_call(struct bench *bench, const char *id, const char *json);
const char *bench_await(struct bench *bench, uint64_t call);
bool bench_has_reply(struct bench *bench, uint64_t call);

/* Spawns a monitored process and waits for its end. A spawn that fails: "spawn: ..." */
const char *bench_run(struct bench *bench, const char *id, const char *json);
uint64_t bench_spawn(struct bench *bench, const char *id, const char *json);
const char *bench_await_exit(struct bench *bench, uint64_t pid);

/* CANCEL of a call that was started. */
void bench_cancel(struct bench *bench, uint64_t call);

/* A chunk that returns {main = function(...) BODY end}, with helpers as in lua_cases.h;
 * line 1 of the body is line 1 of the chunk. Freed with the next one. */
const char *bench_main(const char *body);

/* A function of that source, and t:f of that body, called once. */
void bench_add_function(struct bench *bench, const char *id, const char *source);
const char *bench_call_body(struct bench *bench, const char *body, const char *json);

/* A process of that body. */
const char *bench_run_body(struct bench *bench, const char *body);

/* The same; its outcome has to be that. */
void bench_check_body(struct bench *bench, const char *title, const char *body,
                      const char *want);

/* Sends bytes as the body of a frame. */
void bench_send(struct bench *bench, uint8_t type, struct bytes body);

/* The oldest frame of that type that came, taken out of the list; NULL: none. */
struct bench_frame *bench_take(struct bench *bench, uint8_t type);

/* The program of that id if it is here, else NULL. */
struct program *bench_program(struct bench *bench, const char *id);

#endif
