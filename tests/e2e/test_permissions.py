"""Each permission of the tables in S-40, S-53, S-80, S-81, S-82, denied alone (C-5).

A row is tried twice by a callee with an identity: under a policy that denies just this
action on just this resource beside one that allows everything, and under one that denies
the action on another resource. So a check with a wrong name of either is found."""

import pytest

from troupe import IDLE, function, host, process

PID = "{"  # resources that are pids: denied by prefix

# action, resource, what is done, kind of the denial ("raise": raised), its text
ROWS = [
    ("funcs.call", "app:echo", 'funcs.call("app:echo", 1)', "PermissionDenied",
     "not allowed: app:echo"),
    ("funcs.call", "app:echo", 'funcs.async("app:echo", 1)', "PermissionDenied",
     "not allowed: app:echo"),
    ("funcs.context", "context", "funcs.new():with_context{}", "PermissionDenied",
     "not allowed to call functions with custom context"),
    ("funcs.security", "security", "funcs.new():with_actor(security.actor())",
     "PermissionDenied", "not allowed to call functions with custom security context"),
    ("funcs.security", "security", "funcs.new():with_scope(security.scope())",
     "PermissionDenied", "not allowed to call functions with custom security context"),
    ("network.select", "app:net", 'funcs.new():with_options{network = "app:net"}',
     "PermissionDenied", "not allowed: network app:net"),
    ("contract.get", "app:shop", 'contract.get("app:shop")', "PermissionDenied",
     "not allowed to access contract: app:shop"),
    ("contract.implementations", "app:shop", 'contract.find_implementations("app:shop")',
     "PermissionDenied", "not allowed to list implementations: app:shop"),
    ("contract.implementations", "app:shop",
     'contract.get("app:shop"):implementations()', "PermissionDenied",
     "not allowed to list implementations: app:shop"),
    ("contract.open", "app:bound", 'contract.open("app:bound?x=1")', "PermissionDenied",
     "not allowed to open binding: app:bound"),
    ("contract.call", "sell", 'contract.open("app:bound"):sell(1)', "PermissionDenied",
     "not allowed to call method: sell"),
    ("contract.call", "sell", 'contract.open("app:bound"):sell_async(1)',
     "PermissionDenied", "not allowed to call method: sell"),
    ("contract.context", "context", 'contract.get("app:shop"):with_context{}',
     "PermissionDenied", "not allowed to use contracts with custom context"),
    ("contract.security", "security",
     'contract.get("app:shop"):with_actor(security.actor())', "PermissionDenied",
     "not allowed to use contracts with custom security context"),
    ("process.spawn", "app:idle", 'process.spawn("app:idle", "app:host")',
     "PermissionDenied", "not allowed to spawn process: app:idle"),
    ("process.spawn", "app:idle", 'process.spawn_monitored("app:idle", "app:host")',
     "PermissionDenied", "not allowed to spawn"),
    ("process.spawn.monitored", "app:idle",
     'process.spawn_monitored("app:idle", "app:host")', "PermissionDenied",
     "not allowed to spawn monitored process: app:idle"),
    ("process.spawn.linked", "app:idle", 'process.spawn_linked("app:idle", "app:host")',
     "PermissionDenied", "not allowed to spawn linked process: app:idle"),
    ("process.spawn.linked", "app:idle",
     'process.spawn_linked_monitored("app:idle", "app:host")', "PermissionDenied",
     "not allowed to spawn linked process: app:idle"),
    ("process.spawn.monitored", "app:idle",
     'process.spawn_linked_monitored("app:idle", "app:host")', "PermissionDenied",
     "not allowed to spawn monitored process: app:idle"),
    ("process.host", "app:host", 'process.spawn("app:idle", "app:host")',
     "PermissionDenied", "not allowed to spawn on host: app:host"),
    ("process.host", "app:host", 'process.exec("app:done", "app:host")',
     "PermissionDenied", "not allowed to exec on host: app:host"),
    ("process.host", "app:host", 'process.with_context{}:spawn("app:idle", "app:host")',
     "raise", "not allowed to spawn on host: app:host"),
    ("process.exec", "app:done", 'process.exec("app:done", "app:host")',
     "PermissionDenied", "not allowed to exec process: app:done"),
    ("process.context", "context", "process.with_context{}", "raise",
     "not allowed to spawn processes with custom context"),
    ("process.context", "context", "process.with_options{}", "raise",
     "not allowed to spawn processes with custom options"),
    ("network.select", "app:net", 'process.with_options{network = "app:net"}', "raise",
     "not allowed: network app:net"),
    ("process.security", "security",
     "process.with_options{}:with_actor(security.actor())", "raise", "security"),
    ("process.security", "security",
     "process.with_options{}:with_scope(security.scope())", "raise", "security"),
    ("process.security", "security", "process.with_options{}:with_context{a = 1}",
     "raise", "with custom security context"),
    ("process.send", PID, 'process.send(process.pid(), "t")', "PermissionDenied",
     "not allowed to send: {"),
    ("process.send", PID, 'process.send("keeper", "t")', "PermissionDenied",
     "not allowed to send: keeper"),
    ("process.terminate", PID, 'process.terminate(process.spawn("app:idle", "app:host"))',
     "PermissionDenied", "not allowed to terminate: {"),
    ("process.cancel", PID, "process.cancel(process.pid())", "PermissionDenied",
     "not allowed to cancel: {"),
    ("process.monitor", PID, 'process.monitor("keeper")', "PermissionDenied",
     "not allowed to monitor: keeper"),
    ("process.unmonitor", PID, 'process.unmonitor("keeper")', "PermissionDenied",
     "not allowed to unmonitor: keeper"),
    ("process.link", PID, 'process.link("keeper")', "PermissionDenied",
     "not allowed to link: keeper"),
    ("process.unlink", PID, 'process.unlink("keeper")', "PermissionDenied",
     "not allowed to unlink: keeper"),
    ("process.registry.register", "n", 'process.registry.register("n")',
     "PermissionDenied", "not allowed to register name: n"),
    ("process.registry.unregister", "n", 'process.registry.unregister("n")',
     "PermissionDenied", "not allowed to unregister name: n"),
    ("process.registry.register.eventual", "n",
     'process.registry.register("n", nil, process.registry.EVENTUAL)',
     "PermissionDenied", "not allowed to register name (eventual): n"),
    ("process.registry.register.consistent", "n",
     'process.registry.register("n", nil, process.registry.CONSISTENT)',
     "PermissionDenied", "not allowed to register name (consistent): n"),
    ("process.registry.register.strong", "n",
     'process.registry.register("n", nil, process.registry.STRONG)',
     "PermissionDenied", "not allowed to register name (strong): n"),
    ("process.registry.unregister.strong", "n",
     'process.registry.unregister("n", process.registry.STRONG)',
     "PermissionDenied", "not allowed to unregister name (strong): n"),
    ("process.registry.foreign", PID,
     'process.registry.register("f", process.registry.lookup("keeper"))',
     "PermissionDenied", "not allowed to register foreign pid {"),
    ("pg.open", "app:scope", 'pg.open("app:scope")', "PermissionDenied",
     "not allowed to access pg scope: app:scope"),
    ("pg.join", "g", 'pg.open("app:scope"):join("g")', "PermissionDenied",
     "not allowed to join group: g"),
    ("pg.join", "g", 'pg.open("app:scope"):join{"f", "g"}', "PermissionDenied",
     "not allowed to join group: g"),
    ("pg.leave", "g", 'pg.open("app:scope"):leave("g")', "PermissionDenied",
     "not allowed to leave group: g"),
    ("pg.get_members", "g", 'pg.open("app:scope"):get_members("g")', "PermissionDenied",
     "g"),
    ("pg.get_local_members", "g", 'pg.open("app:scope"):get_local_members("g")',
     "PermissionDenied", "g"),
    ("pg.broadcast", "g", 'pg.open("app:scope"):broadcast("g", "t")',
     "PermissionDenied", "g"),
    ("pg.broadcast_local", "g", 'pg.open("app:scope"):broadcast_local("g", "t")',
     "PermissionDenied", "g"),
    ("pg.monitor", "g", 'pg.open("app:scope"):monitor("g")', "PermissionDenied", "g"),
    ("pg.which_groups", "", 'pg.open("app:scope"):which_groups()', "PermissionDenied",
     "not allowed"),
    ("pg.which_local_groups", "", 'pg.open("app:scope"):which_local_groups()',
     "PermissionDenied", "not allowed"),
    ("pg.events", "", 'pg.open("app:scope"):events()', "PermissionDenied",
     "not allowed"),
    ("registry.get", "app:echo", 'registry.get("app:echo")', "PermissionDenied",
     "not allowed to access entry: app:echo"),
    ("registry.apply", "", "registry.snapshot():changes():delete('app:gone'):apply()",
     "PermissionDenied", "not allowed to apply registry changes"),
    ("registry.apply_version", "", "registry.apply_version(registry.current_version())",
     "PermissionDenied", "registry version change is not allowed"),
    ("env.get", "X", 'env.get("X")', "PermissionDenied", "X"),
    ("env.set", "X", 'env.set("X", "y")', "PermissionDenied", "X"),
    ("events.subscribe", "sys", 'events.subscribe("sys")', "Invalid",
     "not allowed to subscribe to events from system: sys"),
    ("events.send", "sys", 'events.send("sys", "k", "/")', "Invalid",
     "not allowed to send events to system: sys"),
    ("system.read", "modules", "system.modules()", "Invalid",
     "permission denied: system.read on modules"),
    ("system.lock", "l", 'system.lock.acquire("l")', "PermissionDenied",
     "permission denied: system.lock on l"),
    ("security.policy.get", "app:all", 'security.policy("app:all")', "Invalid",
     "permission denied: access policy"),
    ("security.policy_group.get", "app:group", 'security.named_scope("app:group")',
     "Invalid", "permission denied: access policy group"),
    ("security.scope.create", "custom", "security.new_scope()", "raise",
     "not allowed to create custom scopes"),
    ("security.scope.create", "with",
     'security.scope():with(security.policy("app:all"))', "raise",
     "not allowed to add policy to scope"),
    ("security.scope.create", "without", 'security.scope():without("app:all")', "raise",
     "not allowed to remove policy from scope"),
    ("security.actor.create", "zoe", 'security.new_actor("zoe")', "raise",
     "not allowed to create actor with ID: zoe"),
    ("security.token_store.get", "app:tokens", 'security.token_store("app:tokens")',
     "raise", "not allowed to access token store: app:tokens"),
    ("security.token.create", "app:tokens",
     'security.token_store("app:tokens"):create(security.actor(), security.scope())',
     "Invalid", "not allowed to create token"),
    ("security.token.validate", "app:tokens",
     'select(2, security.token_store("app:tokens"):validate("x"))', "Invalid",
     "not allowed to validate token"),
    ("security.token.revoke", "app:tokens",
     'security.token_store("app:tokens"):revoke("x")', "Invalid",
     "not allowed to revoke token"),
]
TITLES = [f"{row[0]} {row[2]}" for row in ROWS]

