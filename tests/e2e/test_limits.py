"""Sizes, depths and numbers: what is big arrives whole or is refused clearly, on every
route, and nobody else waits for it (M1, M2, MB-5, F-44 to F-48)."""

import os
import signal
import subprocess
import time
from shlex import quote

import pytest

import troupe
from troupe import (ECHO, IDLE, ONE, SupctlError, function, held, host, process,
                    service, wait_for)

# One value through every route: a call within the worker, to another worker, a spawn, a
# message within the worker, to another worker, an event, a result. What comes back is
# compared where it was made.
ROUTES = """
local function deep(n)
    local t = {}
    for _ = 2, n do t = {t} end
    return t
end

local function depth(t)
    local n = 0
    while t do n = n + 1 t = t[1] end
    return n
end

local make = {
    bytes = function(n) return ("x"):rep(n) end,
    depth = deep,
    keys = function(n) local t = {} for i = 1, n do t["k" .. i] = i end return t end,
    list = function(n) local t = {} for i = 1, n do t[i] = i end return t end,
    -- Little to hold, much to send: one text of 1 MiB, n times.
    megabytes = function(n)
        local t, text = {}, ("x"):rep(1 << 20)
        for i = 1, n do t[i] = text end
        return t
    end,
}
local size = {
    bytes = function(v) return #v end,
    depth = depth,
    keys = function(v) local n = 0 for _ in pairs(v) do n = n + 1 end return n end,
    list = function(v) return #v end,
    megabytes = function(v) return #v end,
}

local function receive(limit)
    local timeout = time.after(limit)
    local got = channel.select{process.inbox():case_receive(),
        process.events():case_receive(), timeout:case_receive()}
    if got.channel == timeout then return nil, errors.new("nothing came") end
    if got.channel == process.events() then
        return got.value.result.value, got.value.result.error
    end
    return got.value:payload():data()
end

local routes = {
    call = function(v) return funcs.call("app:echo", v) end,
    inline = function(v) return funcs.call("app:inline", v) end,
    async = function(v)
        local future, err = funcs.async("app:echo", v)
        if err then return nil, err end
        future:response():receive()
        local got, why = future:result()
        if why then return nil, why end
        return got:data()
    end,
    spawn = function(v)
        local pid, err = process.spawn_monitored("app:give", "app:host", v)
        if not pid then return nil, err end
        return receive("20s")
    end,
    spawn_far = function(v)
        local pid, err = process.spawn_monitored("app:give", "app:far", v)
        if not pid then return nil, err end
        return receive("20s")
    end,
    message = function(v)
        local ok, err = process.send(process.pid(), "t", v)
        if not ok then return nil, err end
        return receive("20s")
    end,
    message_far = function(v)
        local pid = assert(process.spawn("app:bounce", "app:far"))
        local ok, err = process.send(pid, "t", v)
        if not ok then process.terminate(pid) return nil, err end
        return receive("20s")
    end,
}

local function main(route, what, n)
    local value, err = routes[route](make[what](n))
    if err then return {kind = err:kind(), text = tostring(err)} end
    return {size = size[what](value)}
end

return {main = main}
"""
NAMES = ["call", "inline", "async", "spawn", "spawn_far", "message", "message_far"]


@pytest.fixture(scope="module")
def routes(boot_shared):
    return boot_shared([
        host(host={"workers": 1}), host("far", host={"workers": 1}),
        process("give", "return {main = function(v) return v end}"),
        process("bounce", """
return {main = function()
    local message = process.inbox():receive()
    local ok, err = process.send(message:from(), "t", message:payload():data())
    if not ok then process.send(message:from(), "t", tostring(err)) end
end}"""),
        process("route", ROUTES, modules=["time", "funcs"]),
        function("run", """
return {main = function(...)
    local pid = assert(process.spawn_monitored("app:route", "app:host", ...))
    local result = process.events():receive().result
    return result.value, result.error
end}"""),
        function("echo", ECHO, pool={"type": "static", "workers": 1}),
        function("inline", ECHO, pool={"type": "inline"}),
    ])


