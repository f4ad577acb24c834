local case = require("case")

-- The same cases twice: what upgrades lives in the case's own worker, and in another.
local FAR = process.id() == "suite:upgrade_far"
local HOST = FAR and "suite:host2" or "suite:host"
local OLD, NEW = "suite:upgrade_old", "suite:upgrade_new"

local function spawn(...)
    return assert(process.spawn_monitored(OLD, HOST, process.pid(), ...))
end

local function exit_of(pid)
    local event = process.events():receive()
    assert(event.kind == process.event.EXIT and event.from == pid, event.kind)
    return event.result
end

-- What the new run tells first: its pid, entry, arguments, options, context.
local function told()
    local message = process.inbox():receive()
    assert(message:topic() == "up", message:topic())
    return message:payload():data()
end

local function ended(pid)
    assert(process.send(pid, "stop"))
    return exit_of(pid)
end

case("UP-1 the pid stays, arguments are handed over", function(t)
    local pid = spawn("to", NEW, 1, nil, {deep = {2}}, nil)
    local up = told()
    t.eq(up.pid, pid)
    t.eq(up.entry, NEW)
    t.eq(up.n, 4)
    t.eq(up.args[1], 1)
    t.eq(up.args[3].deep[1], 2)
    t.eq(ended(pid).value, "stopped")
end)

case("UP-1 without an id it is the same entry with fresh globals", function(t)
    for _, how in ipairs{"nil", "empty", "own"} do
        local pid = spawn(how, "x")
        local up = told()
        t.eq(up.pid, pid)
        t.eq(up.entry, OLD)
        t.eq(up.n_runs, 1)
        t.eq(ended(pid).value, "stopped")
    end
end)

case("UP-1 MP-17 names, context and host stay, watchers see nothing", function(t)
    local events = process.events()
    local pid = assert(process.with_context({color = "red"})
        :spawn_monitored(OLD, HOST, process.pid(), "named", NEW))
    local up = told()
    t.eq(up.color, "red")
    t.eq(process.registry.lookup("upgrade.name"), pid)
    t.ok(process.send("upgrade.name", "who"))
    t.eq(told().pid, pid)
    t.ok(channel.select{events:case_receive(), default = true}.default, "no event")
    t.eq(ended(pid).value, "stopped")
    t.fails("NotFound", "name not registered", process.registry.lookup("upgrade.name"))
end)

case("UP-1 links stay, options fall back", function(t)
    process.set_options({trap_links = true})
    local pid = spawn("trapping", NEW)
    local up = told()
    t.eq(up.trap_links, false)
    t.eq(up.upgradable, false)
    assert(process.link(pid))
    assert(process.send(pid, "again"))
    told()
    assert(process.send(pid, "raise"))
    local events = process.events()
    t.eq(events:receive().kind, process.event.EXIT)
    local down = events:receive()
    t.eq(down.kind, process.event.LINK_DOWN)
    t.eq(down.from, pid)
end)

case("UP-1 a link made before takes the new run down", function(t)
    local other = assert(process.spawn("suite:child", HOST, "idle"))
    local pid = spawn("linked", NEW, other)
    told()
    assert(process.terminate(other))
    t.eq(tostring(exit_of(pid).error), "linked process failed")
end)

case("UP-1 what it watches it goes on watching", function(t)
    local other = assert(process.spawn("suite:child", HOST, "idle"))
    local pid = spawn("watching", NEW, other)
    told()
    assert(process.terminate(other))
    local message = process.inbox():receive()
    t.eq(message:topic(), "event")
    t.eq(message:payload():data().from, other)
    ended(pid)
end)

