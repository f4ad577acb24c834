#include "worker/contract_check.h"

#include <stdio.h>

#include "common/err.h"
#include "common/flat.h"
#include "common/list.h"
#include "common/log.h"
#include "common/schema.h"
#include "common/value.h"

#include "proto/flat_codec.h"
#include "proto/value_codec.h"
#include "proto/value_skip.h"

#include "worker/contracts.h"
#include "worker/runtime.h"
#include "worker/uplink.h"

/* One value that doesn't fit. */
struct flaw {
    const struct contract_method *method;
    bool is_output;
    uint32_t index; /* counted from 1 */
    struct schema_report report;
};

static const char *direction_of(const struct flaw *flaw)
{
    return flaw->is_output ? "output" : "input";
}

static struct value message_of(const struct flaw *flaw)
{
    char text[1000], first[600];
    struct schema_report only = {.n = 1};

    only.errors[0] = flaw->report.errors[0];
    schema_report_format(&only, first, sizeof(first));
    snprintf(text, sizeof(text), "contract %.255s method %.60s %s %u: %s",
             flaw->method->contract->id, flaw->method->name, direction_of(flaw),
             flaw->index, first);
    return value_string(text);
}

static struct value details_of(const struct flaw *flaw)
{
    struct value details = value_map();

    value_put(&details, "contract", value_string(flaw->method->contract->id));
    value_put(&details, "method", value_string(flaw->method->name));
    value_put(&details, "direction", value_string(direction_of(flaw)));
    value_put(&details, "index", value_int(flaw->index));
    value_put(&details, "errors", schema_report_to_value(&flaw->report));
    return details;
}

static void write_error(const struct flaw *flaw, struct buf *out)
{
    struct value fields = value_map();
    enum err_kind kind = flaw->is_output ? ERR_INTERNAL : ERR_INVALID;

    value_put(&fields, "kind", value_string(err_kind_name(kind)));
    value_put(&fields, "message", message_of(flaw));
    value_put(&fields, "retryable", value_bool(false));
    value_put(&fields, "details", details_of(flaw));
    error_encode_value(out, &fields);
    value_finish(&fields);
}

static void write_warning(const struct flaw *flaw, struct runtime *rt)
{
    struct value fields = value_map();

    value_put(&fields, "contract", value_string(flaw->method->contract->id));
    value_put(&fields, "method", value_string(flaw->method->name));
    uplink_log(rt->uplink, LOG_WARN, "contract", message_of(flaw), fields);
}

/* What can't be looked at is a flaw of all of it. */
static void set_report(struct schema_report *report, const struct err *err)
{
    report->n = 1;
    report->more = false;
    report->errors[0].path[0] = '\0';
    snprintf(report->errors[0].text, sizeof(report->errors[0].text), "%.180s",
             err->text);
}

static bool fits(const struct schema *schema, struct bytes value,
                 struct schema_report *report)
{
    struct flat flat;
    struct err err;
    bool ok = false;

    flat_init(&flat);
    if (flat_decode(value, &flat, &err) == 0)
        ok = schema_check(schema, &flat, report);
    else
        set_report(report, &err);
    flat_finish(&flat);
    return ok;
}

/* A refusal written to error_out (false), or a warning (true). */
static bool judge(const struct flaw *flaw, struct runtime *rt, struct buf *error_out)
{
    if (rt->settings.validation == VALIDATION_WARN) {
        write_warning(flaw, rt);
        return true;
    }
    write_error(flaw, error_out);
    return false;
}

static bool is_nil(struct bytes value)
{
    return value.n == 1 && value.data[0] == 0xc0;
}

/* How many values there are without the nils at the end. */
static uint32_t count_given(struct bytes values, uint32_t n)
{
    struct bytes value;
    uint32_t given = 0;

    for (uint32_t i = 0; i < n && value_skip(&values, &value); i++)
        if (!is_nil(value))
            given = i + 1;
    return given;
}

bool contract_check_arguments(const struct call_check *check, struct runtime *rt,
                              struct bytes payload, struct buf *error_out)
{
    const struct contract_method *method =
        container_of(check, const struct contract_method, check);
    struct flaw flaw = {.method = method};
    struct bytes rest, value;
    uint32_t n, given;
    uint8_t graph;

    if (method->n_inputs == 0 || !payload_split(payload, &graph, &n, &rest))
        return true;
    given = count_given(rest, n);
    for (uint32_t i = 0; i < given && i < method->n_inputs; i++) {
        if (!value_skip(&rest, &value))
            return true;
        if (method->inputs[i] == NULL || fits(method->inputs[i], value, &flaw.report))
            continue;
        flaw.index = i + 1;
        if (!judge(&flaw, rt, error_out))
            return false;
    }
    return true;
}

bool contract_check_result(const struct call_check *check, struct runtime *rt,
                           struct bytes payload, struct buf *error_out)
{
    static const uint8_t nil[] = {0xc0};
    const struct contract_method *method =
        container_of(check, const struct contract_method, check);
    struct flaw flaw = {.method = method, .is_output = true, .index = 1};
    struct bytes rest, value = {nil, 1};
    uint32_t n;
    uint8_t graph;

    if (method->output == NULL || !payload_split(payload, &graph, &n, &rest) ||
        (n != 0 && !value_skip(&rest, &value)))
        return true;
    return fits(method->output, value, &flaw.report) || judge(&flaw, rt, error_out);
}
