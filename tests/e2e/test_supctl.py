"""Every command of supctl: tables, JSON keys, exit codes (cli.md)."""

import json
import os
import re
import select
import signal
import subprocess
import time

import pytest

import troupe
from troupe import (FAILED, IDLE, NOT_RUNNING, NO_SUCH_NAME, OK, POLITE, REFUSED, USAGE,
                    function, host, process, service, wait_for)

# Registers itself, tells what it is sent and how it is cancelled.
TELLER = """
local logger = require("logger")
return {main = function(name)
    process.registry.register(name or "teller")
    local inbox, events = process.inbox(), process.events()
    while true do
        local got = channel.select{inbox:case_receive(), events:case_receive()}
        if got.channel == events then
            logger:info("cancelled", {reason = got.value.reason})
            return
        end
        local payload = got.value:payload()
        logger:info("got", {topic = got.value:topic(), data = payload and payload:data()})
    end
end}
"""
PUBLISH = """
local events = require("events")
return {main = function(n)
    for i = 1, n or 1 do events.send("shop", "sold", "/thing", {n = i}) end
end}
"""
CONTEXT = """
local ctx = require("ctx")
return {main = function() return ctx.all() end}
"""

APP = [
    host(),
    process("polite", POLITE), service("one", "app:polite"),
    service("down", "app:polite", auto_start=False),
    process("teller", TELLER, modules=["logger"], meta={"type": "talker"}),
    function("echo", "return {main = function(v) return v end}",
             pool={"type": "static", "workers": 2}),
    function("two", "return {main = function(a, b) return {a, b} end}"),
    function("raise", 'return {main = function() error("boom\\27[31m\\nsecond") end}'),
    function("missing", """return {main = function()
        return nil, errors.new{message = "no such thing", kind = errors.NOT_FOUND}
    end}"""),
    function("denied", """return {main = function()
        return nil, errors.new{message = "hands off", kind = errors.PERMISSION_DENIED}
    end}"""),
    function("typed", """return {main = function()
        return nil, errors.new{message = "typed", kind = errors.CONFLICT,
                               retryable = true, details = {at = 3}}
    end}"""),
    function("sleep", 'local time = require("time") '
             "return {main = function(d) time.sleep(d) return d end}", modules=["time"]),
    function("cycle", """return {main = function(as_error)
        local t = {} t.t = t
        if not as_error then return t end
        return nil, errors.new{message = "m", kind = errors.NOT_FOUND, details = t}
    end}"""),
    function("calls", """return {main = function(target)
        return funcs.call(target) end}""", modules=["funcs"]),
    function("context", CONTEXT, modules=["ctx"]),
    function("publish", PUBLISH, modules=["events"]),
    function("steer", """local logger = require("logger")
        return {main = function()
            logger:info("a\\27[2J", {["\\27[31mkey"] = "b\\27[0m"})
        end}""", modules=["logger"]),
]

SERVICE_KEYS = {"id", "kind", "state", "desired", "details", "auto_start", "retry_count",
                "restarts", "started_at", "last_update"}
POOL_KEYS = {"entry", "kind", "state", "n_processes", "n_ready", "n_busy", "n_queued",
             "n_held", "n_actors", "n_calls_done", "n_deaths", "rate"}
WORKER_KEYS = {"index", "os_pid", "role", "pool", "state", "uptime_ms", "n_busy",
               "n_actors", "n_calls_done", "rss_bytes"}
SUPERVISOR_KEYS = {"app", "pid", "version", "state", "uptime_ms", "root", "state_dir",
                   "control", "rss_bytes", "n_fds", "max_fds", "n_entries",
                   "registry_version", "calls_open", "n_clients"}
ACTOR_KEYS = {"pid", "host", "source", "state", "steps", "started_at", "mailbox",
              "mailbox_bytes", "threads"}


@pytest.fixture(scope="module")
def running(boot_shared):
    one = boot_shared(APP, args=troupe.PATIENT)
    one.allow("control client refused", "worker died")
    return one


def table(running, *args):
    """The header's words and the rows of what is printed for people."""
    done = running.run_supctl(*args)
    assert (done.returncode, done.stderr) == (OK, ""), done
    lines = done.stdout.splitlines()
    return lines[0].split(), [line.split() for line in lines[1:]]


