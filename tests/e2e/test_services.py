"""Services: states, restarts, order, verbs (SV, LIFE, T-19, T-20), from outside."""

import re
import signal
import subprocess
import time

import pytest

import troupe
from troupe import (FAILED, NOT_RUNNING, NO_SUCH_NAME, OK, SupctlError, function, host,
                    process, service, wait_for)

BOOM = 'return {main = function() error("boom") end}'
ONE = "return {main = function() return 1 end}"
# Ends when it is asked to.
POLITE = """
return {main = function()
    local events = process.events()
    while events:receive().kind ~= process.event.CANCEL do end
end}
"""
# Sees no CANCEL, ever.
STUBBORN = "return {main = function() process.inbox():receive() end}"
# Ends in the way that the first message says.
ACTOR = """
return {main = function()
    process.registry.register("actor")
    local told = channel.select{process.listen("end"):case_receive(),
                                process.events():case_receive()}
    local how = told.value
    if how == "raise" then error("told to") end
    if how == "nil, text" then return nil, "told to" end
    if how == "final" then
        return nil, errors.new{message = "told to", retryable = false}
    end
    if how == "again" then
        return nil, errors.new{message = "told to", retryable = true}
    end
    return false
end}
"""
NEVER_LOADED = "while true do end return {main = function() end}"

RESTARTS = r"service failed, it will be restarted"


def runs(running, name):
    """How often the service came to run, by the log."""
    return [r for r in running.records()
            if r["msg"] == "service is running" and r.get("service") == name]


def order_of(running, message):
    return [r["service"] for r in running.records() if r["msg"] == message]


def code(running, *args, **options):
    return running.run_supctl(*args, **options).returncode


# ---- ends and restarts


def test_t19_max_attempts_counts_runs(boot):
    running = boot([host(), process("p", BOOM),
                    service("s", "app:p", restart={"initial_delay": "10ms",
                                                   "max_attempts": 3})])
    running.allow("it will be restarted", "it stays down")
    running.wait_record("it stays down")
    row = running.service("app:s")
    assert row["state"] == "failed"
    assert row["details"].startswith("process failed: ") and "boom" in row["details"]
    assert (row["restarts"], row["retry_count"]) == (2, 3)
    assert "next_try_at" not in row
    assert len(runs(running, "app:s")) == 3


def test_t20_whoever_returns_is_done(boot):
    running = boot([host(), process("p", ONE), service("s", "app:p")])
    row = running.wait_service("app:s", "exited")
    assert (row["restarts"], row["details"]) == (0, "")
    assert len(runs(running, "app:s")) == 1


@pytest.mark.parametrize("how, state, again", [
    ("return", "exited", False),
    ("nil, text", "exited", False),
    ("final", "exited", False),
    ("again", "failed", True),
    ("raise", "failed", True),
])
def test_sv6_how_it_ended_says_whether_it_comes_back(boot, how, state, again):
    running = boot([host(), process("p", ACTOR),
                    service("s", "app:p", restart={"initial_delay": "10ms"})])
    running.allow(RESTARTS, "it will not be restarted")
    running.wait_record("service is running.*app:s")
    wait_for(lambda: code(running, "send", "actor", "end", f'"{how}"') == OK)
    if again:
        row = wait_for(lambda: (r := running.service("app:s"))["restarts"] == 1 and r)
        assert [r["reason"] for r in running.wait_record(RESTARTS)][0].startswith(
            "process failed: ")
        assert running.wait_service("app:s", "running")
    else:
        row = running.wait_service("app:s", state)
        assert row["restarts"] == 0
        assert ("told to" in row["details"]) == (how != "return")


def test_sv6_terminated_from_outside_comes_back(boot):
    running = boot([host(), process("p", STUBBORN),
                    service("s", "app:p", restart={"initial_delay": "10ms"},
                            stop_timeout="50ms")])
    running.allow(RESTARTS, "stop timeout")
    first = running.service("app:s")["pid"]
    assert code(running, "kill", first) == OK
    row = wait_for(lambda: (r := running.service("app:s"))["state"] == "running" and
                   r["pid"] != first and r)
    assert row["restarts"] == 1
    assert "process terminated" in running.wait_record(RESTARTS)[0]["reason"]


