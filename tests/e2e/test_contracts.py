"""Contracts (F-60 to F-72), from inside apps and by their rules of registration."""

import json

import pytest

import lua_suite
import troupe
from troupe import function


@pytest.fixture(scope="module")
def results(boot_shared):
    return lua_suite.boot(boot_shared)


@lua_suite.cases("contracts")
def test_contracts(results, suite, title):
    results.check(suite, title)


# ---- F-60 to F-62 at load: every problem with its place

GOOD = """\
namespace: app
entries:
  - name: mailer
    kind: contract.definition
    methods:
      - name: send
        input_schemas:
          - {format: application/schema+json, definition: {type: object}}
      - {name: list}
  - name: post
    kind: contract.binding
    contracts:
      - contract: mailer
        default: true
        methods: {send: "nowhere:send", list: list_all}
"""


def check(tmp_path, text):
    (tmp_path / "x.yaml").write_text(text)
    return troupe.run(troupe.SUPERVISOR, "check", "--config", "x.yaml", cwd=tmp_path)


def test_f60_f61_what_is_right(tmp_path):
    result = check(tmp_path, GOOD + "  - {name: empty, kind: contract.definition}\n")
    assert (result.returncode, result.stderr) == (0, "")


def test_f61_methods_of_modules_can_be_bound(boot, tmp_path):
    text = GOOD.replace("nowhere:send", "app:mod.s").replace("list_all", "mod.l") + """\
  - name: mod
    kind: module.lua
    source: return {s = function(x) return x end, l = function() return {} end}
  - name: use
    kind: function.lua
    method: main
    modules: [contract]
    source: return {main = function(x) return (contract.get("app:mailer"):send(x)) end}
"""
    result = check(tmp_path, text)
    assert (result.returncode, result.stderr) == (0, "")
    assert boot({"src/_index.yaml": text}).call("app:use", {"a": 1}) == {"a": 1}


@pytest.mark.parametrize("old, new, want", [
    ("{name: list}", "{name: ''}", "9:10: error: app:mailer: method name cannot be empty"),
    ("{name: list}", "{description: x}", "method name cannot be empty"),
    ("{name: list}", "{name: send}", "9:10: error: app:mailer: duplicate method name: send"),
    ("format: application/schema+json, ", "",
     "8:13: error: app:mailer: input schema has a definition but no format specified"),
    ("input_schemas:\n          - {format: application/schema+json, ",
     "output_schemas:\n          - {",
     "output schema has a definition but no format specified"),
    ("{type: object}", "{type: objekt}",
     "8:60: error: app:mailer: invalid schema: /type: unknown type 'objekt'"),
    ("{type: object}", "{properties: {to: {pattern: '('}}}",
     "8:78: error: app:mailer: invalid schema: /properties/to/pattern: pattern '('"),
    ("{type: object}", "'{'", "8:47: error: app:mailer: invalid schema: /: "),
    ("{type: object}", "{$ref: '#'}", "leads back to itself"),
    ("input_schemas:\n          - {format: application/schema+json, "
     "definition: {type: object}}", "input_schemas: 3", "input_schemas must be a list"),
    ("contract: mailer", "contract: mailers",
     "13:9: error: app:post: binding references undefined contract: app:mailers; "
     "did you mean app:mailer?"),
    ("contract: mailer\n", "contract: post\n", "binding references undefined contract"),
    (", list: list_all", "", "15:9: error: app:post: contract method is not bound: list"),
    ("list: list_all", "list: list_all, purge: p", "15:57: error: app:post: bound method is "
     "not defined in contract definition: purge of app:mailer"),
    ("list: list_all", "list: 3", "method list is bound to no function id"),
    ("methods: {send: \"nowhere:send\", list: list_all}", "methods: [a]",
     "methods must be a map"),
    ("        default: true\n", "        context_required: x\n",
     "14:9: error: app:post: context_required must be a list of keys"),
])
def test_f62_problems_have_places(tmp_path, old, new, want):
    assert old in GOOD
    result = check(tmp_path, GOOD.replace(old, new))
    assert result.returncode == 78
    assert f"x.yaml:{want}" in result.stderr if want[0].isdigit() else want in result.stderr


@pytest.mark.parametrize("extra, want", [
    ("  - {name: none, kind: contract.binding, contracts: []}\n",
     "x.yaml:16:42: error: app:none: binding must bind at least one contract"),
    ("  - {name: none, kind: contract.binding}\n",
     "binding must bind at least one contract"),
    ("""\
  - name: second
    kind: contract.binding
    contracts:
      - contract: mailer
        default: true
        methods: {send: a, list: b}
""", "x.yaml:20:9: error: app:second: contract already has default binding: app:mailer has "
     "app:post"),
    ("""\
  - name: twice
    kind: contract.binding
    contracts:
      - {contract: mailer, methods: {send: a, list: b}}
      - {contract: "app:mailer", methods: {send: a, list: b}}
""", "x.yaml:20:10: error: app:twice: contract is bound twice: app:mailer"),
    ("  - {name: post, kind: contract.binding, contracts: []}\n", "declared twice"),
])
def test_f62_bindings_side_by_side(tmp_path, extra, want):
    result = check(tmp_path, GOOD + extra)
    assert result.returncode == 78
    assert want in result.stderr


