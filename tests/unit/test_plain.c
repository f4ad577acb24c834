#include "worker/plain.h"

#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/value.h"

#include "proto/value_codec.h"

#include "worker/frozen.h"
#include "worker/modules/errors.h"

#include "tests/unit/unit.h"

static lua_State *state_create(void)
{
    lua_State *L = luaL_newstate();

    luaL_openlibs(L);
    errors_open(L);
    lua_setglobal(L, "errors");
    return L;
}

static void push(lua_State *L, const char *expression)
{
    lua_pushfstring(L, "return %s", expression);
    if (luaL_dostring(L, lua_tostring(L, -1)) != LUA_OK)
        ck_abort_msg("%s: %s", expression, lua_tostring(L, -1));
}

/* Encodes what the expression gives and returns it as JSON (owned), or the error. */
static char *json_of(const char *expression,
                     int (*encode)(lua_State *, int, struct buf *, struct err *))
{
    lua_State *L = state_create();
    struct err err = {0};
    struct value value;
    struct buf bytes, text;
    char *json;
    int top;

    buf_init(&bytes, 0);
    buf_init(&text, 0);
    push(L, expression);
    top = lua_gettop(L);
    if (encode(L, top, &bytes, &err) == -1) {
        ck_assert_uint_eq(buf_len(&bytes), 0);
        buf_append_text(&text, err.text);
    } else {
        ck_assert_int_eq(
            value_decode(buf_head(&bytes), buf_len(&bytes), NULL, &value, &err), 0);
        value_write_json(&text, &value, 0);
        value_finish(&value);
    }
    ck_assert_int_eq(lua_gettop(L), top);
    json = xstrndup((const char *)buf_head(&text), buf_len(&text));
    buf_finish(&bytes);
    buf_finish(&text);
    lua_close(L);
    return json;
}

static const struct {
    const char *expression, *want;
} values[] = {
    {"nil", "null"},
    {"7", "7"},
    {"2.5", "2.5"},
    {"'a\\0b'", "\"a\\u0000b\""},
    {"{}", "{}"},
    {"{1, 2, {3}}", "[1,2,[3]]"},
    {"{[1] = 'a', [3] = 'c', x = 1, [-1] = 2}", "[\"a\",null,\"c\"]"},
    {"{[4] = true}", "[null,null,null,true]"},
    {"{x = {y = {}}}", "{\"x\":{\"y\":{}}}"},
    {"{[-1] = 1}", "{\"-1\":1}"},
    {"{[1.5] = 1}", "{\"1.5\":1}"},
    {"{[true] = 1}", "{\"true\":1}"},
    {"{[{}] = 1, [print] = 2, k = 3}", "{\"k\":3}"},
    {"{e = errors.new('lost')}", "{\"e\":\"lost\"}"},
    {"(function() local t = {1} return {t, t} end)()", "[[1],[1]]"},
    {"(function() local t = {} t[1] = t return t end)()",
     "tables are nested too deeply"},
    {"(function() local t = {} for i = 1, 55 do t = {t} end return t end)()",
     "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[{}"
     "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"},
    {"(function() local t = {} for i = 1, 56 do t = {t} end return t end)()",
     "tables are nested too deeply"},
    {"{[1 << 40] = 1}", "a list has 1099511627775 holes"},
    {"setmetatable({a = 1}, {__index = {b = 2}, __pairs = error})", "{\"a\":1}"},
    {"(function() local t = {('x'):rep(1000)} for i = 1, 20 do t = {t, t} end "
     "return t end)()",
     "data is larger than 16777216 bytes"},
};

START_TEST(plain_encodes_values)
{
    char *json = json_of(values[_i].expression, plain_encode);

    ck_assert_str_eq(json, values[_i].want);
    free(json);
}
END_TEST

START_TEST(plain_encodes_a_function_as_its_text)
{
    char *json = json_of("{f = print, c = coroutine.create(print)}", plain_encode);

    ck_assert_msg(strstr(json, "\"f\":\"function: ") != NULL, "%s", json);
    ck_assert_msg(strstr(json, "\"c\":\"thread: ") != NULL, "%s", json);
    free(json);
}
END_TEST

static const struct {
    const char *expression, *want;
} fields[] = {
    {"{}", "{}"},
    {"{1, 2, a = {1, b = 2}, [true] = 3}", "{\"a\":[1]}"},
    {"{['meta.x'] = 'y'}", "{\"meta.x\":\"y\"}"},
};

START_TEST(plain_encodes_text_fields_only)
{
    char *json = json_of(fields[_i].expression, plain_encode_fields);

    ck_assert_str_eq(json, fields[_i].want);
    free(json);
}
END_TEST

START_TEST(plain_sees_into_frozen_tables)
{
    lua_State *L = state_create();
    struct err err;
    struct value value;
    struct buf bytes;

    buf_init(&bytes, 0);
    push(L, "{a = 1}");
    frozen_freeze(L, -1);
    ck_assert_int_eq(plain_encode(L, lua_gettop(L), &bytes, &err), 0);
    ck_assert_int_eq(
        value_decode(buf_head(&bytes), buf_len(&bytes), NULL, &value, &err), 0);
    ck_assert_int_eq(value_get_int(&value, "a", 0), 1);
    value_finish(&value);
    buf_finish(&bytes);
    lua_close(L);
}
END_TEST

/* A key that found no room must not be passed over because its value did. */
START_TEST(plain_appends_nothing_where_a_key_has_no_room)
{
    lua_State *L = state_create();
    struct err err = {0};
    struct buf bytes;

    buf_init(&bytes, 24);
    push(L, "{[('k'):rep(30)] = true}");
    ck_assert_int_eq(plain_encode(L, lua_gettop(L), &bytes, &err), -1);
    ck_assert_int_eq(err.kind, ERR_UNAVAILABLE);
    ck_assert_uint_eq(buf_len(&bytes), 0);
    buf_finish(&bytes);
    lua_close(L);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, plain_encodes_values, 0, N_ELEMENTS(values));
    tcase_add_test(tc, plain_encodes_a_function_as_its_text);
    tcase_add_loop_test(tc, plain_encodes_text_fields_only, 0, N_ELEMENTS(fields));
    tcase_add_test(tc, plain_sees_into_frozen_tables);
    tcase_add_test(tc, plain_appends_nothing_where_a_key_has_no_room);
}

int main(void)
{
    return unit_main("plain", fill);
}
