#include "worker/message.h"

#include <string.h>

#include "tests/unit/unit.h"

static struct bytes text(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

START_TEST(message_keeps_all_its_parts)
{
    struct message *message =
        message_create(MSG_USER, 77, text("app:host"), text("top"), text("payload"));

    ck_assert_uint_eq(message->from, 77);
    ck_assert_uint_eq(message->kind, MSG_USER);
    ck_assert_uint_eq(message->payload_bytes, 7);
    ck_assert_mem_eq(message_payload(message), "payload", 7);
    ck_assert_str_eq(message_topic(message), "top");
    ck_assert_uint_eq(message->topic_bytes, 3);
    ck_assert_str_eq(message_host(message), "app:host");
    ck_assert_uint_eq(message->host_bytes, 8);
    ck_assert_uint_eq(message_size(message), sizeof(*message) + 7 + 3 + 8 + 2);
    ck_assert(!message->failed && !message->is_counted);
    message_destroy(message);
}
END_TEST

START_TEST(message_may_be_empty)
{
    struct bytes none = {NULL, 0};
    struct message *message = message_create(MSG_TICK, 0, none, none, none);

    ck_assert_str_eq(message_topic(message), "");
    ck_assert_str_eq(message_host(message), "");
    message_destroy(message);
}
END_TEST

START_TEST(message_takes_topics_of_any_bytes_up_to_65535)
{
    struct bytes none = {NULL, 0}, topic = {NULL, 65535};
    uint8_t *bytes = calloc(1, 65536);
    struct message *message;

    memset(bytes, 'x', 65536);
    bytes[5] = '\0';
    topic.data = bytes;
    message = message_create(MSG_USER, 1, none, topic, none);
    ck_assert_uint_eq(message->topic_bytes, 65535);
    ck_assert_mem_eq(message_topic(message), bytes, 65535);
    ck_assert_int_eq(message_topic(message)[65535], '\0');
    message_destroy(message);
    topic.n++;
    ck_assert_ptr_null(message_create(MSG_USER, 1, none, topic, none));
    ck_assert_ptr_null(message_create(MSG_USER, 1, topic, none, none));
    free(bytes);
}
END_TEST

START_TEST(message_queue_is_first_in_first_out)
{
    struct bytes none = {NULL, 0};
    struct msgq queue;

    msgq_init(&queue);
    ck_assert_ptr_null(msgq_take(&queue));
    for (uint64_t round = 0; round < 3; round++) {
        for (uint64_t i = 1; i <= 5; i++)
            msgq_append(&queue, message_create(MSG_USER, i, none, none, none));
        ck_assert_uint_eq(queue.n, 5);
        for (uint64_t i = 1; i <= 5; i++) {
            struct message *message = msgq_take(&queue);

            ck_assert_uint_eq(message->from, i);
            message_destroy(message);
        }
        ck_assert_uint_eq(queue.n, 0);
    }
    msgq_append(&queue, message_create(MSG_USER, 1, none, none, none));
    msgq_append(&queue, message_create(MSG_USER, 2, none, none, none));
    msgq_clear(&queue);
    ck_assert_uint_eq(queue.n, 0);
    ck_assert_ptr_null(queue.first);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, message_keeps_all_its_parts);
    tcase_add_test(tc, message_may_be_empty);
    tcase_add_test(tc, message_takes_topics_of_any_bytes_up_to_65535);
    tcase_add_test(tc, message_queue_is_first_in_first_out);
}

int main(void)
{
    return unit_main("message", fill);
}
