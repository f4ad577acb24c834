"""The supervisor stops, in order or by force, and is told to by signals."""

import json
import os
import random
import re
import signal
import subprocess
import time

import pytest

import troupe
from troupe import (ECHO, FAILED, OK, PATTERN_BOMB, POLITE, SPIN, function, host, is_alive,
                    process, service, sleeper, wait_for)


# ---- stops


def test_P4_supervisor_killed(boot):
    """No worker is left, busy or not, and the next start finds a clean house."""
    one = boot([host(), process("spin", SPIN), sleeper(pool={"workers": 2}),
                function("bomb", PATTERN_BOMB)])
    one.supctl("spawn", "app:spin", "app:host")
    calls = [one.call_in_background("app:sleep", "1h"),
             one.call_in_background("app:bomb")]
    one.wait_busy("app:bomb")
    pids = one.workers()
    assert len(pids) >= 4
    one.child.kill()
    one.wait()
    wait_for(lambda: not any(is_alive(pid) for pid in pids), what="the workers' end")
    for call in calls:
        assert call.wait(30) != troupe.OK
        call.communicate()
    assert os.path.exists(one.control)
    one.start()
    assert one.call("app:sleep", "1ms") == "1ms"


def test_SV10_stop_under_full_load(boot):
    """SIGTERM: calls in flight finish, dependents stop before what they need, exit 0."""
    inhabitant = """
return {main = function(name)
    local event = process.events():receive()
    logger:info("leaving", {name = name, reason = event.reason})
    if name == "front" then time.sleep("100ms") end
    logger:info("left", {name = name})
end}
"""
    front = service("front.service", "app:inhabitant", requires=["app:back.service"])
    back = service("back.service", "app:inhabitant")
    front["input"], back["input"] = ["front"], ["back"]
    one = boot([host(), process("inhabitant", inhabitant, modules=["logger", "time"]),
                back, front, function("f", """
return {main = function(d) process.inbox():receive() time.sleep(d) return d end}""",
                                      modules=["time"],
                                      pool={"type": "static", "workers": 4})])
    calls = [one.call_in_background("app:f", "500ms") for _ in range(4)]
    one.wait_busy("app:f", 4)
    one.release("app:f")
    one.child.send_signal(signal.SIGTERM)
    assert one.wait(30) == troupe.OK
    for call in calls:
        out, err = call.communicate(timeout=30)
        assert call.returncode == troupe.OK, err
        assert json.loads(out) == "500ms"
    told = [(r["msg"], r["name"]) for r in one.app_records()]
    assert told == [("leaving", "front"), ("left", "front"),
                    ("leaving", "back"), ("left", "back")]
    assert all(r["reason"] == "service stopping" for r in one.app_records()
               if r["msg"] == "leaving")


def test_stop_is_bounded_by_the_shutdown_timeout(boot):
    """A call that never ends is cancelled when the time is over."""
    one = boot([sleeper(pool={"workers": 1}), function("spin", SPIN)],
               args=["--set", "shutdown.timeout=1s"])
    one.allow(".*")
    calls = [one.call_in_background("app:sleep", "1h"), one.call_in_background("app:spin")]
    one.wait_busy("app:sleep")
    one.wait_busy("app:spin")
    started = time.monotonic()
    assert one.stop() == troupe.OK
    assert time.monotonic() - started < troupe.SOON_S
    for call in calls:
        assert call.wait(30) != troupe.OK
        call.communicate()


def test_stop_now_forgets_a_spawn_that_is_under_way(boot):
    """Nobody answers it any more; what is kept for its answer goes, as a sanitizer knows."""
    one = boot([host(host={"workers": 1}), process("kid", ECHO)])
    os.kill(one.wait_worker("app:host")[0], signal.SIGSTOP)
    spawns = [troupe.Child([troupe.SUPCTL, "--control", one.control, "spawn", "app:kid",
                            "app:host", "--name", "kid"], stderr=subprocess.DEVNULL)
              for _ in range(2)]
    wait_for(lambda: one.supctl("status")["supervisor"]["calls_open"] == 1)
    one.supctl("stop", "--now")
    assert one.wait() == troupe.OK
    assert [spawn.wait() for spawn in spawns] == [troupe.UNREACHABLE] * 2


