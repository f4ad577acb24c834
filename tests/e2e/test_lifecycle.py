"""Lifecycles at their edges: starts that hang, verbs against verbs, what stays behind."""

import os
import subprocess
import time

import pytest

import troupe
from hostile import hostile_bin
from troupe import (BOOM, ECHO, FAILED, NOT_RUNNING, OK, POLITE, SupctlError, function,
                    host, process, service, wait_for)

# Sees no CANCEL, ever.
STUBBORN = "return {main = function() process.inbox():receive() end}"
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


def test_sv7_an_explicit_zero_is_the_default(boot):
    running = boot([host(), process("p", BOOM),
                    service("s", "app:p", restart={"initial_delay": 0,
                                                   "backoff_factor": 0})])
    running.allow(RESTARTS)
    assert 890 <= running.wait_record(RESTARTS)[0]["restart_in_ms"] <= 1110


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
                            restart={"initial_delay": "10ms", "max_attempts": 3})])
    running.allow("start timeout")
    running.wait_record("it stays down")
    row = running.service("app:s")
    assert (row["state"], row["details"], row["retry_count"]) == (
        "failed", "start timeout", 3)
    # What nobody waits for any more doesn't go on loading for ever.
    wait_for(lambda: running.supctl("ps") == [], what="the end of what still loaded")


def test_sv9_a_stop_of_what_still_starts(boot):
    running = boot([host(), process("p", NEVER_LOADED),
                    service("s", "app:p", start_timeout="1h", auto_start=False)])
    started = time.monotonic()
    assert code(running, "start", "--no-wait", "app:s") == OK
    running.wait_service("app:s", "starting")
    assert code(running, "stop", "app:s") == OK
    assert time.monotonic() - started < troupe.SOON_S
    assert running.service("app:s")["state"] == "stopped"
    wait_for(lambda: running.supctl("ps") == [], what="the end of what still loaded")


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
    running.supctl("start", "app:s")
    running.run_supctl("restart", "app:s")
    running.wait_record("service did not stop in time, ending it", n=2)
    assert running.service("app:s")["state"] == "running"
    assert not [r for r in running.records() if "stays down" in r["msg"]]


def test_sv10_shutdown_kills_what_outlives_its_time(boot):
    running = boot([host(), process("p", STUBBORN),
                    service("s", "app:p", stop_timeout="1h"),
                    function("idle", ECHO, pool={"type": "static", "workers": 1})],
                   args=["--set", "shutdown.timeout=3s"])
    running.allow("killed", "in time", "stop timeout", "did not end")
    running.wait_worker("app:idle")
    started = time.monotonic()
    running.stop()
    assert 2.9 <= time.monotonic() - started < troupe.SOON_S
    killed = [r for r in running.records() if "killing it" in r["msg"]]
    assert "app:idle" not in str(killed), "it had nothing to do, and no time to end"


def test_sv10_a_pending_restart_does_not_hold_up_the_end(boot):
    running = boot([host(), process("p", BOOM),
                    service("s", "app:p", restart={"initial_delay": "1h"})])
    running.allow(RESTARTS)
    running.wait_record(RESTARTS)
    started = time.monotonic()
    assert running.stop() == OK
    assert time.monotonic() - started < troupe.SOON_S


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
                    service("s", "app:p", stop_timeout="1h")])
    stop = troupe.Child([troupe.SUPCTL, "--json", "stop", "app:s", "--control",
                             running.control], stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True)
    running.wait_service("app:s", "stopping")
    start = troupe.Child([troupe.SUPCTL, "start", "app:s", "--control", running.control],
                         stderr=subprocess.DEVNULL)
    errors = stop.communicate()[1]
    assert stop.returncode == FAILED and "overtaken by a later start" in errors
    assert start.poll() is None
    for _ in range(2):  # the second run is to end, too
        assert code(running, "kill", running.service("app:s")["pid"]) == OK
        assert start.wait() == OK
        assert code(running, "stop", "--no-wait", "app:s") == OK
    running.wait_service("app:s", "stopped")


