-- Spawns actors on its own host as fast as it can; returns how many a second lived their
-- whole life. Each hundredth is monitored and waited for: actors run in the order of
-- their spawning, so all of the others have ended by then.

local time = require("time")

local GROUP = 100

local function spawn_group(host)
    for _ = 2, GROUP do
        process.spawn("bench:brief", host)
    end
    local pid, err = process.spawn_monitored("bench:brief", host)
    if not pid then
        error(err)
    end
    local event = process.events():receive()
    if event.from ~= pid or event.result.error then
        error("the last one of the group did not end well")
    end
end

local function spawn_until(host, until_time)
    local n = 0
    local now

    repeat
        spawn_group(host)
        n = n + GROUP
        now = time.now()
    until not now:before(until_time)
    return n, now
end

local function main(host, seconds)
    local duration = seconds * time.SECOND
    local _, began = spawn_until(host, time.now():add(duration * 0.2))
    local n, ended = spawn_until(host, began:add(duration * 0.8))

    return n / ended:sub(began):seconds()
end

return { main = main }