@pytest.mark.parametrize("route", NAMES)
@pytest.mark.parametrize("what,n", [
    ("bytes", 0), ("bytes", 65535), ("bytes", 65536), ("bytes", 1 << 20), ("bytes", 9 << 20),
    ("depth", 31), ("depth", 32), ("depth", 33), ("depth", 60),
    ("keys", 70000), ("list", 70000),
])
def test_M2_what_arrives_whole(routes, route, what, n):
    assert routes.call("app:run", route, what, n, timeout="30s") == {"size": n}


@pytest.mark.parametrize("route", NAMES)
@pytest.mark.parametrize("what,n,kind,text", [
    ("depth", 200, "Invalid", "value nested too deeply (more than 64 levels) at [1]"),
    ("depth", 100000, "Invalid", "value nested too deeply (more than 64 levels) at [1]"),
    ("megabytes", 70, "LimitExceeded", "value too large (limit 66846720 bytes)"),
])
def test_M1_M2_what_is_too_much_is_refused_clearly(routes, route, what, n, kind, text):
    """An error for who sends, of a kind that says so; nobody dies."""
    def lasting():
        """Others end when they have had nothing to do for a while."""
        return [pid for entry in ("app:host", "app:far", "app:echo")
                for pid in routes.wait_worker(entry)]
    before = lasting()
    got = routes.call("app:run", route, what, n, timeout="30s")
    assert got["kind"] == kind and got["text"].startswith(text), got
    assert lasting() == before


def test_M2_supctl_and_functions_agree_on_values(routes):
    values = [None, True, 0, -1, 2 ** 53 + 1, 2 ** 63 - 1, -2 ** 63, 0.5, 1e300, "", "é\u2028",
              [1, [2, [3]]], {"a": {"b": [1, 3]}}, [1.5, "x", {"k": [0]}]]
    for value in values:
        assert routes.call("app:echo", value) == value


def test_M2_infinities_and_nan_are_null_in_json(boot):
    one = boot([function("f", "return {main = function() return {1/0, -1/0, 0/0} end}")])
    done = one.run_supctl("--json", "call", "app:f")
    assert (done.returncode, done.stdout) == (0, "[null,null,null]\n")


def test_MB5_flooding_a_mailbox_of_another_worker(boot):
    """A receiver that never reads: the sender gets RateLimited in the end, memory of all
    stays bounded, others are served."""
    one = boot([host(host={"workers": 1}),
                host("far", host={"workers": 1, "mailbox_max_bytes": 1 << 20}),
                process("deaf", IDLE),
                function("flood", """
return {main = function(pid, bytes)
    local text = ("x"):rep(bytes)
    for i = 1, 1e7 do
        local ok, err = process.send(pid, "t", text)
        if not ok then return {n = i, kind = err:kind(), retry = err:retryable(),
                               text = tostring(err)} end
        if i % 64 == 0 then time.sleep(0) end
    end
end}""", modules=["time"]), function("echo", ECHO)])
    pid = one.supctl("spawn", "app:deaf", "app:far")
    before = troupe.memory_bytes(one.pid)
    got = one.call("app:flood", pid, 40, timeout="60s")
    assert got["kind"] == "RateLimited" and got["retry"] is True, got
    assert got["text"] == "mailbox full"
    assert got["n"] > 100000, got
    assert not troupe.has_grown(one.pid, before, 16 << 20)
    assert one.call("app:echo", 1) == 1
    one.supctl("cancel", pid)


