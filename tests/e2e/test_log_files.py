"""Where log lines go, and what it costs when nobody takes them: lines, never time."""

import json
import os
import re
import resource
import signal
import subprocess

import troupe
from troupe import ECHO, OK, ONE, function, wait_for

WRITER = """
local logger = require("logger")
return {main = function(from, to)
    for i = from, to do
        logger:info("line " .. i, {n = i, text = ("x"):rep(200)})
    end
end}
"""


def lines_in(*paths):
    numbers = []
    for path in paths:
        with open(path) as file:
            for line in file.read().splitlines():
                record = json.loads(line)  # no line is torn
                if record["msg"].startswith("line "):
                    numbers.append(record["n"])
    return numbers


def ping_ms(running):
    """How long the supervisor takes for an answer, without the start of a program."""
    text = running.run_supctl("ping").stdout
    return float(re.search(r"in ([\d.]+) ms", text).group(1))


def test_complaint7_rotation_loses_and_tears_no_line(boot, tmp_path):
    log = str(tmp_path / "log")
    running = boot([function("write", WRITER, modules=["logger"],
                             pool=ONE)],
                   args=["--set", f"logger.file={log}"])
    calls = [running.call_in_background("app:write", 1, 3000)]
    paths = []
    for i in range(20):
        paths.append(f"{log}.{i}")
        os.rename(log, paths[-1])
        running.child.send_signal(signal.SIGUSR1)
        wait_for(lambda: os.path.exists(log), what="the new log file")
    for call in calls:
        assert call.wait(60) == OK
        call.communicate()
    wait_for(lambda: lines_in(*paths, log)[-1] == 3000)
    assert lines_in(*paths, log) == list(range(1, 3001))


def test_complaint7_dev_stdout_is_a_log_file(boot):
    running = boot([function("echo", ECHO)], args=["--set", "logger.file=/dev/stdout"])
    running.wait_record('"started"')


def test_complaint7_a_reader_that_stops_costs_lines_never_time(boot):
    """Standard output is a pipe that nobody reads any more."""
    reader, writer = os.pipe()
    running = boot([function("write", WRITER, modules=["logger"])], start=False)
    with open(running.err_path, "ab") as err:
        running.child = troupe.Child(running.argv(), cwd=running.cwd,
                                         env=running.env, stdin=subprocess.DEVNULL,
                                         stdout=writer, stderr=err)
    os.close(writer)
    open(running.out_path, "ab").close()
    wait_for(running.is_running)
    running.call("app:write", 1, 2000)  # much more than a pipe holds
    wait_for(lambda: ping_ms(running) < 1000)
    os.close(reader)  # and now nobody can ever read it
    running.call("app:write", 1, 100)
    assert running.is_up()


def test_a_limit_of_file_sizes_costs_log_lines_and_no_more(boot):
    one = boot([function("says", """return {main = function(n)
        for i = 1, n do print(("x"):rep(100)) end return n end}""",
                         pool=ONE)])
    # Not before: tables that workers share are files as well, and bigger ones.
    limit = os.path.getsize(one.out_path) + 500
    resource.prlimit(one.pid, resource.RLIMIT_FSIZE, (limit, limit))
    assert one.call("app:says", 20) == 20
    wait_for(lambda: os.path.getsize(one.out_path) == limit, what="the log to be full")
    assert one.call("app:says", 20) == 20
    assert one.stop() == troupe.OK


def test_full_standard_output_is_no_reason_to_end(boot):
    running = boot([function("write", WRITER, modules=["logger"])], start=False)
    with open("/dev/full", "wb") as full, open(running.err_path, "ab") as err:
        running.child = troupe.Child(running.argv(), cwd=running.cwd,
                                         env=running.env, stdout=full, stderr=err)
    open(running.out_path, "ab").close()
    wait_for(running.is_running)
    running.call("app:write", 1, 100)
    assert running.is_up()


def close_standard_descriptors():
    for fd in (0, 1, 2):
        os.close(fd)


def test_closed_standard_descriptors_are_nobody_elses(boot):
    """What is opened first must not become standard output by accident."""
    running = boot([function("write", WRITER, modules=["logger"])],
                   preexec=close_standard_descriptors)
    running.call("app:write", 1, 50)
    assert running.call("app:write", 1, 1) is None
    for fd in (0, 1, 2):
        assert os.readlink(f"/proc/{running.pid}/fd/{fd}") == "/dev/null"
    pid = running.wait_worker("app:write")[0]
    links = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1)}
    assert links == {"/dev/null"}
