#include "worker/codec.h"

#include <math.h>
#include <stdio.h>

#include <lauxlib.h>
#include <lualib.h>

#include "common/err.h"

#include "worker/frozen.h"
#include "worker/modules/errors.h"

#include "unit.h"

/* copy(...) in Lua: encodes all its arguments and returns what they decode to. */
static int copy_values(lua_State *L)
{
    int n = lua_gettop(L);
    struct err err;
    struct buf buf;
    uint8_t *exact;

    buf_init(&buf, 0);
    if (codec_encode_args(L, 1, n, &buf, &err) == -1) {
        ck_assert_uint_eq(buf_len(&buf), 0);
        ck_assert_int_eq(lua_gettop(L), n);
        buf_finish(&buf);
        return luaL_error(L, "%s", err.text);
    }
    ck_assert_int_eq(lua_gettop(L), n);
    exact = malloc(buf_len(&buf)); /* so that a byte too far is seen */
    memcpy(exact, buf_head(&buf), buf_len(&buf));
    if (codec_decode_args(L, exact, buf_len(&buf), 250, &err) != n)
        ck_abort_msg("decode: %s", err.text);
    ck_assert_int_eq(lua_gettop(L), 2 * n);
    free(exact);
    buf_finish(&buf);
    return n;
}

static int freeze_table(lua_State *L)
{
    frozen_freeze(L, 1);
    lua_settop(L, 1);
    return 1;
}

static lua_State *open_state(void)
{
    lua_State *L = luaL_newstate();

    luaL_openlibs(L);
    errors_open(L);
    lua_setglobal(L, "errors");
    lua_register(L, "copy", copy_values);
    lua_register(L, "freeze", freeze_table);
    return L;
}

static void check_lua(lua_State *L, const char *source)
{
    if (luaL_dostring(L, source) != LUA_OK)
        ck_abort_msg("%s\n%s", lua_tostring(L, -1), source);
}

