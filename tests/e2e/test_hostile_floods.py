"""What one worker can make the supervisor keep, by sending without end what is right in
form and always new: of each kind there is a bound, and everybody else is served.

TROUPE_FLOOD says how many frames of a kind one flood has.
"""

import os
import re
import signal
import struct
import textwrap

import msgpack
import pytest

import troupe
from hostile import hostile_bin
from troupe import ECHO, IDLE, function, host, process, wait_for

N = int(os.environ.get("TROUPE_FLOOD", "60000"))
MB = 1 << 20

# Sends a flood in answer to each call, of other names and numbers than before, and answers
# when all of it has been sent: what it sent was handled then.
FLOODER = r"""
import queue, threading
N = {n}
first = 0
calls = queue.SimpleQueue()
w = Wire()
w.set_up()

lock = threading.Lock()
send = w.sock.sendall
def locked(data):
    with lock:
        send(data)
w.send = locked


def read():
    "Answers what the supervisor itself wants to know, until somebody calls."
    is_called = False
    try:
        while True:
            call, body = w.next_job(CALL)
            if body[30:].startswith(b"app:bad"):
                is_called = True
                calls.put(call)
            elif not is_called:
                w.reply(call, [])
    except (OSError, SystemExit):
        os._exit(0)


def pid(i):
    return (1 + i // 0x3fffff) << 32 | w.index << 22 | i % 0x3fffff


def ask(number, target, *args, caller=0, raw=None):
    return frame(CALL, u64(number), u64(0), u64(caller), text(target), blob(b""),
                 blob(b""), raw if raw is not None else payload(*args))


def flood(make, n=N, at_a_time=500):
    for start in range(first, first + n, at_a_time):
        w.send(b"".join(map(make, range(start, min(first + n, start + at_a_time)))))


# Its own table says that all its actors live.
import mmap
table = mmap.mmap(4, 1 << 24)
table[4:4 * (2 * N + 64)] = struct.pack("<I", 6) * (2 * N + 63)

threading.Thread(target=read, daemon=True).start()
while True:
    call = calls.get()
{script}
    w.reply(call, "done")
    first += N
"""

