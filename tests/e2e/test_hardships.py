"""Hardships of the machine and of neighbours: sleep, cut connections, strays, bombs,
secrets, odd paths; and what scripts may rely on while they last (hazards L to S)."""

import json
import os
import re
import signal
import struct
import subprocess
import time

import pytest

import faults
import troupe
from hostile import hostile_bin
from troupe import (BOOM, ECHO, IDLE, NEEDS_ROOT, OK, ONE, SupctlError, function,
                    host, process, service, sleeper, wait_for)

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


def hostile(boot, folder, script, *more, **options):
    """app:good is honest, a worker of app:bad runs script."""
    supervisor = hostile_bin(
        folder, 'if "bad" not in argv[2]:\n    be_honest()\nw = Wire()\n' + script)
    return boot([function("good", ECHO, pool=ONE), function("bad", ECHO, pool=ONE), *more],
                supervisor=supervisor, **options)


# ---- F4: everybody sleeps


@pytest.mark.parametrize("order", ["supervisor alone", "supervisor first",
                                   "workers first"])
def test_F4_a_machine_that_slept_kills_nobody(boot, order):
    """Suspended for longer than any heartbeat may take: all live on, in whichever order
    they wake up, and so does what was under way."""
    one = boot([host(), process("p", IDLE), service("s", "app:p"),
                function("echo", ECHO, pool=ONE),
                sleeper(pool=ONE)],
               args=["--set", f"workers.ping_every={300 * troupe.SLOW_BY}ms",
                     "--set", f"workers.pong_timeout={1500 * troupe.SLOW_BY}ms"])
    one.allow("stopped from outside")
    slept = f"{2500 * troupe.SLOW_BY}ms"
    pids = {pid for entry in ("app:echo", "app:sleep", "app:host")
            for pid in one.wait_worker(entry)}
    call = one.call_in_background("app:sleep", slept)
    one.wait_busy("app:sleep")
    sleepers = [one.pid] if order == "supervisor alone" else [one.pid, *pids]
    for pid in sleepers:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(1.8 * troupe.SLOW_BY)  # longer than pong_timeout
    for pid in sleepers if order != "workers first" else reversed(sleepers):
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.02)
    assert call.communicate()[0].strip() == f'"{slept}"'
    before = len(one.records())
    assert one.call("app:echo", 1) == 1
    assert pids <= set(one.workers()), one.records()[before:]
    assert one.service("app:s")["restarts"] == 0


# ---- complaint 13: clocks


@pytest.mark.skipif(not os.path.exists(FAKETIME) or troupe.SANITIZED,
                    reason="needs the package faketime")
@pytest.mark.parametrize("step", ["+365d", "-365d"])
def test_complaint13_a_clock_step_changes_nothing(boot, tmp_path, step):
    """Mid-start, mid-backoff and mid-call, a year each way."""
    clock = tmp_path / "clock"
    clock.write_text("+0")
    running = boot([
        host(), process("p", BOOM),
        service("s", "app:p", restart={"initial_delay": "300ms", "max_attempts": 3}),
        sleeper()],
        env={"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(clock),
             "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
             "DONT_FAKE_MONOTONIC": "1"})
    running.allow("it will be restarted", "it stays down")
    call = running.call_in_background("app:sleep", "400ms")
    running.wait_record("it will be restarted")
    started = time.monotonic()
    clock.write_text(step)
    running.wait_record("it stays down")
    assert time.monotonic() - started < troupe.SOON_S
    assert call.wait(troupe.SOON_S) == OK
    call.communicate()
    years = {r["ts"][:4] for r in running.records()}
    assert len(years) == 2, "the step was not seen at all"
    listed = {row["id"]: row for row in running.supctl("services")}
    for row in (running.service("app:host"), listed["app:host"]):
        assert 0 <= row["uptime_ms"] < 60000


# ---- M1: sizes that are only said

BOMBS = {f"{name} of {count}": header + struct.pack(">I", count)
         for name, header in (("list", b"\xdd"), ("map", b"\xdf"), ("text", b"\xdb"),
                              ("bytes", b"\xc6"), ("ext", b"\xc9"))
         for count in (2 ** 32 - 1, 10 ** 8, 10 ** 5)}


@pytest.fixture(scope="module")
def good(boot_shared):
    one = boot_shared([function("good", ECHO, pool=ONE)])
    one.allow("control client")
    one.wait_worker("app:good")
    return one


def answer_or_end(peer):
    """What the other side says until it has nothing more to say, or b"" at its end."""
    try:
        return peer.recv(1 << 16)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("piecewise", [False, True])