MODULES = ["funcs", "contract", "security", "registry", "env", "events", "pg", "system",
           "time"]


def policy(name, actions, resources, effect, **fields):
    return {"name": name, "kind": "security.policy",
            "policy": {"actions": actions, "resources": resources, "effect": effect},
            **fields}


def denials():
    for i, (action, resource, *_) in enumerate(ROWS):
        yield policy(f"deny{i}", action, [resource + ("*" if resource == PID else "")],
                     "deny")
        yield policy(f"other{i}", action, resource + ".other", "deny")


def tries():
    rows = "\n".join(f"function() return {row[2]} end," for row in ROWS)
    return "local rows = {" + rows + """}
return {main = function(i)
    local done, value, err = pcall(rows[i + 1])
    if not done then
        return {kind = "raise", text = tostring(value)}
    end
    return type(err) == "userdata" and {kind = err:kind(), text = err:message()} or {}
end}"""


@pytest.fixture(scope="module")
def running(boot_shared):
    return boot_shared([
        host(), policy("all", "*", "*", "allow", groups=["group"]), *denials(),
        {"name": "scope", "kind": "pg.scope"},
        {"name": "memory", "kind": "store.memory"},
        {"name": "tokens", "kind": "security.token_store", "store": "memory"},
        {"name": "kept", "kind": "env.storage.memory"},
        {"name": "x", "kind": "env.variable", "variable": "X", "storage": "app:kept",
         "default": "x"},
        {"name": "shop", "kind": "contract.definition", "methods": [{"name": "sell"}]},
        {"name": "bound", "kind": "contract.binding", "contracts": [
            {"contract": "app:shop", "methods": {"sell": "app:echo"}}]},
        process("idle", IDLE),
        process("done", "return {main = function() return 1 end}"),
        process("keeper", """return {main = function()
            assert(process.registry.register("keeper"))
            process.inbox()
            while process.events():receive().kind ~= process.event.CANCEL do end
        end}"""),
        {"name": "keeps", "kind": "process.service", "process": "keeper", "host": "host",
         "lifecycle": {"auto_start": True}},
        function("echo", "return {main = function(x) return x end}"),
        function("tries", tries(), modules=MODULES),
        function("run", """return {main = function(i, which)
            local scope = security.new_scope{assert(security.policy("app:all")),
                                             assert(security.policy(which))}
            return funcs.new():with_actor(security.new_actor("ann")):with_scope(scope)
                :call("app:tries", i)
        end}""", modules=["funcs", "security"]),
    ])


