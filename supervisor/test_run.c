#include "supervisor/test_run.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/duration.h"
#include "common/err.h"
#include "common/exit.h"
#include "common/mem.h"
#include "common/value.h"
#include "common/wildcard.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/calls.h"
#include "supervisor/core.h"
#include "supervisor/entry.h"
#include "supervisor/options.h"
#include "supervisor/registry.h"
#include "supervisor/registry_kinds.h"
#include "supervisor/router.h"

#define TIMEOUT_NS   60000000000
#define ORDER_UNSAID 0

struct test {
    struct entry *entry; /* counted */
    const char *suite;   /* "" = none */
    int64_t order, timeout_ns;
};

struct test_run {
    struct supervisor *sup;
    FILE *out;
    struct test *tests;
    size_t n, next, n_failed;
    int64_t started_at_ns, test_at_ns; /* monotonic */
    bool answering; /* the answer came before the call returned: no deeper stack */
    bool answered;
    void (*done)(void *context, int exit_code);
    void *context;
};

/* ---- which ----------------------------------------------------------------------- */

static bool is_test(const struct entry *entry)
{
    const char *type = value_get_text(&entry->meta, "type");

    return type != NULL && strcmp(type, "test") == 0 && entry->type != NULL &&
           (entry->type->flags & (KIND_CALLABLE | KIND_PROCESS)) != 0;
}

static bool is_chosen(const struct texts *patterns, const struct entry *entry)
{
    const char *suite = value_get_text(&entry->meta, "suite");

    for (unsigned i = 0; i < patterns->n; i++) {
        const char *pattern = patterns->items[i];

        if (wildcard_matches(pattern, entry->id, strlen(entry->id)) ||
            wildcard_matches(pattern, entry->name, strlen(entry->name)) ||
            (suite != NULL && strcmp(pattern, suite) == 0))
            return true;
    }
    return patterns->n == 0;
}

static int read_test(struct entry *entry, struct test *out, struct err *err)
{
    const char *timeout = value_get_text(&entry->meta, "timeout");
    const char *suite = value_get_text(&entry->meta, "suite");
    char why[DURATION_ERROR_BYTES];

    *out = (struct test){
        .entry = entry,
        .suite = suite != NULL ? suite : "",
        .order = value_get_int(&entry->meta, "order", ORDER_UNSAID),
        .timeout_ns = TIMEOUT_NS,
    };
    if (timeout != NULL &&
        (!duration_parse(timeout, strlen(timeout), &out->timeout_ns, why) ||
         out->timeout_ns <= 0))
        return err_set(err, ERR_INVALID, "%s: meta.timeout is a duration like 5s",
                       entry->id);
    return 0;
}

static int compare_tests(const void *left, const void *right)
{
    const struct test *a = left, *b = right;
    int order = strcmp(a->suite, b->suite);

    if (order != 0)
        return order;
    if (a->order != b->order)
        return a->order < b->order ? -1 : 1;
    return strcmp(a->entry->id, b->entry->id);
}

static int collect(struct test_run *run, const struct texts *patterns, struct err *err)
{
    const struct snapshot *state = registry_state(run->sup->registry);

    run->tests = xcalloc(state->n + 1, sizeof(*run->tests));
    for (size_t i = 0; i < state->n; i++) {
        struct entry *entry = state->entries[i];

        if (!is_test(entry) || !is_chosen(patterns, entry))
            continue;
        if (read_test(entry, &run->tests[run->n], err) == -1)
            return -1;
        entry_ref(entry);
        run->n++;
    }
    if (run->n == 0 && patterns->n != 0)
        return err_set(err, ERR_NOT_FOUND, "no test is called %s", patterns->items[0]);
    if (run->n == 0)
        return err_set(err, ERR_NOT_FOUND,
                       "the app has no tests: no entry with meta.type: test, and none "
                       "with meta.command.name: test");
    qsort(run->tests, run->n, sizeof(*run->tests), compare_tests);
    return 0;
}

