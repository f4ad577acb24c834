"""The registry as it changes: applied, gone back in, kept over restarts (REG-20 to
REG-24, CFG-01 registry.*)."""

import json
import os
import sqlite3
import subprocess

import pytest

import troupe
from troupe import (IDLE, SupctlError, answering, function, host, library, process,
                    service, static, wait_for)

KEPT = ["--set", "registry.history_type=sqlite", "--set", "registry.history_path=history.db"]

LIVE = function("live", """
local function op(changes, one)
    local done, err = changes[one[1]](changes, one[2])
    if err then error(err) end
end
return {main = function(what, list)
    if what == "apply" then
        local changes = assert(registry.snapshot()):changes()
        for _, one in ipairs(list) do op(changes, one) end
        local version, err = changes:apply()
        if err then return {kind = err:kind(), text = tostring(err)} end
        return version:id()
    elseif what == "go" then
        local version = assert(assert(registry.history()):get_version(list))
        local done, err = registry.apply_version(version)
        return done or {kind = err:kind(), text = tostring(err)}
    elseif what == "versions" then
        local ids = {}
        for i, one in ipairs(assert(registry.versions())) do ids[i] = one:id() end
        return ids
    elseif what == "at" then
        local snapshot, err = registry.snapshot_at(list)
        if err then return {kind = err:kind(), text = tostring(err)} end
        local values = {}
        for _, one in ipairs(assert(snapshot:entries())) do
            if one.kind == "registry.entry" then values[one.id] = one.data.v end
        end
        return values
    end
end}""", modules=["registry"])


def data(name, value):
    return {"name": name, "kind": "registry.entry", "v": value}


def entry(fields):
    rest = {k: v for k, v in fields.items() if k not in ("name", "kind", "meta")}
    return {"id": "app:" + fields["name"], "kind": fields["kind"],
            "meta": fields.get("meta", {}), "data": rest}


def apply(one, *operations):
    return one.call("app:live", "apply", [[op, entry(what) if isinstance(what, dict) else what]
                                          for op, what in operations])


def values(one):
    return {row["id"]: row["data"]["v"] for row in one.supctl("registry", "list")
            if row["kind"] == "registry.entry"}


def registry_file(one, text, *args):
    path = os.path.join(one.folder, "changes.yaml")
    with open(path, "w") as file:
        file.write(text if isinstance(text, str) else json.dumps(text))
    return one.run_supctl("registry", "apply", path, *args)


# ---- supctl registry apply, history, rollback


def test_apply_creates_updates_and_deletes(boot):
    one = boot([answering("f", "1"), data("old", 1), LIVE])
    done = registry_file(one, """
namespace: app
entries:
  - name: f
    kind: function.lua
    method: main
    source: return {main = function() return "2" end}
  - {name: new, kind: registry.entry, v: 2}
delete: [old]
""")
    assert done.returncode == 0, done.stderr
    assert "version 1" in done.stdout and "app:new" in done.stdout
    assert one.call("app:f") == "2" and values(one) == {"app:new": 2}
    assert one.supctl("reload")["changed"]  # what the files say counts again
    assert one.call("app:f") == "1" and values(one) == {"app:new": 2, "app:old": 1}


def test_a_file_applied_again_changes_only_what_differs(boot):
    def app(text):
        return {"namespace": "app", "entries": [
            troupe.process("p", IDLE), troupe.service("s", "app:p"), data("d", text)]}

    one = boot([LIVE, troupe.host()])
    assert registry_file(one, app("1")).returncode == troupe.OK
    pid = wait_for(lambda: one.service("app:s").get("pid"))
    again = registry_file(one, app("1"))
    assert (again.returncode, again.stdout) == (troupe.OK, "nothing to change, version is 1\n")
    changed = registry_file(one, app("2"))
    assert [line.split()[:2] for line in changed.stdout.splitlines()[1:]] == [
        ["update", "app:d"], ["version", "2"]]
    assert one.service("app:s")["pid"] == pid


def test_LIFE03_what_a_service_waits_for_starts_once_it_is_there(boot):
    idle = troupe.process("p", IDLE)
    one = boot([troupe.host(), idle,
                troupe.service("above", "app:p", requires=["app:middle"])])
    one.allow("which does not exist", "it stays down")
    assert one.service("app:above")["state"] == "failed"
    assert registry_file(one, {"namespace": "app", "entries": [
        troupe.service("other", "app:p", auto_start=False),
        troupe.service("middle", "app:p", auto_start=False, requires=["app:below"]),
        troupe.service("below", "app:p", auto_start=False)]}).returncode == troupe.OK
    one.wait_service("app:above", "running")
    assert one.service("app:below")["state"] == "running"
    assert one.service("app:other")["state"] == "unknown"


