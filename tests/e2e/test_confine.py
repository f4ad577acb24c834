"""The jail of workers (S1, S2), as the kernel tells of it."""

import os
import shutil
import tempfile

import pytest

import troupe
from troupe import NEEDS_ROOT, function, host, process, wait_for

APP = [function("hash", """local hash, time = require("hash"), require("time")
    return {main = function()
        return hash.sha256("x") .. tostring((time.load_location("Europe/Berlin")))
    end}""", modules=["hash", "time"])]
NEEDS_JAIL = pytest.mark.skipif(troupe.SANITIZED,
                                reason="a build for sanitizers confines nobody")
NO_CAPABILITIES = "0" * 16


def state_of(pid, what):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        rows = dict(line.split(":", 1) for line in file)
    return rows[what].strip()


def limit_of(pid, what):
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        return [line.split()[-3] for line in file if line.startswith(what)][0]


def namespace_of(pid, what):
    return os.readlink(f"/proc/{pid}/ns/{what}")


def use_late_files(one):
    """A library and a table that are read when an app first asks for them."""
    assert one.call("app:hash").endswith("Europe/Berlin")


def parts_of(one):
    rows = one.supctl("call", "@system.confinement")["parts"]
    return {row["part"]: row for row in rows}


def check_confined(one, pid):
    parts = parts_of(one)
    assert state_of(pid, "Seccomp") == "2"
    assert state_of(pid, "NoNewPrivs") == "1"
    for what in "CapInh", "CapPrm", "CapEff", "CapAmb":
        assert state_of(pid, what) == NO_CAPABILITIES, what
    if parts["no capabilities"]["in_force"]:
        assert state_of(pid, "CapBnd") == NO_CAPABILITIES
    assert state_of(pid, "Umask") == "0077"
    assert limit_of(pid, "Max core file size") == "0"
    assert limit_of(pid, "Max processes") == "0"
    assert int(limit_of(pid, "Max open files")) <= 256
    return parts


@NEEDS_JAIL
def test_S1_workers_are_confined_before_any_app_code(boot):
    one = boot(APP)
    use_late_files(one)
    for pid in one.workers():
        check_confined(one, pid)


@NEEDS_JAIL
@NEEDS_ROOT
def test_S1_workers_of_root_are_somebody_else_in_a_place_of_their_own(boot):
    one = boot(APP)
    use_late_files(one)
    for pid in one.workers():
        parts = check_confined(one, pid)
        if parts["user"]["in_force"]:
            assert state_of(pid, "Uid").split() == [str(troupe.NOBODY)] * 4
            assert state_of(pid, "Gid").split() == [str(troupe.NOBODY)] * 4
            assert state_of(pid, "Groups") == ""
        for part, kind in (("no network", "net"), ("no shared IPC", "ipc"),
                           ("files out of sight", "mnt")):
            is_own = namespace_of(pid, kind) != namespace_of("self", kind)
            assert is_own == parts[part]["in_force"], part
        if parts["files out of sight"]["in_force"]:
            assert sorted(os.listdir(f"/proc/{pid}/root/")) in (
                ["etc", "lib", "lib64", "usr"], ["etc", "lib", "usr"], ["etc", "usr"])


@NEEDS_JAIL
@NEEDS_ROOT
def test_S1_a_supervisor_of_somebody_else_does_what_it_may(boot):
    folder = tempfile.mkdtemp(dir="/tmp")

    try:
        os.chown(folder, troupe.NOBODY, troupe.NOBODY)
        if not all(os.stat(path).st_mode & 1 for path in _folders_above(troupe.WORKER)):
            pytest.skip("the build is in a folder that others may not enter")
        one = boot(APP, start=False, cwd=folder, preexec=troupe.become_nobody)
        one.state = os.path.join(folder, "state")
        one.control = os.path.join(folder, "control.sock")
        one.start()
        use_late_files(one)
        for pid in one.workers():
            parts = check_confined(one, pid)
            assert state_of(pid, "Uid").split() == [str(troupe.NOBODY)] * 4
            if parts["user namespace"]["in_force"]:
                assert namespace_of(pid, "user") != namespace_of("self", "user")
                assert state_of(pid, "CapBnd") == NO_CAPABILITIES
        one.stop()
    finally:
        shutil.rmtree(folder)


def _folders_above(path):
    while path != "/":
        path = os.path.dirname(path)
        yield path


