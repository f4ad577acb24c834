-- release HOST OTHER N_WATCHERS N_NAMES: an actor on HOST with N_NAMES names, which
-- N_WATCHERS actors on OTHER monitor. Says "ready", waits for a line of input and ends
-- that actor unless the line is "killed": then somebody else does. From then on asks the
-- supervisor for one thing after the other until every watcher has heard of the end.

local io = require("io")
local time = require("time")

local function nothing_came(inbox)
    return channel.select({ inbox:case_receive(), default = true }).default
end

local function ask_until_released(inbox)
    local longest_ns, n = 0, 0

    repeat
        local before = time.now()
        local _, err = process.registry.lookup("bench.nobody")
        local took_ns = time.now():sub(before):nanoseconds()

        if not err then
            error("there is somebody")
        end
        longest_ns = math.max(longest_ns, took_ns)
        n = n + 1
    until not nothing_came(inbox)
    return longest_ns, n
end

local function main(host, other, n_watchers, n_names)
    local inbox = process.inbox()
    local watched = assert(process.spawn("bench:named", host, process.pid(),
        tonumber(n_names)))
    inbox:receive()
    assert(process.spawn("bench:watchers", other, other, watched, process.pid(),
        tonumber(n_watchers)))
    inbox:receive()
    io.print("ready")
    local line = io.readline()
    local began = time.now()
    if not line:find("killed") then
        process.send(watched, "end", true)
    end
    local longest_ns, n = ask_until_released(inbox)
    local took = time.now():sub(began):seconds()
    local left = process.registry.lookup("bench.name.1")
    io.print(string.format(
        '{"released_ms": %.1f, "longest_ms": %.3f, "n_asked": %d, "n_left": %d}',
        took * 1000, longest_ns / 1e6, n, left and 1 or 0))
    return 0
end

return { main = main }
