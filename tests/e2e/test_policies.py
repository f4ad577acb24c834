"""What an actor with a scope may do (security.md 8), from inside an app."""


import pytest

import troupe
from troupe import IDLE, function, host, process

def policy(name, actions="*", resources="*", effect="allow", groups=(), **more):
    return {"name": name, "kind": "security.policy", "groups": list(groups),
            "policy": {"actions": actions, "resources": resources, "effect": effect,
                       **more}}


# evaluate(policy names, actor {id, meta}, action, resource, meta)
EVALUATE = """
return {main = function(names, actor, action, resource, meta)
    local list = {}
    for i, name in ipairs(names) do list[i] = assert(security.policy("app:" .. name)) end
    return security.new_scope(list):evaluate(
        security.new_actor(actor.id, actor.meta), action, resource, meta)
end}"""

# as(policy names, target, ...): calls target as ann with these policies
AS = """
return {main = function(names, target, ...)
    local list = {}
    for i, name in ipairs(names) do list[i] = assert(security.policy("app:" .. name)) end
    return funcs.new():with_actor(security.new_actor("ann", {level = 3}))
        :with_scope(security.new_scope(list)):with_context{room = 5}:call(target, ...)
end}"""

LOOK = """
return {main = function()
    local actor, scope = security.actor(), security.scope()
    return {actor = actor and actor:id(), level = actor and actor:meta().level,
            n_policies = scope and #scope:policies(), room = ctx.get("room"),
            can = security.can("a", "b")}
end}"""

TRIES = """
local function told(value, err)
    return err and err:kind() .. ": " .. err:message() or value
end
local function raised(f, ...)
    local done, err = pcall(f, ...)
    return done and "nothing" or tostring(err)
end
return {main = function()
    local stranger = process.spawn("app:waits", "app:host")
    local tried = {
        call = told(funcs.call("app:look")),
        context = told(funcs.new():with_context{}),
        actor = told(funcs.new():with_actor(nil)),
        spawn = told(process.spawn("app:look_process", "app:host")),
        monitored = told(process.spawn_monitored("app:waits", "app:host")),
        linked = told(process.spawn_linked("app:waits", "app:host")),
        send = told(process.send(stranger, "x")),
        send_by_name = told(process.send("me", "x")),
        monitor = told(process.monitor(stranger)),
        register = told(process.registry.register("other")),
        foreign = told(process.registry.register("me", stranger)),
        unregister = told(process.registry.unregister("me")),
        spawner = raised(process.with_context, {}),
        apply = told(registry.snapshot():changes():delete("app:look"):apply()),
        get = told(registry.get("app:as")),
        set = told(env.set("OTHER", "x")),
        variables = env.get_all(),
        found = {},
        new_actor = raised(security.new_actor, "eve"),
        new_scope = raised(security.new_scope),
        policy = told(security.policy("app:all")),
    }
    for i, entry in ipairs(registry.find{[".kind"] = "security.policy"}) do
        tried.found[i] = entry.id
    end
    return tried
end}"""

MODULES = ["funcs", "security", "registry", "env", "ctx"]

