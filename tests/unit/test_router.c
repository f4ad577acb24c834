#include "supervisor/router.h"

#include <stdlib.h>

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

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, router_answers_a_call_that_no_frame_has_room_for, 0,
                        N_ELEMENTS(targets));
}

int main(void)
{
    return unit_main("router", fill);
}