# What is sent; by how much the supervisor may grow, for good.
FLOODS = {
    "names": ("""
flood(lambda i: ask(i, "@names.register", "n%d" % i, 1 << 32 | w.index << 22 | 1, "h"))
""", 0.0004),
    "names of many": ("""
flood(lambda i: ask(i, "@names.register", "n%d" % i, pid(i), "h"))
""", 0.0006),
    "locks": ("""
flood(lambda i: ask(i, "@locks.acquire", "n%d" % i, caller=1 << 32 | w.index << 22 | 1))
""", 0.0004),
    "groups": ("""
flood(lambda i: ask(i, "@pg.join", "app:scope", "h", "g%d" % i, caller=pid(1)))
""", 0.0008),
    "members with a host of their own": ("""
flood(lambda i: ask(i, "@pg.join", "app:scope", "h%d" % i + 200 * "x", "g",
                    caller=pid(i)) +
                ask(i, "@pg.leave", "app:scope", "g", caller=pid(i)))
""", 4),
    "joining again and again": ("""
names = ["g"] * 10000
flood(lambda i: ask(i, "@pg.join", "app:scope", "h", *names, caller=pid(i % 40)),
      n=600, at_a_time=10)
""", 30),
    "groups looked at": ("""
flood(lambda i: ask(i, "@pg.watch", "app:scope", "w%d" % i))
""", 0.0008),
    "patterns": ("""
flood(lambda i: ask(i, "@events.subscribe", "s%d" % i, "k"), n=20000)
""", 16),
    "followers": ("""
flood(lambda i: ask(i, "@events.follow", "s%d" % i, "k" * 1000))
""", 4),
    "spawns that wait for a name": ("""
flood(lambda i: frame(SPAWN, u64(i), u64(0), u8(0), text(""), text("app:p"),
                      text("app:badhost"), text("one"), blob(b""), blob(b""),
                      payload(i, "x" * 1000)))
""", 40),
    "large spawns that wait for a name": ("""
big = payload("x" * (1 << 20))
flood(lambda i: frame(SPAWN, u64(i), u64(0), u8(0), text(""), text("app:p"),
                      text("app:badhost"), text("one"), blob(b""), blob(b""), big),
      n=400, at_a_time=1)
""", 60),
    "signals to itself": ("""
flood(lambda i: frame(SIGNAL, u64(i), u64(1 << 32 | w.index << 22 | 1), u64(0), u8(1),
                      text("h"), msgpack.packb("why")))
""", 0.0008),
    "signals that nobody wants": ("""
flood(lambda i: frame(SIGNAL, u64(i), u64(1 << 32 | w.index << 22 | 1), u64(0), u8(1),
                      text("h"), msgpack.packb("why")) + frame(CANCEL, u64(i)))
""", 0.0008),
    "questions about its actors": ("""
flood(lambda i: ask(i, "@actors.host", 1 << 32 | w.index << 22 | 1, 2000 * "x"))
""", 0.006),
    "large questions about its actors": ("""
big = payload(1 << 32 | w.index << 22 | 1, "x" * (4 << 20))
flood(lambda i: ask(i, "@actors.host", raw=big), n=300, at_a_time=1)
""", 160),
    "broadcasts that are cancelled": ("""
w.send(ask(1, "@pg.join", "app:scope", "h", "g", caller=1 << 32 | w.index << 22 | 1))
big = payload("app:scope", "g", "t", "h", "x" * (1 << 20))
flood(lambda i: ask(i, "@pg.broadcast", raw=big) + frame(CANCEL, u64(i)), n=300,
      at_a_time=1)
""", 320),
    "cancels of nothing": ("""
flood(lambda i: frame(CANCEL, u64(i)))
""", 2),
    "ends of nobody": ("""
flood(lambda i: frame(GONE, u64(pid(i))))
flood(lambda i: frame(EXIT, u64(pid(i) ^ 1 << 22), u64(pid(i)), u8(3), text("h"), u8(0),
                      payload(i)))
""", 2),
    "places that were never held": ("""
flood(lambda i: frame(UNHOLD, u32(1 << 30), text("app:good")))
""", 2),
    "views of tables": ("""
flood(lambda i: frame(MAP, u32(i % 1024)), n=2000, at_a_time=100)
""", 2),
    "log records": ("""
flood(lambda i: frame(LOG, u8(1), u64(time.time_ns()), text("l%d" % i),
                      msgpack.packb("m%d" % i) + msgpack.packb({"k%d" % i: i})))
""", 4),
    "log records that refer to themselves": (r"""
inner = b"\\x91" + b"\\xdc\\x0f\\xa0" + 4000 * b"\\xc0"
record = b"\\x81\\xa1k" + b"\\xdc\\x02\\x00" + inner + 511 * b"\\xd6\\x02\\x00\\x00\\x00\\x02"
flood(lambda i: frame(LOG, u8(1), u64(1), text("l"), msgpack.packb("m%d" % i) + record),
      n=3000, at_a_time=10)
""", 40),
    "large log records": (r"""
record = b"\\x81\\xa1k" + b"\\xdc\\x1f\\xe0" + 0x1fe0 * b"\\x90"
flood(lambda i: frame(LOG, u8(1), u64(1), text("l"), msgpack.packb("m%d" % i) + record),
      n=3000, at_a_time=10)
""", 60),
    "arguments that refer to themselves": (r"""
inner = b"\\x91\\xc6" + struct.pack(">I", 1 << 20) + bytes(1 << 20)
raw = b"\\x01\\x91\\xdd\\x00\\x01\\x00\\x01" + inner + 65536 * b"\\xd6\\x02\\x00\\x00\\x00\\x01"
flood(lambda i: ask(i, "@names.lookup", raw=raw), n=20, at_a_time=1)
""", 120),
    "time series": ("""
flood(lambda i: ask(i, "@metrics.add", 0, [0, "series_%d" % i, 1.0]))
""", 16),
    "spans": ("""
flood(lambda i: ask(i, "@trace.begin", "00-%032x-%016x-01" % (i + 1, i + 1), 0, "n" * 500,
                    "p" * 500, i))
""", 16),
    "keys of a store": ("""
flood(lambda i: ask(i, "@store.set", "app:store", "k%d" % i, "v" * 100, 0))
""", 16),
    "variables": ("""
flood(lambda i: ask(i, "@env.set", "V%d" % i, "v" * 1000))
""", 4),
    "targets that there are not": ("""
flood(lambda i: ask(i, "@t%d" % i) + ask(i, "app:f%d" % i))
flood(lambda i: ask(i, "@code.get", "app:f%d" % i))
flood(lambda i: ask(i, "@contract.get", "app:f%d" % i) + ask(i, "@tokens.store", "t%d" % i))
""", 4),
    "changes": ("""
flood(lambda i: ask(i, "@registry.apply", [{"kind": "entry.create", "entry": {
    "id": "app:x%d" % i, "kind": "registry.entry", "meta": {}, "data": {"x": 1000 * "y"}}}]))
""", 12),
    "states of the registry": ("""
flood(lambda i: ask(i, "@registry.snapshot"), n=5000)
""", 4),
    "events for whoever has many patterns": ("""
flood(lambda i: ask(i, "@events.subscribe", "no%d*" % i, "k"), n=20000)
flood(lambda i: frame(EVENT, text("s%d" % i), text("k%d" % i), text("/p"), payload(i)),
      n=5000)
""", 16),
    "events": ("""
flood(lambda i: frame(EVENT, text("s%d" % i), text("k%d" % i), text("/p"), payload(i)))
""", 4),
}