def test_t17_a_dead_worker_brings_its_service_back(boot):
    running = boot([host(), process("p", ACTOR),
                    service("s", "app:p", restart={"initial_delay": "200ms"})])
    running.allow(RESTARTS, "worker died")
    wait_for(lambda: running.supctl("names"))
    started = time.monotonic()
    for pid in running.wait_worker("app:host", 1):
        troupe.os.kill(pid, signal.SIGKILL)
    running.wait_record(RESTARTS)
    running.wait_service("app:s", "running")
    assert time.monotonic() - started >= 0.15
    # The name was free again: it could be taken by the next one.
    assert wait_for(lambda: running.supctl("names"))[0]["name"] == "actor"
    assert running.service("app:s")["state"] == "running"


def test_sv7_delays_grow_by_the_factor_up_to_the_cap(boot):
    running = boot([host(), process("p", BOOM),
                    service("s", "app:p", restart={
                        "initial_delay": "40ms", "max_delay": "160ms",
                        "max_attempts": 6})])
    running.allow(RESTARTS, "it stays down")
    running.wait_record("it stays down")
    delays = [r["restart_in_ms"] for r in running.records() if re.search(RESTARTS, r["msg"])]
    for seen, want in zip(delays, [40, 80, 160, 160, 160], strict=True):
        assert want * 0.9 - 1 <= seen <= want * 1.1 + 1, delays
    # And they are what is waited: the runs are that far apart.
    times = [troupe_time(r) for r in runs(running, "app:s")]
    for (earlier, later), told in zip(zip(times, times[1:]), delays, strict=True):
        assert later - earlier >= told / 1e3 - 0.002


def troupe_time(record):
    clock, ms = re.fullmatch(r".*T([\d:]+)\.(\d+)Z", record["ts"]).groups()
    hours, minutes, seconds = map(int, clock.split(":"))
    return hours * 3600 + minutes * 60 + seconds + int(ms) / 1e3


def test_sv7_a_stable_run_starts_counting_anew(boot):
    dies_late = """
    local time = require("time")
    return {main = function() time.sleep("60ms") error("boom") end}
    """
    running = boot([host(), process("p", dies_late, modules=["time"]),
                    service("s", "app:p", stable_threshold="20ms",
                            restart={"initial_delay": "10ms", "max_attempts": 2})])
    running.allow(RESTARTS)
    running.wait_record(RESTARTS, n=4)  # more than two
    assert all(r["retry"] == 1 for r in running.records()
               if re.search(RESTARTS, r["msg"]))


def test_sv7_a_stop_ends_the_wait_for_a_restart(boot):
    running = boot([host(), process("p", BOOM),
                    service("s", "app:p", restart={"initial_delay": "1h"})])
    running.allow(RESTARTS)
    running.wait_record(RESTARTS)
    row = running.service("app:s")
    assert row["state"] == "failed" and row["next_try_at"] > time.time_ns()
    assert code(running, "stop", "app:s") == OK
    row = running.service("app:s")
    assert (row["state"], row["desired"]) == ("stopped", "stopped")
    assert "next_try_at" not in row


def test_sv7_an_explicit_zero_is_the_default(boot):
    running = boot([host(), process("p", BOOM),
                    service("s", "app:p", restart={"initial_delay": 0,
                                                   "backoff_factor": 0})])
    running.allow(RESTARTS)
    assert 890 <= running.wait_record(RESTARTS)[0]["restart_in_ms"] <= 1110


# ---- starts


def test_sv1_ids_without_namespace_are_of_the_same_one(boot):
    running = boot([host(), process("p", POLITE), service("s", "p", "host")])
    assert running.service("app:s")["state"] == "running"


