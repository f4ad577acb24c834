"""The jail of workers (S1, S2), as the kernel tells of it."""

import pytest

import troupe
from troupe import function

APP = [function("hash", """local hash, time = require("hash"), require("time")
    return {main = function()
        return hash.sha256("x") .. tostring((time.load_location("Europe/Berlin")))
    end}""", modules=["hash", "time"])]
NEEDS_JAIL = pytest.mark.skipif(troupe.SANITIZED,
                                reason="a build for sanitizers confines nobody")


def state_of(pid, what):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        rows = dict(line.split(":", 1) for line in file)
    return rows[what].strip()


def use_late_files(one):
    """A library and a table that are read when an app first asks for them."""
    assert one.call("app:hash").endswith("Europe/Berlin")


@NEEDS_JAIL
def test_S1_workers_are_confined_before_any_app_code(boot):
    one = boot(APP)
    use_late_files(one)
    for pid in one.workers():
        assert state_of(pid, "Seccomp") == "2"
        assert state_of(pid, "NoNewPrivs") == "1"


@NEEDS_JAIL
def test_S2_strict_starts_where_all_parts_are_there(boot):
    one = boot(APP, start=False, args=["--set", "workers.confine=strict"])
    parts = {row["check"]: row["state"] for row in one.supctl("doctor")}
    if parts["landlock"] == "missing":
        one.allow("as safely as asked")
        one.expected_code = 69
        one.spawn()
        assert one.wait() == 69
    else:
        one.start()
        use_late_files(one)
        assert all(state_of(pid, "Seccomp") == "2" for pid in one.workers())


def test_confinement_may_be_off(boot):
    one = boot(APP, args=["--set", "workers.confine=off"])
    use_late_files(one)
    for pid in one.workers():
        assert state_of(pid, "Seccomp") == "0"
        assert state_of(pid, "NoNewPrivs") == "1"
