"""supctl when things aren't as they should be: a supervisor that hangs, of another
version, of another user; terminals without colour (cli.md)."""

import json
import os
import pty
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

import pytest

import troupe
from troupe import (FAILED, IDLE, OK, UNREACHABLE, function, host, process, service,
                    wait_for)

APP = [
    host(),
    process("idle", IDLE),
    service("idle.service", "app:idle"),
    function("echo", "return {main = function(x) return x end}"),
]


@pytest.fixture(name="stopped")
def stopped_supervisor(boot):
    one = boot(APP)
    os.kill(one.pid, signal.SIGSTOP)
    try:
        yield one
    finally:
        os.kill(one.pid, signal.SIGCONT)


def test_a_supervisor_that_hangs_is_as_good_as_none(stopped):
    for words in (["status"], ["is-running", "app:idle.service"], ["call", "app:echo"]):
        done = stopped.run_supctl(*words, "--timeout", "300ms")
        assert (done.returncode, done.stdout) == (UNREACHABLE, ""), words
        assert done.stderr == (
            f"supctl: Timeout: no answer in time: the supervisor (pid {stopped.pid}) is "
            "stopped, hangs, or has far too much to do\n")


def test_what_does_not_fit_into_its_socket_waits_no_longer_than_asked(stopped):
    text = os.path.join(stopped.folder, "large.json")
    with open(text, "w", encoding="utf-8") as file:
        json.dump([{"op": "create", "entry": {"text": "x" * 4000000}}], file)
    done = stopped.run_supctl("registry", "apply", text, "--timeout", "300ms")
    assert done.returncode == UNREACHABLE and "no answer in time" in done.stderr


@pytest.mark.parametrize("n_stops", [0, 10])
def test_a_queue_that_nobody_takes_from_holds_up_nobody(stopped, n_stops):
    """Nor does it help to stop and go on meanwhile."""
    waiting = []
    try:
        while True:
            one = socket.socket(socket.AF_UNIX)
            one.setblocking(False)
            waiting.append(one)
            one.connect(stopped.control)
    except BlockingIOError:
        pass
    ping = troupe.Child([troupe.SUPCTL, "ping", "--control", stopped.control],
                        stderr=subprocess.PIPE, text=True)
    for _ in range(n_stops):
        time.sleep(0.02)
        ping.send_signal(signal.SIGSTOP)
        ping.send_signal(signal.SIGCONT)
    _, err = ping.communicate()
    for one in waiting:
        one.close()
    assert (ping.returncode, err) == (
        UNREACHABLE, f"supctl: Unavailable: the supervisor at {stopped.control} takes no "
        "connections any more: it is stopped, or hangs\n")


def answer_as_a_stranger(listener):
    """A supervisor that has never heard of what it is asked."""
    while True:
        try:
            peer, _ = listener.accept()
        except OSError:
            return
        with peer:
            frame = peer.recv(65536)
            call = frame[7:15]
            fields = b"\x82" + b"".join(
                b"\xd9" + bytes([len(text)]) + text
                for text in (b"kind", b"NotFound", b"message",
                             b"no such target: @registry.versions"))
            body = b"\xcf" + call + b"\xcc\x01" + fields
            peer.sendall(b"\xc9" + struct.pack(">IB", len(body), 17) + body)
            peer.recv(1)


def test_a_supervisor_of_another_version_is_told_from_a_wrong_name(tmp_path):
    path = str(tmp_path / "other.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        threading.Thread(target=answer_as_a_stranger, args=(listener,),
                         daemon=True).start()
        done = troupe.run(troupe.SUPCTL, "--control", path, "registry", "history")
    assert done.returncode == FAILED, done
    assert "no such target: @registry.versions" in done.stderr
    assert "of another version than this supctl" in done.stderr


def test_scale_helps_what_waits_already(boot):
    """One call holds the only slot; those behind it run as soon as there are more."""
    one = boot([function("f", "return {main = function(n) time.sleep(n) return n end}",
                         modules=["time"], pool={"type": "static", "size": 1, "buffer": 2})])
    first = one.call_in_background("app:f", "1h")
    one.wait_busy("app:f")
    waiting = [one.call_in_background("app:f", "1ms") for _ in range(2)]
    one.wait_queued("app:f", 2)
    assert one.failure("app:f", "1ms").kind == "RateLimited"
    one.supctl("scale", "app:f", "3")
    for child in waiting:
        assert json.loads(child.communicate(timeout=troupe.PATIENCE_S)[0]) == "1ms"
    assert first.poll() is None
    first.send_signal(signal.SIGINT)
    first.communicate()


