#include "worker/sandbox.h"

#include <stdio.h>

#include <lauxlib.h>

#include "worker/frozen.h"

#include "tests/unit/sandbox_cases.h"
#include "tests/unit/unit.h"

/* Helpers of the scripts below, on one line so that theirs start at 2. */
#define RAISES                                                                         \
    "local function raises(want, f, ...) local ok, why = pcall(f, ...)"                \
    " assert(not ok, 'raised nothing, wanted: ' .. want)"                              \
    " assert(tostring(why):find(want, 1, true), why) end\n"

static void check_alone(const char *script)
{
    lua_State *L = open_sandbox();
    char source[8000];
    int n = snprintf(source, sizeof(source), "%s%s", RAISES, script);

    ck_assert_int_lt(n, sizeof(source));
    check_in_sandbox(L, source);
    lua_gc(L, LUA_GCCOLLECT);
    lua_close(L);
}

/* ---- what is there --------------------------------------------------------------- */

/* LUA-30, without what the scheduler adds. Sorted; a dot for every level. */
static const char *const allowed[] = {
    // clang-format off
    "_GOPHER_LUA_VERSION", "_VERSION", "assert",
    "coroutine", "coroutine.create", "coroutine.isyieldable", "coroutine.running",
    "coroutine.status", "coroutine.yield",
    "error",
    "errors", "errors.ALREADY_EXISTS", "errors.CANCELED", "errors.CONFLICT",
    "errors.INTERNAL", "errors.INVALID", "errors.NOT_FOUND", "errors.PERMISSION_DENIED",
    "errors.RATE_LIMITED", "errors.TIMEOUT", "errors.UNAVAILABLE", "errors.UNKNOWN",
    "errors.call_stack", "errors.is", "errors.new", "errors.wrap",
    "getmetatable", "ipairs",
    "math", "math.abs", "math.acos", "math.asin", "math.atan", "math.atan2", "math.ceil",
    "math.cos", "math.cosh", "math.deg", "math.exp", "math.floor", "math.fmod",
    "math.frexp", "math.huge", "math.ldexp", "math.log", "math.log10", "math.max",
    "math.maxinteger", "math.min", "math.mininteger", "math.mod", "math.modf", "math.pi",
    "math.pow", "math.rad", "math.random", "math.randomseed", "math.sin", "math.sinh",
    "math.sqrt", "math.tan", "math.tanh", "math.tointeger", "math.type", "math.ult",
    "next",
    "os", "os.clock", "os.date", "os.difftime", "os.platform", "os.time",
    "package", "package.cpath", "package.loadlib", "package.path", "package.seeall",
    "pairs",
    "payload", "payload.format", "payload.format.BYTES", "payload.format.ERROR",
    "payload.format.GOLANG", "payload.format.JSON", "payload.format.LUA",
    "payload.format.MSGPACK", "payload.format.STRING", "payload.format.YAML",
    "payload.new",
    "pcall", "rawequal", "rawget", "rawset", "select", "setmetatable",
    "string", "string.byte", "string.char", "string.dump", "string.find", "string.format",
    "string.gfind", "string.gmatch", "string.gsub", "string.len", "string.lower",
    "string.match", "string.pack", "string.packsize", "string.rep", "string.reverse",
    "string.sub", "string.unpack", "string.upper",
    "table", "table.concat", "table.create", "table.freeze", "table.getn",
    "table.insert", "table.isfrozen", "table.maxn", "table.move", "table.pack",
    "table.remove", "table.sort", "table.unpack",
    "tonumber", "tostring", "type", "unpack", "xpcall",
    // clang-format on
};

static void find_name(const char *name, bool *found)
{
    for (size_t i = 0; i < N_ELEMENTS(allowed); i++) {
        if (strcmp(allowed[i], name) == 0) {
            ck_assert_msg(!found[i], "%s is there twice", name);
            found[i] = true;
            return;
        }
    }
    ck_abort_msg("%s must not be there", name);
}

