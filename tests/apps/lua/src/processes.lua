local case = require("case")

-- The same cases twice: children in the case's own worker, and in another one.
local FAR = process.id() == "suite:processes_far"
local HOST = FAR and "suite:host2" or "suite:host"

local function spawn(...)
    return assert(process.spawn_monitored("suite:child", HOST, ...))
end

-- The EXIT of pid (or of anybody).
local function exit_of(pid)
    while true do
        local event = process.events():receive()
        if event.kind == process.event.EXIT and (pid == nil or event.from == pid) then
            return event
        end
    end
end

local function result_of(...)
    local pid = spawn(...)
    return exit_of(pid).result
end

local function next_message(topic)
    local message = process.inbox():receive()
    case.eq(message:topic(), topic, "topic")
    local payload = message:payload()
    return payload and payload:data()
end

-- No event of ours within a while in which one would have come.
local function quiet()
    local limit = time.after("100ms")
    local got = channel.select{process.events():case_receive(), limit:case_receive()}
    return got.channel == limit
end

-- No message within a while in which one would have come.
local function quiet_inbox()
    local limit = time.after("50ms")
    return channel.select{process.inbox():case_receive(), limit:case_receive()}.channel
        == limit
end

case("PM-1 MP-22 globals and libraries belong to one process", function(t)
    local a, b = result_of("own state"), result_of("own state")
    t.list(a.value, {1, 1})
    t.list(b.value, {1, 1})
end)

case("PM-2a a message on the very next line is never lost", function(t)
    for i = 1, 50 do
        local pid = spawn("echo")
        process.send(pid, "ping", i)
        t.eq(next_message("pong"), i)
        process.send(pid, "stop")
        exit_of(pid)
    end
end)

case("PM-2b a child that ends at once always yields its EXIT", function(t)
    for i = 1, 200 do
        t.eq(result_of("return", i).value, i)
    end
end)

case("PM-2c a bad start fails spawn itself, without any event", function(t)
    local bad = {
        ["suite:bad_file"] = "failed to execute script",
        ["suite:no_method"] = "method \"missing\" not found in module",
        ["suite:bad_return"] = "method \"main\" not found in module",
    }
    for id, text in pairs(bad) do
        t.fails(nil, text, process.spawn_monitored(id, HOST))
    end
    t.ok(quiet(), "quiet")
end)

case("PM-2e arguments keep their positions, trailing nils too", function(t)
    local result = result_of("arguments", nil, 2, nil)
    t.eq(result.value.n, 3)
    t.eq(result.value.first, nil)
    t.eq(result.value.last, nil)
end)

case("PM-3 T-1 a returned integer is the value", function(t)
    local result = result_of("return", 7)
    t.eq(result.value, 7)
    t.eq(math.type(result.value), "integer")
    t.eq(result.error, nil)
end)

case("PM-3 nothing, false and tables are values of success", function(t)
    t.eq(result_of("return").value, nil)
    t.eq(result_of("return").error, nil)
    t.eq(result_of("return", false).value, false)
    t.eq(result_of("return", {a = {b = 1}}).value.a.b, 1)
end)

case("PM-3 T-2 a string as second value fails", function(t)
    local err = result_of("fail", "x").error
    t.eq(tostring(err), "x")
    t.eq(err:kind(), "Internal")
    t.eq(err:retryable(), false)
end)

case("PM-3 an error as second value is kept whole", function(t)
    local result = result_of("fail kind", errors.RATE_LIMITED, "slow down")
    t.eq(result.value, nil)
    t.eq(result.error:kind(), "RateLimited")
    t.eq(result.error:message(), "slow down")
    t.eq(result.error:retryable(), true)
    t.eq(result.error:details().seen, 1)
end)

case("PM-3 other second values are ignored, third ones too", function(t)
    for _, second in ipairs{false, true, 1, {}} do
        local result = result_of("return odd second", second)
        t.eq(result.value, "kept")
        t.eq(result.error, nil)
    end
    t.eq(result_of("return third").value, "kept")
end)

