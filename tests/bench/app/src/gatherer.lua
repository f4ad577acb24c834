-- Spawns n idlers on its own host, then asks some of them for an answer: a few in turn,
-- then many at random. Half of those are apart from each other, so that nearly every
-- message comes to a Lua state with nothing of it in the caches; the other half share
-- two or three states, whose collector has to keep up.

local time = require("time")
local samples = require("samples")

local N_ASKED = 200
local N_APART, N_NEIGHBOURS = 10000, 1000
local N_AT_RANDOM = 100000

local function spawn_all(host, n)
    local step = math.max(n // N_APART, 1)
    local apart, neighbours = {}, {}

    for i = 1, n do
        local pid, err = process.spawn("bench:idler", host)

        if not pid then
            error(err)
        end
        if i % step == 0 then
            apart[#apart + 1] = pid
        end
        if i > n - N_NEIGHBOURS then
            neighbours[#neighbours + 1] = pid
        end
    end
    return apart, neighbours
end

local function ask(inbox, times, pid, i)
    local before = time.now()

    process.send(pid, "ask", i)
    if inbox:receive():payload():data() ~= i then
        error("wrong answer")
    end
    samples.add(times, time.now():sub(before):nanoseconds())
end

local function ask_some(inbox, pids)
    local times = samples.new()
    local step = math.max(#pids // N_ASKED, 1)

    for i = step, #pids, step do
        ask(inbox, times, pids[i], i)
    end
    return times
end

local function ask_at_random(inbox, apart, neighbours)
    local times = samples.new()

    for i = 1, N_AT_RANDOM do
        local pids = i % 2 == 0 and apart or neighbours

        ask(inbox, times, pids[math.random(#pids)], i)
    end
    return times
end

local function main(host, n, listener)
    local inbox = process.inbox()
    local before = time.now()
    local apart, neighbours = spawn_all(host, n)

    -- It was spawned last, so all of them are running when it answers.
    ask(inbox, samples.new(), neighbours[#neighbours], 0)
    local spawn_s = time.now():sub(before):seconds()
    local times = ask_some(inbox, apart)
    process.send(listener, "standing", {
        n = n,
        spawn_s = spawn_s,
        p50_us = samples.at_us(times, 0.5),
        max_us = samples.at_us(times, 1),
    })
    inbox:receive()
    times = ask_at_random(inbox, apart, neighbours)
    process.send(listener, "asked", {
        p50_us = samples.at_us(times, 0.5),
        p999_us = samples.at_us(times, 0.999),
        max_us = samples.at_us(times, 1),
    })
    inbox:receive()
end

return { main = main }
