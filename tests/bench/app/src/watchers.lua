-- Spawns n watchers of one pid on its own host and counts them: first those that watch,
-- then those that have heard of its end.

local function count(inbox, n)
    for _ = 1, n do
        inbox:receive()
    end
end

local function main(host, watched, listener, n)
    local inbox = process.inbox()

    for _ = 1, n do
        assert(process.spawn("bench:watcher", host, watched, process.pid()))
    end
    count(inbox, n)
    process.send(listener, "watching", n)
    count(inbox, n)
    process.send(listener, "released", n)
end

return { main = main }
