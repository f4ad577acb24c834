/*
 * message -- what waits in a mailbox, encoded as it came.
 *
 * One allocation holds the struct and its bytes. Decoding happens when somebody
 * receives it: one code path for near and far, and what is queued costs its bytes.
 */
#ifndef TROUPE_WORKER_MESSAGE_H
#define TROUPE_WORKER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

enum message_kind {
    MSG_USER,     /* topic, payload = codec payload of its arguments */
    MSG_EXIT,     /* payload = codec payload [value], or one error when failed */
    MSG_DOWN,     /* LINK_DOWN; the same */
    MSG_CANCEL,   /* payload = the reason's text */
    MSG_EVENT,    /* topic as its maker likes it, payload */
    MSG_TICK,     /* at_ns = wall clock, no payload */
    MSG_OUTDATED, /* payload = codec payload of entry ids */
};

struct message {
    struct message *next;
    uint64_t from; /* pid; 0 = the runtime */
    int64_t at_ns; /* wall clock: EXIT, DOWN, CANCEL, TICK, OUTDATED */
    uint32_t payload_bytes;
    uint32_t number; /* in its actor's mailbox: the order of arrival */
    uint16_t topic_bytes, host_bytes;
    uint8_t kind; /* enum message_kind */
    bool failed;
    bool is_counted; /* in its actor's mailbox_bytes */
    bool is_traced;
    uint8_t data[]; /* payload, topic, NUL, host of from, NUL, traceparent */
};

struct msgq {
    struct message *first, **last;
    uint32_t n;
};

static inline const uint8_t *message_payload(const struct message *message)
{
    return message->data;
}

static inline const char *message_topic(const struct message *message)
{
    return (const char *)message->data + message->payload_bytes;
}

static inline const char *message_host(const struct message *message)
{
    return message_topic(message) + message->topic_bytes + 1;
}

/* TRACE_TEXT_BYTES; only of one that is_traced. */
static inline const uint8_t *message_trace(const struct message *message)
{
    return message->data + message->payload_bytes + message->topic_bytes +
           message->host_bytes + 2;
}

static inline uint64_t message_size(const struct message *message)
{
    return sizeof(*message) + message->payload_bytes + message->topic_bytes +
           message->host_bytes + 2u;
}

/* Copies everything; NULL when there is no memory, or topic or host is longer than
 * 65535 bytes. */
struct message *message_create(enum message_kind kind, uint64_t from, struct bytes host,
                               struct bytes topic, struct bytes payload);

/* The same of kind MSG_USER with the traceparent of its span. */
struct message *message_create_traced(uint64_t from, struct bytes host,
                                      struct bytes topic, struct bytes payload,
                                      const uint8_t *trace);
void message_destroy(struct message *message);

static inline void msgq_init(struct msgq *queue)
{
    queue->first = NULL;
    queue->last = &queue->first;
    queue->n = 0;
}

static inline void msgq_append(struct msgq *queue, struct message *message)
{
    message->next = NULL;
    *queue->last = message;
    queue->last = &message->next;
    queue->n++;
}

static inline struct message *msgq_take(struct msgq *queue)
{
    struct message *message = queue->first;

    if (message == NULL)
        return NULL;
    queue->first = message->next;
    if (queue->first == NULL)
        queue->last = &queue->first;
    queue->n--;
    return message;
}

/* from is empty then; to was. */
static inline void msgq_move(struct msgq *to, struct msgq *from)
{
    *to = *from;
    if (to->first == NULL)
        to->last = &to->first;
    msgq_init(from);
}

void msgq_clear(struct msgq *queue);

#endif
