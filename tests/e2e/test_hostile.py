"""Workers and clients that speak the wire wrongly: each costs itself, nobody else."""

import json
import os
import re
import socket
import time

import pytest

import troupe
from hostile import hostile_bin
from troupe import ECHO, ONE, function, held, host, process, wait_for

DEATH = (r"worker died|killing a worker|was killed|worker|shutdown takes too long",)

# What the worker of app:bad does with its first call (the wire is set up), and what the
# caller is told. Later workers of app:bad are hostile too, so its calls fail for good;
# app:good stays honest.
ENDED = "Unavailable: worker of app:bad (exited with status|was killed by signal)"
KILLED = "Unavailable: worker of app:bad was killed: "
NOT_A_FRAME = KILLED + "not a frame: first byte"
OURS = "Unavailable: connection to the supervisor lost: "  # as supctl sees it
NO_FORM = "Invalid: it answered, and its result can't be shown: "
MISDEEDS = {
    "garbage": ("w.send(b'V' + os.urandom(4096))", NOT_A_FRAME),
    "text": ("w.send(b'HTTP/1.1 200 OK\\r\\n\\r\\n')", NOT_A_FRAME),
    "zeros": ("w.send(bytes(100000))", NOT_A_FRAME),
    "half a frame, then silence": (
        "w.send(frame(REPLY, u64(call), u8(0), payload(1))[:9])\ntime.sleep(3600)",
        "Timeout: function execution timed out"),
    "half a frame, then end": (
        "w.send(frame(REPLY, u64(call), u8(0), payload(1))[:9])\nsys.exit(0)", ENDED),
    "half a header, then end": ("w.send(b'\\xc9\\x00')\nsys.exit(0)", ENDED),
    "a frame of 4 GB": (
        "w.send(b'\\xc9\\xff\\xff\\xff\\xff\\x11')\nw.send(bytes(1 << 20))",
        KILLED + "frame REPLY of 4294967295 bytes is over the limit"),
    "a frame of 65 MB": (
        "w.send(b'\\xc9' + struct.pack('>IB', 65 << 20, REPLY))\nw.send(bytes(1 << 20))",
        KILLED + "frame REPLY of 68157440 bytes is over the limit"),
    "unknown frame": ("w.send(frame(250, u64(1)))",
                      KILLED + "it sent frame .*250.*, which no worker sends"),
    "a frame of the supervisor": ("w.send(frame(DRAIN, u64(1)))",
                                  KILLED + "it sent frame DRAIN .*, which no worker sends"),
    "hello again": ("w.send(frame(HELLO, u32(VERSION), u32(os.getpid())))",
                    KILLED + "it sent HELLO while ready"),
    "ready again": ("w.send(frame(READY))", KILLED + "it sent READY while ready"),
    "empty body": ("w.send(frame(REPLY))",
                   KILLED + "frame REPLY: field 'call' is missing or malformed"),
    "left-over bytes": ("w.send(frame(FREE, u64(call), b'\\xc1'))",
                        KILLED + "frame FREE: 1 surplus byte"),
    "an answer to no ping": ("w.send(frame(PONG, u64(1), payload(1)))",
                             KILLED + "it answers a PING that was never sent"),
    "wrong field types": ("w.send(frame(REPLY, text('x'), text('y')))",
                          KILLED + "frame REPLY: field 'call' is missing or malformed"),
    "bad msgpack in a result": (
        "w.send(frame(REPLY, u64(call), u8(0), b'\\x00\\x91\\xc1'))",
        NO_FORM + "bad value at byte 3: 0xc1 is no type"),
    "size bomb in a result": (
        "w.send(frame(REPLY, u64(call), u8(0), b'\\x00\\xdd\\x05\\xf5\\xe1\\x00'))",
        NO_FORM + "bad value at byte 6: it declares more than is there"),
    "depth bomb in a result": (
        "w.send(frame(REPLY, u64(call), u8(0), "
        "b'\\x00' + b'\\x91' * 100000 + b'\\x01'))",
        NO_FORM + "bad value at byte 67: nested too deep"),
    "no error in an error": ("w.send(frame(REPLY, u64(call), u8(1), b'\\x01'))",
                             OURS + "its answer makes no sense"),
    "a log record that is none": ("w.send(frame(LOG, u8(9), u64(1), text('x'), b'\\xc1'))",
                                  KILLED + "LOG frame with level 9"),
    "exits": ("sys.exit(3)", ENDED),
    "closes its socket and lives": ("w.sock.close()\ntime.sleep(3600)", ENDED),
    "dies by a signal": ("os.abort()", ENDED),
}