APP = [function("good", ECHO, pool={"type": "static", "workers": 1}),
       function("bad", ECHO, pool={"type": "static", "workers": 1}),
       host("host", host={"workers": 1}), host("badhost", host={"workers": 1}),
       process("p", IDLE), {"name": "scope", "kind": "pg.scope"},
       {"name": "store", "kind": "store.memory", "max_size": 1000}]


def flooded(boot, folder, script, app=(), **options):
    """An app whose app:bad sends that flood when it is called; its app:badhost never
    answers."""
    supervisor = hostile_bin(
        folder, 'if argv[2] == "app:badhost":\n    w = Wire()\n    w.set_up()\n'
        '    while True:\n        w.next_call()\n'
        'if argv[2] != "app:bad":\n    be_honest()\n' +
        FLOODER.format(n=N, script=textwrap.indent(script, "    ")))
    running = boot([*APP, *app], supervisor=supervisor, **options)
    running.allow(".*")
    for id in ("app:good", "app:bad"):
        running.wait_worker(id)
    return running


def rows(running):
    """{table: (rows, bound)}"""
    text = running.run_supctl("metrics").stdout
    n, most = ({table: float(value) for table, value in
                re.findall(r'^%s\{table="(\w+)"\} (\S+)$' % name, text, re.M)}
               for name in ("troupe_table_rows", "troupe_table_rows_max"))
    assert n.keys() == most.keys() and len(n) > 10
    return {table: (n[table], most[table]) for table in n}


def grows_in_flood(running, most_bytes):
    before = troupe.memory_bytes(running.pid)
    flood = running.call_in_background("app:bad", timeout="60s")
    n = 0
    while flood.poll() is None:
        assert running.call("app:good", n, timeout="30s") == n
        n += 1
    assert "done" in flood.communicate()[0]
    return troupe.has_grown(running.pid, before, most_bytes)


@pytest.mark.parametrize("name", FLOODS)
def test_M4_a_flood_has_a_bound_and_others_are_served(boot, tmp_path, name):
    script, growth_mb = FLOODS[name]
    if growth_mb < 1:  # what is really kept, so much of each
        growth_mb = 4 + growth_mb * N
    running = flooded(boot, tmp_path, script.replace("\\\\", "\\"),
                      args=["--set", "metrics.max_samples=10000", "--set",
                            "shutdown.timeout=1s"])
    pid = running.wait_worker("app:bad")
    running.call("app:good", 0)
    # Buffers grow once, on a slow machine by more; what is kept of each frame, each time.
    assert not all(grows_in_flood(running, int(growth_mb * MB)) for _ in range(2))
    assert running.wait_worker("app:bad") == pid
    assert all(n <= most for n, most in rows(running).values())
    assert running.call("app:good", "still") == "still"
    running.supctl("status")


def test_M4_whoever_takes_all_calls_leaves_room_for_others(boot, tmp_path):
    """A flood of requests that are never answered: the next one gets half of what is
    left, and so on."""
    running = flooded(boot, tmp_path, """
flood(lambda i: frame(SIGNAL, u64(i), u64(1 << 32 | w.index << 22 | 1), u64(0), u8(1),
                      text("h"), msgpack.packb("why")), n=1100000, at_a_time=5000)
""", args=["--set", "shutdown.timeout=1s"])
    flood = running.call_in_background("app:bad", timeout="120s")
    assert flood.wait(150) == 0
    flood.communicate()
    n, most = rows(running)["calls"]
    assert most / 3 < n < most * 2 / 3
    assert running.call("app:good", 1) == 1


def test_M4_whoever_sends_too_much_does_not_kill_who_reads_slowly(boot, tmp_path):
    """The receiver is stopped; what it is sent by one who ignores that is dropped."""
    running = flooded(boot, tmp_path, """
big = payload("x" * (1 << 20))
to = int(open({to!r}).read())
flood(lambda i: frame(SEND, u64(to), u64(1 << 32 | w.index << 22 | 1), text("h"),
                      text("t"), big), n=300, at_a_time=1)
flood(lambda i: frame(EVENT, text("s"), text("k"), text("/p"), big), n=100, at_a_time=1)
flood(lambda i: frame(SIGNAL, u64(0), u64(to), u64(0), u8(1), text("h"),
                      msgpack.packb("x" * (1 << 20))), n=100, at_a_time=1)
flood(lambda i: frame(WATCH, u64(i + 1), u64(pid(i)), u64(to), u8(1), text("h")), n=100)
""".format(to=str(tmp_path / "to")))
    running.supctl("spawn", "app:p", "app:host")
    pid, = running.wait_worker("app:host")
    to = running.actors("app:p")[0]
    with open(tmp_path / "to", "w") as file:
        file.write(str(int(re.findall(r"0x(\w+)", to["pid"])[0], 16)))
    os.kill(pid, signal.SIGSTOP)
    try:
        flood = running.call_in_background("app:bad", timeout="60s")
        assert flood.wait(90) == 0
        flood.communicate()
        assert running.call("app:good", 1) == 1
        assert running.wait_worker("app:host") == [pid]
        assert 'troupe_flood_drops_total 0\n' not in running.run_supctl("metrics").stdout
    finally:
        os.kill(pid, signal.SIGCONT)
    running.call("app:good", 2)
    assert running.wait_worker("app:host") == [pid]


