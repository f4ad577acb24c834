#include "worker/modules/mod_expr.h"

#include "tests/unit/lua_cases.h"

static const char *const cases[] = {
    /* results keep their kind */
    "eq(expr.eval('1 + 2'), 3) eq(expr.eval('7 / 2'), 3.5) eq(expr.eval('4 / 2'), "
    "2.0)\n"
    "eq(expr.eval(\"'a' + 'b'\"), 'ab') eq(expr.eval('1 < 2'), true)\n"
    "eq(expr.eval('nil'), nil) eq(select('#', expr.eval('nil')), 1)\n"
    "eq(expr.eval('2 ** 2'), 4.0)",
    /* variables: lists count from 0, unknown ones are nil */
    "eq(expr.eval('a + b', {a = 1, b = 2}), 3) eq(expr.eval('list[0]', {list = {7}}), "
    "7)\n"
    "eq(expr.eval('list[-1]', {list = {7, 8}}), 8) eq(expr.eval('nobody'), nil)\n"
    "eq(expr.eval('user.name', {user = {name = 'Bo'}}), 'Bo')\n"
    "eq(expr.eval('x == 1', {x = 1.0}), true) eq(expr.eval('x', {x = 1.0}), 1.0)\n"
    "eq(expr.eval('len(f) > 0', {f = print}), true)",
    /* tables come back */
    "local t = expr.eval('{a: [1, 2.5, \"x\"], b: {c: true}}')\n"
    "eq(#t.a, 3) eq(t.a[1], 1) eq(t.a[2], 2.5) eq(t.a[3], 'x') eq(t.b.c, true)\n"
    "local l = expr.eval('filter(n, {# > 1})', {n = {1, 2, 3}}) eq(#l, 2) eq(l[1], 2)\n"
    "eq(#expr.eval('[]'), 0)",
    /* programs */
    "local p = assert(expr.compile('a * 2')) eq(p:run{a = 2}, 4) eq(p:run{a = 1.5}, "
    "3.0)\n"
    "fails('Internal', '1:3: that takes numbers', p:run())\n"
    "fails('Internal', '1:3: that takes numbers', p:run{a = 'x'})\n"
    "raises('Program expected', p.run, {}) raises('table expected', p.run, p, 5)\n"
    "eq(getmetatable(p), false)",
    /* a sketch says which names there are and what they are */
    "local sketch = {n = 1, s = '', flag = true, list = {1}, map = {a = 1}}\n"
    "eq(expr.compile('n > 1 && flag', sketch):run{n = 2, flag = true}, true)\n"
    "fails('Internal', '1:1: there is no such variable', expr.compile('nope', "
    "sketch))\n"
    "fails('Internal', \"1:3: these two don't go with that operator\",\n"
    "  expr.compile('n + s', sketch))\n"
    "fails('Internal', '1:1: there is no such variable', expr.compile('n', {}))",
    /* errors */
    "fails('Invalid', 'expression cannot be empty', expr.eval(''))\n"
    "fails('Invalid', 'expression cannot be empty', expr.compile(''))\n"
    "fails('Internal', '1:4: unexpected end', expr.eval('1 +'))\n"
    "fails('Internal', '1:4: unexpected end', expr.compile('1 +'))\n"
    "fails('Internal', \"1:3: nil has no 'b'\", expr.eval('a.b'))\n"
    "raises('string expected', expr.eval) raises('string expected', expr.compile, {})\n"
    "raises('table expected', expr.eval, '1', 5)\n"
    "raises('table expected', expr.compile, '1', 'x')\n"
    "local loop = {} loop.loop = loop\n"
    "fails('Internal', 'tables are nested too deeply', expr.eval('1', loop))\n"
    "local deep = '1' for i = 1, 90 do deep = '[' .. deep .. ']' end\n"
    "local value, err = expr.eval(deep) eq(value, nil) eq(err:kind(), 'Internal')",
    /* what is kept is bounded, and what was dropped still runs */
    "local first = expr.compile('x + 0')\n"
    "for i = 1, 2500 do eq(expr.eval('x + ' .. i, {x = 1}), i + 1) end\n"
    "eq(first:run{x = 5}, 5) eq(expr.eval('x + 2500', {x = 0}), 2500)\n"
    "local heavy = {}\n"
    "for i = 1, 300 do heavy[i] = expr.compile(\"'a\" .. i .. \"' matches '^a\" .. i "
    ".. "
    "\"$'\") end\n"
    "for i = 1, 300 do eq(heavy[i]:run(), true) end",
};

START_TEST(module_does_what_its_cases_say)
{
    lua_case_run(mod_expr_open, "expr", cases[_i]);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, module_does_what_its_cases_say, 0, N_ELEMENTS(cases));
}

int main(void)
{
    return unit_main("expr_module", fill);
}
