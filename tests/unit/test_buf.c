#include "common/buf.h"

#include "tests/unit/unit.h"

START_TEST(buf_refuses_to_grow_over_its_bound)
{
    struct buf buf;

    buf_init(&buf, 1000);
    for (int i = 0; i < 10; i++)
        ck_assert(buf_append(&buf,
                             "0123456789012345678901234567890123456789"
                             "0123456789012345678901234567890123456789"
                             "01234567890123456789",
                             100));
    ck_assert(!buf_append(&buf, "x", 1));
    ck_assert_uint_eq(buf_len(&buf), 1000);
    buf_consume(&buf, 1);
    ck_assert(buf_append(&buf, "x", 1));
    ck_assert_int_eq(buf_head(&buf)[0], '1');
    ck_assert_int_eq(buf_head(&buf)[999], 'x');
    buf_finish(&buf);
}
END_TEST

START_TEST(buf_keeps_what_was_appended)
{
    struct buf buf;
    unsigned next_in = 0, next_out = 0;

    buf_init(&buf, 0);
    for (int round = 0; round < 2000; round++) {
        for (int i = 0; i < round % 37; i++, next_in++)
            ck_assert(buf_append(&buf, &next_in, sizeof(next_in)));
        for (int i = 0; i < round % 29 && buf_len(&buf) != 0; i++, next_out++) {
            unsigned got;

            memcpy(&got, buf_head(&buf), sizeof(got));
            ck_assert_uint_eq(got, next_out);
            buf_consume(&buf, sizeof(got));
        }
    }
    buf_finish(&buf);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, buf_refuses_to_grow_over_its_bound);
    tcase_add_test(tc, buf_keeps_what_was_appended);
}

int main(void)
{
    return unit_main("buf", fill);
}
