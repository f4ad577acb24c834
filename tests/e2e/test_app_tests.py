"""`supervisor test` and `supervisor lint`: what an app says about itself."""

import json
import os
import re

import pytest

import troupe
from troupe import function, host, process

BROKEN = os.path.join(troupe.APPS, "registry", "broken")


def supervisor(*args, cwd, link=None):
    return troupe.run(link or troupe.SUPERVISOR, *args, "--state",
                      os.path.join(cwd, ".state"), "--control",
                      os.path.join(cwd, ".control"), cwd=cwd)


def case(name, source, **meta):
    return function(name, source, meta={"type": "test", **meta})


def outcomes(done):
    """[(ok or FAIL, id)] in their order, and the last line without its times."""
    lines = done.stdout.splitlines()
    rows = [tuple(line.split()[:2]) for line in lines if re.match("ok|FAIL", line)]
    return rows, re.sub(r", in \d+ ms$", "", lines[-1])


def test_tests_run_in_their_order_and_are_counted(tmp_path):
    troupe.write_app(tmp_path, [
        case("b", "return function() end", suite="x", order=1),
        case("a", "return function() return true end", suite="x", order=2),
        case("z", "return function() return 0 end"),
        function("no_test", "return function() error('never') end")])
    done = supervisor("test", cwd=tmp_path)
    assert outcomes(done) == ([("ok", "app:z"), ("ok", "app:b"), ("ok", "app:a")],
                              "3 tests: 3 passed, 0 failed")
    assert (done.returncode, done.stderr) == (0, "")


LOOP = "return function() while true do end end"


@pytest.mark.parametrize("source, want", [
    ("return function()\n error('boo')\nend", "app:t:2: boo"),
    ("return function() return nil, 'bad' end", "bad"),
    ("return function() return false end", "it returned false"),
    ("return function() return errors end", None),
    ("return function() return nil, errors.new{message='m', kind='Invalid'} end", "m"),
    (LOOP, "timed out after 300ms"),
    ("return function() return string.rep('x', 10) end", None),
])
def test_what_fails_a_test(tmp_path, source, want):
    meta = {"timeout": "300ms"} if source == LOOP else {}
    troupe.write_app(tmp_path, [case("t", source, **meta),
                                case("u", "return function() end")])
    done = supervisor("test", cwd=tmp_path)
    rows, last = outcomes(done)
    assert rows == [("FAIL" if want else "ok", "app:t"), ("ok", "app:u")]
    assert last == f"2 tests: {1 if want else 2} passed, {1 if want else 0} failed"
    assert done.returncode == (1 if want else 0)
    if want:
        assert re.search(f"^      .*{re.escape(want)}", done.stdout, re.M), done.stdout


def test_processes_may_be_tests(tmp_path):
    meta = {"type": "test", "default_host": "app:host"}
    troupe.write_app(tmp_path, [
        host(),
        process("good", "return function() end", meta=meta),
        process("code", "return function() return 3 end", meta=meta),
        process("nowhere", "return function() end", meta={"type": "test"})])
    rows, last = outcomes(done := supervisor("test", cwd=tmp_path))
    assert rows == [("FAIL", "app:code"), ("ok", "app:good"), ("FAIL", "app:nowhere")]
    assert "it ended with 3" in done.stdout


def test_tests_may_be_chosen(tmp_path):
    troupe.write_app(tmp_path, [case(name, "return function() end", suite=name[0])
                                for name in ("aa", "ab", "ba")])
    for args, want in [(["aa"], ["app:aa"]), (["app:a*"], ["app:aa", "app:ab"]),
                       (["b", "ab"], ["app:ab", "app:ba"])]:
        rows, _ = outcomes(supervisor("test", *args, cwd=tmp_path))
        assert [row[1] for row in rows] == want
    done = supervisor("test", "nope", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "supervisor: no test is called nope\n")


def test_no_tests_are_no_success(tmp_path):
    troupe.write_app(tmp_path, [function("f", "return function() end")])
    done = supervisor("test", cwd=tmp_path)
    assert done.returncode == 1
    assert "the app has no tests" in done.stderr


