#include "supervisor/router.h"

#include <stdlib.h>

#include "supervisor/calls_private.h"

#include "tests/unit/floor.h"
#include "tests/unit/unit.h"

struct answer {
    int n; /* how often it came */
    struct err err;
};

static void on_answer(void *context, uint8_t status, struct bytes result)
{
    struct answer *answer = context;

    answer->n++;
    ck_assert_uint_eq(status, REPLY_ERROR);
    error_of_bytes(result, &answer->err);
}

static const struct {
    size_t n_bytes;
    enum err_kind kind;
} targets[] = {
    {STR_MAX_BYTES, ERR_NOT_FOUND},
    {STR_MAX_BYTES + 1, ERR_LIMIT_EXCEEDED},
};

START_TEST(router_answers_a_call_that_no_frame_has_room_for)
{
    struct answer answer = {0};
    struct origin origin = {.type = ORIGIN_INTERNAL,
                            .who.internal = {on_answer, &answer}};
    char *target = xmalloc(targets[_i].n_bytes + 1);

    memset(target, 'a', targets[_i].n_bytes);
    target[targets[_i].n_bytes] = '\0';
    floor_open();
    router_call_internal(&sup, &origin, target, (struct bytes){NULL, 0}, 0);
    FLOOR_UNTIL(answer.n != 0);
    ck_assert_int_eq(answer.n, 1);
    ck_assert_int_eq(answer.err.kind, targets[_i].kind);
    floor_close();
    free(target);
}
END_TEST

static void ignore(void *context, uint8_t status, struct bytes result)
{
    (void)context, (void)status, (void)result;
}

/* A peer may name any deadline: the supervisor must not look for it again and again. */
START_TEST(calls_of_far_deadlines_keep_nobody_busy)
{
    struct origin origin = {.type = ORIGIN_INTERNAL, .who.internal = {ignore, NULL}};
    struct err err;

    floor_open();
    ck_assert_ptr_nonnull(calls_open(sup.calls, &origin, FRAME_CALL, UINT64_MAX, &err));
    for (int i = 0; i < 3; i++)
        ev_run(sup.loop, EVRUN_NOWAIT);
    ck_assert(ev_timer_remaining(sup.loop, &sup.calls->timer) > 1e9);
    floor_close();
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, calls_of_far_deadlines_keep_nobody_busy);
    tcase_add_loop_test(tc, router_answers_a_call_that_no_frame_has_room_for, 0,
                        N_ELEMENTS(targets));
}

int main(void)
{
    return unit_main("router", fill);
}
