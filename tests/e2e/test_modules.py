"""module.lua: a library whose functions can be called as ns:name.method (LUA-K)."""

import pytest

import troupe

MATH = """
local calls = 0
local M = {version = 1}
function M.add(a, b) return a + b end
function M.count() calls = calls + 1; return calls end
function M.fail() error("on purpose") end
return M
"""

APP = [
    {"name": "math", "kind": "module.lua", "source": MATH,
     "pool": {"type": "static", "workers": 1}},
    {"name": "near", "kind": "module.lua", "pool": {"type": "inline"},
     "source": "return {who = function() return 'near' end}"},
    troupe.function("math.taken", "return function() return 'an entry' end"),
    {"name": "math.data", "kind": "registry.entry", "x": 1},
    troupe.library("plain", "return {f = function() return 1 end}"),
    troupe.function("caller", """
local funcs = require("funcs")
return function(target, ...)
    local result, err = funcs.call(target, ...)
    return {result = result, error = err and tostring(err)}
end""", modules=["funcs"]),
    troupe.function("importer", "return function(a, b) return math2.add(a, b) end",
                    imports={"math2": "app:math"}),
]


@pytest.fixture(scope="module")
def modules(boot_shared):
    return boot_shared(APP)


def test_methods_are_called_from_outside_and_inside(modules):
    assert modules.call("app:math.add", 2, 3) == 5
    assert modules.call("app:caller", "app:math.add", 4, 5)["result"] == 9
    assert modules.call("app:importer", 6, 7) == 13


def test_methods_keep_state_as_functions_do(modules):
    first = modules.call("app:math.count")
    assert [modules.call("app:math.count") for _ in range(2)] == [first + 1, first + 2]


def test_inline_modules_run_at_the_caller(modules):
    assert modules.call("app:caller", "app:near.who")["result"] == "near"
    assert modules.call("app:near.who") == "near"


def test_an_entry_of_the_full_name_comes_first(modules):
    assert modules.call("app:math.taken") == "an entry"
    with pytest.raises(troupe.SupctlError, match="no handler registered for target"):
        modules.call("app:math.data")


@pytest.mark.parametrize("target, message", [
    ("app:math.nope", 'method "nope" not found in module'),
    ("app:math.version", 'method "version" not found in module'),
    ("app:math", "no handler registered for target"),
    ("app:math.", "no handler registered for target"),
    ("app:plain.f", "no handler registered for target"),
    ("app:none.f", "no handler registered for target"),
])
def test_what_is_no_method_is_not_found(modules, target, message):
    with pytest.raises(troupe.SupctlError) as info:
        modules.call(target)
    assert info.value.kind == "NotFound"
    assert message in info.value.message


def test_errors_of_methods_arrive(modules):
    with pytest.raises(troupe.SupctlError, match="on purpose"):
        modules.call("app:math.fail")


def test_all_methods_share_one_pool(modules):
    before = modules.pool("app:math")["n_calls_done"]
    modules.call("app:math.add", 1, 1)
    modules.call("app:math.count")
    assert modules.pool("app:math")["n_calls_done"] == before + 2