case("PM-3 a raised text is Internal, position first, retryable unknown", function(t)
    local err = result_of("raise", "boom").error
    t.eq(err:kind(), "Internal")
    t.eq(err:retryable(), nil)
    t.ok(string.find(tostring(err), "^suite:child:%d+: boom"), tostring(err))
end)

case("PM-3 T-3 an error in a spawned coroutine ends the process", function(t)
    local err = result_of("raise in coroutine", "x marks").error
    t.eq(err:kind(), "Internal")
    t.ok(string.find(tostring(err), "x marks", 1, true), tostring(err))
end)

case("PM-3 a raised error object is kept, a raised table becomes Internal", function(t)
    local err = result_of("raise error").error
    t.eq(err:kind(), "Conflict")
    t.eq(err:message(), "typed")
    t.eq(err:retryable(), true)
    t.eq(err:details().n, 3)
    t.eq(result_of("raise table").error:kind(), "Internal")
end)

case("PM-4 who waits on inbox and events idles for ever", function(t)
    local pid = spawn("idle")
    time.sleep("50ms")
    t.eq(process.send(pid, "wake"), true)
    t.eq(exit_of(pid).result.value, "woken")
end)

case("PM-5 T-15 names are free when EXIT is seen", function(t)
    for i = 1, 20 do
        local pid = spawn("register", "pm5", process.pid())
        t.eq(next_message("registered"), true)
        process.terminate(pid)
        exit_of(pid)
        t.eq(process.registry.register("pm5"), true)
        t.eq(process.registry.unregister("pm5"), true)
    end
end)

case("PM-6 a running function is a process", function(t)
    local me = process.pid()
    local answer, err = funcs.call("suite:fn_process", me)
    t.eq(err, nil)
    t.ok(string.find(answer.pid, "^{suite:fn_process|0x%x+}$"), answer.pid)
    t.eq(answer.id, "suite:fn_process")
    t.eq(answer.child, 5)
    t.eq(answer.looked_up, true)
    t.eq(next_message("from function"), answer.pid)
    t.fails("NotFound", "process not found", process.send(answer.pid, "late"))
    t.fails("NotFound", "name not registered", process.registry.lookup("fn name"))
end)

case("PM-6 MP-18 a function is answered in its own inbox, and can be monitored", function(t)
    local future = funcs.async("suite:fn_waits", process.pid())
    local pid = next_message("here I am")
    t.eq(process.monitor(pid), true)
    t.eq(process.send(pid, "answer", 42), true)
    t.eq(future:response():receive():data(), 42)
    t.eq(exit_of(pid).from, pid)
end)

case("PM-7 T-18 MP-14 LUA-51 values cross exactly", function(t)
    local pid = spawn("echo")
    local shared = {1}
    local sent = {int = 3, float = 1.0, big = (1 << 53) + 1, bytes = "\0\xff\n",
        t = true, f = false, a = shared, b = shared, [1.5] = "float key",
        [true] = "bool key", holes = {1, nil, 3}, empty = {}}
    sent.self = sent
    process.send(pid, "ping", sent)
    local got = next_message("pong")
    t.eq(got.int, 3)
    t.eq(got.float, 1.0)
    t.eq(got.big, (1 << 53) + 1)
    t.eq(got.bytes, "\0\xff\n")
    t.eq(got.t, true)
    t.eq(got.f, false)
    t.ok(got.a == got.b, "shared table")
    t.ok(got.self == got, "cycle")
    t.ok(got ~= sent and got.a ~= shared, "a copy")
    t.eq(got[1.5], "float key")
    t.eq(got[true], "bool key")
    t.eq(got.holes[3], 3)
    t.eq(next(got.empty), nil)
    process.terminate(pid)
end)

