"""Apps in one file: `supervisor pack`, and running what it wrote (CLI-05, CLI-06, F-80)."""

import hashlib
import os
import struct

import pytest

import test_examples
import troupe
from troupe import SupctlError, function, library, process

APP = [
    function("double", """
        local count = 0
        return function(n: number): number
            count = count + 1
            return 2 * n, nil
        end""", pool={"size": 1}),
    library("words", "return {greet = function(who) return 'Hello, ' .. who .. '!' end}"),
    function("greet", """
        return function(who)
            if who == nil then
                error("nobody")
            end
            return words.greet(who)
        end""", imports={"words": "app:words"}),
    function("peek", """
        return function(id)
            local entry = registry.get(id)
            return {kind = entry.kind, data = entry.data, meta = entry.meta}
        end""", modules=["registry"]),
    process("hello", """
        return function(who)
            io.print(words.greet(who or "you"))
            return 0
        end""", modules=["io"], imports={"words": "app:words"},
        meta={"command": {"name": "hello"}}),
    {"name": "stamp", "kind": "interceptor.lua", "method": "main", "order": 1,
     "options": ["stamp"],
     "source": "return function(options, next) return next() end"},
    {"name": "terminal", "kind": "terminal.host", "lifecycle": {"auto_start": True}},
    {"name": "note", "kind": "registry.entry", "meta": {"tag": "old"}, "text": "hi"},
]


def supervisor(*args, cwd, check=troupe.OK):
    done = troupe.run(troupe.SUPERVISOR, *args, "--state", os.path.join(cwd, ".state"),
                      "--control", os.path.join(cwd, ".control"), cwd=cwd)
    assert done.returncode == check, done.stdout + done.stderr
    return done


@pytest.fixture(name="folder")
def make_folder(tmp_path):
    troupe.write_app(tmp_path / "app", APP)
    return tmp_path


def make_pack(folder, *args, name="one.wapp", warning=""):
    done = supervisor("pack", folder / name, *args, cwd=folder / "app")
    assert done.stderr == warning
    return done.stdout


def run_pack(boot, folder, name="one.wapp", **options):
    return boot(config=str(folder / name), cwd=str(folder), **options)


def seal(content):
    """The pack with its hash made right again."""
    digest = hashlib.sha256(content[:96] + content[128:]).digest()
    return content[:96] + digest + content[128:]


@pytest.mark.parametrize("args", [[], ["--bytecode", "app:**"]], ids=["plain", "bytecode"])
def test_a_pack_runs_from_another_folder_CLI_06(boot, folder, tmp_path_factory, args):
    make_pack(folder, *args)
    one = run_pack(boot, folder)
    assert one.call("app:double", 21) == 42
    assert one.call("app:greet", "Ann") == "Hello, Ann!"
    error = one.failure("app:greet")
    assert "app:greet:4: nobody" in error.message, "lines must stay"
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = supervisor("run", folder / "one.wapp", "hello", "Bob", cwd=elsewhere)
    assert done.stdout == "Hello, Bob!\n"


def test_bytecode_takes_the_place_of_sources_CLI_05_F_81(boot, folder):
    out = make_pack(folder, "--bytecode", "app:**", "--list")
    assert "function.lua.bc          app:double\n" in out
    assert "registry.entry           app:note\n" in out
    one = run_pack(boot, folder)
    double = one.call("app:peek", "app:double")
    assert double["kind"] == "function.lua.bc"
    assert "source" not in double["data"]
    assert double["data"]["fs"] == "internal:lua.bytecode"
    assert double["data"]["path"] == "app/double.luac"
    assert double["data"]["hash"].startswith("sha256:")
    assert double["data"]["method"] == "main"
    assert double["data"]["pool"] == {"size": 1}
    assert one.call("app:peek", "app:greet")["data"]["imports"] == {"words": "app:words"}
    assert one.call("app:peek", "app:stamp")["kind"] == "interceptor.lua.bc"
    assert one.call("app:peek", "internal:lua.bytecode")["kind"] == "fs.embed"


@pytest.mark.parametrize("pattern, want", [
    ("**", 6), ("**:**", 6), ("app:**", 6), ("app:double", 1), ("double", 1),
    ("double,greet", 2), ("other:**", 0), ("ap:**", 0), ("note", 0), ("app", 0)])
def test_patterns_choose_what_becomes_bytecode_F_81(folder, pattern, want):
    warning = f"supervisor: warning: --bytecode {pattern} fits no entry\n"
    assert f" entries, {want} as bytecode," in make_pack(
        folder, "--bytecode", pattern, warning="" if want > 0 else warning)


def test_the_same_app_makes_the_same_bytes(folder):
    first = make_pack(folder, "--bytecode", "**")
    second = make_pack(folder, "--bytecode", "**", name="two.wapp")
    assert first.split(":", 1)[1] == second.split(":", 1)[1]
    assert (folder / "one.wapp").read_bytes() == (folder / "two.wapp").read_bytes()
    # ... and so does a pack of the pack
    supervisor("pack", folder / "three.wapp", "--config", folder / "one.wapp", cwd=folder)
    assert (folder / "three.wapp").read_bytes() == (folder / "one.wapp").read_bytes()