def test_f62_limits(tmp_path):
    methods = [{"name": f"m{i}"} for i in range(501)]
    app = {"namespace": "app", "entries": [
        {"name": "wide", "kind": "contract.definition", "methods": methods},
        {"name": "narrow", "kind": "contract.definition", "methods": []},
        {"name": "many", "kind": "contract.binding",
         "contracts": [{"contract": "narrow"}] * 101}]}
    result = check(tmp_path, json.dumps(app))
    assert "more than 500 methods" in result.stderr
    assert "more than 100 contracts" in result.stderr


# ---- F-62 at run time, F-60: changes reach workers

CHANGER = """
local M = {}

local function finish(changes)
    local version, err = changes:apply()
    return err and err:kind() .. ": " .. err:message() or "applied"
end

function M.apply(operations)
    local changes = registry.snapshot():changes()
    for _, operation in ipairs(operations) do
        changes[operation.op](changes, operation.entry or operation.id)
    end
    return finish(changes)
end

return {main = function(what, ...) return M[what](...) end}
"""

USER = """
return {main = function(binding, ...)
    local opened, err = contract.open(binding)
    if err then return tostring(err) end
    local result, err = opened:send(...)
    return err and tostring(err) or result
end}
"""

APP = [
    function("change", CHANGER, modules=["registry"]),
    function("use", USER, modules=["contract"]),
    function("default", """return {main = function(...)
        local c, err = contract.get("app:mailer")
        if err then return tostring(err) end
        local result, err = c:send(...)
        return err and tostring(err) or result end}""", modules=["contract"]),
    function("echo", "return {main = function(x) return x end}"),
    function("echo2", "return {main = function(x) return {x} end}"),
    {"name": "mailer", "kind": "contract.definition", "methods": [{"name": "send"}]},
    {"name": "post", "kind": "contract.binding", "contracts": [
        {"contract": "mailer", "default": True, "methods": {"send": "echo"}}]},
]


def definition(name, *methods, schema=None):
    rows = [{"name": method} for method in methods]
    if schema is not None:
        rows[0]["input_schemas"] = [
            {"format": "application/schema+json", "definition": schema}]
    return {"id": f"app:{name}", "kind": "contract.definition", "data": {"methods": rows}}


def binding(name, contract, default=False, **methods):
    return {"id": f"app:{name}", "kind": "contract.binding", "data": {"contracts": [
        {"contract": contract, "default": default, "methods": methods}]}}


def apply(running, *operations):
    return running.call("app:change", "apply", [
        {"op": op, "entry" if isinstance(entry, dict) else "id": entry}
        for op, entry in operations])


@pytest.fixture(scope="module")
def changed(boot_shared):
    return boot_shared(APP)