def test_M1_a_call_that_grows_on_its_way_kills_nobody(boot, tmp_path):
    """What a trace and interceptors add to the largest frame there is would make one that
    nobody takes."""
    running = flooded(boot, tmp_path, r"""
head = len(ask(1, "app:good", raw=b"")) - 6
for missing in 0, 1, 100:
    n = (64 << 20) - head - 7 - missing
    w.send(ask(1, "app:good", raw=b"\x00\x91\xdb" + struct.pack(">I", n) + bytes(n)))
""", args=["--set", "trace.sample=1"])
    pid = running.wait_worker("app:good")
    assert running.call("app:bad", timeout="60s") == "done"
    wait_for(lambda: running.try_call("app:good", 1) == 1, what="room in its queue")
    assert running.wait_worker("app:good") == pid


def test_M4_figures_are_small(boot, tmp_path):
    """A PONG with more than figures costs its sender's life."""
    running = flooded(boot, tmp_path, """
w.send(frame(PONG, u64(0), msgpack.packb({str(i): i for i in range(1000)})))
""")
    assert running.failure("app:bad", timeout="20s").kind == "Unavailable"
    assert running.call("app:good", 1) == 1


# ---- clients of the control socket

def frame(kind, *parts):
    body = b"".join(parts)
    return b"\xc9" + struct.pack(">IB", len(body), kind) + body


def ask(number, target, *args):
    body = b"".join(b"\xcf" + struct.pack(">Q", n) for n in (number, 0, 0))
    return frame(16, body, b"\xda" + struct.pack(">H", len(target)) + target.encode(),
                 2 * (b"\xc6" + bytes(4)), b"\x00" + msgpack.packb(list(args)))


def cancel(number):
    return frame(18, b"\xcf" + struct.pack(">Q", number))


def spawn(number):
    return ask(number, "@actors.spawn", "app:p", "app:badhost", [], "one")


CLIENTS = {
    "pings, whose answers it never reads": lambda i: ask(i, "@system.ping"),
    "reports, whose answers it never reads": lambda i: ask(i, "@system.status"),
    "calls of what there isn't": lambda i: ask(i, f"app:f{i}"),
    "calls that are cancelled": lambda i: ask(i, "app:good", i) + cancel(i),
    "calls of who never answers": lambda i: ask(i, "app:badhost.none", i),
    "followers of the bus": lambda i: ask(i, "@events.follow", f"s{i}"),
    "followers of the log": lambda i: ask(i, "@logs.follow"),
    "spawns that wait for a name": spawn,
    "variables": lambda i: ask(i, "@env.set", f"V{i}", "v" * 1000),
    "changes that nobody can make": lambda i: ask(i, "@registry.apply", [{"op": i}]),
    "signals to nobody": lambda i: ask(i, "@actors.cancel", f"n{i}"),
}


@pytest.mark.parametrize("name", CLIENTS)
def test_C3_a_flood_of_a_client_has_a_bound_too(boot, tmp_path, name):
    running = flooded(boot, tmp_path, "", args=["--set", "shutdown.timeout=1s"])
    before = troupe.memory_bytes(running.pid)
    peer = troupe.connect(running.control)
    peer.settimeout(0.5)
    try:
        for start in range(0, N, 100):
            peer.sendall(b"".join(CLIENTS[name](i + 1) for i in range(start, start + 100)))
            if start % 1000 == 0:
                assert running.call("app:good", start, timeout="30s") == start
    except (BrokenPipeError, ConnectionResetError, TimeoutError):
        pass  # it was cut off, or has to wait for itself
    assert running.call("app:good", 1, timeout="30s") == 1
    assert all(n <= most for n, most in rows(running).values())
    assert not troupe.has_grown(running.pid, before, 110 * MB)
    peer.close()
    wait_for(lambda: rows(running)["control_clients"][0] == 1, what="its end")
    assert wait_for(lambda: rows(running)["calls"][0] < 10, what="the end of its calls")