def bad_bin(folder, script):
    """A supervisor whose workers of app:bad run script, and no others."""
    return hostile_bin(folder, 'if argv[2] != "app:bad":\n    be_honest()\n' + script)


def bad_worker(folder, misdeed):
    return bad_bin(folder, f"""
w = Wire()
w.set_up()
call = w.next_call()
{misdeed}
time.sleep(3600)
""")


def app(**extra):
    return [function("bad", ECHO, pool={"type": "static", "workers": 1}),
            function("good", ECHO, pool={"type": "static", "workers": 1}),
            *extra.values()]


@pytest.mark.parametrize("name", MISDEEDS)
def test_M4_misdeed_of_a_worker_costs_its_life_only(boot, tmp_path, name):
    """The call fails with a clear error, or times out; others never notice."""
    misdeed, told = MISDEEDS[name]
    one = boot(app(), supervisor=bad_worker(tmp_path, misdeed),
               args=["--set", "shutdown.timeout=1s"])
    one.allow(*DEATH)
    good = one.wait_worker("app:good")
    before = troupe.memory_bytes(one.pid, "VmPeak")
    patience = "1500ms" if told.startswith("Timeout") else "30s"
    failure = one.failure("app:bad", "please", timeout=patience)
    assert re.match(told, f"{failure.kind}: {failure.message}"), failure
    assert one.call("app:good", "fine") == "fine"
    assert one.wait_worker("app:good") == good
    assert not troupe.has_grown(one.pid, before, 40 << 20, "VmPeak")


BAD_PAYLOADS = [name for name in MISDEEDS if name.endswith(("in a result", "in an error"))]


@pytest.mark.parametrize("name", BAD_PAYLOADS)
def test_M1_M2_bad_payload_is_an_error_to_the_worker_that_gets_it(boot, tmp_path, name):
    """The router passes payloads on unread; who asked must get an error and live."""
    caller = function("caller", """
return {main = function()
    local value, err = funcs.call("app:bad", 1)
    return {value = tostring(value), kind = err and err:kind()}
end}""", modules=["funcs"], pool={"type": "static", "workers": 1})
    one = boot(app(caller=caller), supervisor=bad_worker(tmp_path, MISDEEDS[name][0]),
               args=["--set", "shutdown.timeout=1s"])
    one.allow(*DEATH)
    pid = one.wait_worker("app:caller")
    got = one.call("app:caller", timeout="30s")
    assert got["value"] == "nil" and got["kind"] is not None, got
    assert one.wait_worker("app:caller") == pid


