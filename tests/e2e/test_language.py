"""What an app sees of Lua, time, the event bus and the log (LUA, TYPE, REQ, ERR, TM,
EV, LG)."""

import re

import pytest

import lua_suite
import troupe
from troupe import function, host, process, service


@pytest.fixture(scope="module")
def results(boot_shared):
    return lua_suite.boot(boot_shared)


@lua_suite.cases("language", "time", "events")
def test_lua(results, suite, title):
    results.check(suite, title)


LOGS = """
local function main()
    logger:debug("a debug record")
    logger:info("an info record", {s = "x", i = 3, f = 2.5, b = true, t = {n = {1, 2}},
        e = errors.new("an error"), [1] = "dropped", pid = "mine"})
    logger:warn("a warning")
    logger:error("an error record", {error = errors.new("why")})
    logger:with({request = 7}):named("sub"):named("deeper"):info("named")
    logger:info("ctl \\27[31m\\n\\0 \\xff end")
    print("printed", 1, 2.5, "x")
    assert(not pcall(logger.named, logger, ""))
    return true
end
return {main = main}
"""


def test_LG1_LG2_LG3_records_as_json(boot):
    one = boot([function("log", LOGS, modules=["logger"])])
    one.allow("a warning", "an error record")
    assert one.call("app:log") is True
    one.wait_record('"msg": "printed')
    records = {r["msg"]: r for r in one.app_records()}
    assert "a debug record" not in records
    info = records["an info record"]
    assert info["level"] == "info"
    assert (info["s"], info["i"], info["f"], info["b"]) == ("x", 3, 2.5, True)
    assert info["t"] == {"n": [1, 2]}
    assert info["e"] == "an error"
    assert info["pid"] == "mine"
    assert info["location"] == "app:log:4"
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", info["ts"])
    assert records["a warning"]["level"] == "warn"
    assert re.match(r"^\{app:log\|0x[0-9a-f]+\}$", records["a warning"]["pid"])
    assert records["an error record"]["level"] == "error"
    assert records["an error record"]["error"] == "why"
    assert records["named"]["request"] == 7
    assert records["named"]["logger"].endswith("sub.deeper")
    printed = [m for m in records if m.startswith("printed")]
    assert printed == ["printed 1 2.5 x"]
    order = [r["msg"] for r in one.app_records()]
    assert order.index("an info record") < order.index("a warning") < order.index("named")


def test_L11_control_bytes_in_a_record_stay_on_one_line(boot):
    one = boot([function("log", LOGS, modules=["logger"])],
               args=["--log-format", "console"])
    one.call("app:log")
    troupe.wait_for(lambda: "printed 1 2.5 x" in one.output())
    text = one.output()
    lines = [line for line in text.splitlines() if " ctl " in line]
    assert len(lines) == 1 and "end" in lines[0], lines
    assert "\x1b[31m" not in text and "\0" not in text


def test_LG2_whatever_an_app_logs_its_record_arrives(boot):
    """Tables that are no plain data cost the record nothing else, and nobody his life."""
    one = boot([host(), process("log", """
return {main = function()
    local cycle, shared, deep, wide = {}, {v = 1}, {}, {}
    cycle.c = cycle
    local at = deep
    for _ = 1, 100 do at.x = {} at = at.x end
    for i = 1, 3000 do wide["k" .. i] = i end
    local fields = {
        keys = {t = {[1.5] = 1, [true] = 2, [{}] = 3, k = 4}},
        nul = {t = {["a\\0b"] = 1}}, own_nul = {["a\\0b"] = 1, t = 2},
        cycle = {t = cycle}, deep = {t = deep}, shared = {t = {shared, shared}},
        sparse = {t = {[1 << 40] = 1}}, big = {t = ("x"):rep(1 << 20), ok = 1},
        bigs = {t = {("x"):rep(1 << 20)}}, wide = wide,
        objects = {t = {e = errors.new("inside")}, f = print, c = channel.new()},
    }
    for name, given in pairs(fields) do logger:info(name, given) end
    logger:info("last")
    process.events():receive()
end}""", modules=["logger"]), service("keeps", "app:log")])
    one.wait_record('"msg": "last"')
    records = {r["msg"]: r for r in one.app_records()}
    assert len(records) == 12
    assert all(r["pid"].startswith("{app:host|") and r["location"].startswith("app:log:")
               for r in records.values()), records
    assert records["keys"]["t"] == {"1.5": 1, "true": 2, "k": 4}
    assert records["nul"]["t"] == "(a key holds a NUL byte)"
    assert records["own_nul"]["t"] == 2 and records["own_nul"]["fields_left_out"] == 1
    assert records["cycle"]["t"] == records["deep"]["t"] == "(tables are nested too deeply)"
    assert records["shared"]["t"] == [{"v": 1}, {"v": 1}]
    assert "holes" in records["sparse"]["t"]
    assert records["big"]["t"].startswith("xxx") and records["big"]["ok"] == 1
    assert re.match(r"\(a table of \d+ bytes\)", records["bigs"]["t"])
    assert "f" not in records["objects"] and records["objects"]["t"] == {"e": "inside"}
    assert one.service("app:keeps")["restarts"] == 0