case("UP-1 no unread message is lost, whichever queue had it", function(t)
    local pid = spawn("queues", NEW)
    t.eq(process.inbox():receive():topic(), "ready")
    for i = 1, 300 do
        assert(process.send(pid, ({"a", "b", "c"})[i % 3 + 1], i))
    end
    assert(process.cancel(pid, "in between"))
    assert(process.send(pid, "go"))
    told()
    assert(process.send(pid, "drain", 300))
    local got = process.inbox():receive():payload():data()
    t.eq(#got.order, 300)
    for i = 1, 300 do
        if got.order[i] ~= i then error("at " .. i .. " came " .. tostring(got.order[i])) end
    end
    t.eq(got.reason, "in between")
    ended(pid)
end)

case("UP-1 a message that woke a coroutine is read by the new run", function(t)
    local pid = spawn("woken", NEW)
    told()
    assert(process.send(pid, "drain", 1))
    t.list(process.inbox():receive():payload():data().order, {7})
    ended(pid)
end)

case("UP-1 timers, coroutines, channels and calls of the old run are gone", function(t)
    local pid = spawn("busy", NEW)
    local topic
    repeat -- on a slow machine its ticker may tick before it gets to the upgrade
        topic = process.inbox():receive():topic()
        t.ok(topic == "up" or topic == "tick" or topic == "slept", topic)
    until topic == "up"
    local limit = time.after("150ms")
    local got = channel.select{process.inbox():case_receive(), limit:case_receive()}
    t.ok(got.channel == limit, "no word of " .. tostring(got.value))
    ended(pid)
end)

case("UP-1 a full mailbox is as full afterwards", function(t)
    local pid = spawn("sleepy", NEW)
    t.eq(process.inbox():receive():topic(), "ready")
    for i = 1, 5000 do assert(process.send(pid, "a", i)) end
    told()
    assert(process.send(pid, "drain", 5000))
    t.eq(#process.inbox():receive():payload():data().order, 5000)
    ended(pid)
end)

case("UP-1 from any coroutine, through pcall and generators", function(t)
    for _, how in ipairs{"in coroutine", "in pcall", "in wrap"} do
        local pid = spawn(how, NEW)
        t.eq(told().pid, pid, how)
        ended(pid)
    end
end)

case("UP-1 a thousand upgrades one after the other", function(t)
    local pid = spawn("chain", 1000)
    t.eq(told().n, 0)
    ended(pid)
end)

case("UP-1 what can't start ends the process with the reason", function(t)
    for id, text in pairs{
        ["suite:none"] = "upgrade: create failed: factory not found",
        ["nonsense"] = "upgrade: create failed: factory not found",
        ["suite:fn_echo"] = "upgrade: create failed: factory not found",
        ["suite:widget"] = "upgrade: create failed: factory not found",
        ["suite:bad_file"] = "upgrade: init failed: failed to execute script: ",
        ["suite:no_method"] = "upgrade: init failed: method \"missing\" not found in module",
        ["suite:bad_return"] = "upgrade: init failed: method \"main\" not found in module",
    } do
        local err = exit_of(spawn("to", id)).error
        t.ok(err, id)
        t.eq(string.sub(tostring(err), 1, #text), text)
        t.eq(err:kind(), "Internal")
        t.eq(err:retryable(), nil)
    end
end)

case("UP-1 a failed upgrade frees names and tells links", function(t)
    process.set_options({trap_links = true})
    local pid = assert(process.spawn_linked_monitored(OLD, HOST, process.pid(), "named",
        "suite:bad_file"))
    local seen = {process.events():receive().kind, process.events():receive().kind}
    t.list(seen, {process.event.EXIT, process.event.LINK_DOWN})
    t.fails("NotFound", "name not registered", process.registry.lookup("upgrade.name"))
    t.fails("NotFound", "process not found", process.send(pid, "x"))
end)

case("UP-1 a file that runs on and on can be terminated", function(t)
    local pid = spawn("to", "suite:upgrade_spins")
    local tries = time.ticker("5ms")
    tries:channel():receive()
    assert(process.terminate(pid))
    t.eq(tostring(exit_of(pid).error), "process terminated")
end)

case("UP-1 not in a function, not at file level, and wrong arguments", function(t)
    t.eq(funcs.call("suite:upgrade_fn"), "upgrade is not available in a function call")
    t.fails("Internal", "attempt to block at file level",
        process.spawn("suite:upgrade_at_file_level", HOST))
    t.raises("string expected", process.upgrade, {})
    local deep = {}
    for _ = 1, 10000 do deep = {deep} end
    local done, err = process.upgrade(NEW, deep)
    t.fails(nil, "", done, err)
end)

case("UP-2 PR-13 PR-14 upgradable is an option", function(t)
    t.eq(process.get_options().upgradable, false)
    t.eq(process.set_options({upgradable = true}), true)
    t.eq(process.get_options().upgradable, true)
    t.eq(process.get_options().trap_links, false)
    t.fails("Invalid", "upgradable must be a boolean", process.set_options({upgradable = 1}))
    t.fails("Invalid", "option speed is not supported", process.set_options({speed = true}))
    t.eq(process.event.OUTDATED, "pid.outdated")
end)

return case.entry
