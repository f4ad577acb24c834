"""`supervisor dev`: what is saved is what runs, whatever way an editor saves it."""

import os
import shutil
import time

import pytest

import troupe
from troupe import wait_for

INDEX = """
version: "1.0"
namespace: app
entries:
  - {name: f, kind: function.lua, method: main, source: file://f.lua}
"""


def source(text):
    return f"return {{main = function() return '{text}' end}}\n"


def dev(boot, files=None, **options):
    """`supervisor dev` on an app of one function."""
    one = boot(files or {"src/_index.yaml": INDEX, "src/f.lua": source("1")}, start=False,
               **options)
    one.command, one.config = ["dev", one.cwd], None
    one.start()
    one.allow("worker can't be set up", "worker died")
    return one


def path(one, name):
    return os.path.join(one.cwd, "src", name)


def wait_answer(one, text, target="app:f"):
    def answers():
        try:
            return one.call(target) == text
        except troupe.SupctlError as error:
            assert error.kind == "NotFound", error
            return False
    wait_for(answers, what=f"{target} to answer {text}")


def write(one, name, text):
    troupe.write_app(one.cwd, {"src/" + name: text})


def printed(one):
    return [line for line in one.output().splitlines() if not line.startswith("{")]


def wait_printed(one, text, n=1):
    wait_for(lambda: sum(text in line for line in printed(one)) >= n, what=f"'{text}'")


def test_dev_a_saved_file_runs(boot):
    one = dev(boot)
    for text in ("2", "3"):
        write(one, "f.lua", source(text))
        wait_answer(one, text)
    wait_printed(one, "update   app:f: new calls run the new code", 2)
    wait_printed(one, ": version 2")


def test_dev_an_atomic_rename_is_one_change(boot):
    one = dev(boot)
    write(one, "f.lua~", "rubbish =")
    write(one, ".f.lua.swp", "rubbish =")
    write(one, "4913", "")
    os.unlink(path(one, "4913"))
    write(one, "f.lua.new", source("2"))
    os.rename(path(one, "f.lua.new"), path(one, "f.lua"))
    wait_answer(one, "2")
    wait_printed(one, ": version 1")


def test_dev_an_error_is_told_and_the_last_good_version_goes_on(boot):
    one = dev(boot)
    write(one, "f.lua", "return = 1\n")
    wait_printed(one, "f.lua:1:")
    wait_printed(one, "nothing was changed, version 0 goes on")
    assert one.call("app:f") == "1"
    write(one, "f.lua", source("2"))
    wait_answer(one, "2")


def test_dev_new_folders_removed_files_moved_folders(boot):
    one = dev(boot)
    more = INDEX.replace("namespace: app", "namespace: more")
    troupe.write_app(one.cwd, {"src/a/b/_index.yaml": more, "src/a/b/f.lua": source("m")})
    wait_answer(one, "m", "more:f")
    write(one, "a/b/f.lua", source("n"))  # a folder that is watched only since then
    wait_answer(one, "n", "more:f")
    os.rename(path(one, "a"), path(one, "z"))
    write(one, "z/b/f.lua", source("o"))
    wait_answer(one, "o", "more:f")
    shutil.rmtree(path(one, "z"))
    wait_for(lambda: "more:f" not in [row["id"] for row in one.supctl("registry", "list")],
             what="its end")
    assert one.call("app:f") == "1"


def test_dev_many_changes_at_once_are_few_reloads(boot):
    files = {"src/_index.yaml": INDEX + "".join(
        f"  - {{name: f{i}, kind: function.lua, method: main, source: 'file://f{i}.lua'}}\n"
        for i in range(30)), "src/f.lua": source("1"),
        **{f"src/f{i}.lua": source("1") for i in range(30)}}
    one = dev(boot, files)
    for i in range(30):
        write(one, f"f{i}.lua", source("2"))
    for i in range(30):
        wait_answer(one, "2", f"app:f{i}")
    assert one.supctl("status")["supervisor"]["registry_version"] < 10


def test_dev_what_an_app_writes_for_itself_reloads_nothing(boot):
    one = dev(boot, args=["--set", "registry.history_type=sqlite",
                          "--set", "registry.history_path=app.db"])
    for name in ("app.log", "x.db", "x.db-wal", ".hidden/x.lua"):
        write(one, name, "x")
    write(one, "f.lua", source("2"))
    wait_answer(one, "2")
    before = len(printed(one))
    write(one, "x.db", "y")
    time.sleep(0.3)  # nothing must come of it, however long one waits
    assert len(printed(one)) == before


def test_dev_goes_on_after_its_folder_was_away(boot):
    one = dev(boot)
    src, away = os.path.join(one.cwd, "src"), os.path.join(one.folder, "away")
    os.rename(src, away)
    wait_printed(one, "version 0 goes on")
    assert one.call("app:f") == "1"
    os.rename(away, src)
    write(one, "f.lua", source("2"))
    wait_answer(one, "2")


@pytest.mark.parametrize("argv,code", [(["dev", "nowhere"], troupe.BAD_CONFIG),
                                       (["dev", ".", "more"], troupe.USAGE)])
def test_dev_refuses(boot, argv, code):
    one = boot({"src/_index.yaml": INDEX, "src/f.lua": source("1")}, start=False)
    one.command, one.config = argv, None
    one.spawn()
    assert one.wait() == code
    open(one.err_path, "w").close()
    one.expect_code(code)