case("LUA-50 what was sent is a copy, what is received too", function(t)
    local pid, mine = spawn("echo"), {n = 1, inner = {n = 1}}
    process.send(pid, "ping", mine)
    mine.n, mine.inner.n = 2, 2
    local back = next_message("pong")
    t.eq(back.n, 1)
    t.eq(back.inner.n, 1)
    back.inner.n = 3
    t.eq(mine.inner.n, 2)
    process.terminate(pid)
end)

case("PM-7 errors cross, functions and userdata become nil, metatables go", function(t)
    local pid = spawn("echo")
    process.send(pid, "ping", {
        err = errors.new{message = "m", kind = errors.TIMEOUT, retryable = false,
            details = {a = 1}},
        unknown = errors.new("plain"),
        f = print, ch = channel.new(), co = coroutine.create(print),
        when = time.now(), n = 1,
        meta = setmetatable({x = 1}, {__index = {y = 2}})})
    local got = next_message("pong")
    t.eq(got.err:kind(), "Timeout")
    t.eq(got.err:message(), "m")
    t.eq(got.err:retryable(), false)
    t.eq(got.err:details().a, 1)
    t.eq(got.unknown:retryable(), nil)
    t.eq(got.f, nil)
    t.eq(got.ch, nil)
    t.eq(got.co, nil)
    t.eq(got.when, nil)
    t.eq(got.n, 1)
    t.eq(got.meta.x, 1)
    t.eq(got.meta.y, nil)
    t.eq(getmetatable(got.meta), nil)
    process.terminate(pid)
end)

case("PM-7 two arguments that share a table become two tables", function(t)
    local shared = {}
    process.send(process.pid(), "two", shared, shared)
    local message = process.inbox():receive()
    local a, b = message:payload()[1]:data(), message:payload()[2]:data()
    t.ok(a ~= b)
end)

case("PID-1 DX-22 a pid is text of one form", function(t)
    t.eq(type(process.pid()), "string")
    t.ok(string.find(process.pid(), "^{suite:host|0x%x%x%x%x%x+}$"), process.pid())
    local pid = spawn("idle")
    t.ok(string.find(pid, "^{" .. HOST .. "|0x%x+}$"), pid)
    t.ok(not string.find(pid, "%u"), "lower case")
    process.terminate(pid)
end)

case("PID-2 pids compare, key, cross and are never used again", function(t)
    local seen = {}
    for _ = 1, 300 do
        local pid = spawn("return")
        t.eq(seen[pid], nil)
        seen[pid] = true
        exit_of(pid)
    end
    local pid = spawn("echo")
    process.send(pid, "ping", {pid = pid})
    t.ok(next_message("pong").pid == pid)
    process.terminate(pid)
end)

case("PID-3 what does not parse as a pid is a name", function(t)
    t.fails("NotFound", "could not resolve 'nobody' as PID or registered name",
        process.send("nobody", "t"))
    t.fails("NotFound", "could not resolve '{broken' as PID or registered name",
        process.send("{broken", "t"))
end)

case("PR-1 PR-2 id and pid", function(t)
    t.eq(process.id(), FAR and "suite:processes_far" or "suite:processes")
    t.eq(process.pid(), process.pid())
end)

case("PR-3 send says what is wrong", function(t)
    t.fails("Invalid", "send requires at least destination and topic arguments",
        process.send(process.pid()))
    t.fails("Invalid", "cannot send to @ topics", process.send(process.pid(), "@x"))
    t.fails("NotFound", "host not found", process.send("{no:host|0x00001}", "t"))
    t.raises("bad argument #1", process.send, nil, "t")
    local done, err = process.send(process.pid(), "empty")
    t.eq(done, true)
    t.eq(err, nil)
    t.eq(process.inbox():receive():payload(), nil)
end)

case("PR-3 T-7 MP-3 send to the dead is told", function(t)
    for _ = 1, 30 do
        local pid = spawn("return")
        exit_of(pid)
        t.fails("NotFound", "process not found", process.send(pid, "t"))
    end
end)