/* Walks the table on top; everything below the first level must be frozen. */
static void walk(lua_State *L, const char *prefix, /* NOLINT(misc-no-recursion) */
                 int level, bool *found)
{
    char name[200];

    ck_assert_int_le(level, 3);
    lua_pushnil(L);
    while (lua_next(L, -2) != 0) {
        ck_assert_int_eq(lua_type(L, -2), LUA_TSTRING);
        snprintf(name, sizeof(name), "%s%s", prefix, lua_tostring(L, -2));
        find_name(name, found);
        if (lua_type(L, -1) == LUA_TTABLE) {
            ck_assert_msg(frozen_push_contents(L, -1), "%s is not frozen", name);
            ck_assert_int_lt(
                snprintf(name, sizeof(name), "%s%s.", prefix, lua_tostring(L, -3)),
                (int)sizeof(name));
            walk(L, name, level + 1, found);
            lua_pop(L, 1);
        } else {
            ck_assert_msg(lua_type(L, -1) != LUA_TUSERDATA, "%s is userdata", name);
        }
        lua_pop(L, 1);
    }
}

START_TEST(L2_sandbox_has_exactly_the_allowed_globals)
{
    lua_State *L = open_sandbox();
    bool found[N_ELEMENTS(allowed)] = {false};

    luaL_checkstack(L, 50, NULL);
    sandbox_push_globals(L);
    walk(L, "", 1, found);
    for (size_t i = 0; i < N_ELEMENTS(allowed); i++)
        ck_assert_msg(found[i], "%s is missing", allowed[i]);
    lua_pushglobaltable(L); /* stock Lua's own: nothing may be left in it */
    lua_pushnil(L);
    ck_assert_int_eq(lua_next(L, -2), 0);
    lua_close(L);
}
END_TEST

/* What an app can reach by indexing is what the walk above saw. */
START_TEST(L2_string_methods_are_the_string_library)
{
    check_alone("local s = ''\n"
                "assert(s.rep == string.rep and s.dump == string.dump and s.x == nil)\n"
                "assert(getmetatable('') == false and getmetatable(string) == nil)");
}
END_TEST

