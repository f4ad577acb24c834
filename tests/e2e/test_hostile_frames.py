"""Frames in their right form with wrong contents, thousands of them, from workers of a
pool and of a host: the supervisor and the honest workers live on.

Which frames there are is read from proto/frames.def. Everything is drawn from a seed;
TROUPE_FUZZ_LIVES says how many lives of a hostile worker one run takes.
"""

import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

import troupe
from hostile import hostile_bin, proto_version
from troupe import ECHO, SupctlError, function, host, process, service, wait_for

LIVES = int(os.environ.get("TROUPE_FUZZ_LIVES", "15"))

# Reads whatever it is sent, as far as it can be read.
HONEST = """
return {main = function()
    process.registry.register("honest")
    local inbox, events, topic = process.inbox(), process.events(), process.listen("t")
    local n = 0
    while true do
        local got = channel.select{inbox:case_receive(), events:case_receive(),
                                   topic:case_receive()}
        if got.channel == events then
            if got.value.kind == process.event.CANCEL then return n end
        elseif got.channel == inbox then
            local payload = got.value:payload()
            local data = payload and payload:data()
            if data == "still there?" then
                process.send(got.value:from(), "yes", n)
            end
        end
        n = n + 1
    end
end}
"""
ASK = """
return {main = function()
    assert(process.send("honest", "q", "still there?"))
    return process.inbox():receive():topic()
end}
"""

FUZZER = r"""
import random
FRAMES = {frames!r}
seeds = {seeds!r}
N = 40

with open(seeds, "ab+") as file:
    seed = file.tell()
    file.write(b".")
rng = random.Random(seed * 7919 + {salt})
sys.stderr = open(os.devnull, "w")  # our own end is no news
w = Wire()
w.send(frame(HELLO, u32({version}), u32(os.getpid())))
while True:  # others send to whoever had our number before us
    kind, body = w.receive()
    if kind == SETUP:
        break
w.index = struct.unpack(">I", body[1:5])[0]
w.send(frame(READY))


def pid():
    index = rng.choice([w.index, w.index, 0, 1, 2, 3, 4, 5, 1023])
    return (rng.choice([0, 1, 1, 2, 0xffffffff]) << 32 | index << 22 |
            rng.choice([0, 1, 1, 2, 3, 0x3fffff]))


NAMES = ["app:good", "app:host", "app:badhost", "app:bad", "app:p", "app:honest",
         "honest", "t", "", "@names.register", "@names.lookup", "@registry.find",
         "@registry.get", "@actors.list", "@nonsense", "app:nobody", ":", "a:", "x" * 300,
         "\0", "@pid/in", "*", "@events.follow", "@names.unregister", "@env.get",
         "@code.get", "@services.get"]


def value(depth=0):
    kind = rng.randrange(9 if depth < 4 else 6)
    if kind == 0: return rng.choice([None, True, False])
    if kind == 1: return rng.choice([0, 1, -1, 1 << 63, -(1 << 63), pid(), 300])
    if kind == 2: return rng.choice([1.5, float("nan"), float("inf")])
    if kind == 3: return rng.choice(NAMES)
    if kind == 4: return os.urandom(rng.randrange(8))
    if kind == 5: return msgpack.ExtType(rng.choice([1, 2, 3, 127]),
                                         rng.choice([b"", b"\xce\0\0\0\0", b"\x01",
                                                     b"\x94\xa1k\xa1m\xc0\xc0",
                                                     os.urandom(5)]))
    if kind == 6: return {{rng.choice(NAMES): value(depth + 1)
                          for _ in range(rng.randrange(4))}}
    return [value(depth + 1) for _ in range(rng.randrange(4))]


def rest():
    kind = rng.randrange(8)
    if kind == 0: return b""
    if kind == 1: return os.urandom(rng.randrange(20))
    if kind == 2: return b"\x00\xdd\x7f\xff\xff\xff"
    if kind == 3: return b"\x00" + b"\x91" * rng.choice([63, 64, 65, 5000]) + b"\x01"
    if kind == 4: return b"\x01\x92\x91\xc7\x04\x02\xce\x00\x00\x00" + os.urandom(2)
    if kind == 5: return msgpack.packb(value())
    return rng.choice([b"\x00", b"\x01"]) + msgpack.packb(
        [value() for _ in range(rng.randrange(4))])


def field(kind):
    if kind == "U8": return u8(rng.choice([0, 0, 1, 1, 2, 3, 4, 5, 128, 255]))
    if kind == "U32": return u32(rng.choice([0, 1, 2, w.index, 1023, 1024, 0xffffffff]))
    if kind == "U64": return u64(rng.choice([0, 1, 2, 3, call, call, pid(), pid(), pid(),
                                             2 ** 64 - 1, time.monotonic_ns() + 10 ** 7]))
    if kind == "STR": return text(rng.choice(NAMES)) if rng.random() < .95 else \
        text(os.urandom(9))
    if kind == "BIN": return blob(rest()) if rng.random() < .5 else blob(b"")
    return rest()


def mostly_valid():
    "A frame that is right in all that the supervisor checks, wrong in what it passes on."
    me = u64(rng.choice([0, 1, 2]) << 32 | w.index << 22 | rng.choice([0, 1, 2]))
    others = [i for i in range(1, 7) if i != w.index]
    to = u64(rng.choice([1, 1, 2]) << 32 | rng.choice(others) << 22 |
             rng.choice([0, 1, 1, 2]))
    h = text(rng.choice(["app:bad", "app:badhost", "x", ""]))
    kind = rng.randrange(7)
    number = u64(rng.randrange(1, 1000))
    if kind == 0: return frame(SEND, to, me, h, text(rng.choice(NAMES)), rest())
    if kind == 1: return frame(EVENT, text("s"), text("k"), text("/p"), rest())
    if kind == 2: return frame(WATCH, number, me, to, u8(rng.randrange(1, 5)), h)
    if kind == 3: return frame(EXIT, to, me, u8(rng.randrange(1, 4)), h,
                               u8(rng.randrange(2)), rest())
    if kind == 4: return frame(SIGNAL, number, to, me, u8(1), h, rest())
    if kind == 5: return frame(LOG, u8(rng.randrange(4)), u64(1), h,
                               msgpack.packb(rng.choice(NAMES)) + msgpack.packb({{}}))
    return frame(CALL, number, u64(0), u64(0), text(rng.choice(NAMES)), blob(b""),
                 blob(b""), rest())


while True:
    # Its first job, so that its end is no failed start.
    call, _ = w.next_job(CALL, SPAWN)
    data = b""
    for _ in range(rng.randrange(1, N)):
        if rng.random() < .95:
            data += mostly_valid()
        else:
            name, number, fields = rng.choice(FRAMES)
            data += frame(number, *[field(kind) for kind in fields])
    try:
        w.send(data)
        if rng.random() < .5:
            w.send(frame(REPLY, u64(call), u8(rng.choice([0, 1, 128])), rest()))
    except OSError:
        sys.exit(1)
    if rng.random() < .2:
        sys.exit(0)
"""