NEVER_GOT = "it answers call 0x[0-9a-f]+, which it never got"
# What is said in somebody else's name, and why it costs a life; None: it is ignored.
FORGERIES = {
    "a reply to a call it never got": (
        "w.send(frame(REPLY, u64(call + 12345), u8(0), payload('forged')))", NEVER_GOT),
    "a reply to call 0": ("w.send(frame(REPLY, u64(0), u8(0), payload('forged')))",
                          NEVER_GOT),
    "a reply to the other pool's call": (
        "w.send(frame(REPLY, u64(call ^ 1), u8(0), payload('forged')))", NEVER_GOT),
    "a second reply": (
        "w.reply(call, 'honest')\n"
        "w.send(frame(REPLY, u64(call), u8(0), payload('forged')))", None),
    "free for nothing": ("w.send(frame(FREE, u64(call + 99)))", NEVER_GOT),
    "cancel for nothing": ("w.send(frame(CANCEL, u64(77)))", None),
    "exit of somebody else's actor": (
        "w.send(frame(EXIT, u64(1 << 54 | 1), u64(2 << 54 | 1), u8(3), text('x'), u8(0), "
        "payload(1)))", "exit of somebody else's actor"),
    "gone for somebody else's actor": ("w.send(frame(GONE, u64(2 << 54 | 1)))",
                                       "end of somebody else's actor"),
    "a message in somebody else's name": (
        "w.send(frame(SEND, u64(2 << 54 | 1), u64(3 << 54 | 1), text('x'), text('t'), "
        "payload(1)))", "its sender 0x[0-9a-f]+ is not one of worker"),
    "a call in somebody else's name": (
        "w.send(frame(CALL, u64(5), u64(0), u64(3 << 54 | 1), text('app:good'), "
        "blob(b''), blob(b''), payload(1)))",
        "its caller 0x[0-9a-f]+ is not one of worker"),
    "a spawn in somebody else's name": (
        "w.send(frame(SPAWN, u64(5), u64(3 << 54 | 1), u8(0), text('x'), text('app:p'), "
        "text('app:host'), text(''), blob(b''), blob(b''), payload(1)))",
        "its parent 0x[0-9a-f]+ is not one of worker"),
    "a child that is linked to nobody": (
        "w.send(frame(SPAWN, u64(5), u64(0), u8(2), text('x'), text('app:p'), "
        "text('app:host'), text(''), blob(b''), blob(b''), payload(1)))",
        "it links a child to nobody"),
    "a watch in somebody else's name": (
        "w.send(frame(WATCH, u64(5), u64(3 << 54 | 1), u64(2 << 54 | 1), u8(1), "
        "text('x')))", "watch for somebody else's actor"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_M4_forgery_is_never_believed(boot, tmp_path, name):
    """A worker is known by its connection: what it says of others' calls and actors is
    ignored or costs its life, but answers nobody."""
    forgery, why = FORGERIES[name]
    supervisor = bad_bin(tmp_path, f"""
w = Wire()
w.set_up()
call = w.next_call()
{forgery}
try:
    w.reply(call, "honest")
    w.serve()
except OSError:
    pass
""")
    one = boot(app(slow=held("slow", pool=ONE)), supervisor=supervisor)
    one.allow(*DEATH)
    slow = one.call_in_background("app:slow", "own")
    one.wait_busy("app:slow")
    if why is None:
        assert one.call("app:bad", 1, timeout="30s") == "honest"
    else:
        error = one.failure("app:bad", 1, timeout="30s")
        assert re.match(KILLED + why, f"{error.kind}: {error.message}"), error
    one.release("app:slow", slow)
    out, err = slow.communicate()
    assert json.loads(out) == "own", err
    assert one.call("app:good", 1) == 1


def test_M3_frames_byte_by_byte_are_understood(boot, tmp_path):
    supervisor = bad_bin(tmp_path, """
w = Wire()
send = w.send
def slowly(data):
    for i in range(len(data)):
        send(data[i:i + 1])
w.send = slowly
w.set_up()
w.serve("byte by byte")
""")
    one = boot(app(), supervisor=supervisor)
    for _ in range(3):
        assert one.call("app:bad") == "byte by byte"


def test_a_worker_that_floods_does_not_drown_the_supervisor(boot, tmp_path):
    """Endless log records and events: others are served, memory stays bounded."""
    supervisor = bad_bin(tmp_path, """
w = Wire()
w.set_up()
w.next_call()
event = frame(EVENT, text("flood"), text("k"), text("/p"), payload("x" * 1000))
while True:
    w.send(event * 50)
""")
    one = boot(app(), supervisor=supervisor)
    one.allow(*DEATH)
    flood = one.call_in_background("app:bad", timeout="2s")
    started = time.monotonic()
    for i in range(20):
        assert one.call("app:good", i, timeout="20s") == i
    assert time.monotonic() - started < troupe.PATIENCE_S
    assert not troupe.has_grown(one.pid, 0, 128 << 20)
    assert flood.wait(30) != troupe.OK
    flood.communicate()


def test_a_worker_that_never_reads_does_not_fill_the_supervisor(boot, tmp_path):
    """Large calls for a worker that reads nothing: bounded buffers, others served."""
    supervisor = bad_bin(tmp_path, """
w = Wire()
w.set_up()
time.sleep(3600)
""")
    one = boot([function("bad", ECHO, pool={"type": "static", "workers": 64,
                                            "processes": 1}),
                function("good", ECHO, pool={"type": "static", "workers": 1}),
                host(), process("pusher", """
return {main = function()
    local big = ("x"):rep(4 << 20)
    for i = 1, 40 do funcs.async("app:bad", big) end
    process.events():receive()
end}""", modules=["funcs"])], supervisor=supervisor)
    one.allow(*DEATH)
    one.supctl("spawn", "app:pusher", "app:host")
    for i in range(10):
        assert one.call("app:good", i, timeout="20s") == i
    assert not troupe.has_grown(one.pid, 0, 400 << 20)
    pid = one.actors("app:pusher")[0]["pid"]
    one.supctl("cancel", pid)


def test_silent_worker_is_killed_by_its_heartbeat(boot, tmp_path):
    supervisor = bad_bin(tmp_path, """
w = Wire()
w.set_up()
while True:
    w.receive()
""")
    one = boot(app(), supervisor=supervisor,
               args=["--set", "workers.ping_every=500ms", "--set", "workers.pong_timeout=3s"])
    one.allow(*DEATH, "stopped from outside")
    failure = one.failure("app:bad", timeout="20s")
    assert failure.kind == "Unavailable"
    assert "heartbeat" in failure.message
    assert one.call("app:good", 1) == 1


STARTS = {
    "never says hello": "time.sleep(3600)",
    "wrong version": "w = Wire()\nw.send(frame(HELLO, u32(99), u32(1)))\ntime.sleep(3600)",
    "ready before hello": "w = Wire()\nw.send(frame(READY))\ntime.sleep(3600)",
    "hello, then nothing": "w = Wire()\nw.send(frame(HELLO, u32(VERSION), "
                           "u32(os.getpid())))\ntime.sleep(3600)",
    "garbage first": "Wire().send(os.urandom(1000))\ntime.sleep(3600)",
    "exits at once": "sys.exit(1)",
}


@pytest.mark.parametrize("name", STARTS)
def test_P1_a_worker_that_fails_to_start_is_throttled(boot, tmp_path, name):
    """Its calls fail, its pool tries again ever more slowly, others are served."""
    counter = tmp_path / "starts"
    supervisor = bad_bin(tmp_path, f"""
with open({str(counter)!r}, "a") as file:
    file.write("x")
{STARTS[name]}
""")
    one = boot(app(), supervisor=supervisor, start=False,
               args=["--set", "workers.ready_timeout=2s"]) # our own workers' too
    one.allow(".*")
    one.start()
    assert one.failure("app:bad", timeout="2s").kind in ("Unavailable", "Timeout")
    # What is honest may be too late as well, on a slow machine, and is started again.
    wait_for(lambda: one.try_call("app:good", 1) == 1)
    assert len(counter.read_text()) < 20, "no back-off"


# ---- clients of the control socket


CLIENTS = {
    "garbage": os.urandom(4096),
    "text": b"GET / HTTP/1.0\r\n\r\n",
    "a frame of 4 GB": b"\xc9\xff\xff\xff\xff\x10",
    "half a frame": b"\xc9\x00\x00\x01\x00\x10\xcf",
    "a worker's frame": b"\xc9\x00\x00\x00\x00\x03",
    "a hello": b"\xc9\x00\x00\x00\x0a\x01\xce\x00\x00\x00\x01\xce\x00\x00\x00\x01",
    "empty call": b"\xc9\x00\x00\x00\x00\x10",
    "size bomb": b"\xc9\x00\x00\x00\x05\x10\xdd\x05\xf5\xe1\x00",
}


@pytest.fixture(scope="module")
def good(boot_shared):
    one = boot_shared([function("good", ECHO, pool={"workers": 1})])
    one.allow("client")
    one.wait_worker("app:good")
    return one


@pytest.mark.parametrize("name", CLIENTS)
def test_M3_C2_bad_client_costs_its_connection_only(good, name):
    good.call("app:good", 0)
    fds = troupe.n_descriptors(good.pid)
    for _ in range(5):
        peer = troupe.connect(good.control)
        peer.sendall(CLIENTS[name])
        peer.shutdown(socket.SHUT_WR)
        while True:
            try:
                if not peer.recv(65536):
                    break
            except ConnectionResetError:
                break
        peer.close()
    assert good.call("app:good", 1) == 1
    wait_for(lambda: troupe.n_descriptors(good.pid) <= fds + 1, what="closed connections")


def test_C3_many_idle_clients_do_not_lock_out_the_operator(boot):
    one = boot([function("good", ECHO)])
    one.allow("client")
    peers = []
    for _ in range(300):
        try:
            peer = socket.socket(socket.AF_UNIX)
            peer.settimeout(1)
            peer.connect(one.control)
            peers.append(peer)
        except OSError:
            break
    assert one.is_up()
    for peer in peers:
        peer.close()
    assert wait_for(lambda: one.run_supctl("ping").returncode == 0, what="an answer")


def test_C3_a_reader_that_stopped_does_not_hold_up_events(boot):
    """logs -f whose reader sleeps: the supervisor's memory stays bounded."""
    one = boot([function("chat", """
return {main = function(n)
    for i = 1, n do logger:info(("x"):rep(1000)) end
    return n
end}""", modules=["logger"])])
    one.allow(".*")
    peer = troupe.connect(one.control)
    peer.sendall(troupe.call_frame(b"@logs.follow"))
    before = troupe.memory_bytes(one.pid)
    for _ in range(20):
        assert one.call("app:chat", 1000, timeout="20s") == 1000
    assert not troupe.has_grown(one.pid, before, 24 << 20)
    peer.close()


def test_C3_followers_of_the_log_are_bounded(boot):
    one = boot([function("good", ECHO)])
    with troupe.connect(one.control) as peer:
        for number in range(1, 66):
            peer.sendall(troupe.call_frame(b"@logs.follow", number=number))
        said = b""
        while b"64 clients follow the log already" not in said:
            part = peer.recv(65536)
            assert part, "all 65 may follow"
            said += part
        assert said.count(b"RateLimited") == 1
    wait_for(lambda: one.run_supctl("metrics").stdout.count(
        'troupe_table_rows{table="log_followers"} 0\n'), what="the end of all of them")
    assert one.call("app:good", 1) == 1


def test_C2_only_known_targets_are_answered(good):
    for target in "@", "@system", "@system.status.x", "@SYSTEM.STATUS", "@../x":
        done = good.run_supctl("call", target)
        assert (done.returncode, done.stdout) == (troupe.NO_SUCH_NAME, "")
        assert done.stderr == f"supctl: NotFound: no such target: {target}\n"
    for target in "@names.register", "@code.get", "@system.exit":
        done = good.run_supctl("call", target)
        assert (done.returncode, done.stdout) == (troupe.REFUSED, "")
        assert f"not allowed to call {target}" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_C1_other_users_are_refused(good):
    one = good
    os.chmod(one.control, 0o777)
    path, modes = one.folder, []
    while path != "/":
        modes.append((path, os.stat(path).st_mode))
        os.chmod(path, os.stat(path).st_mode | 0o055)
        path = os.path.dirname(path)
    try:
        done = troupe.run("setpriv", "--reuid", "65534", "--regid", "65534",
                          "--clear-groups", troupe.SUPCTL, "ping", "--control",
                          one.control)
    finally:
        for path, mode in modes:
            os.chmod(path, mode & 0o7777)
        os.chmod(one.control, 0o600)
    assert done.returncode in (troupe.REFUSED, troupe.UNREACHABLE), done
    assert done.stdout == ""