@pytest.mark.parametrize("i", range(len(ROWS)), ids=TITLES)
def test_denied(running, i):
    _, _, _, kind, text = ROWS[i]
    told = running.call("app:run", i, f"app:deny{i}")
    assert told and (told.get("kind"), text in told.get("text", "")) == (kind, True), told


@pytest.mark.parametrize("i", range(len(ROWS)), ids=TITLES)
def test_allowed(running, i):
    told = running.call("app:run", i, f"app:other{i}")
    text = told.get("text", "") if told else ""
    assert "allowed" not in text and "denied" not in text, told


HELD = """
-- A policy lets us do everything to actors of app:public and nothing to others.
local function told(value, err)
    return value and true or err:kind() .. ": " .. err:message()
end

return {main = function(hidden, open)
    local number = function(pid) return pid:match("|(0x%x+)}") end
    local forged = "{app:public|" .. number(hidden) .. "}"
    local nobody = "|0x113400003}" -- of a worker that there never was
    local results = {
        plain = told(process.send(hidden, "plain")),
        forged_send = told(process.send(forged, "forged")),
        forged_cancel = told(process.cancel(forged)),
        forged_terminate = told(process.terminate(forged)),
        forged_monitor = told(process.monitor(forged)),
        forged_link = told(process.link(forged)),
        forged_name = told(process.registry.register("mine", forged)),
        lookup = told(process.registry.lookup("mine")),
        hidden_nobody = told(process.registry.register("mine", "{app:hidden" .. nobody)),
        open_nobody = told(process.registry.register("mine", "{app:public" .. nobody)),
        open_name = told(process.registry.register("yours", open)),
        open_monitor = told(process.monitor(open)),
    }
    for i = 1, 100 do
        results.open_send = told(process.send(open, "open", i))
    end
    return results
end}"""