def frames():
    """[name, number, kinds of its fields] of every frame."""
    rows = []
    with open(os.path.join(troupe.ROOT, "proto", "frames.def")) as file:
        for name, number, fields in re.findall(
                r"^FRAME\((\w+), \w+, (\d+)\)\n(.*?)^END", file.read(), re.M | re.S):
            rows.append((name, int(number), re.findall(r"^(\w+)\(", fields, re.M)))
    assert len(rows) > 20
    return rows


def alive(running, honest):
    assert running.is_up(), running.output()[-3000:] + running.errors()
    assert running.call("app:good", "fine") == "fine"
    for entry, pids in honest.items():
        assert set(pids) <= set(running.workers(entry)), f"a worker of {entry} died"


@pytest.mark.parametrize("salt", range(2))
def test_M1_M2_M4_any_frame_from_anywhere_harms_its_sender_at_most(boot, tmp_path, salt):
    seeds = str(tmp_path / "seeds")
    supervisor = hostile_bin(
        tmp_path, 'if "bad" not in argv[2]:\n    be_honest()\n' +
        FUZZER.format(frames=frames(), seeds=seeds, salt=salt,
                                version=proto_version()))
    running = boot(
        [host("host", host={"workers": 1}), host("badhost", host={"workers": 1}),
         process("honest", HONEST), process("p", HONEST),
         service("honest.service", "app:honest", restart={"initial_delay": "10ms"}),
         function("good", ECHO, pool={"type": "static", "workers": 1}),
         function("ask", ASK, pool={"type": "static", "workers": 1}),
         function("bad", ECHO, pool={"type": "static", "workers": 1})],
        supervisor=supervisor, args=["--set", "shutdown.timeout=1s", "--set",
                                     "calls.cancel_grace=100ms"])
    running.allow(".*")
    honest = {entry: running.wait_worker(entry)
              for entry in ("app:host", "app:good", "app:ask")}
    open(seeds, "ab").close()
    before = running.supctl("status")["supervisor"]
    deadline = time.monotonic() + 120
    n = 0
    while os.path.getsize(seeds) < LIVES and time.monotonic() < deadline:
        n += 1
        for target in (["call", "app:bad", str(n), "--timeout", "100ms"],
                       ["spawn", "app:p", "app:badhost", "--timeout", "100ms"]):
            running.run_supctl(*target)
        alive(running, honest)
    assert wait_for(lambda: answers(running) == "yes", what="the honest actor to answer")
    alive(running, honest)
    for verb in ("ps", "names", "status", "logs", "services"):
        json.dumps(running.supctl(verb))
    assert not troupe.has_grown(running.pid, before["rss_bytes"], 30 << 20)