def test_second_signal_stops_at_once(boot):
    one = boot([sleeper(pool={"workers": 1})])
    call = one.call_in_background("app:sleep", "1h")
    one.wait_busy("app:sleep")
    one.child.send_signal(signal.SIGTERM)
    one.wait_record("stopping")
    time.sleep(0.15)  # sooner, it would be taken for the first one once more
    assert one.is_up()
    one.child.send_signal(signal.SIGTERM)
    assert one.wait(troupe.SOON_S) == troupe.FAILED
    assert call.wait(30) != troupe.OK
    call.communicate()
    one.expect_code(one.child.returncode)
    one.allow(".*")


def test_P5_a_storm_of_TERMs_ends_it_once(boot):
    running = boot([host(), process("p", POLITE), service("s", "app:p")])
    running.allow("second signal")
    for _ in range(50):
        running.child.send_signal(signal.SIGTERM)
    code = running.wait()
    assert code in (OK, FAILED), running.output() + running.errors()
    running.expect_code(code)


@pytest.mark.parametrize("delay_ms", [0, 2, 5, 10, 20, 40, 80])
def test_P5_TERM_at_any_moment_of_the_start(boot, delay_ms):
    running = boot([host(), process("p", POLITE), service("s", "app:p"),
                    function("echo", ECHO, pool={"type": "static", "workers": 2})],
                   start=False)
    running.spawn()
    time.sleep(delay_ms / 1e3)
    running.child.send_signal(signal.SIGTERM)
    code = running.wait()
    # Before there is a handler the signal itself ends it.
    assert code in (OK, -signal.SIGTERM), running.output() + running.errors()
    running.expect_code(code)
    assert not os.path.exists(running.control)


# ---- signals that stop nobody


@pytest.fixture(scope="module")
def boot_signals(boot_shared):
    return boot_shared([function("echo", ECHO)])


@pytest.mark.parametrize("sig", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_that_comes_before_all_else_waits_for_the_start(boot, sig):
    """logrotate doesn't ask whether we are ready."""
    def sent_already():
        signal.pthread_sigmask(signal.SIG_BLOCK, [sig])
        os.kill(os.getpid(), sig)

    one = boot([function("f", ECHO)], preexec=sent_already)
    one.allow("upgrade in place")
    assert one.call("app:f", 1) == 1


@pytest.mark.parametrize("sig", [signal.SIGHUP, signal.SIGUSR1, signal.SIGPIPE,
                                 signal.SIGCHLD, signal.SIGWINCH])
def test_P5_signals_that_do_not_stop(boot_signals, sig):
    one = boot_signals
    for _ in range(20):
        one.child.send_signal(sig)
    assert one.call("app:echo", 1) == 1
    assert one.is_up()


def signal_sets(pid):
    with open(f"/proc/{pid}/status") as file:
        return {name: int(value, 16) for name, value in
                re.findall(r"^(Sig(?:Blk|Ign)):\s+(\w+)", file.read(), re.M)}


def block_and_ignore():
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals) - {signal.SIGKILL})
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)


def test_P5_an_inherited_signal_mask_means_nothing(boot):
    running = boot([function("echo", ECHO, pool={"type": "static", "workers": 1})],
                   preexec=block_and_ignore)
    running.allow("worker died")
    running.kill_worker("app:echo")  # its end is noticed
    pid = running.wait_worker("app:echo")[0]
    assert running.call("app:echo", 1) == 1
    sets = signal_sets(pid)
    # Python's and glibc's own are no part of the promise; blocked ones are.
    assert sets["SigBlk"] == 0, sets
    assert sets["SigIgn"] & ~(1 << (signal.SIGPIPE - 1)) == 0, sets
    assert running.stop() == OK  # and so does SIGTERM


def test_P5_a_storm_of_signals_loses_no_child(boot):
    running = boot([function("echo", ECHO, pool={"type": "static", "workers": 2})])
    running.allow("worker died", "upgrade in place", "same", "repeat")
    rng = random.Random(1)
    harmless = [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD,
                signal.SIGPIPE, signal.SIGCONT, signal.SIGWINCH]
    for i in range(2000):
        running.child.send_signal(rng.choice(harmless))
        if i % 200 == 0:
            assert running.call("app:echo", i) == i
            running.kill_worker("app:echo")
    assert running.wait_worker("app:echo", 2)
    assert len(running.workers("app:echo")) == 2, "started twice"
    assert running.call("app:echo", 1) == 1
