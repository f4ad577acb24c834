"""Apps that misbehave: endless loops, memory without end, odd errors, forbidden doors.
Each costs its own call or actor and nobody else's."""

import time

import pytest

import troupe
from troupe import (DEATH, ECHO, ONE, PATTERN_BOMB, SPIN, function, held,
                    host, is_alive, process, service, wait_for)

# ---- loops


def test_endless_loop_in_an_actor_leaves_neighbours_alone(boot):
    """T-10 among processes: spinning actors, a neighbour answers, all can be killed."""
    ping = """
return {main = function()
    local pid = assert(process.registry.lookup("echo"))
    process.send(pid, "ping", process.pid())
    return process.inbox():receive():payload():data()
end}
"""
    echo = """
return {main = function()
    process.registry.register("echo")
    local inbox, events = process.inbox(), process.events()
    while true do
        local got = channel.select{inbox:case_receive(), events:case_receive()}
        if got.channel == events then return end
        process.send(got.value:payload():data(), "pong", "alive")
    end
end}
"""
    one = boot([host(host={"workers": 1}), process("spin", SPIN), process("echo", echo),
                service("echo.service", "app:echo"), function("ping", ping)])
    pids = [one.supctl("spawn", "app:spin", "app:host") for _ in range(5)]
    for _ in range(10):
        assert one.call("app:ping", timeout="20s") == "alive"
    for pid in pids:
        one.supctl("kill", pid)
    wait_for(lambda: not one.actors("app:spin"), what="the spinning actors' end")


def test_endless_loop_in_a_function_times_out_and_its_slot_lives(boot):
    one = boot([function("spin", SPIN, pool=ONE), function("echo", ECHO)],
               args=troupe.PATIENT)
    before = one.wait_worker("app:spin")
    for _ in range(2):
        assert one.failure("app:spin", timeout="100ms").kind == "Timeout"
    assert one.call("app:echo", 1) == 1
    one.wait_idle("app:spin")
    assert one.wait_worker("app:spin") == before


def wait_bombed(one, pid, timeout):
    """Calls app:bomb until one of the calls got so far in time, and its worker is gone."""
    def is_gone():
        assert one.failure("app:bomb", timeout=timeout).kind == "Timeout"
        one.wait_idle("app:bomb")
        return not is_alive(pid)
    wait_for(is_gone, what="the bomb's worker to be killed")


def test_L6_pattern_bomb_ends_with_its_worker(boot):
    """No hook runs inside string.find; the deadline ends in a kill, others live on."""
    one = boot([function("bomb", PATTERN_BOMB, pool=ONE),
                function("echo", ECHO)])
    one.allow(DEATH)
    pid = one.wait_worker("app:bomb")[0]
    started = time.monotonic()
    assert one.failure("app:bomb", timeout="200ms").kind == "Timeout"
    assert time.monotonic() - started < troupe.SOON_S
    assert one.call("app:echo", 1) == 1
    wait_bombed(one, pid, "200ms")
    one.wait_worker("app:bomb")


def test_L6_who_hears_nothing_is_not_given_the_grace_of_who_does(boot):
    one = boot([function("bomb", PATTERN_BOMB, pool=ONE)],
               args=["--set", "calls.cancel_grace=1h"])
    one.allow(DEATH)
    pid = one.wait_worker("app:bomb")[0]
    wait_bombed(one, pid, "50ms")


# ---- memory, stacks, odd errors

EATERS = {
    "table": "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(100) .. i end",
    "doubling": "local s = 'x' while true do s = s .. s end",
    "rep": "return #string.rep('x', 1 << 40)",
    "rep in pieces": "local t = {} while true do t[#t + 1] = string.rep('x', 1 << 20) end",
    "format": "local s = '' while true do s = s .. string.format('%99s', s) .. s end",
    "gsub": "local s = 'x' while true do s = s:gsub('x', 'xx') end",
    "concat": "local t = {} for i = 1, 30 do t[i] = ('x'):rep(1 << 24) end "
              "local s = table.concat(t) while true do s = s .. s end",
}