def spawn_teller(running, name):
    pid = running.supctl("spawn", "app:teller", "app:host", json.dumps(name))
    wait_for(lambda: [r for r in running.supctl("names") if r["name"] == name])
    return pid


def follow(running, *args):
    """supctl in the background; its lines come through .stdout."""
    return troupe.Child([troupe.SUPCTL, *args, "--control", running.control],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end_follower(child):
    child.terminate()
    child.communicate()


# ---- what there is


def test_status_for_people(running):
    done = running.run_supctl("status")
    assert done.returncode == OK
    blocks = done.stdout.split("\n\n")
    assert [block.split()[0] for block in blocks] == [
        "SUPERVISOR", "SERVICE", "POOL", "WORKER"]
    assert "\033" not in done.stdout, "colour without a terminal"


def test_status_json_keys(running):
    status = running.supctl("status")
    assert set(status) == {"supervisor", "services", "pools", "workers"}
    assert SUPERVISOR_KEYS <= set(status["supervisor"])
    assert status["supervisor"]["pid"] == running.pid
    assert status["supervisor"]["n_entries"] == len(APP)
    for row in status["services"]:
        assert SERVICE_KEYS <= set(row), row
    for row in status["pools"]:
        assert POOL_KEYS <= set(row), row
    for row in status["workers"]:
        assert WORKER_KEYS <= set(row), row
        assert row["rss_bytes"] > 0
        # No number that stands for "without end" gets out.
        assert all(value < 1 << 31 for key, value in row.items()
                   if isinstance(value, int) and key != "rss_bytes"), row


def test_status_tells_how_long_calls_run(running):
    for _ in range(50):
        running.call("app:sleep", "1ms")
    running.call("app:sleep", "100ms")
    row = running.pool("app:sleep")
    assert 1000 <= row["p50_us"] < 100000 <= row["p99_us"] < 30_000_000, row
    header, rows = table(running, "pools")
    cells = next(row for row in rows if row[0] == "app:sleep")
    assert cells[header.index("P99")].endswith(("ms", "s"))
    assert "p99_us" not in running.pool("app:host"), "a host runs no calls"


def test_status_of_one_service(running):
    assert running.run_supctl("status", "app:one").returncode == OK
    assert running.run_supctl("status", "app:down").returncode == NOT_RUNNING
    done = running.run_supctl("status", "app:nobody")
    assert (done.returncode, done.stdout) == (NO_SUCH_NAME, "")
    assert "service not found: app:nobody" in done.stderr
    done = running.run_supctl("--json", "status", "app:down")
    assert done.returncode == NOT_RUNNING
    assert json.loads(done.stdout)["state"] == "unknown"


def test_services(running):
    header, rows = table(running, "services")
    assert header[:3] == ["SERVICE", "KIND", "STATE"]
    assert {row[0] for row in rows} == {"app:host", "app:one", "app:down"}
    rows = {row["id"]: row for row in running.supctl("services")}
    one = rows["app:one"]
    assert SERVICE_KEYS | {"pid", "uptime_ms"} <= set(one)
    assert (one["kind"], one["state"], one["auto_start"]) == (
        "process.service", "running", True)
    assert 0 <= one["uptime_ms"] <= time.time() * 1000 - one["started_at"] / 1e6 + 1000
    assert rows["app:down"]["started_at"] == 0


def test_pools_and_pool(running):
    header, rows = table(running, "pools")
    assert header[0] == "POOL"
    assert {"app:echo", "app:host", "app:two"} <= {row[0] for row in rows}
    echo = running.supctl("pool", "app:echo")
    assert POOL_KEYS | {"workers", "n_slots"} <= set(echo)
    assert (echo["kind"], echo["n_slots"]) == ("static", 2)
    for row in echo["workers"]:
        assert WORKER_KEYS <= set(row)
    done = running.run_supctl("pool", "app:echo")
    assert done.returncode == OK and "kind" in done.stdout and "WORKER" in done.stdout
    assert running.run_supctl("pool", "app:nobody").returncode == NO_SUCH_NAME


def test_workers(running):
    before = running.workers()  # one that has had nothing to do may end meanwhile
    header, rows = table(running, "workers")
    assert header[:3] == ["WORKER", "PID", "POOL"]
    assert {int(row[1]) for row in rows} <= {*before, *running.workers()}


def test_ps_and_inspect(running):
    pid = spawn_teller(running, "inspected")
    header, rows = table(running, "ps")
    assert header[:3] == ["PID", "SOURCE", "STATE"]
    assert [pid, "app:teller"] in [row[:2] for row in rows]
    row = [row for row in running.supctl("ps") if row["pid"] == pid][0]
    assert ACTOR_KEYS <= set(row)
    assert (row["host"], row["source"]) == ("app:host", "app:teller")
    for name in (pid, "inspected"):
        actor = running.supctl("inspect", name)
        assert ACTOR_KEYS | {"trap_links", "vm_bytes", "stack"} <= set(actor)
        assert actor["pid"] == pid
        assert "app:teller:7" in str(actor["stack"])
    assert "app:teller" in running.run_supctl("inspect", pid).stdout
    assert running.run_supctl("inspect", "nobody").returncode == NO_SUCH_NAME
    assert running.run_supctl("inspect", "{app:host|0x3fffff}").returncode == NO_SUCH_NAME
    assert running.run_supctl("kill", pid).returncode == OK


def test_names(running):
    pid = spawn_teller(running, "named")
    assert {"name": "named", "pid": pid}.items() <= [
        row for row in running.supctl("names") if row["name"] == "named"][0].items()
    header, rows = table(running, "names")
    assert header == ["NAME", "PID"] and ["named", pid] in rows
    assert running.run_supctl("kill", "named").returncode == OK
    wait_for(lambda: "named" not in str(running.supctl("names")))


def test_registry_commands(running):
    assert {row["id"] for row in running.supctl("registry", "list")} == {
        f"app:{entry['name']}" for entry in APP}
    assert running.supctl("registry", "list", "elsewhere") == []
    entry = running.supctl("registry", "get", "app:teller")
    assert set(entry) == {"id", "kind", "meta", "data"}
    assert entry["meta"] == {"type": "talker"} and entry["data"]["method"] == "main"
    found = running.supctl("registry", "find", ".kind=process.lua", "meta.type=talker")
    assert [row["id"] for row in found] == ["app:teller"]
    assert running.supctl("registry", "find", "meta.type=nothing") == []
    header, rows = table(running, "registry", "list")
    assert header[:2] == ["ENTRY", "KIND"] and len(rows) == len(APP)
    assert running.run_supctl("registry", "get", "app:zip").returncode == NO_SUCH_NAME
    assert running.run_supctl("registry", "find", "nonsense").returncode == USAGE


def test_ping(running):
    assert running.supctl("ping")["pid"] == running.pid
    assert re.fullmatch(rf"pong from pid {running.pid} in [\d.]+ ms\n",
                        running.run_supctl("ping").stdout)


# ---- calls


@pytest.mark.parametrize("value", [
    None, True, False, 0, -1, 2.5, 1 << 53, -(1 << 63), "", "text", "ä€\U0001f600",
    [1, [2, [3]]], {"a": {"b": [True, "x"]}}, "null", "1",
])
def test_call_takes_and_prints_json(running, value):
    assert running.call("app:echo", value) == value


def test_call_takes_text_that_is_no_json_as_text(running):
    assert running.supctl("call", "app:two", "plain text", "3") == ["plain text", 3]
    done = subprocess.run([troupe.SUPCTL, "--control", running.control, "call", "app:two",
                           "--", "-x", "--json"], capture_output=True, check=False)
    assert json.loads(done.stdout) == ["-x", "--json"]
    assert running.supctl("call", "app:two", "-1", "-.5") == [-1, "-.5"]


def test_call_passes_context(running):
    done = running.supctl("call", "app:context", "--context", "user=ann",
                          "--context", "n=3")
    assert done == {"user": "ann", "n": 3}


@pytest.mark.parametrize("name, code, kind", [
    ("raise", FAILED, "Internal"),
    ("missing", FAILED, "NotFound"),  # the function's answer, not its absence
    ("denied", REFUSED, "PermissionDenied"),
    ("typed", FAILED, "Conflict"),
    ("nobody", NO_SUCH_NAME, "NotFound"),
    ("teller", FAILED, "NotFound"),
], ids=lambda value: str(value))
def test_call_tells_errors(running, name, code, kind):
    done = running.run_supctl("call", f"app:{name}")
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"supctl: {kind}: ")
    n_lines = 2 if name == "teller" else 1  # the second says that it is no function
    assert len(done.stderr.splitlines()) == n_lines and "\033" not in done.stderr
    done = running.run_supctl("--json", "call", f"app:{name}")
    error = json.loads(done.stderr)["error"]
    assert set(error) >= {"kind", "message", "retryable", "details"}
    assert error["kind"] == kind
    if name == "typed":
        assert (error["retryable"], error["details"]) == (True, {"at": 3})


