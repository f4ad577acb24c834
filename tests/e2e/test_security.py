"""Identity and permissions (S, C-5, F-13, REG-35), from inside apps."""

import re

import pytest

import lua_suite
import troupe
from troupe import IDLE, function, host, process, service

LOOK = """
local function look()
    local actor, scope = security.actor(), security.scope()
    return {actor = actor and actor:id(), role = actor and actor:meta().role,
            n_policies = scope and #scope:policies()}
end
"""


@pytest.fixture(scope="module")
def results(boot_shared):
    return lua_suite.boot(boot_shared)


@lua_suite.cases("security", "tokens")
def test_security(results, suite, title):
    results.check(suite, title)


def test_s54_a_backing_store_that_is_not_there(boot):
    running = boot([
        {"name": "tokens", "kind": "security.token_store", "store": "nothing"},
        function("create", """return {main = function()
            return security.token_store("app:tokens")
                :create(security.new_actor("x"), security.new_scope())
        end}""", modules=["security"]),
    ])
    running.allow("store names app:nothing, which does not exist")
    failed = running.failure("app:create")
    assert failed.message == "create token: failed to acquire backing store"


@pytest.mark.parametrize("fields, n_bytes, said", [
    ({}, 44, "and there is no token_key: tokens are not signed"),
    ({"token_key": "k"}, 89, "token_key stays"),
])
def test_s50_what_comes_of_a_key_that_no_variable_has(boot, fields, n_bytes, said):
    running = boot([
        {"name": "kept", "kind": "store.memory"},
        {"name": "tokens", "kind": "security.token_store", "store": "kept",
         "token_key_env": "NOBODY_SET_IT", **fields},
        function("create", """return {main = function()
            return #security.token_store("app:tokens")
                :create(security.new_actor("x"), security.new_scope())
        end}""", modules=["security"]),
    ])
    running.allow("token_key_env names no variable that is set")
    assert running.call("app:create") == n_bytes
    assert running.wait_record(said)[0]["variable"] == "NOBODY_SET_IT"


# ---- strict mode

STRICT = [
    host(),
    function("echo", "return {main = function(x) return x end}"),
    function("tries", """return {main = function()
        local tried = {}
        local function try(name, f, ...)
            local value, err = f(...)
            tried[name] = err and err:kind() .. ": " .. err:message() or tostring(value)
        end
        try("call", funcs.call, "app:echo", 1)
        try("spawn", process.spawn, "app:idle", "app:host")
        try("exec", process.exec, "app:idle", "app:host")
        try("send", process.send, process.pid(), "x")
        try("register", process.registry.register, "n")
        try("get", registry.get, "app:echo")
        try("env", env.get, "X")
        try("subscribe", events.subscribe, "app")
        try("publish", events.send, "app", "k", "/")
        tried.found = #registry.find{}
        tried.can = security.can("a", "b")
        return tried
    end}""", modules=["funcs", "registry", "env", "events", "security"]),
    process("idle", "return {main = function() end}"),
]


def test_a2_s5_strict_mode_refuses_what_has_no_identity(boot):
    running = boot(STRICT, args=["--set", "security.strict_mode=true",
                                 "--log-level", "debug"])
    tried = running.call("app:tries")
    assert tried["call"] == "PermissionDenied: not allowed: app:echo"
    assert tried["spawn"] == "PermissionDenied: not allowed to spawn process: app:idle"
    assert tried["exec"] == "PermissionDenied: not allowed to exec process: app:idle"
    assert re.fullmatch(r"PermissionDenied: not allowed to send: \{app:tries\|0x\w+\}",
                        tried["send"])
    assert tried["register"] == "PermissionDenied: not allowed to register name: n"
    assert tried["get"] == "PermissionDenied: not allowed to access entry: app:echo"
    assert tried["env"] == "PermissionDenied: not allowed to access environment variable: X"
    assert tried["subscribe"] == \
        "Invalid: not allowed to subscribe to events from system: app"
    assert tried["publish"] == "Invalid: not allowed to send events to system: app"
    assert (tried["found"], tried["can"]) == (0, False)
    logged = running.wait_record('"action": ?"funcs.call"', n=2)
    assert sorted(r["msg"] for r in logged) == ["no actor in the security context",
                                                "no scope in the security context"]
    assert {(r["resource"], r["entry"]) for r in logged} == {("app:echo", "app:tries")}


def test_a1_s5_without_strict_mode_all_is_allowed(boot):
    running = boot(STRICT, args=["--log-level", "debug"])
    tried = running.call("app:tries")
    assert tried["call"] == "1"
    assert tried["register"] == tried["send"] == tried["publish"] == "true"
    assert tried["found"] == len(STRICT)
    assert tried["can"] is False
    assert not [r for r in running.records() if "security context" in str(r)]