@pytest.mark.parametrize("operations, want", [
    ([("update", definition("mailer", "send", "more"))],
     "app:mailer: definition update would invalidate binding: app:post, method more"),
    ([("update", definition("mailer", "other"))],
     "app:mailer: definition update would invalidate binding: app:post, method other"),
    ([("update", definition("mailer"))],
     "app:mailer: definition update would invalidate binding: app:post, method send"),
    ([("delete", "app:mailer")],
     "app:mailer: contract definition is in use by binding: app:post"),
    ([("create", binding("b", "app:none", send="x"))],
     "app:b: binding references undefined contract: app:none"),
    ([("create", binding("b", "mailer"))],
     "app:b: contract method is not bound: send of app:mailer"),
    ([("create", binding("a", "mailer", True, send="x"))],
     "app:a: contract already has default binding: app:mailer has app:post"),
    ([("create", binding("z", "mailer", True, send="x"))],
     "app:z: contract already has default binding: app:mailer has app:post"),
    ([("create", definition("d", "send", schema={"type": 3}))],
     "app:d: invalid schema: /type: unknown type"),
    ([("create", definition("mailer", "send"))], "entry already exists"),
    ([("create", binding("post", "mailer", send="x"))], "entry already exists"),
    ([("update", definition("none", "send"))], "entry does not exist"),
    ([("update", binding("none", "mailer", send="x"))], "entry does not exist"),
    ([("delete", "app:none")], "cannot delete non-existent entry"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_f62_changes_that_are_refused(changed, operations, want):
    text = apply(changed, *operations)
    assert text.startswith("Internal: failed to apply changes: ")
    assert want in text


def test_f62_changes_of_both_sides_at_once(boot):
    running = boot(APP)
    assert apply(running, ("update", definition("mailer", "send", "more")),
                 ("update", binding("post", "mailer", True, send="echo", more="echo"))
                 ) == "applied"
    assert apply(running, ("delete", "app:post"), ("delete", "app:mailer")) == "applied"
    assert "not found" in running.call("app:use", "app:post", 1)
    assert "not found" in running.call("app:default", 1)
    assert apply(running, ("create", binding("post", "mailer", send="echo")),
                 ("create", definition("mailer", "send"))) == "applied"
    assert running.call("app:use", "app:post", 1) == 1
    assert running.call("app:default", 1) == "no default binding for contract 'app:mailer'"


def test_f62_workers_forget_what_has_changed(boot):
    running = boot(APP)
    assert running.call("app:use", "app:post", 1) == 1
    assert running.call("app:default", 1) == 1
    assert apply(running, ("update", binding("post", "mailer", True, send="echo2"))
                 ) == "applied"
    assert running.call("app:use", "app:post", 1) == [1]
    assert running.call("app:default", 1) == [1]
    strict = definition("mailer", "send", schema={"type": "string"})
    assert apply(running, ("update", strict)) == "applied"
    assert "input 1" in running.call("app:use", "app:post", 1)
    assert running.call("app:use", "app:post", "x") == ["x"]
    assert apply(running, ("update", binding("post", "mailer", send="echo2")),
                 ("create", binding("other", "mailer", True, send="echo"))) == "applied"
    assert running.call("app:default", "x") == "x"


def test_f62_an_open_instance_stays_as_it_was(boot):
    running = boot([*APP, function("long", """return {main = function()
        local opened = contract.open("app:post")
        local before = opened:send("x")
        local changes = registry.snapshot():changes()
        changes:update({id = "app:post", kind = "contract.binding", data = {contracts = {
            {contract = "mailer", default = true, methods = {send = "echo2"}}}}})
        assert(changes:apply())
        return {before, opened:send("x"), contract.open("app:post"):send("x")[1]}
        end}""", modules=["contract", "registry"])])
    assert running.call("app:long") == ["x", "x", "x"]


# ---- F-70: contract.validation

VALIDATED = [
    function("use", USER, modules=["contract"]),
    function("echo", "return {main = function(x) return x end}"),
    {"name": "mailer", "kind": "contract.definition", "methods": [
        {"name": "send",
         "input_schemas": [{"format": "json-schema", "definition": {"type": "string"}}],
         "output_schemas": [{"format": "json-schema", "definition": {"maxLength": 3}}]}]},
    {"name": "post", "kind": "contract.binding",
     "contracts": [{"contract": "mailer", "methods": {"send": "echo"}}]},
]


def test_f70_enforce_is_the_default(boot):
    running = boot(VALIDATED)
    assert running.call("app:use", "app:post", 3) == (
        "contract app:mailer method send input 1: /: expected string, got integer")
    assert running.call("app:use", "app:post", "long") == (
        "contract app:mailer method send output 1: /: must have at most 3 characters")


def test_f70_warn_logs_and_goes_on(boot):
    running = boot(VALIDATED, args=["--set", "contract.validation=warn"])
    running.allow("contract app:mailer method send")
    assert running.call("app:use", "app:post", 3) == 3
    assert running.call("app:use", "app:post", "long") == "long"
    running.wait_record("contract app:mailer method send input 1: /: expected string")
    running.wait_record("contract app:mailer method send output 1: /: must have at most 3")


def test_f70_off_looks_at_nothing(boot):
    running = boot(VALIDATED, args=["--set", "contract.validation=off"])
    assert running.call("app:use", "app:post", 3) == 3
    assert running.call("app:use", "app:post", "long") == "long"


def test_f70_a_check_that_takes_too_long_fails(boot):
    explosive = {"items": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}
    running = boot([
        *VALIDATED[1:2],
        function("use", """return {main = function()
            local deep = {}
            for _ = 1, 40 do deep = {deep} end
            return tostring(select(2, contract.open("app:post"):send(deep))) end}""",
                 modules=["contract"]),
        {"name": "mailer", "kind": "contract.definition", "methods": [
            {"name": "send", "input_schemas": [
                {"format": "json-schema", "definition": explosive}]}]},
        VALIDATED[3],
    ])
    assert "checking this takes too long" in running.call("app:use")


def test_f66_interceptors_see_contract_calls(boot):
    running = boot([*VALIDATED, {
        "name": "around", "kind": "interceptor.lua", "method": "main",
        "match": {"functions": ["app:echo"]},
        "source": "return {main = function(call, next) return '<' .. next() .. '>' end}"}])
    assert running.call("app:use", "app:post", "a") == "<a>"
    # What an interceptor makes of a result counts.
    assert "output 1" in running.call("app:use", "app:post", "ab")


def test_f66_a_function_that_is_not_there(boot):
    running = boot([VALIDATED[0], *VALIDATED[2:]])
    assert "no handler registered" in running.call("app:use", "app:post", "a")


# ---- F-71

DOCUMENTED = """\
namespace: shop
entries:
  - name: mailer
    kind: contract.definition
    meta: {comment: "Delivers mail."}
    methods:
      - name: send
        description: "One | mail"
        input_schemas:
          - format: application/schema+json
            definition:
              type: object
              required: [to]
              properties:
                to:
                  type: array
                  items:
                    type: object
                    properties:
                      name: {type: [string, "null"], description: "Who\\nit is"}
                kind: {enum: [letter, parcel]}
        output_schemas:
          - {format: json-schema, definition: {const: true}}
      - {name: list}
  - {name: empty, kind: contract.definition}
  - name: z_post
    kind: contract.binding
    contracts: [{contract: mailer, default: true, context_required: [user, tenant],
                 methods: {send: send, list: "other:list"}}]
  - name: a_pigeon
    kind: contract.binding
    contracts: [{contract: mailer, methods: {send: p, list: p}}]
"""

MARKDOWN = """\
# Contracts

## shop:empty

No methods.

No bindings.

## shop:mailer

Delivers mail.

### Methods

| name | description | inputs | outputs |
|---|---|---|---|
| send | One \\| mail | object | `true` |
| list |  |  |  |

#### `send`: input 1

Format: `application/schema+json`

| name | type | required | description |
|---|---|---|---|
| to | array of object | yes |  |
| to[].name | string or null | | Who it is |
| kind | `"letter"`, `"parcel"` | |  |

```json
{SCHEMA}
```

#### `send`: output 1

Format: `json-schema`

```json
{
  "const": true
}
```

### Bindings

| binding | default | required context | functions |
|---|---|---|---|
| shop:a_pigeon | |  | send → shop:p, list → shop:p |
| shop:z_post | yes | user, tenant | send → shop:send, list → other:list |
"""

SCHEMA = {
    "type": "object", "required": ["to"], "properties": {
        "to": {"type": "array", "items": {"type": "object", "properties": {
            "name": {"type": ["string", "null"], "description": "Who\nit is"}}}},
        "kind": {"enum": ["letter", "parcel"]}}}


def document(tmp_path, *args, text=DOCUMENTED, program=troupe.SUPERVISOR):
    (tmp_path / "_index.yaml").write_text(text)
    return troupe.run(program, "contracts", "doc", *args, cwd=tmp_path)


def test_f71_markdown(tmp_path):
    result = document(tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == MARKDOWN.replace("{SCHEMA}", json.dumps(SCHEMA, indent=2))
    assert document(tmp_path).stdout == result.stdout


def test_f71_json_by_either_name_into_a_file(tmp_path):
    wippy = tmp_path / "wippy"
    wippy.symlink_to(troupe.SUPERVISOR)
    result = document(tmp_path, "shop:m*", "--format", "json", "--out", "doc.json",
                      program=wippy)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    found = json.loads((tmp_path / "doc.json").read_text())
    assert [(one["id"], one["comment"]) for one in found] == [
        ("shop:mailer", "Delivers mail.")]
    send, listing = found[0]["methods"]
    assert send["input_schemas"][0]["definition"] == SCHEMA
    assert send["output_schemas"] == [
        {"format": "json-schema", "definition": {"const": True}}]
    assert listing == {"name": "list", "description": "", "input_schemas": [],
                       "output_schemas": []}
    assert found[0]["bindings"] == [
        {"id": "shop:a_pigeon", "default": False, "context_required": [],
         "methods": {"send": "shop:p", "list": "shop:p"}},
        {"id": "shop:z_post", "default": True, "context_required": ["user", "tenant"],
         "methods": {"send": "shop:send", "list": "other:list"}}]


def test_f71_what_can_go_wrong(tmp_path):
    result = document(tmp_path, "none:*")
    assert (result.returncode, result.stdout, result.stderr) == (
        1, "", "supervisor: no contract matches 'none:*'\n")
    result = document(tmp_path, "--out", "no/such/folder")
    assert result.returncode == 1
    assert "can't write no/such/folder" in result.stderr
    assert document(tmp_path, "--format", "pdf").returncode == 2
    assert document(tmp_path, "a", "b").returncode == 2
    result = document(tmp_path, text=DOCUMENTED.replace("{const: true}", "{type: x}"))
    assert result.returncode == 78
    assert "invalid schema: /type" in result.stderr
    assert document(tmp_path, text="namespace: a\nentries: []\n").stdout == "# Contracts\n"