static const char *const hostile[] = {
    /* L1: nothing loads libraries */
    "assert(package.loadlib ~= nil and package.loaded == nil and package.preload == "
    "nil)\n"
    "local f, err = package.loadlib('libc.so.6', '*')\n"
    "assert(f == nil and err:kind() == 'PermissionDenied')\n"
    "assert(package.seeall() == nil and package.path == '' and package.cpath == '')",

    /* L3: what all share can't be changed */
    "local function change(t, k) t[k] = 1 end\n"
    "for _, t in ipairs{string, table, math, os, coroutine, errors, package, payload,\n"
    "    payload.format} do\n"
    "  raises('attempt to modify Immutable table', change, t, 'rep')\n"
    "  raises('attempt to modify Immutable table', change, t, 'new_field')\n"
    "  raises('attempt to modify Immutable table', rawset, t, 'rep', 1)\n"
    "  raises('Immutable table', table.insert, t, 1)\n"
    "  raises('Immutable table', table.sort, t)\n"
    "  raises('protected metatable', setmetatable, t, {})\n"
    "  assert(table.isfrozen(t) and not getmetatable(t))\n"
    "end\n"
    "raises('', function() getmetatable('').__index = {} end)\n"
    "raises('', setmetatable, '', {})\n"
    "raises('protected metatable', setmetatable, _G, {})\n"
    "raises('protected metatable', setmetatable, _ENV, {__gc = 1})",

    /* L3: next, rawget and pairs don't hand out the table behind a proxy */
    "local f, t, k = pairs(string)\n"
    "assert(f == next and t == string and k == nil)\n"
    "local _, t2 = ipairs(string)\n"
    "assert(t2 == string and rawget(string, 'rep') == string.rep)\n"
    "for _, v in pairs(string) do assert(type(v) == 'function') end",

    /* L4: no debug library, no way at an environment but one's own */
    "assert(debug == nil and setfenv == nil and getfenv == nil and utf8 == nil)\n"
    "assert(collectgarbage == nil and rawlen == nil and io == nil)\n"
    "for _, name in ipairs{'execute', 'exit', 'remove', 'rename', 'tmpname', "
    "'getenv',\n"
    "    'setlocale'} do assert(os[name] == nil) end\n"
    "assert(_G == _ENV and rawget(_G, 'string') == string and getmetatable(_G) == "
    "false)\n"
    "do local _ENV = {}; x = 1; assert = nil end\n"
    "assert(x == nil)",

    /* no finaliser of an app ever runs */
    "local hits = 0\n"
    "local mt = {__gc = function() hits = hits + 1 end, __index = {x = 1}}\n"
    "for i = 1, 2000 do assert(setmetatable({}, mt).x == 1) end\n"
    "local keep = {}\n"
    "for i = 1, 20000 do keep[i % 10] = {('x'):rep(100)} end\n"
    "assert(hits == 0 and mt.__gc ~= nil)",

    /* L5 */
    "raises('resulting string too large', string.rep, 'x', 1 << 40)\n"
    "raises('resulting string too large', string.rep, 'x', (64 << 20) + 1)\n"
    "raises('resulting string too large', string.rep, '', 1 << 40, 'abc')\n"
    "raises('resulting string too large', string.rep, 'x', math.maxinteger)\n"
    "raises('resulting string too large', string.rep, 'x', 1e300)\n"
    "assert(string.rep('', math.maxinteger) == '' and string.rep('x', -1) == '')\n"
    "assert(string.rep('x', math.mininteger) == '' and string.rep('ab', 2, '-') == "
    "'ab-ab')\n"
    "raises('invalid conversion', string.format, '%99999d', 1)\n"
    "assert(#table.create(1e15, 1e15) == 0)",

    /* L10 */
    "raises('too many results', table.unpack, {}, 1, 1e9)\n"
    "raises('too many results', unpack, {}, math.mininteger, math.maxinteger)\n"
    "assert(select('#', unpack({}, math.maxinteger, math.maxinteger)) == 1)\n"
    "assert(select('#', unpack({}, 1, 0)) == 0 and select('#', unpack({}, 5, -5)) == "
    "0)\n"
    "raises('out of range', select, 0)\n"
    "raises('out of range', select, math.mininteger)\n"
    "assert(select('#', select(math.maxinteger, 1)) == 0 and select(-1, 1, 2) == 2)\n"
    "assert(('abc'):sub(math.mininteger, math.maxinteger) == 'abc')\n"
    "assert(select('#', ('abc'):byte(math.mininteger, math.maxinteger)) == 3)\n"
    "raises('invalid value (nil) at index 1', table.concat, {}, '', 1, 1e9)\n"
    "raises('position out of bounds', table.insert, {}, math.maxinteger, 1)\n"
    "raises('position out of bounds', table.remove, {1, 2}, 5)\n"
    "raises('too many elements to move', table.move, {}, math.mininteger,\n"
    "  math.maxinteger, 1)\n"
    "raises('value out of range', string.char, 256)\n"
    "raises('value out of range', string.char, -0.1 - 1)\n"
    "raises('interval is empty', math.random, 2, 1)\n"
    "assert(math.random(math.mininteger, math.maxinteger))\n"
    "do\n"
    "  local t = {}; for i = 1, 200 do t[i] = i % 7 end\n"
    "  table.sort(t, function() return true end)\n"
    "  assert(#t == 200)\n"
    "end",

    /* sort with a comparator: as without, and stable */
    "for n = 0, 70 do\n"
    "  local a, b, c = {}, {}, {}\n"
    "  for i = 1, n do\n"
    "    a[i] = math.random(20); b[i] = a[i]; c[i] = {a[i], i}\n"
    "  end\n"
    "  table.sort(a)\n"
    "  table.sort(b, function(x, y) return x < y end)\n"
    "  assert(table.concat(a, ' ') == table.concat(b, ' '))\n"
    "  table.sort(c, function(x, y) return x[1] < y[1] end)\n"
    "  for i = 2, n do\n"
    "    local x, y = c[i - 1], c[i]\n"
    "    assert(x[1] < y[1] or x[1] == y[1] and x[2] < y[2])\n"
    "  end\n"
    "end\n"
    "raises('bad argument #2 to', table.sort, {2, 1}, 5)\n"
    "raises('table expected', table.sort, nil, print)\n"
    "local seen = setmetatable({}, {__index = function(_, i) return 3 - i end,\n"
    "  __len = function() return 2 end})\n"
    "table.sort(seen, function(x, y) return x < y end)\n"
    "assert(rawget(seen, 1) == 1 and rawget(seen, 2) == 2)",

    /* gsub with a function: as with a table that says the same */
    "local any = setmetatable({}, {__index = function(_, k)\n"
    "  if k == 'b' then return false elseif k == 'c' then return 7 end\n"
    "  return '<' .. tostring(k) .. '>'\n"
    "end})\n"
    "for _, text in ipairs{'', 'a', 'abc', 'abc abc', '  x=1, y = 22', 'aaa', 'b\\0b'} "
    "do\n"
    "  for _, p in ipairs{'', '.', '%w*', '%w+', '^%w', '^', '(%w)(%w)', '()', 'a-', "
    "'$',\n"
    "      '%f[%w]', '%f[%w]%w+', 'b?', '(%s*)', '%z', '.-', '^.*$', 'x'} do\n"
    "    for _, max in ipairs{-1, 0, 1, 2, 100} do\n"
    "      local t1, n1 = text:gsub(p, any, max)\n"
    "      local t2, n2 = text:gsub(p, function(k) return any[k] end, max)\n"
    "      assert(t1 == t2 and n1 == n2, p .. '|' .. text .. '|' .. t1 .. '|' .. t2)\n"
    "    end\n"
    "  end\n"
    "end\n"
    "assert(('abab'):gsub('(a)(b)', function(a, b) return b .. a end) == 'baba')\n"
    "assert(string.gsub(1212, '2', function() return nil end) == '1212')\n"
    "raises('invalid replacement value (a table)', string.gsub, 'x', 'x', "
    "function()\n"
    "  return {} end)\n"
    "raises('malformed pattern', string.gsub, 'x', '%', print or function() end)\n"
    "raises('bad argument #4 to', string.gsub, 'x', 'x', function() end, {})",

    /* L11: Errors and strange error values inside the sandbox */
    "local ok, e = pcall(error, errors.new{message = 'm', kind = 'K'})\n"
    "assert(not ok and e:kind() == 'K')\n"
    "ok, e = pcall(error, setmetatable({}, {__tostring = function() error('no') "
    "end}))\n"
    "assert(not ok and type(e) == 'table' and not pcall(tostring, e))\n"
    "ok, e = pcall(error, 'a\\0b\\27[31m')\n"
    "assert(e:find('a\\0b\\27[31m', 1, true))\n"
    "ok, e = pcall(error)\n"
    "assert(not ok and e == nil)",
};

