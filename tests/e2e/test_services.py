"""Services: order, restarts, backoff, stops, and what supctl does with them (SV)."""

import json
import subprocess
import time

import pytest

import troupe
from troupe import (IDLE, SPIN, SupctlError, function, host, process, service, terminal,
                    wait_for)

CRASH = r"service failed|process failed|service .* failed|stays down"


def named(name, **lifecycle):
    """A service whose actor logs its start and its stop."""
    row = service(name + ".service", "app:named", **lifecycle)
    row["input"] = [name]
    return row


NAMED = process("named", """
return {main = function(name)
    logger:info("up", {name = name})
    local event = process.events():receive()
    logger:info("down", {name = name, reason = event.reason, from = event.from})
end}""", modules=["logger"])


def told(one, *messages):
    return [(r["msg"], r.get("name")) for r in one.app_records() if r["msg"] in messages]


def test_SV1_input_becomes_arguments_of_main(boot):
    row = service("s", "app:p")
    row["input"] = ["a", 2, {"k": [1, 2]}]
    one = boot([host(), process("p", """
return {main = function(a, b, c)
    logger:info("input", {a = a, b = b, k = c.k[2], n = math.type(b)})
    process.events():receive()
end}""", modules=["logger"]), row])
    record = one.wait_record('"msg": "input"')[0]
    assert (record["a"], record["b"], record["k"], record["n"]) == ("a", 2, 2, "integer")


def test_SV1_bare_names_are_of_the_own_namespace(boot):
    row = service("s", "p", "app:host")
    one = boot([host(), process("p", IDLE), row])
    assert one.service("app:s")["state"] == "running"


@pytest.mark.parametrize("field", ["process", "host"])
def test_SV1_process_and_host_are_required(boot, field):
    row = service("s", "app:p")
    del row[field]
    one = boot([host(), process("p", IDLE), row], start=False)
    one.spawn()
    assert one.wait(30) == troupe.BAD_CONFIG
    assert f"{field} is required" in one.errors()
    one.child = None


def test_SV2_auto_start_is_off_unless_said(boot):
    row = service("s", "app:p")
    del row["lifecycle"]
    one = boot([host(), process("p", IDLE), row])
    assert one.service("app:s")["state"] == "unknown"
    one.supctl("start", "app:s")
    assert one.service("app:s")["state"] == "running"


def test_SV3_SV9_states_over_a_life(boot):
    one = boot([host(), process("p", IDLE), service("s", "app:p")])
    assert one.service("app:s")["state"] == "running"
    one.supctl("stop", "app:s")
    assert one.service("app:s")["state"] == "stopped"
    assert not one.actors("app:p")
    one.supctl("start", "app:s")
    assert one.service("app:s")["state"] == "running"
    first = one.service("app:s")["pid"]
    one.supctl("restart", "app:s")
    row = one.service("app:s")
    assert row["state"] == "running"
    assert row["pid"] != first


def test_SV4_running_means_spawned_under_a_control_pid(boot):
    one = boot([host(), process("p", """
return {main = function()
    local event = process.events():receive()
    logger:info("cancelled", {from = event.from, reason = event.reason})
end}""", modules=["logger"]), service("s", "app:p")])
    one.supctl("stop", "app:s")
    record = one.wait_record('"msg": "cancelled"')[0]
    assert record["reason"] == "service stopping"
    assert record["from"].startswith("{node:control|0x")


@pytest.mark.parametrize("entries,why", [
    ([service("s", "app:p", "app:nohost"), process("p", IDLE)], "host not found"),
    ([service("s", "app:nothing"), host()], "factory not found"),
    ([service("s", "app:p"), host(), process("p", "error('at file level')")],
     "failed to execute script"),
])
def test_SV5_start_failures_are_final_and_stop_nobody_else(boot, entries, why):
    dependent = service("dependent", "app:ok", "app:host2", requires=["app:s"])
    one = boot([*entries, host("host2"), process("ok", IDLE),
                service("other", "app:ok", "app:host2"), dependent], start=False)
    one.allow(CRASH, "service", "app:s")
    one.start()
    row = one.service("app:s")
    assert row["state"] == "exited", row
    assert why in row["details"], row
    assert row["restarts"] == 0
    assert one.service("app:other")["state"] == "running"
    assert one.service("app:dependent")["state"] != "running"


