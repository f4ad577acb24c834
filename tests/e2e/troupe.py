"""One supervisor under test, seen as its users see it: files, processes, exit codes.

Nothing here reads internals. What a test waits for is a condition with a generous limit,
never a span of time; what it leaves behind is looked for when the supervisor has ended.
"""

import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

import descriptors

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
APPS = os.path.join(ROOT, "tests", "apps")
# What the leak check of a sanitized process prints when a SIGKILL ends it half-way.
LEAK_CHECK_CUT_OFF = re.compile(r"==\d+==Unable to get registers from thread \d+\.\n")
BUILD = os.path.abspath(os.environ.get("TROUPE_BUILD", os.path.join(ROOT, "build")))
SUPERVISOR = os.path.join(BUILD, "supervisor", "supervisor")
SUPCTL = os.path.join(BUILD, "supervisor", "supctl")
WORKER = os.path.join(BUILD, "worker", "worker")

# Where valgrind tells of the programs under test, which then are stand-ins (memcheck.py).
MEMCHECK_LOGS = os.environ.get("TROUPE_VALGRIND_LOGS")
# The one factor by which everything here has more patience than it says.
SLOW_BY = 8 if MEMCHECK_LOGS else 1

def not_under_valgrind(reason):
    """Marks a test that says nothing there."""
    return pytest.mark.skipif(MEMCHECK_LOGS is not None, reason=f"valgrind {reason}")


PATIENCE_S = 30.0  # for whatever a slow machine must get done in the end
# What waits for nothing takes less, even where everything stands still now and then; what
# a test holds against it (a timeout, somebody who never ends) takes much more.
SOON_S = 15.0
CHILD_S = 120.0  # nothing takes that long; what does, hangs
POLL_S = 0.005

OK, FAILED, USAGE, NOT_RUNNING, NO_SUCH_NAME, REFUSED, UNREACHABLE = 0, 1, 2, 3, 4, 5, 6
NEEDED, BUG, BAD_CONFIG = 69, 70, 78

PR_SET_CHILD_SUBREAPER = 36


def become_subreaper():
    """Orphans become our children: so they can't get out of sight."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


NOBODY = 65534


def become_nobody():
    """For preexec: what root starts then runs as an ordinary user does."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def run(*command, timeout=60, **more):
    """Runs a command to its end; returns the completed process."""
    return subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          errors="replace", timeout=timeout * SLOW_BY, check=False, **more)