def answers(running):
    try:
        return running.call("app:ask", timeout="2s")
    except SupctlError:
        return None


def hostile(boot, folder, script, *more, **options):
    supervisor = hostile_bin(folder, 'if "bad" not in argv[2]:\n    be_honest()\n' +
                             script)
    return boot([function("good", ECHO, pool={"type": "static", "workers": 1}),
                 function("bad", ECHO, pool={"type": "static", "workers": 1}), *more],
                supervisor=supervisor, **options)


def test_M3_descriptors_that_nobody_asked_for_are_closed(boot, tmp_path):
    running = hostile(boot, tmp_path, """
import array
w = Wire()
w.set_up()
fds = array.array("i", [os.open("/dev/null", os.O_RDONLY)] * 20)
while True:
    call = w.next_call()
    w.sock.sendmsg([frame(REPLY, u64(call), u8(0), payload("done"))],
                   [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
""")
    running.allow("worker", "descriptor")
    running.wait_worker("app:bad")
    running.call("app:good", 1)
    before = troupe.n_descriptors(running.pid)
    for _ in range(20):
        running.run_supctl("call", "app:bad", "--timeout", "1s")
    wait_for(lambda: troupe.n_descriptors(running.pid) <= before + 2,
             what="the descriptors to be closed")
    assert running.call("app:good", 2) == 2


def test_SV10_whoever_ignores_DRAIN_is_killed_when_time_is_up(boot, tmp_path):
    running = hostile(boot, tmp_path, """
w = Wire()
w.set_up()
while True:
    kind, body = w.receive()
    if kind == PING:
        w.send(frame(PONG, body, msgpack.packb({})))
""", args=["--set", "shutdown.timeout=500ms"])
    running.allow("did not end in time", "in time")
    running.wait_worker("app:bad")
    pids = running.workers()
    started = time.monotonic()
    running.stop()
    assert 0.4 <= time.monotonic() - started < troupe.SOON_S
    wait_for(lambda: not any(troupe.is_alive(pid) for pid in pids), what="their end")


def test_C3_a_thousand_open_connections_leave_room_for_the_operator(boot):
    running = boot([function("good", ECHO)])
    running.allow("control client")
    before = running.supctl("status")["supervisor"]["rss_bytes"]
    peers = []
    for _ in range(1000):
        peer = socket.socket(socket.AF_UNIX)
        peer.setblocking(False)
        try:
            peer.connect(running.control)
        except BlockingIOError:
            time.sleep(0.002)  # its queue is full for a moment
        peers.append(peer)
    # They stay open; whoever says nothing gives way after a second.
    wait_for(lambda: running.run_supctl("ping").returncode == 0, what="an answer")
    assert running.call("app:good", 1) == 1
    assert running.supctl("status")["supervisor"]["n_clients"] <= 64
    assert not troupe.has_grown(running.pid, before, 8 << 20)
    for peer in peers:
        peer.close()
    wait_for(lambda: running.supctl("status")["supervisor"]["n_clients"] == 1)


