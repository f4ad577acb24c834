"""Processes on a terminal host: stdin, stdout, raw mode, exit status (TH, IO)."""

import os
import pty
import select
import signal
import subprocess
import termios
import time

import pytest

import troupe

LINES = """
local io = require("io")
local function main(...)
    io.print("args", table.concat({...}, " "), #io.args(), io.args()[2])
    for i = 1, 5 do
        local line, err = io.readline()
        io.print(i, line, err and tostring(err) or "-")
        if not line then break end
    end
    return 7
end
return {main = main}
"""

ASK = """
local io = require("io")
return {main = function()
    io.write("name? ")
    io.print("hello", (io.readline()))
end}
"""

BIG = """
local io = require("io")
return {main = function()
    for i = 1, 200 do io.write(("%07d\\n"):format(i):rep(1000)) end
end}
"""

PIPED = """
local io, time = require("io"), require("time")
return {main = function()
    coroutine.spawn(function()
        for i = 1, 4 do time.sleep("1ms") end
        io.print("four ticks")
    end)
    io.print("ready")
    io.print((io.readline()))
end}
"""

RAW = """
local io = require("io")
return {main = function(how)
    assert(io.raw(true))
    io.write("raw\\r\\n")
    if how == "fail" then error("lost") end
    if how == "wait" then return process.events():receive() end
    local key = io.read(1)
    io.write("key ", string.byte(key), "\\r\\n")
end}
"""

ELSEWHERE = """
local io = require("io")
return {main = function()
    local _, err = io.write("x")
    local _, err2 = io.readline()
    return {err:kind(), tostring(err), tostring(err2), #io.args()}
end}
"""


def app():
    return [troupe.terminal(), troupe.host(),
            *(troupe.process(name, source, modules=["io", "time"]) for name, source in (
                ("lines", LINES), ("ask", ASK), ("big", BIG), ("piped", PIPED),
                ("raw", RAW), ("elsewhere", ELSEWHERE))),
            troupe.function("from_outside", "return {main = function()"
                            " return process.exec('app:elsewhere', 'app:host') end}")]


@pytest.fixture
def run(tmp_path):
    """run(name, *args, **popen) starts `supervisor run -x app:NAME`."""
    children = []
    troupe.write_app(tmp_path, app())

    def start(name, *args, **options):
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE,
                   "stderr": subprocess.PIPE, **options}
        child = troupe.Child(
            [troupe.SUPERVISOR, "run", "--state", str(tmp_path / "state"),
             "--control", str(tmp_path / "control"), "-x", "app:" + name, *args],
            cwd=tmp_path, **options)
        children.append(child)
        return child

    yield start
    for child in children:
        if child.poll() is None:
            child.kill()
        child.wait()


def end(child, text=b""):
    out, err = child.communicate(text, timeout=troupe.PATIENCE_S)
    return child.returncode, out.decode(), err.decode()


def test_every_piped_line_arrives(run):
    code, out, err = end(run("lines", "a", "b"), b"one\r\n\ntwo\nlast")
    assert err == ""
    assert out == ("args\ta b\t2\tb\n1\tone\t-\n2\t\t-\n3\ttwo\t-\n4\tlast\t-\n"
                   "5\tnil\tEOF\n")
    assert code == 7


def test_end_of_input_at_once(run):
    code, out, _ = end(run("lines", "a", "b", stdin=subprocess.DEVNULL))
    assert out == "args\ta b\t2\tb\n1\tnil\tEOF\n"
    assert code == 7


def read_until(fd, text, timeout=troupe.PATIENCE_S):
    got, deadline = b"", time.monotonic() + timeout
    while text not in got:
        left = deadline - time.monotonic()
        assert left > 0 and select.select([fd], [], [], left)[0], got
        data = os.read(fd, 65536)
        assert data, got
        got += data
    return got


def test_a_prompt_is_seen_before_the_answer(run):
    child = run("ask")
    assert read_until(child.stdout.fileno(), b"name? ") == b"name? "
    assert end(child, b"Ada\n")[:2] == (0, "hello\tAda\n")


def test_waiting_for_input_stops_nobody(run):
    child = run("piped")
    assert read_until(child.stdout.fileno(), b"ticks\n") == b"ready\nfour ticks\n"
    assert end(child, b"x\n")[:2] == (0, "x\n")


def test_no_output_is_lost_on_a_slow_reader(run):
    child = run("big")
    want = b"".join(b"%07d\n" % i * 1000 for i in range(1, 201))
    time.sleep(0.1)  # let the pipe fill; the result is the same without
    assert child.stdout.read() == want
    assert end(child)[0] == 0


def test_output_that_nobody_reads_ends_the_process_not_the_runtime(run):
    child = run("big")
    child.stdout.close()
    assert child.wait(troupe.PATIENCE_S) == 0


@pytest.fixture
def tty():
    master, slave = pty.openpty()
    yield master, slave
    os.close(master)
    os.close(slave)


def is_raw(fd):
    return not termios.tcgetattr(fd)[3] & termios.ICANON


@pytest.mark.parametrize("how,code", [("read", 0), ("fail", 1)])
def test_raw_mode_ends_with_the_process(run, tty, how, code):
    master, slave = tty
    before = termios.tcgetattr(slave)
    child = run("raw", how, stdin=slave, stdout=slave)
    read_until(master, b"raw\r\n")
    if how == "read":
        assert is_raw(slave)
        os.write(master, b"\x03")  # a key like any other in raw mode
        read_until(master, b"key 3\r\n")
    assert child.wait(troupe.PATIENCE_S) == code
    assert termios.tcgetattr(slave) == before


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_the_end_of_all_leaves_the_terminal_as_it_was(run, tty, how):
    master, slave = tty
    before = termios.tcgetattr(slave)
    child = run("raw", "wait", stdin=slave, stdout=slave)
    read_until(master, b"raw\r\n")
    assert is_raw(slave)
    if how == "killed":
        for pid in troupe.children_of(child.pid):
            if "terminal" in troupe.command_line(pid):
                os.kill(pid, signal.SIGKILL)
    else:
        child.send_signal(signal.SIGTERM)
    assert child.wait(troupe.PATIENCE_S) == (1 if how == "killed" else 0)
    assert termios.tcgetattr(slave) == before


def test_io_elsewhere(boot):
    running = boot(app())
    assert running.call("app:from_outside") == [
        "Unavailable", "no terminal context", "no terminal context", 0]
