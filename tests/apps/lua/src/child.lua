-- What children of the suites do: main(what, ...).

local does = {}

-- Where children of children go: beside the child, or back to the other host.
local function other_host()
    return string.find(process.pid(), "suite:host2", 1, true) and "suite:host"
        or "suite:host2"
end

does["return"] = function(...) return ... end

-- Returns several values as a main may: "v", text or error as the second one.
does["fail"] = function(text) return nil, text end
does["fail kind"] = function(kind, text)
    return "dropped", errors.new{message = text, kind = kind, retryable = true,
        details = {seen = 1}}
end
does["return odd second"] = function(second) return "kept", second end
does["return third"] = function() return "kept", nil, "ignored" end
does["raise"] = function(text) error(text) end
does["raise table"] = function() error({1}) end
does["raise error"] = function()
    error(errors.new{message = "typed", kind = errors.CONFLICT, retryable = true,
        details = {n = 3}})
end
does["raise in coroutine"] = function(text)
    coroutine.spawn(function() error(text) end)
    channel.new():receive()
end
does["spin"] = function()
    while true do end
end
does["spin in pcall"] = function()
    while true do
        pcall(function() while true do end end)
    end
end
does["idle"] = function()
    process.events()
    process.inbox():receive()
    return "woken"
end
does["sleep"] = function(d)
    time.sleep(d)
    return "slept"
end

-- Answers each message "ping" with "pong" and what came; ends on "stop".
does["echo"] = function()
    local inbox = process.inbox()
    while true do
        local message = inbox:receive()
        if message:topic() == "stop" then
            return "stopped"
        end
        local payload = message:payload()
        process.send(message:from(), "pong", payload and payload:data())
    end
end

-- Waits for "go", then reads `n` messages from the inbox and tells their topics and
-- first values in order.
does["late inbox"] = function(n)
    process.listen("go"):receive()
    local inbox, got = process.inbox(), {}
    for i = 1, n do
        local message = inbox:receive()
        got[i] = message:topic() .. message:payload():data()
    end
    return table.concat(got, " ")
end

does["late listen"] = function(topic, n_topic, n_rest)
    process.listen("go"):receive()
    local listened, inbox = process.listen(topic), process.inbox()
    local mine, rest = {}, {}
    for i = 1, n_topic do mine[i] = listened:receive() end
    for i = 1, n_rest do
        local message = inbox:receive()
        rest[i] = message:topic() .. message:payload():data()
    end
    return {table.concat(mine, " "), table.concat(rest, " ")}
end

does["cancel reason"] = function()
    local event = process.events():receive()
    return {event.kind, event.reason, event.from, math.type(event.at)}
end
does["register"] = function(name, parent)
    local done, err = process.registry.register(name)
    if parent then
        process.send(parent, "registered", done and true or tostring(err))
    end
    process.inbox():receive()
    return done
end

-- Sends n numbered messages to `to` and returns.
does["burst"] = function(to, topic, n)
    for i = 1, n do
        process.send(to, topic, i)
    end
    return n
end

-- Starts `inner` linked, tells its pid, waits. trap: link's end is reported instead.
does["link chain"] = function(parent, depth, trap)
    if trap then
        process.set_options{trap_links = true}
    end
    if depth > 0 then
        assert(process.spawn_linked("suite:child", other_host(), "link chain", parent,
            depth - 1, false))
    end
    process.send(parent, "up", {depth = depth, pid = process.pid()})
    local event = process.events():receive()
    return {event.kind, tostring(event.result.error), event.from}
end

does["spawn and end"] = function(parent, ...)
    local pid = process.spawn("suite:child", other_host(), ...)
    process.send(parent, "child", pid)
    return "parent ended"
end

does["link to"] = function(pid, parent)
    local done, err = process.link(pid)
    process.send(parent, "linked", done and true or tostring(err))
    process.events():receive()
    return "told"
end

does["spawn linked and sleep"] = function(...)
    assert(process.spawn_linked("suite:child", other_host(), ...))
    time.sleep("10s")
    return "survived"
end

does["main ends first"] = function(parent)
    coroutine.spawn(function()
        time.sleep("1ms")
        process.send(parent, "from the dead")
    end)
    return "main"
end

-- Ends with a coroutine asleep whose variables would tell parent of their end.
does["leaves guards"] = function(parent)
    local function tell()
        process.send(parent, "a guard ran")
    end
    kept = setmetatable({}, {__gc = tell, __close = tell})
    coroutine.spawn(function()
        local guard <close> = kept
        pcall(time.sleep, "10s")
        tell(guard)
    end)
    return "main"
end

does["clock"] = function()
    return time.now():unix_nano()
end

does["own state"] = function()
    counter = (counter or 0) + 1
    local tally = require("tally")
    return {counter, tally.count()}
end

does["arguments"] = function(...)
    return {n = select("#", ...), first = (...), last = (select(select("#", ...), ...))}
end

does["monitor and wait"] = function(pid, parent)
    local done, err = process.monitor(pid)
    process.send(parent, "watching", done and true or tostring(err))
    local event = process.events():receive()
    return event.result.error and tostring(event.result.error) or event.result.value
end

does["context"] = function(key)
    local value, err = ctx.get(key)
    return value, err
end

local function main(what, ...)
    local f = does[what]
    if f == nil then
        error("no behaviour " .. tostring(what))
    end
    return f(...)
end

return {main = main}
