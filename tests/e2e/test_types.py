"""Types in sources: erased without a trace, and (switched on) values at run time."""

import os
import subprocess
import sys

import pytest

import troupe
from troupe import function, library

TYPES = os.path.join(troupe.ROOT, "tests", "types")
RUN_PAIRS = os.path.join(troupe.BUILD, "tests", "types", "run_pairs")


def test_typed_programs_do_what_untyped_ones_do_TYPE_02_TYPE_20_TYPE_21():
    """2,000 generated pairs; `./dev types` has a long form."""
    seed = "0"
    made = subprocess.run([sys.executable, os.path.join(TYPES, "generate.py"), "2000", seed],
                          capture_output=True, timeout=120, check=True)
    done = subprocess.run([RUN_PAIRS], input=made.stdout, capture_output=True, timeout=120,
                          check=False)
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said[-20000:]
    assert said.endswith("2000 pairs, 0 different, 0 that don't compile\n")


# ---- types as values


ON = ["--set", "lua.type_system.enabled=true"]
DECLARED = """
type User = {name: string @min_len(2) @max_len(8), age: integer @min(0) @max(150),
             email?: string @pattern("^[^@]+@[^@]+$"), tags: {string}}
type Level = "low" | "high" | 3
type Pair<A, B> = {first: A, second: B}
type IntPair = Pair<integer, integer>
type Tree = {value: number, left: Tree?, right: Tree?}
type Scores = {[string]: number}
type Callback = (name: string, n: number) -> (boolean, string?)
type Field = keyof(User)
type Never = never
interface Named
    name: string
    function greet(self: any, to: string): string
end
interface Aged: Named
    age: number
end
"""


def program(body):
    return DECLARED + "return function(...)\n" + body + "\nend"


@pytest.fixture(scope="module", name="typed")
def boot_typed(boot_shared):
    """Checks any value against any of the types: [ok, why]."""
    check = program("""
        local name, value = ...
        local T = ({User = User, Level = Level, Pair = Pair, IntPair = IntPair,
            Tree = Tree, Scores = Scores, Callback = Callback, Field = Field,
            Never = Never, integer = integer, number = number, any = any,
            boolean = boolean})[name]
        local got, err = T:is(value)
        if err then
            return {ok = false, why = tostring(err), kind = err:kind(), got = got}
        end
        return {ok = true, same = got == value}""")
    return boot_shared([function("check", check, method="main")], args=ON)


USER = {"name": "Ann", "age": 30, "tags": ["a", "b"]}


@pytest.mark.parametrize("name, value, why", [
    ("User", USER, None),
    ("User", {**USER, "email": "a@b"}, None),
    ("User", {**USER, "extra": 1}, None),
    ("User", 3, "User: expected record, got number"),
    ("User", {**USER, "name": 5}, "User: field 'name': expected string, got number"),
    ("User", {**USER, "name": "A"}, "User: field 'name': length must be at least 2, is 1"),
    ("User", {**USER, "name": "A" * 9},
     "User: field 'name': length must be at most 8, is 9"),
    ("User", {**USER, "age": -1}, "User: field 'age': minimum is 0, got -1"),
    ("User", {**USER, "age": 200}, "User: field 'age': maximum is 150, got 200"),
    ("User", {**USER, "age": 1.5}, "User: field 'age': expected integer, got number"),
    ("User", {"name": "Ann", "tags": []}, "User: field 'age': expected integer, got nil"),
    ("User", {**USER, "email": "nope"},
     "User: field 'email': doesn't match the pattern ^[^@]+@[^@]+$"),
    ("User", {**USER, "tags": ["a", 2]},
     "User: field 'tags[2]': expected string, got number"),
    ("Level", "low", None),
    ("Level", 3, None),
    ("Level", "middle", "Level: expected one of a union's types, got string"),
    ("IntPair", {"first": 1, "second": 2}, None),
    ("IntPair", {"first": 1, "second": "x"},
     "IntPair: field 'second': expected integer, got string"),
    ("Pair", {"first": 1, "second": "x"}, None),
    ("Tree", {"value": 1, "left": {"value": 2}}, None),
    ("Tree", {"value": 1, "left": {"value": 2, "right": {"value": "x"}}},
     "Tree: field 'left.right.value': expected number, got string"),
    ("Scores", {"a": 1, "b": 2.5}, None),
    ("Scores", {"a": "1"}, "Scores: field 'a': expected number, got string"),
    ("Scores", [1], "Scores: field '[1]': expected string, got number"),
    ("Callback", 1, "Callback: expected function, got number"),
    ("Field", "email", None),
    ("Field", "mail", "Field: expected the name of a field, got string"),
    ("Never", 1, "Never: expected never, got number"),
    ("integer", 3, None),
    ("integer", 2.5, "integer: expected integer, got number"),
    ("number", "3", "number: expected number, got string"),
    ("any", {}, None),
    ("boolean", False, None),
])
def test_a_type_judges_values_TYPE_21(typed, name, value, why):
    got = typed.call("app:check", name, value)
    if why is None:
        assert got == {"ok": True, "same": True}
    else:
        assert got == {"ok": False, "why": why, "kind": "Invalid"}


