"""The sweeps F1 and F2: one call goes wrong in the middle of a standard run.

The n-th write, open, fsync ... of the supervisor or of its workers fails, once or for
ever, or the process is killed right before or after it; n grows until a run makes fewer
calls than that. Whatever happens: no crash, no hang, no worker left, what was told is
kept, and the next start is clean. TROUPE_FAULTS=all tries every n, else some.
"""

import errno
import os
import subprocess

import pytest

import faults
import troupe
from troupe import function, host, process, service, wait_for

ALL = os.environ.get("TROUPE_FAULTS") == "all"
MOST = 5000
# Orderly ends: fine, failed, needed thing missing, out of memory, bad configuration.
ENDS = (0, 1, 69, 70, 78)
PATIENCE_S = 2  # with who may have no way to answer
ANSWER_S = troupe.PATIENCE_S  # from anybody else, whatever went wrong

APP = [
    {"name": "file", "kind": "env.storage.file", "file_path": "kept.env",
     "auto_create": True},
    {"name": "kept", "kind": "env.variable", "variable": "KEPT", "storage": "app:file"},
    {"name": "note", "kind": "registry.entry", "text": "n0"},
    function("add", "return {main = function(a, b) return a + b end}",
             pool={"type": "static", "size": 1}),
    {"name": "through", "kind": "interceptor.lua", "method": "handle", "order": 1,
     "match": {"functions": ["app:add"]},
     "source": "return {handle = function(call, next) return next() end}"},
    {"name": "adder", "kind": "contract.definition", "methods": [{"name": "add"}]},
    {"name": "sums", "kind": "contract.binding",
     "contracts": [{"contract": "app:adder", "default": True,
                    "methods": {"add": "app:add"}}]},
    {"name": "values", "kind": "store.memory"},
    {"name": "tokens", "kind": "security.token_store", "store": "app:values"},
    {"name": "rooms", "kind": "pg.scope", "lifecycle": {"auto_start": True}},
    function("use", """return {main = function(n)
        metrics.counter_inc("used", {n = tostring(n)})
        local tokens = assert(security.token_store("app:tokens"))
        local token = assert(tokens:create(security.new_actor("ann"),
            security.new_scope{}))
        assert(tokens:validate(token))
        local rooms = assert(pg.open("app:rooms"))
        rooms:broadcast("all", "hello", n)
        return assert(assert(contract.open("app:sums")):add(n, 1))
    end}""", modules=["contract", "metrics", "pg", "security"]),
    function("keep", """local env = require("env")
        return {main = function(v) return env.set("KEPT", v) end}""", modules=["env"]),
    function("kept_now", """local env = require("env")
        return {main = function() return (env.get("KEPT")) end}""", modules=["env"]),
    host(),
    process("echo", """return {main = function()
        process.registry.register("echo")
        assert(assert(pg.open("app:rooms")):join("all"))
        local inbox, events = process.inbox(), process.events()
        while true do
            local got = channel.select{inbox:case_receive(), events:case_receive()}
            if got.channel == events and got.value.kind == process.event.CANCEL then
                return
            end
        end
    end}""", modules=["pg"]),
    service("svc", "app:echo", restart={"initial_delay": "10ms"}),
]
KEPT = ["--set", "registry.history_type=sqlite", "--set", "registry.history_path=history.db"]

# (who, call, what happens): a number is an errno, + means from then on.
ONCE = [("write", errno.ENOSPC), ("fsync", errno.EIO), ("rename", errno.ENOSPC),
        ("open", errno.EMFILE), ("socket", errno.ENFILE), ("socketpair", errno.EMFILE),
        ("accept4", errno.EMFILE), ("memfd_create", errno.ENFILE), ("mmap", errno.ENOMEM),
        ("malloc", errno.ENOMEM), ("send", errno.EAGAIN), ("send", errno.EINTR),
        ("sendmsg", errno.EINTR), ("recvmsg", errno.EINTR), ("read", errno.EIO),
        ("vfork", errno.EAGAIN), ("fork", errno.EAGAIN), ("pwrite", errno.ENOSPC),
        ("pwrite", errno.EIO), ("pread", errno.EIO), ("fdatasync", errno.EIO),
        ("ftruncate", errno.EIO), ("unlink", errno.EIO)]
SUPERVISOR = [(call, str(error)) for call, error in ONCE]
# For ever, what a kernel can mean for ever.
SUPERVISOR += [(call, f"{error}+") for call, error in ONCE
               if error not in (errno.EINTR, errno.EAGAIN)]