@NEEDS_JAIL
@NEEDS_ROOT
def test_S1_workers_user_names_somebody(boot):
    one = boot(APP, args=["--set", "workers.user=12345:23456"])
    use_late_files(one)
    for pid in one.workers():
        assert state_of(pid, "Uid").split() == ["12345"] * 4
        assert state_of(pid, "Gid").split() == ["23456"] * 4
    pid = one.kill_worker("app:hash")  # it is ours to end, whoever it is
    assert not troupe.is_alive(pid)
    one.allow("worker died")


@NEEDS_JAIL
@pytest.mark.parametrize("user, why", [
    ("no-such-user", "there is no user"), ("root", "that is root"),
    ("0:0", "that is root"), ("12345", "it needs a group"),
    ("nobody:no-such-group", "there is no group")])
def test_S1_a_user_that_is_not_to_be_had_is_refused(boot, user, why):
    one = boot(APP, start=False, args=["--set", f"workers.user={user}"])
    one.allow("as safely as asked")
    one.expected_code = 69
    one.spawn()
    assert one.wait() == 69
    if os.geteuid() == 0:
        assert why in one.output()


@NEEDS_JAIL
def test_S1_memory_has_a_limit(boot):
    one = boot([function("eat", """return {main = function(mb)
            local kept = {}
            for i = 1, mb do kept[i] = ("x"):rep(1 << 20) .. i end
            return #kept
        end}""", pool={"type": "static", "workers": 1})],
               args=["--set", "workers.memory_mb=40"])
    one.allow("worker died", "memory")
    wait_for(lambda: all(limit_of(pid, "Max data size") == str(40 << 20)
                         for pid in one.workers()))  # once they are set up
    assert one.call("app:eat", 2) == 2
    with pytest.raises(troupe.SupctlError):
        one.call("app:eat", 60)
    one.wait_idle("app:eat")
    one.wait_worker("app:eat")
    assert one.call("app:eat", 2) == 2


@NEEDS_JAIL
def test_S1_a_worker_without_memory_says_so(boot):
    one = boot([function("eat", """return {main = function()
            local kept = {}
            for i = 1, 1e9 do kept[i] = "x" .. i end
        end}""")], args=["--set", "workers.memory_mb=40"])
    one.allow("worker died")
    for _ in range(3):
        error = one.failure("app:eat")
        assert error.message in ("worker of app:eat ran out of memory",
                                 "not enough memory")
    assert not [r for r in one.records() if "SIGSEGV" in str(r)]
    open(one.err_path, "w").close()  # the worker's own line


@NEEDS_JAIL
def test_P4_whoever_became_somebody_else_dies_with_the_supervisor(boot):
    one = boot([*APP, host(), process("p", "return {main = function() end}")])
    use_late_files(one)
    pids = one.workers()
    one.child.kill()
    one.child.wait()
    troupe.wait_for(lambda: not any(troupe.is_alive(pid) for pid in pids))
    one.child = None


@NEEDS_JAIL
def test_S2_strict_starts_where_all_parts_are_there(boot):
    parts = parts_of(boot(APP))
    one = boot(APP, start=False, args=["--set", "workers.confine=strict"])
    if not all(row["in_force"] for row in parts.values() if row["needed"]):
        one.allow("as safely as asked")
        one.expected_code = 69
        one.spawn()
        assert one.wait() == 69
    else:
        one.start()
        use_late_files(one)
        assert all(state_of(pid, "Seccomp") == "2" for pid in one.workers())


@NEEDS_JAIL
@NEEDS_ROOT
def test_S2_less_than_all_is_on_but_not_strict(boot):
    """Without the right to make namespaces: the rest still holds."""
    for level, starts in ("on", True), ("strict", False):
        one = boot(APP, start=False, args=["--set", f"workers.confine={level}"],
                   prefix=["setpriv", "--bounding-set", "-all", "--inh-caps", "-all",
                           "sh", "-c", 'exec "$@"', "sh"])
        one.allow("as safely as asked")
        if starts:
            one.start()
            use_late_files(one)
            for pid in one.workers():
                check_confined(one, pid)
        else:
            one.expected_code = 69
            one.spawn()
            assert one.wait() == 69


def test_confinement_may_be_off(boot):
    one = boot(APP, args=["--set", "workers.confine=off"])
    use_late_files(one)
    for pid in one.workers():
        assert state_of(pid, "Seccomp") == "0"
        assert state_of(pid, "NoNewPrivs") == "1"
    assert not any(row["in_force"] for row in parts_of(one).values())