APP = [
    host(),
    policy("all", groups=["everyone"]),
    policy("no_notes", resources="note:*", effect="deny"),
    policy("reads", actions=["read", "list", "get"], groups=["readers"]),
    policy("only_admin", conditions=[
        {"field": "actor.id", "operator": "eq", "value": "admin"}]),
    policy("no_secrets", effect="deny", conditions=[
        {"field": "meta.class", "operator": "eq", "value": "secret"},
        {"field": "actor.meta.level", "operator": "lt", "value": 3}]),
    policy("docs", actions="doc.*"),
    policy("narrow", actions=["process.spawn", "process.host"],
           resources=["app:waits", "app:host"]),
    policy("some", actions=["registry.get", "env.get"],
           resources=["app:some", "app:narrow", "SHOWN"]),
    policy("calls", actions="funcs.call", resources="app:tries"),
    {"name": "static", "kind": "env.storage.static",
     "values": {"SHOWN": "1", "HIDDEN": "2"}},
    function("evaluate", EVALUATE, modules=["security"]),
    function("as", AS, modules=["funcs", "security"]),
    function("look", LOOK, modules=["security", "ctx"]),
    process("look_process", LOOK, modules=["security", "ctx"]),
    process("waits", IDLE),
    function("nested", "return {main = function() return funcs.call('app:look') end}",
             modules=["funcs"]),
    function("spawns", """return {main = function()
        return process.exec("app:look_process", "app:host")
    end}"""),
    function("replaces", """return {main = function()
        return funcs.new():with_actor(security.new_actor("eve")):call("app:look")
    end}""", modules=["funcs", "security"]),
    function("spawner", """return {main = function()
        local spawner = process.with_context{}
        local captured = assert(spawner:exec("app:look_process", "app:host"))
        local given = assert(spawner:with_actor(security.new_actor("zoe"))
            :with_scope(security.new_scope()):exec("app:look_process", "app:host"))
        return {captured, given}
    end}""", modules=["security"]),
    function("tries", TRIES, modules=MODULES),
    function("group", """return {main = function(id)
        local scope, err = security.named_scope(id)
        if err then return nil, err end
        local ids = {}
        for i, one in ipairs(scope:policies()) do ids[i] = one:id() end
        return ids
    end}""", modules=["security"]),
    {"name": "kept", "kind": "store.memory"},
    {"name": "tokens", "kind": "security.token_store", "store": "kept"},
    function("token", """return {main = function(token)
        local store = assert(security.token_store("app:tokens"))
        if not token then
            return store:create(security.new_actor("ann"),
                security.new_scope{security.policy("app:docs")})
        end
        local actor, scope, err = store:validate(token)
        if err then return nil, err end
        return {actor = actor:id(), n_policies = #scope:policies()}
    end}""", modules=["security"]),
    function("delete", """return {main = function(id)
        local changes = registry.snapshot():changes()
        changes:delete(id)
        return changes:apply() ~= nil
    end}""", modules=["registry"]),
]


@pytest.fixture(scope="module")
def running(boot_shared):
    return boot_shared(APP)


ADMIN, USER = {"id": "admin"}, {"id": "user"}

ROWS = [
    ("A5", ["all", "no_notes"], USER, "x", "note:1", None, "deny"),
    ("A5", ["no_notes", "all"], USER, "x", "y", None, "allow"),
    ("A6", ["reads"], USER, "read", "x", None, "allow"),
    ("A6", ["reads"], USER, "write", "x", None, "undefined"),
    ("A7", ["only_admin"], ADMIN, "x", "y", None, "allow"),
    ("A7", ["only_admin"], USER, "x", "y", None, "undefined"),
    ("A8", ["no_secrets"], USER, "x", "y", {"class": "secret"}, "undefined"),
    ("A8", ["no_secrets"], {"id": "u", "meta": {"level": 2}}, "x", "y",
     {"class": "secret"}, "deny"),
    ("A9", ["docs"], USER, "doc.read", "x", None, "allow"),
    ("A9", ["docs"], USER, "docs", "x", None, "allow"),
    ("A9", ["docs"], USER, "do", "x", None, "undefined"),
]


@pytest.mark.parametrize("row", ROWS, ids=[f"{row[0]} {row[3]} {row[6]}" for row in ROWS])
def test_evaluate(running, row):
    _, names, actor, action, resource, meta, want = row
    args = [names, actor, action, resource] + ([] if meta is None else [meta])
    assert running.call("app:evaluate", *args) == want


def test_a11_the_callee_and_whom_it_calls_see_the_actor(running):
    want = {"actor": "ann", "level": 3, "n_policies": 1, "room": 5, "can": True}
    assert running.call("app:as", ["all"], "app:look") == want
    assert running.call("app:as", ["all"], "app:nested") == want


def test_a12_a_spawned_process_sees_the_same(running):
    assert running.call("app:as", ["all"], "app:spawns") == {
        "actor": "ann", "level": 3, "n_policies": 1, "room": 5, "can": True}


def test_s60_replacing_the_actor_keeps_the_scope(running):
    seen = running.call("app:as", ["all"], "app:replaces")
    assert (seen["actor"], seen["n_policies"], seen["room"]) == ("eve", 1, 5)


