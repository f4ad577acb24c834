"""`supctl doctor`: what the machine lacks, and what that costs."""

import json
import os
import resource

import pytest

import troupe
from troupe import FAILED, OK, function

APP = [function("f", "return {main = function() end}")]


def doctor(control, *, preexec=None, **env):
    """Its rows by name, and its exit status."""
    done = troupe.run(troupe.SUPCTL, "--json", "doctor", "--control", control,
                      preexec_fn=preexec, env={**os.environ, **env})
    assert done.stderr == ""
    return {row["check"]: row for row in json.loads(done.stdout)}, done.returncode


def test_S2_doctor_knows_the_machine_and_how_workers_are_confined(boot):
    one = boot(APP)
    rows, code = doctor(one.control)
    serious = [row for row in rows.values() if row["verdict"] == "serious"]
    assert code == (FAILED if serious else OK)
    for row in rows.values():
        assert set(row) == {"check", "state", "verdict", "costs", "cure"}
        assert (row["verdict"] == "fine") == (row["costs"] == "") == (row["cure"] == "")
    assert {"kernel", "seccomp", "landlock", "namespaces", "cgroup v2", "/proc",
            "open files (hard limit)", "processes", "time zones", "locale", "state",
            "disk of the state", "supervisor", "confinement of workers",
            "confined: system calls", "confined: user"} <= set(rows)
    assert rows["state"]["state"] == one.state
    is_on = rows["confined: system calls"]["state"].startswith("yes")
    assert is_on == (not troupe.SANITIZED)
    assert one.run_supctl("doctor").stdout.startswith("CHECK")


def test_S2_doctor_says_when_nobody_is_confined(boot):
    one = boot(APP, args=["--set", "workers.confine=off"])
    rows, _ = doctor(one.control)
    assert rows["confinement of workers"]["state"] == "off"
    assert rows["confinement of workers"]["verdict"] == "lack"
    assert rows["confined: landlock"]["verdict"] == "lack"
    text = one.run_supctl("doctor").stdout
    assert "  to do: workers.confine: on\n" in text


def test_doctor_works_without_a_supervisor(tmp_path):
    rows, code = doctor(str(tmp_path / "none.sock"))
    assert code == OK or "serious" in {row["verdict"] for row in rows.values()}
    assert rows["supervisor"]["state"] == "not reached"
    assert "confinement of workers" not in rows


@troupe.not_under_valgrind("keeps some descriptors for itself")
def test_doctor_ends_with_1_when_something_is_seriously_lacking(tmp_path):
    def few_files():
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))

    rows, code = doctor(str(tmp_path / "none.sock"), preexec=few_files)
    assert code == FAILED
    row = rows["open files (hard limit)"]
    assert row["state"] == "100" and row["verdict"] == "serious"
    assert "ulimit" in row["cure"]


@troupe.not_under_valgrind("keeps some descriptors for itself")
def test_doctor_sees_what_the_supervisor_has_left_of_its_descriptors(boot):
    one = boot(APP)
    about = one.supctl("status")["supervisor"]
    rows, _ = doctor(one.control)
    row = rows["open files of the supervisor"]
    assert row["state"].endswith(f" of {about['max_fds']} in use")
    few = about["n_fds"] + 12
    resource.prlimit(one.pid, resource.RLIMIT_NOFILE, (few, about["max_fds"]))
    rows, code = doctor(one.control)
    row = rows["open files of the supervisor"]
    assert code == FAILED and row["verdict"] == "serious"
    assert row["state"].endswith(f" of {few} in use") and "LimitNOFILE" in row["cure"]
    assert f"troupe_max_fds {few}\n" in one.run_supctl("metrics").stdout


def test_doctor_sees_a_locale_that_is_not_there(tmp_path):
    rows, _ = doctor(str(tmp_path / "none.sock"), LC_ALL="xx_XX.UTF-8")
    assert rows["locale"]["verdict"] == "lack"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_doctor_sees_a_state_folder_of_somebody_else():
    try:
        rows, code = doctor("/none.sock", preexec=troupe.become_nobody, XDG_STATE_HOME="/")
    except PermissionError:
        pytest.skip("the build is in a folder that others may not enter")
    assert code == FAILED and rows["state"]["verdict"] == "serious"