def test_MB5_what_was_accepted_arrives(boot):
    """A sender that is faster than its receiver's worker: what was on its way when the
    mailbox became full is not lost."""
    one = boot([host(host={"workers": 1, "mailbox_max_bytes": 1 << 20}),
                host("far", host={"workers": 1}),
                process("counts", """
return {main = function()
    local inbox, n = process.inbox(), 0
    process.events():receive()
    while true do
        local got = channel.select{inbox:case_receive(), default = true}
        if got.default then return n end
        n = n + 1
    end
end}"""), process("floods", """
return {main = function(pid)
    local text, n = ("x"):rep(500), 0
    while true do
        local done, err = process.send(pid, "t", text)
        if not done then return {n, err:kind()} end
        n = n + 1
    end
end}"""), function("flood", """
local function value_of(pid)
    local event
    repeat event = process.events():receive() until event.from == pid
    return event.result.value or tostring(event.result.error)
end

return {main = function()
    local pid = process.spawn_monitored("app:counts", "app:host")
    local sent = value_of(process.spawn_monitored("app:floods", "app:far", pid))
    assert(process.spawn("app:cancels", "app:far", pid))
    return {sent[1], sent[2], value_of(pid)}
end}"""), process("cancels", """
return {main = function(pid)
    process.cancel(pid) -- by the same way, behind all that was sent
end}""")])
    sent, kind, got = one.call("app:flood", timeout="60s")
    assert kind == "RateLimited"
    assert sent >= 100000 and got == sent, (sent, got)


def test_MB5_flooding_a_worker_that_reads_nothing(boot):
    """Senders get RateLimited before the supervisor gives the worker up for dead."""
    one = boot([host(host={"workers": 1}), host("far", host={"workers": 1}),
                process("deaf", """
return {main = function()
    process.registry.register("deaf")
    logger:info("up")
    process.events():receive()
end}""", modules=["logger"]), service("keeps", "app:deaf"), process("floods", """
return {main = function(pid)
    local text = ("x"):rep(50000)
    for n = 0, 20000 do
        local done, err = process.send("deaf", "t", text)
        if not done then return {n, err:kind(), tostring(err)} end
    end
    return {"never refused"}
end}"""), function("flood", """
return {main = function()
    process.spawn_monitored("app:floods", "app:far")
    return process.events():receive().result.value
end}"""), function("later", """
return {main = function(delay)
    time.sleep(delay)
    local _, err = process.send("deaf", "t", "x")
    return err and err:kind()
end}""", modules=["time"])])
    one.allow("senders have to wait")
    one.wait_record('"up"')
    pid = one.wait_worker("app:host")[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        n, kind, text = one.call("app:flood", timeout="60s")
        assert (kind, text) == ("RateLimited", "mailbox full")
        assert n * 50000 >= 100 << 20
        # Nor later on, while it still reads nothing.
        assert [one.call("app:later", "200ms") for _ in range(2)] == ["RateLimited"] * 2
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: one.call("app:later", "1ms") is None, what="room for messages")
    assert one.service("app:keeps")["restarts"] == 0
    assert one.wait_worker("app:host") == [pid]