static const char *const scripts[] = {
    /* scalars keep value and subtype */
    "for _, v in ipairs{0, 1, 127, 128, 255, 256, 65535, 65536, 2^31|0, 2^32|0, -1, "
    "-32,\n"
    "  -33, -128, -129, -32768, -32769, -2147483648, -2147483649, math.maxinteger,\n"
    "  math.mininteger, 2^53|0 + 1, 0.0, -0.0, 1.0, 0.1, 1e300, math.huge, "
    "-math.huge,\n"
    "  true, false, '', 'a', ('x'):rep(31), ('x'):rep(32), ('x'):rep(255),\n"
    "  ('x'):rep(256), ('x'):rep(65535), ('x'):rep(65536), 'a\\0b\\255\\27'} do\n"
    "  local c = copy(v)\n"
    "  assert(c == v and math.type(c) == math.type(v), tostring(v))\n"
    "end\n"
    "local nan = copy(0/0)\n"
    "assert(nan ~= nan)",

    /* nil holes and trailing nils */
    "local t = table.pack(copy(nil, 1, nil, nil))\n"
    "assert(t.n == 4 and t[1] == nil and t[2] == 1 and t[3] == nil)\n"
    "assert(select('#', copy()) == 0 and select('#', copy(nil)) == 1)",

    /* tables with any keys */
    "local t = copy({1, 2, 3, x = 'y', [2.5] = true, [-1] = 'm', [true] = 1,\n"
    "  [1000] = 'far'})\n"
    "assert(#t == 3 and t[1] == 1 and t[3] == 3 and t.x == 'y' and t[2.5] == true)\n"
    "assert(t[-1] == 'm' and t[true] == 1 and t[1000] == 'far')\n"
    "assert(next(copy({})) == nil and type(copy({})) == 'table')\n"
    "local n = 0\n"
    "for k, v in pairs(copy({[3] = 3, [2] = 2, [1] = 1})) do n = n + 1; assert(k == v) "
    "end\n"
    "assert(n == 3)",

    "local t = copy({1, nil, 3, nil, nil, 6})\n"
    "assert(t[1] == 1 and t[2] == nil and t[3] == 3 and t[6] == 6)",

    /* what can't travel */
    "local t = copy({print, 2, f = print, co = coroutine.create(print), [print] = 1,\n"
    "  [coroutine.create(print)] = 2, u = io.stdout})\n"
    "assert(t[1] == nil and t[2] == 2)\n"
    "local n = 0; for _ in pairs(t) do n = n + 1 end; assert(n == 1)\n"
    "assert(copy(print) == nil and copy(io.stdout) == nil)",

    /* metatables are dropped and not asked */
    "local t = copy(setmetatable({a = 1}, {__index = error, __len = error,\n"
    "  __pairs = error}))\n"
    "assert(t.a == 1 and getmetatable(t) == nil)",

    /* shared tables and cycles */
    "local s = {1}; local t = copy({a = s, b = s, list = {s, s}})\n"
    "assert(t.a == t.b and t.list[1] == t.a and t.list[2] == t.a and t.a ~= s)\n"
    "local c = {}; c.self = c; c[1] = {c}\n"
    "c = copy(c); assert(c.self == c and c[1][1] == c)\n"
    "local x, y = copy(s, s); assert(x ~= y)\n"
    "local a, b, d = copy(c, {}, {s, s}); assert(a.self == a and d[1] == d[2])",

    "local t = {}\n"
    "for i = 1, 500 do t[i] = {i} end\n"
    "for i = 1, 500 do t[500 + i] = t[i] end\n"
    "t = copy(t)\n"
    "for i = 1, 500 do assert(t[i] == t[500 + i] and t[i][1] == i) end",

    /* tables as keys */
    "local k = {1}; local t = copy({[k] = 'v', same = k, [{}] = {k}})\n"
    "assert(t[t.same] == 'v')\n"
    "for key, v in pairs(t) do\n"
    "  if type(v) == 'table' and v ~= t.same then\n"
    "    assert(next(key) == nil and v[1] == t.same)\n"
    "  end\n"
    "end\n"
    "local own = {}; own[own] = own; own = copy(own); assert(own[own] == own)",

    /* frozen tables travel as their contents */
    "local t = copy({freeze({1, 2, x = {y = 1}})})\n"
    "assert(t[1][2] == 2 and t[1].x.y == 1 and rawlen(t[1]) == 2)",

    /* Errors */
    "local e = errors.new{message = 'm', kind = 'Odd', retryable = true,\n"
    "  details = {a = {1, 2}, inner = errors.new('deep')}}\n"
    "local function check(c)\n"
    "  assert(type(c) == 'userdata' and tostring(c) == 'm' and c:kind() == 'Odd')\n"
    "  assert(c:retryable() == true and c:details().a[2] == 2)\n"
    "  assert(tostring(c:details().inner) == 'deep')\n"
    "  assert(c:details() ~= c:details())\n"
    "end\n"
    "check(e); check(copy(e)); check(copy({x = {e}}).x[1])\n"
    "local plain = copy(errors.new('p'))\n"
    "assert(plain:kind() == '' and plain:retryable() == nil and plain:details() == "
    "nil)\n"
    "assert(errors.new{message = 'm', details = {}}:details() == nil)\n"
    "assert(copy(errors.new{message = 'm', retryable = false}):retryable() == false)",

    "local d = {}; d.self = d\n"
    "local c = copy(errors.new{message = 'm', details = d}):details()\n"
    "assert(c.self == c)",

    /* L9, depth: 64 levels pass, more give a path */
    "local function nest(n)\n"
    "  local t = {}\n"
    "  for _ = 2, n do t = {a = t} end\n"
    "  return t\n"
    "end\n"
    "local c, n = copy(nest(64)), 1\n"
    "while c.a do c, n = c.a, n + 1 end\n"
    "assert(n == 64)\n"
    "local ok, why = pcall(copy, {x = {1, nest(63)}})\n"
    "assert(not ok and why:find('nested too deeply.* at %.x%[2%]%.a%.a'), why)\n"
    "ok, why = pcall(copy, 1, nest(65))\n"
    "assert(not ok and why:find('argument #2: value nested'), why)",

    /* a wrong guess at the bottom costs no more than one at the top */
    "local t = {1, x = 1}\n"
    "for _ = 1, 60 do t = {t, x = 1, [3] = 2} end\n"
    "local c = copy(t)\n"
    "for _ = 1, 60 do assert(c.x == 1 and c[3] == 2); c = c[1] end",
};