def test_a_pack_has_what_overrides_left_and_takes_new_ones(boot, folder):
    make_pack(folder, "-o", "app:note:meta.tag=packed", "--bytecode", "double")
    one = run_pack(boot, folder)
    assert one.call("app:peek", "app:note")["meta"]["tag"] == "packed"
    two = run_pack(boot, folder, args=["-o", "app:note:meta.tag=run",
                                       "-o", "app:double:pool.size=3"])
    assert two.call("app:peek", "app:note")["meta"]["tag"] == "run"
    assert two.call("app:double", 4) == 8
    assert two.pool("app:double")["n_slots"] == 3


def test_entries_may_be_left_out(folder):
    assert "app:note" not in make_pack(folder, "--list", "--exclude", "app:note")
    assert ": 0 entries," in make_pack(folder, "--exclude-ns", "app")


def test_files_come_along_on_demand(boot, folder):
    data = folder / "app" / "data"
    data.mkdir()
    (data / "a.txt").write_text("alpha")
    (data / ".hidden").write_text("")
    troupe.write_app(folder / "app", [*APP, {
        "name": "data", "kind": "fs.directory", "directory": "data",
        "meta": {"tag": "files"}}])
    done = supervisor("pack", folder / "one.wapp", "--embed", "app:data",
                      cwd=folder / "app")
    assert "kind fs.directory is not supported" in done.stderr
    one = run_pack(boot, folder)
    entry = one.call("app:peek", "app:data")
    assert (entry["kind"], entry["meta"]) == ("fs.embed", {"tag": "files"})
    assert (entry["data"]["files"], entry["data"]["bytes"]) == (2, 5)


def test_a_pack_may_be_started_by_its_name(folder):
    make_pack(folder)
    path = os.path.dirname(troupe.SUPERVISOR) + ":" + os.environ["PATH"]
    done = troupe.run(folder / "one.wapp", "hello", "Ann", "--state", folder / "s",
                      env={**os.environ, "PATH": path})
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hello, Ann!\n", "")


def test_check_takes_a_pack(folder):
    make_pack(folder, "--bytecode", "**")
    done = supervisor("check", "one.wapp", cwd=folder)
    assert done.stdout == f"no problems in {len(APP) + 1} entries\n"


def test_an_error_in_a_source_makes_no_pack(folder):
    troupe.write_app(folder / "app", [function("bad", "return function(")])
    done = supervisor("pack", folder / "one.wapp", "--bytecode", "**",
                      cwd=folder / "app", check=troupe.BAD_CONFIG)
    assert "app:bad" in done.stderr
    assert not (folder / "one.wapp").exists()


def test_a_pack_that_cannot_be_written_is_told(folder):
    done = supervisor("pack", folder / "no" / "one.wapp", cwd=folder / "app",
                      check=troupe.FAILED)
    assert "can't write" in done.stderr


# That one replaces the source of an entry, and bytecode has none.
@pytest.mark.parametrize("name", [n for n in test_examples.NAMES if n != "upgrade"])
def test_every_example_does_the_same_as_bytecode_CLI_06(boot, tmp_path, name):
    pack = tmp_path / "example.wapp"
    supervisor("pack", pack, "--bytecode", "**", "--config",
               os.path.join(test_examples.EXAMPLES, name), cwd=tmp_path)
    test_examples.Example(boot, name, config=str(pack)).go()


# ---- hostile packs


def damage(content, how):
    table_bytes, = struct.unpack_from("<Q", content, 80)
    at_files = 128 + table_bytes
    return {
        "cut short": content[:-1],
        "a flipped bit": content[:200] + bytes([content[200] ^ 1]) + content[201:],
        "a flipped bit in a file": content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
        "another format": content[:40] + b"\x02" + content[41:],
        "another Lua": content.replace(b"5.4.4", b"5.4.0"),
        "no pack": b"namespace: x\n",
        "nothing": b"",
        "surplus": content + b"\0",
        # from here on the hash of the pack is right
        "changed bytecode": seal(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]),
        "bytecode for another Lua": seal(
            content[:at_files] + content[at_files:].replace(b"5.4.4", b"5.4.0")),
        "a table of nonsense": seal(content[:128] + b"\xc1" * table_bytes
                                    + content[at_files:]),
        "sizes beyond the end": seal(content[:80] + b"\xff" * 16 + content[96:]),
    }[how]


