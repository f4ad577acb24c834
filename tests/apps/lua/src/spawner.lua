local case = require("case")

local HOST = "suite:host"

local function exit_of(pid)
    local event = process.events():receive()
    assert(event.kind == process.event.EXIT and event.from == pid, event.kind)
    return event.result
end

case("PR-8 exec hands back what the process returns", function(t)
    local value, err = process.exec("suite:child", HOST, "arguments", 1, nil, "c")
    t.eq(err, nil)
    t.eq(value.n, 3)
    t.eq(value.last, "c")
end)

case("PR-8 exec hands back the error of the process", function(t)
    t.fails("Internal", "boom", process.exec("suite:child", HOST, "raise", "boom"))
    local err = t.fails("Conflict", "typed", process.exec("suite:child", HOST, "raise error"))
    t.eq(err:retryable(), true)
    t.eq(err:details().n, 3)
end)

case("PR-8 exec says why nothing could be started", function(t)
    t.fails("Invalid", "exec requires id and host arguments", process.exec("suite:child"))
    t.fails("Invalid", "process ID required", process.exec("", HOST))
    for _, id in ipairs{"child", ":child", "suite:"} do
        t.fails("Invalid", "invalid process ID format (namespace:name required)",
            process.exec(id, HOST))
    end
    t.fails("Invalid", "host ID required", process.exec("suite:child", ""))
    t.fails("NotFound", "factory not found", process.exec("suite:none", HOST))
    t.fails("NotFound", "host not found", process.exec("suite:child", "suite:none"))
    t.fails("Internal", "failed to execute script", process.exec("suite:bad_file", HOST))
end)

case("PR-8 an exec is no event, many run at once", function(t)
    local done = channel.new(20)
    for _ = 1, 20 do
        coroutine.spawn(function()
            done:send(process.exec("suite:child", HOST, "sleep", "5ms"))
        end)
    end
    for _ = 1, 20 do t.eq(done:receive(), "slept") end
    local events = process.events()
    t.ok(channel.select{events:case_receive(), default = true}.default, "no event")
end)

case("PR-8 the process runs on when nobody waits any more", function(t)
    local parent = process.pid()
    local pid = process.spawn_monitored("suite:spawner_drops", HOST, parent)
    t.eq(exit_of(pid).value, "dropped")
    t.eq(process.inbox():receive():topic(), "alive")
end)

case("SP-1 SP-2 context is merged, spawners don't change", function(t)
    local one = process.with_context({a = 1, list = {1, 2}})
    local two = one:with_context({a = 2})
    t.eq(type(one), "userdata")
    t.eq(getmetatable(one), false)
    t.eq(one:exec("suite:child", HOST, "context", "a"), 1)
    t.eq(two:exec("suite:child", HOST, "context", "a"), 2)
    t.list(two:exec("suite:child", HOST, "context", "list"), {1, 2})
    t.fails("NotFound", "key not found",
        process.exec("suite:child", HOST, "context", "a"))
end)

case("SP-1 SP-2 misuse raises", function(t)
    t.raises("context keys must be strings", process.with_context, {1})
    t.raises("options keys must be strings", process.with_options, {1})
    local spawner = process.with_options({})
    t.raises("name cannot be empty", spawner.with_name, spawner, "")
    t.raises("cannot send to @ topics", spawner.with_message, spawner, "@x")
    t.raises("spawn requires at least id and host arguments", spawner.spawn, spawner,
        "suite:child")
    t.raises("spawn_linked requires at least id and host arguments",
        spawner.spawn_linked, spawner)
    t.fails("NotFound", "factory not found", spawner:spawn("suite:none", HOST))
end)

case("SP-7 first messages are there in order, from nobody", function(t)
    local spawner = process.with_options({})
    for i = 1, 3 do
        spawner = spawner:with_message(i % 2 == 0 and "even" or "odd", {n = i}, "second")
    end
    local pid = spawner:spawn_monitored("suite:spawner_reads", HOST, 3)
    t.list(exit_of(pid).value, {"odd 1 second ", "even 2 second ", "odd 3 second "})
end)

case("SP-6 a name makes one process and is signalled after that", function(t)
    local named = process.with_options({}):with_name("spawner-only-one")
    local first = named:with_message("m", {n = 1}, "a")
        :spawn_monitored("suite:spawner_reads", HOST, 2)
    local second = named:with_message("m", {n = 2}, "b")
        :spawn("suite:spawner_reads", HOST, 99)
    t.eq(second, first)
    t.list(exit_of(first).value, {"m 1 a ", "m 2 b "})
    t.eq(process.registry.lookup("spawner-only-one"), nil)
end)

case("SP-6 PM-7 what an owner is sent keeps its shared tables", function(t)
    assert(process.registry.register("spawner-owner"))
    local messages = process.listen("first")
    local inner = {1}
    local cycle = {inner = inner, again = inner}
    cycle.self = cycle
    t.eq(process.with_options({}):with_name("spawner-owner")
        :with_message("first", cycle)
        :spawn("suite:spawner_reads", HOST, 1), process.pid())
    local got = messages:receive()
    t.eq(got.inner[1], 1)
    t.ok(got.inner == got.again, "shared")
    t.ok(got.self == got, "cycle")
    process.registry.unregister("spawner-owner")
end)

case("SP-6 MP-16 racing spawns end with one process", function(t)
    local named = process.with_options({}):with_name("spawner-race")
    local pids, one = channel.new(10), nil
    for i = 1, 10 do
        coroutine.spawn(function()
            pids:send(named:with_message("m", {n = i}, "")
                :spawn("suite:spawner_reads", HOST, 10))
        end)
    end
    for _ = 1, 10 do
        local pid = pids:receive()
        one = one or pid
        t.eq(pid, one)
    end
end)

local function drops(parent)
    coroutine.spawn(function()
        process.exec("suite:spawner_tells", HOST, parent)
    end)
    time.sleep("5ms")
    return "dropped"
end

local function tells(parent)
    time.sleep("30ms")
    process.send(parent, "alive")
end

local function reads(n)
    local inbox, got = process.inbox(), {}
    for i = 1, n do
        local message = inbox:receive()
        local payload = message:payload()
        got[i] = message:topic() .. " " .. payload[1]:data().n .. " "
            .. payload[2]:data() .. " " .. message:from()
    end
    return got
end

return {main = case.entry.main, drops = drops, tells = tells, reads = reads}
