#include "supervisor/call_options.h"

#include "common/duration.h"
#include "common/err.h"
#include "common/value.h"

#include "proto/value_codec.h"

#include "supervisor/retry.h"

#define SPAN_MAX_MS 3.0e11 /* about ten years; longer is as good as none at all */

static uint64_t span_of_ms(double ms)
{
    if (!(ms > 0))
        return 0;
    return (uint64_t)((ms < SPAN_MAX_MS ? ms : SPAN_MAX_MS) * 1e6);
}

uint64_t call_option_span_ns(const struct value *value)
{
    char problem[DURATION_ERROR_BYTES];
    int64_t ns = 0;

    if (value == NULL)
        return 0;
    switch (value->type) {
    case VALUE_INT:
        return span_of_ms((double)value->as.integer);
    case VALUE_FLOAT:
        return span_of_ms(value->as.real);
    case VALUE_STRING:
        duration_parse(value->as.string.data, value->as.string.n, &ns, problem);
        return span_of_ms((double)ns / 1e6);
    default:
        return 0;
    }
}

int call_options_decode(struct bytes field, struct value *list_out, struct err *err)
{
    if (payload_decode(field, list_out, err) == 0)
        return 0;
    return err_wrap(err, "the options of this call can't be read");
}

void call_options_read(struct call_options *out, const struct value *own)
{
    out->timeout_ns = call_option_span_ns(value_get(own, "timeout"));
    out->retry = retry_policy_create(value_get(own, "retry"));
}

struct call_options call_options_copy(const struct call_options *options)
{
    return (struct call_options){
        .timeout_ns = options->timeout_ns,
        .retry = options->retry != NULL ? retry_policy_ref(options->retry) : NULL};
}

void call_options_overlay(struct call_options *out, const struct call_options *own,
                          const struct value *given)
{
    const struct value *timeout = value_get(given, "timeout");
    const struct value *retry = value_get(given, "retry");

    *out = call_options_copy(own);
    if (timeout != NULL)
        out->timeout_ns = call_option_span_ns(timeout);
    if (retry != NULL) {
        retry_policy_unref(out->retry);
        out->retry = retry_policy_create(retry);
    }
}

void call_options_finish(struct call_options *options)
{
    retry_policy_unref(options->retry);
    *options = (struct call_options){0};
}
