local time = require("time")

-- jobs is a bounded queue: who puts into a full one waits. Closing it tells the workers
-- that no more will come; a nil from a closed one ends their loops.
local function worker(name, jobs, results)
    while true do
        local n, open = jobs:receive()
        if not open then break end
        time.sleep("1ms") -- others run meanwhile
        results:send({by = name, square = n * n})
    end
    results:send({by = name, done = true})
end

local function main(n_jobs)
    local jobs, results = channel.new(2), channel.new()
    for i = 1, 3 do
        coroutine.spawn(function() worker("worker " .. i, jobs, results) end)
    end
    coroutine.spawn(function()
        for n = 1, n_jobs do jobs:send(n) end
        jobs:close()
    end)

    local sum, running = 0, 3
    while running > 0 do
        local result = results:receive()
        if result.done then
            running = running - 1
        else
            sum = sum + result.square
        end
    end
    return {sum = sum}
end

return {main = main}
