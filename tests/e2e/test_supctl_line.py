"""The command line of supctl itself: what is wrong in it, whom it finds, who reads it."""

import json
import os
import re
import shutil
import signal
import subprocess
from shlex import quote

import pytest

import troupe
from troupe import (ECHO, FAILED, OK, POLITE, UNREACHABLE, USAGE, function, host, process,
                    service)


@pytest.fixture(scope="module")
def running(boot_shared):
    return boot_shared([function("echo", ECHO)])


@pytest.mark.parametrize("args, hint", [
    ([], "usage: supctl"),
    (["statsu"], "did you mean 'status'"),
    (["registry", "lits"], "did you mean 'registry list'"),
    (["registry"], "'registry' wants to know what; 'supctl help registry' says"),
    (["logs", "-fx"], "unknown option '-x'"),
    (["status", "--jsno"], "did you mean '--json'"),
    (["start"], "usage: supctl start NS:ENTRY"),
    (["start", "a", "b"], "usage: supctl start NS:ENTRY"),
    (["registry", "rollback"], "See 'supctl help registry rollback'"),
    (["start", "app:one", "--now"], "takes no --now"),
    (["call", "app:echo", "--timeout"], "--timeout needs a value"),
    (["call", "app:echo", "--timeout", "soon"], "invalid duration"),
    (["status", "--json=1"], "takes no value"),
    (["queue"], "not in this build"),
    (["help", "nonsense"], "no such command"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_usage_errors(args, hint):
    done = troupe.run(troupe.SUPCTL, *args)
    assert done.returncode == USAGE
    assert hint in done.stderr + done.stdout
    assert args == [] or done.stdout == ""


def test_every_command_has_help():
    text = subprocess.run([troupe.SUPCTL, "help"], capture_output=True, text=True,
                          check=True).stdout
    rows = re.findall(r"^  ([a-z][a-z-]*)", text.split("Options:")[0], re.M)
    assert len(rows) > 20
    for name in sorted(set(rows)):
        for args in (["help", name], [name, "--help"]):
            done = troupe.run(troupe.SUPCTL, *args)
            assert done.returncode == OK and "usage" in done.stdout, args


def test_unreachable(tmp_path):
    for args in (["status"], ["--json", "ping"], ["is-running", "a:b"], ["stop"],
                 ["call", "a:b"], ["logs", "-f"]):
        done = troupe.run(troupe.SUPCTL, *args, "--control", tmp_path / "none")
        assert (done.returncode, done.stdout) == (UNREACHABLE, ""), args
        assert "no supervisor answers at" in done.stderr


def test_it_finds_the_one_that_runs(boot, tmp_path):
    """By itself, or says which there are. Root's sockets are in /run/troupe, which is not
    ours to use: so this is about somebody else's."""
    supervisor = troupe.lookalike(tmp_path, troupe.WORKER)
    supctl = shutil.copy(troupe.SUPCTL, os.path.dirname(supervisor))
    folder = tmp_path / "run" / "troupe"
    folder.mkdir(0o700, parents=True)
    prefix = troupe.AS_NOBODY if os.geteuid() == 0 else []
    env = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    env.pop("TROUPE_CONTROL", None)

    def ping():
        return troupe.run(*prefix, supctl, "ping", "--json", env=env)

    ones = []
    for name in "one", "two":
        one = boot([function("f", ECHO)], start=False, env=env, prefix=prefix,
                   supervisor=supervisor)
        one.control = str(folder / f"{name}.sock")
        ones.append(one)
    if prefix:
        for path in tmp_path, folder, *(one.folder for one in ones):
            for below, _, _ in os.walk(path):
                os.chown(below, troupe.NOBODY, troupe.NOBODY)
        troupe.open_to_all(os.path.dirname(supervisor))
    ones[0].start()
    assert json.loads(ping().stdout)["pid"] == ones[0].pid
    ones[1].start()
    done = ping()
    assert (done.returncode, done.stdout) == (UNREACHABLE, "")
    assert f"{folder}/one.sock" in done.stderr and f"{folder}/two.sock" in done.stderr


def test_control_from_the_environment(running):
    done = troupe.run(troupe.SUPCTL, "--json", "ping",
                      env={**os.environ, "TROUPE_CONTROL": running.control})
    assert json.loads(done.stdout)["pid"] == running.pid


def test_reader_that_has_enough_ends_it_without_a_word(running):
    done = subprocess.run(f"{quote(troupe.SUPCTL)} registry list --control {quote(running.control)} "
                          "| true; exit ${PIPESTATUS[0]}", shell=True, check=False,
                          executable="/bin/bash", capture_output=True, text=True)
    assert done.stderr == ""
    assert done.returncode in (OK, 128 + signal.SIGPIPE)


@pytest.mark.parametrize("words", [["status"], ["logs", "-f"], ["help"]], ids=" ".join)
def test_full_disk_is_no_success(running, words):
    with open("/dev/full", "w") as full:
        done = subprocess.run([troupe.SUPCTL, *words, "--control", running.control],
                              stdout=full, stderr=subprocess.PIPE, text=True, check=False,
                              timeout=60)
    assert (done.returncode, done.stderr) == (
        FAILED, "supctl: can't write all of the answer: No space left on device\n")


@pytest.mark.parametrize("args", [[], ["--now"], ["--no-wait"]], ids=" ".join)
def test_stop_ends_the_supervisor(boot, args):
    running = boot([host(), process("p", POLITE), service("s", "app:p")])
    assert running.run_supctl("stop", *args).returncode == OK
    assert running.wait() == OK
    assert running.run_supctl("status").returncode == UNREACHABLE
