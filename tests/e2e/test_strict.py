"""lua.type_system.strict: sources with type errors don't get in (TYPE-21)."""

import glob
import json
import os
import shutil
import subprocess
import sys

import pytest

import troupe
from troupe import function, library

STRICT = ["--set", "lua.type_system.enabled=true", "--set", "lua.type_system.strict=true"]

RIGHT = """
local function half(n: number): number
    return n / 2
end
return {main = function(n: number?): number return half(n or 0) end}
"""
WRONG = """
local function half(n: number): number
    return n / 2
end
return {main = function(): string return half("x"), 2 end}
"""
ERRORS = ["5:42: error: result 1: expected string, got number",
          "5:47: error: argument 1 of 'half': expected number, got \"x\"",
          "5:53: error: the function returns 1 value, got 2"]


def check(folder, *args, command="check"):
    return troupe.run(troupe.SUPERVISOR, command, *STRICT, *args, cwd=folder,
                      timeout=120)


INDEX = """version: "1.0"
namespace: app
entries:
  - name: f
    kind: function.lua
    method: main
    source: file://f.lua
"""


def with_file(folder, source):
    troupe.write_app(folder, {"src/_index.yaml": INDEX, "src/f.lua": source})


def test_check_names_file_line_and_column_of_each_TYPE_21(tmp_path):
    with_file(tmp_path, WRONG)
    done = check(tmp_path)
    assert done.returncode == troupe.BAD_CONFIG
    lines = done.stderr.splitlines()
    assert [line.split("f.lua:")[1] for line in lines[:3]] == [
        error.replace("error: ", "error: app:f: ", 1) for error in ERRORS]
    assert len(lines) == 3


def test_a_source_inside_yaml_has_the_place_in_the_file_TYPE_21(tmp_path):
    block = "|\n" + "".join("      " + line + "\n" for line in WRONG.strip().splitlines())
    troupe.write_app(tmp_path, {
        "src/_index.yaml": INDEX.replace("file://f.lua\n", block)})
    done = check(tmp_path)
    index = (tmp_path / "src" / "_index.yaml").read_text().splitlines()
    row = next(i for i, line in enumerate(index) if "half(\"x\")" in line)
    column = index[row].index('"x"')
    assert f"_index.yaml:{row + 1}:{column + 1}: error: app:f: argument 1" in done.stderr
    # So do errors of syntax.
    text = (tmp_path / "src" / "_index.yaml").read_text().replace("return n / 2", "n = = 2")
    (tmp_path / "src" / "_index.yaml").write_text(text)
    assert "_index.yaml:9:15: error: app:f: " in check(tmp_path).stderr


def test_lint_names_them_too_CLI_04(tmp_path):
    with_file(tmp_path, WRONG)
    done = check(tmp_path, "--json", "--code", "T0001", command="lint")
    assert done.returncode == 1
    rows = json.loads(done.stdout)["diagnostics"]
    assert [(row["code"], row["line"], row["column"]) for row in rows] == [
        ("T0001", 5, 42), ("T0001", 5, 47), ("T0001", 5, 53)]


def test_a_right_program_boots_and_runs_TYPE_21(boot):
    one = boot([function("f", RIGHT, method="main")], args=STRICT)
    assert one.call("app:f", 5) == 2.5
    assert one.call("app:f") == 0


def test_boot_refuses_type_errors_TYPE_21(boot):
    one = boot([function("f", WRONG, method="main")], args=STRICT, start=False)
    done = troupe.run(troupe.SUPERVISOR, *STRICT, "--config", one.folder, "--state",
                      one.state, "--control", one.control)
    assert done.returncode == troupe.BAD_CONFIG
    assert "app:f: argument 1 of 'half': expected number" in done.stderr


@pytest.mark.parametrize("source", [WRONG, "local x: Nothing = 1 return function() end",
                                    "return function(n: number): string return n end"])
def test_a_reload_with_type_errors_changes_nothing_TYPE_21(boot, source):
    one = boot([function("f", RIGHT, method="main")], args=STRICT)
    troupe.write_app(one.cwd, [function("f", source, method="main")])
    done = one.run_supctl("reload")
    assert done.returncode == troupe.FAILED
    assert "error: app:f: " in done.stderr
    assert one.call("app:f", 3) == 1.5


def test_a_change_at_run_time_is_refused_as_one_text_TYPE_21(boot):
    one = boot([function("f", """
        return function(source)
            local changes = registry.snapshot():changes()
            changes:create({id = "app:new", kind = "library.lua",
                data = {source = source}})
            local done, err = changes:apply()
            return {done ~= nil, tostring(err)}
        end""", modules=["registry"])], args=STRICT)
    done, why = one.call("app:f", "local a: string = 1\nlocal b: number = 'x'")
    assert not done
    assert ("type errors in app:new: 1:19 local 'a': expected string, got integer; "
            "2:19 local 'b': expected number, got \"x\"") in why
    why = one.call("app:f", "local a: string = 1\n" * 25)[1]
    n_told = why.count("local 'a': expected string, got integer; ")
    assert n_told > 2 and why.endswith(f"; and {25 - n_told} more"), why
    assert one.call("app:f", "local a: string = 'x'")[0]