@pytest.mark.parametrize("name", BOMBS)
def test_M1_a_size_that_is_only_said_reserves_nothing(good, name, piecewise):
    good.call("app:good", 0)
    before = troupe.memory_bytes(good.pid, "VmPeak")
    for target in b"@registry.find", b"app:good":
        frame = troupe.call_frame(target, b"\x00\x91" + BOMBS[name])
        with troupe.connect(good.control) as peer:
            if piecewise:
                for i in range(len(frame)):
                    peer.sendall(frame[i:i + 1])
            else:
                peer.sendall(frame)
            assert answer_or_end(peer)  # an error: the frame itself was right
    with troupe.connect(good.control) as peer:
        peer.sendall(BOMBS[name])
        if not name.startswith("ext"):
            assert answer_or_end(peer) == b""
    assert good.call("app:good", 1) == 1
    assert not troupe.has_grown(good.pid, before, 1 << 20, "VmPeak")


# ---- M3: cut at any byte


def test_M3_a_client_may_be_cut_off_at_any_byte(good):
    frame = troupe.call_frame(b"app:good", b"\x00\x91\xa5hello")
    fds = troupe.n_descriptors(good.pid)
    for i in range(len(frame) + 1):
        peer = troupe.connect(good.control)
        peer.sendall(frame[:i])
        if i % 2:  # or an orderly end
            peer.setsockopt(1, 13, struct.pack("ii", 1, 0))
        peer.close()
    assert good.call("app:good", 1) == 1
    wait_for(lambda: troupe.n_descriptors(good.pid) <= fds + 1, what="closed connections")
    wait_for(lambda: good.supctl("status")["supervisor"]["calls_open"] <= 1)


def test_M3_a_worker_may_end_at_any_byte_of_its_answer(boot, tmp_path):
    """Each life of the worker says one byte more of its answer; every call is answered,
    the last one with what was said whole."""
    at = tmp_path / "at"
    one = hostile(boot, tmp_path, f"""
w.set_up()
answer = frame(REPLY, u64(w.next_call()), u8(0), payload("whole"))
with open({str(at)!r}, "ab") as file:
    n = file.tell()
    file.write(b".")
w.send(answer[:n])
if n >= len(answer):
    w.serve("whole")
""")
    one.allow("worker")
    one.wait_worker("app:bad")
    fds = troupe.n_descriptors(one.pid)
    answers = []
    for _ in range(40):
        try:
            answers.append(one.call("app:bad", timeout="20s"))
            break
        except SupctlError as failure:
            assert failure.kind == "Unavailable", failure
            answers.append(failure.kind)
    assert answers[-1] == "whole" and len(answers) == os.path.getsize(at), answers
    assert one.call("app:good", 1) == 1
    wait_for(lambda: troupe.n_descriptors(one.pid) <= fds + 1, what="closed connections")


# ---- P6: a stop in the middle of a change


def test_P6_a_stop_while_a_pool_is_replaced_is_no_error(boot, tmp_path):
    """Nobody has to be told that what is taken apart does not start any more."""
    late = tmp_path / "late"
    one = boot([function("echo", ECHO, pool=ONE)], supervisor=hostile_bin(tmp_path, f"""
if argv[2] == "app:echo" and os.path.exists({str(late)!r}):
    time.sleep(3600)
be_honest()
"""))
    one.wait_worker("app:echo")
    late.touch()
    scale = troupe.Child([troupe.SUPCTL, "scale", "app:echo", "2", "--control", one.control],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(troupe.children_of(one.pid)) > 1 and
             [pid for pid in troupe.children_of(one.pid)
              if "worker.py" in " ".join(troupe.command_line(pid)) or
              "python3" in " ".join(troupe.command_line(pid))], what="the new pool's worker")
    assert one.stop() == OK
    scale.wait()
    assert one.unexpected_records() == []


# ---- complaint 4: what a worker leaves behind


def test_complaint4_grandchildren_can_not_be_made_by_apps(boot):
    """A worker that is jailed makes no process, so none can outlive it."""
    one = boot([function("echo", ECHO, pool=ONE)])
    pid = one.wait_worker("app:echo")[0]
    with open(f"/proc/{pid}/limits") as file:
        limit = re.search(r"^Max processes\s+(\S+)", file.read(), re.M).group(1)
    if one.supctl("call", "@system.confinement")["parts"][0]["in_force"]:
        assert limit == "0"
    assert troupe.children_of(pid) == []


# ---- L6: what can't be interrupted ends with its process