START_TEST(L9_values_survive_a_round_trip)
{
    lua_State *L = open_state();

    check_lua(L, scripts[_i]);
    lua_close(L);
}
END_TEST

/* ---- random values --------------------------------------------------------------- */

static const char property[] =
    "local random = math.random\n"
    "local pool\n"
    "local function scalar()\n"
    "  local r = random(8)\n"
    "  if r == 1 then return random(0) end\n"
    "  if r == 2 then return random(-200, 200) end\n"
    "  if r == 3 then return random() * 10 ^ random(-20, 20) end\n"
    "  if r == 4 then return random(2) == 1 end\n"
    "  if r == 5 then return random(-3, 3) + 0.0 end\n"
    "  local s = {}\n"
    "  for i = 1, random(0, 40) do s[i] = string.char(random(0, 255)) end\n"
    "  return table.concat(s)\n"
    "end\n"
    "local function value(depth)\n"
    "  if depth == 0 or random(3) == 1 then return scalar() end\n"
    "  if #pool > 0 and random(6) == 1 then return pool[random(#pool)] end\n"
    "  local t = {}\n"
    "  pool[#pool + 1] = t\n"
    "  for i = 1, random(0, 6) do\n"
    "    if random(8) > 1 then t[i] = value(depth - 1) end\n"
    "  end\n"
    "  for i = 1, random(-4, 4) do\n"
    "    local k = random(12) == 1 and value(depth - 1) or scalar()\n"
    "    t[k] = value(depth - 1)\n"
    "  end\n"
    "  return t\n"
    "end\n"
    "local function same(a, b, seen, back)\n"
    "  if type(a) ~= 'table' then\n"
    "    return a == b and math.type(a) == math.type(b)\n"
    "  end\n"
    "  if seen[a] or back[b] then return seen[a] == b and back[b] == a end\n"
    "  if type(b) ~= 'table' then return false end\n"
    "  seen[a], back[b] = b, a\n"
    "  local n, m, keys = 0, 0, {}\n"
    "  for k in pairs(b) do m = m + 1 end\n"
    "  for k, v in pairs(a) do\n"
    "    n = n + 1\n"
    "    if type(k) ~= 'table' then\n"
    "      if not same(v, b[k], seen, back) then return false end\n"
    "    else keys[#keys + 1] = k end\n"
    "  end\n"
    "  return n == m\n"
    "end\n"
    "for round = 1, 1500 do\n"
    "  pool = {}\n"
    "  local v = value(random(0, 6))\n"
    "  assert(same(v, copy(v), {}, {}), 'round ' .. round)\n"
    "end\n";

START_TEST(codec_keeps_random_values)
{
    lua_State *L = open_state();

    check_lua(L, "math.randomseed(20240607, 1)");
    check_lua(L, property);
    lua_close(L);
}
END_TEST

/* ---- decoding -------------------------------------------------------------------- */

#define BYTES(text) text, sizeof(text) - 1

