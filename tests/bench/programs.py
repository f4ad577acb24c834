"""Starting what is measured: the limit programs, the peers and the product."""

import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import procfs

HERE = Path(__file__).resolve().parent
LINE_TIMEOUT_S = 60


class Missing(Exception):
    """Something is not installed or not built: skip it and say so."""


class Failed(Exception):
    """Something is there and does not work."""


def one_core():
    """The core that all processes of a one-core measurement share; the last one, as the
    first ones tend to serve interrupts."""
    return {max(os.sched_getaffinity(0))}


def find(name):
    path = shutil.which(name)
    if path is None:
        raise Missing(f"{name} is not installed")
    return path


class Program:
    """A child process, leader of a group of its own and spoken to by lines; all of the
    group is gone when the `with` ends."""

    def __init__(self, argv, cpus=None, cwd=None):
        self.log = tempfile.TemporaryFile()
        self.pending = b""

        def prepare():
            if cpus:
                os.sched_setaffinity(0, cpus)

        try:
            self.process = subprocess.Popen(
                [str(word) for word in argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.log,
                cwd=cwd,
                process_group=0,
                preexec_fn=prepare,
            )
        except FileNotFoundError:
            raise Missing(f"{argv[0]} is not there") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()

    def line(self, timeout_s=LINE_TIMEOUT_S):
        """The next line of its output."""
        until = time.monotonic() + timeout_s
        out = self.process.stdout.fileno()
        while b"\n" not in self.pending:
            ready, _, _ = select.select([out], [], [], max(0, until - time.monotonic()))
            piece = os.read(out, 65536) if ready else b""
            if not piece:
                self._fail("ended early" if ready else "said nothing in time")
            self.pending += piece
        line, _, self.pending = self.pending.partition(b"\n")
        return line.decode(errors="replace").strip()

    def expect(self, wanted):
        line = self.line()
        if line != wanted:
            self._fail(f"said {line!r} instead of {wanted!r}")

    def result(self):
        line = self.line()
        try:
            return json.loads(line)
        except ValueError:
            self._fail(f"said {line!r} instead of its result")

    def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def _fail(self, what):
        self.log.seek(0)
        tail = self.log.read().decode(errors="replace").strip().splitlines()[-3:]
        raise Failed(" | ".join([f"{self.process.args[0]} {what}", *tail]))


class Bench:
    """Where everything is, and how long to measure."""

    def __init__(self, build, quick):
        self.build = Path(build).resolve()
        self.seconds = 0.5 if quick else 1.5
        self.n_crowd = 100_000 if quick else 1_000_000
        self.n_loops = 5_000_000 if quick else 30_000_000
        self.n_watchers = 10_000 if quick else 100_000
        self.n_names = 10_000
        self.n_deaths = 2 if quick else 4
        self.idle_s = 2 if quick else 6
        self.folder = Path(tempfile.mkdtemp(prefix="bench"))

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def own_program(self, name):
        path = self.build / "tests" / "bench" / name
        if not path.exists():
            raise Missing(f"{name} is not built")
        return path

    def run_own(self, name, *args, cpus=None):
        with Program([self.own_program(name), *args], cpus=cpus) as program:
            return program.result()

    def troupe(self, app, *args, cpus=None):
        """The product with one of the apps of this folder. The control socket is in a
        place of its own, so that a supervisor of the machine is left alone."""
        state = tempfile.mkdtemp(dir=self.folder)
        argv = [self.build / "supervisor" / "supervisor", "run", "--state", state]
        argv += ["--control", f"{state}/control.sock", *args]
        if not argv[0].exists():
            raise Missing("the supervisor is not built")
        return Program(argv, cpus=cpus, cwd=HERE / app)


def workers_of(program, role=None, entry=None):
    """The worker processes of a running supervisor, as {pid: argv}."""
    return {
        pid: argv
        for pid, argv in procfs.children(program.process.pid).items()
        if role in (None, *argv[1:2]) and entry in (None, *argv[2:3])
    }
