#include "common/policy.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"

#include "tests/unit/unit.h"

static struct value read_json(const char *text)
{
    struct value value = {0};
    struct err err;

    ck_assert_msg(value_read_json(text, strlen(text), &value, &err) == 0, "%s: %s",
                  text, err.text);
    return value;
}

static struct policy *compile(const char *text, struct err *err)
{
    struct value fields = read_json(text);
    struct policy *policy =
        policy_compile(&fields,
                       value_get(&fields, "expression") != NULL ? POLICY_EXPRESSION
                                                                : POLICY_CONDITIONS,
                       err);

    value_finish(&fields);
    return policy;
}

/* ---- S-10: what is refused ---- */

#define REST "\"resources\":\"*\",\"effect\":\"allow\""
#define WITH(condition)                                                                \
    "{\"actions\":\"*\"," REST                                                         \
    ",\"conditions\":[{\"field\":\"a\",\"operator\":\"eq\","                           \
    "\"value\":1}," condition "]}"

#define LARGE "{\"field\":\"a\",\"operator\":\"matches\",\"value\":\"\\\\pL{70}\"}"

static const struct {
    const char *fields, *want;
} refused[] = {
    {"{}", "invalid policy effect: "},
    {"{\"effect\":\"maybe\"}", "invalid policy effect: maybe"},
    {"{" REST "}", "actions must be a string or list"},
    {"{\"actions\":\"\"," REST "}", "actions string cannot be empty"},
    {"{\"actions\":[]," REST "}", "actions list cannot be empty"},
    {"{\"actions\":7," REST "}", "actions must be a string or list"},
    {"{\"actions\":\"*\",\"effect\":\"deny\"}", "resources must be a string or list"},
    {"{\"actions\":\"*\",\"resources\":[],\"effect\":\"deny\"}",
     "resources list cannot be empty"},
    {WITH("{}"), "condition 1: field is required"},
    {WITH("7"), "condition 1: field is required"},
    {WITH("{\"field\":\"a\"}"), "condition 1: operator is required"},
    {WITH("{\"field\":\"a\",\"operator\":\"eq\"}"),
     "condition 1: value or value_from is required"},
    {WITH("{\"field\":\"a\",\"operator\":\"eq\",\"value\":null}"),
     "condition 1: value or value_from is required"},
    {WITH("{\"field\":\"a\",\"operator\":\"like\",\"value\":1}"),
     "condition 1: invalid operator: like"},
    {WITH("{\"field\":\"a\",\"operator\":\"matches\",\"value\":\"(\"}"),
     "condition 1: invalid regex pattern"},
    {"{\"actions\":\"*\"," REST ",\"conditions\":[" LARGE "," LARGE "]}",
     "condition 1: the patterns are too large"},
    {WITH("{\"field\":\"a\",\"operator\":\"nmatches\",\"value\":7}"),
     "condition 1: invalid regex pattern"},
    /* S-20 */
    {"{\"actions\":\"*\"," REST ",\"expression\":\"\"}", "expression cannot be empty"},
    {"{\"actions\":\"*\"," REST ",\"expression\":7}", "expression cannot be empty"},
    {"{\"actions\":\"*\"," REST ",\"expression\":\"1 +\"}",
     "failed to compile expression: 1:4: unexpected end"},
    {"{\"actions\":\"*\"," REST ",\"expression\":\"action\"}",
     "failed to compile expression: 1:1: expected a boolean as the result"},
    {"{\"actions\":\"*\"," REST ",\"expression\":\"resource matches '('\"}",
     "failed to compile expression: 1:18: invalid pattern: missing ): ("},
};

START_TEST(s10_refuses)
{
    struct err err;

    ck_assert_ptr_eq(compile(refused[_i].fields, &err), NULL);
    ck_assert_int_eq(err.kind, ERR_INVALID);
    ck_assert_str_eq(err.text, refused[_i].want);
}
END_TEST

/* ---- S-11: actions and resources ---- */