def test_call_gives_up_in_time(running):
    started = time.monotonic()
    with pytest.raises(troupe.SupctlError) as told:
        running.call("app:sleep", "1h", timeout="100ms")
    assert (told.value.code, told.value.kind) == (FAILED, "Timeout")
    assert time.monotonic() - started < troupe.SOON_S
    wait_for(lambda: running.supctl("status")["supervisor"]["calls_open"] == 0)


def test_call_of_nobody_names_the_nearest(running):
    done = running.run_supctl("call", "app:ecko", "1")
    assert (done.returncode, done.stdout) == (NO_SUCH_NAME, "")
    assert done.stderr == ("supctl: NotFound: no handler registered for target: app:ecko\n"
                           "Did you mean 'app:echo'?\n")
    assert "mean" not in running.run_supctl("--json", "call", "app:ecko").stderr


def test_what_a_function_did_not_find_is_no_affair_of_its_own_name(running):
    done = running.run_supctl("call", "app:calls", '"app:nothing"')
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert done.stderr == \
        "supctl: NotFound: no handler registered for target: app:nothing\n"


@pytest.mark.parametrize("args, what", [
    ([], "it answered, and its result can't be shown: "),
    (["true"], "it failed, and its error can't be shown: "),
])
def test_an_answer_that_has_no_json_is_not_a_lost_supervisor(running, args, what):
    done = running.run_supctl("call", "app:cycle", *args)
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert done.stderr.startswith("supctl: Invalid: " + what)
    assert "contains itself" in done.stderr
    done = running.run_supctl("--json", "call", "app:cycle", *args)
    assert done.returncode == FAILED
    assert json.loads(done.stderr)["error"]["kind"] == "Invalid"