def test_rates_are_right_while_the_pool_before_still_works(boot):
    """Two pools of one entry, which have done more and fewer calls."""
    one = boot([function("f", "return {main = function(n) time.sleep(n) return n end}",
                         modules=["time"], pool={"type": "static", "size": 2})])
    first = one.call_in_background("app:f", "1h")
    one.wait_busy("app:f")
    one.supctl("scale", "app:f", "3")
    wait_for(lambda: any(row["n_slots"] == 3 for row in one.supctl("pools")))
    wait_for(lambda: one.call("app:f", "1ns") and one.pool("app:f")["rate"] > 0)
    wait_for(lambda: one.pool("app:f")["rate"] == 0, what="a second without calls")
    assert [row["entry"] for row in one.supctl("pools")] == ["app:f", "app:f"]
    first.send_signal(signal.SIGINT)
    first.communicate()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
def test_who_may_not_use_a_socket_is_told_so(boot):
    one = boot(APP)
    done = troupe.run(troupe.SUPCTL, "--control", one.control, "ping",
                      preexec_fn=troupe.become_nobody)
    assert done.returncode == UNREACHABLE
    assert "belongs to another user" in done.stderr


def on_terminal(one, env, *args):
    """What a command prints on a terminal."""
    master, slave = pty.openpty()
    done = subprocess.run([troupe.SUPCTL, *args, "--control", one.control],
                          stdin=slave, stdout=slave, stderr=slave, check=False, timeout=60,
                          env={**os.environ, "TERM": "xterm", **env})
    os.close(slave)
    text = b""
    try:
        while data := os.read(master, 65536):
            text += data
    except OSError:  # the other end is closed: all is read
        pass
    os.close(master)
    assert done.returncode == OK
    return text.decode()


def test_colour_is_for_terminals_that_want_it(boot):
    one = boot(APP)
    one.wait_service("app:idle.service", "running")
    assert "\033[32mrunning" in on_terminal(one, {}, "services")
    assert "\033[" in on_terminal(one, {"NO_COLOR": ""}, "status")
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\033" not in on_terminal(one, env, "services")
        assert "\033" not in on_terminal(one, env, "status")


def test_scale_keeps_what_else_the_entry_says(boot):
    failing = """
local n = 0
return {main = function()
    n = n + 1
    if n % 3 ~= 0 then
        return nil, errors.new{message = "not yet", kind = errors.UNAVAILABLE,
                               retryable = true}
    end
    return n
end}"""
    one = boot([function("f", failing, pool={"type": "static", "size": 1}, meta={
        "options": {"retry": {"max_attempts": 3, "initial_delay": 1}}})])
    assert one.call("app:f") == 3
    old = one.wait_worker("app:f")
    one.supctl("scale", "app:f", "1")
    wait_for(lambda: one.workers("app:f") and set(one.workers("app:f")).isdisjoint(old),
             what="the new pool alone")
    assert one.call("app:f") == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
@pytest.mark.parametrize("args, line", [
    (["--state", "shut/state"], "cannot create folder {cwd}/shut/state: Permission denied; choose "
     "another state folder with --state"),
    (["--control", "shut/sock"], "control socket {cwd}/shut/sock: Permission denied; choose "
     "another path with --control"),
    (["--set", "registry.history_type=sqlite", "--set", "registry.history_path=shut/h.db"],
     "registry history shut/h.db can't be opened: Permission denied; "
     "registry.history_path says where it is"),
])
def test_places_that_can_not_be_written_are_told_with_what_chooses_others(
        tmp_path, args, line):
    (tmp_path / "shut").mkdir(mode=0o555)
    (tmp_path / "open").mkdir()
    os.chown(tmp_path / "open", troupe.NOBODY, troupe.NOBODY)
    troupe.write_app(tmp_path, [host()])
    for folder in (tmp_path, *tmp_path.parents):
        if str(folder) == tempfile.gettempdir():
            break
        os.chmod(folder, 0o755)
    places = {"--state": "open/state", "--control": "open/sock"}
    for name in args[::2]:
        places.pop(name, None)
    done = troupe.run(troupe.SUPERVISOR, "run", *args,
                      *(text for pair in places.items() for text in pair), cwd=tmp_path,
                      preexec_fn=troupe.become_nobody)
    assert (done.returncode, done.stderr) == (troupe.NEEDED, f"supervisor: {line.format(cwd=tmp_path)}\n")


def test_wait_says_why_it_was_in_vain(boot):
    one = boot([host(), process("bad", "return {main = function() error('no luck') end}"),
                service("s", "app:bad", restart={"max_attempts": 1})])
    one.allow("service failed")
    done = one.run_supctl("wait", "app:s")
    assert done.returncode == FAILED
    assert done.stderr == "supctl: Unavailable: app:s: process failed: app:bad:1: no luck\n"