@pytest.mark.parametrize("how, want", [
    ("cut short", "the pack is cut short"),
    ("a flipped bit", "its hash is another one"),
    ("a flipped bit in a file", "its hash is another one"),
    ("another format", "the pack has format 2, this build reads format 1"),
    ("another Lua", "bytecode for Lua 5.4.0"),
    ("no pack", "this is no pack of ours"),
    ("nothing", "this is no pack of ours"),
    ("surplus", "there are bytes behind the pack"),
    ("changed bytecode", "the files of internal:lua.bytecode are not those that it had"),
    ("bytecode for another Lua", "the files of internal:lua.bytecode are not those"),
    ("a table of nonsense", "the pack's list of entries is wrong"),
    ("sizes beyond the end", "the pack is cut short"),
])
def test_a_bad_pack_is_refused_with_a_reason_L1(folder, how, want):
    make_pack(folder, "--bytecode", "**")
    content = (folder / "one.wapp").read_bytes()
    (folder / "bad.wapp").write_bytes(damage(content, how))
    done = supervisor("check", "bad.wapp", cwd=folder, check=troupe.BAD_CONFIG)
    assert want in done.stderr
    assert "bad.wapp" in done.stderr


# ---- bytecode anywhere else


APPLY = """
    local registry = require("registry")
    return function(op, entry)
        local changes = registry.snapshot():changes()
        changes[op](changes, entry)
        local version, err = changes:apply()
        if err then
            return nil, err
        end
        return version:string()
    end"""


def test_no_app_brings_bytecode_of_its_own_L1(boot, folder):
    """Neither as a source, nor as a compiled entry whose file isn't in the pack."""
    troupe.write_app(folder / "app", [*APP, function("apply", APPLY,
                                                     modules=["registry"])])
    make_pack(folder, "--bytecode", "double")
    one = run_pack(boot, folder)
    good = one.call("app:peek", "app:double")["data"]

    def refused(want, **data):
        error = one.failure("app:apply", "create", {
            "id": "app:evil", "kind": "function.lua.bc", "data": {**good, **data}})
        assert want in error.message

    refused("hash mismatch", hash="sha256:" + "0" * 64)
    refused("invalid hash format", hash="0" * 64)
    refused("unsupported hash algorithm: md5", hash="md5:" + "0" * 32)
    refused("failed to open file: app/evil.luac", path="app/evil.luac")
    refused("failed to open file: ../double.luac", path="../double.luac")
    refused("filesystem not found: app:nope", fs="app:nope")
    error = one.failure("app:apply", "create", {
        "id": "app:evil", "kind": "function.lua",
        "data": {"source": "\x1bLuaT\0", "method": "main"}})
    assert error.kind == "Internal"
    # An entry of its own that calls itself a file system has no files.
    one.call("app:apply", "create", {"id": "app:fs", "kind": "fs.embed", "data": {
        "files": 1, "bytes": 5, "hash": "sha256:0"}})
    refused("failed to open file", fs="app:fs")
    # What the pack has may be used again.
    one.call("app:apply", "create", {"id": "app:again", "kind": "function.lua.bc",
                                     "data": good})
    assert one.call("app:again", 4) == 8


def test_a_bad_change_keeps_the_old_pool_F_80(boot, folder):
    troupe.write_app(folder / "app", [*APP, function("apply", APPLY,
                                                     modules=["registry"])])
    make_pack(folder, "--bytecode", "**")
    one = run_pack(boot, folder)
    assert one.call("app:double", 4) == 8
    workers = one.wait_worker("app:double")
    entry = one.call("app:peek", "app:double")
    entry["data"]["hash"] = "sha256:" + "f" * 64
    error = one.failure("app:apply", "update", {"id": "app:double", **entry})
    assert "hash mismatch: expected sha256:ffff" in error.message
    assert one.call("app:double", 5) == 10
    assert one.wait_worker("app:double") == workers


def test_bytecode_outside_of_packs_is_refused_L1(tmp_path):
    troupe.write_app(tmp_path, [
        {"name": "files", "kind": "fs.directory", "directory": "."},
        {"name": "f", "kind": "function.lua.bc", "method": "main", "fs": "app:files",
         "path": "f.luac", "hash": "sha256:" + "0" * 64},
        {"name": "g", "kind": "function.lua.bc", "method": "main"},
        function("h", "file://h.luac")])
    (tmp_path / "src" / "h.luac").write_bytes(b"\x1bLuaT\0\x19\x93\r\n\x1a\n")
    done = supervisor("check", cwd=tmp_path, check=troupe.BAD_CONFIG)
    assert "bytecode is taken from packs only" in done.stderr
    assert "fs is required" in done.stderr
    assert "h.luac:1:1: error:" in done.stderr


def test_a_pack_may_be_replaced_while_it_runs_F_80(boot, folder):
    """A bad file keeps everything as it is, a good one takes over."""
    make_pack(folder, "--bytecode", "**")
    one = run_pack(boot, folder)
    assert one.call("app:greet", "Ann") == "Hello, Ann!"
    content = (folder / "one.wapp").read_bytes()
    (folder / "one.wapp").write_bytes(damage(content, "changed bytecode"))
    with pytest.raises(SupctlError):
        one.supctl("reload")
    assert one.call("app:greet", "Ann") == "Hello, Ann!"
    app = [library("words", "return {greet = function(who) return 'Bye, ' .. who end}")
           if entry["name"] == "words" else entry for entry in APP]
    troupe.write_app(folder / "app", app)
    make_pack(folder, "--bytecode", "**")
    one.supctl("reload")
    assert one.call("app:greet", "Ann") == "Bye, Ann"
