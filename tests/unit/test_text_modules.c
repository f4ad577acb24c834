/* base64, hash and uuid: small modules that share one program. */
#include "worker/modules/mod_base64.h"
#include "worker/modules/mod_hash.h"
#include "worker/modules/mod_uuid.h"
#include "worker/modules/uuid_text.h"

#include <string.h>

#include "tests/unit/lua_cases.h"

static const char *const base64_cases[] = {
    "local pairs = {'', '', 'f', 'Zg==', 'fo', 'Zm8=', 'foo', 'Zm9v', 'foob', "
    "'Zm9vYg==',\n"
    "  'fooba', 'Zm9vYmE=', 'foobar', 'Zm9vYmFy', '\\0\\255\\254', 'AP/+', "
    "'\\251\\239', '++8='}\n"
    "for i = 1, #pairs, 2 do\n"
    "  eq(base64.encode(pairs[i]), pairs[i + 1]) eq(base64.decode(pairs[i + 1]), "
    "pairs[i])\n"
    "end",
    "local all = {} for i = 0, 255 do all[i + 1] = string.char(i) end\n"
    "all = table.concat(all):rep(100)\n"
    "for n = 0, 10 do local s = all:sub(n) eq(base64.decode(base64.encode(s)), s) end",
    "eq(base64.decode('Zm\\r\\n9v\\nYg=\\n=\\n'), 'foob') eq(base64.decode('\\n'), '')",
    "for text, at in pairs{Z = 0, Zg = 0, Zm9vZm = 4, ['Zg='] = 3, ['Zg=v'] = 2, ['='] "
    "= 0,\n"
    "  ['Z==='] = 1, ['Zg==Zg=='] = 4, ['Zg==='] = 4, ['Zm9 '] = 3, ['Zm-_'] = 2, "
    "['\\0'] = 0} do\n"
    "  fails('Invalid', 'illegal base64 data at input byte ' .. at, "
    "base64.decode(text))\n"
    "end",
    "for _, v in ipairs{5, {}, true} do\n"
    "  fails('Invalid', 'string expected', base64.encode(v))\n"
    "  fails('Invalid', 'string expected', base64.decode(v))\n"
    "end\n"
    "eq(select('#', base64.encode('')), 1) eq(select('#', base64.decode('')), 1)",
};

START_TEST(base64_does_what_its_cases_say)
{
    lua_case_run(base64_open, "base64", base64_cases[_i]);
}
END_TEST

static const char *const hash_cases[] = {
    "eq(hash.md5(''), 'd41d8cd98f00b204e9800998ecf8427e')\n"
    "eq(hash.md5('abc'), '900150983cd24fb0d6963f7d28e17f72')\n"
    "eq(hash.sha1('abc'), 'a9993e364706816aba3e25717850c26c9cd0d89d')\n"
    "eq(hash.sha256('abc'),\n"
    "   'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')\n"
    "eq(hash.sha512('abc'), 'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea2' ..\n"
    "   "
    "'0a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f'"
    ")",
    "eq(hash.hmac_md5('what do ya want for nothing?', 'Jefe'),\n"
    "   '750c783e6ab0b503eaa86e310a5db738')\n"
    "eq(hash.hmac_sha1('what do ya want for nothing?', 'Jefe'),\n"
    "   'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79')\n"
    "eq(hash.hmac_sha256('what do ya want for nothing?', 'Jefe'),\n"
    "   '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843')\n"
    "eq(#hash.hmac_sha512('', ''), 128)",
    "local raw = hash.sha256('abc', true) eq(#raw, 32) eq(raw:byte(1), 0xba)\n"
    "eq(#hash.hmac_md5('a', 'b', true), 16) eq(#hash.md5('a', false), 32)\n"
    "eq(#hash.hmac_md5('a', 'b'), 32)",
    "eq(hash.fnv32(''), 2166136261) eq(hash.fnv32('a'), 0x050c5d7e)\n"
    "eq(hash.fnv32('foobar'), 0x31f0b262)\n"
    "eq(math.type(hash.fnv64('a')), 'float') eq(hash.fnv64('a'), 0xaf63bd4c8601b7be + "
    "2.0^64)",
    "fails('Invalid', 'data must be a string', hash.md5(5))\n"
    "fails('Invalid', 'data must be a string', hash.fnv32())\n"
    "fails('Invalid', 'data must be a string', hash.fnv64({}))\n"
    "fails('Invalid', 'data must be a string', hash.hmac_sha1(nil, 'x'))\n"
    "fails('Invalid', 'secret must be a string', hash.hmac_sha1('x'))\n"
    "fails('Invalid', 'secret must be a string', hash.hmac_sha1('x', true))",
};

START_TEST(hash_does_what_its_cases_say)
{
    lua_case_run(hash_open, "hash", hash_cases[_i]);
}
END_TEST