START_TEST(sandbox_withstands)
{
    check_alone(hostile[_i]);
}
END_TEST

START_TEST(L1_sandbox_neither_loads_nor_dumps_code)
{
    check_alone("assert(load == nil and loadstring == nil and loadfile == nil)\n"
                "assert(dofile == nil and debug == nil)\n"
                "raises('unable to dump', string.dump, function() end)\n"
                "raises('unable to dump', ('').dump, print)");
}
END_TEST

START_TEST(L3_one_actor_leaves_nothing_for_the_next)
{
    lua_State *L = open_sandbox();

    check_in_sandbox(
        L, "x, string, assert = 1, {}, assert; _G.y = 2; assert(rawget(_G, 'y') == 2)\n"
           "pcall(function() string.rep = 1 end); table = nil; assert(table)\n"
           "local G, all = _G, pairs; for k in all(G) do G[k] = nil end");
    check_in_sandbox(L,
                     "assert(x == nil and y == nil and string.rep('a', 2) == 'aa')\n"
                     "assert(('a'):rep(2) == 'aa' and string.rep == (''):rep(0).rep)");
    lua_close(L);
}
END_TEST

START_TEST(sandbox_env_has_G_only_when_wanted)
{
    lua_State *L = open_sandbox();

    sandbox_push_env(L, false);
    ck_assert_int_eq(lua_getfield(L, -1, "_G"), LUA_TNIL);
    ck_assert_int_eq(lua_getfield(L, -2, "pairs"), LUA_TFUNCTION);
    sandbox_push_env(L, true);
    lua_getfield(L, -1, "_G");
    ck_assert(lua_rawequal(L, -1, -2));
    lua_close(L);
}
END_TEST