static const struct {
    const char *why, *bytes;
    size_t n;
} refused[] = {
    {"nothing", BYTES("")},
    {"M1: 2^32-1 items", BYTES("\xdd\xff\xff\xff\xff")},
    {"M1: 10^8 items", BYTES("\xdd\x05\xf5\xe1\x00")},
    {"M1: 2^32-1 pairs", BYTES("\xdf\xff\xff\xff\xff")},
    {"M1: 10^8 pairs", BYTES("\xdf\x05\xf5\xe1\x00")},
    {"M1: 2^32-1 bytes of str", BYTES("\xdb\xff\xff\xff\xff")},
    {"M1: 10^5 bytes of bin", BYTES("\xc6\x00\x01\x86\xa0"
                                    "abc")},
    {"M1: 2^32-1 bytes of ext", BYTES("\xc9\xff\xff\xff\xff\x05")},
    {"M1: more pairs than bytes for them", BYTES("\x82\x01\x02\x03")},
    {"cut in an integer", BYTES("\xd3\x01\x02\x03")},
    {"cut in a string", BYTES("\xa3"
                              "ab")},
    {"cut before the ext type", BYTES("\xd4")},
    {"cut in the length", BYTES("\xda\x01")},
    {"trailing byte", BYTES("\x01\x01")},
    {"trailing byte after a table", BYTES("\x91\x01\x01")},
    {"the byte that is never used", BYTES("\xc1")},
    {"a reference without the flag", BYTES("\x92\x90\xd6\x02\x00\x00\x00\x01")},
    {"an error that is no array", BYTES("\xd4\x01\x01")},
    {"an error of three fields", BYTES("\xd7\x01\x93\xa1K\xa1m\xc0\xc0\xc0")},
    {"an error with a number as message",
     BYTES("\xd7\x01\x94\xa1K\x01\xc0\xc0\xc0\xc0")},
    {"an error with bytes after it", BYTES("\xd7\x01\x94\xa0\xa1m\xc0\xc0\xc0\xc0")},
};

START_TEST(M1_codec_refuses)
{
    lua_State *L = open_state();
    struct err err = {.kind = ERR_UNKNOWN};
    uint8_t *exact = malloc(refused[_i].n + 1);
    int top = lua_gettop(L), kb = lua_gc(L, LUA_GCCOUNT);

    memcpy(exact, refused[_i].bytes, refused[_i].n);
    exact = realloc(exact, refused[_i].n == 0 ? 1 : refused[_i].n);
    ck_assert_msg(codec_decode_value(L, exact, refused[_i].n, false, &err) == -1, "%s",
                  refused[_i].why);
    ck_assert_int_eq(err.kind, ERR_INVALID);
    ck_assert_int_eq(lua_gettop(L), top);
    ck_assert_int_lt(lua_gc(L, LUA_GCCOUNT) - kb, 128);
    free(exact);
    lua_close(L);
}
END_TEST

static const struct {
    const char *bytes;
    size_t n;
    const char *check; /* of v */
} accepted[] = {
    {BYTES("\xcc\x80"), "v == 128"},
    {BYTES("\xcd\x00\x01"), "v == 1 and math.type(v) == 'integer'"},
    {BYTES("\xce\xff\xff\xff\xff"), "v == 0xffffffff"},
    {BYTES("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"), "v == math.maxinteger"},
    {BYTES("\xcf\x80\x00\x00\x00\x00\x00\x00\x00"),
     "v == 2^63 and math.type(v) == 'float'"},
    {BYTES("\xd0\xff"), "v == -1"},
    {BYTES("\xd1\xff\xfe"), "v == -2"},
    {BYTES("\xd2\xff\xff\xff\xfd"), "v == -3"},
    {BYTES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), "v == math.mininteger"},
    {BYTES("\xca\x3f\xc0\x00\x00"), "v == 1.5"},
    {BYTES("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"), "v ~= v"},
    {BYTES("\xc4\x02\x00\xff"), "v == '\\0\\255'"},
    {BYTES("\xc5\x00\x01"
           "a"),
     "v == 'a'"},
    {BYTES("\xd9\x02\xc3\x28"), "v == '\\xc3\\x28'"}, /* not UTF-8 */
    {BYTES("\xdc\x00\x02\x01\x02"), "#v == 2 and v[2] == 2"},
    {BYTES("\x93\x01\xc0\x03"), "v[1] == 1 and v[2] == nil and v[3] == 3"},
    {BYTES("\x82\xa1"
           "a\x01\xa1"
           "a\x02"),
     "v.a == 2"}, /* twice: the last */
    {BYTES("\x81\xc0\x01"), "next(v) == nil"},
    {BYTES("\x81\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00\x01"), "next(v) == nil"},
    {BYTES("\x81\x81\x01\x02\x03"), "next(v)[1] == 2 and v[next(v)] == 3"},
    {BYTES("\xde\x00\x01\x90\xc0"), "next(v) == nil"},
    {BYTES("\xd6\xff\x00\x00\x00\x01"), "v == nil"}, /* a timestamp */
    {BYTES("\x92\xc7\x03\x63"
           "abc\x02"),
     "v[1] == nil and v[2] == 2"},
    {BYTES("\xc7\x07\x01\x94\xa1K\xa1m\xc0\xc0"), "v:kind() == 'K'"},
};

