#include "worker/modules/errors.h"

#include <lauxlib.h>
#include <lualib.h>

#include "unit.h"

static lua_State *open_state(void)
{
    lua_State *L = luaL_newstate();

    luaL_openlibs(L);
    errors_open(L);
    lua_setglobal(L, "errors");
    return L;
}

static void check_lua(const char *source)
{
    lua_State *L = open_state();

    if (luaL_dostring(L, source) != LUA_OK)
        ck_abort_msg("%s\n%s", lua_tostring(L, -1), source);
    lua_close(L);
}

static const char *const scripts[] = {
    "local e = errors.new('boom')\n"
    "assert(type(e) == 'userdata' and tostring(e) == 'boom')\n"
    "assert(e:kind() == '' and e:message() == 'boom' and e:retryable() == nil)\n"
    "assert(e:stack():find('stack traceback', 1, true))",

    "local e = errors.new{message = 'm', kind = errors.NOT_FOUND, retryable = false}\n"
    "assert(e:kind() == 'NotFound' and e:retryable() == false)\n"
    "assert(errors.is(e, errors.NOT_FOUND) and not errors.is(e, errors.INVALID))\n"
    "assert(not errors.is(nil, 'NotFound') and not errors.is('x', ''))",

    "local d = {a = {1}, 2}\n"
    "local e = errors.new{message = 'm', details = d}\n"
    "d.a[1] = 9\n"
    "assert(e:details().a[1] == 1 and e:details()[1] == 2)\n"
    "e:details().a[1] = 9\n"
    "assert(e:details().a[1] == 1 and errors.new('m'):details() == nil)\n"
    "assert(errors.new{message = 'm', details = {}}:details() == nil)\n"
    "assert(errors.wrap(e, 'ctx'):details().a[1] == 1)",

    "local e = errors.new('m')\n"
    "assert('a ' .. e == 'a m' and e .. ' b' == 'm b' and e .. 1 == 'm1')\n"
    "assert(e .. e == 'mm' and not pcall(function() return e .. {} end))",

    "local e = errors.new('m')\n"
    "assert(not pcall(function() e.kind = 1 end))\n"
    "assert(getmetatable(e) == false and not pcall(setmetatable, e, {}))\n"
    "assert(e ~= 'm' and e ~= errors.new('m'))",

    "local function raises(want, arg)\n"
    "  local ok, why = pcall(errors.new, arg)\n"
    "  assert(not ok and why:find(want, 1, true), tostring(why))\n"
    "end\n"
    "raises('message field is required', {})\n"
    "raises('message must be a string', {message = 1})\n"
    "raises('expected string or table', 1)\n"
    "raises('details must be a table', {message = 'm', details = 1})\n"
    "raises('retryable must be a boolean', {message = 'm', retryable = 'x'})\n"
    "raises('kind must be a string', {message = 'm', kind = {}})",

    "local inner = errors.new{message = 'm', kind = 'Custom', retryable = true}\n"
    "local e = errors.wrap(inner, 'while testing')\n"
    "assert(tostring(e) == 'm' and e:kind() == 'Custom' and e:retryable() == true)\n"
    "assert(e:stack():find('while testing', 1, true))\n"
    "assert(tostring(errors.wrap('text', 'ctx')) == 'text')",

    "local function maker() return (errors.new('m')) end\n"
    "local s = errors.call_stack(maker())\n"
    "assert(s.thread and #s.frames >= 2 and s.frames[1].level == 0)\n"
    "local found\n"
    "for _, f in ipairs(s.frames) do found = found or f.line == 1 end\n"
    "assert(found and errors.call_stack('x') == nil)",
};

START_TEST(errors_module_behaves)
{
    check_lua(scripts[_i]);
}
END_TEST

