#include "worker/message.h"

#include <stdlib.h>

#include "proto/trace_context.h"

static uint8_t *put(uint8_t *at, struct bytes bytes)
{
    if (bytes.n != 0)
        memcpy(at, bytes.data, bytes.n);
    return at + bytes.n;
}

static inline struct message *create(enum message_kind kind, uint64_t from,
                                     struct bytes host, struct bytes topic,
                                     struct bytes payload, struct bytes trace)
{
    struct message *message = NULL;
    uint8_t *at;

    if (topic.n <= UINT16_MAX && host.n <= UINT16_MAX && payload.n <= UINT32_MAX)
        message = malloc(sizeof(*message) + payload.n + topic.n + host.n + 2 + trace.n);
    if (message == NULL)
        return NULL;
    *message = (struct message){.from = from,
                                .is_traced = trace.n != 0,
                                .payload_bytes = (uint32_t)payload.n,
                                .topic_bytes = (uint16_t)topic.n,
                                .host_bytes = (uint16_t)host.n,
                                .kind = (uint8_t)kind};
    at = put(put(message->data, payload), topic);
    *at++ = '\0';
    at = put(at, host);
    *at++ = '\0';
    put(at, trace);
    return message;
}

struct message *message_create(enum message_kind kind, uint64_t from, struct bytes host,
                               struct bytes topic, struct bytes payload)
{
    return create(kind, from, host, topic, payload, (struct bytes){NULL, 0});
}

struct message *message_create_traced(uint64_t from, struct bytes host,
                                      struct bytes topic, struct bytes payload,
                                      const uint8_t *trace)
{
    return create(MSG_USER, from, host, topic, payload,
                  (struct bytes){trace, TRACE_TEXT_BYTES});
}

void message_destroy(struct message *message)
{
    free(message);
}

void msgq_clear(struct msgq *queue)
{
    struct message *message;

    while ((message = msgq_take(queue)) != NULL)
        message_destroy(message);
}
