#include "worker/identity.h"

#include "common/buf.h"

#include "proto/context_map.h"
#include "proto/value_codec.h"

#include "tests/unit/unit.h"

#include "worker/context.h"

/* A context of these encoded values, NULL for a key that is not there. */
static struct context *make_context(const char *actor, size_t actor_bytes,
                                    const char *scope, size_t scope_bytes)
{
    static const char *const keys[] = {"actor", "scope"};
    struct context *context;
    struct buf out;

    buf_init(&out, 0);
    ck_assert(context_map_begin(&out, (struct bytes){NULL, 0}, keys,
                                (size_t)(actor != NULL) + (scope != NULL)));
    if (actor != NULL)
        ck_assert(context_map_append_key(&out, "actor") &&
                  buf_append(&out, actor, actor_bytes));
    if (scope != NULL)
        ck_assert(context_map_append_key(&out, "scope") &&
                  buf_append(&out, scope, scope_bytes));
    ck_assert_int_eq(context_create(buf_bytes(&out), &context), 0);
    buf_finish(&out);
    return context;
}

#define ACTOR                                                                          \
    "\x81\xa2id\xa3"                                                                   \
    "ann" /* {id: ann} */
#define BROKEN                                                                         \
    "\x81\xa3i\0d\xa3"                                                                 \
    "ann" /* a key holds a NUL byte */
#define SCOPE                                                                          \
    "\x91\xa5"                                                                         \
    "a:all" /* [a:all] */
#define OF(text) text, sizeof(text) - 1

START_TEST(s1_parts_are_there_or_not)
{
    struct actor actor = {0};
    const struct identity *identity;

    ck_assert_ptr_null(identity_of(&actor));
    actor.context = make_context(OF(ACTOR), NULL, 0);
    identity = identity_of(&actor);
    ck_assert(identity->has_actor && !identity->has_scope);
    context_unref(actor.context);
    actor.context = make_context(OF(ACTOR), OF(SCOPE));
    identity = identity_of(&actor);
    ck_assert(identity->has_actor && identity->has_scope);
    ck_assert_uint_eq(identity->policies.as.list.n, 1);
    context_unref(actor.context);
}
END_TEST

/* S-4: an incomplete context is allowed everything, so it must not pass for one. */
START_TEST(s4_what_cannot_be_read_may_do_nothing)
{
    struct context *contexts[] = {
        make_context(OF(BROKEN), OF(SCOPE)),        make_context(OF(BROKEN), NULL, 0),
        make_context(OF(ACTOR), OF("\x91" BROKEN)), make_context(OF("\xc0"), OF(SCOPE)),
        make_context(OF(ACTOR), OF(ACTOR)),
    };

    for (size_t i = 0; i < sizeof(contexts) / sizeof(contexts[0]); i++) {
        struct actor actor = {.context = contexts[i]};
        const struct identity *identity = identity_of(&actor);

        ck_assert_ptr_nonnull(identity);
        ck_assert(identity->has_actor && identity->has_scope);
        ck_assert_uint_eq(identity->policies.as.list.n, 0);
        context_unref(contexts[i]);
    }
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, s1_parts_are_there_or_not);
    tcase_add_test(tc, s4_what_cannot_be_read_may_do_nothing);
}

int main(void)
{
    return unit_main("identity", fill);
}
