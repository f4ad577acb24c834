#include "supervisor/stores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/core.h"
#include "supervisor/env.h"
#include "supervisor/registry.h"
#include "supervisor/system.h"
#include "supervisor/token_targets.h"

#include "tests/unit/unit.h"

static struct supervisor sup;
static struct err failure;
static struct value answer; /* a list */
static uint8_t answered;

static void on_done(void *context, uint8_t status, struct bytes result)
{
    (void)context;
    answered = status;
    value_finish(&answer);
    if (status == REPLY_OK)
        ck_assert_int_eq(payload_decode(result, &answer, NULL), 0);
    else
        ck_assert_int_eq(error_decode(result, &failure, NULL), 0);
}

/* args: JSON. The answer as JSON, or the error's text. */
static const char *call(const char *target, const char *args)
{
    static char text[600];
    struct origin origin = {.type = ORIGIN_INTERNAL, .who.internal = {on_done, NULL}};
    struct value list;
    struct buf buf;

    ck_assert_int_eq(value_read_json(args, strlen(args), &list, &failure), 0);
    buf_init(&buf, 0);
    ck_assert(payload_encode(&buf, list.as.list.items, list.as.list.n));
    system_call(sup.system, &origin, bytes_of_text(target), 0, 0, buf_bytes(&buf));
    buf_finish(&buf);
    value_finish(&list);
    if (answered != REPLY_OK) {
        snprintf(text, sizeof(text), "%s: %s", err_kind_name(failure.kind),
                 failure.text);
        return text;
    }
    buf_init(&buf, 0);
    if (answer.as.list.n != 0)
        value_write_json(&buf, &answer.as.list.items[0], 0);
    snprintf(text, sizeof(text), "%.*s", (int)buf_len(&buf), (char *)buf_head(&buf));
    buf_finish(&buf);
    return text;
}

static void change(enum change_op op, const char *id, const char *kind,
                   const char *data)
{
    struct value value = value_map();
    struct operation operation = {.op = op, .id = id};
    struct changeset *changeset;
    struct err err;

    if (op != CHANGE_DELETE) {
        value_finish(&value);
        ck_assert_int_eq(value_read_json(data, strlen(data), &value, &err), 0);
        operation.entry = entry_create(id, strlen(id), kind, value_map(), value);
    }
    changeset = registry_prepare(sup.registry, &operation, 1, NULL, &err);
    ck_assert_msg(changeset != NULL, "%s", err.text);
    ck_assert_int_eq(registry_commit(sup.registry, changeset, NULL, &err), 0);
    entry_unref(operation.entry);
}

static void start(void)
{
    log_set_fd(-1);
    sup.loop = ev_default_loop(0);
    sup.system = system_create(&sup);
    sup.registry = registry_create();
    sup.env = env_create(sup.registry);
    sup.stores = stores_create(&sup);
    token_targets_add(&sup);
    change(CHANGE_CREATE, "app:s", "store.memory", "{\"max_size\":3}");
}

static void finish(void)
{
    value_finish(&answer);
    stores_destroy(sup.stores);
    system_destroy(sup.system);
    env_destroy(sup.env);
    registry_destroy(sup.registry);
}

START_TEST(store_keeps_what_was_set)
{
    ck_assert_str_eq(call("@store.get", "[\"app:s\",\"k\"]"), "null");
    ck_assert_str_eq(call("@store.set", "[\"app:s\",\"k\",{\"a\":[1,2.5]},0]"), "true");
    ck_assert_str_eq(call("@store.get", "[\"app:s\",\"k\"]"), "{\"a\":[1,2.5]}");
    ck_assert_str_eq(call("@store.set", "[\"app:s\",\"k\",\"new\",0]"), "true");
    ck_assert_str_eq(call("@store.get", "[\"app:s\",\"k\"]"), "\"new\"");
    ck_assert_str_eq(call("@store.delete", "[\"app:s\",\"k\"]"), "true");
    ck_assert_str_eq(call("@store.delete", "[\"app:s\",\"k\"]"), "false");
    ck_assert_str_eq(call("@store.get", "[\"app:s\",\"k\"]"), "null");
}
END_TEST

