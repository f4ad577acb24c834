/*
 * uplink -- this worker's conversation with its supervisor.
 *
 * Requests that expect a REPLY get a number and a callback here; frames that come in go
 * to whoever they concern (functions, inbound, peers). The uplink's end is the
 * worker's: without a supervisor it has no reason to live.
 */
#ifndef TROUPE_WORKER_UPLINK_H
#define TROUPE_WORKER_UPLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/log.h"
#include "common/value.h"

struct conn;
struct err;
struct frame_exit;
struct frame_reply;
struct runtime;
struct task;

struct uplink *uplink_create(struct runtime *rt, int fd); /* takes fd */
void uplink_destroy(struct uplink *uplink);
struct conn *uplink_conn(struct uplink *uplink);

/* result is borrowed; status as in REPLY without REPLY_LINGERS. Called once. */
typedef void uplink_done(void *context, uint8_t status, struct bytes result);

/* A number for a request that is about to be sent. */
uint64_t uplink_expect(struct uplink *uplink, uplink_done *done, void *context);

/* Its REPLY will be dropped. With cancel, the supervisor hears that nobody wants it. */
void uplink_forget(struct uplink *uplink, uint64_t call, bool cancel);

/* The request of call sent nothing: there will be no REPLY. */
void uplink_unexpect(struct uplink *uplink, uint64_t call);

/* Calls @target with n_items arguments from C. done NULL: nobody wants the answer. */
void uplink_ask(struct uplink *uplink, const char *target, const struct value *items,
                size_t n_items, uplink_done *done, void *context);

/* The task will be woken (WAKE_REPLY) by the REPLY to the number returned; if it is
 * dropped before, the request is cancelled. For use before task_block(). */
uint64_t uplink_expect_for(struct uplink *uplink, struct task *task);

/* The request of call sent nothing: the task doesn't wait for it. */
void uplink_unexpect_for(struct uplink *uplink, struct task *task, uint64_t call);

/* After a frame that somebody waits for: he would for ever if there was no memory to
 * encode it, so the worker ends then, which everybody hears of. */
void uplink_wrote(struct uplink *uplink, bool encoded);

void uplink_reply(struct uplink *uplink, uint64_t call, uint8_t status,
                  struct bytes result);
void uplink_reply_error(struct uplink *uplink, uint64_t call, const struct err *err);
void uplink_send_exit(struct uplink *uplink, const struct frame_exit *frame);
void uplink_send_gone(struct uplink *uplink, uint64_t pid);

/* A record for the supervisor's log, unless it wants none of that level. Takes message
 * and fields. */
void uplink_log(struct uplink *uplink, enum log_level level, const char *logger,
                struct value message, struct value fields);

/* A frame header whose REST is appended next to conn_out(); end() patches its length.
 * begin() = frame_encode_x with an empty REST, at_out = buf_len before it. */
void uplink_end_frame(struct uplink *uplink, size_t at);

/* The same for a frame of more than one value: -1 (LIMIT_EXCEEDED) and the frame is
 * taken back when it is larger than any peer accepts. */
int uplink_end_large_frame(struct uplink *uplink, size_t at, struct err *err);

/* Takes a frame back that uplink_end_frame() has not seen yet. */
void uplink_drop_frame(struct uplink *uplink, size_t at);

#endif