case("PR-4 spawn says what is wrong", function(t)
    t.fails("Invalid", "spawn requires at least id and host arguments",
        process.spawn("suite:child"))
    t.fails("Invalid", "spawn_monitored requires at least id and host arguments",
        process.spawn_monitored("suite:child"))
    t.fails("NotFound", "host not found", process.spawn("suite:child", "no:host"))
    t.fails("Internal", "host does not implement process.Host",
        process.spawn("suite:child", "suite:case"))
    t.fails("NotFound", "factory not found", process.spawn("no:such", HOST))
    t.fails("NotFound", "factory not found", process.spawn("suite:fn_process", HOST))
    t.fails(nil, "host is not running", process.spawn("suite:child", "suite:idle_host"))
end)

case("PR-5 PR-7 monitored and linked spawns watch", function(t)
    process.set_options{trap_links = true}
    local pid = process.spawn_linked_monitored("suite:child", HOST, "raise", "both")
    local first, second = process.events():receive(), process.events():receive()
    t.eq(first.kind, process.event.EXIT)
    t.eq(second.kind, process.event.LINK_DOWN)
    t.eq(first.from, pid)
    t.eq(second.from, pid)
    t.ok(string.find(tostring(second.result.error), "both", 1, true))
end)

case("PR-9 CT-3 T-10 MP-8 terminate ends what never yields", function(t)
    local neighbour = spawn("echo")
    local pids = {spawn("spin"), spawn("spin in pcall"), spawn("sleep", "1h")}
    time.sleep("5ms")
    for _, pid in ipairs(pids) do
        local started = time.now()
        t.eq(process.terminate(pid), true)
        local event = exit_of(pid)
        t.eq(tostring(event.result.error), "process terminated")
        t.eq(event.result.error:kind(), "Internal")
        t.eq(event.result.error:retryable(), nil)
        t.ok(time.now():sub(started):milliseconds() < 15000, "in time")
        t.fails("NotFound", "process not found", process.terminate(pid))
    end
    process.send(neighbour, "ping", 1)
    t.eq(next_message("pong"), 1)
    process.terminate(neighbour)
end)

case("PR-10 T-11 cancel reaches the child, its reason too", function(t)
    local pid = spawn("cancel reason")
    t.eq(process.cancel(pid, "enough"), true)
    t.list(exit_of(pid).result.value,
        {"pid.cancel", "enough", process.pid(), "integer"})
    pid = spawn("cancel reason")
    process.cancel(pid)
    t.eq(exit_of(pid).result.value[2], "")
    t.fails("NotFound", "process not found", process.cancel(pid))
    t.fails("Invalid", "cancel requires at least destination argument", process.cancel())
end)

case("PR-11 T-6 MP-6 monitoring the dead is an error, not an event", function(t)
    local pid = spawn("return")
    exit_of(pid)
    local err = t.fails("NotFound", "pid not registered", process.monitor(pid))
    t.eq(err:details().operation, "monitor")
    t.eq(err:details().pid, pid)
    t.ok(quiet(), "quiet")
end)

case("PR-11 monitor twice, unmonitor, and neither argument", function(t)
    local pid = process.spawn("suite:child", HOST, "idle")
    t.eq(process.monitor(pid), true)
    t.fails("AlreadyExists", "already monitoring pid", process.monitor(pid))
    t.eq(process.unmonitor(pid), true)
    t.eq(process.unmonitor(pid), true)
    process.terminate(pid)
    t.ok(quiet(), "quiet after unmonitor")
    t.eq(process.unmonitor(pid), true)
    t.fails("Invalid", "monitor requires a destination argument", process.monitor())
    t.fails("Invalid", "link requires a destination argument", process.link())
    t.fails("Invalid", "unlink requires a destination argument", process.unlink())
end)

