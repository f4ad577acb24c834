"""`supervisor check`: all problems of a load at once, nothing started."""

import os

import pytest

import troupe

APPS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "apps", "registry")


def check(*args, cwd=APPS, timeout=30):
    return troupe.run(troupe.SUPERVISOR, "check", *args, cwd=cwd, timeout=timeout)


def lines_about(result, word):
    return [line for line in result.stderr.splitlines() if word in line]


def test_a_whole_app_passes():
    result = check("--config", "whole")
    assert (result.returncode, result.stderr) == (0, "")


def test_every_problem_is_told_with_its_place():
    result = check("--config", "broken")
    assert result.returncode == 78
    assert lines_about(result, "functon.lua") == [
        "broken/src/a.yaml:4:5: error: app:typo: unknown kind: functon.lua; "
        "did you mean function.lua?"]
    # Sources are compiled even so, and point into the Lua file.
    assert lines_about(result, "wrong.lua:2:3: error: app:syntax: ")
    assert len(lines_about(result, ": error: ")) >= 19


@pytest.mark.parametrize("text, want", [
    ("namespace: a\nentries: []\n", None),
    ("namespace: a\nentries: [}\n", "x.yaml:2:11: error: no valid YAML"),
    ("namespace: a\nentries: []\nentries: []\n", "x.yaml:3:1: error: key 'entries' comes"),
    ("", "x.yaml:1:1: error: namespace is required"),
], ids=["empty", "syntax", "double key", "nothing"])
def test_a_load_without_sources_ends(tmp_path, text, want):
    (tmp_path / "x.yaml").write_text(text)
    result = check("--config", "x.yaml", cwd=tmp_path)
    assert result.returncode == (0 if want is None else 78)
    assert result.stderr.startswith(want) if want else result.stderr == ""


def test_ten_thousand_entries_take_no_second(tmp_path):
    rows = "".join(f"  - {{name: e{i}, kind: registry.entry, n: {i}}}\n"
                   for i in range(10000))
    (tmp_path / "x.yaml").write_text("namespace: a\nentries:\n" + rows)
    # Generous: the machine may be busy. It takes 0.2 s on an idle one.
    assert check("--config", "x.yaml", cwd=tmp_path, timeout=60).returncode == 0


def test_placeholders_without_a_value_are_errors_ENV_06(tmp_path):
    (tmp_path / "x.yaml").write_text("""\
namespace: a
entries:
  - name: os
    kind: env.storage.os
  - name: var
    kind: env.variable
    variable: TROUPE_TEST_SIZE
    storage: a:os
  - name: host
    kind: process.host
    host:
      workers: ${TROUPE_TEST_SIZE|2}
    lifecycle:
      auto_start: ${env:NOPE}
""")
    result = check("--config", "x.yaml", cwd=tmp_path)
    assert result.returncode == 78
    assert lines_about(result, "NOPE") == [
        "x.yaml:14:7: error: a:host: lifecycle.auto_start: ${env:NOPE} has no value: no "
        "such variable, or it is empty; declare an env.variable of that name and give it "
        "a value, or write ${env:NAME|default}"]
    assert lines_about(result, "workers") == []


def test_unknown_fields_of_a_host_are_warnings_PH_1(tmp_path):
    (tmp_path / "x.yaml").write_text("""\
namespace: a
entries:
  - name: host
    kind: process.host
    host:
      workers: 2
      qeue_size: 10
    lifecyle:
      auto_start: true
    color: red
""")
    result = check("--config", "x.yaml", cwd=tmp_path)
    assert result.returncode == 0
    assert result.stderr.splitlines() == [
        "x.yaml:7:7: warning: a:host: process.host has no field host.qeue_size, ignoring "
        "it; did you mean host.queue_size?",
        "x.yaml:8:5: warning: a:host: process.host has no field lifecyle, ignoring it; "
        "did you mean lifecycle?",
        "x.yaml:10:5: warning: a:host: process.host has no field color, ignoring it; "
        "take it out"]


def test_unknown_fields_of_pools_and_lifecycles_are_warnings(tmp_path):
    (tmp_path / "x.yaml").write_text("""\
namespace: a
entries:
  - name: f
    kind: function.lua
    method: main
    source: "return function() end"
    pool: {tpye: static, size: 2}
  - name: h
    kind: process.host
    lifecycle:
      auto_strat: true
      restart: {attempts: 3}
""")
    result = check("--config", "x.yaml", cwd=tmp_path)
    assert result.returncode == 0
    assert result.stderr.splitlines() == [
        "x.yaml:7:12: warning: a:f: function.lua has no field pool.tpye, ignoring it; "
        "did you mean pool.type?",
        "x.yaml:11:7: warning: a:h: process.host has no field lifecycle.auto_strat, "
        "ignoring it; did you mean lifecycle.auto_start?",
        "x.yaml:12:17: warning: a:h: process.host has no field "
        "lifecycle.restart.attempts, ignoring it; did you mean "
        "lifecycle.restart.max_attempts?"]


def test_nothing_to_run_is_a_warning(tmp_path):
    (tmp_path / "app").mkdir()
    result = check("--config", "app", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == (
        "app: warning: there are no entries; a registry is a file with version, namespace "
        "and entries, or a folder with files _index.yaml\n")


def test_modules_that_are_not_built_are_warnings_REQ_02(tmp_path):
    (tmp_path / "x.yaml").write_text("""\
namespace: a
entries:
  - name: f
    kind: function.lua
    method: main
    modules: [json, treesitter]
    source: return function() end
""")
    result = check("--config", "x.yaml", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (
        0, "x.yaml:6:21: warning: a:f: module treesitter is not in this build, "
        'require("treesitter") fails\n')


SOURCE_THAT_REQUIRES = """\
-- require("json")
--[==[ require("json") ]]
]==]
local text, long = "\\"require('json')", [[require("json")]]
local time, text2 = require "time", require("string")
local a, b, c = require("a" .. "b"), pcall(require, "yaml"), lib.require("yaml")
local json = require("json")
local mine = require ( 'mylib' )
return {main = function() end}
"""


def test_what_is_required_and_not_there_is_a_warning_REQ_01(tmp_path):
    (tmp_path / "f.lua").write_text(SOURCE_THAT_REQUIRES)
    (tmp_path / "x.yaml").write_text("""\
namespace: a
entries:
  - {name: f, kind: function.lua, method: main, modules: [time], source: file://f.lua}
  - {name: b, kind: function.lua, method: main, modules: [jsn], source: file://f.lua}
  - {name: l, kind: library.lua, source: 'local j = require("json") return {}'}
  - {name: g, kind: function.lua, method: main, imports: {lib: "a:l"},
     source: 'local j = require("json") return {main = j.encode}'}
""")
    result = check("--config", "x.yaml", cwd=tmp_path)
    assert [line for line in result.stderr.splitlines() if "a:b" not in line] == [
        "f.lua:7: warning: a:f: the source requires json, which the entry doesn't have; add "
        "json to the entry's modules",
        "f.lua:8: warning: a:f: the source requires mylib, which the entry doesn't have; "
        "import the library that is meant, imports: {mylib: namespace:name}"]
    assert len([line for line in result.stderr.splitlines() if "a:b" in line]) == 1