STUBBORN = {
    "pcall loop": "local function spin() while true do end end "
                  "while true do pcall(spin) end",
    "error handler loop": "while true do xpcall(error, function() while true do end end) end",
    "sort with a bad order": "local t = {} for i = 1, 2e5 do t[i] = i * 7919 % 1e5 end "
                             "while true do table.sort(t, function(a, b) return true end) end",
    "long subject and pattern": "local s = ('a'):rep(3e5) "
                                "while true do s:find(('a-'):rep(30) .. 'b') end",
    "gsub": "local s = ('a'):rep(1e5) while true do s:gsub('.-b', '') end",
    "closures that collect": "local mt = {__gc = function() while true do end end} "
                             "while true do setmetatable({}, mt) end",
    "tostring of itself": "local mt = {} mt.__index = function(t, k) return t[k] end "
                          "while true do pcall(function() return setmetatable({}, mt).x end) end",
}


@pytest.mark.parametrize("name", STUBBORN)
def test_L6_a_deadline_ends_whatever_runs(boot, name):
    one = boot([function("f", f"return {{main = function(go) if go then return go end "
                              f"{STUBBORN[name]} end}}", pool=ONE)])
    one.allow("worker died", "killing a worker", "was killed")
    one.wait_worker("app:f")
    one.call("app:f", 1)
    started = time.monotonic()
    failure = one.failure("app:f", timeout="1000ms")
    took_s = time.monotonic() - started
    assert failure.kind == "Timeout"
    assert 0.9 < took_s < troupe.SOON_S, took_s
    assert one.call("app:f", 2) == 2  # its worker, or the next one


# ---- S3: secrets


def test_S3_no_secret_reaches_argv_or_the_environment_of_workers(boot):
    one = boot([function("echo", ECHO, pool=ONE)],
               env={"APP_TEST_SECRET": "hunter2"})
    pid = one.wait_worker("app:echo")[0]
    with open(f"/proc/{pid}/environ", "rb") as file:
        assert b"hunter2" not in file.read()
    assert "hunter2" not in " ".join(troupe.command_line(pid))


def memory_has(pid, token):
    """Is that text anywhere in what a process may write to?"""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            if not rights.startswith("rw"):
                continue
            start, end = (int(text, 16) for text in span.split("-"))
            try:
                memory.seek(start)
                if token in memory.read(end - start):
                    return True
            except OSError:
                continue
    return False


@NEEDS_ROOT
@pytest.mark.skipif(troupe.SANITIZED, reason="all memory is too much to read")
def test_S3_a_secret_is_nowhere_but_with_who_asked_for_it(boot):
    secret = "hunter2-" + os.urandom(8).hex()
    ask = """local env = require("env")
        return {main = function() return #(env.get("SECRET") or "") end}"""
    one = boot([{"name": "os", "kind": "env.storage.os"},
                {"name": "secret", "kind": "env.variable", "variable": "SECRET",
                 "storage": "app:os"},
                host(), function("ask", ask, modules=["env"], pool=ONE),
                function("other", ECHO, pool=ONE)], env={"SECRET": secret})
    others = [*one.wait_worker("app:other"), *one.wait_worker("app:host")]
    asking = one.wait_worker("app:ask")
    assert not any(memory_has(pid, secret.encode()) for pid in asking + others)
    assert one.call("app:ask") == len(secret)
    one.call("app:other", 1)
    assert not any(memory_has(pid, secret.encode()) for pid in others)
    assert not any(memory_has(pid, secret.encode()) for pid in one.workers("@compile"))
    for pid in (one.pid, *one.workers()):
        assert secret not in " ".join(troupe.command_line(pid))
    assert secret not in one.output() + json.dumps(one.supctl("status"))
    for folder, _, names in os.walk(one.state):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                assert secret.encode() not in file.read()


@NEEDS_ROOT
def test_S3_a_worker_that_crashes_leaves_no_core(boot):
    if troupe.SANITIZED:
        pytest.skip("a sanitizer confines nobody and tells of the signal")
    one = boot([function("echo", ECHO, pool=ONE)])
    one.allow("worker died")
    pid = one.wait_worker("app:echo")[0]
    with open(f"/proc/{pid}/limits") as file:
        assert re.search(r"^Max core file size\s+0\s+0", file.read(), re.M)
    one.kill_worker("app:echo", signal.SIGABRT)
    wait_for(lambda: not troupe.is_alive(pid))
    assert [name for name in os.listdir(one.cwd) if name.startswith("core")] == []


# ---- C1: refusals are told, odd paths are refused


