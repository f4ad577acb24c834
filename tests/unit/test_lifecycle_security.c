#include "supervisor/lifecycle_security.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/log.h"

#include "proto/value_codec.h"

#include "supervisor/entry.h"
#include "supervisor/problems.h"
#include "supervisor/registry.h"

#include "tests/unit/unit.h"

static struct registry *registry;
static struct problems problems;

static struct entry *make(const char *id, const char *kind, const char *data)
{
    struct value value;
    struct err err;

    ck_assert_int_eq(value_read_json(data, strlen(data), &value, &err), 0);
    return entry_create(id, strlen(id), kind, value_map(), value);
}

static void add(const char *id, const char *kind, const char *data)
{
    struct operation operation = {.op = CHANGE_CREATE, .entry = make(id, kind, data)};
    struct changeset *changeset;
    struct err err;

    changeset = registry_prepare(registry, &operation, 1, NULL, &err);
    ck_assert_msg(changeset != NULL, "%s", err.text);
    ck_assert_int_eq(registry_commit(registry, changeset, NULL, &err), 0);
    entry_unref(operation.entry);
}

#define POLICY(groups)                                                                 \
    "{\"policy\":{\"actions\":\"*\",\"resources\":\"*\",\"effect\":\"allow\"},"        \
    "\"groups\":[" groups "]}"

static void start(void)
{
    log_set_fd(-1);
    registry = registry_create();
    problems_init(&problems);
    add("sec:a", "security.policy", POLICY("\"users\",\"app:staff\""));
    add("sec:b", "security.policy", POLICY("\"users\""));
    add("app:own", "security.policy", POLICY("\"local\""));
}

static void finish(void)
{
    problems_finish(&problems);
    registry_destroy(registry);
}

/* security: the block as JSON. The map of the context as JSON, "" for none. */
static const struct {
    const char *security, *want;
} blocks[] = {
    {"{}", ""},
    {"null", ""},
    {"{\"actor\":{\"id\":\"svc\"}}", "{\"actor\":{\"id\":\"svc\",\"meta\":{}}}"},
    {"{\"actor\":{\"id\":\"svc\",\"meta\":{\"role\":\"r\"}},\"policies\":[\"sec:a\"]}",
     "{\"actor\":{\"id\":\"svc\",\"meta\":{\"role\":\"r\"}},\"scope\":[\"sec:a\"]}"},
    {"{\"groups\":[\"sec:users\"],\"policies\":[\"sec:a\",\"own\"]}",
     "{\"scope\":[\"sec:a\",\"sec:b\",\"app:own\"]}"},
    {"{\"groups\":[\"staff\",\"local\"]}", "{\"scope\":[\"sec:a\",\"app:own\"]}"},
    {"{\"actor\":{\"id\":\"svc\"},\"groups\":[\"users\"],\"policies\":[\"sec:c\"]}",
     "{\"actor\":{\"id\":\"svc\",\"meta\":{}}}"},
    {"{\"actor\":{\"id\":\"\"}}", ""},
    {"{\"groups\":\"users\",\"policies\":[1,\"svc\"]}", ""},
};

static struct entry *service_with(const char *security)
{
    char data[400];

    snprintf(data, sizeof(data), "{\"lifecycle\":{\"security\":%s}}", security);
    return make("app:svc", "process.service", data);
}

START_TEST(s61_actor_and_scope_of_a_service)
{
    struct entry *entry = service_with(blocks[_i].security);
    struct buf out, json;
    struct value list;

    buf_init(&out, 0);
    buf_init(&json, 0);
    ck_assert(lifecycle_security_encode(entry, registry_state(registry), &out));
    if (buf_len(&out) != 0) {
        ck_assert_int_eq(payload_decode(buf_bytes(&out), &list, NULL), 0);
        value_write_json(&json, &list.as.list.items[0], 0);
        value_finish(&list);
    }
    buf_append(&json, "", 1);
    ck_assert_str_eq((char *)buf_head(&json), blocks[_i].want);
    buf_finish(&out);
    buf_finish(&json);
    entry_unref(entry);
}
END_TEST

static const struct {
    const char *security;
    size_t n_errors, n_warnings;
    const char *text;
} checks[] = {
    {"{\"actor\":{\"id\":\"svc\"},\"policies\":[\"sec:a\"],\"groups\":[\"local\"]}", 0,
     0, NULL},
    {"{\"policies\":[\"sec:c\"]}", 0, 1,
     "lifecycle.security.policies names the policy sec:c, which does not exist"},
    {"{\"groups\":[\"users\"]}", 0, 1,
     "lifecycle.security.groups names the policy group app:users, which does not "
     "exist"},
    {"{\"groups\":\"users\"}", 1, 0,
     "lifecycle.security.groups must be a list of names"},
    {"{\"policies\":[1]}", 1, 0, "lifecycle.security.policies must be a list of names"},
    {"{\"actor\":{}}", 1, 0, "lifecycle.security.actor needs an id, a text"},
    {"{\"actor\":\"x\"}", 1, 0, "lifecycle.security.actor needs an id, a text"},
    {"{\"actor\":{\"id\":\"x\",\"meta\":1}}", 1, 0,
     "lifecycle.security.actor.meta must be a map of fields"},
    {"7", 1, 0, "lifecycle.security must be a map of fields"},
};

START_TEST(s61_check_names_what_is_wrong)
{
    struct entry *entry = service_with(checks[_i].security);

    lifecycle_security_check(entry, registry_state(registry), &problems);
    ck_assert_uint_eq(problems.n_errors, checks[_i].n_errors);
    ck_assert_uint_eq(problems.n_warnings, checks[_i].n_warnings);
    if (checks[_i].text != NULL)
        ck_assert_str_eq(problems.rows[0].text, checks[_i].text);
    entry_unref(entry);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_checked_fixture(tc, start, finish);
    tcase_add_loop_test(tc, s61_actor_and_scope_of_a_service, 0, N_ELEMENTS(blocks));
    tcase_add_loop_test(tc, s61_check_names_what_is_wrong, 0, N_ELEMENTS(checks));
}

int main(void)
{
    return unit_main("lifecycle_security", fill);
}
