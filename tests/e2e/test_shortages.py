"""The machine runs out of something: descriptors, processes. Work is refused, nobody ends,
and nobody spins meanwhile."""

import os
import resource
import subprocess
import time

import troupe
from troupe import (AS_NOBODY, ECHO, NEEDS_ROOT, POLITE, SupctlError, function, host, process,
                    service, wait_for)

# ---- descriptors


def test_F4_descriptors_used_up(boot):
    """With few descriptors the supervisor refuses what it can't do and goes on."""
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))

    one = boot([function("echo", ECHO)], preexec=few)
    one.allow(".*")
    peers = [troupe.connect(one.control) for _ in range(60)]
    wait_for(lambda: troupe.n_descriptors(one.pid) >= 36, what="all to be in use")
    assert one.is_up()
    for peer in peers:
        peer.close()
    assert wait_for(lambda: one.try_call("app:echo", 5) == 5, what="echo to answer again")


def cpu_share(pid, seconds=0.5):
    def ticks():
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])
    before = ticks()
    time.sleep(seconds)
    return (ticks() - before) / os.sysconf("SC_CLK_TCK") / seconds


def test_F4_few_descriptors_refuse_work_and_recover(boot):
    running = boot([host(), process("p", POLITE),
                    *[function(f"f{i}", ECHO, pool={"type": "lazy", "max_size": 1})
                      for i in range(12)]])
    running.allow(".*")
    _, hard = resource.prlimit(running.pid, resource.RLIMIT_NOFILE)
    limit = troupe.n_descriptors(running.pid) + 6
    resource.prlimit(running.pid, resource.RLIMIT_NOFILE, (limit, hard))
    outcomes = []
    for i in range(12):
        try:
            outcomes.append(running.call(f"app:f{i}", i, timeout="20s"))
        except SupctlError as failure:
            outcomes.append(failure.kind)
    assert "Unavailable" in outcomes, outcomes
    assert set(outcomes) <= {"Unavailable", *range(12)}
    assert running.is_up()
    # It doesn't spin while it can't do what it is asked to.
    wait_for(lambda: cpu_share(running.pid) < 0.5, what="it to rest")
    resource.prlimit(running.pid, resource.RLIMIT_NOFILE, (hard, hard))
    wait_for(lambda: running.try_call("app:f11", 7, timeout="5s") == 7)


# ---- processes


def limit_processes(one, soft):
    """Sets the limit from outside, as the user that one runs as."""
    subprocess.run([*one.prefix, "prlimit", f"--pid={one.pid}", f"--nproc={soft}:"],
                   check=True)


@NEEDS_ROOT  # to become somebody else
def test_F2_fork_failing(boot, tmp_path):
    """No process can be made: calls fail as Unavailable, the supervisor goes on, and
    when there is room again it serves."""
    # A copy: nobody can't look into a build folder below root's home.
    program = troupe.lookalike(tmp_path, os.path.join(troupe.BUILD, "worker", "worker"))
    one = boot([function("echo", ECHO)], start=False, prefix=AS_NOBODY,
               supervisor=program)
    troupe.open_to_all(os.path.dirname(program))
    for path, _, _ in os.walk(one.folder):
        os.chown(path, 65534, 65534)
    troupe.open_to_all(one.folder)
    one.allow(".*")
    one.start()
    limit_processes(one, 1)
    failure = one.failure("app:echo", 1, timeout="2s")
    assert failure.kind in ("Unavailable", "Timeout"), failure
    assert one.is_up()
    limit_processes(one, 1000)
    assert wait_for(lambda: one.try_call("app:echo", 5) == 5, what="echo to answer again")


# ---- nothing to do


def test_an_idle_supervisor_and_its_workers_sleep(boot):
    running = boot([host(), process("p", POLITE), service("s", "app:p"),
                    function("echo", ECHO, pool={"type": "static", "workers": 2})])
    running.call("app:echo", 1)
    for pid in [running.pid, *running.workers()]:
        wait_for(lambda pid=pid: cpu_share(pid, 0.3) < 0.1,
                 what=f"{troupe.command_line(pid)} to rest")
