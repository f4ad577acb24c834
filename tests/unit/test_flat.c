#include "common/flat.h"

#include "common/err.h"
#include "common/value.h"

#include "tests/unit/unit.h"

static void make(struct flat *flat, struct value *value, const char *text)
{
    struct err err = {0};

    ck_assert_msg(value_read_json(text, strlen(text), value, &err) == 0, "%s",
                  err.text);
    flat_init(flat);
    ck_assert_int_eq(flat_add_value(flat, value), 0);
}

START_TEST(flat_keeps_document_order)
{
    struct value value;
    struct flat flat;

    make(&flat, &value, "{\"a\": [1, {}], \"b\": \"x\"}");
    ck_assert_uint_eq(flat.n, 7);
    ck_assert_uint_eq(flat.nodes[0].type, FLAT_MAP);
    ck_assert_uint_eq(flat.nodes[0].n, 2);
    ck_assert_uint_eq(flat.nodes[0].next, 7);
    ck_assert_uint_eq(flat.nodes[1].type, FLAT_STRING);
    ck_assert_uint_eq(flat.nodes[2].type, FLAT_LIST);
    ck_assert_uint_eq(flat.nodes[2].next, 5);
    ck_assert_uint_eq(flat.nodes[4].type, FLAT_MAP);
    ck_assert_uint_eq(flat.nodes[4].next, 5);
    ck_assert_mem_eq(flat.nodes[6].as.text, "x", 1);
    flat_finish(&flat);
    value_finish(&value);
}
END_TEST

START_TEST(flat_compares_as_json_does)
{
    static const struct {
        const char *a, *b;
        bool want;
    } rows[] = {
        {"1", "1.0", true},
        {"1", "true", false},
        {"null", "false", false},
        {"\"a\"", "\"a\"", true},
        {"\"a\"", "\"ab\"", false},
        {"[1, [2, {}]]", "[1, [2, {}]]", true},
        {"[1, 2]", "[2, 1]", false},
        {"[]", "{}", false},
        {"{\"a\": 1, \"b\": {\"c\": []}}", "{\"b\": {\"c\": []}, \"a\": 1}", true},
        {"{\"a\": 1, \"b\": 2}", "{\"a\": 1, \"c\": 2}", false},
        {"{\"a\": 1}", "{\"a\": 1, \"b\": 2}", false},
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct value v, w;
        struct flat a, b;
        uint64_t steps = 1000;

        make(&a, &v, rows[i].a);
        make(&b, &w, rows[i].b);
        ck_assert_msg(flat_equal(&a, 0, &b, 0, &steps) == rows[i].want, "%s %s",
                      rows[i].a, rows[i].b);
        ck_assert_uint_gt(steps, 0);
        steps = 1000;
        ck_assert(flat_equal(&b, 0, &a, 0, &steps) == rows[i].want);
        flat_finish(&a);
        flat_finish(&b);
        value_finish(&v);
        value_finish(&w);
    }
}
END_TEST

START_TEST(flat_comparison_stops_when_it_may_cost_no_more)
{
    struct value v, w;
    struct flat a, b;
    uint64_t steps = 5;

    make(&a, &v, "[1, 2, 3, 4, 5, 6, 7, 8]");
    make(&b, &w, "[1, 2, 3, 4, 5, 6, 7, 8]");
    flat_equal(&a, 0, &b, 0, &steps);
    ck_assert_uint_eq(steps, 0);
    flat_finish(&a);
    flat_finish(&b);
    value_finish(&v);
    value_finish(&w);
}
END_TEST

START_TEST(flat_gives_equal_nodes_equal_hashes)
{
    struct value value;
    struct flat flat;
    const struct flat_node *nodes;

    make(
        &flat, &value,
        "[{\"a\": 1, \"b\": [2.0]}, {\"b\": [2], \"a\": 1.0}, {\"a\": [2], \"b\": 1}]");
    ck_assert(flat_make_hashes(&flat));
    nodes = flat.nodes;
    ck_assert_uint_eq(flat.hashes[1], flat.hashes[nodes[1].next]);
    ck_assert_uint_ne(flat.hashes[1], flat.hashes[nodes[nodes[1].next].next]);
    flat_finish(&flat);
    value_finish(&value);
}
END_TEST

/* [t, t, {}] as Lua sends it: the second is the first once more. */
START_TEST(flat_follows_tables_that_occur_twice)
{
    struct flat flat;
    uint64_t steps = 100;

    flat_init(&flat);
    flat.nodes[flat_add(&flat, FLAT_LIST)].n = 3;
    flat.nodes[flat_add(&flat, FLAT_LIST)].n = 1;
    flat.nodes[flat_add(&flat, FLAT_INT)].as.integer = 7;
    flat.nodes[1].next = 3;
    flat.nodes[flat_add(&flat, FLAT_SAME)].as.same = 1;
    flat_add(&flat, FLAT_EMPTY);
    flat.nodes[0].next = 5;
    ck_assert(flat_equal(&flat, 1, &flat, 3, &steps));
    ck_assert(!flat_equal(&flat, 3, &flat, 4, &steps));
    ck_assert(flat_make_hashes(&flat));
    ck_assert_uint_eq(flat.hashes[1], flat.hashes[3]);
    flat_finish(&flat);
}
END_TEST

START_TEST(flat_refuses_what_is_too_large)
{
    struct flat flat;
    uint32_t n = 0;

    flat_init(&flat);
    while (flat_add(&flat, FLAT_NULL) != UINT32_MAX)
        n++;
    ck_assert_uint_eq(n, FLAT_MAX_NODES);
    flat_finish(&flat);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, flat_keeps_document_order);
    tcase_add_test(tc, flat_compares_as_json_does);
    tcase_add_test(tc, flat_comparison_stops_when_it_may_cost_no_more);
    tcase_add_test(tc, flat_gives_equal_nodes_equal_hashes);
    tcase_add_test(tc, flat_follows_tables_that_occur_twice);
    tcase_add_test(tc, flat_refuses_what_is_too_large);
}

int main(void)
{
    return unit_main("flat", fill);
}