START_TEST(L5_sandbox_bounds_rep_by_its_limits)
{
    lua_State *L = open_sandbox();

    sandbox_limits(L)->string_bytes = 10;
    check_in_sandbox(
        L, "assert(#string.rep('x', 10) == 10 and not pcall(string.rep, 'x', 11))\n"
           "assert(not pcall(string.rep, 'xx', 3, 'yy'))");
    lua_close(L);
}
END_TEST

/* ---- the dialect ----------------------------------------------------------------- */

static const char *const dialect[] = {
    "assert(_VERSION == 'Lua 5.3 - Wippy Modification')\n"
    "assert(_GOPHER_LUA_VERSION == 'GopherLua 0.2 Wippy Edition')",

    /* LUA-41 */
    "local s = 'abcdef'\n"
    "assert(s:sub(1, 5 / 2) == 'ab' and s:sub(-2.9) == 'ef' and s:sub(1, '2.5') == "
    "'ab')\n"
    "assert(s:byte(1.9) == 97 and string.char(97.9, 98.0) == 'ab')\n"
    "assert(s:find('c', 2.7) == 3 and s:match('.', 3.9) == 'c')\n"
    "assert(s:gsub('.', 'x', 2.5) == 'xxcdef' and ('-'):rep(2.7) == '--')\n"
    "assert(s:gmatch('.', 2.5)() == 'b')\n"
    "assert(s:sub(1, math.huge) == s and s:sub(-math.huge, 2) == 'ab')\n"
    "assert(s:sub(0/0, 3) == 'abc')\n"
    "assert(table.concat({1, 2, 3}, ',', 1.5, 2.9) == '1,2')\n"
    "local t = {1, 2, 3}\n"
    "table.insert(t, 1.5, 0); assert(t[1] == 0 and table.remove(t, 1.9) == 0)\n"
    "assert(select('#', table.unpack(t, 1.5, 2.5)) == 2)\n"
    "assert(select(2.5, 'a', 'b') == 'b' and tonumber('ff', 16.5) == 255)\n"
    "for _ = 1, 50 do local r = math.random(1.5, 3.9); assert(r >= 1 and r <= 3) end\n"
    "assert(math.random(1.9) == 1 and math.ult(1.5, 2.5))\n"
    "raises('number expected', string.rep, 'x', 'y')\n"
    "raises(\"bad argument #1 to 'rep' (string expected, got nil)\", function()\n"
    "  string.rep(nil, 1) end)",

    "assert(('%d %i %x %c %5d|%%d %.2f'):format(3.7, -3.7, 255.5, 65.5, 1.5, 2.5)\n"
    "  == '3 -3 ff A     1|%d 2.50')\n"
    "assert(('%u'):format(7) == '7' and ('%s %d'):format(1.5, 2.5) == '1.5 2')\n"
    "assert(('%-10.3f|%+d'):format(1.5, 2.5) == '1.500     |+2')\n"
    "assert(('%q'):format('a\\nb') == '\"a\\\\\\nb\"')\n"
    "assert(('%5s|%-5s|'):format('a', 'b') == '    a|b    |')\n"
    "raises('no value', string.format, '%d %d', 1.5)\n"
    "raises('invalid conversion', string.format, '%', 1.5)\n"
    "raises('number expected, got table', string.format, '%d', {})",

    "assert(string.pack('<i4 d !8 Xi4 B s1', 3.7, 1.5, 2.9, 'xy') ==\n"
    "  string.pack('<i4 d !8 Xi4 B s1', 3, 1.5, 2, 'xy'))\n"
    "assert(string.unpack('B', 'ab', 2.5) == 98)",

    /* LUA-42 */
    "assert(string.gfind == string.gfind and ('a1b2'):gfind('%d')() == '1')\n"
    "assert(('a\\0b'):find('%z') == 2 and ('THE (quick) fox'):find('%((%a+)%)') == 5)\n"
    "assert(('äÖß€x'):upper() == 'ÄÖß€X' and ('ÄÖx'):lower() == 'äöx')\n"
    "assert(('ЖЩ'):lower() == 'жщ' and ('a\\xff\\xc3'):upper() == 'A\\xff\\xc3')\n"
    "assert(('abc'):upper() == 'ABC' and (''):upper() == '' and ('12'):lower() == "
    "'12')\n"
    "assert(('\\xc0\\x80\\xed\\xa0'):lower() == '\\xc0\\x80\\xed\\xa0')",

    /* C-1 */
    "local e = errors.new('no such Key')\n"
    "assert(string.find(e, 'such') == 4 and string.len(e) == 11 and string.sub(e, 1, "
    "2) "
    "== 'no')\n"
    "assert(string.upper(e) == 'NO SUCH KEY' and string.match(e, '%u') == 'K')\n"
    "assert(string.format('%s!', e) == 'no such Key!' and string.format(e) == "
    "'no such Key')\n"
    "assert(('x'):gsub('x', e) == 'no such Key' and string.rep(e, 1) == 'no such "
    "Key')\n"
    "assert(string.byte(e) == 110 and string.reverse(e) == 'yeK hcus on')\n"
    "assert(string.gmatch(e, '%a+')() == 'no' and 'e: ' .. e == 'e: no such Key')",

    /* LUA-43 */
    "assert(table.getn({1, 2}) == 2 and table.maxn({1, [10] = 1, [2.5] = 1, x = 1}) == "
    "10)\n"
    "assert(table.maxn({}) == 0 and table.maxn({[2.5] = 1}) == 2.5)\n"
    "assert(unpack == table.unpack and select('#', unpack({1, nil, 3}, 1, 3)) == 3)\n"
    "assert(type(table.create(10, 2)) == 'table' and type(table.create()) == 'table')",

    "local t = {3, 1, 2, x = 'y', n = {1}}\n"
    "local same = t\n"
    "assert(table.freeze(t) == same and table.isfrozen(t) and not table.isfrozen({}))\n"
    "assert(#t == 3 and t[1] == 3 and t.x == 'y' and t.nothing == nil and t.n[1] == "
    "1)\n"
    "raises('app:test:7: attempt to modify Immutable table', function()\n"
    "  t.x = 1 end)\n"
    "raises('Immutable', function() t[4] = 1 end)\n"
    "raises('attempt to modify Immutable table', rawset, t, 1, 1)\n"
    "raises('attempt to modify Immutable table', table.insert, t, 1)\n"
    "raises('attempt to modify Immutable table', table.remove, t)\n"
    "raises('attempt to sort Immutable table', table.sort, t)\n"
    "raises('attempt to modify Immutable table', table.move, {1}, 1, 1, 1, t)\n"
    "assert(table.concat(t, ',') == '3,1,2' and select('#', unpack(t)) == 3)\n"
    "assert(rawget(t, 'x') == 'y' and rawequal(t, same) and next(t) == 1)\n"
    "local n, sum = 0, 0\n"
    "for k, v in pairs(t) do n = n + 1 end\n"
    "for i, v in ipairs(t) do sum = sum + i * v end\n"
    "assert(n == 5 and sum == 11 and table.maxn(t) == 3)\n"
    "t.n[1] = 2; assert(t.n[1] == 2)\n"
    "assert(getmetatable(t) == nil and table.freeze(t) == t)\n"
    "assert(next(table.freeze({})) == nil)",

    "local Class = {}; Class.__index = Class\n"
    "function Class:get() return self.v end\n"
    "Class.__call = function(self, x) return x end\n"
    "Class.__newindex = function() error('called') end\n"
    "local o = table.freeze(setmetatable({v = 5}, Class))\n"
    "assert(o:get() == 5 and o(7) == 7 and getmetatable(o) == Class)\n"
    "raises('Immutable', function() o.z = 1 end)\n"
    "local f = table.freeze(setmetatable({a = 1}, {__index = function(self, k)\n"
    "  return k .. self.a end}))\n"
    "assert(f.a == 1 and f.b == 'b1')",

    /* LUA-44 */
    "assert(math.pow(2, 3) == 8 and math.mod(7, 3) == 1 and math.log10(100) == 2)\n"
    "assert(math.atan2(1, 1) == math.pi / 4 and math.cosh(0) == 1 and math.sinh(0) == "
    "0)\n"
    "local m, e = math.frexp(8); assert(m == 0.5 and e == 4 and math.ldexp(m, e) == "
    "8)\n"
    "assert(math.tanh(0) == 0 and math.ldexp(1, 1e9) == math.huge)\n"
    "assert(math.type(1) == 'integer' and math.tointeger(3.0) == 3)\n"
    "math.randomseed(1); local a = math.random(1 << 60)\n"
    "math.randomseed(1); assert(a ~= math.random(1 << 60))\n"
    "local r = math.random(); assert(r >= 0 and r < 1)",

    /* LUA-45 */
    "assert(os.platform == 'wippy' and math.type(os.time()) == 'integer')\n"
    "assert(os.date('!%Y-%m-%d %H:%M:%S', 86400) == '1970-01-02 00:00:00')\n"
    "assert(os.date('!%Y', 0.9) == '1970' and os.date('!a%Qb%', 0) == 'a%Qb%')\n"
    "assert(os.date('!%c', 0) == 'Thu Jan  1 00:00:00 1970')\n"
    "local t = os.date('!*t', 3723)\n"
    "assert(t.year == 1970 and t.month == 1 and t.day == 1 and t.hour == 1)\n"
    "assert(t.min == 2 and t.sec == 3 and t.wday == 5 and t.yday == 1 and not "
    "t.isdst)\n"
    "local d = os.date('*t')\n"
    "local midnight = os.time{}\n"
    "assert(os.date('*t', midnight).hour == 0 and os.time() - midnight < 90000)\n"
    "assert(os.time{year = 2024, month = 2, day = 30} ==\n"
    "  os.time{year = 2024, month = 3, day = 1})\n"
    "assert(os.time{year = 2024, month = 1, day = 1, hour = 12.9} -\n"
    "  os.time{year = 2024, month = 1, day = 1} == 43200)\n"
    "assert(os.difftime(5, 3) == 2 and math.type(os.difftime(5, 3)) == 'integer')\n"
    "assert(os.clock() >= 0 and os.clock() < 1000)\n"
    "raises(\"field 'day' is not an integer\", os.time, {day = 'x'})\n"
    "raises('out-of-bound', os.time, {year = 1 << 40})\n"
    "raises('cannot be represented', os.date, '*t', math.maxinteger)",

    /* LUA-23: pairs and ipairs are raw */
    "local t = setmetatable({1}, {__index = function() return 1 end,\n"
    "  __pairs = function() error('called') end})\n"
    "local n = 0\n"
    "for _ in pairs(t) do n = n + 1 end\n"
    "for _ in ipairs(t) do n = n + 1 end\n"
    "assert(n == 2)\n"
    "raises(\"bad argument #1 to 'pairs' (table expected, got nil)\", function()\n"
    "  for _ in pairs(nil) do end end)\n"
    "raises('table expected, got no value', ipairs)\n"
    "raises('table expected', next, 1)",

    "local mt = {__metatable = 'locked'}\n"
    "local t = setmetatable({}, mt)\n"
    "assert(getmetatable(t) == 'locked')\n"
    "raises('protected metatable', setmetatable, t, {})\n"
    "raises('protected metatable', setmetatable, t, {__gc = print})\n"
    "raises('nil or table expected', setmetatable, {}, 1)\n"
    "raises('nil or table expected', setmetatable, {})\n"
    "raises('table expected', setmetatable, 1, {__gc = 1})\n"
    "assert(getmetatable(setmetatable(setmetatable({}, {}), nil)) == nil)\n"
    "do local c = setmetatable({}, {__close = function() n = (n or 0) + 1 end})\n"
    "  local x <close> = c end\n"
    "assert(n == 1)",

    "local co = coroutine.create(function() end)\n"
    "assert(coroutine.status(co) == 'suspended' and coroutine.close == nil)\n"
    "assert(coroutine.running and coroutine.yield and coroutine.isyieldable() == "
    "false)",
};