def test_C3_a_slow_reader_is_told_how_much_it_missed(boot):
    chat = """
    local logger = require("logger")
    return {main = function(n)
        for i = 1, n do logger:info("line " .. i, {text = ("x"):rep(1000)}) end
    end}
    """
    running = boot([function("chat", chat, modules=["logger"])])
    child = troupe.Child([troupe.SUPCTL, "--json", "logs", "-f", "--control",
                              running.control], stdout=subprocess.PIPE, text=True)
    child.stdout.readline()
    child.send_signal(signal.SIGSTOP)
    for _ in range(4):
        running.call("app:chat", 1000)
    child.send_signal(signal.SIGCONT)
    missed = 0
    while True:
        record = json.loads(child.stdout.readline())
        if "missed" in record:
            missed += record["missed"]
            break
        if record.get("message") == "line 1000" and missed == 0:
            running.call("app:chat", 1)  # the marker comes with what is next
    assert missed > 0
    child.terminate()
    child.communicate()


# What a compiler answers, for good or ill; code[i] is tried in a life of its own.
ANSWERS = {
    "nothing": 'frame(REPLY, u64(call), u8(0))',
    "no values": 'frame(REPLY, u64(call), u8(0), payload())',
    "a number": 'frame(REPLY, u64(call), u8(0), payload(1))',
    "two values": 'frame(REPLY, u64(call), u8(0), payload({}, {}))',
    "bytecode that is none": 'frame(REPLY, u64(call), u8(0), payload({"bytecode": "x"}))',
    "bytecode that is a list": 'frame(REPLY, u64(call), u8(0), payload({"bytecode": []}))',
    "a lingering answer": 'frame(REPLY, u64(call), u8(128), payload({"bytecode": "x"}))',
    "an error that is none": 'frame(REPLY, u64(call), u8(1), payload(1))',
    "an error with odd details": 'frame(REPLY, u64(call), u8(1), error({"problems": '
                                 '[1, [], {}, {"line": -1, "problem": 5}, '
                                 '{"line": 1 << 62, "column": -9, "problem": "p"}], '
                                 '"n_problems": 1 << 62}))',
    "an error with details of odd types": 'frame(REPLY, u64(call), u8(1), error({'
                                          '"problems": {"x": 1}, "line": "x", "column": [],'
                                          ' "message": 7, "n_problems": -(1 << 63)}))',
    "an error with a long message": 'frame(REPLY, u64(call), u8(1), error({"line": 1 << 31, '
                                    '"message": "%s%n\\n" * 100000}))',
    "an error whose details are text": 'frame(REPLY, u64(call), u8(1), error("text"))',
    "rubbish": 'os.urandom(3000)',
    "its end": 'b""',
}


@pytest.mark.parametrize("name", ANSWERS)
def test_M4_a_compiler_that_lies_is_no_compiler(boot, tmp_path, name):
    """It costs the change that it was asked for, nothing that runs."""
    script = f"""
def error(details):
    body = msgpack.packb(["Invalid", "message", None, details])
    return b"\\xc9" + struct.pack(">IB", len(body), 1) + body

if argv[1] != "compile" or not os.path.exists({str(tmp_path / "lie")!r}):
    be_honest()
w = Wire()
w.set_up()
call = w.next_call()
answer = {ANSWERS[name]}
if not answer:
    sys.exit(0)
w.send(answer)
w.serve({{}})
"""
    running = boot([function("good", ECHO, pool={"type": "static", "workers": 1})],
                   supervisor=hostile_bin(tmp_path, script, compilers=True))
    running.allow(".*")
    running.call("app:good", 1)
    (tmp_path / "lie").touch()
    compiler, = [row["os_pid"] for row in running.supctl("workers")
                 if row["role"] == "compile"]
    os.kill(compiler, signal.SIGKILL)
    wait_for(lambda: not troupe.is_alive(compiler), what="the honest one's end")
    troupe.write_app(running.folder, [
        function("good", ECHO, pool={"type": "static", "workers": 1}),
        function("new", "return {main = function() return 'new' end}")])
    assert running.run_supctl("--json", "reload").returncode != 0 or \
        running.run_supctl("call", "app:new").returncode != 0
    assert running.call("app:good", 2) == 2
    json.dumps(running.supctl("logs"))
