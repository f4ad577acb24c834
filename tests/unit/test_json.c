#include "worker/modules/mod_json.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/lua_cases.h"

#include "worker/modules/errors.h"
#include "worker/modules/json_decode.h"
#include "worker/modules/json_encode.h"
#include "worker/modules/json_text.h"

static const struct {
    double number;
    const char *want;
} floats[] = {
    {0.0, "0"},
    {-0.0, "0"},
    {5.0, "5"},
    {-5.0, "-5"},
    {100.0, "100"},
    {0.1, "0.1"},
    {-1.5, "-1.5"},
    {123.456, "123.456"},
    {0.1 + 0.2, "0.30000000000000004"},
    {1.0 / 3, "0.3333333333333333"},
    {1e15, "1000000000000000"},
    {9007199254740993.0, "9007199254740992"},
    {1e20, "100000000000000000000"},
    {123456789012345680000.0, "123456789012345680000"},
    {1e21, "1e+21"},
    {-1.5e300, "-1.5e+300"},
    {0.000001, "0.000001"},
    {0.00000123, "0.00000123"},
    {0.0000001, "1e-7"},
    {-1.25e-9, "-1.25e-9"},
    {DBL_MAX, "1.7976931348623157e+308"},
    {DBL_MIN, "2.2250738585072014e-308"},
    {4.9406564584124654e-324, "5e-324"},
};

START_TEST(json_writes_the_shortest_float)
{
    char text[JSON_FLOAT_BYTES + 1];
    size_t n = json_format_float(text, floats[_i].number);

    text[n] = '\0';
    ck_assert_str_eq(text, floats[_i].want);
    ck_assert(strtod(text, NULL) == floats[_i].number);
}
END_TEST

START_TEST(json_floats_read_back_the_same)
{
    uint64_t bits = 88172645463325252u;
    char text[JSON_FLOAT_BYTES + 1];
    double number;
    size_t n;

    for (int i = 0; i < 50000; i++) {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        memcpy(&number, &bits, sizeof(number));
        if (!(number - number == 0))
            continue;
        n = json_format_float(text, number);
        ck_assert_uint_le(n, JSON_FLOAT_BYTES);
        text[n] = '\0';
        ck_assert_msg(strtod(text, NULL) == number, "%a became %s", number, text);
    }
}
END_TEST

#define SPARSE "cannot encode sparse array: non-contiguous numeric keys found"
#define MIXED                                                                          \
    "cannot encode mixed-key table: table has both numeric and non-numeric keys"
#define RECURSIVE "cannot encode recursively nested tables to JSON"
#define TOO_DEEP  "exceeded maximum nesting depth for JSON encoding"