static enum policy_effect ask(const char *fields, const char *actor, const char *action,
                              const char *resource, const char *meta)
{
    struct value actor_value = read_json(actor), meta_value = read_json(meta);
    struct policy_check check = {&actor_value, action, resource, &meta_value};
    struct err err;
    struct policy *policy = compile(fields, &err);
    enum policy_effect effect;

    ck_assert_msg(policy != NULL, "%s", err.text);
    effect = policy_evaluate(policy, &check);
    policy_destroy(policy);
    value_finish(&actor_value);
    value_finish(&meta_value);
    return effect;
}

static const struct {
    const char *patterns, *text;
    bool want;
} patterns[] = {
    {"\"*\"", "", true},          {"\"read\"", "read", true},
    {"\"read\"", "reads", false}, {"\"doc.*\"", "docs", true},
    {"\"doc.*\"", "do", false},   {"\"*.read\"", "doc.read", true},
    {"\"a*b\"", "axb", false},    {"[\"x\",7,\"read\"]", "read", true},
    {"[7]", "7", false},
};

START_TEST(s11_actions_and_resources_match)
{
    char fields[200];

    snprintf(fields, sizeof(fields),
             "{\"actions\":%s,\"resources\":\"r\",\"effect\":\"deny\"}",
             patterns[_i].patterns);
    ck_assert_int_eq(ask(fields, "{}", patterns[_i].text, "r", "{}"),
                     patterns[_i].want ? POLICY_DENY : POLICY_UNDEFINED);
    ck_assert_int_eq(ask(fields, "{}", patterns[_i].text, "other", "{}"),
                     POLICY_UNDEFINED);
    snprintf(fields, sizeof(fields),
             "{\"actions\":\"a\",\"resources\":%s,\"effect\":\"allow\"}",
             patterns[_i].patterns);
    ck_assert_int_eq(ask(fields, "{}", "a", patterns[_i].text, "{}"),
                     patterns[_i].want ? POLICY_ALLOW : POLICY_UNDEFINED);
}
END_TEST

/* ---- S-20: expressions ---- */

static const struct {
    const char *expression;
    enum policy_effect want;
} expressions[] = {
    {"true", POLICY_DENY},
    {"false", POLICY_UNDEFINED},
    {"actor.id == 'ann'", POLICY_DENY},
    {"actor.meta.level > 2", POLICY_DENY},
    {"actor.meta.nope == nil", POLICY_DENY},
    {"actor.meta.nope.deeper == 1", POLICY_UNDEFINED},
    {"action == 'act' && resource startsWith 'r'", POLICY_DENY},
    {"meta.owner == actor.id", POLICY_DENY},
    {"meta.owner", POLICY_UNDEFINED},
    {"nobody == nil", POLICY_DENY},
    /* A10: no tags at all */
    {"all(meta.tags, {# != 'private'})", POLICY_UNDEFINED},
    {"all(meta.tags ?? [], {# != 'private'})", POLICY_DENY},
};

START_TEST(s20_expressions_decide)
{
    char fields[300];
    struct err err;
    struct policy *policy;

    snprintf(fields, sizeof(fields),
             "{\"actions\":\"act\",\"resources\":\"*\",\"effect\":\"deny\","
             "\"expression\":\"%s\"}",
             expressions[_i].expression);
    policy = compile(fields, &err);
    if (policy == NULL) { /* known to be wrong before anybody asks */
        ck_assert_int_eq(expressions[_i].want, POLICY_UNDEFINED);
        return;
    }
    policy_destroy(policy);
    ck_assert_int_eq(ask(fields, "{\"id\":\"ann\",\"meta\":{\"level\":3}}", "act",
                         "res", "{\"owner\":\"ann\"}"),
                     expressions[_i].want);
    ck_assert_int_eq(ask(fields, "{\"id\":\"ann\"}", "other", "res", "{}"),
                     POLICY_UNDEFINED);
}
END_TEST

/* ---- S-12 to S-15: conditions ---- */

#define ACTOR                                                                          \
    "{\"id\":\"ann\",\"meta\":{\"level\":3,\"a\":{\"b\":\"deep\"},\"nil\":null}}"
#define META                                                                           \
    "{\"n\":5,\"text\":\"5\",\"word\":\"hello\",\"yes\":true,\"list\":[1,\"two\","     \
    "true],"                                                                           \
    "\"map\":{\"x\":1},\"a\":{\"b\":{\"c\":7}},\"a.b\":\"dotted\",\"half\":0.5,"       \
    "\"nil\":null,\"name\":\"ann\"}"

