"""Random kills under load, with books kept: every call ends exactly once, every EXIT
comes exactly once, and when it is over nothing is left open (invariants 4, 5, 7; P1,
P7, MP-5). TROUPE_CHAOS_SEEDS may hold others than the usual seeds."""

import json
import os
import random
import signal
import time

import pytest

import troupe
from troupe import IDLE, function, host, process, service, wait_for

SEEDS = [int(seed) for seed in os.environ.get("TROUPE_CHAOS_SEEDS", "0 1 2").split()]

DRIVER = """
-- Makes calls and children until it is told to stop; keeps count of every outcome.
local function main(seed)
    local calls = {made = 0, ok = 0, unavailable = 0, other = {}}
    local kids = {made = 0, refused = 0, exits = 0, twice = 0, early = 0, ok = 0, unavailable = 0,
        other = {}}
    local stopping = false
    local done = channel.new()
    math.randomseed(seed)

    local function note(book, err)
        if not err then
            book.ok = book.ok + 1
        elseif err:kind() == "Unavailable" then
            book.unavailable = book.unavailable + 1
        else
            book.other[#book.other + 1] = err:kind() .. ": " .. tostring(err)
        end
    end

    local targets = {"app:static", "app:lazy", "app:alone", "app:inline"}
    for _ = 1, 8 do
        coroutine.spawn(function()
            while not stopping do
                local n = math.random(1000)
                calls.made = calls.made + 1
                local value, err = funcs.call(targets[math.random(#targets)], n)
                if not err and value ~= n then
                    calls.other[#calls.other + 1] = "wrong answer"
                end
                note(calls, err)
                if err then time.sleep("1ms") end
            end
            done:send(true)
        end)
    end

    local open, early, seen = {}, {}, {}
    local n_open = 0
    coroutine.spawn(function()
        while not stopping do
            kids.made = kids.made + 1
            local pid, err = process.spawn_monitored("app:child",
                math.random(2) == 1 and "app:victims" or "app:host", math.random(5))
            if pid then
                if early[pid] then
                    early[pid] = nil
                    kids.early = kids.early + 1
                else
                    open[pid] = true
                end
                n_open = n_open + 1
            else
                kids.refused = kids.refused + 1
                time.sleep("2ms")
            end
            if n_open > 200 then time.sleep("1ms") end
        end
        done:send(true)
    end)

    local events, inbox = process.events(), process.inbox()
    local left = 9
    while left > 0 or n_open > 0 do
        local got = channel.select{events:case_receive(), inbox:case_receive(),
            done:case_receive()}
        if got.channel == done then
            left = left - 1
        elseif got.channel == inbox then
            stopping = true
        elseif got.value.kind == process.event.CANCEL then
            return nil, "cancelled"
        else
            kids.exits = kids.exits + 1
            local from = got.value.from
            if seen[from] then kids.twice = kids.twice + 1 end
            seen[from] = true
            if not open[from] then
                early[from] = true
            end
            open[from] = nil
            n_open = n_open - 1
            note(kids, got.value.result.error)
        end
    end
    return {calls = calls, kids = kids}
end
return {main = main}
"""

CHILD = """
return {main = function(ms)
    process.registry.register("child " .. process.pid())
    time.sleep(ms * time.MILLISECOND)
    return ms
end}
"""

RUN = """
return {main = function(seed)
    local pid = assert(process.spawn_monitored("app:driver", "app:host", seed))
    process.registry.register("driver", pid)
    local result = process.events():receive().result
    return result.value, result.error
end}
"""


def app():
    work = "return {main = function(n) if n % 3 == 0 then time.sleep('1ms') end return n end}"
    return [
        host(host={"workers": 1}), host("victims", host={"workers": 2}),
        process("driver", DRIVER, modules=["funcs", "time"]),
        process("child", CHILD, modules=["time"]),
        function("run", RUN, pool={"type": "static", "workers": 1}),
        function("static", work, modules=["time"], pool={"type": "static", "workers": 4}),
        function("lazy", work, modules=["time"], pool={"type": "lazy", "max_size": 4}),
        function("alone", work, modules=["time"],
                 pool={"type": "static", "workers": 2, "isolation": "process"}),
        function("inline", work, modules=["time"], pool={"type": "inline"}),
        process("forever", IDLE),
        service("steady", "app:forever", "app:victims",
                restart={"initial_delay": "5ms", "max_delay": "50ms"}),
    ]