START_TEST(M2_codec_accepts_what_other_libraries_write)
{
    lua_State *L = open_state();
    struct err err;
    char check[200];

    if (codec_decode_value(L, (const uint8_t *)accepted[_i].bytes, accepted[_i].n,
                           false, &err) == -1)
        ck_abort_msg("%s: %s", accepted[_i].check, err.text);
    lua_setglobal(L, "v");
    snprintf(check, sizeof(check), "assert(%s)", accepted[_i].check);
    check_lua(L, check);
    lua_close(L);
}
END_TEST

START_TEST(M2_codec_bounds_depth)
{
    static const int depths[] = {31, 32, 33, 64, 65, 1000};
    lua_State *L = open_state();
    uint8_t data[1001];
    struct err err;
    int depth = depths[_i], status;

    memset(data, 0x91, sizeof(data));
    data[depth - 1] = 0x90;
    status = codec_decode_value(L, data, (size_t)depth, false, &err);
    ck_assert_int_eq(status, depth <= CODEC_MAX_DEPTH ? 0 : -1);
    if (status == -1)
        ck_assert_ptr_nonnull(strstr(err.text, "nested too deeply"));
    lua_close(L);
}
END_TEST

START_TEST(M1_codec_refuses_every_prefix_of_a_payload)
{
    lua_State *L = open_state();
    struct err err;
    struct buf buf;

    check_lua(L, "local s = {1, 'x', 2.5}\n"
                 "v = {a = s, b = s, e = errors.new('m'), [true] = ('y'):rep(300)}");
    buf_init(&buf, 0);
    lua_getglobal(L, "v");
    lua_pushinteger(L, 7);
    ck_assert_int_eq(codec_encode_args(L, 1, 2, &buf, &err), 0);
    for (size_t n = 0; n < buf_len(&buf); n++) {
        uint8_t *exact = malloc(n == 0 ? 1 : n);

        memcpy(exact, buf_head(&buf), n);
        ck_assert_int_eq(codec_decode_args(L, exact, n, 10, &err), -1);
        ck_assert_int_eq(lua_gettop(L), 2);
        free(exact);
    }
    ck_assert_int_eq(codec_decode_args(L, buf_head(&buf), buf_len(&buf), 1, &err), -1);
    ck_assert_int_eq(codec_decode_args(L, buf_head(&buf), buf_len(&buf), 2, &err), 2);
    buf_finish(&buf);
    lua_close(L);
}
END_TEST

START_TEST(codec_takes_a_payload_apart_without_decoding)
{
    lua_State *L = open_state();
    struct bytes values, value;
    struct err err;
    struct buf buf;
    uint32_t n;
    bool graph;

    check_lua(L, "return {{}, {x = {1}}}, 'text', errors.new('m')");
    buf_init(&buf, 0);
    ck_assert_int_eq(codec_encode_args(L, 1, 3, &buf, &err), 0);
    ck_assert_int_eq(codec_open_args(buf_bytes(&buf), &graph, &n, &values, &err), 0);
    ck_assert(!graph);
    ck_assert_uint_eq(n, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(codec_take_value(&values, &value, &err), 0);
        ck_assert_int_eq(codec_decode_value(L, value.data, value.n, false, &err), 0);
    }
    ck_assert_uint_eq(values.n, 0);
    ck_assert_int_eq(codec_take_value(&values, &value, &err), -1);
    ck_assert_str_eq(lua_tostring(L, -2), "text");
    ck_assert(errors_test(L, -1));
    buf_finish(&buf);
    lua_close(L);
}
END_TEST