@pytest.mark.parametrize("source,state", [
    ("return 1", "exited"),
    ("return false", "exited"),
    ("return", "exited"),
    ("return nil, 'text'", "exited"),
    ("return nil, errors.new{message = 'm', retryable = false}", "exited"),
])
def test_SV6_T20_who_returns_is_not_started_again(boot, source, state):
    one = boot([host(), process("p", f"return {{main = function() logger:info('run') {source} end}}",
                                modules=["logger"]),
                service("s", "app:p", restart={"initial_delay": "1ms"})])
    one.allow(CRASH, "app:s")
    one.wait_service("app:s", state)
    time.sleep(0.1)  # a wrong restart would come within this
    assert len(told(one, "run")) == 1
    assert one.service("app:s")["restarts"] == 0


@pytest.mark.parametrize("source", [
    "error('boom')",
    "error(errors.new{message = 'boom', retryable = true})",
    "return nil, errors.new{message = 'boom', retryable = true}",
    "process.terminate(process.pid()) process.inbox():receive()",
])
def test_SV6_T19_SV7_who_fails_is_started_again_up_to_max_attempts(boot, source):
    """max_attempts 3: three runs in all, then failed."""
    one = boot([host(), process("p", f"return {{main = function() logger:info('run') {source} end}}",
                                modules=["logger"]),
                service("s", "app:p", restart={"initial_delay": "10ms", "max_attempts": 3})],
               start=False)
    one.allow(CRASH, "app:s")
    one.spawn()
    one.wait_record('"msg": "run"', 3)
    row = one.wait_service("app:s", "failed")
    assert "boom" in row["details"] or "terminated" in row["details"], row
    time.sleep(0.15)
    assert len(told(one, "run")) == 3


def test_SV7_delays_grow_up_to_the_cap(boot):
    """complaint 2: 40, 80, 160, 160 ... ms, give or take the jitter."""
    one = boot([host(), process("p", "return {main = function() "
                                "logger:info('run', {at = time.now():unix_nano()}) "
                                "error('x') end}", modules=["logger", "time"]),
                service("s", "app:p", restart={"initial_delay": "40ms", "max_delay": "160ms",
                                               "max_attempts": 7})], start=False)
    one.allow(CRASH, "app:s")
    one.spawn()
    records = one.wait_record('"msg": "run"', 7)
    at = [r["at"] / 1e6 for r in records]
    delays = [b - a for a, b in zip(at, at[1:])]
    for delay, least in zip(delays, [40, 80, 160, 160, 160, 160]):
        assert delay >= 0.89 * least, delays
    assert sum(delays) < 10 * 760, delays


def test_SV7_a_stable_run_resets_the_count(boot):
    one = boot([host(), process("p", "return {main = function() logger:info('run') "
                                "time.sleep('60ms') error('x') end}",
                                modules=["logger", "time"]),
                service("s", "app:p", stable_threshold="20ms",
                        restart={"initial_delay": "1ms", "max_attempts": 2})], start=False)
    one.allow(CRASH, "app:s")
    one.spawn()
    one.wait_record('"msg": "run"', 5)


def failed_until_much_later(boot):
    one = boot([host(), process("p", "return {main = function() logger:info('run') "
                                "error('x') end}", modules=["logger"]),
                service("s", "app:p", restart={"initial_delay": "1h"})], start=False)
    one.allow(CRASH, "app:s")
    one.spawn()
    one.wait_record('"msg": "run"')
    one.wait_service("app:s", "failed")
    return one


def test_SV7_a_stop_cancels_a_pending_restart(boot):
    one = failed_until_much_later(boot)
    one.supctl("stop", "app:s")
    row = one.service("app:s")
    assert (row["state"], row["desired"]) == ("stopped", "stopped")


def test_SV7_start_does_not_wait_for_the_backoff(boot):
    one = failed_until_much_later(boot)
    one.run_supctl("start", "app:s")
    one.wait_record('"msg": "run"', 2)


def test_SV8_complaint1_dependencies_start_first(boot):
    """A chain, pulled in by its last link alone, and stopped in reverse."""
    rows = [named("a"), named("b", requires=["app:a.service"]),
            named("c", depends_on=["b.service"])]
    rows[0]["lifecycle"]["auto_start"] = False
    rows[1]["lifecycle"]["auto_start"] = False
    one = boot([host(), NAMED, *rows])
    assert told(one, "up") == [("up", "a"), ("up", "b"), ("up", "c")]
    one.stop()
    assert told(one, "down") == [("down", "c"), ("down", "b"), ("down", "a")]