def test_apply_takes_operations_from_standard_input(boot):
    one = boot([data("a", 1)])
    text = json.dumps([{"kind": "entry.update", "entry": entry(data("a", 2))},
                       {"kind": "entry.create", "entry": entry(data("b", 1))}])
    done = troupe.run(troupe.SUPCTL, "registry", "apply", "-", "--control", one.control,
                      input=text)
    assert done.returncode == 0, done.stderr
    assert values(one) == {"app:a": 2, "app:b": 1}
    text = json.dumps([{"kind": "entry.delete", "entry": {"id": "app:b"}}])
    done = troupe.run(troupe.SUPCTL, "registry", "apply", "-", "--control", one.control,
                      "--dry-run", input=text)
    assert done.returncode == 0 and "delete" in done.stdout, done.stderr
    assert values(one) == {"app:a": 2, "app:b": 1}


@pytest.mark.parametrize("text,wanted", [
    ("namespace: app\nentries: [\n", "changes.yaml:"),
    ("namespace: app\nentries:\n  - {name: x, kind: functon.lua}\n", "function.lua"),
    ("namespace: app\nentries:\n  - {name: x, kind: function.lua, method: main,"
     " source: 'return ='}\n", "changes.yaml:"),
    ("namespace: app\nentries:\n  - {name: x, kind: function.lua, method: main,"
     " source: 'return 1', imports: {y: 'app:none'}}\n", "app:none"),
    ("namespace: app\nentries:\n  - {name: x, kind: function.lua, method: main,"
     " source: file://x.lua}\n", "x.lua"),
    ("namespace: app\nentries:\n  - {name: good, kind: registry.entry}\n"
     "  - {name: b, kind: contract.binding, contracts: [{contract: 'app:none'}]}\n",
     "app:none"),
    ("namespace: app\nentries: []\ndelete: [none]\n", "cannot delete non-existent entry"),
    ("namespace: app\nentries: []\ndelete: [lib]\n", "has incoming dependencies"),
    ("entries: []\n", "namespace"),
    ("[]", "no changes"),
    ("- {kind: entry.remove, entry: {id: 'app:lib'}}\n", "invalid operation kind"),
    ("- {kind: entry.create, entry: {id: 'app:lib', kind: registry.entry}}\n", "already exists"),
    ("7", "registry file"),
    ("", "registry file"),
])
def test_REG20_an_apply_that_fails_changes_nothing(boot_live, text, wanted):
    one = boot_live
    before, workers = one.supctl("registry", "list"), sorted(one.workers())
    done = registry_file(one, text)
    assert done.returncode == troupe.FAILED and wanted in done.stderr, done.stderr
    assert one.supctl("registry", "list") == before
    assert one.call("app:user") == 1
    wait_for(lambda: set(workers) >= set(one.workers("app:user")), what="no new worker")


@pytest.fixture(scope="module")
def boot_live(boot_shared):
    return boot_shared([library("lib", "return 1"),
                        function("user", "return {main = function() return lib end}",
                                 imports={"lib": "app:lib"}, pool=static())])


def test_REG20_a_pool_that_can_not_start_takes_the_whole_change_back(boot):
    one = boot([answering("a", "1", pool=static()), answering("b", "1", pool=static()),
                host(), process("p", "return {main = function()"
                                     " process.events():receive() end}"),
                service("s", "app:p"), data("d", 1), LIVE])
    one.allow("worker can't be set up", "worker died")
    before, pid = one.supctl("registry", "list"), one.service("app:s")["pid"]
    old = sorted(one.wait_worker("app:a") + one.wait_worker("app:b"))
    got = apply(one, ("update", answering("a", "2", pool=static())),
                ("update", data("d", 2)), ("create", data("e", 1)),
                ("create", service("t", "app:p")),
                ("update", function("b", "error('no luck')", pool=static())))
    assert got["kind"] == "Internal" and "no luck" in got["text"], got
    assert "app:b" in got["text"]
    assert one.supctl("registry", "list") == before
    assert one.call("app:a") == "1" and one.call("app:b") == "1"
    assert sorted(one.wait_worker("app:a") + one.wait_worker("app:b")) == old
    assert one.service("app:s")["pid"] == pid
    assert "app:t" not in [row["id"] for row in one.supctl("services")]
    wait_for(lambda: len(one.workers("app:a") + one.workers("app:b")) == 2,
             what="the end of what was tried")
    assert apply(one, ("update", data("d", 3))) == 1


