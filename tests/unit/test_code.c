#include "supervisor/code.h"

#include <signal.h>

#include "supervisor/problems.h"

#include "tests/unit/floor.h"
#include "tests/unit/unit.h"

static struct entry *make_entry(const char *id, const char *source)
{
    struct value data = value_map();

    value_put(&data, "source", value_string(source));
    value_put(&data, "method", value_string("main"));
    return entry_create(id, strlen(id), "function.lua", value_map(), data);
}

/* Puts entries (taken) into the registry. */
static void commit(struct entry **entries, size_t n)
{
    struct operation *operations = xcalloc(n, sizeof(*operations));
    struct changeset *changeset;
    struct err err = {0};

    for (size_t i = 0; i < n; i++)
        operations[i] = (struct operation){.op = CHANGE_CREATE, .entry = entries[i]};
    changeset = registry_prepare(sup.registry, operations, n, NULL, &err);
    ck_assert_msg(changeset != NULL, "%s", err.text);
    ck_assert_int_eq(registry_commit(sup.registry, changeset, NULL, &err), 0);
    for (size_t i = 0; i < n; i++)
        entry_unref(entries[i]);
    free(operations);
}

struct outcome {
    size_t n_problems, n_compiled, n_failed;
    int n_done;
    char last_problem[64];
    struct err last_err;
};

static void on_problem(void *context, const struct entry *entry, const struct err *err,
                       const struct value *details)
{
    struct outcome *outcome = context;

    (void)details;
    outcome->n_problems++;
    outcome->last_err = *err;
    snprintf(outcome->last_problem, sizeof(outcome->last_problem), "%s", entry->id);
}

static void on_done(void *context, size_t n_compiled, size_t n_failed)
{
    struct outcome *outcome = context;

    outcome->n_done++;
    outcome->n_compiled = n_compiled;
    outcome->n_failed = n_failed;
}

static void commit_many(size_t n, size_t special, const char *source)
{
    struct entry **entries = xcalloc(n, sizeof(struct entry *));

    for (size_t i = 0; i < n; i++) {
        char *id = xasprintf("app:f%zu", i);

        entries[i] = make_entry(id, i == special ? source : "return 1");
        free(id);
    }
    commit(entries, n);
    free(entries);
}

START_TEST(code_compiles_everything_and_collects_problems)
{
    struct outcome outcome = {0};

    floor_open();
    commit_many(2000, 1234, "wrong");
    code_compile_all(sup.code, on_problem, on_done, &outcome);
    FLOOR_UNTIL(outcome.n_done != 0);
    ck_assert_uint_eq(outcome.n_compiled, 1999);
    ck_assert_uint_eq(outcome.n_failed, 1);
    ck_assert_uint_eq(outcome.n_problems, 1);
    ck_assert_str_eq(outcome.last_problem, "app:f1234");
    ck_assert_str_eq(outcome.last_err.text, "wrong source");
    ck_assert_uint_eq(workers_count(sup.workers), 1);
    floor_close();
}
END_TEST

/* A source that kills the compiler fails alone. */
START_TEST(code_survives_the_death_of_its_worker)
{
    struct outcome outcome = {0};

    floor_open();
    commit_many(500, 77, "die");
    code_compile_all(sup.code, on_problem, on_done, &outcome);
    FLOOR_UNTIL(outcome.n_done != 0);
    ck_assert_uint_eq(outcome.n_compiled, 499);
    ck_assert_uint_eq(outcome.n_failed, 1);
    ck_assert_str_eq(outcome.last_problem, "app:f77");
    ck_assert_int_eq(outcome.last_err.kind, ERR_UNAVAILABLE);
    floor_close();
}
END_TEST

START_TEST(code_with_nothing_to_do_is_done_at_once)
{
    struct outcome outcome = {0};

    floor_open();
    code_compile_all(sup.code, on_problem, on_done, &outcome);
    ck_assert_int_eq(outcome.n_done, 1);
    ck_assert_uint_eq(workers_count(sup.workers), 0);
    floor_close();
}
END_TEST

START_TEST(code_get_hands_out_what_a_worker_needs)
{
    struct entry *entry;
    const struct value *map;
    struct asked asked;

    floor_open();
    entry = make_entry("app:f", "return 7");
    commit(&entry, 1);
    floor_call(&asked, "@code.get", "app:f", value_int(0));
    map = floor_first(&asked);
    ck_assert_str_eq(value_get_text(map, "id"), "app:f");
    ck_assert_str_eq(value_get_text(map, "kind"), "function.lua");
    ck_assert_str_eq(value_get_text(map, "method"), "main");
    ck_assert_str_eq(value_get_text(map, "bytecode"), "return 7");
    ck_assert(value_get_bool(map, "uses_G", false));
    ck_assert_int_eq(value_get(map, "modules")->type, VALUE_LIST);
    ck_assert_int_eq(value_get(map, "imports")->type, VALUE_MAP);
    value_finish(&asked.list);
    floor_ask(&asked, "@code.get", "app:f", value_int(0), 0); /* kept by now */
    ck_assert_int_eq(asked.n_answers, 1);
    value_finish(&asked.list);
    floor_ask(&asked, "@code.get", "app:none", value_int(0), 0);
    ck_assert_int_eq(asked.err.kind, ERR_NOT_FOUND);
    floor_close();
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, code_compiles_everything_and_collects_problems);
    tcase_add_test(tc, code_survives_the_death_of_its_worker);
    tcase_add_test(tc, code_with_nothing_to_do_is_done_at_once);
    tcase_add_test(tc, code_get_hands_out_what_a_worker_needs);
}

int main(void)
{
    return unit_main("code", fill);
}