static const struct {
    const char *source, *kind, *message;
    enum err_retry retryable;
} raised[] = {
    {"error('text', 0)", "Internal", "text", RETRY_UNKNOWN},
    {"error(errors.new{message='m', kind='Odd', retryable=true})", "Odd", "m",
     RETRY_YES},
    {"error(errors.new('m'))", "Internal", "m", RETRY_UNKNOWN},
    {"error(nil)", "Internal", "nil", RETRY_UNKNOWN},
    {"error(42)", "Internal", "42", RETRY_UNKNOWN},
    {"error(setmetatable({}, {__tostring = function() return 'mine' end}))", "Internal",
     "mine", RETRY_UNKNOWN},
    {"error(setmetatable({}, {__tostring = function() error('no') end}))", "Internal",
     "(error object is a table value)", RETRY_UNKNOWN},
    {"error(setmetatable({}, {__tostring = coroutine.yield}))", "Internal",
     "(error object is a table value)", RETRY_UNKNOWN},
    {"error(setmetatable({}, {__tostring = function() return {} end}))", "Internal",
     "(error object is a table value)", RETRY_UNKNOWN},
};

START_TEST(L11_raised_values_become_errors)
{
    lua_State *L = open_state(), *co = lua_newthread(L);
    int n_results;

    ck_assert_int_eq(luaL_loadstring(co, raised[_i].source), LUA_OK);
    ck_assert_int_eq(lua_resume(co, L, 0, &n_results), LUA_ERRRUN);
    errors_push_raised(co, -1);
    ck_assert(errors_test(co, -1));
    ck_assert_str_eq(errors_kind(co, -1, NULL), raised[_i].kind);
    ck_assert_str_eq(errors_message(co, -1, NULL), raised[_i].message);
    ck_assert_int_eq(errors_retryable(co, -1), raised[_i].retryable);
    lua_close(L);
}
END_TEST

START_TEST(L11_huge_raised_messages_are_cut_at_a_character)
{
    lua_State *L = open_state();
    size_t n;

    ck_assert_int_ne(luaL_dostring(L, "error('x' .. ('\\u{e4}'):rep(100000), 0)"),
                     LUA_OK);
    errors_push_raised(L, -1);
    errors_message(L, -1, &n);
    ck_assert_uint_eq(n, ERRORS_RAISED_MAX_BYTES - 1);
    lua_close(L);
}
END_TEST

START_TEST(errors_keep_any_bytes)
{
    lua_State *L = open_state();
    size_t n;

    ck_assert_int_ne(luaL_dostring(L, "error('a\\0b\\n\\27', 0)"), LUA_OK);
    errors_push_raised(L, -1);
    ck_assert_mem_eq(errors_message(L, -1, &n), "a\0b\n\33", 5);
    ck_assert_uint_eq(n, 5);
    lua_close(L);
}
END_TEST

START_TEST(errors_return_gives_nil_and_an_error_that_is_not_retryable)
{
    lua_State *L = open_state();
    struct err err;

    ck_assert_int_eq(errors_return(L, ERR_UNAVAILABLE, "no %s %zu", "x", (size_t)7), 2);
    ck_assert(lua_isnil(L, -2));
    ck_assert_str_eq(errors_message(L, -1, NULL), "no x 7");
    ck_assert_int_eq(errors_retryable(L, -1), RETRY_NO);
    errors_to_struct(L, -1, &err);
    ck_assert_int_eq(err.kind, ERR_UNAVAILABLE);
    ck_assert_int_eq(err.retryable, RETRY_NO);
    lua_close(L);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, errors_module_behaves, 0, N_ELEMENTS(scripts));
    tcase_add_loop_test(tc, L11_raised_values_become_errors, 0, N_ELEMENTS(raised));
    tcase_add_test(tc, L11_huge_raised_messages_are_cut_at_a_character);
    tcase_add_test(tc, errors_keep_any_bytes);
    tcase_add_test(tc, errors_return_gives_nil_and_an_error_that_is_not_retryable);
}

int main(void)
{
    return unit_main("errors", fill);
}