ENOUGH = 30  # kills, or they mean nothing
VICTIMS = ["app:static", "app:lazy", "app:alone", "app:victims", "@compile"]


def kill_some(one, rng, seconds, signals):
    """Kills random workers for a while, and enough of them; returns how many."""
    end = time.monotonic() + seconds
    n = 0
    while time.monotonic() < end or n <= ENOUGH:
        pids = [pid for entry in VICTIMS for pid in one.workers(entry)]
        if pids:
            pid, sig = rng.choice(pids), rng.choice(signals)
            try:
                os.kill(pid, sig)
                if sig == signal.SIGSTOP:
                    time.sleep(0.02)
                    os.kill(pid, signal.SIGCONT)
                n += 1
            except ProcessLookupError:
                pass
        time.sleep(rng.uniform(0.0, 0.06))
    return n


@pytest.mark.parametrize("seed", SEEDS)
def test_two_hundred_random_kills_under_load(boot, seed):
    rng = random.Random(seed)
    one = boot(app())
    one.allow("worker died", "killing a worker", "was killed", "service failed",
              "process failed", "compile worker", "stopped from outside", "ended",
              "too often|restarts")
    run = one.call_in_background("app:run", seed)
    wait_for(lambda: "driver" in str(one.supctl("names")), what="the driver")
    n = kill_some(one, rng, 4, [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM,
                                signal.SIGSEGV if not troupe.SANITIZED else signal.SIGKILL,
                                signal.SIGSTOP])
    assert n > ENOUGH
    one.supctl("send", "driver", "stop")
    out, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    books = json.loads(out)
    calls, kids = books["calls"], books["kids"]
    for book in (calls, kids):
        assert book["other"] in ([], {}), book["other"][:5]
    assert calls["made"] == calls["ok"] + calls["unavailable"], calls
    assert calls["ok"] > 100, calls
    assert kids["made"] == kids["refused"] + kids["exits"], kids
    assert kids["twice"] == 0
    assert kids["ok"] > 20, kids
    # When it is over all is as before.
    for name in ("app:static", "app:lazy", "app:alone", "app:inline"):
        wait_for(lambda name=name: succeeds(one, name), what=f"{name} to answer")
    one.wait_service("app:steady", "running")
    wait_for(lambda: not one.actors("app:child"), what="the children's end")
    wait_for(lambda: not [row for row in one.supctl("names") if "child" in str(row)],
             what="the children's names to be free")
    for name in ("app:static", "app:lazy", "app:alone"):
        assert one.pool(name)["n_busy"] == 0 and one.pool(name)["n_queued"] == 0
    wait_for(lambda: one.supctl("status")["supervisor"]["calls_open"] <= 1,
             what="all calls to be closed")


def succeeds(one, name):
    try:
        return one.call(name, 1) == 1
    except troupe.SupctlError:
        return False


def test_supervisor_killed_again_and_again(boot):
    """Ten lives of one supervisor, each cut off under load: every next one starts clean
    and no worker survives its own."""
    rng = random.Random(SEEDS[0] + 7)
    one = boot(app(), start=False)
    one.allow(".*")
    for _ in range(10):
        one.start()
        run = one.call_in_background("app:run", 1)
        time.sleep(rng.uniform(0.0, 0.15))
        pids = one.workers()
        one.child.kill()
        one.wait()
        wait_for(lambda pids=pids: not any(troupe.is_alive(pid) for pid in pids),
                 what="the workers' end")
        assert run.wait(30) != 0
        run.communicate()
    one.start()
    assert one.call("app:static", 5) == 5