@pytest.mark.parametrize("name", EATERS)
def test_L5_memory_eater_fails_alone(boot, name):
    """The ceiling ends the actor that eats; neighbours of its host and the supervisor
    don't grow or die."""
    neighbour = """
return {main = function() process.inbox():receive() return "lived" end}
"""
    eater = f"return {{main = function() {EATERS[name]} end}}"
    watch = """
return {main = function()
    local neighbour = assert(process.spawn_monitored("app:neighbour", "app:host"))
    local eater = assert(process.spawn_monitored("app:eater", "app:host"))
    local first = process.events():receive()
    process.send(neighbour, "end")
    local second = process.events():receive()
    return {eater = first.from == eater and tostring(first.result.error),
            neighbour = second.from == neighbour and tostring(second.result.value)}
end}
"""
    one = boot([host(host={"workers": 1}), process("eater", eater),
                process("neighbour", neighbour), function("watch", watch)])
    before = troupe.memory_bytes(one.pid)
    pid = one.wait_worker("app:host")
    got = one.call("app:watch", timeout="50s")
    assert got["neighbour"] == "lived", got
    assert "memory" in got["eater"] or "too large" in got["eater"] \
        or "length overflow" in got["eater"], got
    assert one.wait_worker("app:host") == pid
    assert not troupe.has_grown(one.pid, before, 16 << 20)


def test_L5_memory_eater_that_swallows_errors(boot):
    """An actor that catches the error and goes on eating ends all the same."""
    eater = """
return {main = function()
    local t = {}
    while true do pcall(function() t[#t + 1] = ("x"):rep(1e6) end) end
end}
"""
    one = boot([function("eater", eater, pool=ONE),
                function("echo", ECHO)])
    one.allow(DEATH)
    failure = one.failure("app:eater", timeout="3s")
    assert failure.kind in ("Unavailable", "Internal", "Timeout", "LimitExceeded")
    assert one.call("app:echo", 1) == 1


# Keeps 1 MB of each call; says how many it has seen.
HOARDS = """local kept = {}
    local function hoard()
        local bytes = {}
        for i = 1, 16 do bytes[i] = ("x"):rep(1 << 16) .. i .. #kept end
        kept[#kept + 1] = bytes
        return #kept
    end """


def check_hoarder(one, target, n=40):
    seen = [one.try_call(target) for _ in range(n)]
    assert None in seen
    assert (None, None) not in list(zip(seen, seen[1:])), seen


def test_F3_L5_a_function_that_keeps_too_much_starts_anew(boot):
    """It fails once, not for ever: what it kept goes with its instance."""
    one = boot([function("hoards", HOARDS + "return {main = hoard}",
                         pool={**ONE, "vm_max_bytes": 8 << 20})])
    check_hoarder(one, "app:hoards")


def test_F3_L5_an_interceptor_that_keeps_too_much_starts_anew(boot):
    """Nobody runs the old one's method after that, handlers that waited included."""
    one = boot([
        held("gate", pool={"type": "static", "workers": 3}),
        function("calm", """return {main = function(is_held)
            if is_held then funcs.call("app:gate") end end}""", modules=["funcs"]),
        {"name": "hoards", "kind": "interceptor.lua", "method": "handle",
         "match": {"functions": ["app:calm"]},
         "pool": {"type": "inline", "vm_max_bytes": 8 << 20},
         "source": HOARDS + """return {handle = function(call, next)
            if call.args[1] then next() end
            return hoard()
         end}"""}])
    waiting = [one.call_in_background("app:calm", True) for _ in range(3)]
    one.wait_busy("app:calm", 3)
    check_hoarder(one, "app:calm", 9)
    one.release("app:gate", *waiting)
    for call in waiting:
        call.communicate()
    check_hoarder(one, "app:calm")


def test_F3_L5_a_call_that_wants_too_much_takes_no_state_along(boot):
    one = boot([function("counts", """local n = 0
        return {main = function(mb)
            n = n + 1
            local t = {}
            for i = 1, mb do t[i] = ("x"):rep(1 << 20) .. i end
            return n end}""", pool={**ONE, "vm_max_bytes": 8 << 20})])
    assert one.call("app:counts", 1) == 1
    assert "not enough memory" in one.failure("app:counts", 100).message
    assert one.call("app:counts", 1) == 3


DEEP = {
    "recursion": "local function f(n) return 1 + f(n + 1) end return f(1)",
    "pcall": "local function f(n) local ok, e = pcall(f, n + 1) "
             "if not ok then error(e, 0) end end return f(1)",
    "gsub": "local function f() return (('x'):gsub('x', f)) end return f()",
    "index": "local t = setmetatable({}, {}) getmetatable(t).__index = "
             "function(s, k) return s[k .. 'x'] end return t.x",
    "coroutines": "local function f() return coroutine.wrap(f)() end return f()",
    "tostring": "local t = setmetatable({}, {}) getmetatable(t).__tostring = "
                "function() return tostring(t) end return tostring(t)",
    "sort": "local function f() table.sort({2, 1}, f) return true end return f()",
    "mixed sort": "table.sort({1, 'x', {}})",
    "unpack": "return #{table.unpack({}, 1, 1e9)}",
    "unpack edge": "return table.unpack({}, math.mininteger, math.maxinteger)",
    "select": "return select(math.mininteger, 1)",
    "concat edge": "return table.concat({}, 'x', math.maxinteger - 1, math.maxinteger)",
    "rep edge": "return ('x'):rep(math.maxinteger, 'yy')",
    "format": "return string.format('%99999d', 1)",
    "error object": "error(setmetatable({}, {__tostring = function() error('again') end}))",
    "error text": "error(('\\0\\27[31m\\n'):rep(100000))",
    "gmatch": "for _ in ('x'):rep(1e4):gmatch('.-b') do end error('done')",
}