def test_SV8_a_stop_takes_dependents_along(boot):
    one = boot([host(), NAMED, named("a"), named("b", requires=["app:a.service"]),
                named("other")])
    one.supctl("stop", "app:a.service")
    states = {row["id"]: row["state"] for row in one.supctl("services")}
    assert states["app:a.service"] == "stopped"
    assert states["app:b.service"] == "stopped"
    assert states["app:other.service"] == "running"
    assert told(one, "down") == [("down", "b"), ("down", "a")]


def test_SV8_requires_something_that_is_no_service(boot):
    one = boot([host(), NAMED, named("a", requires=["app:named"]), named("other")],
               start=False)
    one.allow(CRASH, "missing dependencies", "app:a.service")
    one.start()
    row = one.service("app:a.service")
    assert row["state"] != "running"
    assert "app:a.service requires app:named" in row["details"], row
    assert one.service("app:other.service")["state"] == "running"


def test_SV8_a_cycle_fails_and_others_run(boot):
    one = boot([host(), NAMED, named("a", requires=["app:b.service"]),
                named("b", requires=["app:a.service"]), named("other")], start=False)
    one.allow(".*cycl.*", CRASH, "app:[ab].service")
    one.start()
    states = {row["id"]: row["state"] for row in one.supctl("services")}
    assert states["app:other.service"] == "running"
    assert states["app:a.service"] != "running"
    assert states["app:b.service"] != "running"


def test_SV8_who_waits_for_a_failed_dependency_is_not_said_to_stay_down(boot):
    one = boot([host(), NAMED,
                process("p", "return {main = function() end, nothing = 1}", method="no"),
                service("bad", "app:p"), named("good", requires=["app:bad"])], start=False)
    one.allow("app:bad", "app:good")
    one.start()
    row = one.wait_service("app:good.service", "failed")
    assert row["details"] == "not started: it needs app:bad, which is exited"
    record, = [r for r in one.records() if r.get("service") == "app:good.service"
               and r["level"] in ("warn", "error")]
    assert record["level"] == "warn" and "has to wait" in record["msg"], record


def test_SV8_a_cycle_is_named_by_check(tmp_path):
    troupe.write_app(tmp_path, [
        host(), NAMED, named("a", requires=["app:b.service"]),
        named("b", requires=["app:a.service"]), named("c", requires=["app:b.service"])])
    done = troupe.run(troupe.SUPERVISOR, "check", "--config", tmp_path / "src")
    assert ("3 entries need each other in a cycle, or one that does, and are taken by "
            "id: app:a.service, app:b.service, app:c.service") in done.stdout + done.stderr
    assert "_index.json:" in done.stdout + done.stderr


def test_SV8_a_dependency_that_fails_later_leaves_dependents_alone(boot):
    one = boot([host(), NAMED, process("p", "return {main = function() "
                                       "process.inbox():receive() error('later') end}"),
                service("a.service", "app:p", restart={"initial_delay": "1h"}),
                named("b", requires=["app:a.service"])])
    one.allow(CRASH, "app:a.service")
    before = one.service("app:b.service")["pid"]
    one.supctl("send", one.service("app:a.service")["pid"], "die")
    one.wait_service("app:a.service", "failed")
    assert one.service("app:b.service")["state"] == "running"
    assert one.service("app:b.service")["pid"] == before


def test_SV9_who_ignores_the_stop_is_terminated_after_stop_timeout(boot):
    one = boot([host(), process("deaf", "return {main = function() process.inbox():receive() end}"),
                service("s", "app:deaf", stop_timeout="200ms")])
    one.allow("stop timeout", CRASH)
    started = time.monotonic()
    done = one.run_supctl("stop", "app:s")
    assert time.monotonic() - started < 9  # the default is 10 s
    row = one.service("app:s")
    assert row["state"] == "failed", (row, done)
    assert "stop timeout after 200ms" in row["details"], row
    wait_for(lambda: not one.actors("app:deaf"), what="the deaf actor's end")