def wait_for(condition, timeout=PATIENCE_S, what=None):
    """Polls until condition() is true; returns its value."""
    deadline = time.monotonic() + timeout * SLOW_BY
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s in vain for {what or condition}")
        time.sleep(POLL_S)


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(text) for text in file.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def process_state(pid):
    """The letter of /proc/PID/stat, or None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_alive(pid):
    return process_state(pid) not in (None, "Z", "X")


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = [arg.decode() for arg in file.read().split(b"\0")[:-1]]
    except (FileNotFoundError, ProcessLookupError):
        return []
    is_stand_in = MEMCHECK_LOGS and "valgrind" in "".join(words[:1])
    return words[1:] if is_stand_in else words


def n_descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory_bytes(pid, field="VmRSS"):
    """0 under a sanitizer, which keeps what was freed and so says nothing about us."""
    if SANITIZED:
        return 0
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    return 0


def _is_sanitized():
    if MEMCHECK_LOGS:
        return True
    with open(SUPERVISOR, "rb") as file:
        return b"__asan_init" in file.read()


SANITIZED = _is_sanitized() if os.path.exists(SUPERVISOR) else False


def has_grown(pid, since_bytes, by_bytes, field="VmRSS"):
    """Does the process hold that much more than before? A sanitizer keeps what is freed:
    then nobody can tell, and the answer is no."""
    return not SANITIZED and memory_bytes(pid, field) >= since_bytes + by_bytes


def collect_zombies():
    """Reaps what is ours to reap: children of dead supervisors that came to us."""
    pids = []
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return pids
        if pid == 0:
            return pids
        pids.append(pid)


class Child(subprocess.Popen):
    """A process whose end is not waited for without a bound."""

    pids = set()  # of all that tests started themselves

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.pids.add(self.pid)

    def wait(self, timeout=CHILD_S):
        return super().wait(None if timeout is None else timeout * SLOW_BY)

    def communicate(self, input=None, timeout=CHILD_S):  # pylint: disable=W0622
        return super().communicate(input, None if timeout is None else timeout * SLOW_BY)


class SupctlError(Exception):
    """supctl ended with a status other than 0; error = {kind, message, ...} if it said."""

    def __init__(self, code, stderr):
        self.code = code
        self.stderr = stderr
        try:
            self.error = json.loads(stderr)["error"]
        except (ValueError, KeyError, TypeError):
            self.error = {}
        super().__init__(f"exit status {code}: {stderr.strip()}")

    @property
    def kind(self):
        return self.error.get("kind")

    @property
    def message(self):
        return self.error.get("message")


# What many tests run: programs as small as they can be.
ECHO = "return {main = function(...) return ... end}"
SLEEP = "return {main = function(d) time.sleep(d) return d end}"
# Goes on when it is sent a message; Troupe.release() does that.
HELD = "return {main = function(...) process.inbox():receive() return ... end}"
SPIN = "return {main = function() while true do end end}"
BOOM = 'return {main = function() error("boom") end}'
IDLE = "return {main = function() process.events():receive() end}"
# Ends when it is asked to, and not before.
POLITE = """
return {main = function()
    local events = process.events()
    while events:receive().kind ~= process.event.CANCEL do end
end}
"""
# No hook runs inside string.find.
PATTERN_BOMB = """
return {main = function()
    return string.find(("a"):rep(30), ("a?"):rep(30) .. ("a"):rep(30))
end}
"""
ONE = {"type": "static", "workers": 1}

# For what is cancelled where a worker may have to wait for a processor: else it has a
# second to end it, and is killed.
PATIENT = ["--set", "calls.cancel_grace=10s"]

# What the log tells when a worker process is killed.
DEATH = "worker died|killing a worker|was killed"

AS_NOBODY = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def host(name="host", **fields):
    return {"name": name, "kind": "process.host", "lifecycle": {"auto_start": True},
            **fields}


def function(name, source, **fields):
    return {"name": name, "kind": "function.lua", "source": source, "method": "main",
            **fields}


def sleeper(name="sleep", **fields):
    """A function that sleeps for as long as it is told."""
    return function(name, SLEEP, modules=["time"], **fields)


def held(name="held", **fields):
    """A function that runs until it is released, and returns what it was called with.
    What is to be replaced or removed meanwhile calls such a one: ps knows those only that
    belong to a pool which is to stay."""
    return function(name, HELD, **fields)


def answering(name, text, **fields):
    """A function that returns a text, its version for instance."""
    return function(name, f"return {{main = function() return '{text}' end}}", **fields)


def static(n=1):
    """A pool of so many slots."""
    return {"type": "static", "workers": n}


def process(name, source, **fields):
    return {"name": name, "kind": "process.lua", "source": source, "method": "main",
            **fields}


def teller(text, **fields):
    """app:p, which answers every message with a text; app:ask (ASK) asks it."""
    return process("p", f"""