def test_a_machine_that_stood_still_is_no_supervisor_that_hangs(boot):
    """A client that wakes up long after the time that a call had gives its supervisor a
    moment to wake up, too."""
    one = boot([troupe.held()])

    def was_answered():
        call = one.call_in_background("app:held", timeout="700ms")
        wait_for(lambda: one.pool("app:held")["n_busy"] == 1 or call.poll() is not None)
        for pid in call.pid, one.pid:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(1.5)  # longer than the call has, and the moment that an answer has
        os.kill(call.pid, signal.SIGCONT)
        time.sleep(0.1)
        os.kill(one.pid, signal.SIGCONT)
        _, err = call.communicate()
        return "function execution timed out" in err
    wait_for(was_answered)


def test_a_verb_that_nobody_waits_for_goes_on_and_that_is_told(boot):
    late = """local time = require("time")
return {main = function() process.events():receive() time.sleep("2s") end}"""
    one = boot([host(), process("late", late, modules=["time"]), service("s", "app:late")])
    done = one.run_supctl("stop", "app:s", "--timeout", "100ms")
    assert (done.returncode, done.stderr.splitlines()[1]) == (
        FAILED, "It goes on; 'supctl status app:s' tells how far it is.")
    one.wait_service("app:s", "stopped")


def test_logs_of_a_name_that_is_not_there(boot):
    one = boot(APP)
    done = one.run_supctl("logs", "--service", "app:idel.service")
    assert done.returncode == troupe.NO_SUCH_NAME
    assert done.stderr.splitlines() == [
        "supctl: NotFound: entry not found: app:idel.service",
        "Did you mean 'app:idle.service'?"]
    done = one.run_supctl("--json", "logs", "--service", "app:idel.service")
    assert (done.returncode, done.stdout) == (troupe.NO_SUCH_NAME, "")
    assert one.supctl("logs", "--service", "app:echo") == []
    assert one.run_supctl("logs", "--service", "app:echo").returncode == OK


@pytest.mark.parametrize("args", [["logs", "-f", "-n", "20"], ["events"]])
def test_a_stream_ends_with_its_reader_and_not_with_the_next_record(boot, args):
    one = boot(APP)
    stream = subprocess.Popen([troupe.SUPCTL, *args, "--control", one.control],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if args[0] == "logs":
        assert stream.stdout.readline() != ""
    stream.stdout.close()
    assert stream.wait(30) == -signal.SIGPIPE
    assert stream.stderr.read() == ""


def test_a_stream_into_a_socket_ends_with_its_reader_too(boot):
    """Some programs start others with a socket pair in place of a pipe."""
    one = boot(APP)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        stream = subprocess.Popen([troupe.SUPCTL, "events", "--control", one.control],
                                  stdout=theirs)
    try:
        assert stream.wait(30) == -signal.SIGPIPE
    finally:
        stream.kill()
        stream.wait()


def test_an_answer_that_fits_into_no_frame_is_an_error_and_no_end(boot):
    """70 MiB of entries: nobody can have them at once, and nobody dies of it."""
    ask = """return {main = function(space)
        if space then return #assert(registry.find({[".ns"] = space})) end
        local all, err = registry.snapshot()
        return err and tostring(err) or #all:entries()
    end}"""
    fat = [{"name": f"e{i}", "kind": "registry.entry", "text": "x" * 70000}
           for i in range(200)]
    files = {f"src/{i}.json": json.dumps({"namespace": f"n{i}", "entries": fat})
             for i in range(6)}
    one = boot({**files, "src/ask.json": json.dumps(
        {"namespace": "app", "entries": [function("ask", ask, modules=["registry"])]})})
    assert one.call("app:ask", "n1") == 200
    assert "the answer of @registry.snapshot has 80 MiB" in one.call("app:ask")
    table = one.run_supctl("registry", "list")
    assert (table.returncode, len(table.stdout.splitlines())) == (OK, 1202)
    assert len(one.supctl("registry", "list", "n2")) == 200
    done = one.run_supctl("registry", "list", "--json")
    assert done.returncode == FAILED and "ask for a part of it" in done.stderr


def test_a_request_that_is_too_large_is_told_before_it_is_sent(boot):
    one = boot(APP)
    path = os.path.join(one.folder, "large.yaml")
    for n_bytes, code in ((7 << 20, OK), ((8 << 20) - 1000, FAILED), (9 << 20, FAILED)):
        head = "namespace: zz\nentries: [{name: e, kind: registry.entry, v: "
        with open(path, "w", encoding="utf-8") as file:
            file.write(head + "x" * (n_bytes - len(head) - 2) + "}]")
        done = one.run_supctl("registry", "apply", path)
        assert done.returncode == code, done.stderr
        assert code == OK or "larger than 8 MiB, apply it in parts" in done.stderr