@pytest.mark.parametrize("fields", [
    {"process_id": "app:missing"},
    {"process_id": "app:bad_file"},
    {"process_id": "app:bad_return"},
    {"process_id": "app:kept", "host_id": "app:kept"},
], ids=["no such entry", "error at file level", "no method there", "no host"])
def test_sv5_what_can_not_start_is_not_tried_again(boot, fields):
    running = boot([
        host(), process("kept", POLITE), service("other", "app:kept"),
        process("bad_file", 'error("at file level")'),
        process("bad_return", "return 42"),
        service("bad", **fields, restart={"initial_delay": "10ms"}),
        service("above", "app:kept", requires=["app:bad"])])
    running.allow("app:bad", "app:above")
    row = running.wait_service("app:bad", "exited")
    assert row["details"] and row["retry_count"] == 0
    assert running.service("app:other")["state"] == "running"
    # Its dependents have no business: never started, and they say why.
    row = running.service("app:above")
    assert row["state"] in ("unknown", "stopped", "failed"), row
    assert not runs(running, "app:above")


def test_sv4_a_start_that_takes_too_long_has_failed(boot):
    running = boot([host(), process("p", NEVER_LOADED),
                    service("s", "app:p", start_timeout="100ms",
                            restart={"initial_delay": "1h"})])
    running.allow(".*")  # how the endless loop ends is told elsewhere
    row = running.wait_service("app:s", "failed")
    assert row["details"] == "start timeout"


def test_sv8_dependencies_first_and_pulled_in(boot):
    running = boot([
        host(), process("p", POLITE),
        service("a", "app:p", requires=["app:b", "c"]),
        service("b", "app:p", depends_on=["app:c"], auto_start=False),
        service("c", "app:p", auto_start=False),
        service("lonely", "app:p", auto_start=False)])
    order = order_of(running, "service is running")
    assert order == ["app:host", "app:c", "app:b", "app:a"]
    assert running.service("app:lonely")["state"] == "unknown"
    assert running.stop() == OK
    assert order_of(running, "service stopped") == order[::-1]


def test_sv8_independent_ones_start_in_the_order_of_their_ids(boot):
    names = ["d", "b", "e", "a", "c"]
    # One process, so that what it answers comes in the order in which it was asked.
    running = boot([host(host={"workers": 1}), process("p", POLITE),
                    *[service(name, "app:p") for name in names]])
    assert order_of(running, "service is running") == [
        "app:host", *[f"app:{name}" for name in sorted(names)]]


def test_sv8_a_need_that_is_no_service_blocks(boot):
    running = boot([host(), process("p", POLITE), service("fine", "app:p"),
                    service("s", "app:p", requires=["app:p", "app:nowhere"])])
    running.allow("app:s")
    text = str([r for r in running.records() if r["level"] in ("warn", "error")])
    text += str(running.service("app:s"))
    assert "service startup blocked by missing dependencies: app:s requires app:" in text
    assert not runs(running, "app:s")
    assert running.service("app:fine")["state"] == "running"


def test_sv8_a_cycle_stops_only_those_on_it(boot):
    running = boot([host(), process("p", POLITE), service("fine", "app:p"),
                    service("a", "app:p", requires=["app:b"]),
                    service("b", "app:p", requires=["app:a"])])
    running.allow("app:[ab]", "depend on each other in a cycle")
    assert running.service("app:fine")["state"] == "running"
    assert not runs(running, "app:a") and not runs(running, "app:b")


def test_sv8_one_that_fails_later_takes_nobody_along(boot):
    running = boot([host(), process("p", ACTOR), process("kept", POLITE),
                    service("low", "app:p", restart={"initial_delay": "1h"}),
                    service("high", "app:kept", requires=["app:low"])])
    running.allow(RESTARTS)
    pid = running.wait_service("app:high", "running")["pid"]
    wait_for(lambda: code(running, "send", "actor", "end", '"raise"') == OK)
    running.wait_service("app:low", "failed")
    assert running.service("app:high")["pid"] == pid


# ---- stops


