"""Each function measures one thing once and returns its figures by name."""

import os
import signal
import statistics
import time

import procfs
from programs import HERE, Failed, Missing, Program, find, one_core, workers_of

OUTSTANDING = 64
NATS_PORT = 14222
ERLANG_PORT = 14777

# ---- calls ---------------------------------------------------------------------------


def limit_calls_one_core(bench):
    return bench.run_own("limit_calls", OUTSTANDING, bench.seconds, cpus=one_core())


def limit_calls_lone(bench):
    return bench.run_own("limit_calls", 1, bench.seconds, cpus=one_core())


def limit_calls_free(bench):
    return bench.run_own("limit_calls", OUTSTANDING, bench.seconds)


def troupe_calls_one_core(bench):
    return _troupe_calls(bench, OUTSTANDING, cpus=one_core())


def troupe_calls_lone(bench):
    return _troupe_calls(bench, 1, "timed", cpus=one_core())


def troupe_calls_free(bench):
    return _troupe_calls(bench, OUTSTANDING, "timed")


def _troupe_calls(bench, outstanding, *timed, cpus=None):
    args = ("-x", "bench:calls", outstanding, bench.seconds, *timed)
    with bench.troupe("app", *args, cpus=cpus) as program:
        program.expect("begin")
        before = _cpu_of_all(program)
        program.expect("end")
        after = _cpu_of_all(program)
        program.say("seen")
        figures = program.result()
    used = {pid: after[pid] - before.get(pid, 0) for pid in after}
    figures["supervisor_share"] = used[program.process.pid] / sum(used.values())
    return figures


def _cpu_of_all(program):
    pids = [program.process.pid, *workers_of(program)]
    return {pid: procfs.cpu_ns(pid) for pid in pids}


def peer_tarantool(bench):
    tarantool = find("tarantool")
    script = HERE / "peer_tarantool.lua"
    socket = bench.folder / "tarantool.sock"
    with Program([tarantool, script, "serve", socket], cwd=bench.folder) as server:
        server.expect("ready")
        argv = [tarantool, script, "call", socket, OUTSTANDING, bench.seconds]
        with Program(argv, cwd=bench.folder) as caller:
            return caller.result()


def peer_nats(bench):
    peer = bench.own_program("peer_nats")
    server = [find("nats-server"), "-a", "127.0.0.1", "-p", NATS_PORT]
    with Program(server, cwd=bench.folder):
        _wait_for_port(NATS_PORT)
        url = f"nats://127.0.0.1:{NATS_PORT}"
        with Program([peer, url, OUTSTANDING, bench.seconds]) as caller:
            return caller.result()


def peer_erlang(bench):
    find("erl")
    with Program([find("erlc"), HERE / "peer_erlang.erl"], cwd=bench.folder) as compiler:
        if compiler.process.wait(60) != 0:
            raise Failed("erlc: peer_erlang.erl does not compile")
    # A fixed port stands in for the name server, which would stay behind as a daemon.
    common = ["erl", "-noshell", "-start_epmd", "false", "-erl_epmd_port", ERLANG_PORT]
    common += ["-setcookie", "bench"]
    callee = "callee@127.0.0.1"
    serve = [*common, "-name", callee, "-run", "peer_erlang", "serve"]
    call = [*common, "-name", "caller@127.0.0.1", "-dist_listen", "false", "-run"]
    call += ["peer_erlang", "call", callee, OUTSTANDING, bench.seconds]
    with Program(serve, cwd=bench.folder) as server:
        server.expect("ready")
        with Program(call, cwd=bench.folder) as caller:
            return caller.result()


def _wait_for_port(port):
    import socket

    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.05)
    raise Failed(f"nothing listens on port {port}")


def policies(bench):
    rounds = 100_000 if bench.seconds < 1 else 1_000_000
    return bench.run_own("policy_bench", rounds, cpus=one_core())


# ---- messages, actors ----------------------------------------------------------------


def limit_frames(bench):
    """Once more, next to what is compared with it: a call is two frames from one end to
    the other."""
    return {"frames_per_s": 2 * limit_calls_one_core(bench)["calls_per_s"]}


def limit_messages(bench):
    return bench.run_own("limit_messages", bench.seconds, cpus=one_core())


def troupe_messages_near(bench):
    return _troupe_messages(bench, "bench:left", "bench:left", "table", 1)


def troupe_messages_far(bench):
    return _troupe_messages(bench, "bench:left", "bench:right", "integer", OUTSTANDING)


def _troupe_messages(bench, *args):
    args = ("-x", "bench:messages", *args, bench.seconds)
    with bench.troupe("app", *args, cpus=one_core()) as program:
        return program.result()


def troupe_spawns(bench):
    args = ("-x", "bench:spawns", "bench:left", bench.seconds)
    with bench.troupe("app", *args) as program:
        return program.result()