def test_REG22_history_and_rollback(boot):
    one = boot([answering("f", "0"), data("d", 0), LIVE])
    for i in range(1, 4):
        assert apply(one, ("update", answering("f", str(i))), ("update", data("d", i))) == i
    rows = one.supctl("registry", "history")
    assert [(row["id"], row["parent"], row["current"]) for row in rows] == [
        (0, 0, False), (1, 0, False), (2, 1, False), (3, 2, True)]
    assert {row["id"] for row in one.supctl("registry", "history", 2)} == {"app:f", "app:d"}
    assert one.supctl("registry", "rollback", "v1")["version"] == 1
    again = one.supctl("registry", "rollback", "1")
    assert (again["version"], again["changed"]) == (1, False)
    assert one.call("app:f") == "1" and values(one) == {"app:d": 1}
    assert one.call("app:live", "at", 3) == {"app:d": 3}
    assert apply(one, ("update", data("d", 9))) == 4  # never the same number twice
    assert one.supctl("registry", "history")[-1]["parent"] == 1
    assert one.call("app:live", "go", 3) is True
    assert one.call("app:f") == "3" and values(one) == {"app:d": 3}
    done = one.run_supctl("registry", "rollback", "77")
    assert done.returncode == troupe.NO_SUCH_NAME and "version not found" in done.stderr
    assert one.run_supctl("registry", "rollback", "x").returncode == troupe.USAGE


def test_a_rollback_has_services_follow(boot):
    def app(text):
        return process("p", f"-- {text}\nreturn {{main = function()"
                            " process.events():receive() end}")

    one = boot([host(), app("old"), service("s", "app:p"), LIVE])
    first = one.service("app:s")["pid"]
    assert apply(one, ("update", app("new"))) == 1
    assert one.service("app:s")["pid"] == first  # SV-11: an app's change restarts none
    got = one.supctl("registry", "rollback", 0)
    assert got["services"] == [{"id": "app:s", "effect": "restarted"}]
    assert one.service("app:s")["pid"] != first


@pytest.mark.parametrize("args", [["--set", "registry.enable_history=false"],
                                  ["--set", "registry.history_type=nil"]])
def test_CFG01_without_a_history_nobody_goes_back(boot, args):
    one = boot([data("d", 0), LIVE], args=args)
    assert apply(one, ("update", data("d", 1))) == 1
    assert apply(one, ("update", data("d", 2))) == 2
    assert one.call("app:live", "versions") == [2]
    with pytest.raises(SupctlError) as failure:
        one.supctl("registry", "rollback", 1)
    assert failure.value.kind == "NotFound"
    assert values(one) == {"app:d": 2}


def test_CFG01_event_wait_timeout_bounds_a_change(boot):
    one = boot([answering("f", "1", pool=static()), LIVE],
               args=["--set", "registry.event_wait_timeout=300ms"])
    got = apply(one, ("update", function(
        "f", "local n = 0 for i = 1, 1e12 do n = n + i end return {main = function() end}",
        pool=static())))
    assert "event_wait_timeout" in got["text"], got
    assert one.call("app:f") == "1"
    wait_for(lambda: len(one.workers("app:f")) == 1, what="the end of what was tried")


# ---- kept over restarts


def restarted(one):
    assert one.stop() == troupe.OK
    return one.start()


def test_REG20_a_kept_history_outlives_the_supervisor(boot):
    one = boot([answering("f", "0"), data("d", 0), data("gone", 0), LIVE], args=KEPT)
    assert apply(one, ("update", answering("f", "1")), ("delete", "app:gone")) == 1
    assert apply(one, ("update", data("d", 2)), ("create", data("made", 2))) == 2
    state = values(one)
    restarted(one)
    assert values(one) == state == {"app:d": 2, "app:made": 2}
    assert one.call("app:f") == "1"
    assert one.call("app:live", "versions") == [0, 1, 2]
    assert one.call("app:live", "at", 1) == {"app:d": 0}
    one.supctl("registry", "rollback", 0)
    restarted(one)
    assert values(one) == {"app:d": 0, "app:gone": 0} and one.call("app:f") == "0"
    assert apply(one, ("update", data("d", 3))) == 3
    restarted(one)
    rows = one.supctl("registry", "history")
    assert [(row["id"], row["parent"]) for row in rows] == [(0, 0), (1, 0), (2, 1), (3, 0)]
    assert values(one) == {"app:d": 3, "app:gone": 0}


