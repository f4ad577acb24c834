#include "worker/modules/payload.h"

#include <lua.h>

#include "worker/modules/mod_json.h"
#include "worker/sandbox.h"

#include "tests/unit/sandbox_cases.h"
#include "tests/unit/unit.h"

static const char *const payload_scripts[] = {
    "local t = {1, x = {}}\n"
    "local p = payload.new(t)\n"
    "assert(type(p) == 'userdata' and tostring(p) == 'payload{format=lua/any}')\n"
    "assert(p:data() == t and select('#', p:data()) == 1 and p:get_format() == "
    "'lua/any')\n"
    "assert(p.x == nil and p:unmarshal() == t and getmetatable(p) == false)\n"
    "assert(payload.new(nil):data() == nil and "
    "payload.new(errors.new('m')):get_format()\n"
    "  == payload.format.ERROR)",

    "local p = payload.new('text'):transcode(payload.format.STRING)\n"
    "assert(p:get_format() == 'text/plain' and p:data() == 'text')\n"
    "local p, err = payload.new({}):transcode('text/plain')\n"
    "assert(p == nil and err:kind() == 'Internal' and err:retryable() == false)\n"
    "p, err = payload.new({}):transcode(payload.format.YAML)\n"
    "assert(p == nil and tostring(err):find('transcode failed', 1, true))",

    "local p = payload.new({a = {1, 2.5, 'x'}}):transcode(payload.format.MSGPACK)\n"
    "assert(p:get_format() == 'application/msgpack')\n"
    "assert(p:unmarshal().a[2] == 2.5 and p:transcode(payload.format.LUA):data().a[3] "
    "==\n"
    "  'x')",

    "local p = payload.new({1, {a = 'b'}}):transcode('json/plain')\n"
    "assert(tostring(p) == 'payload{format=json/plain}' and p:data()[2].a == 'b')\n"
    "assert(p:transcode('lua/any'):data()[1] == 1)\n"
    "local p, err = payload.new({1, x = 2}):transcode('json/plain')\n"
    "assert(p == nil and err:kind() == 'Internal' and tostring(err):find('mixed.key'))",

    "local p = payload.new(nil):transcode('json/plain')\n"
    "assert(select('#', p:data()) == 1 and p:data() == nil)\n"
    "assert(p:transcode(payload.format.MSGPACK):transcode('json/plain'):data() == "
    "nil)",

    ("local t = table.freeze({1, table.freeze({a = 'b'})})\n"
     "assert(json.encode(t) == '[1,{\"a\":\"b\"}]')"),
};

START_TEST(payload_behaves)
{
    lua_State *L = open_sandbox();

    json_add_transcoder(L);
    sandbox_push_globals(L);
    json_open(L);
    lua_setfield(L, -2, "json");
    lua_settop(L, 0);
    check_in_sandbox(L, payload_scripts[_i]);
    lua_close(L);
}
END_TEST

START_TEST(payload_decodes_once_and_says_when_it_can_not)
{
    lua_State *L = open_sandbox();
    static const uint8_t map[] = {0x81, 0xa1, 'a', 0x01}, broken[] = {0x92, 0x01, 0xc1};

    payload_push_encoded(L, (struct bytes){map, sizeof(map)}, false);
    sandbox_push_globals(L);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "p");
    payload_push_encoded(L, (struct bytes){broken, sizeof(broken)}, false);
    lua_setfield(L, -2, "q");
    lua_settop(L, 1);
    check_in_sandbox(
        L, "assert(p:data().a == 1 and p:data() == p:data())\n"
           "assert(select('#', p:data()) == 1)\n"
           "local v, err = q:data()\n"
           "assert(v == nil and err:kind() == 'Internal' and q:get_format() == "
           "'lua/any')\n"
           "assert(tostring(q) == 'payload{format=lua/any}')");
    lua_close(L);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, payload_behaves, 0, N_ELEMENTS(payload_scripts));
    tcase_add_test(tc, payload_decodes_once_and_says_when_it_can_not);
}

int main(void)
{
    return unit_main("payload", fill);
}
