#include "supervisor/system.h"

#include <string.h>

#include <ev.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/core.h"

#include "tests/unit/unit.h"

static struct supervisor sup;
static struct request *kept; /* by the handler "keep" */
static unsigned n_cancelled;

/* What an origin was told. */
struct told {
    unsigned n;
    uint8_t status;
    struct err err;
    struct value result;
};
static struct told told;

static void on_done(void *context, uint8_t status, struct bytes result)
{
    struct told *out = context;
    struct err bad = {0};

    out->n++;
    out->status = status;
    if (status == REPLY_OK)
        ck_assert_int_eq(payload_decode(result, &out->result, &bad), 0);
    else
        ck_assert_int_eq(error_decode(result, &out->err, &bad), 0);
}

static void handle_echo(struct request *request)
{
    request_reply(request, &request->args.as.list.items[0]);
}

static void handle_keep(struct request *request)
{
    kept = request;
}

static bool let_go(struct request *request)
{
    n_cancelled++;
    ck_assert_ptr_eq(request, kept);
    kept = NULL;
    return true;
}

static void handle_watch(struct request *request)
{
    kept = request;
    request->on_cancel = let_go;
}

static const struct system_target targets[] = {
    {"test.watch", handle_watch, ALLOW_ANY},
    {"test.echo", handle_echo, ALLOW_ANY},
    {"test.keep", handle_keep, ALLOW_ANY},
};

static void start(void)
{
    sup.loop = ev_default_loop(0);
    sup.system = system_create(&sup);
    system_add_targets(sup.system, targets, N_ELEMENTS(targets));
    memset(&told, 0, sizeof(told));
    kept = NULL;
    n_cancelled = 0;
}

static void finish(void)
{
    system_destroy(sup.system);
    value_finish(&told.result);
}

static struct origin origin_of(uint64_t call)
{
    return (struct origin){
        .type = ORIGIN_INTERNAL, .call = call, .who.internal = {on_done, &told}};
}

static void call(const char *target, const struct value *args, size_t n_args,
                 uint64_t deadline_at_ns)
{
    struct origin origin = origin_of(7);
    struct buf payload;

    buf_init(&payload, 0);
    ck_assert(payload_encode(&payload, args, n_args));
    system_call(sup.system, &origin, bytes_of_text(target), 0, deadline_at_ns,
                buf_bytes(&payload));
    buf_finish(&payload);
}

START_TEST(system_finds_its_targets)
{
    struct value arg = value_int(42);

    call("@test.echo", &arg, 1, 0);
    ck_assert_uint_eq(told.n, 1);
    ck_assert_int_eq(told.result.as.list.items[0].as.integer, 42);
}
END_TEST

static const char *const unknown[] = {"@",    "@test",     "@test.ech",   "@test.echoo",
                                      "@zzz", "@\xff\xff", "@test.echo\n"};

START_TEST(system_knows_no_other_targets_C2)
{
    call(unknown[_i], NULL, 0, 0);
    ck_assert_uint_eq(told.n, 1);
    ck_assert_int_eq(told.err.kind, ERR_NOT_FOUND);
}
END_TEST

START_TEST(system_refuses_malformed_arguments)
{
    static const uint8_t rubbish[] = {0x00, 0xdd, 0xff, 0xff, 0xff, 0xff};
    struct origin origin = origin_of(7);

    system_call(sup.system, &origin, bytes_of_text("@test.echo"), 0, 0,
                (struct bytes){rubbish, sizeof(rubbish)});
    ck_assert_uint_eq(told.n, 1);
    ck_assert_int_eq(told.err.kind, ERR_INVALID);
}
END_TEST

START_TEST(system_answers_a_cancelled_request_once)
{
    struct origin origin = origin_of(7), other = origin_of(8);

    call("@test.keep", NULL, 0, 0);
    system_cancel(sup.system, &other);
    ck_assert_uint_eq(told.n, 0);
    system_cancel(sup.system, &origin);
    ck_assert_uint_eq(told.n, 1);
    ck_assert_int_eq(told.err.kind, ERR_CANCELED);
    request_reply(kept, NULL); /* the handler doesn't know: nobody hears it */
    ck_assert_uint_eq(told.n, 1);
}
END_TEST

START_TEST(system_lets_handlers_give_a_request_back)
{
    struct origin origin = origin_of(7);

    call("@test.watch", NULL, 0, 0);
    ck_assert_uint_eq(system_count_open(sup.system), 1);
    system_cancel(sup.system, &origin);
    ck_assert_uint_eq(n_cancelled, 1);
    ck_assert_uint_eq(told.n, 1);
    ck_assert_uint_eq(system_count_open(sup.system), 0);
}
END_TEST

START_TEST(system_forgets_who_is_gone)
{
    call("@test.watch", NULL, 0, 0);
    system_origin_gone(sup.system, &told);
    ck_assert_uint_eq(n_cancelled, 1);
    ck_assert_uint_eq(told.n, 0);
}
END_TEST

START_TEST(system_bounds_what_waits_for_an_answer)
{
    for (int i = 0; i < SYSTEM_MAX_OPEN; i++)
        call("@test.watch", NULL, 0, 0);
    ck_assert_uint_eq(system_count_open(sup.system), SYSTEM_MAX_OPEN);
    ck_assert_uint_eq(told.n, 0);
    call("@test.watch", NULL, 0, 0);
    ck_assert_uint_eq(told.n, 1);
    ck_assert_int_eq(told.err.kind, ERR_RATE_LIMITED);
    request_reply(kept, NULL);
    call("@test.watch", NULL, 0, 0); /* there is room again */
    ck_assert_uint_eq(told.n, 2);
    ck_assert_uint_eq(system_count_open(sup.system), SYSTEM_MAX_OPEN);
}
END_TEST

START_TEST(system_keeps_deadlines)
{
    call("@test.watch", NULL, 0, (uint64_t)clock_monotonic_ns() + 1000000);
    while (told.n == 0)
        ev_run(sup.loop, EVRUN_ONCE);
    ck_assert_int_eq(told.err.kind, ERR_TIMEOUT);
    ck_assert_uint_eq(n_cancelled, 1);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_checked_fixture(tc, start, finish);
    tcase_add_test(tc, system_finds_its_targets);
    tcase_add_loop_test(tc, system_knows_no_other_targets_C2, 0, N_ELEMENTS(unknown));
    tcase_add_test(tc, system_refuses_malformed_arguments);
    tcase_add_test(tc, system_answers_a_cancelled_request_once);
    tcase_add_test(tc, system_lets_handlers_give_a_request_back);
    tcase_add_test(tc, system_forgets_who_is_gone);
    tcase_add_test(tc, system_bounds_what_waits_for_an_answer);
    tcase_add_test(tc, system_keeps_deadlines);
}

int main(void)
{
    return unit_main("system", fill);
}