START_TEST(sandbox_speaks_the_dialect)
{
    check_alone(dialect[_i]);
}
END_TEST

START_TEST(sandbox_lets_calls_of_an_index_function_yield)
{
    lua_State *L = open_sandbox(), *co = lua_newthread(L);
    int n;

    check_in_sandbox(
        L, "return function()\n"
           "  local t = table.freeze(setmetatable({}, {__index = function(_, k)\n"
           "    return coroutine.yield(k) end}))\n"
           "  return t.x\n"
           "end");
    lua_xmove(L, co, 1);
    ck_assert_int_eq(lua_resume(co, L, 0, &n), LUA_YIELD);
    ck_assert_str_eq(lua_tostring(co, -1), "x");
    lua_pop(co, n);
    lua_pushinteger(co, 42);
    ck_assert_int_eq(lua_resume(co, L, 1, &n), LUA_OK);
    ck_assert_int_eq(lua_tointeger(co, -1), 42);
    lua_close(L);
}
END_TEST

START_TEST(sandbox_states_draw_different_random_numbers)
{
    lua_State *a = open_sandbox(), *b = open_sandbox();

    check_in_sandbox(a, "return math.random(0)");
    check_in_sandbox(b, "return math.random(0)");
    ck_assert_int_ne(lua_tointeger(a, -1), lua_tointeger(b, -1));
    lua_close(a);
    lua_close(b);
}
END_TEST