def test_sv9_a_stop_is_a_cancel_with_its_reason(boot):
    tells = """
    local logger = require("logger")
    return {main = function()
        local event = process.events():receive()
        logger:info("told", {kind = event.kind, reason = event.result and
            event.result.reason or event.reason})
    end}
    """
    running = boot([host(), process("p", tells, modules=["logger"]),
                    service("s", "app:p")])
    assert code(running, "stop", "app:s") == OK
    assert running.service("app:s")["state"] == "stopped"
    assert running.wait_record('"told"')[0]["reason"] == "service stopping"


def test_sv9_whoever_does_not_listen_is_ended_after_the_timeout(boot):
    running = boot([host(), process("p", STUBBORN),
                    service("s", "app:p", stop_timeout="150ms")])
    running.allow("stop timeout")
    started = time.monotonic()
    done = running.run_supctl("stop", "app:s")
    assert time.monotonic() - started >= 0.15
    row = running.service("app:s")
    assert (row["state"], row["details"]) == ("failed", "stop timeout after 150ms")
    assert done.returncode == FAILED and "stop timeout" in done.stderr
    wait_for(lambda: not running.actors("app:p"), what="the actor's end")


def test_sv9_a_stop_of_the_stopped_does_nothing(boot):
    running = boot([host(), process("p", ONE), service("s", "app:p")])
    running.wait_service("app:s", "exited")
    assert code(running, "stop", "app:s") == OK
    assert running.service("app:s")["state"] in ("exited", "stopped")


def test_sv9_stop_takes_dependents_along_first(boot):
    running = boot([host(), process("p", POLITE), service("low", "app:p"),
                    service("mid", "app:p", requires=["app:low"]),
                    service("top", "app:p", requires=["app:mid"]),
                    service("aside", "app:p")])
    assert code(running, "stop", "app:low") == OK
    assert order_of(running, "service stopped") == ["app:top", "app:mid", "app:low"]
    assert running.service("app:aside")["state"] == "running"
    assert code(running, "start", "app:top") == OK
    assert {row["state"] for row in running.supctl("services")} == {"running"}


def test_sv10_shutdown_kills_what_outlives_its_time(boot):
    running = boot([host(), process("p", STUBBORN),
                    service("s", "app:p", stop_timeout="1h")],
                   args=["--set", "shutdown.timeout=300ms"])
    running.allow("killed", "in time", "stop timeout", "did not end")
    started = time.monotonic()
    running.stop()
    assert 0.25 <= time.monotonic() - started < 5


def test_sv10_a_pending_restart_does_not_hold_up_the_end(boot):
    running = boot([host(), process("p", BOOM),
                    service("s", "app:p", restart={"initial_delay": "1h"})])
    running.allow(RESTARTS)
    running.wait_record(RESTARTS)
    started = time.monotonic()
    assert running.stop() == OK
    assert time.monotonic() - started < 5


# ---- verbs


def test_verbs_and_their_exit_codes(boot):
    running = boot([host(), process("p", POLITE),
                    service("s", "app:p", auto_start=False)])
    assert code(running, "is-running", "app:s") == NOT_RUNNING
    assert code(running, "status", "app:s") == NOT_RUNNING
    assert code(running, "start", "app:s") == OK
    assert code(running, "start", "app:s") == OK
    assert code(running, "is-running", "app:s") == OK
    assert code(running, "status", "app:s") == OK
    assert code(running, "wait", "app:s") == OK
    first = running.service("app:s")["pid"]
    assert code(running, "restart", "app:s") == OK
    second = running.service("app:s")["pid"]
    assert second != first
    assert code(running, "stop", "app:s") == OK
    assert code(running, "is-running", "app:s") == NOT_RUNNING
    for verb in ("start", "stop", "restart", "reset-failed", "wait", "is-running",
                 "status"):
        done = running.run_supctl(verb, "app:nobody")
        assert done.returncode == NO_SUCH_NAME, verb
        assert "app:nobody" in done.stderr