def test_no_slow_verb_delays_another(boot):
    running = boot([host(), process("slow", STUBBORN), process("p", POLITE),
                    function("f", "return {main = function(n) return n end}"),
                    service("slow_one", "app:slow", stop_timeout="1h"),
                    service("s", "app:p")])
    restart = troupe.Child([troupe.SUPCTL, "restart", "app:slow_one", "--control",
                                running.control], stderr=subprocess.DEVNULL)
    running.wait_service("app:slow_one", "stopping")
    assert running.call("app:f", 1) == 1
    started = time.monotonic()
    assert code(running, "status") == OK
    assert code(running, "restart", "app:s") == OK
    assert time.monotonic() - started < troupe.SOON_S
    assert restart.poll() is None
    for verb in ("restart", "stop"):
        pid = running.service("app:slow_one")["pid"]
        assert code(running, "kill", pid) == OK
        if verb == "restart":
            assert restart.wait(30) == OK
            assert code(running, "stop", "--no-wait", "app:slow_one") == OK
    running.wait_service("app:slow_one", "stopped")


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


# ---- complaint 1: ready means ready

# A host that is ready once `go` exists; everything else is honest.
LATE_HOST = """
if argv[2] == "app:slow":
    while not os.path.exists({go!r}):
        time.sleep(0.01)
be_honest()
"""


def boot_late_host(boot, tmp_path, **lifecycle):
    go = str(tmp_path / "go")
    supervisor = hostile_bin(tmp_path, LATE_HOST.format(go=go))
    running = boot([
        host("slow", host={"workers": 1}, lifecycle={"auto_start": True, **lifecycle}),
        host("above", host={"workers": 1},
             lifecycle={"auto_start": True, "requires": ["app:slow"]}),
        process("p", POLITE), service("s", "app:p", "app:slow")],
        start=False, supervisor=supervisor)
    running.spawn()
    wait_for(lambda: os.path.exists(running.control), what="the control socket")
    running.wait_service("app:slow", "starting")
    return running, go


def test_complaint1_dependents_wait_for_ready_not_for_started(boot, tmp_path):
    running, go = boot_late_host(boot, tmp_path)
    assert running.supctl("status")["supervisor"]["state"] == "starting"
    assert not running.workers("app:above"), "forked before what it needs was ready"
    for name in ("app:slow", "app:above", "app:s"):
        assert running.run_supctl("is-running", name).returncode == NOT_RUNNING
    with open(go, "w"):
        pass
    wait_for(running.is_running)
    order = [r["service"] for r in running.records() if r["msg"] == "service is running"]
    assert order[0] == "app:slow" and set(order) == {"app:slow", "app:above", "app:s"}


def test_complaint15_a_stop_during_the_start_ends_in_time(boot, tmp_path):
    running, _ = boot_late_host(boot, tmp_path)
    running.allow("app:slow", "stopped")
    started = time.monotonic()
    assert running.stop() == OK
    assert time.monotonic() - started < 9  # nobody's timeout had to pass


def test_P6_start_stop_and_restart_of_what_is_still_starting(boot, tmp_path):
    running, go = boot_late_host(boot, tmp_path)
    running.allow("app:slow", "app:s", "app:above")
    stop = troupe.Child([troupe.SUPCTL, "stop", "app:slow", "--control",
                             running.control], stderr=subprocess.DEVNULL)
    assert stop.wait(30) in (OK, FAILED)
    running.wait_service("app:slow", "stopped")
    assert not running.workers("app:slow") and not running.workers("app:above")
    with open(go, "w"):
        pass
    assert running.run_supctl("start", "app:above").returncode == OK
    assert running.service("app:slow")["state"] == "running"


# ---- complaint 2: an outage of any length


def test_complaint2_it_comes_back_after_an_outage(boot):
    needs = """
    return {main = function()
        if not process.registry.lookup("database") then error("no database") end
        process.events():receive()
    end}
    """
    running = boot([host(), process("needs", needs),
                    process("database", POLITE),
                    service("s", "app:needs", restart={"initial_delay": "5ms",
                                                       "max_delay": "50ms"})])
    running.allow("it will be restarted")
    wait_for(lambda: running.service("app:s")["restarts"] > 10)
    running.supctl("spawn", "app:database", "app:host", "--name", "database")
    running.wait_service("app:s", "running")