START_TEST(sandbox_freezes_what_is_added_before_the_seal)
{
    lua_State *L = luaL_newstate();

    sandbox_open(L);
    sandbox_push_globals(L);
    lua_getfield(L, -1, "coroutine");
    lua_pushinteger(L, 1);
    lua_setfield(L, -2, "wrap");
    lua_newtable(L);
    lua_setfield(L, -3, "process");
    lua_settop(L, 0);
    sandbox_seal(L);
    check_in_sandbox(L, "assert(coroutine.wrap == 1 and coroutine.create)\n"
                        "assert(not pcall(function() process.x = 1 end))");
    lua_close(L);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, L2_sandbox_has_exactly_the_allowed_globals);
    tcase_add_test(tc, L2_string_methods_are_the_string_library);
    tcase_add_loop_test(tc, sandbox_withstands, 0, N_ELEMENTS(hostile));
    tcase_add_test(tc, L1_sandbox_neither_loads_nor_dumps_code);
    tcase_add_test(tc, L3_one_actor_leaves_nothing_for_the_next);
    tcase_add_test(tc, sandbox_env_has_G_only_when_wanted);
    tcase_add_test(tc, L5_sandbox_bounds_rep_by_its_limits);
    tcase_add_loop_test(tc, sandbox_speaks_the_dialect, 0, N_ELEMENTS(dialect));
    tcase_add_test(tc, sandbox_lets_calls_of_an_index_function_yield);
    tcase_add_test(tc, sandbox_states_draw_different_random_numbers);
    tcase_add_test(tc, sandbox_freezes_what_is_added_before_the_seal);
}

int main(void)
{
    return unit_main("sandbox", fill);
}