def test_without_strict_nothing_is_checked_TYPE_21(boot):
    app = [function("f", WRONG.replace('half("x")', "half(1)"), method="main")]
    assert boot(app).call("app:f") == 0.5
    assert boot(app, args=STRICT[:2]).call("app:f") == 0.5


def test_strict_alone_is_told_to_have_no_effect_TYPE_21(tmp_path):
    with_file(tmp_path, WRONG)
    done = troupe.run(troupe.SUPERVISOR, "check", *STRICT[2:], cwd=tmp_path)
    assert done.returncode == 0
    assert "lua.type_system.strict has no effect alone" in done.stderr


def test_types_of_libraries_are_left_to_them_TYPE_21(boot):
    one = boot([
        library("shapes", "type Point = {x: number}\n"
                          "local M = {} function M.x(p: Point): number return p.x end return M"),
        function("f", "local p: shapes.Point = {x = 2}\nreturn function() return shapes.x(p) end",
                 imports={"shapes": "app:shapes"})], args=STRICT)
    assert one.call("app:f") == 2


# ---- a whole program, and what is found when something in it changes


STRICT_APP = os.path.join(troupe.ROOT, "tests", "apps", "strict")


def test_a_typed_program_of_some_size_passes_and_runs_TYPE_21(boot, tmp_path):
    done = check(tmp_path, "--config", STRICT_APP)
    assert (done.returncode, done.stderr) == (0, "")
    one = boot(cwd=STRICT_APP, args=STRICT)
    assert one.call("users:users", {"name": "Ann"}) == "Ann (none) nobody 0"


@pytest.mark.parametrize("text, instead, want", [
    ("id = next_id,", "id = name,", "field 'id': expected integer, got string"),
    ("        name = name,\n", "", "field 'name' is missing"),
    ('input.role or "user"', '"owner"', "local 'role': expected Role, got \"owner\""),
    ("return user\nend", "return 5\nend", "result 1: expected User?, got integer"),
    ("users[user.id] = user", "users[user.id] = user.name", "expected User?, got string"),
    ("user.name = name", "user.nmae = name",
     "no field 'nmae' in User; did you mean 'name'?"),
    ("if not user then return false end", "",
     "can't index 'user' of type User?, which may be nil"),
    ("user.email and (", "true and (",
     None),  # nobody follows what is in a field
    ("if best then print(best.name) end", "print(best.name)",
     None),  # nor how often a loop runs
    ('emit({kind = "created", user = user})', 'emit("created")',
     "argument 1 of 'emit': expected Event, got \"created\""),
    ("s:push(1)", "s:pusch(1)", "no field 'pusch' in StackOf; did you mean 'push'?"),
    ("fib(n - 1, memo)", "fib('n', memo)",
     "argument 1 of 'fib': expected integer, got \"n\""),
    ("fib(n - 1, memo)", "fib()", "argument 1 of 'fib' is missing: expected integer"),
    ("fib(n - 1, memo)", "fib(n - 1, memo, 3)", "'fib' takes 2 arguments, got 3"),
    ('current = "done"', 'current = "over"', "'current': expected"),
    ("x = {x}", "x = nil", "'x': expected string | {string}, got nil"),
    ("x = tostring(x) end\n    return x", "x = 1 end\n    return x",
     "result 1: expected string, got number | string"),
    ('error("no user", 2)', 'print("no user")',
     "result 1: expected User, got User?, which may be nil"),
    ("total = total + n", "total = total + {n}",
     "can't do arithmetic on a value of type table"),
    ("(listener: (event: Event)", "(listener: (event: Evnet)",
     "unknown type 'Evnet'; did you mean 'Event'?"),
])
def test_a_mistake_in_it_is_found_TYPE_21(tmp_path, text, instead, want):
    with open(os.path.join(STRICT_APP, "src", "users.lua"), encoding="utf-8") as file:
        source = file.read()
    assert text in source
    with_file(tmp_path, source.replace(text, instead, 1))
    index = tmp_path / "src" / "_index.yaml"
    index.write_text(index.read_text() + "    modules: [json, time]\n")
    lines = check(tmp_path).stderr.splitlines()
    if want is None:
        assert not lines
    else:
        assert len(lines) == 1 and want in lines[0], lines