START_TEST(codec_writes_sequences_as_arrays_however_they_are_stored)
{
    static const char *const sources[] = {
        "return {1, 2, 3}",
        "return {[3] = 3, [2] = 2, [1] = 1}",
        "local t = {}; for i = 3, 1, -1 do t[i] = i end; return t",
    };
    lua_State *L = open_state();
    struct err err;
    struct buf buf;

    buf_init(&buf, 0);
    check_lua(L, sources[_i]);
    ck_assert_int_eq(codec_encode_value(L, -1, &buf, NULL, &err), 0);
    ck_assert_uint_eq(buf_len(&buf), 8);
    ck_assert_mem_eq(buf_head(&buf), "\xdd\x00\x00\x00\x03\x01\x02\x03", 8);
    buf_finish(&buf);
    lua_close(L);
}
END_TEST

START_TEST(codec_without_references_repeats_tables_and_refuses_cycles)
{
    lua_State *L = open_state();
    struct err err;
    struct buf buf;

    buf_init(&buf, 0);
    check_lua(L, "s = {1}; return {s, s}");
    ck_assert_int_eq(codec_encode_value(L, -1, &buf, NULL, &err), 0);
    ck_assert_int_eq(codec_decode_value(L, buf_head(&buf), buf_len(&buf), false, &err),
                     0);
    buf_clear(&buf);
    check_lua(L, "s.s = s; return s");
    ck_assert_int_eq(codec_encode_value(L, -1, &buf, NULL, &err), -1);
    ck_assert_uint_eq(buf_len(&buf), 0);
    /* 2^60 tables, were there no limit on bytes */
    check_lua(L, "local t = {}; for _ = 1, 60 do t = {t, t} end; return t");
    buf.max_bytes = 1 << 20;
    ck_assert_int_eq(codec_encode_value(L, -1, &buf, NULL, &err), -1);
    ck_assert_int_eq(err.kind, ERR_LIMIT_EXCEEDED);
    buf_finish(&buf);
    lua_close(L);
}
END_TEST

START_TEST(L9_codec_bounds_what_repeated_strings_grow_to)
{
    lua_State *L = open_state();
    struct err err;
    struct buf buf;

    buf_init(&buf, 0);
    buf_append(&buf, "keep", 4);
    check_lua(L, "local s, t = ('x'):rep(1 << 20), {}\n"
                 "for i = 1, 1000 do t[i] = s end return t");
    ck_assert_int_eq(codec_encode_value(L, -1, &buf, NULL, &err), -1);
    ck_assert_int_eq(err.kind, ERR_LIMIT_EXCEEDED);
    ck_assert_uint_eq(buf_len(&buf), 4);
    ck_assert_int_eq(codec_encode_args(L, 1, 1, &buf, &err), -1);
    ck_assert_uint_eq(buf_len(&buf), 4);
    buf_finish(&buf);
    lua_close(L);
}
END_TEST

START_TEST(L9_codec_bounds_a_lone_string)
{
    lua_State *L = open_state();
    char *text = calloc(1, CODEC_MAX_BYTES);
    struct err err;
    struct buf buf;

    buf_init(&buf, 0);
    lua_pushlstring(L, text, CODEC_MAX_BYTES);
    free(text);
    ck_assert_int_eq(codec_encode_value(L, -1, &buf, NULL, &err), -1);
    ck_assert_int_eq(err.kind, ERR_LIMIT_EXCEEDED);
    ck_assert_uint_eq(buf_len(&buf), 0);
    buf_finish(&buf);
    lua_close(L);
}
END_TEST

/* Fails the n-th allocation from now on and every later one. */
static void *failing_alloc(void *left, void *ptr, size_t old_n, size_t n)
{
    int *n_left = left;

    (void)old_n;
    if (n == 0) {
        free(ptr);
        return NULL;
    }
    if (*n_left == 0)
        return NULL;
    --*n_left;
    return realloc(ptr, n);
}

/* 1: the value to send, 2: a buffer outside of this state's memory. */
static int copy_in_buffer(lua_State *L)
{
    struct buf *buf = lua_touserdata(L, 2);
    struct err err;

    if (codec_encode_args(L, 1, 1, buf, &err) == -1 ||
        codec_decode_args(L, buf_head(buf), buf_len(buf), 1, &err) == -1)
        return luaL_error(L, "%s", err.text);
    errors_push_raised(L, -1);
    return 0;
}