def test_SV9_a_spinning_service_can_be_stopped(boot):
    one = boot([host(), process("spin", SPIN),
                service("s", "app:spin", stop_timeout="100ms"),
                process("p", IDLE), service("other", "app:p")])
    one.allow("stop timeout", CRASH)
    one.run_supctl("stop", "app:s")
    wait_for(lambda: not one.actors("app:spin"), what="the spinning actor's end")
    assert one.service("app:other")["state"] == "running"


def test_PH4_a_host_that_stops_cancels_its_actors(boot):
    one = boot([host(), process("p", """
return {main = function()
    local event = process.events():receive()
    logger:info("cancelled", {from = event.from, reason = event.reason, kind = event.kind})
end}""", modules=["logger"])])
    one.supctl("spawn", "app:p", "app:host")
    one.stop()
    record = [r for r in one.app_records() if r["msg"] == "cancelled"][0]
    assert record["reason"] == "scheduler shutdown"
    assert record["kind"] == "pid.cancel"
    assert record["from"] == "{|}"


def test_PH4_who_is_left_at_the_deadline_ends_as_by_terminate(boot):
    """Of one host that stops; those who watch live on another one."""
    one = boot([host(lifecycle={"auto_start": True, "stop_timeout": "3s"}),
                host("other"), process("stays", """
return {main = function(cancels)
    if cancels then
        local event = process.events():receive()
        process.send(cancels, "cancelled", event.reason)
    end
    process.inbox():receive()
end}"""), process("spins", SPIN),
                process("watch", """
return {main = function()
    local me, names = process.pid(), {}
    names[process.spawn_monitored("app:stays", "app:host", me)] = "cancelled"
    names[process.spawn_monitored("app:stays", "app:host")] = "deaf"
    names[process.spawn_monitored("app:spins", "app:host")] = "spinning"
    logger:info("watching")
    for _ = 1, 3 do
        local event = process.events():receive()
        local why = event.result.error
        logger:info("exit", {who = names[event.from], why = tostring(why),
            kind = why:kind(), retryable = tostring(why:retryable())})
    end
    while true do
        local got = channel.select{process.inbox():case_receive(), default = true}
        if got.default then break end
        logger:info("told", {what = got.value:payload():data()})
    end
    logger:info("over")
end}""", modules=["logger"])])
    one.supctl("spawn", "app:watch", "app:other")
    one.wait_record("watching")
    one.supctl("stop", "app:host")
    one.wait_record("over")
    ends = {r["who"]: (r["why"], r["kind"], r["retryable"])
            for r in one.app_records() if r["msg"] == "exit"}
    terminated = ("process terminated", "Internal", "nil")
    assert ends == dict.fromkeys(["cancelled", "deaf", "spinning"], terminated)
    assert [r["what"] for r in one.app_records() if r["msg"] == "told"] == [
        "scheduler shutdown"]


def test_PH4_MP21_thousands_say_farewell_when_the_host_stops(boot):
    n = 5000
    one = boot([host(), host("other", host={"workers": 1}),
                process("count", """
return {main = function(n)
    local inbox, events, got = process.inbox(), process.events(), 0
    process.registry.register("count")
    while got < n do
        local r = channel.select{inbox:case_receive(), events:case_receive()}
        if r.channel == inbox then got = got + 1 end
    end
    logger:info("farewells", {n = got})
end}""", modules=["logger"]),
                process("p", """
return {main = function()
    process.events():receive()
    process.send("count", "farewell")
end}"""),
                function("start", """
return {main = function(n)
    assert(process.spawn("app:count", "app:other", n))
    for i = 1, n do assert(process.spawn("app:p", "app:host")) end
    return n
end}""")])
    assert one.call("app:start", n) == n
    wait_for(lambda: one.run_supctl("--json", "stop", "app:host").returncode == 0)
    assert one.wait_record('"farewells"')[0]["n"] == n
    assert one.actors("app:p") == []