return {{main = function()
    local inbox, events = process.inbox(), process.events()
    while true do
        local got = channel.select{{inbox:case_receive(), events:case_receive()}}
        if got.channel == events then return end
        process.send(got.value:from(), "t", "{text}")
    end
end}}""", **fields)


ASK = function("ask", """
return {main = function(pid, topic)
    assert(process.send(pid, topic or "ask"))
    return process.inbox():receive():payload():data()
end}""")


def library(name, source, **fields):
    return {"name": name, "kind": "library.lua", "source": source, **fields}


def service(name, process_id, host_id="app:host", **lifecycle):
    return {"name": name, "kind": "process.service", "process": process_id,
            "host": host_id, "lifecycle": {"auto_start": True, **lifecycle}}


def terminal(name="terminal", **fields):
    return {"name": name, "kind": "terminal.host", "lifecycle": {"auto_start": True},
            **fields}


def write_app(folder, app, namespace="app"):
    """Writes an app: a list of entries (as one JSON registry), or a dict of files."""
    if isinstance(app, (list, tuple)):
        text = json.dumps({"version": "1.0", "namespace": namespace,
                           "entries": list(app)}, indent=1)
        app = {"src/_index.json": text}
    for name, text in app.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        mode = "wb" if isinstance(text, bytes) else "w"
        with open(path, mode) as file:
            file.write(text)
    return folder


def open_to_all(folder):
    """Everybody may look into folder, and into those that it lies in."""
    path = str(folder)
    while path != "/":
        os.chmod(path, os.stat(path).st_mode | 0o055)
        path = os.path.dirname(path)


def lua_app(name):
    """The path of an app in tests/apps."""
    return os.path.join(APPS, name)


class Troupe:
    """A supervisor, its folder and what it writes."""

    def __init__(self, folder, app=None, *, config=None, args=(), env=None,
                 supervisor=SUPERVISOR, command=(), cwd=None, stdin=None, preexec=None,
                 prefix=()):
        self.folder = str(folder)
        self.cwd = cwd or os.path.join(self.folder, "app")
        self.state = os.path.join(self.folder, "state")
        self.control = os.path.join(self.folder, "control.sock")
        self.out_path = os.path.join(self.folder, "out")
        self.err_path = os.path.join(self.folder, "err")
        self.supervisor = supervisor
        self.command = list(command)
        self.args = list(args)
        self.prefix = list(prefix)
        self.env = {**os.environ, **(env or {})}
        self.stdin = stdin
        self.preexec = preexec
        self.child = None
        self.files_at_boot = None  # what it had open when it ran; None: nobody looked
        self.allowed = []
        self.expected_code = OK
        self.config = config
        os.makedirs(self.cwd, exist_ok=True)
        if app is not None:
            write_app(self.cwd, app)

    # ---- life

    def argv(self):
        argv = [*self.prefix, self.supervisor, *self.command]
        if not self.command or self.config is not None:
            argv += ["--config", self.config or os.path.join(self.cwd, "src")]
        return argv + ["--state", self.state, "--control", self.control,
                       "--log-format", "json", *self.args]

    def spawn(self):
        """Starts the process, waits for nothing."""
        self.files_at_boot = None
        with open(self.out_path, "ab") as out, open(self.err_path, "ab") as err:
            self.child = Child(
                self.argv(), cwd=self.cwd, env=self.env, stdout=out, stderr=err,
                stdin=self.stdin or subprocess.DEVNULL, preexec_fn=self.preexec)
        return self

    def start(self):
        """Starts it and waits until it says that it runs."""
        self.spawn()
        wait_for(self.is_running, what="the supervisor to run")
        if descriptors.can_be_judged(self.pid):
            self.files_at_boot = descriptors.files_of(self.pid)
        return self

    def is_running(self):
        if self.child.poll() is not None:
            raise AssertionError(f"supervisor ended with {self.child.returncode}:\n"
                                 f"{self.output()}{self.errors()}")
        if not os.path.exists(self.control):
            return False
        try:
            return self.supctl("status")["supervisor"]["state"] == "running"
        except SupctlError:
            return False

    def is_up(self):
        return self.child is not None and self.child.poll() is None

    @property
    def pid(self):
        return self.child.pid

    def wait(self, timeout=60):
        """Waits for the end; returns the exit status (negative: the signal)."""
        return self.child.wait(timeout)

    def stop(self, sig=signal.SIGTERM, timeout=60):
        if self.is_up():
            self.child.send_signal(sig)
        return self.wait(timeout)

    def expect_code(self, code):
        """What the supervisor shall end with instead of 0."""
        self.expected_code = code

    def allow(self, *patterns):
        """Log records of level warn or error that this test brings about."""
        self.allowed += [re.compile(pattern) for pattern in patterns]

    def check_end(self):
        """Stops what runs and looks for what it left behind."""
        if self.child is None:
            return
        if self.is_up():
            descriptors.check(self.pid, self.control, self.files_at_boot)
        workers = self.workers() if self.is_up() else []
        try:
            code = self.stop()
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise AssertionError("the supervisor doesn't stop:\n" + self.output()) from None
        assert code == self.expected_code, f"exit status {code}\n{self.output()}{self.errors()}"
        wait_for(lambda: not any(is_alive(pid) for pid in workers),
                 what=f"the end of {workers}")
        assert not os.path.exists(self.control), "the control socket is still there"
        assert self.errors() == "", f"on stderr:\n{self.errors()}"
        bad = self.unexpected_records()
        assert not bad, "unexpected in the log:\n" + "\n".join(map(str, bad))

    def kill_remains(self):
        """After a failed test: so that the next one starts on an empty table."""
        if self.child is None:
            return
        for pid in [*self.workers(), self.child.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.child.poll() is None:
            self.child.wait()

    # ---- what it writes

    def output(self):
        with open(self.out_path, errors="replace") as file:
            return file.read()

    def errors(self):
        with open(self.err_path, errors="replace") as file:
            return LEAK_CHECK_CUT_OFF.sub("", file.read())

    def records(self):
        """Log records so far."""
        records = []
        for line in self.output().splitlines():
            if line.startswith("{"):
                try:
                    records.append(json.loads(line))
                except ValueError:
                    pass  # its end is not written yet
        return records

    def app_records(self):
        return [r for r in self.records() if r.get("logger") != "supervisor"]

    def wait_record(self, pattern, n=1, timeout=PATIENCE_S):
        """Waits until n records match; returns them."""
        def found():
            hits = [r for r in self.records() if re.search(pattern, json.dumps(r))]
            return hits if len(hits) >= n else None
        return wait_for(found, timeout, f"{n} log record(s) like {pattern!r}")

    def unexpected_records(self):
        return [r for r in self.records() if r.get("level") in ("warn", "error")
                and not any(p.search(json.dumps(r)) for p in self.allowed)]

    # ---- supctl

    def run_supctl(self, *args, timeout=60, stdin=None):
        """Runs supctl as typed; returns the completed process."""
        return run(SUPCTL, *args, "--control", self.control, timeout=timeout, stdin=stdin)

    def supctl(self, *args, timeout=60):
        """Runs supctl --json; returns what it printed, or raises SupctlError."""
        done = self.run_supctl("--json", *args, timeout=timeout)
        if done.returncode != OK:
            raise SupctlError(done.returncode, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def call(self, target, *args, timeout=None):
        """Calls a function with values; returns its result or raises SupctlError."""
        options = ["--timeout", stretched(timeout)] if timeout else []
        return self.supctl("call", *options, target, *map(json.dumps, args),
                           timeout=max(60, seconds_of(timeout) + PATIENCE_S))

    def failure(self, target, *args, timeout=None):
        """The error of a call that has to fail."""
        try:
            got = self.call(target, *args, timeout=timeout)
        except SupctlError as error:
            return error
        raise AssertionError(f"{target} didn't fail: {got}")

    def try_call(self, target, *args, timeout=None):
        """The result of a call, or None when it fails."""
        try:
            return self.call(target, *args, timeout=timeout)
        except SupctlError:
            return None

    def call_in_background(self, target, *args, timeout=None):
        """The same as a child process: .communicate(), .returncode."""
        options = ["--timeout", stretched(timeout)] if timeout else []
        return Child(
            [SUPCTL, "--json", "call", *options, target, *map(json.dumps, args),
             "--control", self.control],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def service(self, name):
        for row in self.supctl("services"):
            if row["id"] == name:
                return row
        raise AssertionError(f"no service {name}")

    def wait_service(self, name, state, timeout=PATIENCE_S):
        return wait_for(lambda: (row := self.service(name))["state"] == state and row,
                        timeout, f"{name} to be {state}")

    def pool(self, name):
        for row in self.supctl("pools"):
            if row["entry"] == name:
                return row
        raise AssertionError(f"no pool {name}")

    def wait_busy(self, name, n=1):
        """Waits until n calls of a pool run."""
        wait_for(lambda: self.pool(name)["n_busy"] >= n, what=f"{n} call(s) of {name} to run")

    def wait_idle(self, name):
        """Waits until no call of a pool runs."""
        wait_for(lambda: self.pool(name)["n_busy"] == 0, what=f"{name} to be idle")

    def wait_queued(self, name, n=1):
        """Waits until n calls of a pool have to wait for a slot."""
        wait_for(lambda: self.pool(name)["n_queued"] >= n,
                 what=f"{n} call(s) of {name} in the queue")

    def release(self, name, *calls):
        """Lets whatever of a function is held go on, until those calls are over."""
        def are_over():
            for row in self.actors(name):
                self.run_supctl("send", row["pid"], "go")  # it may have ended meanwhile
            return all(call.poll() is not None for call in calls)
        wait_for(are_over, what=f"the end of the calls of {name}")

    def actors(self, source=None):
        return [row for row in self.supctl("ps")
                if source is None or row["source"] == source]

    # ---- processes

    def workers(self, entry=None):
        """Pids of the worker processes, of all entries or of one."""
        return [pid for pid in children_of(self.child.pid)
                if entry is None or command_line(pid)[2:3] == [entry]]

    def wait_worker(self, entry, n=1):
        """Waits until n worker processes of entry are ready; returns their pids."""
        def ready():
            pids = [row["os_pid"] for row in self.supctl("workers")
                    if row["pool"] == entry and row["state"] == "ready"]
            return pids if len(pids) >= n else None
        return wait_for(ready, what=f"{n} workers of {entry}")

    def kill_worker(self, entry, sig=signal.SIGKILL):
        """Kills one worker process of entry and waits until it is reaped."""
        pid = self.wait_worker(entry)[0]
        os.kill(pid, sig)
        if sig == signal.SIGKILL:
            wait_for(lambda: process_state(pid) is None, what=f"{pid} to be reaped")
        return pid


def seconds_of(timeout):
    """Of a call's timeout in whole seconds; 0 for others."""
    seconds = re.fullmatch(r"(\d+)s", timeout or "")
    return int(seconds.group(1)) if seconds else 0


