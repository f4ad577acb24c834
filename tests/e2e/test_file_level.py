"""What the first run of a file may do (LUA-31): read, not wait."""

import pytest

import troupe
from troupe import function, host, library, process, service

READS = """
local variable = env.get("X")
local all = env.get_all().X
local kind = registry.get("app:host").kind
local hosts = #registry.find{[".kind"] = "process.host"}
local snapshot = registry.snapshot()
local none, err = env.get("NOTHING")
local seen = {variable, all, kind, hosts, snapshot:get("app:host").kind, err:kind()}
"""
SEEN = ["one", "one", "process.host", 1, "process.host", "NotFound"]
MODULES = ["env", "registry"]
MAIN = "return {main = function() return seen end}"

APP = [
    host(),
    {"name": "values", "kind": "env.storage.static", "values": {"X": "one"}},
    {"name": "x", "kind": "env.variable", "variable": "X", "storage": "app:values"},
    library("lib", READS + "return seen", modules=MODULES),
    function("lazy", READS + MAIN, modules=MODULES, pool={"type": "lazy", "max_size": 4}),
    function("inline", READS + MAIN, modules=MODULES, pool={"type": "inline"}),
    function("static", READS + MAIN, modules=MODULES, pool={"type": "static", "size": 3}),
    function("imports", "return {main = function() return lib end}",
             imports={"lib": "app:lib"}),
    {"name": "module", "kind": "module.lua", "source": READS + MAIN, "modules": MODULES},
    process("actor", READS + MAIN, modules=MODULES),
    process("upgraded", READS + """return {main = function(again)
        return again and seen or process.upgrade(nil, true)
    end}""", modules=MODULES),
    function("run", """return {main = function(id)
        return process.exec(id, "app:host")
    end}"""),
    function("calls", """return {main = function(id, n)
        local futures = {}
        for i = 1, n do futures[i] = funcs.async(id) end
        for i = 1, n do
            local result = futures[i]:response():receive():data()
            assert(result[1] == "one", futures[i]:error())
        end
        return n
    end}""", modules=["funcs"]),
    process("serves", """
        local name = env.get("X")
        return {main = function()
            assert(process.registry.register(name))
            process.events():receive()
        end}""", modules=["env"]),
    service("svc", "app:serves"),
]


@pytest.fixture(scope="module")
def running(boot_shared):
    return boot_shared(APP)


@pytest.mark.parametrize("name", ["lazy", "inline", "static", "imports", "module.main"])
def test_LUA31_a_file_reads_variables_and_the_registry(running, name):
    assert running.call("app:" + name) == SEEN


@pytest.mark.parametrize("name", ["actor", "upgraded"])
def test_LUA31_the_file_of_a_process_reads_too(running, name):
    assert running.call("app:run", "app:" + name) == SEEN


def test_LUA31_a_service_whose_file_reads_starts(running):
    running.wait_service("app:svc", "running")
    troupe.wait_for(lambda: "one" in str(running.supctl("names")))


def test_LUA31_many_calls_wait_for_the_file(boot):
    one = boot(APP)
    assert one.call("app:calls", "app:lazy", 50) == 50
    assert one.call("app:calls", "app:inline", 50) == 50


def test_LUA31_the_file_reads_in_the_name_of_the_first_caller(boot):
    one = boot([
        host(), *APP[1:3],
        function("reads", """local value, err = env.get("X")
            return {main = function() return value or err:kind() end}""", modules=["env"]),
        function("as", """return {main = function(id)
            return funcs.new():with_actor(security.new_actor("ann"))
                :with_scope(security.new_scope()):call(id)
        end}""", modules=["funcs", "security"]),
        function("twice", """return {main = function()
            return {(funcs.call("app:as", "app:reads")), (funcs.call("app:reads"))}
        end}""", modules=["funcs"]),
    ])
    assert one.call("app:twice") == ["PermissionDenied", "PermissionDenied"]


@pytest.mark.parametrize("line", [
    "time.sleep(1)", 'env.set("X", "y")', "funcs.call('app:f')",
    "registry.snapshot():changes():delete('app:x'):apply()"])
def test_LUA31_a_file_waits_for_nothing_else(boot, line):
    one = boot([*APP[:3], function("f", line + " return print",
                                   modules=[*MODULES, "time", "funcs"])])
    failed = one.failure("app:f")
    assert "attempt to block at file level" in failed.message


def test_LUA31_the_file_of_an_interceptor_reads_too(boot):
    one = boot([*APP[:3], function("f", "return {main = function() return 1 end}"),
                {"name": "i", "kind": "interceptor.lua", "method": "main",
                 "modules": ["env"], "match": {"functions": ["app:f"]}, "source":
                 'local x = env.get("X") return {main = function() return x end}'}])
    assert one.call("app:f") == "one"