case("PR-11 MP-6 monitor racing with the end gives exactly one of both", function(t)
    for _ = 1, 200 do
        local pid = process.spawn("suite:child", HOST, "return", "raced")
        local done, err = process.monitor(pid)
        if done then
            t.eq(exit_of(pid).result.value, "raced")
        else
            t.fails("NotFound", "pid not registered", done, err)
        end
    end
    t.ok(quiet(), "quiet")
end)

case("PR-12 link twice, unlink, link to the dead and to oneself", function(t)
    process.set_options{trap_links = true}
    local pid = process.spawn("suite:child", HOST, "idle")
    t.eq(process.link(pid), true)
    t.eq(process.link(pid), true)
    t.eq(process.unlink(pid), true)
    process.terminate(pid)
    t.ok(quiet(), "quiet after unlink")
    local err = t.fails("NotFound", "pid not registered", process.link(pid))
    t.eq(err:details().operation, "link")
    t.eq(process.unlink(pid), true)
    t.eq(process.link(process.pid()), true)
end)

case("PR-13 PR-14 options", function(t)
    t.eq(process.get_options().trap_links, false)
    t.eq(process.set_options{trap_links = true}, true)
    t.eq(process.get_options().trap_links, true)
    t.ok(process.get_options() ~= process.get_options())
    t.fails("Invalid", "options parameter must be a table", process.set_options(1))
    t.fails("Invalid", "trap_links must be a boolean",
        process.set_options{trap_links = 1})
    t.fails("Invalid", "option nonsense is not supported",
        process.set_options{nonsense = true})
end)

case("PR-17 listen gives payloads, or messages when asked", function(t)
    local me = process.pid()
    local bare = process.listen("bare")
    t.ok(process.listen("bare") == bare)
    process.send(me, "bare", 1)
    t.eq(bare:receive(), 1)
    process.send(me, "bare")
    local value, ok = bare:receive()
    t.eq(value, nil)
    t.eq(ok, true)
    process.send(me, "bare", 1, "two")
    t.list(bare:receive(), {1, "two"})
    local whole = process.listen("whole", {message = true})
    process.send(me, "whole", "v")
    local message = whole:receive()
    t.eq(message:topic(), "whole")
    t.eq(message:from(), me)
    t.eq(message:payload():data(), "v")
    t.fails("Invalid", "topic cannot be empty", process.listen(""))
    t.fails("Invalid", "cannot listen to @ topics", process.listen("@x"))
end)

case("PR-18 unlisten closes; the topic falls back to the inbox", function(t)
    local ch = process.listen("topic")
    local waited = channel.new(1)
    coroutine.spawn(function()
        local value, ok = ch:receive()
        waited:send({value == nil, ok})
    end)
    t.eq(process.unlisten(ch), true)
    t.list(waited:receive(), {true, false})
    process.send(process.pid(), "topic", 5)
    t.eq(next_message("topic"), 5)
    t.fails(nil, "", process.unlisten(channel.new()))
end)