def run(boot, body, *args, entries=(), on=True, **fields):
    one = boot([function("f", program(body), **fields), *entries],
               args=ON if on else [])
    return one.call("app:f", *args)


def test_a_type_can_be_called_TYPE_21(boot):
    assert run(boot, """
        local ok, err = pcall(function()
            return User({name = "Ann"})
        end)
        return {User({name = "Ann", age = 1, tags = {}}).name, ok, err,
            integer(4), string("s"), select(2, pcall(string, 5)), string.upper("x"),
            Scores({a = 1}).a}
        """) == ["Ann", False, "app:f:22: User: field 'age': expected integer, got nil",
                 4, "s", "string: expected string, got number", "X", 1]


def test_a_type_can_be_looked_into_TYPE_21(boot):
    assert run(boot, """
        local variants = {}
        for i, variant in ipairs(Level:variants()) do
            variants[i] = variant:kind()
        end
        return {type(User), type({}), type(5), tostring(User), User:kind(), User:name(),
            User:fields().tags:elem():name(), User:fields().nope == nil, variants,
            Scores:key():name(), Scores:val():name(), Tree:fields().left:kind(),
            Tree:fields().left:inner():name(), Callback:kind(), #Callback:params(),
            #Callback:ret(), IntPair:kind(), integer:kind(), getmetatable(User),
            Aged:kind(), Scores:elem() == nil}
        """) == ["type", "table", "number", "type User", "record", "User", "string", True,
                 ["literal", "literal", "literal"], "string", "number", "optional",
                 "Tree", "function", 2, 2, "record", "primitive", False, "intersection",
                 True]


def test_interfaces_are_records_with_methods_TYPE_01(boot):
    assert run(boot, """
        local ann = {name = "Ann", age = 3, greet = function() end}
        local _, err = Aged:is({name = "Bob", age = 3})
        return {Aged(ann) == ann, tostring(err)}
        """) == [True, "Aged: field 'greet': expected function, got nil"]


def test_types_are_globals_unless_there_is_one_TYPE_21(boot):
    one = boot([function("f", """
        type json = string
        type Twice = {x: number}
        Twice = 5
        local function inner()
            type Deep = {y: number}
            return Deep:kind()
        end
        return function()
            return {type(json), Twice, inner(), type(Deep)}
        end""", modules=["json"])], args=ON)
    assert one.call("app:f") == ["table", 5, "record", "type"]