def troupe_crowd(bench):
    args = ("-x", "bench:crowd", "bench:left", bench.n_crowd)
    with bench.troupe("app", *args) as program:
        program.expect("standing")
        pids = [program.process.pid, *workers_of(program)]
        total = sum(procfs.pss_bytes(pid) for pid in pids)
        program.say("go")
        figures = program.result()
    figures["pss_mb"] = total / 1e6
    figures["pss_mb_per_million"] = total / 1e6 * 1_000_000 / figures["n"]
    return figures


# ---- sharing a worker, releasing what is held ----------------------------------------


def troupe_fair_idle(bench):
    return _troupe_fairness(bench, 0)


def troupe_fair_busy(bench):
    return _troupe_fairness(bench, 1)


def _troupe_fairness(bench, n_busy):
    with bench.troupe("app", "-x", "bench:fairness", "bench:left", n_busy) as program:
        return program.result()


def loops(bench):
    """The limit and the product at the same time on one core, each by its own CPU time:
    whatever else the machine does is the same for both, and what is left is the cost of
    the timer signal and of the switches at the end of each slice."""
    limit = [bench.own_program("limit_loop"), bench.n_loops]
    args = ("-x", "bench:loop", "bench:left", bench.n_loops)
    with bench.troupe("app", *args, cpus=one_core()) as program:
        program.expect("begin")
        (pid,) = workers_of(program, entry="bench:left")
        before_ns = procfs.cpu_ns(pid)
        program.say("go")
        with Program(limit, cpus=one_core()) as limit_program:
            program.expect("end")
            used_ns = procfs.cpu_ns(pid) - before_ns
            figures = limit_program.result()
    return {
        "loops_per_s": bench.n_loops / used_ns * 1e9,
        "limit_loops_per_s": figures["loops_per_s"],
    }


def troupe_release_ended(bench):
    return _troupe_release(bench, "ended")


def troupe_release_killed(bench):
    return _troupe_release(bench, "killed")


def _troupe_release(bench, how):
    args = ("-x", "bench:release", "bench:left", "bench:right")
    args += (bench.n_watchers, bench.n_names)
    with bench.troupe("app", *args) as program:
        program.expect("ready")
        program.say(how)
        if how == "killed":
            _kill(program, "host", "bench:left")
        figures = program.result()
    if figures["n_left"] != 0:
        raise Failed("a name has outlived who had it")
    return figures


# ---- life and death of workers -------------------------------------------------------


def troupe_deaths(bench):
    errors_ms, answers_ms = [], []
    with bench.troupe("app", "-x", "bench:deaths", bench.n_deaths) as program:
        for _ in range(bench.n_deaths):
            program.expect("ready")
            time.sleep(0.05)  # the call is on its way to the worker
            killed_at_ns = _kill(program, "pool", "bench:frail")
            figures = program.result()
            if figures["kind"] != "Unavailable" or figures["retryable"] is not True:
                raise Failed(f"the waiting call got {figures}")
            errors_ms.append((figures["failed_at_ns"] - killed_at_ns) / 1e6)
            answers_ms.append((figures["answered_at_ns"] - killed_at_ns) / 1e6)
    return {
        "error_ms": statistics.median(errors_ms),
        "replaced_ms": statistics.median(answers_ms),
    }


def _kill(program, role, entry):
    """Kills the one worker of that kind; returns the wall clock just before."""
    pids = list(workers_of(program, role, entry))
    if len(pids) != 1:
        raise Failed(f"{len(pids)} workers of {entry}, not one")
    killed_at_ns = time.time_ns()
    os.kill(pids[0], signal.SIGKILL)
    return killed_at_ns


def troupe_starts(bench):
    with bench.troupe("app", "-x", "bench:starts", 100) as program:
        return program.result()


def troupe_idle(bench):
    with bench.troupe("idle") as program:
        pids = _wait_for_workers(program, 20)
        time.sleep(2)
        supervisor = program.process.pid
        before = {pid: procfs.cpu_ns(pid) for pid in [supervisor, *pids]}
        began = time.monotonic()
        time.sleep(bench.idle_s)
        took = time.monotonic() - began
        used = {pid: procfs.cpu_ns(pid) - before[pid] for pid in before}
        return {
            "supervisor_cpu_ms_per_s": used.pop(supervisor) / 1e6 / took,
            "worker_cpu_ms_per_s": statistics.mean(used.values()) / 1e6 / took,
            "supervisor_private_mb": procfs.private_bytes(supervisor) / 1e6,
            "worker_private_mb": max(map(procfs.private_bytes, pids)) / 1e6,
        }


def _wait_for_workers(program, n):
    for _ in range(200):
        pids = list(workers_of(program, "pool"))
        if len(pids) == n:
            return pids
        time.sleep(0.05)
    raise Failed(f"{len(pids)} workers came up, not {n}")