def test_REG20_what_was_answered_survives_a_kill(boot):
    one = boot([data("d", 0), LIVE], args=KEPT)
    for i in range(1, 6):
        assert apply(one, ("update", data("d", i))) == i
    one.child.kill()
    one.wait()
    one.start()
    assert values(one) == {"app:d": 5}
    assert one.call("app:live", "versions") == [0, 1, 2, 3, 4, 5]


def test_a_kept_history_stands_on_the_files_as_they_are(boot):
    one = boot([answering("f", "0"), data("d", 0), LIVE], args=KEPT)
    assert apply(one, ("create", data("made", 1))) == 1
    troupe.write_app(one.cwd, [answering("f", "1"), data("d", 0), LIVE])
    assert one.supctl("reload")["version"] == 2
    troupe.write_app(one.cwd, [answering("f", "2"), data("d", 7), LIVE])
    restarted(one)
    assert one.call("app:f") == "2" and values(one) == {"app:d": 7, "app:made": 1}
    assert one.call("app:live", "versions") == [0, 1, 2]


def test_a_kept_history_that_does_not_fit_is_refused(boot):
    one = boot([library("lib", "return 1"), LIVE], args=KEPT)
    assert apply(one, ("create", function("f", "return {main = function() return lib end}",
                                          imports={"lib": "app:lib"}))) == 1
    assert one.stop() == troupe.OK
    troupe.write_app(one.cwd, [LIVE])
    one.spawn()
    assert one.wait() == troupe.BAD_CONFIG
    assert "doesn't fit the files" in one.errors() and "app:lib" in one.errors()
    one.args = []
    open(one.err_path, "w").close()
    one.start()


@pytest.mark.parametrize("content,code,text", [
    (b"this is no database at all, but long enough for its header" * 20,
     troupe.BAD_CONFIG, "damaged"),
    ("foreign", troupe.BAD_CONFIG, "something else"),
    ("locked", troupe.NEEDED, "locked by another process"),
    ("folder", troupe.NEEDED, "history.db"),
])
def test_a_history_that_can_not_be_used_is_told(boot, content, code, text):
    one = boot([LIVE], args=KEPT, start=False)
    path, db = os.path.join(one.cwd, "history.db"), None
    if content == "folder":
        os.mkdir(path)
    elif isinstance(content, bytes):
        with open(path, "wb") as file:
            file.write(content)
    else:
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE t(x)")
        db.commit()
        if content == "locked":
            db.execute("BEGIN EXCLUSIVE")
    one.spawn()
    assert one.wait() == code
    assert text in one.errors(), one.errors()
    if db:
        db.close()
    open(one.err_path, "w").close()
    one.expect_code(code)


@pytest.mark.parametrize("change", [
    "INSERT INTO versions VALUES(-1, 0, 0)",
    "UPDATE versions SET parent = 7",
    "UPDATE changes SET entry = x''",
    "UPDATE changes SET entry = x'c1'",
])
def test_a_history_that_was_tampered_with_is_refused(boot, change):
    one = boot([data("d", 0), LIVE], args=KEPT)
    assert apply(one, ("update", data("d", 1))) == 1
    assert one.stop() == troupe.OK
    db = sqlite3.connect(os.path.join(one.cwd, "history.db"))
    db.execute(change)
    db.commit()
    db.close()
    one.spawn()
    assert one.wait() == troupe.BAD_CONFIG
    assert "damaged" in one.errors(), one.errors()
    open(one.err_path, "w").close()
    one.expect_code(troupe.BAD_CONFIG)


def test_a_full_disk_refuses_changes_and_loses_none(boot, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", disk],
                      capture_output=True, check=False).returncode != 0:
        pytest.skip("no right to mount a small disk")
    one = boot([data("d", 0), LIVE], start=False,
               args=["--set", "registry.history_type=sqlite",
                     "--set", f"registry.history_path={disk}/history.db"])
    try:
        one.start()
        assert apply(one, ("update", data("d", "small"))) == 1
        done = registry_file(one, {"namespace": "app", "entries": [data("d", "x" * 600000)]})
        assert done.returncode == troupe.FAILED and "no space left" in done.stderr
        assert values(one) == {"app:d": "small"}
        assert apply(one, ("update", data("d", "again"))) == 2
        restarted(one)
        assert values(one) == {"app:d": "again"}
        assert one.stop() == troupe.OK
    finally:
        one.kill_remains()
        subprocess.run(["umount", disk], check=True)
