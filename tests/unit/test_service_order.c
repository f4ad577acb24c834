#include "supervisor/service_order.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

/* "A>b" derived edge, "A!b" required edge; capitals are services, others are not. */
static struct order *build(const char *const *edges)
{
    struct order *order = order_create();

    for (; *edges != NULL; edges++) {
        const char *edge = *edges;
        char from[2] = {edge[0], 0}, to[2] = {edge[2], 0};
        size_t node = order_add_node(order, from, from[0] < 'a');

        order_add_edge(order, node, to, edge[1] == '!');
        order_add_node(order, to, to[0] < 'a');
    }
    order_resolve(order);
    return order;
}

static const char *needs_of(const struct order *order, const char *id)
{
    static char text[64];
    size_t n, at = 0;

    for (size_t i = 0; i < order_count(order); i++) {
        const size_t *needs;

        if (strcmp(order_id(order, i), id) != 0)
            continue;
        needs = order_needs(order, i, &n);
        for (size_t j = 0; j < n; j++)
            at += (size_t)snprintf(text + at, sizeof(text) - at, "%s",
                                   order_id(order, needs[j]));
    }
    text[at] = '\0';
    return text;
}

static size_t node_of(struct order *order, const char *id)
{
    return order_add_node(order, id, false);
}

START_TEST(order_follows_what_is_no_service)
{
    static const char *const edges[] = {"A>x", "x>y", "y>B", "x>C", "C>D", NULL};
    struct order *order = build(edges);

    ck_assert_str_eq(needs_of(order, "A"), "BC");
    ck_assert_str_eq(needs_of(order, "C"), "D");
    ck_assert_ptr_null(order_missing(order, node_of(order, "A")));
    order_destroy(order);
}
END_TEST

START_TEST(order_sorts_and_drops_doubles)
{
    static const char *const edges[] = {"A>Z", "A>B", "A!B", "A>x", "x>B", NULL};
    struct order *order = build(edges);

    ck_assert_str_eq(needs_of(order, "A"), "BZ");
    order_destroy(order);
}
END_TEST

/* SV-8: a required name that leads to no service is missing; a reference isn't. */
START_TEST(order_tells_missing_requirements)
{
    static const char *const edges[] = {"A!x", "A!y", "A>z", "y>B", "A!q", NULL};
    struct order *order = build(edges);

    ck_assert_str_eq(order_missing(order, node_of(order, "A")),
                     "A requires x, A requires q");
    ck_assert_str_eq(needs_of(order, "A"), "B");
    order_destroy(order);
}
END_TEST

START_TEST(order_names_the_cycle)
{
    static const char *const edges[] = {"A!B", "B>x", "x>C", "C!A", "D!A", "C!E", NULL};
    struct order *order = build(edges);

    ck_assert_str_eq(order_cycle(order, node_of(order, "A")), "A -> B -> C -> A");
    ck_assert_str_eq(order_cycle(order, node_of(order, "C")), "C -> A -> B -> C");
    ck_assert_ptr_null(order_cycle(order, node_of(order, "D")));
    ck_assert_ptr_null(order_cycle(order, node_of(order, "E")));
    order_destroy(order);
}
END_TEST

START_TEST(order_requiring_oneself_is_a_cycle_referring_to_oneself_is_not)
{
    static const char *const edges[] = {"A!A", "B>x", "x>B", NULL};
    struct order *order = build(edges);

    ck_assert_str_eq(order_cycle(order, node_of(order, "A")), "A -> A");
    ck_assert_str_eq(needs_of(order, "B"), "");
    ck_assert_ptr_null(order_cycle(order, node_of(order, "B")));
    order_destroy(order);
}
END_TEST

/* Entries that are no services may refer to each other in circles. */
START_TEST(order_survives_circles_of_other_entries)
{
    static const char *const edges[] = {"A>x", "x>y", "y>x", "y>B", NULL};
    struct order *order = build(edges);

    ck_assert_str_eq(needs_of(order, "A"), "B");
    ck_assert_ptr_null(order_cycle(order, node_of(order, "A")));
    order_destroy(order);
}
END_TEST

/* A chain of 20,000 must neither recurse nor take for ever. */
START_TEST(order_is_not_deep)
{
    struct order *order = order_create();
    char from[16], to[16];
    size_t n;

    for (int i = 0; i < 20000; i++) {
        snprintf(from, sizeof(from), "x%d", i);
        snprintf(to, sizeof(to), "x%d", i + 1);
        order_add_edge(order, order_add_node(order, from, i == 0), to, false);
    }
    order_add_node(order, "x20000", true);
    order_resolve(order);
    ck_assert_str_eq(order_id(order, order_needs(order, 0, &n)[0]), "x20000");
    ck_assert_uint_eq(n, 1);
    order_destroy(order);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, order_follows_what_is_no_service);
    tcase_add_test(tc, order_sorts_and_drops_doubles);
    tcase_add_test(tc, order_tells_missing_requirements);
    tcase_add_test(tc, order_names_the_cycle);
    tcase_add_test(tc, order_requiring_oneself_is_a_cycle_referring_to_oneself_is_not);
    tcase_add_test(tc, order_survives_circles_of_other_entries);
    tcase_add_test(tc, order_is_not_deep);
}

int main(void)
{
    return unit_main("service_order", fill);
}