START_TEST(store_is_bounded)
{
    ck_assert_str_eq(call("@store.set", "[\"app:s\",\"a\",1,0]"), "true");
    ck_assert_str_eq(call("@store.set", "[\"app:s\",\"b\",1,0]"), "true");
    ck_assert_str_eq(call("@store.set", "[\"app:s\",\"c\",1,0]"), "true");
    ck_assert_str_eq(call("@store.set", "[\"app:s\",\"d\",1,0]"),
                     "Unavailable: store is full");
    ck_assert_int_eq(failure.retryable, RETRY_YES);
    ck_assert_str_eq(call("@store.set", "[\"app:s\",\"a\",2,0]"), "true");
    change(CHANGE_UPDATE, "app:s", "store.memory", "{\"max_size\":4}");
    ck_assert_str_eq(call("@store.set", "[\"app:s\",\"d\",1,0]"), "true");
    ck_assert_str_eq(call("@store.get", "[\"app:s\",\"a\"]"), "2");
}
END_TEST

static void let_pass(uint64_t ms)
{
    uint64_t until = clock_monotonic_ms() + ms;

    while (clock_monotonic_ms() < until)
        ;
}

/* What has ended makes room, and isn't there for anybody. */
START_TEST(store_forgets_what_has_ended)
{
    ck_assert_str_eq(call("@store.set", "[\"app:s\",\"a\",1,1]"), "true");
    ck_assert_str_eq(call("@store.set", "[\"app:s\",\"b\",1,1]"), "true");
    ck_assert_str_eq(call("@store.set", "[\"app:s\",\"c\",1,3600000]"), "true");
    let_pass(2);
    ck_assert_str_eq(call("@store.get", "[\"app:s\",\"a\"]"), "null");
    ck_assert_str_eq(call("@store.set", "[\"app:s\",\"d\",1,0]"), "true");
    ck_assert_str_eq(call("@store.set", "[\"app:s\",\"e\",1,0]"), "true");
    ck_assert_str_eq(call("@store.delete", "[\"app:s\",\"b\"]"), "false");
    ck_assert_str_eq(call("@store.get", "[\"app:s\",\"c\"]"), "1");
}
END_TEST

START_TEST(store_forgets_what_ends_after_others_have)
{
    ck_assert_str_eq(call("@store.set", "[\"app:s\",\"a\",1,0]"), "true");
    ck_assert_str_eq(call("@store.set", "[\"app:s\",\"b\",1,1]"), "true");
    ck_assert_str_eq(call("@store.set", "[\"app:s\",\"c\",1,20]"), "true");
    let_pass(2);
    ck_assert_str_eq(call("@store.set", "[\"app:s\",\"d\",1,0]"), "true");
    let_pass(21);
    ck_assert_str_eq(call("@store.set", "[\"app:s\",\"e\",1,0]"), "true");
    ck_assert_str_eq(call("@store.set", "[\"app:s\",\"f\",1,0]"),
                     "Unavailable: store is full");
}
END_TEST

#define MIB ((size_t)1 << 20)

/* Sets key to a text of that size. */
static uint8_t set_text(const char *key, size_t n_bytes, int64_t ttl_ms)
{
    struct origin origin = {.type = ORIGIN_INTERNAL, .who.internal = {on_done, NULL}};
    struct value args[] = {value_string("app:s"),
                           value_string(key),
                           {.type = VALUE_STRING},
                           value_int(ttl_ms)};
    struct buf buf;

    args[2].as.string.data = calloc(1, n_bytes + 1);
    args[2].as.string.n = n_bytes;
    buf_init(&buf, 0);
    ck_assert(payload_encode(&buf, args, N_ELEMENTS(args)));
    for (size_t i = 0; i < N_ELEMENTS(args); i++)
        value_finish(&args[i]);
    system_call(sup.system, &origin, bytes_of_text("@store.set"), 0, 0,
                buf_bytes(&buf));
    buf_finish(&buf);
    return answered;
}

/* What is replaced or has ended takes no room, by bytes neither. */
START_TEST(store_counts_only_the_bytes_that_stay)
{
    change(CHANGE_UPDATE, "app:s", "store.memory", "{}");
    ck_assert_uint_eq(set_text("a", 200 * MIB, 0), REPLY_OK);
    ck_assert_uint_eq(set_text("b", 40 * MIB, 1), REPLY_OK);
    let_pass(2);
    ck_assert_uint_eq(set_text("c", 50 * MIB, 0), REPLY_OK);
    ck_assert_uint_eq(set_text("c", 51 * MIB, 0), REPLY_OK);
    ck_assert_uint_eq(set_text("c", 60 * MIB, 0), REPLY_ERROR);
    ck_assert_uint_eq(set_text("d", 10 * MIB, 0), REPLY_ERROR);
}
END_TEST