static const char *const cases[] = {
    /* scalars */
    "eq(json.encode(nil), 'null') eq(json.encode(), 'null')\n"
    "eq(json.encode(true), 'true') eq(json.encode(false), 'false')\n"
    "eq(json.encode(5), '5') eq(json.encode(5.0), '5') eq(json.encode(1.25), '1.25')\n"
    "eq(json.encode(math.maxinteger), '9223372036854775807')\n"
    "eq(json.encode(math.mininteger), '-9223372036854775808')\n"
    "eq(json.encode(0/0), 'null') eq(json.encode(1/0), 'null')\n"
    "eq(json.encode(-1/0), 'null')",
    "eq(json.encode(print), 'null') eq(json.encode(io.stdout), 'null')\n"
    "eq(json.encode(coroutine.create(print)), 'null')\n"
    "eq(json.encode{print, 1, io.stdout}, '[null,1,null]')\n"
    "local _, err = json.decode('') eq(json.encode{err},\n"
    "   '[\"empty string is not valid JSON\"]')",
    /* strings */
    "eq(json.encode('a\"b\\\\c/d'), '\"a\\\\\"b\\\\\\\\c/d\"')\n"
    "eq(json.encode('\\n\\r\\t\\b\\f\\0\\1\\31\\127'),\n"
    "   '\"\\\\n\\\\r\\\\t\\\\b\\\\f\\\\u0000\\\\u0001\\\\u001f\\127\"')\n"
    "eq(json.encode('<a>&'), '\"\\\\u003ca\\\\u003e\\\\u0026\"')\n"
    "eq(json.encode('\\u{2028}x\\u{2029}y\\u{2027}'),\n"
    "   '\"\\\\u2028x\\\\u2029y\\u{2027}\"')\n"
    "eq(json.encode('\\u{e9}\\u{20ac}\\u{1f600}'), '\"\\u{e9}\\u{20ac}\\u{1f600}\"')",
    /* tables */
    "eq(json.encode{1, 'a', {true}}, '[1,\"a\",[true]]')\n"
    "eq(json.encode{b = 1, a = {c = 2}}, '{\"a\":{\"c\":2},\"b\":1}')\n"
    "eq(json.encode{[1.5] = 1, [true] = 2, [-3] = 4, [0] = 5, x = 6, [false] = 7},\n"
    "   '{\"-3\":4,\"0\":5,\"1.5\":1,\"false\":7,\"true\":2,\"x\":6}')\n"
    "local t = {} t[1.0] = 'x' eq(json.encode(t), '[\"x\"]')\n"
    "eq(json.encode{f = print}, '{\"f\":null}')",
    "local t = {x = 1} eq(json.encode{t, t}, '[{\"x\":1},{\"x\":1}]')\n"
    "eq(json.encode(setmetatable({a = 1}, {__index = error, __pairs = error,\n"
    "   __len = error, __tostring = error})), '{\"a\":1}')",
    "local t = {} for i = 1, 200 do t['key' .. i] = i end\n"
    "local u = {} for i = 200, 1, -1 do u['key' .. i] = i end\n"
    "eq(json.encode(t), json.encode(u)) eq(json.decode(json.encode(t)).key77, 77)",
    "local k = ('k'):rep(100) eq(json.encode{[k] = 1}, '{\"' .. k .. '\":1}')\n"
    "eq(json.encode{['a\\0b'] = 1, ['a'] = 2}, '{\"a\":2,\"a\\\\u0000b\":1}')",
    /* refused */
    "fails('Internal', '" SPARSE "', json.encode{[1] = 1, [3] = 3})\n"
    "fails('Internal', '" SPARSE "', json.encode{[2] = 1})\n"
    "fails('Internal', '" SPARSE "', json.encode{[1] = 1, [1.5] = 3})\n"
    "fails('Internal', '" SPARSE "', json.encode{[math.maxinteger] = 1})\n"
    "fails('Internal', '" SPARSE "', json.encode{[1] = 1, [0] = 0})\n"
    "fails('Internal', '" MIXED "', json.encode{1, x = 2})\n"
    "fails('Internal', '" MIXED "', json.encode{1, [true] = 2})",
    "fails('Internal', 'cannot encode a table key of type table', json.encode{[{}] = "
    "1})\n"
    "fails('Internal', 'cannot encode a table key of type function',\n"
    "      json.encode{x = {[print] = 1}})",
    "local t = {} t.x = t fails('Internal', '" RECURSIVE "', json.encode(t))\n"
    "t = {{}} t[1][1] = {a = t} fails('Internal', '" RECURSIVE "', json.encode(t))",
    "local t = 1 for i = 1, 128 do t = {t} end\n"
    "eq(json.encode(t), ('['):rep(128) .. '1' .. (']'):rep(128))\n"
    "fails('Internal', '" TOO_DEEP "', json.encode{t})\n"
    "t = {} for i = 1, 100000 do t = {a = t} end\n"
    "fails('Internal', '" TOO_DEEP "', json.encode(t))",
    /* where it went wrong */
    "local t = {rows = {1, 2, {name = {}}}} t.rows[3].name.self = t\n"
    "local _, err = json.encode(t) eq(err:details().path, '$.rows[3].name.self')\n"
    "_, err = json.encode{1, x = 1} eq(err:details().path, '$')\n"
    "t = {} local u = t for i = 1, 60 do u['\\xff\\n' .. i] = {} u = u['\\xff\\n' .. "
    "i]\n"
    "end u[2] = 1 _, err = json.encode(t) assert(#err:details().path < 200)\n"
    "eq(err:details().path:sub(1, 6), '$.??1.')",
    /* empty tables (json.empty) */
    "eq(json.encode{}, '[]') eq(json.encode{tasks = {}}, '{\"tasks\":[]}')\n"
    "eq(json.encode(json.decode('{}')), '{}') eq(json.encode(json.decode('[]')), "
    "'[]')\n"
    "eq(json.encode(json.decode('{\"a\":{},\"b\":[]}')), '{\"a\":{},\"b\":[]}')\n"
    "local t = json.decode('{}') collectgarbage() eq(json.encode(t), '{}')\n"
    "eq(getmetatable(t), nil) t[1] = 5 eq(json.encode(t), '[5]') t[1] = nil\n"
    "eq(json.encode(t), '{}') t.x = 1 eq(json.encode(t), '{\"x\":1}')",
    /* decode */
    "eq(json.decode('null'), nil) eq(select('#', json.decode('null')), 1)\n"
    "eq(json.decode(' 12 '), 12) eq(json.decode('12.0'), 12.0)\n"
    "eq(json.decode('1e2'), 100.0) eq(json.decode('-0'), 0) eq(json.decode('true'), "
    "true)\n"
    "eq(json.decode('\"x\\\\u00e9\\\\ud83d\\\\ude00\\\\u0000\"'), "
    "'x\\u{e9}\\u{1f600}\\0')",
    "eq(json.decode('9223372036854775807'), math.maxinteger)\n"
    "eq(json.decode('9223372036854775808'), math.maxinteger)\n"
    "eq(json.decode('-9223372036854775808'), math.mininteger)\n"
    "eq(json.decode('-9223372036854775809'), math.mininteger)\n"
    "local t = json.decode('[99999999999999999999999999, -' .. ('9'):rep(500) ..\n"
    "  ', 1000000000000000000, \"99999999999999999999\", "
    "{\"9223372036854775808\":1},'\n"
    "  .. '99999999999999999999.0, 0.99999999999999999999, 12345678901234567890e0]')\n"
    "eq(t[1], math.maxinteger) eq(t[2], math.mininteger)\n"
    "eq(t[3], 1000000000000000000) eq(t[4], '99999999999999999999')\n"
    "eq(t[5]['9223372036854775808'], 1) eq(t[6], 1e20) eq(t[7], 1.0)\n"
    "eq(t[8], 12345678901234567890.0)",
    "local t = json.decode('{\"a\":null,\"b\":[1,null,3,null],\"c\":{\"d\":\"e\"}}')\n"
    "eq(t.a, nil) eq(#t.b >= 1, true) eq(t.b[1], 1) eq(t.b[2], nil) eq(t.b[3], 3)\n"
    "eq(t.c.d, 'e')",
    "eq(json.decode('1 2'), 1) eq(json.encode(json.decode('{} x')), '{}')",
    "eq(json.decode('[1]]')[1], 1) eq(json.decode('[2] garbage \"')[1], 2)\n"
    "eq(json.decode('\"x\"' .. ('['):rep(1000)), 'x')\n"
    "eq(json.decode('[3]' .. ('['):rep(1000))[1], 3)",
    "for _, v in ipairs{5, true, {}, print} do\n"
    "  fails('Invalid', 'string expected', json.decode(v))\n"
    "end\n"
    "fails('Invalid', 'string expected', json.decode())\n"
    "fails('Invalid', 'empty string is not valid JSON', json.decode(''))",
    "local bad = {' ', '{', '[1,', '[1,]', '{\"a\":}', '{a:1}', 'tru', '01', '1.', "
    "'-',\n"
    "  '\"', '\"\\\\x\"', '\"\\n\"', '\"\\xff\"', '\"\\\\ud800\"', "
    "'\"\\xed\\xa0\\x80\"', '\\xef\\xbb\\xbf1',\n"
    "  '{\"a\":1,\"a\":2}', '{\"a\":null,\"a\":1}', '[}', '\"a\\0b\"', '\\0', '1e999', "
    "'NaN',\n"
    "  '[00000000000000000000000000001]', '{\"a\\\\u0000\":1}', \"{'a':1}\", '/**/1', "
    "'+1'}\n"
    "for i, text in ipairs(bad) do\n"
    "  local v, err = json.decode(text)\n"
    "  if v ~= nil or not err or err:kind() ~= 'Internal' then error(text) end\n"
    "  eq(err:retryable(), false) assert(#err:message() > 5)\n"
    "end",
    "local function nest(n, open, close) return open:rep(n) .. '1' .. close:rep(n) "
    "end\n"
    "assert(json.decode(nest(128, '[', ']'))) assert(json.decode(nest(128, '{\"a\":', "
    "'}')))\n"
    "local text = 'json: maximum nesting depth exceeded'\n"
    "fails('Internal', text, json.decode(nest(129, '[', ']')))\n"
    "fails('Internal', text, json.decode(nest(129, '{\"a\":', '}')))\n"
    "fails('Internal', text, json.decode(('['):rep(1000000)))\n"
    "local s = nest(128, '[', ']') eq(json.encode(json.decode(s)), s)\n"
    "eq(#json.decode('[' .. ('[],'):rep(1000) .. '1]'), 1001)",
    /* bounds: not a second copy of large text before it is refused */
    "local big = ('x'):rep(64 * 1024 * 1024 + 1)\n"
    "fails('Internal', 'json: text is too large', json.encode(big))\n"
    "fails('Internal', 'json: text is too large', json.encode{big})\n"
    "big = ('\\1'):rep(11 * 1024 * 1024)\n"
    "fails('Internal', 'json: text is too large', json.encode(big))",
    "local big = '[' .. ('{},'):rep(1000000) .. '1]'\n"
    "fails('Internal', 'json: text is too large', json.decode(big))\n"
    "big = ('9'):rep(1000000) eq(json.decode(big), math.maxinteger)",
};