@pytest.mark.parametrize("args, code, lines", [
    (["start", "app:dwon"], NO_SUCH_NAME,
     ["supctl: NotFound: service not found: app:dwon", "Did you mean 'app:down'?"]),
    (["stop", "app:polite"], NO_SUCH_NAME,
     ["supctl: NotFound: service not found: app:polite", "app:polite is a process.lua."]),
    (["start", "down"], NO_SUCH_NAME,
     ["supctl: NotFound: service not found: down", "Did you mean 'app:down'?"]),
    (["pool", "app:one"], NO_SUCH_NAME,
     ["supctl: NotFound: no such pool: app:one", "app:one is a process.service."]),
    (["registry", "get", "app:ecoh"], NO_SUCH_NAME,
     ["supctl: NotFound: entry not found: app:ecoh", "Did you mean 'app:echo'?"]),
    (["spawn", "app:telle", "app:host"], NO_SUCH_NAME,
     ["supctl: NotFound: factory not found", "Did you mean 'app:teller'?",
      "app:host is a process.host."]),
    (["call", "app:polite"], FAILED,
     ["supctl: NotFound: no handler registered for target: app:polite",
      "app:polite is a process.lua."]),
    (["registry", "rollback", "99"], NO_SUCH_NAME,
     ["supctl: NotFound: version not found in history",
      "See 'supctl registry history' for those there are."]),
    (["registry", "history", "99"], NO_SUCH_NAME,
     ["supctl: NotFound: version not found",
      "See 'supctl registry history' for those there are."]),
    (["kill", "nobody"], NO_SUCH_NAME, ["supctl: NotFound: process not found: nobody"]),
    (["registry", "apply", "/tmp"], FAILED, ["supctl: Invalid: /tmp: Is a directory"]),
])
def test_names_that_are_not_there_and_what_may_be_meant(running, args, code, lines):
    done = running.run_supctl(*args)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.splitlines() == lines
    alone = running.run_supctl("--json", *args)
    assert alone.returncode == code
    assert json.loads(alone.stderr)["error"]["kind"]