def test_s60_a_spawner_has_what_was_captured_or_given(running):
    captured, given = running.call("app:as", ["all"], "app:spawner")
    assert (captured["actor"], captured["can"]) == ("ann", True)
    assert (given["actor"], given["n_policies"], given["can"]) == ("zoe", 0, False)


def test_s80_s81_what_is_denied_says_so(running):
    tried = running.call("app:as", ["calls", "narrow", "some"], "app:tries")
    denied = "PermissionDenied: "
    assert tried["call"] == denied + "not allowed: app:look"
    assert tried["context"] == denied + \
        "not allowed to call functions with custom context"
    assert tried["actor"] == denied + \
        "not allowed to call functions with custom security context"
    assert tried["spawn"] == denied + "not allowed to spawn process: app:look_process"
    assert tried["monitored"] == denied + \
        "not allowed to spawn monitored process: app:waits"
    assert tried["linked"] == denied + "not allowed to spawn linked process: app:waits"
    assert tried["send"].startswith(denied + "not allowed to send: {app:host|0x")
    assert tried["monitor"].startswith(denied + "not allowed to monitor: {app:host|0x")
    assert tried["register"] == denied + "not allowed to register name: other"
    assert tried["unregister"] == denied + "not allowed to unregister name: me"
    assert tried["spawner"] == "not allowed to spawn processes with custom context"
    assert tried["apply"] == denied + "not allowed to apply registry changes"
    assert tried["get"] == denied + "not allowed to access entry: app:as"
    assert tried["set"] == denied + "not allowed to set environment variable: OTHER"
    assert tried["variables"] == {"SHOWN": "1"}
    assert tried["new_actor"] == "not allowed to create actor with ID: eve"
    assert tried["new_scope"] == "not allowed to create custom scopes"
    assert tried["policy"] == "Invalid: permission denied: access policy"


def test_a18_find_leaves_out_what_is_denied(running):
    tried = running.call("app:as", ["calls", "narrow", "some"], "app:tries")
    assert tried["found"] == ["app:narrow", "app:some"]


def test_a17_named_scopes(running):
    assert running.call("app:group", "app:readers") == ["app:reads"]
    failed = running.failure("app:group", "app:nobody")
    assert failed.kind == "Internal"
    assert "policy group not found" in failed.message


def test_a13_a_token_outlives_its_policies(boot):
    running = boot(APP)
    token = running.call("app:token")
    assert running.call("app:token", token) == {"actor": "ann",
                                                            "n_policies": 1}
    running.call("app:delete", "app:docs")
    troupe.wait_for(lambda: running.call("app:token", token) ==
                    {"actor": "ann", "n_policies": 0})


# S-15: whether a rule with these conditions is warned of.
OWNER = "{field: meta.owner, operator: ne, value_from: actor.meta.team}"
DENIALS = [
    ("ne", "deny", [OWNER], True),
    ("ncontains", "deny", [OWNER.replace("ne,", "ncontains,")], True),
    ("as text", "deny", [OWNER.replace("ne,", '"ne",')], True),
    ("other check", "deny",
     [OWNER, "{field: meta.owner, operator: exists, value: true}"], True),
    ("absence", "deny",
     [OWNER, "{field: actor.meta.team, operator: exists, value: false}"], True),
    ("demanded", "deny",
     [OWNER, "{field: actor.meta.team, operator: exists, value: true}"], False),
    ("demanded first", "deny",
     ["{field: actor.meta.team, operator: nexists, value: false}", OWNER], False),
    ("compared", "deny", [OWNER, "{field: actor.meta.team, operator: ne, value: x}"],
     False),
    ("allow", "allow", [OWNER], False),
    ("eq", "deny", [OWNER.replace("ne,", "eq,")], False),
    ("value", "deny", [OWNER.replace("value_from", "value")], False),
    ("always there", "deny", [OWNER.replace("actor.meta.team", "actor.id")], False),
]


@pytest.mark.parametrize("effect, conditions, warned", [row[1:] for row in DENIALS],
                         ids=[row[0] for row in DENIALS])