struct test_run *test_run_create(struct supervisor *sup, const struct options *options,
                                 FILE *out, void (*done)(void *context, int exit_code),
                                 void *context, struct err *err)
{
    struct test_run *run = xcalloc(1, sizeof(*run));

    run->sup = sup;
    run->out = out;
    run->done = done;
    run->context = context;
    if (collect(run, &options->args, err) == 0)
        return run;
    test_run_destroy(run);
    return NULL;
}

void test_run_destroy(struct test_run *run)
{
    if (run == NULL)
        return;
    for (size_t i = 0; i < run->n; i++)
        entry_unref(run->tests[i].entry);
    free(run->tests);
    free(run);
}

/* ---- how one ends ---------------------------------------------------------------- */

static int judge_value(const struct test *test, const struct value *value,
                       struct err *err)
{
    bool is_process = (test->entry->type->flags & KIND_PROCESS) != 0;

    if (value == NULL || value->type == VALUE_NIL)
        return 0;
    if (value->type == VALUE_BOOL && !value->as.boolean)
        return err_set(err, ERR_UNKNOWN, "it returned false");
    if (is_process && value->type == VALUE_INT && value->as.integer != 0)
        return err_set(err, ERR_UNKNOWN, "it ended with %lld",
                       (long long)value->as.integer);
    return 0;
}

/* A result that is no plain data is as good as any other. */
static int judge(const struct test *test, uint8_t status, struct bytes result,
                 struct err *err)
{
    struct value list = {0};
    struct err ignored;
    int rc = 0;

    if (status != REPLY_OK) {
        error_of_bytes(result, err);
        return -1;
    }
    if (payload_decode(result, &list, &ignored) == 0)
        rc = judge_value(test, value_item(&list, 0), err);
    value_finish(&list);
    return rc;
}

static long long ms_since(int64_t at_ns)
{
    return (long long)(clock_monotonic_ns() - at_ns) / 1000000;
}

/* Every line of the message, below the test's own. */
static void print_message(const struct test_run *run, const char *text)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");

        fprintf(run->out, "      %.*s\n", (int)n, text);
        text += n + (text[n] == '\n');
    }
}

static void tell(struct test_run *run, const struct test *test, int rc,
                 const struct err *err)
{
    fprintf(run->out, "%-5s %-40s %lld ms\n", rc == 0 ? "ok" : "FAIL", test->entry->id,
            ms_since(run->test_at_ns));
    if (rc == -1) {
        print_message(run, err->text);
        run->n_failed++;
    }
    fflush(run->out);
}

static void finish(struct test_run *run)
{
    fprintf(run->out, "%zu test%s: %zu passed, %zu failed, in %lld ms\n", run->n,
            run->n == 1 ? "" : "s", run->n - run->n_failed, run->n_failed,
            ms_since(run->started_at_ns));
    fflush(run->out);
    run->done(run->context, run->n_failed == 0 ? EXIT_OK : EXIT_FAILED);
}

/* ---- one after the other --------------------------------------------------------- */

static void go_on(struct test_run *run);

static void on_answer(void *context, uint8_t status, struct bytes result)
{
    struct test_run *run = context;
    const struct test *test = &run->tests[run->next++];
    struct err err = {0};

    tell(run, test, judge(test, status, result, &err), &err);
    run->answered = true;
    if (!run->answering)
        go_on(run);
}

static void start_one(struct test_run *run)
{
    const struct test *test = &run->tests[run->next];
    struct origin origin = {.type = ORIGIN_INTERNAL, .who.internal = {on_answer, run}};

    run->test_at_ns = clock_monotonic_ns();
    run->answered = false;
    run->answering = true;
    router_call_internal(run->sup, &origin, test->entry->id, (struct bytes){NULL, 0},
                         (uint64_t)run->test_at_ns + (uint64_t)test->timeout_ns);
    run->answering = false;
}

static void go_on(struct test_run *run)
{
    do {
        if (run->next == run->n) {
            finish(run);
            return;
        }
        start_one(run);
    } while (run->answered);
}

void test_run_start(struct test_run *run)
{
    run->started_at_ns = clock_monotonic_ns();
    go_on(run);
}