DRIVES = """
local function answer_of(pid)
    while true do
        local event = process.events():receive()
        if event.from == pid then return event.result.value end
    end
end

return {main = function(host)
    local open = process.spawn("app:idle", "app:public")
    local hidden = process.spawn_monitored("app:counts", "app:hidden")
    local scope = security.new_scope{security.policy("app:held")}
    local held = process.with_context{}:with_actor(security.new_actor("eve"))
        :with_scope(scope):spawn_monitored("app:eve", host, hidden, open)
    local results = answer_of(held)
    process.send(hidden, "last")
    results.heard = answer_of(hidden)
    return results
end}"""


@pytest.mark.parametrize("where", ["app:public", "app:hidden"])
def test_C5_a_pid_with_a_false_host_opens_no_door(boot, where):
    """Policies go by the text of a pid, and anybody can write one. From the victim's own
    worker and from another one."""
    one = boot([
        host("public", host={"workers": 1}), host("hidden", host={"workers": 1}),
        process("eve", HELD), function("drive", DRIVES, modules=["security"]),
        process("idle", "return {main = function() process.inbox():receive() end}"),
        process("counts", "return {main = function() "
                          "return process.inbox():receive():topic() end}"),
        {"name": "held", "kind": "security.policy", "policy": {
            "actions": "*", "effect": "allow",
            "resources": ["mine", "yours", "{app:public|*"]}}])
    results = one.call("app:drive", where)
    missing = "NotFound: process not found"
    foreign = "PermissionDenied: not allowed to register foreign pid"
    nobody = "0x113400003"
    assert results.pop("plain").startswith("PermissionDenied: not allowed to send: {app:hid")
    assert results == {
        "forged_send": missing, "forged_cancel": missing, "forged_terminate": missing,
        "forged_monitor": missing, "forged_link": missing,
        "forged_name": "NotFound: pid not registered",
        "hidden_nobody": f"{foreign} {{app:hidden|{nobody}}} under name \"mine\"",
        "open_nobody": "NotFound: pid not registered",
        "lookup": "NotFound: name not registered", "open_name": True,
        "open_monitor": True, "open_send": True, "heard": "last"}