def test_s15_denials_that_need_no_operand_are_warned_of(tmp_path, effect, conditions,
                                                        warned):
    lines = ["namespace: a", "entries:", "  - name: p", "    kind: security.policy",
             "    policy:", "      actions: x", "      resources: y",
             f"      effect: {effect}", "      conditions:",
             *(f"        - {condition}" for condition in conditions)]
    (tmp_path / "x.yaml").write_text("\n".join(lines) + "\n")
    told = troupe.run(troupe.SUPERVISOR, "check", "--config", "x.yaml", cwd=tmp_path)
    assert told.returncode == 0
    assert told.stderr.splitlines()[:1] == ([
        "x.yaml:10:11: warning: a:p: this also denies wherever there is no "
        "actor.meta.team to compare with; add the condition {field: actor.meta.team, "
        "operator: exists, value: true}"] if warned else [])


def test_a10_s20_expressions_decide(boot):
    more = {"policy": {"actions": "note.*", "resources": "*", "effect": "allow",
                       "expression": 'all(meta.tags, {# != "private"})'}}
    one = boot([function("evaluate", EVALUATE, modules=["security"]),
                {"name": "tags", "kind": "security.policy.expr", **more}])

    def says(meta, action="note.read"):
        return one.call("app:evaluate", ["tags"], {"id": "ann"}, action, "note:1", meta)

    assert says({"tags": ["a", "b"]}) == "allow"
    assert says({"tags": ["a", "private"]}) == "undefined"
    assert says({"tags": []}) == "allow"
    assert says({}) == "undefined"
    assert says({"tags": ["a"]}, "other") == "undefined"


@pytest.mark.parametrize("text,why", [
    ("", "expression cannot be empty"),
    ("meta.a +", "1:9: unexpected end"),
    ("resource", "expected a boolean as the result"),
])
def test_s20_what_is_no_expression_is_refused(boot, text, why):
    one = boot([{"name": "p", "kind": "security.policy.expr", "policy": {
        "actions": "*", "resources": "*", "effect": "deny", "expression": text}}],
               start=False, command=["check"])
    one.expect_code(78)
    one.spawn()
    assert one.wait() == 78
    said = one.output() + one.errors()
    one.child = None
    assert "failed to create expr policy" in said and why in said


REGROUP = """
return {main = function(id, groups)
    local entry = registry.get(id)
    local changes = registry.snapshot():changes()
    entry.data.groups = groups
    changes:update(entry)
    return changes:apply() ~= nil
end}"""

GROUPS = """
return {main = function(...)
    local sizes = {}
    for i, id in ipairs{...} do
        local scope = security.named_scope(id)
        sizes[i] = scope and #scope:policies() or "none"
    end
    return sizes
end}"""


def test_s30_groups_follow_their_policies(boot):
    """A name without a colon is the namespace's, whatever the kind of the policy."""
    by_expression = {"name": "b", "kind": "security.policy.expr",
                     "groups": ["users", "other:far"],
                     "policy": {"actions": "*", "resources": "*", "effect": "allow",
                                "expression": "true"}}
    running = boot([
        host(), policy("a", groups=["users"]), by_expression,
        function("regroup", REGROUP, modules=["registry"]),
        function("groups", GROUPS, modules=["security"])])

    def sizes():
        return running.call("app:groups", "app:users", "other:far", "app:late")

    assert sizes() == [2, 1, "none"]
    assert running.call("app:regroup", "app:a", ["late", "other:far"])
    troupe.wait_for(lambda: sizes() == [1, 2, 1])
    assert running.call("app:regroup", "app:b", ["late"])
    troupe.wait_for(lambda: sizes() == ["none", 1, 2])


def test_the_module_evaluates_what_policies_do(boot):
    running = boot([function("run", """return {main = function(text, env)
        local value, err = expr.eval(text, env)
        if err then return nil, err end
        return {value, expr.compile(text):run(env)}
    end}""", modules=["expr"])])
    assert running.call("app:run", 'all(tags, {# != "private"})',
                        {"tags": ["a"]}) == [True, True]
    failed = running.failure("app:run", "1 +", {})
    assert (failed.kind, failed.message) == ("Internal", "1:4: unexpected end")