def test_LG3_levels(boot):
    one = boot([function("log", LOGS, modules=["logger"])], args=["-v"])
    one.allow(".*")
    one.call("app:log")
    one.wait_record("a debug record")
    two = boot([function("log", LOGS, modules=["logger"])], args=["--log-level", "error"])
    two.allow(".*")
    two.call("app:log")
    two.wait_record("an error record")
    assert not [r for r in two.records() if r["level"] in ("info", "warn")]


def test_LG1_records_of_one_process_keep_their_order(boot):
    one = boot([host(), process("chat", """
return {main = function(n) for i = 1, n do logger:info("n", {i = i}) end end}""",
                                modules=["logger"])])
    one.supctl("spawn", "app:chat", "app:host", 3000)
    one.wait_record('"i": 3000')
    numbers = [r["i"] for r in one.app_records() if r["msg"] == "n"]
    assert numbers == list(range(1, 3001))


def test_LUA32_a_frozen_table_has_methods_too(boot):
    frozen = 'return table.freeze({main = function(x) return x end})'
    running = boot([host(), function("f", frozen), process("p", frozen),
                    {"name": "m", "kind": "module.lua", "source": frozen},
                    function("run", """return {main = function()
                        return {funcs.call("app:f", 1), process.exec("app:p", "app:host", 2),
                                (funcs.call("app:m.main", 3))}
                    end}""", modules=["funcs"])])
    assert running.call("app:run") == [1, 2, 3]


EVERY_MODULE = ["base64", "contract", "ctx", "env", "events", "expr", "funcs", "hash", "io",
                "json", "logger", "metrics", "pg", "registry", "security", "system", "time",
                "uuid"]
WALKS = """
local writable, n = {}, 0
local function walk(path, t)
    n = n + 1
    local key = next(t)
    for how, try in pairs{
            new = function() t.zzz = 1 end, old = function() t[key] = 1 end,
            raw = function() rawset(t, "zzz", 1) end,
            insert = function() table.insert(t, 1) end,
            metatable = function() setmetatable(t, {}) end} do
        if pcall(try) then writable[#writable + 1] = how .. " " .. path end
    end
    for name, field in pairs(t) do
        if type(field) == "table" then walk(path .. "." .. name, field) end
    end
end
return {main = function(names)
    for _, name in ipairs(names) do
        if type(_G[name]) == "table" then walk(name, _G[name]) end
    end
    table.sort(writable)
    return {n = n, writable = table.concat(writable, "; ")}
end}"""


def test_LUA24_L3_nothing_that_actors_share_can_be_written(boot):
    """process.registry and its like, too: actors of an entry share a Lua state."""
    running = boot([function("walks", WALKS, modules=EVERY_MODULE)])
    found = running.call("app:walks", EVERY_MODULE + [
        "string", "table", "math", "os", "coroutine", "errors", "package", "channel",
        "payload", "process"])
    assert found["writable"] == ""
    assert found["n"] > 30