SUPERVISOR += [(call, when) for call in ("write", "send", "sendmsg", "rename", "fsync",
                                         "accept4", "socketpair", "pwrite",
                                         "fdatasync")
               for when in ("before", "after")]
WORKER = [("malloc", str(errno.ENOMEM)), ("malloc", f"{errno.ENOMEM}+"),
          ("mmap", str(errno.ENOMEM)), ("open", str(errno.EMFILE)),
          ("send", str(errno.EAGAIN)), ("recvmsg", str(errno.EINTR)),
          ("send", "before"), ("send", "after"), ("recvmsg", "after")]

pytestmark = pytest.mark.skipif(troupe.SANITIZED or not os.path.exists(faults.LIBRARY),
                                reason="sanitizers wrap the same calls")


def numbers():
    """1, 2, 3 ...; or some of them, further and further apart."""
    n = 1
    while n < MOST:
        yield n
        n = n + 1 if ALL else n * 12


CHANGE = """\
namespace: app
entries:
  - {{name: note, kind: registry.entry, text: n{}}}
"""


def tell(one, is_lamed, *words):
    """One operation of the story: was it acknowledged? None: nobody answers any more."""
    try:
        got = subprocess.run([troupe.SUPCTL, "--control", one.control, "--json", *words],
                             capture_output=True, check=False,
                             timeout=PATIENCE_S if is_lamed else ANSWER_S)
    except subprocess.TimeoutExpired:
        assert is_lamed, f"no answer to {words}"
        return None
    return got.returncode == 0 if one.is_up() else None


class Book:
    """What may be kept of one thing afterwards: what was acknowledged last, and what was
    tried since."""

    def __init__(self, at_first):
        self.may_be = {at_first}

    def tried(self, value):
        self.may_be.add(value)

    def told(self, value):
        self.may_be = {value}


def standard_run(one, is_lamed):
    """Everything twice; returns the books of what is kept: a variable, an entry."""
    variable, note = Book(None), Book("n0")
    change = os.path.join(one.folder, "change.yaml")
    for i in "1", "2":
        steps = [(("call", "app:add", "2", "3", "--timeout", "5s", "--trace"), None),
                 (("call", "app:keep", f'"v{i}"', "--timeout", "5s"), (variable, f"v{i}")),
                 (("call", "app:use", i, "--timeout", "5s"), None),
                 (("registry", "apply", change), (note, f"n{i}")),
                 (("send", "echo", "hello"), None), (("restart", "app:svc"), None),
                 (("ps",), None), (("metrics",), None), (("trace",), None),
                 (("groups",), None), (("registry", "history"), None)]
        with open(change, "w") as file:
            file.write(CHANGE.format(i))
        for words, kept in steps:
            if kept:
                kept[0].tried(kept[1])
            heard = tell(one, is_lamed, *words)
            if heard is None:
                return variable, note
            if heard and kept:
                kept[0].told(kept[1])
    return variable, note


def appears(one):
    """It came up, or ended."""
    return not one.is_up() or os.path.exists(one.control)


def answers(one):
    got = troupe.run(troupe.SUPCTL, "--control", one.control, "call", "app:add", "2",
                     "3", "--timeout", "5s")
    return got.stdout.strip() == "5"


