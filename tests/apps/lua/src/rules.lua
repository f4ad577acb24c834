-- What the other suites leave out of the rules for processes.
local case = require("case")

local FAR = process.id() == "suite:rules_far"
local HOST = FAR and "suite:host2" or "suite:host"

local function next_event()
    return process.events():receive()
end

case("PR-4 errors of a spawn name what is missing", function(t)
    local err = t.fails("NotFound", "host not found", process.spawn("suite:child", "suite:none"))
    t.eq(err:details().host_id, "suite:none")
    t.eq(err:retryable(), false)
    err = t.fails("NotFound", "factory not found", process.spawn("suite:none", HOST))
    t.eq(err:details().factory_id, "suite:none")
    err = t.fails("NotFound", "factory not found", process.spawn("suite:fn_echo", HOST))
    t.eq(err:details().factory_id, "suite:fn_echo")
    t.fails("Internal", "host does not implement process.Host",
        process.spawn("suite:child", "suite:widget"))
    t.fails("Unavailable", "host is not running",
        process.spawn("suite:child", "suite:idle_host"))
end)

case("PR-4 PR-5 PR-6 PR-7 two arguments are needed, by name", function(t)
    for _, name in ipairs{"spawn", "spawn_monitored", "spawn_linked",
            "spawn_linked_monitored"} do
        t.fails("Invalid", name .. " requires at least id and host arguments",
            process[name]("suite:child"))
        t.raises("string expected", process[name], {}, HOST)
    end
end)

case("PR-6 EX-1 a linked child that ends well ends nobody", function(t)
    local pid = assert(process.spawn_linked("suite:seven", HOST, 7))
    assert(process.spawn_monitored("suite:seven", HOST, 8))
    t.eq(next_event().result.value, 8)
    repeat local alive = process.send(pid, "x") until not alive
    t.ok(channel.select{process.events():case_receive(), default = true}.default)
end)

case("PR-6 EX-4 a linked child that fails takes its parent along", function(t)
    local parent = assert(process.spawn_monitored("suite:rules_parent", HOST))
    t.eq(tostring(next_event().result.error), "linked process failed")
    t.fails("NotFound", "process not found", process.send(parent, "x"))
end)

case("PR-11 PR-12 details of what isn't there", function(t)
    local pid = assert(process.spawn_monitored("suite:seven", HOST, 1))
    next_event()
    for _, operation in ipairs{"monitor", "link"} do
        local err = t.fails("NotFound", "pid not registered", process[operation](pid))
        t.eq(err:details().pid, pid)
        t.eq(err:details().operation, operation)
    end
    t.eq(process.unmonitor(pid), true)
    t.eq(process.unlink(pid), true)
    t.fails("NotFound", "could not resolve 'nobody' as PID or registered name",
        process.unmonitor("nobody"))
end)

case("PR-9 PR-10 CT-3 who has ended can't be told", function(t)
    local pid = assert(process.spawn_monitored("suite:child", HOST, "idle"))
    t.eq(process.terminate(pid), true)
    next_event()
    t.fails("NotFound", "process not found", process.terminate(pid))
    t.fails("NotFound", "process not found", process.cancel(pid))
    t.fails("Invalid", "cancel requires at least destination argument", process.cancel())
    t.fails("Invalid", "terminate requires a destination argument", process.terminate())
end)

case("PR-10 CT-1 several cancels are several events", function(t)
    local pid = assert(process.spawn_monitored("suite:rules_cancels", HOST, 3))
    for i = 1, 3 do assert(process.cancel(pid, "r" .. i)) end
    t.list(next_event().result.value, {"r1", "r2", "r3"})
end)

case("PR-15 PR-16 PR-17 accessors give the same channel", function(t)
    t.eq(process.inbox(), process.inbox())
    t.eq(process.events(), process.events())
    t.eq(process.listen("same"), process.listen("same"))
    t.ok(process.inbox() ~= process.events())
end)

case("PID-3 what is no pid says why", function(t)
    t.fails("Invalid", "invalid pid format: missing braces",
        process.registry.register("rules.x", "nonsense"))
    t.fails("Invalid", "invalid pid format: missing pipe",
        process.registry.register("rules.x", "{nonsense}"))
    t.fails("Invalid", "invalid pid", process.registry.register("rules.x", "{a|b}"))
    t.fails("Invalid", "pid must be a string", process.registry.register("rules.x", 5))
end)