def test_s5_who_has_only_an_actor_sends_events_while_that_is_told(boot):
    running = boot([
        function("sends", """return {main = function()
            local heard = assert(events.subscribe("app"))
            assert(events.send("app", "kind", "/path", 7))
            return heard:channel():receive().data
        end}""", modules=["events"]),
        function("as_ann", """return {main = function()
            return funcs.new():with_actor(security.new_actor("ann")):call("app:sends")
        end}""", modules=["funcs", "security"]),
    ], args=["--log-level", "debug"])
    assert running.call("app:as_ann") == 7
    told = running.wait_record('"action": ?"events.send"')
    assert told[0]["msg"] == "no scope in the security context"


# ---- interceptors


def test_s83_an_interceptor_sees_the_callers_identity(boot):
    running = boot([
        {"name": "guard", "kind": "interceptor.lua", "method": "main",
         "modules": ["security", "errors"], "match": {"functions": ["app:target"]},
         "source": """return {main = function(call, next)
             local actor = security.actor()
             if not actor or actor:id() ~= "ann" or security.scope() then
                 return nil, errors.new{message = "refused", kind = "PermissionDenied"}
             end
             return next()
         end}"""},
        function("target", "return {main = function() return security.actor():id() end}",
                 modules=["security"]),
        function("call_as", """return {main = function(id)
            local executor = funcs.new()
            if id then executor = executor:with_actor(security.new_actor(id)) end
            return executor:call("app:target")
        end}""", modules=["funcs", "security"]),
    ])
    assert running.call("app:call_as", "ann") == "ann"
    for id in ("bob", None):
        assert running.failure("app:call_as", id).message == "refused"


def policy(name, actions, resources="*", effect="allow", **fields):
    return {"name": name, "kind": "security.policy",
            "policy": {"actions": actions, "resources": resources, "effect": effect},
            **fields}


def as_actor(target, *policies):
    """A function that calls target as `guest`, held to these policies."""
    listed = ", ".join(f'security.policy("app:{name}")' for name in policies)
    return function("as_guest", f"""return {{main = function(...)
        return funcs.new():with_actor(security.new_actor("guest"))
            :with_scope(security.new_scope{{{listed}}}):call("{target}", ...)
    end}}""", modules=["funcs", "security"])


def test_s40_the_text_of_what_was_raised_is_made_in_nobodys_name(boot):
    """A __tostring runs when its actor has ended: no identity holds it there."""
    running = boot([
        policy("calls", "funcs.call"),
        policy("all", "*", groups=["everybody"]),
        as_actor("app:escape", "calls"),
        function("escape", """local got = {}
        local function try(name, f, ...)
            local done, value = pcall(f, ...)
            got[name] = done and value ~= nil and not errors.is(value, "") or false
        end
        local function try_all()
            try("scope", security.new_scope, {})
            try("policy", security.policy, "app:all")
            try("group", security.named_scope, "app:everybody")
            try("actor", security.new_actor, "root")
            try("send", process.send, process.pid, "x")
            try("named", process.send, "app:somebody", "x")
            try("event", events.send, "app", "k", "/")
            try("env", env.get, "X")
        end
        return {main = function(raises)
            if not raises then return got end
            error(setmetatable({}, {__tostring = function()
                try_all()
                got.ran = true
                return "text"
            end}))
        end}""", modules=["security", "events", "env"],
                 pool={"type": "static", "size": 1}),
    ])
    assert running.failure("app:as_guest", True).message == "text"
    got = running.call("app:as_guest", False)
    assert got.pop("ran") is True
    assert got and not any(got.values()), got


def test_s62_no_code_of_the_app_runs_while_a_context_is_written(boot):
    """Keys of context values become texts, but not by a __tostring: what it calls may
    use the same memory, where half an identity lies."""
    running = boot([
        policy("all", "*"),
        {"name": "forger", "kind": "interceptor.lua", "method": "main",
         "modules": ["security", "ctx"], "match": {"functions": ["app:target"]},
         "source": """return {main = function(call, next)
             local ran = false
             local key = setmetatable({}, {__tostring = function()
                 ran = true
                 pcall(security.can, "a", "b", {long = ("x"):rep(200)})
                 return "key"
             end})
             call.context.values = {[key] = 1}
             call.options.nested = {[key] = 1}
             local got, err = next()
             return ran and "code ran" or got, err
         end}"""},
        function("target", """return {main = function()
            local values = ctx.all().values
            local key = next(values)
            return {security.actor():id(), #security.scope():policies(), key:match("^%a+"),
                values[key]}
        end}""", modules=["security", "ctx"]),
        as_actor("app:target", "all"),
    ])
    assert running.call("app:as_guest") == ["guest", 1, "table", 1]