def test_a_librarys_types_mean_the_same_by_their_bare_names_TYPE_21(boot):
    deep = "type Id = string @min_len(3) type Own = nil return {}"
    lib = """
        type Item = {id: Id, more: {Item}?}
        type Own = {item: Item}
        return {is = function(v) return Own:is(v) end}"""
    assert run(boot, """
        type Own = {item: Item, id: Id}
        local bad = {item = {id = "abc", more = {{id = "x"}}}, id = "abc"}
        local said = {}
        for i, try in ipairs{function() return Item:is(bad.item) end,
                             function() return Own:is(bad) end,
                             function() return lib.is(bad) end,
                             function() return Own:is({item = {id = "abc"}, id = 5}) end} do
            said[i] = tostring(select(2, try()))
        end
        bad.item.more[1].id = "def"
        said[#said + 1] = Own(bad).id
        return said
        """, entries=[library("deep", deep),
                      library("lib", lib, imports={"deep": "app:deep"})],
        imports={"lib": "app:lib"}) == [
            "Item: field 'more[1].id': length must be at least 3, is 1",
            "Own: field 'item.more[1].id': length must be at least 3, is 1",
            "Own: field 'item.more[1].id': length must be at least 3, is 1",
            "Own: field 'id': expected string, got number", "abc"]


@pytest.mark.parametrize("freeze", ["", "table.freeze"])
def test_a_library_hands_on_its_types_TYPE_21(boot, freeze):
    lib = """
        type Id = string @min_len(3)
        type Own = number
        type Hidden = string
        return """ + freeze + """({Hidden = "mine", check = function(v)
            return Own:is(v)
        end})"""
    assert run(boot, """
        type Own = {id: lib.Id}
        local _, err = Own:is({id = "x"})
        return {type(lib.Id), lib.Hidden, Own({id = "abc"}).id, tostring(err)}
        """, entries=[library("lib", lib)], imports={"lib": "app:lib"}) == [
            "type", "mine", "abc", "Own: field 'id': length must be at least 3, is 1"]


def test_types_stay_what_a_chunk_sees_in_a_pack(boot, tmp_path):
    troupe.write_app(tmp_path, [function("f", program("return User:kind()"))])
    subprocess.run([troupe.SUPERVISOR, "pack", "a.wapp", "--bytecode", "**", *ON],
                   cwd=tmp_path, check=True, capture_output=True, timeout=60)
    assert boot(config=str(tmp_path / "a.wapp")).call("app:f") == "record"


def test_without_the_setting_types_are_nothing_TYPE_21(boot):
    assert run(boot, "return {User == nil, integer == nil, type(string)}", on=False) == [
        True, True, "table"]


def test_deep_and_odd_values_are_judged_too_TYPE_21(boot):
    assert run(boot, """
        local deep = {value = 1}
        for _ = 1, 1000 do
            deep = {value = 1, left = deep}
        end
        local loop = {value = 1}
        loop.left = loop
        local frozen = table.freeze({value = 2, left = table.freeze({value = "x"})})
        local magic = setmetatable({}, {__index = function() error("asked") end})
        local function why(T, v)
            return (tostring(select(2, T:is(v))):gsub("left%.", ""))
        end
        return {why(Tree, deep), why(Tree, loop), why(Tree, frozen), why(Tree, magic)}
        """) == [
            "Tree: field 'left': nested deeper than 100 levels",
            "Tree: field 'left': nested deeper than 100 levels",
            "Tree: field 'value': expected number, got string",
            "Tree: field 'value': expected number, got nil"]


def test_a_deeply_nested_type_is_no_value_TYPE_21(boot):
    source = "type Deep = " + "{" * 100 + "number" + "}" * 100 + """
        type Wide = number""" + "[]" * 60 + """
        type Fine = {number}
        type Odd = number @max(2 * (1 + 1)) @min(-1.5)
        type Other = Fine extends table ? string : number
        return function()
            return {type(Deep), type(Wide), type(Fine), Odd(100), Odd:is(-2) == nil,
                Other(5)}
        end"""
    one = boot([function("f", source)], args=ON)
    assert one.call("app:f") == ["nil", "nil", "type", 100, True, 5]