case("NR-1 NR-2 scopes of a cluster need one", function(t)
    local names = process.registry
    t.list({names.LOCAL, names.EVENTUAL, names.CONSISTENT, names.STRONG}, {0, 1, 2, 3})
    t.fails("Internal", "eventual registry not available",
        names.register("rules.y", nil, names.EVENTUAL))
    t.fails("Internal", "global registry not available",
        names.register("rules.y", nil, names.CONSISTENT))
    t.fails("Internal", "global registry not available",
        names.register("rules.y", nil, names.STRONG))
    t.fails("Invalid", "scope must be a number", names.register("rules.y", nil, "local"))
    t.eq(names.register("rules.y", nil, names.LOCAL), true)
    t.eq(names.register("rules.y"), true)
    t.eq(names.register("rules.z"), true)
    t.eq(names.unregister("rules.y", names.LOCAL), true)
    t.eq(names.unregister("rules.y"), false)
end)

case("EX-2 DX-23 an event has these fields and no others", function(t)
    local pid = assert(process.spawn_monitored("suite:seven", HOST, 7))
    local fields = {}
    for k in pairs(next_event()) do fields[#fields + 1] = k end
    table.sort(fields)
    t.list(fields, {"at", "from", "kind", "result"})
    assert(process.cancel(process.pid(), "me"))
    local event = next_event()
    fields = {}
    for k in pairs(event) do fields[#fields + 1] = k end
    table.sort(fields)
    t.list(fields, {"at", "from", "kind", "reason"})
    t.eq(event.from, process.pid())
    t.eq(math.type(event.at), "integer")
    t.ok(pid)
end)

case("MB-3 MB-4 payloads as objects", function(t)
    assert(process.send(process.pid(), "t", {x = 1}))
    local message = process.inbox():receive()
    local payload = message:payload()
    t.eq(tostring(message), "process.Message{topic=t}")
    t.eq(payload:get_format(), "lua/any")
    t.eq(tostring(payload), "payload{format=lua/any}")
    t.eq(payload.x, nil)
    t.eq(payload:data().x, 1)
    t.eq(payload:unmarshal().x, 1)
    t.fails(nil, "transcode failed", payload:transcode("no/such"))
    t.eq(message:from(), process.pid())
    for _, topic in ipairs{"@pid/inbox", "@", "@pid/events"} do
        t.fails("Invalid", "cannot send to @ topics", process.send(process.pid(), topic))
        t.fails("Invalid", "cannot listen to @ topics", process.listen(topic))
    end
end)

case("SP-2 identity needs objects of the right kind", function(t)
    local spawner = process.with_context({})
    t.raises("actor cannot be nil", spawner.with_actor, spawner, nil)
    t.raises("Actor expected", spawner.with_actor, spawner, {})
    t.raises("scope cannot be nil", spawner.with_scope, spawner, nil)
    t.raises("Scope expected", spawner.with_scope, spawner, 5)
end)

case("SP-1 SP-6 DX-20 who is signalled instead of spawned is watched", function(t)
    local first = assert(process.with_options({}):with_name("rules.named")
        :spawn("suite:child", HOST, "idle"))
    local again = assert(process.with_options({}):with_name("rules.named")
        :spawn_monitored("suite:child", HOST, "idle"))
    t.eq(again, first)
    assert(process.terminate(first))
    t.eq(next_event().from, first)
end)

case("PM-4 a select of nothing waits, and can be ended", function(t)
    local pid = assert(process.spawn_monitored("suite:rules_nothing", HOST))
    local limit = time.after("50ms")
    t.eq(channel.select{process.events():case_receive(), limit:case_receive()}.channel, limit)
    assert(process.terminate(pid))
    t.eq(tostring(next_event().result.error), "process terminated")
end)

case("EV-7 services tell of their life", function(t)
    local sub = events.subscribe("supervisor")
    assert(process.send("rules.service", "end"))
    local seen = {}
    repeat
        local event = sub:channel():receive()
        if event.path == "suite:rules_service" then seen[#seen + 1] = event end
    until seen[#seen] and seen[#seen].data and seen[#seen].data.status == "running"
        and #seen > 1
    for _, event in ipairs(seen) do
        t.eq(event.system, "supervisor")
        t.ok(({["service.update"] = true, ["service.start"] = true,
            ["service.stop"] = true})[event.kind], event.kind)
    end
    sub:close()
end)

case("SV-12 request and reply with a limit, named singleton", function(t)
    assert(process.registry.register("rules.parent"))
    local pid = assert(process.spawn("suite:rules_echo", HOST))
    t.eq(process.inbox():receive():topic(), "up")
    for i = 1, 3 do
        assert(process.send("rules.echo", "req", {n = i, reply_to = process.pid()}))
        local limit = time.after("5s")
        local got = channel.select{process.inbox():case_receive(), limit:case_receive()}
        t.eq(got.value:payload():data(), i)
    end
    local second = assert(process.spawn_monitored("suite:rules_echo", HOST))
    local event = next_event()
    t.eq(event.from, second)
    t.eq(tostring(event.result.error), "name already registered")
    assert(process.terminate(pid))
end)

return case.entry