def test_s80_a_name_that_is_denied_is_not_claimed_by_a_spawn_either(boot):
    running = boot([
        host(),
        policy("all", "*"),
        policy("not_bank", "process.registry.register", "bank", "deny"),
        process("waits", IDLE),
        function("claim", """return {main = function(name)
            local done, got = pcall(function()
                local spawner = process.with_context({}):with_name(name)
                return spawner:spawn("app:waits", "app:host")
            end)
            return done and process.registry.lookup(name) == got or tostring(got)
        end}"""),
        as_actor("app:claim", "all", "not_bank"),
    ])
    assert running.call("app:as_guest", "shop") is True
    assert running.call("app:as_guest", "bank").endswith("not allowed to register name: bank")
    assert running.call("app:claim", "bank") is True


def test_s81_who_denies_one_name_of_a_variable_denies_the_others(boot):
    running = boot([
        policy("all", "*"),
        policy("not_by_name", ["env.get", "env.set"], "SECRET", "deny"),
        policy("not_by_id", ["env.get", "env.set"], "app:key", "deny"),
        policy("only_by_id", ["env.get", "env.set"], "app:plain"),
        {"name": "kept", "kind": "env.storage.memory"},
        {"name": "secret", "kind": "env.variable", "variable": "SECRET",
         "storage": "app:kept", "default": "s"},
        {"name": "key", "kind": "env.variable", "variable": "KEY",
         "storage": "app:kept", "default": "k"},
        {"name": "plain", "kind": "env.variable", "variable": "PLAIN",
         "storage": "app:kept", "default": "p"},
        function("fill", """return {main = function()
            return env.set("SECRET", "1") and env.set("KEY", "2") and env.set("PLAIN", "3")
        end}""", modules=["env"]),
        function("look", """return {main = function(...)
            local seen = {}
            for i, name in ipairs{...} do
                local value, err = env.get(name)
                local set, why = env.set(name, value or "x")
                assert((err == nil) == (why == nil), name)
                seen[i] = value or err:kind()
            end
            seen.all = env.get_all()
            return seen
        end}""", modules=["env"]),
        as_actor("app:look", "all", "not_by_name", "not_by_id"),
        {**as_actor("app:look", "only_by_id", "calls"), "name": "narrow"},
        policy("calls", "funcs.call"),
    ])
    no = "PermissionDenied"
    running.call("app:fill")
    names = ["SECRET", "app:secret", "secret", "KEY", "app:key", "key",
             "PLAIN", "app:plain", "plain"]
    seen = running.call("app:as_guest", *names)
    assert [seen.get(str(i)) for i in range(1, 10)] == [no] * 6 + ["3"] * 3
    assert seen["all"] == {"PLAIN": "3"}
    seen = running.call("app:narrow", *names)
    assert [seen.get(str(i)) for i in range(1, 10)] == [no] * 7 + ["3"] + [no]
    assert seen["all"] == {}
    seen = running.call("app:look", *names)
    assert [seen.get(str(i)) for i in range(1, 10)] == ["1"] * 3 + ["2"] * 3 + ["3"] * 3


# ---- services

def secured(name, process_id, security):
    return service(name, process_id, security=security)


def test_s61_a_service_runs_in_the_name_that_its_entry_gives(boot):
    running = boot([
        host(),
        process("tells", LOOK + """return {main = function()
            assert(process.registry.register("told"))
            local seen = look()
            local inbox, events = process.inbox(), process.events()
            while true do
                local got = channel.select{inbox:case_receive(), events:case_receive()}
                if got.channel == events then return end
                process.send(got.value:from(), "seen", seen)
            end
        end}""", modules=["security"]),
        function("ask", """return {main = function()
            process.send("told", "ask")
            return process.listen("seen"):receive()
        end}"""),
        secured("teller", "app:tells", {"actor": {"id": "svc:teller",
                                                  "meta": {"role": "worker"}}}),
    ])
    running.wait_service("app:teller", "running")
    troupe.wait_for(lambda: running.supctl("names"))
    assert running.call("app:ask") == {"actor": "svc:teller", "role": "worker"}


WRONG = """
version: "1.0"
namespace: app
entries:
  - {name: host, kind: process.host}
  - {name: idle, kind: process.lua, source: "return function() end", method: main}
  - name: svc
    kind: process.service
    process: app:idle
    host: app:host
    lifecycle:
      security:
        policies: ["app:none"]
        groups: [nobody]
  - name: tokens
    kind: security.token_store
    token_length: 0
"""


def test_s50_s61_check_points_at_what_is_wrong(tmp_path):
    (tmp_path / "_index.yaml").write_text(WRONG)
    done = troupe.run(troupe.SUPERVISOR, "check", "--config", tmp_path)
    assert done.returncode == 78
    for line, text in [
            (13, "warning: app:svc: lifecycle.security.policies names the policy "
                 "app:none, which does not exist"),
            (14, "warning: app:svc: lifecycle.security.groups names the policy group "
                 "app:nobody, which does not exist"),
            (15, "error: app:tokens: store ID is required"),
            (17, "error: app:tokens: failed to decode token store config: token length "
                 "must be positive")]:
        assert re.search(rf"_index\.yaml:{line}:\d+: {re.escape(text)}", done.stderr), \
            done.stderr