static const struct {
    const char *field, *how, *value; /* value: JSON, or a path after '@' */
    bool want;
} conditions[] = {
    /* S-13: patterns */
    {"word", "matches", "\"^h.*o$\"", true},
    {"word", "matches", "\"ell\"", true},
    {"word", "nmatches", "\"x\"", true},
    {"n", "matches", "\"^5$\"", true},
    {"list", "matches", "\"x\"", false},
    {"list", "nmatches", "\"x\"", false},
    {"missing", "nmatches", "\"x\"", false},
    {"word", "matches", "@word", false},
    {"word", "nmatches", "@word", false},
    /* S-12 */
    {"actor.id", "eq", "\"ann\"", true},
    {"actor.meta.level", "eq", "3", true},
    {"actor.meta.a.b", "eq", "\"deep\"", true},
    {"actor.meta", "exists", "true", true},
    {"actor.meta.none", "exists", "true", false},
    {"actor.meta.a.b.c", "exists", "true", false},
    {"action", "eq", "\"act\"", true},
    {"resource", "eq", "\"res\"", true},
    {"meta.a.b.c", "eq", "7", true},
    {"meta.word", "eq", "\"hello\"", true},
    {"word", "eq", "\"hello\"", true},
    {"a.b", "eq", "\"dotted\"", true},
    {"a.b.c", "exists", "false", true},
    {"actor", "exists", "false", false}, /* an error, as those that follow */
    {"meta", "exists", "false", false},
    {"actor.other", "exists", "false", false},
    {"word", "ne", "@actor.other", false},
    /* S-14 */
    {"n", "eq", "\"5\"", true},
    {"n", "eq", "5.0", true},
    {"text", "eq", "5", true},
    {"text", "eq", "\"5.0\"", true},
    {"text", "eq", "\"5x\"", false},
    {"half", "eq", "\"5e-1\"", true},
    {"yes", "eq", "\"true\"", true},
    {"yes", "eq", "true", true},
    {"yes", "eq", "1", false},
    {"list", "eq", "[1,\"two\",true]", false},
    {"map", "eq", "{\"x\":1}", false},
    {"word", "eq", "\"Hello\"", false},
    /* S-13 */
    {"n", "ne", "6", true},
    {"none", "ne", "6", false},
    {"nil", "ne", "6", false},
    {"none", "nin", "[6]", false},
    {"none", "ncontains", "\"x\"", false},
    {"n", "lt", "5.5", true},
    {"n", "lt", "5", false},
    {"n", "lte", "5", true},
    {"n", "gt", "\"4\"", true},
    {"n", "gte", "6", false},
    {"text", "gt", "4", true},
    {"word", "gt", "4", false},
    {"n", "gt", "\"four\"", false},
    {"n", "in", "[1,\"5\"]", true},
    {"n", "in", "[]", false},
    {"n", "in", "\"5\"", true},
    {"n", "in", "7", false},
    {"n", "nin", "7", false}, /* the error of its positive form */
    {"n", "nin", "[6]", true},
    {"n", "exists", "true", true},
    {"n", "exists", "false", false},
    {"none", "exists", "false", true},
    {"n", "exists", "1", true},
    {"none", "exists", "1", false},
    {"n", "nexists", "true", false},
    {"none", "nexists", "true", true},
    {"none", "nexists", "false", false},
    {"n", "nexists", "1", false},
    {"none", "nexists", "1", false},
    {"word", "contains", "\"ell\"", true},
    {"word", "contains", "\"elk\"", false},
    {"word", "ncontains", "\"elk\"", true},
    {"n", "contains", "5", true},
    {"yes", "contains", "\"ru\"", true},
    {"list", "contains", "\"1\"", true},
    {"list", "contains", "\"tw\"", false},
    {"list", "ncontains", "\"tw\"", true},
    {"map", "contains", "\"x\"", false},
    {"map", "ncontains", "\"x\"", false},
    {"word", "contains", "[]", false},
    {"word", "ncontains", "[]", false},
    /* S-15 */
    {"name", "eq", "@actor.id", true},
    {"name", "eq", "@meta.word", false},
    {"n", "eq", "@none", false},
    {"n", "ne", "@none", true},
    {"word", "contains", "@none", false},
    {"word", "ncontains", "@none", true},
    {"list", "ncontains", "@none", true},
    {"n", "lt", "@none", false},
    {"n", "in", "@none", false},
    {"n", "nin", "@none", false},
};

