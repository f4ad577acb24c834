-- Spawns n idlers on its own host, then asks some of them, far apart, for an answer.

local time = require("time")
local samples = require("samples")

local N_ASKED = 200

local function spawn_all(host, n)
    local step = n // N_ASKED
    local asked = {}

    for i = 1, n do
        local pid, err = process.spawn("bench:idler", host)

        if not pid then
            error(err)
        end
        if i % step == 0 then
            asked[#asked + 1] = pid
        end
    end
    return asked
end

local function ask(asked)
    local inbox = process.inbox()
    local times = samples.new()

    for i, pid in ipairs(asked) do
        local before = time.now()

        process.send(pid, "ask", i)
        if inbox:receive():payload():data() ~= i then
            error("wrong answer")
        end
        samples.add(times, time.now():sub(before):nanoseconds())
    end
    return times
end

local function main(host, n, listener)
    local before = time.now()
    local asked = spawn_all(host, n)

    ask({ asked[#asked] }) -- it was spawned last, so all of them are running now
    local spawn_s = time.now():sub(before):seconds()
    local times = ask(asked)
    process.send(listener, "standing", {
        n = n,
        spawn_s = spawn_s,
        p50_us = samples.at_us(times, 0.5),
        max_us = samples.at_us(times, 1),
    })
    process.inbox():receive()
end

return { main = main }
