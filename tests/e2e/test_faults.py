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

import troupe
from troupe import function, host, process, service, wait_for

LIBRARY = os.path.join(troupe.BUILD, "tests", "faults", "libfaults.so")
ALL = os.environ.get("TROUPE_FAULTS") == "all"
MOST = 5000
# Orderly ends: fine, failed, needed thing missing, out of memory, bad configuration.
ENDS = (0, 1, 69, 70, 78)
PATIENCE_S = 5

APP = [
    {"name": "file", "kind": "env.storage.file", "file_path": "kept.env",
     "auto_create": True},
    {"name": "kept", "kind": "env.variable", "variable": "KEPT", "storage": "app:file"},
    function("add", "return {main = function(a, b) return a + b end}",
             pool={"type": "static", "size": 1}),
    function("keep", """local env = require("env")
        return {main = function(v) return env.set("KEPT", v) end}""", modules=["env"]),
    function("kept_now", """local env = require("env")
        return {main = function() return (env.get("KEPT")) end}""", modules=["env"]),
    host(),
    process("echo", """return {main = function()
        process.registry.register("echo")
        local inbox, events = process.inbox(), process.events()
        while true do
            local got = channel.select{inbox:case_receive(), events:case_receive()}
            if got.channel == events and got.value.kind == process.event.CANCEL then
                return
            end
        end
    end}"""),
    service("svc", "app:echo", restart={"initial_delay": "10ms"}),
]

# (who, call, what happens): a number is an errno, + means from then on.
ONCE = [("write", errno.ENOSPC), ("fsync", errno.EIO), ("rename", errno.ENOSPC),
        ("open", errno.EMFILE), ("socket", errno.ENFILE), ("socketpair", errno.EMFILE),
        ("accept4", errno.EMFILE), ("memfd_create", errno.ENFILE), ("mmap", errno.ENOMEM),
        ("malloc", errno.ENOMEM), ("send", errno.EAGAIN), ("send", errno.EINTR),
        ("sendmsg", errno.EINTR), ("recvmsg", errno.EINTR), ("read", errno.EIO)]
SUPERVISOR = [(call, str(error)) for call, error in ONCE]
# For ever, what a kernel can mean for ever.
SUPERVISOR += [(call, f"{error}+") for call, error in ONCE
               if error not in (errno.EINTR, errno.EAGAIN)]
SUPERVISOR += [(call, when) for call in ("write", "send", "sendmsg", "rename", "fsync",
                                         "accept4", "socketpair")
               for when in ("before", "after")]
WORKER = [("malloc", str(errno.ENOMEM)), ("malloc", f"{errno.ENOMEM}+"),
          ("mmap", str(errno.ENOMEM)), ("open", str(errno.EMFILE)),
          ("send", str(errno.EAGAIN)), ("recvmsg", str(errno.EINTR)),
          ("send", "before"), ("send", "after"), ("recvmsg", "after")]

pytestmark = pytest.mark.skipif(troupe.SANITIZED or not os.path.exists(LIBRARY),
                                reason="sanitizers wrap the same calls")


def numbers():
    """1, 2, 3 ...; or some of them, further and further apart."""
    n = 1
    while n < MOST:
        yield n
        n = n + 1 if ALL else n * 12


def tell(one, *words):
    """One operation of the story: was it acknowledged? None: nobody answers any more."""
    try:
        got = subprocess.run([troupe.SUPCTL, "--control", one.control, "--json", *words],
                             capture_output=True, timeout=PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:
        return None
    return got.returncode == 0 if one.is_up() else None


def standard_run(one):
    """Everything once; returns the values that may be kept afterwards."""
    told, tried = None, [None]
    for value in "v0", "v1":
        tried.append(value)
        steps = [("call", "app:add", "2", "3", "--timeout", "5s"),
                 ("call", "app:keep", f'"{value}"', "--timeout", "5s"),
                 ("send", "echo", "hello"), ("restart", "app:svc"), ("ps",)]
        for words in steps:
            heard = tell(one, *words)
            if heard is None:
                return [told, *tried]
            if heard and "app:keep" in words:
                told, tried = value, [value]
    return [told, *tried]


def appears(one):
    """It came up, or ended."""
    return not one.is_up() or os.path.exists(one.control)


def answers(one):
    got = subprocess.run([troupe.SUPCTL, "--control", one.control, "call", "app:add", "2",
                          "3", "--timeout", "5s"], capture_output=True, text=True,
                         timeout=60, check=False)
    return got.stdout.strip() == "5"


def sweep_once(boot, tmp_path, who, call, action, n):
    """One run; False when it makes fewer than n such calls."""
    mark = tmp_path / f"struck-{call}-{action}-{n}"
    fault = {"TROUPE_FAULT": f"{call} {n} {action} {mark}"}
    what = f"{who}: call {n} of {call}: {action}"
    forever = action.endswith("+")
    kills = action in ("before", "after")
    one = boot(APP, start=False)
    one.allow(".*")
    if who == "supervisor":
        one.env.update(fault, LD_PRELOAD=LIBRARY)
    else:
        one.env.update(fault, TROUPE_PRELOAD=LIBRARY)
        script = tmp_path / "worker"
        script.write_text(f'#!/bin/sh\nexec env LD_PRELOAD="$TROUPE_PRELOAD" '
                          f'"{troupe.WORKER}" "$@"\n')
        one.supervisor = troupe.lookalike(tmp_path / f"{call}-{action}-{n}", script)
    one.spawn()
    wait_for(lambda: appears(one), what=f"{what}: a start or an end")
    kept = standard_run(one)
    if one.is_up() and who == "supervisor" and not forever and not kills:
        wait_for(lambda: answers(one) or not one.is_up(), what=f"{what}: an answer")
    workers = one.workers() if one.is_up() else []
    struck = mark.exists()
    code = one.stop()
    assert code in ENDS or (kills and code == -9), \
        f"{what}: ended with {code}\n{one.output()}{one.errors()}"
    wait_for(lambda: not any(troupe.is_alive(pid) for pid in workers),
             what=f"{what}: the end of the workers")
    one.child = None  # nothing more to look at
    # What was told is there, and a second start knows nothing of the trouble.
    again = boot(APP, start=False, cwd=one.cwd)
    again.state, again.control = one.state, one.control
    again.allow(".*")
    again.start()
    assert again.call("app:kept_now") in kept, f"{what}: {kept}"
    assert again.call("app:add", 2, 3) == 5
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