static const char *const uuid_cases[] = {
    "local seen = {}\n"
    "for _, f in ipairs{'v1', 'v4', 'v7'} do for i = 1, 50 do\n"
    "  local u = uuid[f]() eq(#u, 36) eq(seen[u], nil) seen[u] = true\n"
    "  eq(uuid.version(u), tonumber(f:sub(2))) eq(uuid.variant(u), 'RFC4122')\n"
    "  eq(uuid.validate(u), true)\n"
    "end end",
    "local dns = '6ba7b810-9dad-11d1-80b4-00c04fd430c8'\n"
    "eq(uuid.v3(dns, 'python.org'), '6fa459ea-ee8a-3ca4-894e-db77e160355e')\n"
    "eq(uuid.v5(dns, 'python.org'), '886313e1-3b8a-5372-9b90-0c9aee199e5d')\n"
    "fails('Invalid', 'namespace and name must be strings', uuid.v3(dns))\n"
    "fails('Invalid', 'namespace and name must be strings', uuid.v5(5, 'x'))\n"
    "fails('Invalid', 'invalid namespace UUID', uuid.v5('x', 'x'))",
    "local u = '6BA7B810-9dad-11d1-80b4-00c04fd430c8'\n"
    "local forms = {u, '{' .. u .. '}', 'urn:uuid:' .. u, 'URN:UUID:' .. u,\n"
    "  '6ba7b8109dad11d180b400C04FD430C8'}\n"
    "for _, form in ipairs(forms) do\n"
    "  eq(uuid.validate(form), true) eq(uuid.format(form, 'standard'), u:lower())\n"
    "  eq(uuid.format(form, 'simple'), (u:lower():gsub('-', '')))\n"
    "  eq(uuid.format(form, 'urn'), 'urn:uuid:' .. u:lower())\n"
    "end\n"
    "fails('Invalid', 'unsupported format', uuid.format(u, 'x'))\n"
    "fails('Invalid', 'unsupported format', uuid.format(u))",
    "local bad = {'', 'x', ('0'):rep(31), ('0'):rep(33), ('g'):rep(32),\n"
    "  '6ba7b810x9dad-11d1-80b4-00c04fd430c8', "
    "'{6ba7b810-9dad-11d1-80b4-00c04fd430c8)',\n"
    "  'uri:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8', ('-'):rep(36)}\n"
    "for _, text in ipairs(bad) do\n"
    "  eq(uuid.validate(text), false)\n"
    "  fails('Invalid', 'invalid UUID format', uuid.parse(text))\n"
    "  fails('Invalid', 'invalid UUID format', uuid.version(text))\n"
    "end\n"
    "eq(uuid.validate(5), false) eq(uuid.validate(), false)\n"
    "fails('Invalid', 'input must be a string', uuid.parse(5))\n"
    "fails('Invalid', 'input must be a string', uuid.variant())",
    "local p = uuid.parse('c232ab00-9414-11ec-b3c8-9f6bdeced846')\n"
    "eq(p.version, 1) eq(p.variant, 'RFC4122') eq(p.timestamp, 1645557742)\n"
    "eq(p.node, '\\x9f\\x6b\\xde\\xce\\xd8\\x46')\n"
    "p = uuid.parse('017f22e2-79b0-7cc3-98c4-dc0c0c07398f')\n"
    "eq(p.version, 7) eq(p.timestamp, 1645557742) eq(p.node, nil)\n"
    "p = uuid.parse(uuid.v4()) eq(p.timestamp, nil) eq(p.node, nil)\n"
    "assert(math.abs(uuid.parse(uuid.v1()).timestamp - os.time()) <= 2)\n"
    "assert(math.abs(uuid.parse(uuid.v7()).timestamp - os.time()) <= 2)",
    "local function v(byte) return uuid.variant(('0'):rep(16) .. byte .. "
    "('0'):rep(14)) end\n"
    "eq(v'7f', 'Reserved') eq(v'80', 'RFC4122') eq(v'bf', 'RFC4122') eq(v'c0', "
    "'Microsoft')\n"
    "eq(v'df', 'Microsoft') eq(v'e0', 'Future') eq(v'ff', 'Future')",
};

START_TEST(uuid_does_what_its_cases_say)
{
    lua_case_run(uuid_open, "uuid", uuid_cases[_i]);
}
END_TEST

START_TEST(uuid_v7_sorts_by_time)
{
    static const uint8_t random[16];
    struct uuid last = uuid_make_v7(1700000000000000000, random), next;

    for (int64_t ns = 1000; ns < 3000000; ns += 1000) {
        next = uuid_make_v7(1700000000000000000 + ns, random);
        ck_assert_int_gt(memcmp(next.bytes, last.bytes, 16), 0);
        last = next;
    }
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, base64_does_what_its_cases_say, 0,
                        N_ELEMENTS(base64_cases));
    tcase_add_loop_test(tc, hash_does_what_its_cases_say, 0, N_ELEMENTS(hash_cases));
    tcase_add_loop_test(tc, uuid_does_what_its_cases_say, 0, N_ELEMENTS(uuid_cases));
    tcase_add_test(tc, uuid_v7_sorts_by_time);
}

int main(void)
{
    return unit_main("text_modules", fill);
}