@pytest.mark.parametrize("args, line", [
    (["registry", "find", ".knd=process.lua"],
     "supctl: there is no field .knd; there are .id, .kind, .name, .ns and meta.X"),
    (["registry", "find", "=x"], "supctl: registry find wants field=value, e.g. "
     ".kind=function.lua or meta.type=test"),
])
def test_questions_that_would_be_answered_otherwise(running, args, line):
    done = running.run_supctl(*args)
    assert (done.returncode, done.stdout, done.stderr) == (USAGE, "", line + "\n")


def test_REG32_names_that_look_like_numbers_are_texts(running):
    assert running.supctl("registry", "find", ".name=5") == []
    assert running.supctl("registry", "find", ".name=t*", ".kind=process.lua") != []
    assert running.supctl("registry", "find", "^meta.type=1") == []
    assert [row["id"] for row in running.supctl("registry", "find", "*meta.type=alk")] == [
        "app:teller"]


def test_an_empty_path_is_no_socket():
    done = troupe.run(troupe.SUPCTL, "--control", "", "status")
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        USAGE, "supctl: --control needs a path, not ''")


def test_call_interrupted_is_cancelled(running):
    child = running.call_in_background("app:sleep", "1h")
    running.wait_busy("app:sleep")
    child.send_signal(signal.SIGINT)
    child.communicate()
    running.wait_idle("app:sleep")


def test_scale(running):
    assert running.supctl("scale", "app:two", "3")["entry"] == "app:two"
    assert running.call("app:two", 1, 2) == [1, 2]
    for bad in ("0", "100000"):
        assert running.run_supctl("scale", "app:two", bad).returncode == FAILED
    for bad in ("x", "", "1.5", "3 "):
        assert running.run_supctl("scale", "app:two", bad).returncode == USAGE
    assert running.run_supctl("scale", "app:host", "3").returncode == FAILED
    assert running.run_supctl("scale", "app:nobody", "3").returncode == NO_SUCH_NAME


# ---- actors


def test_spawn_send_cancel_kill(running):
    done = running.run_supctl("spawn", "app:teller", "app:host", '"walked"')
    assert done.returncode == OK
    pid = done.stdout.strip()
    assert re.fullmatch(r"\{app:host\|0x[0-9a-f]{5,}\}", pid)
    wait_for(lambda: "walked" in str(running.supctl("names")))
    assert running.run_supctl("send", "walked", "greeting", '{"n": 1}').returncode == OK
    assert running.wait_record('"got".*"greeting"')[-1]["data"] == {"n": 1}
    assert running.run_supctl("send", pid, "bare").returncode == OK
    running.wait_record('"got".*"bare"')
    assert running.run_supctl("cancel", pid, "--reason", "enough").returncode == OK
    assert running.wait_record('"cancelled"')[-1]["reason"] == "enough"
    wait_for(lambda: pid not in str(running.supctl("ps")))
    for verb in (["cancel", pid], ["kill", pid], ["send", pid, "t"], ["inspect", pid]):
        done = running.run_supctl(*verb)
        assert done.returncode == NO_SUCH_NAME, verb
        assert f"process not found: {pid}" in done.stderr


def test_spawn_under_a_name_that_is_taken_gives_its_owner(running):
    pid = spawn_teller(running, "owner")
    assert running.supctl("spawn", "app:teller", "app:host", "--name", "owner") == pid
    assert running.run_supctl("kill", "owner").returncode == OK


def test_spawn_of_what_is_not_there(running):
    for args in (["app:teller", "app:nowhere"], ["app:nobody", "app:host"],
                 ["app:echo", "app:host"]):
        assert running.run_supctl("spawn", *args).returncode == NO_SUCH_NAME, args


@troupe.not_under_valgrind("takes minutes to list so many actors")
def test_ps_says_that_it_is_cut(boot):
    one = boot([
        host(host={"workers": 1}),
        process("idle", IDLE,
                modules=["process"]),
        function("crowd", """return {main = function(n)
            local hosted = 0
            for i = 1, n do
                if process.spawn("app:idle", "app:host") then hosted = hosted + 1 end
            end
            return hosted
        end}""", modules=["process"])])
    n = 50001
    assert one.call("app:crowd", n, timeout="60s") == n

    def listed():
        """Not while the worker is too busy with all of them to answer in time."""
        done = one.run_supctl("ps", "--json")
        assert done.returncode == OK
        return None if "did not answer in time" in done.stderr else done
    done = wait_for(listed)
    rows = json.loads(done.stdout)
    assert 10000 <= len(rows) < n
    # The call itself is an actor, and its worker's figures may be some seconds old.
    assert done.stderr in [f"supctl: the list is cut: {len(rows)} of {total} actors\n"
                           for total in (n, n + 1)]