def sweep_once(boot, tmp_path, who, call, action, n):
    """One run; False when it makes fewer than n such calls."""
    mark = tmp_path / f"struck-{call}-{action}-{n}"
    fault = {"TROUPE_FAULT": f"{call} {n} {action} {mark}"}
    what = f"{who}: call {n} of {call}: {action}"
    forever = action.endswith("+")
    kills = action in ("before", "after")
    one = boot(APP, start=False, args=KEPT)
    one.allow(".*")
    if who == "supervisor":
        one.env.update(fault, LD_PRELOAD=faults.preload())
    else:
        one.env.update(fault, TROUPE_PRELOAD=faults.preload())
        script = tmp_path / "worker"
        script.write_text(f'#!/bin/sh\nexec env LD_PRELOAD="$TROUPE_PRELOAD" '
                          f'"{troupe.WORKER}" "$@"\n')
        one.supervisor = troupe.lookalike(tmp_path / f"{call}-{action}-{n}", script)
    one.spawn()
    wait_for(lambda: appears(one), what=f"{what}: a start or an end")
    variable, note = standard_run(one, forever or kills)
    if one.is_up() and who == "supervisor" and not forever and not kills:
        wait_for(lambda: answers(one) or not one.is_up(), what=f"{what}: an answer")
    workers = one.workers() if one.is_up() else []
    struck = mark.stat().st_size > 0
    code = one.stop()
    assert code in ENDS or (kills and code == -9), \
        f"{what}: ended with {code}\n{one.output()}{one.errors()}"
    wait_for(lambda: not any(troupe.is_alive(pid) for pid in workers),
             what=f"{what}: the end of the workers")
    one.child = None  # nothing more to look at
    # What was told is there, and a second start knows nothing of the trouble.
    again = boot(APP, start=False, cwd=one.cwd, args=KEPT)
    again.state, again.control = one.state, one.control
    again.allow(".*")
    again.start()
    assert again.call("app:kept_now") in variable.may_be, f"{what}: {variable.may_be}"
    found = again.supctl("registry", "get", "app:note")["data"]["text"]
    assert found in note.may_be, f"{what}: {found}, not {note.may_be}"
    assert again.call("app:add", 2, 3) == 5
    assert again.call("app:use", 7) == 8
    assert again.stop() == 0
    return struck


@pytest.mark.parametrize("call,action", SUPERVISOR)
def test_F1_F2_supervisor(boot, tmp_path, call, action):
    for n in numbers():
        if not sweep_once(boot, tmp_path, "supervisor", call, action, n):
            break


@pytest.mark.parametrize("call,action", WORKER)
def test_F1_F2_worker(boot, tmp_path, call, action):
    for n in numbers():
        if not sweep_once(boot, tmp_path, "worker", call, action, n):
            break


# ---- packs: written whole or not at all, and read with care

PACK = [("write", str(errno.ENOSPC)), ("write", f"{errno.ENOSPC}+"), ("fsync", str(errno.EIO)),
        ("rename", str(errno.EIO)), ("open", str(errno.EMFILE)),
        ("malloc", str(errno.ENOMEM)), ("write", "before"), ("rename", "before"),
        ("rename", "after")]


def pack(folder, name, **env):
    return troupe.run(troupe.SUPERVISOR, "pack", name, "--bytecode", "**", "--config",
                      "app/src", "--state", ".state", "--control", ".control",
                      cwd=folder, env={**os.environ, **env})


@pytest.mark.parametrize("call,action", PACK)
def test_F1_F2_a_pack_is_whole_or_not_there(tmp_path, call, action):
    """And the one that was there before is, until then."""
    troupe.write_app(tmp_path / "app", APP)
    assert pack(tmp_path, "whole.wapp").returncode == 0
    whole = (tmp_path / "whole.wapp").read_bytes()
    for n in numbers():
        target, mark = tmp_path / "one.wapp", tmp_path / f"mark-{n}"
        target.write_bytes(b"the old one")
        done = pack(tmp_path, "one.wapp", LD_PRELOAD=faults.preload(),
                    TROUPE_FAULT=f"{call} {n} {action} {mark}")
        assert done.returncode in (*ENDS, -9), done.stderr
        found = target.read_bytes()
        assert found in (whole, b"the old one"), f"{call} {n} {action}"
        assert done.returncode != 0 or found == whole, f"{call} {n} {action}"
        if mark.stat().st_size == 0:
            break


@pytest.mark.parametrize("call,action", [
    ("read", str(errno.EIO)), ("open", str(errno.EMFILE)), ("mmap", str(errno.ENOMEM)),
    ("pread", str(errno.EIO)), ("malloc", str(errno.ENOMEM))])
def test_F2_a_pack_that_can_not_be_read_is_refused(boot, tmp_path, call, action):
    troupe.write_app(tmp_path / "app", APP)
    assert pack(tmp_path, "whole.wapp").returncode == 0
    for n in numbers():
        mark = tmp_path / f"mark-{n}"
        one = boot(config=str(tmp_path / "whole.wapp"), start=False,
                   env={"LD_PRELOAD": faults.preload(),
                        "TROUPE_FAULT": f"{call} {n} {action} {mark}"})
        one.allow(".*")
        one.spawn()
        wait_for(lambda one=one: appears(one), what=f"{call} {n}: a start or an end")
        if one.is_up():
            wait_for(lambda one=one: answers(one) or not one.is_up())
        assert one.stop() in ENDS
        one.child = None
        if mark.stat().st_size == 0:
            break