START_TEST(L8_codec_survives_lack_of_memory)
{
    static const char source[] =
        "local s = {}; for i = 1, 40 do s[i] = {i, s, x = {y = 'long' .. i}} end\n"
        "return {s, s, errors.new{message = 'm', details = {1}}}";
    int status = LUA_ERRMEM, n_left;

    for (int n = 0; status != LUA_OK; n++) {
        lua_State *L;
        struct buf buf;

        n_left = 1 << 30;
        L = lua_newstate(failing_alloc, &n_left);
        luaL_openlibs(L);
        errors_open(L);
        lua_setglobal(L, "errors");
        buf_init(&buf, 0);
        lua_pushcfunction(L, copy_in_buffer);
        check_lua(L, source);
        lua_pushlightuserdata(L, &buf);
        n_left = n;
        status = lua_pcall(L, 2, 0, 0);
        ck_assert(status == LUA_OK || status == LUA_ERRMEM || status == LUA_ERRRUN);
        n_left = 1 << 30;
        buf_finish(&buf);
        lua_close(L);
        ck_assert_int_lt(n, 10000);
    }
}
END_TEST

START_TEST(codec_pushes_results_as_value_and_error)
{
    lua_State *L = open_state();
    struct err err = {ERR_NOT_FOUND, RETRY_YES, "gone"};
    struct buf buf;

    buf_init(&buf, 0);
    errors_push_struct(L, &err);
    ck_assert(codec_encode_error(L, -1, &buf));
    ck_assert_int_eq(codec_push_result(L, false, buf_bytes(&buf)), 2);
    ck_assert(lua_isnil(L, -2));
    ck_assert_str_eq(errors_kind(L, -1, NULL), "NotFound");
    ck_assert_int_eq(errors_retryable(L, -1), RETRY_YES);
    ck_assert_int_eq(codec_push_result(L, true, buf_bytes(&buf)), 2); /* no payload */
    ck_assert_str_eq(errors_kind(L, -1, NULL), "Internal");
    buf_clear(&buf);
    lua_pushinteger(L, 5);
    ck_assert_int_eq(codec_encode_args(L, lua_gettop(L), 1, &buf, &err), 0);
    ck_assert_int_eq(codec_push_result(L, true, buf_bytes(&buf)), 2);
    ck_assert_int_eq(lua_tointeger(L, -2), 5);
    ck_assert(lua_isnil(L, -1));
    ck_assert_int_eq(
        codec_push_result(L, true, (struct bytes){(const uint8_t *)"\0\x90", 2}), 2);
    ck_assert(lua_isnil(L, -2) && lua_isnil(L, -1));
    buf_finish(&buf);
    lua_close(L);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, L9_values_survive_a_round_trip, 0, N_ELEMENTS(scripts));
    tcase_add_test(tc, codec_keeps_random_values);
    tcase_add_loop_test(tc, M1_codec_refuses, 0, N_ELEMENTS(refused));
    tcase_add_loop_test(tc, M2_codec_accepts_what_other_libraries_write, 0,
                        N_ELEMENTS(accepted));
    tcase_add_loop_test(tc, M2_codec_bounds_depth, 0, 6);
    tcase_add_test(tc, M1_codec_refuses_every_prefix_of_a_payload);
    tcase_add_test(tc, codec_takes_a_payload_apart_without_decoding);
    tcase_add_loop_test(tc, codec_writes_sequences_as_arrays_however_they_are_stored, 0,
                        3);
    tcase_add_test(tc, codec_without_references_repeats_tables_and_refuses_cycles);
    tcase_add_test(tc, L9_codec_bounds_what_repeated_strings_grow_to);
    tcase_add_test(tc, L9_codec_bounds_a_lone_string);
    tcase_add_test(tc, L8_codec_survives_lack_of_memory);
    tcase_add_test(tc, codec_pushes_results_as_value_and_error);
}

int main(void)
{
    return unit_main("codec", fill);
}