def test_PH4_MP21_farewells_that_take_long_to_be_written_arrive(boot):
    """Much more than a socket holds, from a worker that ends with its last actor."""
    one = boot([host(host={"workers": 1}), host("other", host={"workers": 1}),
                process("count", """
return {main = function(n)
    process.registry.register("count")
    logger:info("counting")
    for _ = 1, n do process.inbox():receive() end
    logger:info("all of them")
end}""", modules=["logger"]),
                process("p", """
return {main = function(count)
    process.events():receive()
    assert(process.send(count, "farewell", ("x"):rep(100000)))
end}"""),
                function("start", """
return {main = function(n)
    local count = assert(process.spawn("app:count", "app:other", n))
    for i = 1, n do assert(process.spawn("app:p", "app:host", count)) end
end}""")])
    one.call("app:start", 200)
    one.wait_record("counting")
    one.run_supctl("stop", "app:host")
    one.wait_record("all of them")


def test_PH3_spawn_on_a_host_that_does_not_run(boot):
    one = boot([{"name": "host", "kind": "process.host"}, process("p", IDLE)])
    with pytest.raises(SupctlError) as failure:
        one.supctl("spawn", "app:p", "app:host")
    assert "host is not running" in failure.value.message
    one.supctl("start", "app:host")
    one.supctl("spawn", "app:p", "app:host")


def test_PH5_node_control_is_no_host(boot):
    one = boot([host(), process("p", IDLE), service("s", "app:p", "node:control")],
               start=False)
    one.spawn()
    assert one.wait() == troupe.BAD_CONFIG
    assert "app:s: invalid host: node:control; name an entry" in one.errors()
    one.child = None


def test_NR4_a_restarted_service_takes_its_old_name(boot):
    one = boot([host(), process("p", """
return {main = function()
    local ok, err = process.registry.register("singleton")
    if not ok then return nil, err end
    logger:info("named")
    process.inbox():receive()
    error("die")
end}""", modules=["logger"]),
                service("s", "app:p", stop_timeout="100ms", restart={"initial_delay": "1ms"})])
    one.allow(CRASH, "app:s")
    for i in range(1, 6):
        one.wait_record('"msg": "named"', i)
        one.wait_service("app:s", "running")
        one.supctl("send", "singleton", "die")
    one.wait_record('"msg": "named"', 6)


def test_complaint3_restart_counts_are_visible_and_reset_failed_forgets(boot):
    one = boot([host(), process("p", "return {main = function() error('x') end}"),
                service("s", "app:p", restart={"initial_delay": "1ms", "max_attempts": 2})],
               start=False)
    one.allow(CRASH, "app:s")
    one.spawn()
    wait_for(lambda: one.child.poll() is None and tries(one, "app:s") == ("failed", 1),
             what="one restart, then failed")
    one.supctl("reset-failed", "app:s")
    assert one.service("app:s")["retry_count"] == 0


def tries(one, name):
    try:
        row = one.service(name)
    except (SupctlError, AssertionError):
        return None
    return row["state"], row["restarts"]


def test_complaint10_a_slow_stop_delays_no_other_command(boot):
    one = boot([host(), process("deaf", "return {main = function() process.inbox():receive() end}"),
                service("slow", "app:deaf", stop_timeout="1h"),
                process("p", IDLE), service("other", "app:p")])
    slow = troupe.Child([troupe.SUPCTL, "stop", "app:slow", "--control", one.control],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    one.wait_service("app:slow", "stopping")
    started = time.monotonic()
    one.supctl("status")
    one.supctl("restart", "app:other")
    assert time.monotonic() - started < troupe.SOON_S
    assert slow.poll() is None
    one.supctl("kill", one.service("app:slow")["pid"])
    slow.communicate(timeout=30)


def test_complaint12_is_running_and_wait_have_exit_codes(boot):
    one = boot([host(), process("p", IDLE), service("s", "app:p"),
                service("off", "app:p", auto_start=False)])
    assert one.run_supctl("is-running", "app:s").returncode == troupe.OK
    assert one.run_supctl("is-running", "app:off").returncode == troupe.NOT_RUNNING
    assert one.run_supctl("is-running", "app:none").returncode == troupe.NO_SUCH_NAME
    assert one.run_supctl("status", "app:s").returncode == troupe.OK
    assert one.run_supctl("status", "app:off").returncode == troupe.NOT_RUNNING
    assert one.run_supctl("wait", "app:s").returncode == troupe.OK
    assert one.run_supctl("start", "app:none").returncode == troupe.NO_SUCH_NAME


def test_terminal_hosts_are_services(boot):
    one = boot([terminal()])
    assert one.service("app:terminal")["state"] == "running"
    json.dumps(one.supctl("status"))