@pytest.fixture(scope="module")
def boot_extremes(boot_shared):
    one = boot_shared([
        function("echo", ECHO, pool=ONE),
        *[function(name.replace(" ", "_"), f"return {{main = function() {code} end}}")
          for name, code in DEEP.items()]])
    return one, one.wait_worker("app:echo")


@pytest.mark.parametrize("name", DEEP)
def test_L7_L10_L11_extremes_end_in_errors(boot_extremes, name):
    """Stack overflows, integer edges and odd errors are errors of that call."""
    one, pids = boot_extremes
    failure = one.failure("app:" + name.replace(" ", "_"), timeout="20s")
    assert failure.kind in ("Internal", "Invalid"), failure
    assert len(failure.stderr) < 1 << 20
    assert one.call("app:echo", "fine") == "fine"
    assert set(pids) <= set(one.workers()), "a worker died"


# ---- doors that are shut


def test_L3_one_call_can_not_change_what_the_next_one_sees(boot):
    poke = """
local function main()
    local tries = {
        function() string.rep = function() return "poisoned" end end,
        function() getmetatable("").__index = function() return "poisoned" end end,
        function() getmetatable("").__add = function() return "poisoned" end end,
        function() table.concat = nil end,
        function() math.huge = 0 end,
        function() errors.new = nil end,
        function() rawset(string, "rep", nil) end,
        function() setmetatable(string, nil) end,
        function() table.freeze = nil end,
    }
    local refused = 0
    for _, try in ipairs(tries) do
        if not pcall(try) then refused = refused + 1 end
    end
    leak = "global"
    return refused
end
return {main = main}
"""
    look = """
return {main = function()
    return {rep = ("x"):rep(2), concat = type(table.concat), huge = math.huge > 1e300,
            new = type(errors.new), leak = tostring(leak), freeze = type(table.freeze)}
end}
"""
    one = boot([function("poke", poke, pool={"type": "inline"}),
                function("look", look, pool={"type": "inline"}),
                function("both", """
return {main = function()
    local refused, err = funcs.call("app:poke")
    assert(not err, tostring(err))
    return funcs.call("app:look")
end}""", modules=["funcs"], pool=ONE)])
    for _ in range(2):
        assert one.call("app:both") == {
            "rep": "xx", "concat": "function", "huge": True, "new": "function",
            "leak": "nil", "freeze": "function"}


def test_L1_L2_L4_no_loaders_no_debug_no_bytecode(boot):
    names = ["load", "loadstring", "loadfile", "dofile", "debug", "collectgarbage", "io",
             "rawlen", "utf8", "os.execute", "os.exit", "os.remove", "os.rename",
             "os.tmpname", "os.getenv", "os.setlocale"]
    body = "".join(f"present['{n}'] = {n} ~= nil or nil " for n in names)
    look = f"""
return {{main = function()
    local present = {{}}
    {body}
    return {{present = present, dump = pcall(string.dump, main),
            loadlib = type((select(2, pcall(package.loadlib, "libc.so.6", "*")))),
            path = package.path, cpath = package.cpath,
            required = pcall(require, "debug")}}
end}}
"""
    one = boot([function("look", look)])
    assert one.call("app:look") == {"present": {}, "dump": False, "loadlib": "nil",
                                    "path": "", "cpath": "", "required": False}


def test_L1_bytecode_as_source_is_refused(boot):
    one = boot({"src/_index.yaml": """
version: "1.0"
namespace: app
entries:
  - name: bytes
    kind: function.lua
    source: file://bytes.lua
    method: main
""", "src/bytes.lua": b"\x1bLua\x54\x00\x19\x93\r\n\x1a\n" + b"\x04\x08\x08" * 50},
               start=False)
    one.spawn()
    assert one.wait(30) == troupe.BAD_CONFIG
    assert "bytes" in one.output() + one.errors()
    one.child = None
