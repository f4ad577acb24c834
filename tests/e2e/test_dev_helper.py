"""`./dev`, on machines that lack something. Nothing is built or installed here: the
programs that would do it are stand-ins."""

import os
import re
import shutil

import pytest

import troupe

DEV = os.path.join(troupe.ROOT, "dev")
TOOLS = ["bash", "env", "dirname", "readlink", "nproc", "sort", "sed", "comm", "tr", "grep"]


class Machine:
    """A folder that is the whole PATH."""

    def __init__(self, folder):
        self.folder = folder
        for name in TOOLS:
            (folder / name).symlink_to(shutil.which(name))

    def add(self, name, script):
        path = self.folder / name
        path.write_text("#!/usr/bin/env bash\n" + script)
        path.chmod(0o755)

    def dev(self, *args):
        return troupe.run(os.path.join(self.folder, "bash"), DEV, *args, cwd="/",
                          env={"PATH": str(self.folder)})


@pytest.fixture(name="machine")
def make_machine(tmp_path):
    folder = tmp_path / "a path with blanks"
    folder.mkdir()
    machine = Machine(folder)
    machine.add("dpkg-query", "echo 'gcc installed'; exit 1\n")
    machine.add("id", "echo 1000\n")
    return machine


def test_who_may_install_nothing_is_told_what_to_ask_for(machine):
    done = machine.dev("build")
    assert (done.returncode, done.stdout) == (1, "")
    told, = done.stderr.splitlines()
    assert told.startswith("dev: missing packages and no sudo; as root: apt-get install ")
    names = told.split("install ")[1].split()
    assert "libev-dev" in names and "gcc" not in names and "valgrind" not in names


@pytest.mark.parametrize("user", ["root", "sudo"])
def test_without_a_network_what_is_missing_is_told(machine, user):
    machine.add("apt-get", "echo 'E: no network' >&2; exit 100\n")
    if user == "root":
        machine.add("id", "echo 0\n")
    else:
        machine.add("sudo", 'exec "$@"\n')
    done = machine.dev("test")
    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    assert lines[0].startswith("Installing with apt: ") and "libev-dev" in lines[0]
    assert "apt-get update failed; trying with the lists that are there." in lines
    assert re.match(r"dev: these packages are missing, and apt can't install them: "
                    r".*\blibev-dev\b.*\bpython3-pytest\b", lines[-1])


def test_elsewhere_than_on_debian_the_list_is_named(machine):
    (machine.folder / "dpkg-query").unlink()
    machine.add("clang-format-14", "exit 0\n")
    machine.add("xargs", "exit 0\n")
    machine.add("git", "exit 0\n")
    done = machine.dev("fmt")
    assert (done.returncode, done.stderr) == (
        0, "Not Debian: what is needed is listed in config/packages.txt.\n")


@pytest.mark.parametrize("args, line", [
    (["test", "--fast"], "dev: 'test' takes no argument: '--fast'"),
    (["biuld"], "dev: unknown command 'biuld'"),
])
def test_dev_does_nothing_that_was_not_asked_for(args, line):
    done = troupe.run(DEV, *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == line


def test_dev_help_has_every_command():
    done = troupe.run(DEV, "help")
    with open(DEV, encoding="utf-8") as file:
        commands = re.findall(r"^cmd_(\w+)\(\)", file.read(), re.M)
    assert done.returncode == 0 and len(commands) > 10
    assert re.findall(r"^  (\w+) +\S", done.stdout, re.M) == commands
