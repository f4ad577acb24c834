#include "worker/modules/token_text.h"

#include <string.h>

#include "tests/unit/unit.h"

static struct bytes bytes_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static const struct bytes no_key = {NULL, 0};

START_TEST(s51_a_token_is_padded_base64url)
{
    char text[TOKEN_TEXT_MAX], other[TOKEN_TEXT_MAX];
    size_t first;

    ck_assert_uint_eq(token_make(text, 32, no_key, &first), 44);
    ck_assert_uint_eq(first, 44);
    ck_assert_int_eq(text[43], '=');
    for (int i = 0; i < 43; i++)
        ck_assert(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                         "0123456789-_",
                         text[i]) != NULL);
    ck_assert_uint_eq(token_make(other, 32, no_key, &first), 44);
    ck_assert(memcmp(text, other, 44) != 0);
    ck_assert_uint_eq(token_make(text, 1, no_key, &first), 4);
    ck_assert_uint_eq(token_make(text, TOKEN_MAX_LENGTH, no_key, &first), 1368);
    ck_assert_uint_eq(token_make(text, TOKEN_MAX_LENGTH, bytes_of("k"), &first),
                      TOKEN_TEXT_MAX);
    ck_assert_uint_eq(token_make(text, 0, no_key, &first), 0);
    ck_assert_uint_eq(token_make(text, TOKEN_MAX_LENGTH + 1, no_key, &first), 0);
}
END_TEST

/* Made with another implementation: HMAC-SHA256 of the encoded text. */
#define SIGNED "QUJD.jx94OKKWcqB5oLfEU15VqLzU_hottp3reDG1_7auUdw="

START_TEST(s51_the_signature_is_over_the_first_part)
{
    struct bytes key = bytes_of("secret"), token = bytes_of(SIGNED), first;

    ck_assert(token_split(token, key, &first));
    ck_assert_uint_eq(first.n, 4);
    ck_assert(token_is_genuine(token, first, key));
    ck_assert(!token_is_genuine(token, first, bytes_of("Secret")));
}
END_TEST

START_TEST(a14_every_changed_character_counts)
{
    struct bytes key = bytes_of("secret"), first;
    char text[] = SIGNED;
    struct bytes token = bytes_of(text);

    for (size_t i = 0; i < token.n; i++) {
        text[i] ^= 1;
        ck_assert(
            !(token_split(token, key, &first) && token_is_genuine(token, first, key)));
        text[i] ^= 1;
    }
}
END_TEST

static const struct {
    const char *text;
    bool keyed, plain;
} shapes[] = {
    {"", false, false}, {"abc", false, true},  {"a.b", true, true},
    {"a.", true, true}, {".b", false, true},   {"a.b.c", false, true},
    {".", false, true}, {"a..b", false, true},
};

START_TEST(s54_the_shape_of_tokens)
{
    struct bytes token = bytes_of(shapes[_i].text), key = bytes_of("k"), first;

    ck_assert_int_eq(token_split(token, key, &first), shapes[_i].keyed);
    ck_assert(!shapes[_i].keyed || !token_is_genuine(token, first, key));
    ck_assert_int_eq(token_split(token, no_key, &first), shapes[_i].plain);
    ck_assert(!shapes[_i].plain || first.n == token.n);
    ck_assert(!shapes[_i].plain || token_is_genuine(token, first, no_key));
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, s51_a_token_is_padded_base64url);
    tcase_add_test(tc, s51_the_signature_is_over_the_first_part);
    tcase_add_test(tc, a14_every_changed_character_counts);
    tcase_add_loop_test(tc, s54_the_shape_of_tokens, 0, N_ELEMENTS(shapes));
}

int main(void)
{
    return unit_main("token_text", fill);
}
