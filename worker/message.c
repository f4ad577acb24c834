#include "worker/message.h"

#include <stdlib.h>

static uint8_t *put(uint8_t *at, struct bytes bytes)
{
    if (bytes.n != 0)
        memcpy(at, bytes.data, bytes.n);
    return at + bytes.n;
}

struct message *message_create(enum message_kind kind, uint64_t from, struct bytes host,
                               struct bytes topic, struct bytes payload)
{
    struct message *message = NULL;
    uint8_t *at;

    if (topic.n <= UINT16_MAX && host.n <= UINT16_MAX && payload.n <= UINT32_MAX)
        message = malloc(sizeof(*message) + payload.n + topic.n + host.n + 2);

    if (message == NULL)
        return NULL;
    *message = (struct message){.from = from,
                                .payload_bytes = (uint32_t)payload.n,
                                .topic_bytes = (uint16_t)topic.n,
                                .host_bytes = (uint16_t)host.n,
                                .kind = (uint8_t)kind};
    at = put(put(message->data, payload), topic);
    *at++ = '\0';
    at = put(at, host);
    *at = '\0';
    return message;
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