def test_start_tells_that_it_failed(boot):
    running = boot([host(), process("bad", 'error("at file level")'),
                    service("s", "app:bad", auto_start=False),
                    service("blocked", "app:bad", requires=["app:s"],
                            auto_start=False)])
    running.allow("app:s", "app:blocked")
    done = running.run_supctl("start", "app:s")
    assert done.returncode == FAILED and "at file level" in done.stderr
    done = running.run_supctl("start", "app:blocked")
    assert done.returncode == FAILED and "app:s" in done.stderr


def test_reset_failed_makes_it_start_afresh(boot):
    running = boot([host(), process("p", BOOM),
                    service("s", "app:p", restart={"initial_delay": "10ms",
                                                   "max_attempts": 2})])
    running.allow(RESTARTS, "it stays down")
    running.wait_record("it stays down")
    assert code(running, "wait", "app:s") == FAILED
    assert code(running, "reset-failed", "app:s") == OK
    row = running.service("app:s")
    assert (row["state"], row["retry_count"], row["details"]) == ("stopped", 0, "")
    running.run_supctl("start", "app:s")
    running.wait_record("it stays down", n=2)
    assert len(runs(running, "app:s")) == 4


def test_wait_gives_up_when_told_to(boot):
    running = boot([host(), process("p", POLITE),
                    service("s", "app:p", auto_start=False)])
    with pytest.raises(SupctlError) as told:
        running.supctl("wait", "app:s", "--timeout", "200ms")
    assert (told.value.code, told.value.kind) == (FAILED, "Timeout")


def test_a_later_verb_that_contradicts_ends_the_earlier(boot):
    running = boot([host(), process("p", STUBBORN),
                    service("s", "app:p", stop_timeout="1s")])
    running.allow("stop timeout")
    stop = subprocess.Popen([troupe.SUPCTL, "--json", "stop", "app:s", "--control",
                             running.control], stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True)
    running.wait_service("app:s", "stopping")
    assert code(running, "start", "app:s") in (OK, FAILED)
    errors = stop.communicate()[1]
    assert stop.returncode == FAILED and "Conflict" in errors


def test_no_slow_verb_delays_another(boot):
    running = boot([host(), process("slow", STUBBORN), process("p", POLITE),
                    function("f", "return {main = function(n) return n end}"),
                    service("slow_one", "app:slow", stop_timeout="20s"),
                    service("s", "app:p")])
    restart = subprocess.Popen([troupe.SUPCTL, "restart", "app:slow_one", "--control",
                                running.control], stderr=subprocess.DEVNULL)
    running.wait_service("app:slow_one", "stopping")
    assert running.call("app:f", 1) == 1
    started = time.monotonic()
    assert code(running, "status") == OK
    assert code(running, "restart", "app:s") == OK
    # Two programs were started for that on a machine that may be busy.
    assert time.monotonic() - started < 2
    assert restart.poll() is None
    for verb in ("restart", "stop"):
        pid = running.service("app:slow_one")["pid"]
        assert code(running, "kill", pid) == OK
        if verb == "restart":
            assert restart.wait(30) == OK
            assert code(running, "stop", "--no-wait", "app:slow_one") == OK
    running.wait_service("app:slow_one", "stopped")


# ---- hosts are services too


def test_life02_a_host_that_stops_takes_its_services_along(boot):
    running = boot([host(), process("p", POLITE), service("s", "app:p")])
    assert code(running, "stop", "app:host") == OK
    assert order_of(running, "service stopped") == ["app:s", "app:host"]
    assert not running.workers("app:host")
    with pytest.raises(SupctlError):
        running.supctl("spawn", "app:p", "app:host")
    assert code(running, "start", "app:s") == OK
    assert running.service("app:host")["state"] == "running"


def test_life01_a_broken_lifecycle_is_named_before_anything_starts(boot):
    running = boot([host(), process("p", POLITE),
                    service("s", "app:p", start_timeout="soon")], start=False)
    running.spawn()
    assert running.wait() == troupe.BAD_CONFIG
    assert "app:s" in running.errors() and "start_timeout" in running.errors()
    running.child = None  # its end was the test
