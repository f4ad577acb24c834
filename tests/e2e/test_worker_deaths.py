"""A worker process dies: its calls and actors end, once and with a reason; all others
go on."""

import json
import os
import signal

import pytest

import troupe
from hostile import hostile_bin
from troupe import (DEATH, ECHO, IDLE, ONE, function, held, host, process, service,
                    sleeper, wait_for)


# A sanitizer reports the SIGSEGV, as if it were a bug.
@pytest.mark.parametrize("sig", [
    signal.SIGKILL, signal.SIGTERM,
    pytest.param(signal.SIGSEGV, marks=pytest.mark.skipif(troupe.SANITIZED,
                                                          reason="it gets reported"))])
def test_worker_killed_while_running_a_call(boot, sig):
    one = boot([sleeper(pool=ONE), function("echo", ECHO)])
    one.allow(DEATH)
    call = one.call_in_background("app:sleep", "1h")
    one.wait_busy("app:sleep")
    if troupe.SANITIZED and sig == signal.SIGSEGV:
        sig = signal.SIGKILL  # the sanitizer would tell of it at length
    one.kill_worker("app:sleep", sig)
    _, err = call.communicate(timeout=30)
    error = json.loads(err)["error"]
    assert call.returncode == troupe.FAILED
    assert error["kind"] == "Unavailable"
    assert error["retryable"] is True
    assert one.call("app:sleep", "1ms") == "1ms"
    assert one.call("app:echo", 1) == 1


def test_worker_killed_while_idle(boot):
    one = boot([sleeper(pool=ONE)])
    one.allow(DEATH)
    for _ in range(3):
        old = one.kill_worker("app:sleep")
        assert one.call("app:sleep", "1ms") == "1ms"
        assert old not in one.workers()


def test_worker_killed_with_queued_calls(boot):
    """Who waits in the queue gets the next worker's answer."""
    one = boot([sleeper(pool=ONE)])
    one.allow(DEATH)
    first = one.call_in_background("app:sleep", "1h")
    one.wait_busy("app:sleep")
    second = one.call_in_background("app:sleep", "2ms")
    one.wait_queued("app:sleep")
    one.kill_worker("app:sleep")
    assert first.wait(30) == troupe.FAILED
    out, _ = second.communicate(timeout=30)
    assert json.loads(out) == "2ms"
    first.communicate()


def test_worker_killed_while_starting(boot, tmp_path):
    """The first worker of a pool is killed before it says hello; the next one serves."""
    marker = tmp_path / "first"
    supervisor = hostile_bin(tmp_path, f"""
if argv[1] == "pool" and not os.path.exists({str(marker)!r}):
    open({str(marker)!r}, "w").close()
    os.kill(os.getpid(), 9)
be_honest()
""")
    one = boot([function("echo", ECHO)], supervisor=supervisor)
    one.allow(DEATH)
    assert one.call("app:echo", 1) == 1
    assert marker.exists()


def test_worker_killed_while_draining(boot):
    one = boot([sleeper(pool={"type": "static", "workers": 2}), function("echo", ECHO)])
    one.allow(DEATH)
    call = one.call_in_background("app:sleep", "1h")
    one.wait_busy("app:sleep")
    pids = one.wait_worker("app:sleep", 2)
    one.child.send_signal(signal.SIGTERM)
    one.wait_record("stopping")
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    assert one.wait() == troupe.OK
    _, err = call.communicate(timeout=30)
    assert call.returncode != troupe.OK, err


def test_stopped_worker_holds_up_nobody_else(boot):
    """A worker that somebody stopped (a debugger, say) goes on where it was."""
    one = boot([held(pool=ONE), function("echo", ECHO)])
    pid = one.wait_worker("app:held")[0]
    call = one.call_in_background("app:held", "its own")
    one.wait_busy("app:held")
    actor = one.actors("app:held")[0]["pid"]
    os.kill(pid, signal.SIGSTOP)
    one.supctl("send", actor, "go")
    for i in range(5):
        assert one.call("app:echo", i) == i
        one.supctl("status")
    assert call.poll() is None
    os.kill(pid, signal.SIGCONT)
    out, _ = call.communicate(timeout=30)
    assert json.loads(out) == "its own"


WATCHER = """
local function main()
    local pids, counts = {}, {}
    process.registry.register("watcher")
    for i = 1, 20 do
        pids[i] = assert(process.spawn_monitored("app:named", "app:other", "n" .. i))
    end
    local ready = process.listen("ready")
    for i = 1, 20 do ready:receive() end
    process.send(assert(process.registry.lookup("reporter")), "up")
    local n, kinds = 0, {}
    while n < 20 do
        local event = process.events():receive()
        counts[event.from] = (counts[event.from] or 0) + 1
        kinds[event.result.error:kind()] = true
        assert(event.result.error:retryable() == true)
        n = n + 1
    end
    local names = 0
    for i = 1, 20 do
        if process.registry.register("n" .. i) then names = names + 1 end
    end
    local limit = time.after("100ms")
    local got = channel.select{process.events():case_receive(), limit:case_receive()}
    local once = got.channel == limit
    for _, count in pairs(counts) do once = once and count == 1 end
    return {kinds = kinds, names = names, once = once}
end
return {main = main}
"""
NAMED = """
return {main = function(name)
    assert(process.registry.register(name))
    process.send("watcher", "ready")
    process.inbox():receive()
end}
"""
REPORT = """
return {main = function()
    process.registry.register("reporter")
    local pid = assert(process.spawn_monitored("app:watcher", "app:host"))
    process.inbox():receive()
    logger:info("all up")
    local event = process.events():receive()
    return event.result.value, event.result.error
end}
"""


def test_T17_MP5_worker_of_a_host_killed_with_monitored_children(boot):
    """Each EXIT comes once, names are free, the service is started again."""
    one = boot([host(), host("other", host={"workers": 1}),
                process("watcher", WATCHER, modules=["time"]),
                process("named", NAMED),
                process("forever", IDLE),
                service("steady", "app:forever", "app:other",
                        restart={"initial_delay": "10ms"}),
                function("report", REPORT, modules=["logger"])])
    one.allow(DEATH, "service failed", "process failed")
    call = one.call_in_background("app:report")
    one.wait_record("all up")
    before = one.service("app:steady")["pid"]
    one.kill_worker("app:other")
    out, err = call.communicate(timeout=30)
    assert call.returncode == 0, err
    assert json.loads(out) == {"kinds": {"Unavailable": True}, "names": 20, "once": True}
    row = wait_for(lambda: (row := one.service("app:steady"))["state"] == "running"
                   and row.get("pid") != before and row, what="the service to be back")
    assert row["restarts"] >= 1
