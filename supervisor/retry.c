#include "supervisor/retry.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/value.h"

#include "proto/value_codec.h"

#include "supervisor/call_options.h"
#include "supervisor/service_backoff.h"

#define INITIAL_DELAY_MS 100
#define MAX_DELAY_MS     10000
#define FACTOR           2.0
#define JITTER           0.1

struct retry_policy {
    unsigned n_refs;
    struct backoff backoff;
    bool has_kinds;                 /* retry_kinds was given: only these */
    struct value kinds, skip_kinds; /* lists of texts, or one text */
};

/* ---- reading --------------------------------------------------------------------- */

static double number_or(const struct value *value, double fallback)
{
    if (value != NULL && value->type == VALUE_INT)
        return (double)value->as.integer;
    return value != NULL && value->type == VALUE_FLOAT ? value->as.real : fallback;
}

static uint32_t read_max_attempts(const struct value *retry)
{
    double n = number_or(value_get(retry, "max_attempts"), 0);

    return n >= 1 ? (n < UINT32_MAX ? (uint32_t)n : UINT32_MAX) : 0;
}

static uint64_t read_delay_ms(const struct value *retry, const char *key,
                              uint64_t fallback)
{
    uint64_t ns = call_option_span_ns(value_get(retry, key));

    return ns != 0 ? (ns + 999999) / 1000000 : fallback;
}

static double read_jitter(const struct value *retry)
{
    double jitter = number_or(value_get(retry, "jitter"), JITTER);

    return jitter >= 0 ? (jitter < 1 ? jitter : 1) : JITTER;
}

static double read_factor(const struct value *retry)
{
    double factor = number_or(value_get(retry, "backoff_factor"), FACTOR);

    return factor > 0 ? factor : FACTOR;
}

static struct value copy_of(const struct value *value)
{
    return value != NULL ? value_copy(value) : (struct value){0};
}

struct retry_policy *retry_policy_create(const struct value *retry)
{
    struct retry_policy *policy;

    if (read_max_attempts(retry) <= 1)
        return NULL;
    policy = xcalloc(1, sizeof(*policy));
    policy->n_refs = 1;
    policy->backoff = (struct backoff){
        .initial_delay_ms = read_delay_ms(retry, "initial_delay", INITIAL_DELAY_MS),
        .max_delay_ms = read_delay_ms(retry, "max_delay", MAX_DELAY_MS),
        .factor = read_factor(retry),
        .jitter = read_jitter(retry),
        .max_attempts = read_max_attempts(retry)};
    policy->kinds = copy_of(value_get(retry, "retry_kinds"));
    policy->skip_kinds = copy_of(value_get(retry, "skip_kinds"));
    policy->has_kinds = policy->kinds.type != VALUE_NIL;
    return policy;
}

struct retry_policy *retry_policy_ref(const struct retry_policy *policy)
{
    struct retry_policy *counted = (struct retry_policy *)policy;

    counted->n_refs++;
    return counted;
}

void retry_policy_unref(struct retry_policy *policy)
{
    if (policy == NULL || --policy->n_refs != 0)
        return;
    value_finish(&policy->kinds);
    value_finish(&policy->skip_kinds);
    free(policy);
}

/* ---- deciding -------------------------------------------------------------------- */

static bool is_text(const struct value *value, const char *text)
{
    const char *own = value_text(value);

    return own != NULL && strcmp(own, text) == 0;
}

static bool is_listed(const struct value *kinds, const char *kind)
{
    if (kinds->type != VALUE_LIST)
        return is_text(kinds, kind);
    for (size_t i = 0; i < kinds->as.list.n; i++)
        if (is_text(&kinds->as.list.items[i], kind))
            return true;
    return false;
}

/* Trying again would only fail again. */
static bool is_final_by_default(const char *kind)
{
    static const char *const kinds[] = {"Invalid", "PermissionDenied", "Internal"};

    for (size_t i = 0; i < N_ELEMENTS(kinds); i++)
        if (strcmp(kind, kinds[i]) == 0)
            return true;
    return false;
}

static bool kind_is_wanted(const struct retry_policy *policy, const char *kind)
{
    if (is_listed(&policy->skip_kinds, kind))
        return false;
    if (policy->has_kinds)
        return is_listed(&policy->kinds, kind);
    return !is_final_by_default(kind);
}

bool retry_wanted(const struct retry_policy *policy, uint32_t n_failed,
                  struct bytes error)
{
    const struct value *retryable;
    struct value fields = {0};
    const char *kind;
    bool wanted;

    if (!backoff_may_restart(&policy->backoff, n_failed) ||
        value_decode(error.data, error.n, NULL, &fields, NULL) == -1)
        return false;
    retryable = value_get(&fields, "retryable");
    kind = value_get_text(&fields, "kind");
    kind = kind != NULL && kind[0] != '\0' ? kind : "Unknown";
    wanted =
        (retryable == NULL || retryable->type != VALUE_BOOL || retryable->as.boolean) &&
        kind_is_wanted(policy, kind);
    value_finish(&fields);
    return wanted;
}

uint64_t retry_delay_ns(const struct retry_policy *policy, uint32_t n_failed,
                        double random)
{
    return backoff_delay_ms(&policy->backoff, n_failed, random) * 1000000;
}