@NEEDS_ROOT
def test_C1_who_is_refused_stands_in_the_log(boot):
    one = boot([function("echo", ECHO)])
    one.allow("control client refused")
    os.chmod(one.control, 0o777)
    child = os.fork()
    if child == 0:  # opened before, as its folders are for root alone
        try:
            os.chdir(os.path.dirname(one.control))
            os.setresgid(troupe.NOBODY, troupe.NOBODY, troupe.NOBODY)
            os.setresuid(troupe.NOBODY, troupe.NOBODY, troupe.NOBODY)
            with troupe.connect(os.path.basename(one.control)) as peer:
                os._exit(0 if b"PermissionDenied" in peer.recv(4096) else 1)
        except OSError:
            os._exit(2)
    status = os.waitpid(child, 0)[1]
    os.chmod(one.control, 0o600)
    if os.waitstatus_to_exitcode(status) == 2:
        pytest.skip("nobody can't reach a socket in this folder")
    assert status == 0
    record = one.wait_record("control client refused")[0]
    assert str(record["uid"]) == str(troupe.NOBODY) and str(record["pid"]) == str(child)


def test_C1_the_socket_is_always_a_file(boot):
    """No name that lives outside of all folders, where no mode protects it."""
    one = boot([function("echo", ECHO)], start=False)
    one.control = "@abstract"
    one.spawn()
    wait_for(lambda: os.path.exists(os.path.join(one.cwd, "@abstract")))
    with open("/proc/net/unix") as file:
        assert not [line for line in file if line.split()[-1].startswith("@abstract")]
    one.control = os.path.join(one.cwd, "@abstract")
    wait_for(one.is_running)


# ---- F3: what is acknowledged was synced


@pytest.mark.skipif(troupe.SANITIZED, reason="sanitizers wrap the same calls")
def test_F3_no_change_is_acknowledged_that_is_not_on_the_disk(boot, tmp_path):
    """From the n-th sync on all of them fail: so does each change from there on."""
    change = tmp_path / "change.yaml"
    n_refused = 0
    for number in range(1, 30):
        mark = tmp_path / f"mark{number}"
        one = boot([{"name": "note", "kind": "registry.entry", "text": "n0"}], start=False,
                   args=["--set", "registry.history_type=sqlite",
                         "--set", "registry.history_path=history.db"],
                   env={"LD_PRELOAD": faults.preload(),
                        "TROUPE_FAULT": f"fdatasync {number} 5+ {mark}"})
        one.allow(".*")
        one.spawn()
        wait_for(lambda one=one: not one.is_up() or os.path.exists(one.control))
        if one.is_up():
            wait_for(one.is_running)
            change.write_text("namespace: app\nentries:\n"
                              "- {name: note, kind: registry.entry, text: new}\n")
            told = one.run_supctl("registry", "apply", change)
            struck = mark.stat().st_size > 0
            assert (told.returncode != OK) == struck, told
            n_refused += struck
            if not struck:
                break
        one.stop()
        one.child = None
    assert n_refused > 0, "nothing is ever synced"


# ---- complaint 12: JSON of every command

JSON_OF = {
    ("status",): dict, ("services",): list, ("pools",): list, ("pool", "app:echo"): dict,
    ("workers",): list, ("ps",): list, ("inspect", "polite"): dict, ("names",): list,
    ("groups",): list, ("registry", "list"): list, ("registry", "get", "app:echo"): dict,
    ("registry", "find", ".kind=function.lua"): list, ("registry", "history"): list,
    ("logs",): list, ("trace",): list, ("ping",): dict, ("doctor",): list,
    ("metrics",): dict, ("call", "app:echo", "1"): int,
    ("status", "app:s"): dict, ("is-running", "app:s"): dict,
    ("wait", "app:s"): dict, ("restart", "app:s"): dict, ("stop", "app:s"): dict,
    ("start", "app:s"): dict, ("reset-failed", "app:s"): dict,
    ("reload", "--dry-run"): dict, ("scale", "app:echo", "2"): dict,
    ("send", "polite", "topic", "1"): bool,
    ("cancel", "doomed"): bool,
    ("spawn", "app:p", "app:host"): str,
}


@pytest.fixture(scope="module")
def asked(boot_shared):
    named = 'return {main = function(name) process.registry.register(name or "polite") ' \
            "process.events():receive() end}"
    one = boot_shared([host(), process("p", IDLE), process("named", named),
                       service("s", "app:p"), service("polite.service", "app:named"),
                       function("echo", ECHO, pool=ONE)])
    one.supctl("spawn", "app:named", "app:host", '"doomed"')
    wait_for(lambda: len(one.supctl("names")) == 2)
    return one


@pytest.mark.parametrize("words", JSON_OF, ids=" ".join)
def test_complaint12_every_command_prints_json(asked, words):
    done = asked.run_supctl("--json", *words)
    # The machine may lack something serious.
    assert done.returncode == OK or words == ("doctor",), done
    assert type(json.loads(done.stdout)) is JSON_OF[words]
    assert done.stderr == ""