START_TEST(json_module_does_what_its_cases_say)
{
    lua_case_run(json_open, "json", cases[_i]);
}
END_TEST

static const struct {
    const char *bytes, *want; /* both without the quotes around */
} invalid[] = {
    {"\xff", "?"},
    {"a\x80"
     "b",
     "a?b"},
    {"\xc0\xaf", "??"},
    {"\xc3", "?"},
    {"\xe2\x82", "??"},
    {"\xe2\x82"
     "A",
     "??A"},
    {"\xed\xa0\x80", "???"},
    {"\xf4\x90\x80\x80", "????"},
    {"\xf0\x8f\xbf\xbf", "????"},
    {"\xe0\x9f\xbf", "???"},
    {"\xf8\x88\x80\x80\x80", "?????"},
    {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
    {"\xe2\x80", "??"},
};

START_TEST(json_replaces_bytes_that_are_no_utf8)
{
    lua_State *L = lua_case_open(json_open, "json");
    char want[128] = "\"";
    size_t n = 1;

    for (const char *at = invalid[_i].want; *at != '\0'; at++)
        n += (size_t)sprintf(want + n, *at == '?' ? "\\ufffd" : "%c", *at);
    strcpy(want + n, "\"");
    lua_pushstring(L, invalid[_i].bytes);
    ck_assert(json_push_encoded(L, -1));
    ck_assert_str_eq(lua_tostring(L, -1), want);
    ck_assert_int_eq(lua_gettop(L), 2); /* one more than before */
    lua_close(L);
}
END_TEST

/* An allocator that fails once its budget of bytes is used up. */
static void *limited_alloc(void *context, void *old, size_t old_size, size_t new_size)
{
    size_t *budget = context;
    void *block;

    if (old == NULL)
        old_size = 0;
    if (new_size > old_size && new_size - old_size > *budget)
        return NULL;
    *budget = *budget + old_size - new_size;
    if (new_size == 0) {
        free(old);
        return NULL;
    }
    block = realloc(old, new_size);
    ck_assert_ptr_nonnull(block);
    return block;
}

static int decode_and_encode(lua_State *L)
{
    size_t n;
    const char *text = lua_tolstring(L, 1, &n);

    if (json_push_decoded(L, text, n))
        json_push_encoded(L, -1);
    return 1;
}

/* Whatever allocation fails, the parser's tree is freed (the sanitizers watch) and the
 * state stays usable. */
START_TEST(json_survives_lack_of_memory)
{
    static const char text[] =
        "{\"a\":[1,2.5,\"three\",{\"four\":{}}],\"b\":{\"c\":\"d\"},"
        "\"n\":99999999999999999999}";
    int status = LUA_ERRMEM;

    for (size_t extra = 0; status != LUA_OK; extra += 61) {
        size_t budget = 1 << 20;
        lua_State *L = lua_newstate(limited_alloc, &budget);

        ck_assert_ptr_nonnull(L);
        lua_pushcfunction(L, decode_and_encode);
        lua_pushstring(L, text);
        ck_assert(lua_checkstack(L, 1000)); /* its failure would be another error */
        budget = extra;
        status = lua_pcall(L, 1, 1, 0);
        budget = 1 << 20;
        ck_assert(status == LUA_OK || status == LUA_ERRMEM);
        ck_assert_str_eq(lua_tostring(L, -1),
                         status == LUA_OK
                             ? "{\"a\":[1,2.5,\"three\",{\"four\":{}}],"
                               "\"b\":{\"c\":\"d\"},\"n\":9223372036854775807}"
                             : "not enough memory");
        lua_close(L);
        ck_assert_uint_lt(extra, 1 << 20);
    }
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, json_writes_the_shortest_float, 0, N_ELEMENTS(floats));
    tcase_add_test(tc, json_floats_read_back_the_same);
    tcase_add_loop_test(tc, json_module_does_what_its_cases_say, 0, N_ELEMENTS(cases));
    tcase_add_loop_test(tc, json_replaces_bytes_that_are_no_utf8, 0,
                        N_ELEMENTS(invalid));
    tcase_add_test(tc, json_survives_lack_of_memory);
}

int main(void)
{
    return unit_main("json", fill);
}
