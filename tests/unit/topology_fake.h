/*
 * topology_fake -- a supervisor with workers that only write down what they are sent.
 *
 * Stands in for worker.c, calls.c, conn.c, service.c and the registry under the tests
 * of actors, names, groups and bus. Frames arrive as text: "EXIT 2/7>1/5 what=1
 * failed=1", "WATCH ...". A pid is written worker/slot.
 */
#ifndef TROUPE_TESTS_TOPOLOGY_FAKE_H
#define TROUPE_TESTS_TOPOLOGY_FAKE_H

#include "common/buf.h"
#include "common/id.h"

#include "proto/frame.h"

#include "supervisor/core.h"
#include "supervisor/worker.h"

#define FAKE_WORKERS 8
#define FAKE_SLOTS   64 /* whose actors live at first; others may be set alive */

extern struct supervisor fake_sup;

/* fake_sup gets a loop, system, names, bus and actors; workers 1 … 7 live. */
void fake_setup(void);
void fake_teardown(void);

struct worker *fake_worker(uint32_t index);
uint64_t fake_pid(uint32_t index, uint32_t slot);
/* Its word in the liveness table; all of them live at first. */
void fake_set_alive(uint64_t pid, bool alive);
/* Liveness buried, gone from the table, actors told. */
void fake_kill(uint32_t index);

/* Its senders are told to wait: it doesn't read. */
void fake_hold(uint32_t index, bool held);

/* What arrived at a worker (or, index 0, at the services), one line per frame; cleared
 * by the call. */
const char *fake_received(uint32_t index);
unsigned fake_count(uint32_t index); /* frames ever received */

/* Frames as a worker sends them. 0 or -1. */
int fake_watch(uint32_t from, uint64_t call, uint64_t watcher, uint64_t target,
               uint8_t op);
int fake_exit(uint64_t from, uint64_t to, uint8_t what, uint8_t failed);
int fake_gone(uint64_t pid);
int fake_signal(uint32_t from, uint64_t call, uint64_t to, uint64_t sender, uint8_t op);

/* Answers the oldest request that actors has forwarded to a worker. */
void fake_answer(uint8_t status);
unsigned fake_n_forwarded(void);

/* Calls a system target for worker index (0: a client); args as JSON. The answer, when
 * there is one, is in fake_received() of that index: "REPLY 5 <json>" or
 * "REPLY 5 NotFound: text". Items come as "ITEM 5 <json>". */
void fake_call(uint32_t index, uint64_t call, const char *target, const char *args);

/* The same for that actor of the worker. */
void fake_call_as(uint32_t index, uint64_t caller, uint64_t call, const char *target,
                  const char *args);

#endif