def test_EV1_publishers_wait_for_a_worker_that_reads_nothing(boot):
    """They get RateLimited before the supervisor gives the worker up for dead; nothing of
    what was accepted is lost; whoever publishes nothing for it isn't concerned."""
    one = boot([host(host={"workers": 1}), host("far", host={"workers": 1}),
                process("deaf", """
return {main = function()
    local sub = assert(events.subscribe("flood"))
    process.registry.register("deaf")
    logger:info("up")
    local n = 0
    while sub:channel():receive().kind ~= "end" do n = n + 1 end
    logger:info("got", {n = n})
    process.events():receive()
end}""", modules=["logger", "events"]), service("keeps", "app:deaf"),
                function("flood", """
return {main = function()
    local text = ("x"):rep(1 << 20)
    for n = 0, 1000 do
        local done, err = events.send("flood", "data", "/", text)
        if not done then return {n, err:kind(), tostring(err), err:retryable()} end
        if n % 8 == 0 then time.sleep("1ms") end
    end
    return {"never refused"}
end}""", modules=["events", "time"]), function("tell", """
return {main = function(kind) return (events.send("flood", kind, "/")) end}""",
                                               modules=["events"])])
    one.allow("senders have to wait")
    one.wait_record('"up"')
    pid = one.wait_worker("app:host")[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        n, kind, text, retryable = one.call("app:flood", timeout="60s")
        assert (kind, retryable) == ("RateLimited", True), text
        assert n >= 100
        assert one.call("app:tell", "data") is True  # another worker, no flood of its own
    finally:
        os.kill(pid, signal.SIGCONT)
    assert one.wait_worker("app:host") == [pid]
    wait_for(lambda: one.call("app:flood", timeout="60s")[0] != 0, what="room again")
    one.call("app:tell", "end")
    one.wait_record('"got"')
    assert one.service("app:keeps")["restarts"] == 0


def test_EV4_events_that_nobody_receives_are_bounded(boot):
    """A subscriber that doesn't read misses events when its mailbox is full, others get
    them all, and the log says so, once."""
    one = boot([host(host={"workers": 1, "mailbox_max_bytes": 1 << 20}),
                process("deaf", """
return {main = function()
    local sub = assert(events.subscribe("flood"))
    process.registry.register("deaf")
    while process.events():receive().kind ~= process.event.CANCEL do end
    local n = 0
    while not channel.select{sub:channel():case_receive(), default = true}.default do
        n = n + 1
    end
    events.send("flood", "late", "/")
    return {n, sub:channel():receive().kind}
end}""", modules=["events"]), process("reads", """
return {main = function(n)
    local sub = assert(events.subscribe("flood"))
    for i = 1, n do
        assert(events.send("flood", "data", "/"))
        assert(sub:channel():receive())
    end
    return "all"
end}""", modules=["events"]), function("f", """
return {main = function(n)
    local deaf = assert(process.spawn_monitored("app:deaf", "app:host"))
    while not process.registry.lookup("deaf") do time.sleep("1ms") end
    assert(process.spawn_monitored("app:reads", "app:host", n))
    local all = process.events():receive().result.value
    local _, err = process.send(deaf, "refused")
    process.cancel(deaf)
    local got = process.events():receive().result.value
    return {all, err and err:kind() or "taken", got[1], got[2]}
end}""", modules=["time"])])
    one.allow("a mailbox is full of events")
    all_of_them, kind, n, late = one.call("app:f", 101000, timeout="90s")
    assert (all_of_them, kind, late) == ("all", "RateLimited", "late")
    assert 100000 <= n < 101000
    assert one.output().count("a mailbox is full of events") == 1


def test_F44_thousands_of_calls_at_once(boot):
    """Far more than slots and queue places: all come back, none twice."""
    one = boot([host(), function("inc", "return {main = function(i) return i end}",
                                 pool={"type": "static", "workers": 2, "buffer": 16}),
                function("many", """
return {main = function(n)
    local futures = {}
    for i = 1, n do futures[i] = assert(funcs.async("app:inc", i)) end
    local sum = 0
    for i = 1, n do
        local value = futures[i]:response():receive()
        sum = sum + value:data()
    end
    return sum
end}""", modules=["funcs"])])
    assert one.call("app:many", 20000, timeout="60s") == 20000 * 20001 // 2
    assert one.pool("app:inc")["n_busy"] == 0
    assert one.pool("app:inc")["n_queued"] == 0


def test_F45_lazy_pools_cost_nothing_when_idle(boot):
    one = boot([held("f", pool={"type": "lazy", "idle_timeout": "300ms"})])
    for i in 1, 2:
        call = one.call_in_background("app:f", i)
        one.wait_busy("app:f")
        assert one.workers("app:f")
        one.release("app:f", call)
        assert call.communicate()[0].strip() == str(i)
        wait_for(lambda: not one.workers("app:f"), what="the idle processes' end")


def test_F46_adaptive_pools_start_small_and_grow(boot):
    one = boot([held("f", pool={"type": "adaptive", "max_size": 8})])
    assert one.pool("app:f")["n_slots"] == 1
    calls = [one.call_in_background("app:f", timeout="100s") for _ in range(12)]
    wait_for(lambda: one.pool("app:f")["n_slots"] > 1, what="the pool to grow")
    one.release("app:f", *calls)
    for call in calls:
        _, err = call.communicate()
        assert call.returncode == 0, err


def test_slots_over_processes_and_isolation(boot):
    one = boot([held("spread", pool={"type": "static", "workers": 4, "processes": 2}),
                function("alone", ECHO, pool={"type": "static", "workers": 3, "isolation": "process"})])
    one.wait_worker("app:spread", 2)
    one.wait_worker("app:alone", 3)
    assert len(one.workers("app:spread")) == 2
    assert len(one.workers("app:alone")) == 3
    calls = [one.call_in_background("app:spread") for _ in range(4)]
    one.wait_busy("app:spread", 4)
    one.release("app:spread", *calls)
    for call in calls:
        call.communicate(timeout=30)


def test_one_call_killed_touches_no_other_with_isolation(boot):
    one = boot([held("f", pool={"type": "static", "workers": 2, "isolation": "process"})])
    one.allow("worker died", "killed")
    calls = [one.call_in_background("app:f") for _ in range(2)]
    one.wait_busy("app:f", 2)
    one.kill_worker("app:f")
    one.release("app:f", *calls)
    codes = []
    for call in calls:
        call.communicate(timeout=30)
        codes.append(call.returncode)
    assert sorted(codes) == [0, 1]


def test_a_long_queue_keeps_its_order(boot):
    one = boot([host(), function("order", """
local seen = {}
return {main = function(i)
    if i == 0 then return seen end
    seen[#seen + 1] = i
end}""", pool={"type": "static", "workers": 1, "buffer": 1000}),
                function("many", """
return {main = function(n)
    local futures = {}
    for i = 1, n do futures[i] = assert(funcs.async("app:order", i)) end
    for i = 1, n do futures[i]:response():receive() end
    return funcs.call("app:order", 0)
end}""", modules=["funcs"])])
    assert one.call("app:many", 500, timeout="30s") == list(range(1, 501))


@pytest.mark.parametrize("n", [1, 10, 100])
def test_a_burst_of_supctl_calls(boot, n):
    one = boot([function("f", ECHO)])
    children = [one.call_in_background("app:f", i) for i in range(n)]
    for i, child in enumerate(children):
        out, err = child.communicate(timeout=60)
        assert child.returncode == 0, err
        assert out.strip() == str(i)


def test_deadline_counts_the_time_in_the_queue(boot):
    """complaint 14: what has waited too long is not run any more."""
    one = boot([function("f", """
local runs = 0
return {main = function(is_held)
    runs = runs + 1
    if is_held then process.inbox():receive() end
    return runs
end}""", pool=ONE)])
    first = one.call_in_background("app:f", True)
    one.wait_busy("app:f")
    late = []
    for _ in range(3):
        started = time.monotonic()
        with pytest.raises(SupctlError) as failure:
            one.call("app:f", timeout="50ms")
        late.append(failure.value.kind)
        assert time.monotonic() - started < troupe.SOON_S
    assert late == ["Timeout"] * 3
    one.release("app:f", first)
    assert first.communicate()[0].strip() == "1"
    assert one.call("app:f") == 2


def test_ten_thousand_entries_boot_in_two_seconds(boot):
    entries = [{"name": f"e{i}", "kind": "registry.entry",
                "meta": {"type": "thing", "n": i}, "data": {"value": i}}
               for i in range(9900)]
    entries += [function(f"f{i}", ECHO) for i in range(99)]
    one = boot(entries, start=False)
    one.start()
    took_ms = troupe.cpu_ms(one.pid)
    assert one.call("app:f7", 7) == 7
    assert len(one.supctl("registry", "list")) == 9999
    assert took_ms < (20000 if troupe.SANITIZED else 2000)


def test_supctl_on_a_huge_list(boot):
    spawner = """
return {main = function(n)
    for i = 1, n do assert(process.spawn("app:idle", "app:host")) end
    return n
end}
"""
    one = boot([host(), process("idle", IDLE), function("fill", spawner)])
    assert one.call("app:fill", 20000, timeout="60s") == 20000
    rows = one.supctl("ps")
    assert len(rows) == 20000
    assert len({row["pid"] for row in rows}) == 20000
    shown = one.run_supctl("ps")
    assert shown.returncode == 0
    assert len(shown.stdout.splitlines()) >= 20000
    pipe = subprocess.run(f"{quote(troupe.SUPCTL)} ps --control {quote(one.control)} | head -2",
                          shell=True, capture_output=True, text=True, check=False)
    assert len(pipe.stdout.splitlines()) == 2
    assert pipe.stderr == ""