def test_ps_says_whose_actors_are_not_there(boot):
    one = boot([host(host={"workers": 1}),
                process("idle", IDLE,
                        modules=["process"])])
    one.supctl("spawn", "app:idle", "app:host")
    pid = one.workers("app:host")[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        done = one.run_supctl("ps")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert (done.returncode, done.stdout) == (OK, "no actors\n")
    assert done.stderr == ("supctl: 1 worker did not answer in time: actors are missing\n"
                           f"  app:host, pid {pid}\n")


# ---- logs and events


def test_logs(running):
    records = running.supctl("logs", "-n", "2")
    assert len(records) == 2
    assert all(set(r) == {"at", "level", "logger", "message", "fields"} for r in records)
    assert running.supctl("logs", "--level", "error") == []
    assert running.run_supctl("logs", "-n", "x").returncode == USAGE
    text = running.run_supctl("logs").stdout
    assert re.search(r"^[\d-]+T[\d:.]+Z info supervisor started app=", text, re.M)


def test_a_log_level_that_is_none_is_told_with_those_there_are(running):
    done = running.run_supctl("logs", "--level", "loud")
    assert done.returncode == FAILED
    assert "it must be debug, info, warn or error" in done.stderr


def test_short_options_may_stand_together(running):
    child = follow(running, "logs", "-fn1")
    assert re.match(r"\d+-\d+-\d+T\S+ \w+ ", child.stdout.readline())
    end_follower(child)


def test_logs_of_one_service(running):
    spawn_teller(running, "talks")
    running.run_supctl("send", "talks", "mine")
    running.wait_record('"got".*"mine"')
    records = running.supctl("logs", "--service", "app:teller")
    assert "mine" in [r["fields"].get("topic") for r in records]
    assert all("app:teller" in str(r["fields"]) for r in records)
    assert running.run_supctl("kill", "talks").returncode == OK


def test_no_record_steers_the_terminal(running):
    running.call("app:steer")
    running.wait_record("31mkey")
    text = running.run_supctl("logs").stdout
    assert "31mkey=" in text and "\033" not in text


def test_logs_follow(running):
    child = follow(running, "--json", "logs", "-f", "-n", "1")
    json.loads(child.stdout.readline())
    spawn_teller(running, "followed")
    running.run_supctl("send", "followed", "live")
    while True:
        record = json.loads(child.stdout.readline())
        if record["message"] == "got":
            break
    assert record["fields"]["topic"] == "live"
    end_follower(child)
    assert running.run_supctl("kill", "followed").returncode == OK


def test_events_follow(running):
    child = follow(running, "--json", "events", "shop")
    # What is sent before the follower is known, nobody hears: so send until it does.
    got = []
    os.set_blocking(child.stdout.fileno(), False)

    def heard():
        running.call("app:publish", 1)
        try:
            got.append(os.read(child.stdout.fileno(), 65536).decode())
        except BlockingIOError:
            pass
        return "\n" in "".join(got)
    wait_for(heard)
    event = json.loads("".join(got).splitlines()[0])
    assert (event["system"], event["kind"], event["path"], event["data"]) == (
        "shop", "sold", "/thing", {"n": 1})
    end_follower(child)


def test_events_for_people(running):
    child = follow(running, "events", "shop", "sold")

    def shown():
        running.call("app:publish", 1)
        return select.select([child.stdout], [], [], 0)[0]
    wait_for(shown)
    assert child.stdout.readline() == 'shop sold /thing {"n":1}\n'
    end_follower(child)


def test_one_record_is_for_people(running):
    shown = running.run_supctl("status", "app:host").stdout
    assert re.search(r"^started_at +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", shown, re.M)
    assert re.search(r"^uptime_ms +[\d.]+(ms|s|m\d\ds)$", shown, re.M)
    never = running.run_supctl("status", "app:down").stdout
    assert re.search(r"^started_at +-$", never, re.M), never
