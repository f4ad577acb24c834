"""P6: verbs of supctl at any time, in any order, against each other."""

import random
import subprocess

import pytest

import troupe
from troupe import (BOOM, FAILED, IDLE, NOT_RUNNING, OK, POLITE, host, process, service,
                    wait_for)


def test_P6_verbs_against_each_other_never_get_stuck(boot):
    """start, stop and restart of one service at once, many times."""
    one = boot([host(), process("p", IDLE), service("s", "app:p")])
    children = []
    for i in range(30):
        verb = ["start", "stop", "restart"][i % 3]
        children.append(troupe.Child(
            [troupe.SUPCTL, verb, "app:s", "--control", one.control],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    for child in children:
        child.wait(60)
    one.supctl("start", "app:s")
    assert one.service("app:s")["state"] == "running"
    assert len(one.actors("app:p")) == 1


def test_P6_a_verb_goes_on_when_nobody_waits_for_it_any_more(boot):
    one = boot([host(), process("p", """
return {main = function() process.events():receive() process.inbox():receive() end}"""),
                service("s", "app:p", stop_timeout="1h")])
    stop = troupe.Child([troupe.SUPCTL, "stop", "app:s", "--control", one.control])
    one.wait_service("app:s", "stopping")
    stop.kill()
    stop.wait()
    one.supctl("send", one.service("app:s")["pid"], "now")
    one.wait_service("app:s", "stopped")
    assert one.run_supctl("start", "app:s").returncode == OK
    one.supctl("stop", "--no-wait", "app:s")
    one.supctl("send", one.service("app:s")["pid"], "now")
    one.wait_service("app:s", "stopped")


def test_P6_a_random_walk_of_verbs_ends_where_it_should(boot):
    stubborn = """
    local time = require("time")
    return {main = function()
        process.events():receive()
        time.sleep("30ms")
    end}
    """
    names = ["low", "mid", "top", "aside", "crash"]
    running = boot([
        host(), process("p", POLITE), process("slow", stubborn, modules=["time"]),
        process("boom", BOOM),
        service("low", "app:slow"), service("mid", "app:p", requires=["app:low"]),
        service("top", "app:slow", requires=["app:mid"]), service("aside", "app:p"),
        service("crash", "app:boom", restart={"initial_delay": "20ms",
                                              "max_delay": "20ms"})])
    running.allow(".*")
    rng = random.Random(6)
    children = []
    for _ in range(120):
        name = "app:" + rng.choice([*names, "host"])
        verb = rng.choice(["start", "stop", "restart", "reset-failed"])
        children.append(troupe.Child(
            [troupe.SUPCTL, verb, name, "--control", running.control],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        if len(children) > 8:
            assert children.pop(0).wait(30) in (OK, FAILED)
    for child in children:
        assert child.wait(30) in (OK, FAILED)
    known = {"unknown", "starting", "running", "stopping", "stopped", "failed", "exited"}
    assert {row["state"] for row in running.supctl("services")} <= known
    # Whatever the walk led to: a plain order is carried out.
    assert running.run_supctl("stop", "app:host").returncode == OK
    assert {row["state"] for row in running.supctl("services")
            if row["id"] != "app:crash"} == {"stopped"}
    assert running.supctl("ps") == []
    for name in ("top", "aside"):
        assert running.run_supctl("start", f"app:{name}").returncode == OK
    for name in ("low", "mid", "top", "aside"):
        assert running.service(f"app:{name}")["state"] == "running"
    assert len(running.actors("app:slow")) == 2 and len(running.actors("app:p")) == 2


VERBS = ["start", "stop", "restart", "reset-failed"]
ONCE = 'return {main = function() return "done" end}'
STUBBORN = """
local time = require("time")
return {main = function()
    process.events():receive()
    time.sleep("200ms")
end}
"""
SLOW_TO_LOAD = "for i = 1, 5000000 do end\n" + POLITE


# state: (what runs, its restart policy, started by itself?, the verb that leads there,
# where it may be when nobody has stopped it, where it may be after a stop)
STATES = {
    "never-started": ("polite", {}, False, None, {"running"}, {"unknown", "stopped"}),
    "running": ("polite", {}, True, None, {"running"}, {"stopped"}),
    "stopped": ("polite", {}, True, "stop", {"running"}, {"stopped"}),
    "stopping": ("stubborn", {}, True, "stop", {"running"}, {"stopped"}),
    "starting": ("slow", {}, False, "start", {"running"}, {"unknown", "stopped"}),
    "failed": ("boom", {"initial_delay": "1ms", "max_attempts": 1}, True, None,
               {"failed"}, {"failed", "stopped"}),
    "backing-off": ("boom", {"initial_delay": "1h", "max_delay": "1h"}, True, None,
                    {"starting", "failed", "stopped"}, {"failed", "stopped"}),
    "exited": ("once", {}, True, None, {"exited"}, {"exited", "stopped"}),
}


def name_of(state, verbs):
    return "-".join([state, *verbs])


def after_pair(state, verbs):
    """The states in which a service of that state may rest after both verbs. What has
    failed is stopped once that is forgotten; a failure may also come after that."""
    _, _, _, _, up, down = STATES[state]
    orders = [verb for verb in verbs if verb != "reset-failed"]
    if not orders or (verbs[-1] == "reset-failed" and "failed" in up):
        return up | down
    return down if orders[-1] == "stop" else up


def order_without_waiting(running, verb, name):
    args = [] if verb == "reset-failed" else ["--no-wait"]
    code = running.run_supctl(verb, *args, name).returncode
    assert code in (OK, FAILED, NOT_RUNNING), (verb, name, code)


@pytest.mark.parametrize("state", STATES)
def test_P6_each_pair_of_verbs_ends_in_a_state_of_the_book(boot, state):
    source, restart, auto_start, verb, _, _ = STATES[state]
    pairs = [(first, second) for first in VERBS for second in VERBS]
    names = {"app:" + name_of(state, pair): pair for pair in pairs}
    running = boot([
        host(), process("polite", POLITE), process("stubborn", STUBBORN,
                                                   modules=["time"]),
        process("slow", SLOW_TO_LOAD), process("boom", BOOM), process("once", ONCE),
        *[service(name[4:], f"app:{source}", auto_start=auto_start, restart=restart)
          for name in names]], start=False)
    running.allow(".*")
    running.spawn()
    wait_for(running.is_running)
    for name, pair in names.items():
        for one in filter(None, [verb, *pair]):
            order_without_waiting(running, one, name)

    def strays():
        return [(row["id"], row["state"]) for row in running.supctl("services")
                if row["id"] in names and
                row["state"] not in after_pair(state, names[row["id"]])]

    try:
        wait_for(lambda: not strays())
    except AssertionError:
        raise AssertionError(f"stuck: {strays()}") from None
    for name in names:  # and from there a plain order is carried out
        assert running.run_supctl("stop", name).returncode == OK
    assert not running.actors(), "stopped and alive"
