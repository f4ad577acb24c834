-- calls OUTSTANDING SECONDS [timed]: a function of another worker adds two integers,
-- called by OUTSTANDING coroutines at once. Says "begin" and "end" around what is
-- measured, and leaves after a line of input: whoever adds up CPU times finds all
-- processes alive. Looks at the clock around each call only when "timed".

local funcs = require("funcs")
local io = require("io")
local time = require("time")
local samples = require("samples")

local ADD = "bench.arithmetic:add_two_given_integers"

local function call_add(n)
    local sum, err = funcs.call(ADD, n, 1)

    if sum ~= n + 1 then
        error("wrong sum: " .. tostring(err or sum))
    end
    return sum
end

local function call_until_over(state)
    local n = 1 << 32

    while not state.is_over do
        n = call_add(n)
        state.n = state.n + 1
    end
end

local function time_until_over(state)
    local n = 1 << 32

    while not state.is_over do
        local before = time.now()

        n = call_add(n)
        state.n = state.n + 1
        samples.add(state.samples, time.now():sub(before):nanoseconds())
    end
end

local function main(outstanding, seconds, timed)
    local state = { n = 0, samples = samples.new(), is_over = false }
    local call = timed and time_until_over or call_until_over
    local duration = tonumber(seconds) * time.SECOND

    for _ = 1, tonumber(outstanding) do
        coroutine.spawn(function() call(state) end)
    end
    time.sleep(duration * 0.2)
    io.print("begin")
    local began = time.now()
    state.n = 0
    state.samples = samples.new()
    time.sleep(duration * 0.8)
    local n = state.n
    local took = time.now():sub(began):seconds()
    io.print("end")
    io.readline()
    state.is_over = true
    io.print(string.format('{"calls_per_s": %.0f, "p50_us": %.2f, "p99_us": %.2f}',
        n / took, samples.at_us(state.samples, 0.5), samples.at_us(state.samples, 0.99)))
    return 0
end

return { main = main }