START_TEST(store_goes_with_its_entry)
{
    call("@store.set", "[\"app:s\",\"a\",1,0]");
    change(CHANGE_DELETE, "app:s", NULL, NULL);
    ck_assert_str_eq(call("@store.get", "[\"app:s\",\"a\"]"),
                     "NotFound: resource not found");
    change(CHANGE_CREATE, "app:s", "store.memory", "{}");
    ck_assert_str_eq(call("@store.get", "[\"app:s\",\"a\"]"), "null");
}
END_TEST

static const struct {
    const char *target, *args, *want;
} refused[] = {
    {"@store.get", "[]", "Invalid: id and key must be texts"},
    {"@store.get", "[1,\"k\"]", "Invalid: id and key must be texts"},
    {"@store.get", "[\"app:s\",\"\"]", "Invalid: key is required"},
    {"@store.get", "[\"app:none\",\"k\"]", "NotFound: resource not found"},
    {"@store.get", "[\"app:e\",\"k\"]",
     "Invalid: resource is not a key-value store: registry.entry"},
    {"@store.set", "[\"app:s\",\"k\",1]",
     "Invalid: value and time to live are required"},
    {"@store.set", "[\"app:s\",\"k\",1,-1]",
     "Invalid: value and time to live are required"},
    {"@tokens.store", "[]", "NotFound: token store not found"},
    {"@tokens.store", "[\"app:none\"]", "NotFound: token store not found"},
    {"@tokens.store", "[\"app:s\"]", "Invalid: resource is not a token store"},
};

START_TEST(store_targets_refuse)
{
    change(CHANGE_CREATE, "app:e", "registry.entry", "{}");
    ck_assert_str_eq(call(refused[_i].target, refused[_i].args), refused[_i].want);
}
END_TEST

START_TEST(s50_token_store_fields)
{
    change(CHANGE_CREATE, "app:t", "security.token_store", "{\"store\":\"s\"}");
    ck_assert_str_eq(call("@tokens.store", "[\"app:t\"]"),
                     "{\"store\":\"app:s\",\"token_length\":32,"
                     "\"expiration_ms\":86400000,\"token_key\":null}");
    change(CHANGE_UPDATE, "app:t", "security.token_store",
           "{\"store\":\"app:s\",\"token_length\":8,\"default_expiration\":\"90s\","
           "\"token_key\":\"k\"}");
    ck_assert_str_eq(call("@tokens.store", "[\"app:t\"]"),
                     "{\"store\":\"app:s\",\"token_length\":8,"
                     "\"expiration_ms\":90000,\"token_key\":\"k\"}");
}
END_TEST

START_TEST(s50_token_key_env_wins_if_it_is_set)
{
    change(CHANGE_CREATE, "app:m", "env.storage.static",
           "{\"values\":{\"KEY\":\"from env\"}}");
    change(CHANGE_CREATE, "app:v", "env.variable",
           "{\"variable\":\"KEY\",\"storage\":\"app:m\"}");
    change(CHANGE_CREATE, "app:t", "security.token_store",
           "{\"store\":\"s\",\"token_key\":\"k\",\"token_key_env\":\"KEY\"}");
    ck_assert_ptr_ne(strstr(call("@tokens.store", "[\"app:t\"]"), "\"from env\""),
                     NULL);
    change(CHANGE_UPDATE, "app:t", "security.token_store",
           "{\"store\":\"s\",\"token_key\":\"k\",\"token_key_env\":\"NONE\"}");
    ck_assert_ptr_ne(strstr(call("@tokens.store", "[\"app:t\"]"), "\"k\""), NULL);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_checked_fixture(tc, start, finish);
    tcase_add_test(tc, store_keeps_what_was_set);
    tcase_add_test(tc, store_is_bounded);
    tcase_add_test(tc, store_forgets_what_has_ended);
    tcase_add_test(tc, store_forgets_what_ends_after_others_have);
    tcase_add_test(tc, store_counts_only_the_bytes_that_stay);
    tcase_add_test(tc, store_goes_with_its_entry);
    tcase_add_loop_test(tc, store_targets_refuse, 0, N_ELEMENTS(refused));
    tcase_add_test(tc, s50_token_store_fields);
    tcase_add_test(tc, s50_token_key_env_wins_if_it_is_set);
}

int main(void)
{
    return unit_main("stores", fill);
}
