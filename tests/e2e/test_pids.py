"""Process ids: as the first one of a container, and when those of the dead come round."""

import os
import re
import signal
import subprocess

import pytest

import troupe
from troupe import (ECHO, FAILED, OK, ONE, PATTERN_BOMB, function, host,
                    process, process_state, wait_for)

IN_PID_NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child=SIGKILL"]
# Root that may make namespaces, at that: in a container or a chroot it may not.
needs_pid_namespace = pytest.mark.skipif(
    os.geteuid() != 0 or
    subprocess.run([*IN_PID_NAMESPACE, "true"], capture_output=True,
                   check=False).returncode != 0, reason="needs pid namespaces")


# ---- complaint 15: as the first process of a container


@needs_pid_namespace
def test_complaint15_as_pid_1_it_reaps_orphans(boot):
    running = boot([function("echo", ECHO, pool=ONE)], start=False,
                   prefix=IN_PID_NAMESPACE)
    running.start()
    inner = wait_for(lambda: troupe.children_of(running.pid))[0]
    orphans = "i=0; while [ $i -lt 300 ]; do (true &) ; i=$((i+1)); done"
    subprocess.run(["nsenter", "-t", str(inner), "-p", "sh", "-c", orphans], check=True)
    wait_for(lambda: not [pid for pid in troupe.children_of(inner)
                          if process_state(pid) == "Z"], what="zombies to be reaped")
    assert running.call("app:echo", 1) == 1
    os.kill(inner, signal.SIGTERM)
    assert running.wait(30) == OK


# ---- P3: pids that come round

DEAF = """
local time = require("time")
return {main = function()
    while true do time.sleep("1h") end
end}
"""
LAST_PID = "/proc/sys/kernel/ns_last_pid"
# The shells that do this get pids far from those of workers.
TAKE_PID = """
for i in 1 2 3 4 5 6 7 8 9; do
    echo $(({pid} - 1)) > {last_pid} || exit 2
    sleep 1000 </dev/null >/dev/null 2>&1 &
    [ $! = {pid} ] && echo 1000 > {last_pid} && exit 0
    kill $!
done
exit 3
"""


def inner_pid(pid):
    """Its number in the namespace that it lives in."""
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"^NSpid:.*\s(\d+)$", file.read(), re.M).group(1))


class Namespace:
    """The pid namespace of a supervisor, where pids are given out as we like."""

    def __init__(self, running):
        self.init = wait_for(lambda: troupe.children_of(running.pid))[0]
        self.run(f"echo 1000 > {LAST_PID}")

    def run(self, script):
        return troupe.run("nsenter", "-t", self.init, "-p", "-m", "sh", "-c", script)

    def worker_of(self, entry, but=None):
        return wait_for(lambda: [pid for pid in troupe.children_of(self.init)
                                 if troupe.command_line(pid)[2:3] == [entry]
                                 and pid != but and process_state(pid) != "Z"])[0]

    def kill_and_take_pid(self, pid):
        """Somebody else has that number now; returns it."""
        number = inner_pid(pid)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: process_state(pid) is None, what=f"{pid} to be reaped")
        taken = self.run(TAKE_PID.format(pid=number, last_pid=LAST_PID))
        if taken.returncode != 0:
            os.kill(self.init, signal.SIGTERM)
            pytest.skip(f"pids can't be chosen here: {taken}")
        return number

    def has_innocent(self, number):
        return self.run(f"cat /proc/{number}/comm").stdout == "sleep\n"


@needs_pid_namespace
def test_P3_a_pid_that_was_ours_is_not_ours_any_more(boot):
    """Workers die while timers for their end run, and strangers get their pids."""
    running = boot([function("bomb", PATTERN_BOMB, pool=ONE),
                    host(host={"workers": 1},
                         lifecycle={"auto_start": True, "stop_timeout": "2s"}),
                    process("deaf", DEAF, modules=["time"])],
                   start=False, args=["--set", "calls.cancel_grace=300ms",
                                      "--set", "calls.busy_grace=300ms"],
                   prefix=IN_PID_NAMESPACE)
    running.allow(".*")
    running.start()
    inside = Namespace(running)

    # In the middle of a call, whose deadline and grace then pass.
    call = running.call_in_background("app:bomb", timeout="2s")
    running.wait_busy("app:bomb")
    bomber = inside.worker_of("app:bomb")
    first = inside.kill_and_take_pid(bomber)
    assert call.wait(30) == FAILED
    call.communicate()
    # In the middle of a stop, whose timeout then passes.
    running.supctl("spawn", "app:deaf", "app:host")
    stop = troupe.Child([troupe.SUPCTL, "stop", "app:host", "--control",
                             running.control], stderr=subprocess.DEVNULL)
    running.wait_service("app:host", "stopping")
    second = inside.kill_and_take_pid(inside.worker_of("app:host"))
    assert stop.wait(30) in (OK, FAILED)

    # Later timers of the same kinds have come to their ends: so have those.
    next_bomber = inside.worker_of("app:bomb", but=bomber)

    def is_bombed():
        running.failure("app:bomb", timeout="200ms")  # which it may reach too late
        running.wait_idle("app:bomb")
        return process_state(next_bomber) is None
    wait_for(is_bombed)
    assert running.run_supctl("start", "app:host").returncode == OK
    running.supctl("spawn", "app:deaf", "app:host")
    running.run_supctl("stop", "app:host")
    running.wait_service("app:host", "stopped")
    for number in first, second:
        assert inside.has_innocent(number), f"a stranger with pid {number} was killed"

    # The end of a stranger is nobody's news either.
    assert inside.run(f"kill {first}").returncode == 0
    wait_for(lambda: not inside.has_innocent(first))
    assert running.run_supctl("start", "app:host").returncode == OK
    os.kill(inside.init, signal.SIGTERM)
    assert running.wait(30) == OK