TYPED_APP = os.path.join(troupe.ROOT, "tests", "apps", "typed")
TYPED = sorted(os.path.basename(path)[:-len(".lua")]
               for path in glob.glob(os.path.join(TYPED_APP, "src", "*.lua")))


def test_modules_in_many_styles_have_no_type_errors_TYPE_21(tmp_path):
    done = check(tmp_path, "--config", TYPED_APP)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(TYPED) == 20


@pytest.mark.parametrize("args", [STRICT, []], ids=["strict", "erased"])
def test_modules_in_many_styles_do_the_same_with_types_and_without_TYPE_21(boot, args):
    one = boot(cwd=TYPED_APP, args=args)
    said = {name: one.call("typed:selftest", name) for name in TYPED}
    assert said["account"] == "ann: 6, bob: 4"
    assert said["shapes"] == "circle 3.1, box 24, 33"
    assert said["library_user"] == "15 nil Cid: insufficient funds"
    assert said["users"] == "Ann b.c no user 2 truefalsenilAnn"
    assert all(said.values())


@pytest.mark.parametrize("name, text, instead, want", [
    ("account", "balance = opening or 0", "balance = owner",
     "field 'balance': expected number, got string"),
    ("account", "from.LIMIT", "from.LIMITS", "no field 'LIMITS' in Account"),
    ("account", "transfer(a, b, 4)", "transfer(a, b)",
     "argument 3 of 'transfer' is missing: expected number"),
    ("shapes", "Circle.new(self.r * by)", "Circle.new('x')",
     "argument 1 of 'new': expected number"),
    ("shapes", "shape:scale(2)", "shape:scal(2)", "did you mean 'scale'?"),
    ("config", "if not found then return nil, why end\n        level", "level",
     "'level': expected Level, got Level?, which may be nil"),
    ("config", "config.port .. ", "config.prot .. ", "did you mean 'port'?"),
    ("parser", "text = word, at = at", "text = word, at = word",
     "field 'at': expected integer, got string"),
    ("money", "money(150)", "money('1.50 EUR')", "argument 1 of 'money': expected integer"),
    ("state", "on_change(from, to)\n    end", "on_change(from, 5)\n    end",
     "argument 2 of 'on_change': expected State, got integer"),
    ("users", 'assert(user, "no user " .. id)\n', "",
     "result 1: expected User, got User?, which may be nil"),
    ("matrix", "low and n < low", "n < low", "can't compare 'low' of type number?"),
    ("http_client", "r.status >= 500", "r.staus >= 500", "did you mean 'status'?"),
    ("worker", "ok = err == nil", "ok = err", "expected boolean, got string?"),
    ("text", "(h or 0) * 60", "h * 60", "can't do arithmetic on 'h' of type integer?"),
    ("tree", "insert(tree, key, i)", "insert(tree, i, key)", "argument 2 of 'insert'"),
    ("validate", "check = M.string}", "chek = M.string}", "field 'check' is missing"),
    ("pipeline", "return n // 1", "return text", "result 1: expected integer, got string"),
    ("library_user", "limit: people", "limit: strnig, x: people",
     "unknown type 'strnig'; did you mean 'string'?"),
])
def test_a_mistake_in_one_of_them_is_found_TYPE_21(tmp_path, name, text, instead, want):
    source = os.path.join(TYPED_APP, "src")
    shutil.copytree(source, tmp_path / "src")
    with open(os.path.join(source, name + ".lua"), encoding="utf-8") as file:
        typed = file.read()
    assert text in typed
    (tmp_path / "src" / (name + ".lua")).write_text(typed.replace(text, instead, 1))
    lines = check(tmp_path).stderr.splitlines()
    assert len(lines) >= 1 and want in lines[0], lines


def apps():
    root = os.path.join(troupe.ROOT, "config")
    examples = sorted(glob.glob(os.path.join(root, "examples", "*", "src")))
    return [os.path.dirname(path) for path in examples] + [os.path.join(root, "demo")]


@pytest.mark.parametrize("folder", apps(), ids=os.path.basename)
def test_examples_have_no_type_errors_TYPE_21(folder):
    done = check(folder, "--config", folder)
    assert "error" not in done.stderr.replace("error.lua", ""), done.stderr
    assert done.returncode == 0, done.stderr


def test_generated_programs_are_judged_as_they_are_TYPE_21():
    """1,000 of them, half with a mistake; `./dev types` has a long form."""
    run_checks = os.path.join(troupe.BUILD, "tests", "types", "run_checks")
    made = subprocess.run(
        [sys.executable, os.path.join(troupe.ROOT, "tests", "types", "right.py"), "1000"],
        capture_output=True, timeout=120, check=True)
    done = subprocess.run([run_checks], input=made.stdout, capture_output=True,
                          timeout=120, check=False)
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said[-20000:]
    assert said.endswith("of them right, 0 misjudged\n")