def stretched(timeout):
    """A call's timeout with the patience of all others; those below 1 s are to pass."""
    seconds = seconds_of(timeout)
    return f"{seconds * SLOW_BY}s" if seconds else timeout


def call_frame(target, args=b"\x00\x90", number=1):
    """A CALL as bytes, of a payload that is encoded already."""
    body = b"\xcf%s\xcf%s\xcf%s\xda%s%s\xc6%s\xc6%s%s" % (
        number.to_bytes(8, "big"), bytes(8), bytes(8), len(target).to_bytes(2, "big"),
        target, bytes(4), bytes(4), args)
    return b"\xc9%s\x10%s" % (len(body).to_bytes(4, "big"), body)


def cpu_ms(pid):
    """The processor time that a process has used, whatever else the machine did."""
    return time.clock_gettime_ns((~pid << 3) | 2) / 1e6


def ping_cost_ms(one, n=15):
    """What the supervisor does between a ping and its answer, in processor time: how long
    a client waits on a machine that has nothing else to do. The lower quartile of n, as
    we may be late ourselves."""
    frame = call_frame(b"@system.ping")
    costs = []
    with connect(one.control) as peer:
        for _ in range(n):
            before = cpu_ms(one.pid)
            peer.sendall(frame)
            assert peer.recv(65536)
            costs.append(cpu_ms(one.pid) - before)
    return sorted(costs)[n // 4]


def lookalike(folder, worker):
    """A folder with our supervisor and another worker program beside it."""
    folder = os.path.join(str(folder), "bin")
    os.makedirs(folder)
    supervisor = os.path.join(folder, "supervisor")
    shutil.copy(SUPERVISOR, supervisor)
    if MEMCHECK_LOGS:  # that was a stand-in; the worker belongs beside the real one
        real = os.path.join(os.path.dirname(SUPERVISOR), "real")
        folder = os.path.join(folder, "real")
        os.makedirs(folder)
        for program in "supervisor", "supctl":
            shutil.copy(os.path.join(real, program), folder)
        if worker == WORKER:  # a stand-in, too
            shutil.copytree(os.path.join(real, "real"), os.path.join(folder, "real"))
    target = os.path.join(folder, "worker")
    shutil.copy(worker, target)
    os.chmod(target, 0o755)
    return supervisor


def connect(path):
    """A raw connection to a control socket."""
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(PATIENCE_S * SLOW_BY)
    peer.connect(path)
    return peer
