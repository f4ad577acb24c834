#include "worker/modules/json_validate.h"

#include "tests/unit/lua_cases.h"

#include "worker/modules/mod_json.h"

/* A snippet fails when its last two results aren't false and an Error of that text. */
#define REFUSES                                                                        \
    "local function refuses(text, ok, err)\n"                                          \
    "  eq(ok, false) eq(err:kind(), 'Invalid') eq(err:retryable(), false)\n"           \
    "  if err:message():sub(1, #text) ~= text then error(err:message(), 2) end\n"      \
    "  return err\n"                                                                   \
    "end\n"

static const char *const cases[] = {
    /* tables and text, on both sides */
    "eq(json.validate({type = 'integer'}, 3), true)\n"
    "eq(json.validate('{\"type\": \"integer\"}', 3.0), true)\n"
    "eq(json.validate_string({type = 'object'}, '{}'), true)\n"
    "eq(json.validate_string('{\"items\": {\"type\": \"null\"}}', '[null]'), true)\n"
    "eq(select('#', json.validate({}, 1)), 1)",
    /* what is wrong with the data */
    "local err = refuses('/: property \\'name\\' is missing; /to: expected string, got "
    "integer',\n"
    "  json.validate({properties = {to = {type = 'string'}}, allOf = {\n"
    "    {required = {'name'}}}}, {to = 1}))\n"
    "local errors = err:details().errors\n"
    "eq(#errors, 2) eq(errors[1].path, '') eq(errors[2].path, '/to')\n"
    "eq(errors[2].message, 'expected string, got integer')",
    /* in the order in which it is asked */
    "refuses('schema is required', json.validate())\n"
    "refuses('schema is required', json.validate(nil, 1))\n"
    "refuses('schema must be a string or table', json.validate(1, 1))\n"
    "refuses('data is required', json.validate({}))\n"
    "refuses('data is required', json.validate_string({}, nil))\n"
    "refuses('data must be a JSON string', json.validate_string({}, 1))\n"
    "refuses('invalid schema: /type: unknown type', json.validate({type = 'x'}, 1))\n"
    "refuses('invalid schema: /', json.validate('{', 1))\n"
    "refuses('invalid schema: /pattern: ', json.validate({pattern = '('}, 1))",
    "local ok, err = json.validate_string({}, '{')\n"
    "eq(ok, false) eq(err:kind(), 'Invalid')",
    /* an empty table is both, JSON text says which */
    "eq(json.validate({type = 'array'}, {}), true)\n"
    "eq(json.validate({type = 'object'}, {}), true)\n"
    "refuses('/: expected array', json.validate_string({type = 'array'}, '{}'))\n"
    "refuses('/: expected object', json.validate_string({type = 'object'}, '[]'))\n"
    "eq(json.validate({properties = {}, required = {}}, {a = 1}), true)",
    /* tables that occur twice, and in themselves */
    "local t = {n = 1}\n"
    "local schema = {type = 'array', items = {required = {'n'}}}\n"
    "eq(json.validate(schema, {t, t, {n = 2}}), true)\n"
    "refuses('/: item 1 equals', json.validate({uniqueItems = true}, {t, t}))\n"
    "t.self = t\n"
    "refuses('a table that contains itself', json.validate(schema, {t}))",
    /* a schema that shares tables */
    "local name = {type = 'string'}\n"
    "local schema = {properties = {a = name, b = name}}\n"
    "eq(json.validate(schema, {a = 'x', b = 'y'}), true)\n"
    "refuses('/b: expected string', json.validate(schema, {b = 1}))",
    /* more schemas than are kept, and each twice */
    "for round = 1, 2 do\n"
    "  for i = 1, 250 do\n"
    "    eq(json.validate({minimum = i}, i), true)\n"
    "    refuses('/: must be at least', json.validate({minimum = i}, i - 1))\n"
    "  end\n"
    "end",
};

START_TEST(json_validate_does_what_its_cases_say)
{
    char chunk[4096];

    snprintf(chunk, sizeof(chunk), "%s%s", REFUSES, cases[_i]);
    lua_case_run(json_open, "json", chunk);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, json_validate_does_what_its_cases_say, 0,
                        N_ELEMENTS(cases));
}

int main(void)
{
    return unit_main("json_validate", fill);
}
