/* policy_bench -- what a check costs: nanoseconds for a scope of ten policies, half of
 * them with conditions, half with expressions, all of which must be asked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/policy.h"

#define N_POLICIES 10

static const char *const fields[] = {
    "{\"actions\":[\"note.read\",\"note.write\"],\"resources\":\"note:*\",\"effect\":"
    "\"allow\",\"conditions\":[{\"field\":\"meta.owner\",\"operator\":\"eq\","
    "\"value_from\":\"actor.id\"},{\"field\":\"actor.meta.level\",\"operator\":\"gt\","
    "\"value\":2}]}",
    "{\"actions\":\"note.*\",\"resources\":\"*\",\"effect\":\"allow\",\"expression\":"
    "\"actor.meta.level > 2 && meta.owner == actor.id\"}",
};

static struct value read_json(const char *text)
{
    struct value value = {0};
    struct err err;

    if (value_read_json(text, strlen(text), &value, &err) == -1)
        exit(EXIT_FAILURE);
    return value;
}

int main(int argc, char **argv)
{
    struct value actor = read_json("{\"id\":\"ann\",\"meta\":{\"level\":3}}");
    struct value meta = read_json("{\"owner\":\"ann\"}");
    struct policy_check check = {&actor, "note.read", "note:17", &meta};
    struct policy *scope[N_POLICIES];
    int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 1000000;
    unsigned n_allowed = 0;
    int64_t start;

    for (size_t i = 0; i < N_POLICIES; i++) {
        struct value value = read_json(fields[i % N_ELEMENTS(fields)]);
        struct err err;

        scope[i] = policy_compile(
            &value, i % 2 == 0 ? POLICY_CONDITIONS : POLICY_EXPRESSION, &err);
        if (scope[i] == NULL)
            exit(EXIT_FAILURE);
        value_finish(&value);
    }
    start = clock_monotonic_ns();
    for (int i = 0; i < rounds; i++) {
        enum policy_effect effect = POLICY_UNDEFINED;

        for (size_t k = 0; k < N_POLICIES; k++)
            effect = policy_join(effect, policy_evaluate(scope[k], &check));
        n_allowed += effect == POLICY_ALLOW;
    }
    printf("{\"scope_ns\": %.1f}\n", (double)(clock_monotonic_ns() - start) / rounds);
    for (size_t i = 0; i < N_POLICIES; i++)
        policy_destroy(scope[i]);
    value_finish(&actor);
    value_finish(&meta);
    return n_allowed == (unsigned)rounds ? EXIT_SUCCESS : EXIT_FAILURE;
}
