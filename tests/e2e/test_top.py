"""supctl top, through a terminal that is a pty with a screen in memory."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

import troupe
from troupe import IDLE, function, host, process, service, wait_for

pyte = pytest.importorskip("pyte")

APP = [
    host(),
    function("alpha", "return {main = function(x) return x end}"),
    function("beta", "return {main = function(x) return x end}",
             pool={"type": "static", "size": 2}),
    process("idle", IDLE),
    service("idle.service", "app:idle"),
]


class Terminal:
    """A pty with supctl in it, and what one would see."""

    def __init__(self, one, columns=80, lines=24, args=("top",), term="xterm-256color"):
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.master, slave = pty.openpty()
        self.slave = slave  # kept open: so what is written last can still be read
        self.resize(columns, lines)
        self.before = termios.tcgetattr(slave)
        self.child = troupe.Child(
            [troupe.SUPCTL, *args, "--control", one.control], stdin=slave, stdout=slave,
            stderr=slave, env={**os.environ, "TERM": term, "LC_ALL": "C.UTF-8"},
            preexec_fn=self.take_terminal)

    def take_terminal(self):
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def resize(self, columns, lines):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ,
                    struct.pack("HHHH", lines, columns, 0, 0))
        self.screen.resize(lines, columns)

    def read(self):
        while select.select([self.master], [], [], 0)[0]:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            self.raw += data
            self.stream.feed(data)

    def lines(self):
        self.read()
        return [line.rstrip() for line in self.screen.display]

    def wait_for(self, *texts):
        def there():
            lines = self.lines()
            return lines if all(any(text in line for line in lines)
                                for text in texts) else None
        try:
            return wait_for(there)
        except AssertionError:
            raise AssertionError(f"no {texts} in\n" + "\n".join(self.lines())) from None

    def press(self, keys):
        os.write(self.master, keys.encode())

    def end(self, timeout=30):
        """Waits for supctl's end; everything it wrote has been read then."""
        deadline = time.monotonic() + timeout
        while self.child.poll() is None:
            self.read()
            assert time.monotonic() < deadline, "supctl top doesn't end"
            time.sleep(troupe.POLL_S)
        self.read()
        return self.child.returncode

    def check_restored(self):
        """The terminal is as it was: its modes, the first screen, a visible cursor."""
        assert termios.tcgetattr(self.slave) == self.before
        assert self.raw.rfind(b"\x1b[?1049l") > self.raw.rfind(b"\x1b[?1049h")
        assert self.raw.rfind(b"\x1b[?25l") < max(self.raw.rfind(b"\x1b[?25h"),
                                                  self.raw.rfind(b"\x1b[34h"))

    def close(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture(scope="module")
def running(boot_shared):
    return boot_shared(APP)


@pytest.fixture
def terminal(running):
    made = []

    def make(one=running, **options):
        made.append(Terminal(one, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def names(lines):
    """The first column of the table."""
    return [line.split()[0] for line in lines[4:-1] if line.startswith("app:")]


def test_top_fits_80_by_24_and_says_which_keys(terminal, running):
    top = terminal()
    lines = top.wait_for("POOL", "app:alpha", "app:beta", "app:host", "q quit")
    assert str(running.pid) in lines[0] and "running for" in lines[0]
    assert re.search(r"workers \d+ in .* actors \d+ .* calls \d+/s", lines[1])
    assert lines[3].split() == ["POOL", "PROCS", "BUSY", "QUEUED", "ACTORS", "RATE/S",
                                "P50", "P99", "DEATHS"]
    assert lines[23].startswith("pools | p pools  t times  w workers  s services")
    assert len(top.screen.display) == 24
    top.press("q")
    assert top.end() == 0
    top.check_restored()


def test_top_has_four_views(terminal):
    top = terminal()
    top.wait_for("POOL", "q quit")
    top.press("t")
    lines = top.wait_for("times |", "P99.9", "app:alpha")
    assert lines[3].split() == ["POOL", "RATE/S", "P50", "P99", "P99.9", "Q", "P50", "Q",
                                "P99", "Q", "P99.9"]
    top.press("w")
    top.wait_for("WORKER", "MEMORY", "workers |", "app:host")
    top.press("s")
    top.wait_for("SERVICE", "app:idle.service", "running", "services |")
    top.press("\t")
    top.wait_for("QUEUED", "pools |")
    top.press("q")
    assert top.end() == 0


def test_top_sorts_by_any_column(terminal):
    top = terminal()
    top.wait_for("app:alpha", "q quit")
    top.press("<" * 5)  # from the rate to the name
    wait_for(lambda: names(top.lines()) == ["app:alpha", "app:beta", "app:host"])
    top.press("r")
    wait_for(lambda: names(top.lines()) == ["app:host", "app:beta", "app:alpha"])
    top.press("r")
    top.press(">" * 4)  # actors: the host has one
    wait_for(lambda: names(top.lines())[0] == "app:host")
    top.press("j")
    wait_for(lambda: len(names(top.lines())) == 2)
    top.press("kkk")
    wait_for(lambda: len(names(top.lines())) == 3)


def test_top_follows_what_happens(terminal, running):
    top = terminal()
    top.wait_for("app:alpha")
    for _ in range(20):
        running.call("app:beta", 1)
    wait_for(lambda: [line for line in top.lines() if line.startswith("app:beta")
                      and re.search(r"\d(us|ms)\b", line)])


@pytest.mark.parametrize("columns,lines", [(120, 40), (50, 10), (20, 4), (8, 2)])
def test_top_takes_any_size(terminal, columns, lines):
    top = terminal()
    top.wait_for("POOL", "q quit")
    top.resize(columns, lines)
    if lines > 5:
        wait_for(lambda: "pools |" in top.lines()[-1])
        top.wait_for("POOL", "app:alpha")
    top.resize(80, 24)
    top.wait_for("POOL", "app:alpha", "q quit")
    top.press("q")
    assert top.end() == 0
    top.check_restored()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP,
                                    signal.SIGQUIT])
def test_top_gives_the_terminal_back_on_signals(terminal, number):
    top = terminal()
    top.wait_for("POOL", "q quit")
    top.child.send_signal(number)
    assert top.end() == -number
    top.check_restored()


def test_top_ends_with_control_c(terminal):
    top = terminal()
    top.wait_for("POOL", "q quit")
    top.press("\x03")
    assert top.end() == -signal.SIGINT
    top.check_restored()


def test_top_gives_the_terminal_back_when_the_supervisor_ends(boot, terminal):
    one = boot(APP)
    top = terminal(one)
    top.wait_for("POOL", "q quit")
    one.stop()
    assert top.end() == troupe.UNREACHABLE
    top.check_restored()
    assert b"supctl: " in top.raw[top.raw.rfind(b"\x1b[?1049l"):]


def test_top_waits_for_a_supervisor_that_is_slow(boot, terminal):
    one = boot(APP)
    top = terminal(one)
    top.wait_for("POOL", "q quit")
    os.kill(one.pid, signal.SIGSTOP)
    try:
        top.wait_for("figures are old")
    finally:
        os.kill(one.pid, signal.SIGCONT)
    wait_for(lambda: not any("figures are old" in line for line in top.lines()))
    top.press("q")
    assert top.end() == 0


def test_top_with_a_terminal_that_nobody_knows(terminal):
    top = terminal(term="nonsense")
    assert top.end() == troupe.FAILED
    assert b"top can't use a terminal of type 'nonsense'" in top.raw
    assert termios.tcgetattr(top.slave) == top.before


@pytest.mark.parametrize("args", [[], ["--json"]])
def test_top_without_a_terminal(running, args):
    done = running.run_supctl("top", *args, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (troupe.USAGE, "")
    assert "top needs a terminal" in done.stderr


def test_top_without_a_supervisor(boot, terminal):
    one = boot(APP, start=False)
    top = terminal(one)
    assert top.end() == troupe.UNREACHABLE
    assert b"\x1b[?1049h" not in top.raw