case("MB-2 PR-18 what a topic's channel had no room for goes to the inbox", function(t)
    local me, inbox = process.pid(), process.inbox()
    local function take(ch)
        local got = channel.select{ch:case_receive(), default = true}
        return not got.default and got.ok and got.value or nil
    end
    local function numbers()
        local list = {}
        for message in take, inbox do list[#list + 1] = message:payload():data() end
        return list
    end
    for _, way in ipairs{"unlisten", "close", "unsubscribe"} do
        local ch = way == "unsubscribe" and subscribe("kept", channel.new(2)) or
            process.listen("kept")
        process.send(me, "other", 1)
        for i = 2, 4 do process.send(me, "kept", i) end
        process.send(me, "other", 5)
        process.send(me, "kept", 6)
        if way == "close" then
            ch:close()
        else
            t.eq((way == "unlisten" and process.unlisten or unsubscribe)(ch), true)
        end
        t.eq(take(ch), 2, way)
        if way == "unsubscribe" then t.eq(take(ch), 3) end
        t.eq(take(ch), nil)
        t.list(numbers(), way == "unsubscribe" and {1, 4, 5, 6} or {1, 3, 4, 5, 6}, way)
    end
    local ch, waited = process.listen("kept"), channel.new(1)
    process.send(me, "kept", 1)
    process.send(me, "kept", 2)
    coroutine.spawn(function() waited:send(inbox:receive():payload():data()) end)
    process.unlisten(ch)
    t.eq(waited:receive(), 2, "who waits in the inbox gets it")
end)

case("PR-19 names of events", function(t)
    t.eq(process.event.CANCEL, "pid.cancel")
    t.eq(process.event.EXIT, "pid.exit")
    t.eq(process.event.LINK_DOWN, "pid.link.down")
end)

case("C-7 the module is read-only", function(t)
    t.raises("", function() process.pid = 1 end)
    t.raises("", function() channel.new = 1 end)
end)

case("MB-1 MB-2 T-4 messages wait in order until there is an inbox", function(t)
    local pid = spawn("late inbox", 30)
    local want = {}
    for i = 1, 30 do
        local topic = ({"a", "b", "c"})[i % 3 + 1]
        process.send(pid, topic, i)
        want[i] = topic .. i
    end
    process.send(pid, "go")
    t.eq(exit_of(pid).result.value, table.concat(want, " "))
end)

case("MB-2 T-5 a listener takes its topic, the rest goes on in order", function(t)
    local pid = spawn("late listen", "b", 10, 20)
    local mine, rest = {}, {}
    for i = 1, 30 do
        local topic = ({"a", "b", "c"})[i % 3 + 1]
        process.send(pid, topic, i)
        if topic == "b" then
            mine[#mine + 1] = tostring(i)
        else
            rest[#rest + 1] = topic .. i
        end
    end
    process.send(pid, "go")
    t.list(exit_of(pid).result.value,
        {table.concat(mine, " "), table.concat(rest, " ")})
end)

case("MB-2 MP-12 a full channel holds back its own topic only", function(t)
    local me = process.pid()
    local slow, fast = process.listen("slow"), process.listen("fast")
    for i = 1, 20 do process.send(me, "slow", i) end
    process.send(me, "fast", "passes")
    t.eq(fast:receive(), "passes")
    for i = 1, 20 do t.eq(slow:receive(), i) end
end)

case("MB-4 message and payload objects", function(t)
    local me = process.pid()
    process.send(me, "topic", {a = 1}, "second", nil)
    process.send(me, "one", 7)
    local inbox = process.inbox()
    local several, one = inbox:receive(), inbox:receive()
    t.eq(tostring(several), "process.Message{topic=topic}")
    t.eq(several:from(), me)
    t.eq(type(several:payload()), "table")
    t.eq(several:payload()[1]:data().a, 1)
    t.eq(several:payload()[2]:data(), "second")
    t.eq(one:payload():data(), 7)
    t.eq(one:payload():get_format(), "lua/any")
    t.eq(tostring(one:payload()), "payload{format=lua/any}")
    t.eq(one:payload().nonsense, nil)
end)

case("MB-5 a mailbox takes 100,000 messages", function(t)
    local me = process.pid()
    for i = 1, 100000 do
        t.eq(process.send(me, "n", i), true)
    end
    local inbox = process.inbox()
    for i = 1, 100000 do
        local n = inbox:receive():payload():data()
        if n ~= i then t.eq(n, i) end
    end
end)

case("MB-6 subscribe ties an own channel to a topic", function(t)
    local ch = channel.new(10)
    t.ok(subscribe("mine", ch) == ch)
    process.send(process.pid(), "mine", 1)
    t.eq(ch:receive(), 1)
    t.fails("AlreadyExists", "topic \"mine\" already subscribed",
        subscribe("mine", channel.new()))
    t.eq(unsubscribe(ch), true)
    local value, ok = ch:receive()
    t.eq(value, nil)
    t.eq(ok, false)
end)

case("EX-1 success tells monitors, not links", function(t)
    process.set_options{trap_links = true}
    process.spawn_linked("suite:child", HOST, "return", 1)
    t.ok(quiet(), "quiet")
end)

case("EX-1 MP-4 what was sent comes before the EXIT", function(t)
    for _ = 1, 20 do
        local pid = spawn("burst", process.pid(), "n", 50)
        exit_of(pid)
        for i = 1, 50 do
            local got = channel.select{process.inbox():case_receive(), default = true}
            t.ok(not got.default, "message " .. i .. " before EXIT")
            t.eq(got.value:payload():data(), i)
        end
    end
end)

case("EX-2 fields of an EXIT", function(t)
    local pid = spawn("return", 1)
    local event = exit_of(pid)
    t.eq(event.kind, "pid.exit")
    t.eq(event.from, pid)
    t.ok(math.abs(event.at - os.time()) <= 2, "at")
    t.eq(event.value, nil)
    t.eq(event.error, nil)
    t.eq(event.deadline, nil)
    t.eq(event.reason, nil)
end)

case("EX-3 events wait until somebody looks", function(t)
    local pids = {}
    for i = 1, 5 do pids[i] = spawn("return", i) end
    time.sleep("20ms")
    local sum = 0
    for _ = 1, 5 do sum = sum + process.events():receive().result.value end
    t.eq(sum, 15)
end)

case("EX-4 T-8 MP-7 failure cascades over links, once each", function(t)
    local me = process.pid()
    local top = process.spawn("suite:child", HOST, "link chain", me, 2)
    local pids = {}
    for _ = 1, 3 do
        local up = next_message("up")
        pids[up.depth] = up.pid
    end
    t.eq(pids[2], top)
    for depth = 0, 2 do t.eq(process.monitor(pids[depth]), true) end
    process.terminate(pids[1])
    local texts = {}
    for _ = 1, 3 do
        local event = process.events():receive()
        texts[event.from] = tostring(event.result.error)
    end
    t.eq(texts[pids[1]], "process terminated")
    t.eq(texts[pids[0]], "linked process failed")
    t.eq(texts[pids[2]], "linked process failed")
    t.ok(quiet(), "exactly once")
end)

case("EX-4 T-9 who traps lives and is told", function(t)
    local me = process.pid()
    local top = spawn("link chain", me, 1, true)
    local pids = {}
    for _ = 1, 2 do
        local up = next_message("up")
        pids[up.depth] = up.pid
    end
    process.terminate(pids[0])
    local result = exit_of(top).result
    t.list(result.value, {"pid.link.down", "process terminated", pids[0]})
end)

case("EX-5 an instant failure of a linked child reaches the parent", function(t)
    for _ = 1, 20 do
        local result = result_of("spawn linked and sleep", "raise", "early")
        t.eq(tostring(result.error), "linked process failed")
    end
end)

case("CT-1 cancel interrupts nothing", function(t)
    local pid = spawn("sleep", "30ms")
    process.cancel(pid, "please")
    process.cancel(pid, "please")
    t.eq(exit_of(pid).result.value, "slept")
end)

case("CT-4 PM-2d children outlive their parent", function(t)
    local pid = spawn("spawn and end", process.pid(), "echo")
    t.eq(exit_of(pid).result.value, "parent ended")
    local child = next_message("child")
    process.send(child, "ping", "still there?")
    t.eq(next_message("pong"), "still there?")
    process.terminate(child)
end)

case("PM-5 MP-23 what main leaves behind runs no more code", function(t)
    t.eq(result_of("leaves guards", process.pid()).value, "main")
    t.ok(quiet_inbox(), "a guard ran")
end)

case("PM-5 CO-4 coroutines end with main", function(t)
    t.eq(result_of("main ends first", process.pid()).value, "main")
    t.ok(quiet_inbox(), "a coroutine went on")
end)

case("NR-1 a name has one owner", function(t)
    t.eq(process.registry.register("nr1"), true)
    t.eq(process.registry.register("nr1"), true)
    t.eq(process.registry.register("nr1 too"), true)
    local pid = spawn("register", "nr1", process.pid())
    t.eq(next_message("registered"), "name already registered")
    process.terminate(pid)
    t.eq(process.registry.LOCAL, 0)
    t.eq(process.registry.STRONG, 3)
    t.fails("Invalid", "pid must be a string", process.registry.register("x", 1))
    t.fails("Invalid", "scope must be a number",
        process.registry.register("x", nil, "LOCAL"))
end)

case("NR-1 a foreign pid can be named, a dead one not", function(t)
    local pid = spawn("echo")
    t.eq(process.registry.register("nr1 foreign", pid), true)
    process.send("nr1 foreign", "ping", 1)
    t.eq(next_message("pong"), 1)
    process.terminate(pid)
    exit_of(pid)
    t.fails("NotFound", "pid not registered",
        process.registry.register("nr1 foreign", pid))
end)

case("NR-1 MP-1 racing registrations: exactly one wins", function(t)
    local pids = {}
    for i = 1, 20 do pids[i] = spawn("register", "nr race", process.pid()) end
    local n = 0
    for _ = 1, 20 do
        if next_message("registered") == true then n = n + 1 end
    end
    t.eq(n, 1)
    for _, pid in ipairs(pids) do process.terminate(pid) end
end)

case("NR-2 NR-3 lookup, unregister by anybody, sends by name", function(t)
    local pid = spawn("register", "nr2", process.pid())
    next_message("registered")
    t.eq(process.registry.lookup("nr2"), pid)
    t.eq(process.registry.unregister("nr2"), true)
    t.eq(process.registry.unregister("nr2"), false)
    t.fails("NotFound", "name not registered", process.registry.lookup("nr2"))
    t.eq(process.registry.register("nr2"), true)
    process.send("nr2", "to myself", 3)
    t.eq(next_message("to myself"), 3)
    process.terminate(pid)
end)

case("NR-4 MP-15 after EXIT the old owner is forgotten everywhere", function(t)
    for _ = 1, 20 do
        local pid = spawn("register", "nr4", process.pid())
        next_message("registered")
        process.terminate(pid)
        exit_of(pid)
        t.fails("NotFound", "could not resolve", process.send("nr4", "t"))
        t.fails("NotFound", "name not registered", process.registry.lookup("nr4"))
    end
end)

case("MP-4 order holds over name and pid mixed", function(t)
    process.registry.register("mp4")
    local names = {"mp4", process.pid()}
    local pid = spawn("burst", process.pid(), "m", 0)
    exit_of(pid)
    for i = 1, 200 do process.send(names[i % 2 + 1], "n", i) end
    for i = 1, 200 do t.eq(next_message("n"), i) end
end)

case("MP-24 clocks of workers agree", function(t)
    for _ = 1, 20 do
        local before = time.now()
        local there = result_of("clock").value
        local after = time.now()
        t.ok(before:unix_nano() <= there and there <= after:unix_nano(),
            string.format("%d <= %d <= %d", before:unix_nano(), there, after:unix_nano()))
        t.ok(time.now():sub(time.unix(0, there)):nanoseconds() >= 0)
    end
end)

case("PH-2 T-16 MP-2 ten thousand monitored children", function(t)
    local n, sum = 10000, 0
    for i = 1, n do
        assert(process.spawn_monitored("suite:seven", HOST, i))
    end
    for _ = 1, n do
        local event = process.events():receive()
        t.eq(event.kind, process.event.EXIT)
        sum = sum + event.result.value
    end
    t.eq(sum, n * (n + 1) // 2)
end)

return case.entry
