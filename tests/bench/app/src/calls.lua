-- calls OUTSTANDING SECONDS: a function of another worker adds two integers, called by
-- OUTSTANDING coroutines at once. Says "begin" and "end" around what is measured.

local funcs = require("funcs")
local io = require("io")
local time = require("time")
local samples = require("samples")

local ADD = "bench.arithmetic:add_two_given_integers"

local function call_until_over(state)
    local n = 1 << 32

    while not state.is_over do
        local before = time.now()
        local sum, err = funcs.call(ADD, n, 1)

        n = n + 1
        if sum ~= n then
            error("wrong sum: " .. tostring(err or sum))
        end
        if state.is_warm then
            samples.add(state.samples, time.now():sub(before):nanoseconds())
        end
    end
end

local function main(outstanding, seconds)
    local state = { samples = samples.new(), is_warm = false, is_over = false }
    local duration = tonumber(seconds) * time.SECOND

    for _ = 1, tonumber(outstanding) do
        coroutine.spawn(function() call_until_over(state) end)
    end
    time.sleep(duration * 0.2)
    io.print("begin")
    local began = time.now()
    state.is_warm = true
    time.sleep(duration * 0.8)
    state.is_warm = false
    state.is_over = true
    local took = time.now():sub(began):seconds()
    io.print("end")
    io.print(string.format('{"calls_per_s": %.0f, "p50_us": %.2f, "p99_us": %.2f}',
        state.samples.n / took, samples.at_us(state.samples, 0.5),
        samples.at_us(state.samples, 0.99)))
    return 0
end

return { main = main }