def test_a_wrong_timeout_is_told(tmp_path):
    troupe.write_app(tmp_path, [case("t", "return function() end", timeout="soon")])
    done = supervisor("test", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        1, "supervisor: app:t: meta.timeout is a duration like 5s\n")


def test_a_runner_of_its_own_takes_over(tmp_path):
    troupe.write_app(tmp_path, [
        case("t", "return function() error('never') end"),
        function("runner", "return function(who) return 'for ' .. who end",
                 meta={"command": {"name": "test"}})])
    done = supervisor("test", "Ann", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "for Ann\n")


def test_the_example_passes_its_tests(tmp_path):
    example = os.path.join(troupe.ROOT, "config", "examples", "tests")
    done = supervisor("test", "--config", example, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert outcomes(done)[1] == "3 tests: 3 passed, 0 failed"


def test_tests_of_a_pack(tmp_path):
    troupe.write_app(tmp_path, [case("t", "return function() end")])
    assert supervisor("pack", "a.wapp", "--bytecode", "**", cwd=tmp_path).returncode == 0
    assert outcomes(supervisor("test", "a.wapp", cwd=tmp_path))[0] == [("ok", "app:t")]


# ---- lint


def test_lint_says_when_all_is_well_CLI_04(tmp_path):
    troupe.write_app(tmp_path, [function("f", "return function() end")])
    done = supervisor("lint", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "No issues found\n", "")
    done = supervisor("lint", "--json", cwd=tmp_path)
    assert (done.returncode, json.loads(done.stdout)) == (0, {
        "diagnostics": [], "total_entries": 1, "error_count": 0, "warning_count": 0,
        "hint_count": 0})


def test_lint_counts_CLI_04(tmp_path):
    done = supervisor("lint", "--config", BROKEN, cwd=tmp_path)
    assert done.returncode == 1
    last = done.stdout.splitlines()[-1]
    errors, warnings = map(int, re.fullmatch(
        r"Checked \d+ entries: (\d+) errors, (\d+) warnings", last).groups())
    assert done.stdout.count(": error: ") == errors
    assert done.stdout.count(": warning: ") == warnings > 0
    done = supervisor("lint", "--config", BROKEN, "--summary", cwd=tmp_path)
    assert done.stdout == last + "\n"


def test_lint_leaves_the_history_to_whom_it_belongs_CLI_04(boot):
    kept = ["--set", "registry.history_type=sqlite",
            "--set", "registry.history_path=history.db"]
    one = boot([function("f", "return function() end")], args=kept)
    done = supervisor("lint", *kept, cwd=one.cwd)
    assert (done.returncode, done.stdout, done.stderr) == (0, "No issues found\n", "")


def test_lint_as_json_CLI_04(tmp_path):
    done = supervisor("lint", "--config", BROKEN, "--json", cwd=tmp_path)
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["error_count"] == sum(
        row["severity"] == "error" for row in report["diagnostics"])
    parse, = [row for row in report["diagnostics"] if row["code"] == "P0001"]
    assert (parse["entry_id"], parse["severity"], parse["line"], parse["column"]) == (
        "app:syntax", "error", 2, 3)


def test_lint_shows_what_was_chosen_CLI_04(tmp_path):
    def shown(*args):
        done = supervisor("lint", "--json", "--config", BROKEN, *args, cwd=tmp_path)
        return json.loads(done.stdout)["diagnostics"]

    assert {row["severity"] for row in shown("--level", "error")} == {"error"}
    assert {row["severity"] for row in shown("--level", "hint")} == {"error", "warning"}
    assert {row["code"] for row in shown("--code", "P0001", "--code", "R0004")} == {
        "P0001", "R0004"}
    assert len(shown("--limit", "3")) == 3
    assert shown("--ns", "nope") == []
    assert {row["entry_id"].partition(":")[0] for row in shown("--ns", "app")} == {"app"}


def test_wippy_lint_takes_its_options_CLI_04(tmp_path):
    link = tmp_path / "wippy"
    link.symlink_to(troupe.SUPERVISOR)
    troupe.write_app(tmp_path, [function("f", "return function() end")])
    done = supervisor("lint", "--rules", "--no-color", "--cache-reset", "-l",
                      "wippy.lock", cwd=tmp_path, link=link)
    assert (done.returncode, done.stdout) == (0, "No issues found\n")