START_TEST(s12_to_s15_conditions)
{
    char fields[400];
    bool is_path = conditions[_i].value[0] == '@';

    snprintf(
        fields, sizeof(fields),
        "{\"actions\":\"*\",\"resources\":\"*\",\"effect\":\"allow\",\"conditions\":"
        "[{\"field\":\"%s\",\"operator\":\"%s\",\"%s\":%s%s%s}]}",
        conditions[_i].field, conditions[_i].how, is_path ? "value_from" : "value",
        is_path ? "\"" : "", conditions[_i].value + is_path, is_path ? "\"" : "");
    ck_assert_msg((ask(fields, ACTOR, "act", "res", META) == POLICY_ALLOW) ==
                      conditions[_i].want,
                  "%s", fields);
}
END_TEST

START_TEST(s12_an_actor_without_id_and_meta_is_an_error)
{
    const char *fields = "{\"actions\":\"*\",\"resources\":\"*\",\"effect\":\"allow\","
                         "\"conditions\":[{\"field\":\"actor.id\","
                         "\"operator\":\"exists\",\"value\":false}]}";

    ck_assert_int_eq(ask(fields, "{}", "a", "r", "{}"), POLICY_UNDEFINED);
    ck_assert_int_eq(ask(fields, "{\"meta\":{}}", "a", "r", "{}"), POLICY_ALLOW);
    ck_assert_int_eq(ask(fields, "{\"id\":\"x\"}", "a", "r", "{}"), POLICY_UNDEFINED);
}
END_TEST

START_TEST(a8_all_conditions_must_hold)
{
    const char *fields =
        "{\"actions\":\"*\",\"resources\":\"*\",\"effect\":\"deny\",\"conditions\":["
        "{\"field\":\"meta.class\",\"operator\":\"eq\",\"value\":\"secret\"},"
        "{\"field\":\"actor.meta.level\",\"operator\":\"lt\",\"value\":3}]}";
    const char *secret = "{\"class\":\"secret\"}";

    ck_assert_int_eq(ask(fields, "{\"id\":\"x\"}", "a", "r", secret), POLICY_UNDEFINED);
    ck_assert_int_eq(ask(fields, "{\"meta\":{\"level\":2}}", "a", "r", secret),
                     POLICY_DENY);
    ck_assert_int_eq(ask(fields, "{\"meta\":{\"level\":2}}", "a", "r", "{}"),
                     POLICY_UNDEFINED);
}
END_TEST

START_TEST(s4_a_deny_wins_over_any_allow)
{
    ck_assert_int_eq(policy_join(POLICY_ALLOW, POLICY_DENY), POLICY_DENY);
    ck_assert_int_eq(policy_join(POLICY_DENY, POLICY_ALLOW), POLICY_DENY);
    ck_assert_int_eq(policy_join(POLICY_UNDEFINED, POLICY_ALLOW), POLICY_ALLOW);
    ck_assert_int_eq(policy_join(POLICY_UNDEFINED, POLICY_UNDEFINED), POLICY_UNDEFINED);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, s10_refuses, 0, N_ELEMENTS(refused));
    tcase_add_loop_test(tc, s20_expressions_decide, 0, N_ELEMENTS(expressions));
    tcase_add_loop_test(tc, s11_actions_and_resources_match, 0, N_ELEMENTS(patterns));
    tcase_add_loop_test(tc, s12_to_s15_conditions, 0, N_ELEMENTS(conditions));
    tcase_add_test(tc, s12_an_actor_without_id_and_meta_is_an_error);
    tcase_add_test(tc, a8_all_conditions_must_hold);
    tcase_add_test(tc, s4_a_deny_wins_over_any_allow);
}

int main(void)
{
    return unit_main("policy", fill);
}
