#include "common/wildcard.h"

#include <string.h>

#include "tests/unit/unit.h"

static bool matches(const char *pattern, const char *text)
{
    return wildcard_matches(pattern, text, strlen(text));
}

START_TEST(s11_a_star_matches_everything)
{
    ck_assert(matches("*", ""));
    ck_assert(matches("*", "app:x"));
}
END_TEST

START_TEST(s11_no_star_matches_itself)
{
    ck_assert(matches("app:x", "app:x"));
    ck_assert(!matches("app:x", "app:xy"));
    ck_assert(!matches("app:x", "App:x"));
    ck_assert(!matches("app:x", "app:"));
    ck_assert(matches("", ""));
    ck_assert(!matches("", "x"));
}
END_TEST

START_TEST(s11_prefixes)
{
    ck_assert(matches("app:*", "app:x"));
    ck_assert(matches("app:*", "app:"));
    ck_assert(!matches("app:*", "apq:x"));
    ck_assert(!matches("app:*", "ap"));
}
END_TEST

START_TEST(s11_a_prefix_with_a_dot_drops_it)
{
    ck_assert(matches("doc.*", "doc"));
    ck_assert(matches("doc.*", "doc.x"));
    ck_assert(matches("doc.*", "docs"));
    ck_assert(!matches("doc.*", "do"));
    ck_assert(matches(".*", ".x"));
    ck_assert(!matches(".*", "x"));
}
END_TEST

START_TEST(s11_suffixes)
{
    ck_assert(matches("*.read", "doc.read"));
    ck_assert(matches("*.read", ".read"));
    ck_assert(!matches("*.read", "read"));
    ck_assert(!matches("*.read", "doc.reader"));
}
END_TEST

START_TEST(s11_other_stars_are_characters)
{
    ck_assert(matches("a*b", "a*b"));
    ck_assert(!matches("a*b", "axb"));
    ck_assert(matches("*a*", "*ab"));
    ck_assert(!matches("*a*", "xab"));
}
END_TEST

START_TEST(any_bytes_may_be_in_the_text)
{
    ck_assert(wildcard_matches("a*", "a\0b", 3));
    ck_assert(!wildcard_matches("a", "a\0b", 3));
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, s11_a_star_matches_everything);
    tcase_add_test(tc, s11_no_star_matches_itself);
    tcase_add_test(tc, s11_prefixes);
    tcase_add_test(tc, s11_a_prefix_with_a_dot_drops_it);
    tcase_add_test(tc, s11_suffixes);
    tcase_add_test(tc, s11_other_stars_are_characters);
    tcase_add_test(tc, any_bytes_may_be_in_the_text);
}

int main(void)
{
    return unit_main("wildcard", fill);
}
