-- Spawns n actors on its own host, n_busy of them busy; asks the others at random.

local time = require("time")
local samples = require("samples")

local N_QUESTIONS = 200

local function spawn_many(id, host, n)
    local pids = {}

    for i = 1, n do
        pids[i] = assert(process.spawn_linked(id, host))
    end
    return pids
end

local function main(host, n, n_busy)
    local inbox = process.inbox()
    local others = spawn_many("bench:idler", host, n - n_busy)
    local times = samples.new()

    spawn_many("bench:busy", host, n_busy)
    for i = 1, N_QUESTIONS do
        local before = time.now()

        process.send(others[math.random(#others)], "ask", i)
        if inbox:receive():payload():data() ~= i then
            error("wrong answer")
        end
        samples.add(times, time.now():sub(before):nanoseconds())
    end
    return {
        p50_ms = samples.at_us(times, 0.5) / 1000,
        p99_ms = samples.at_us(times, 0.99) / 1000,
        longest_ms = samples.at_us(times, 1) / 1000,
    }
end

return { main = main }
