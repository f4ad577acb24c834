-- starts N: N calls at once to a function whose every call has a process of its own, and
-- none is there yet. Prints the time until the last one of them runs.

local funcs = require("funcs")
local io = require("io")
local time = require("time")

local HUNDRED = "bench:hundred"

local function main(n)
    local futures = {}
    local asked_at_ns = time.now():unix_nano()
    local last_ns = 0

    for i = 1, tonumber(n) do
        futures[i] = assert(funcs.async(HUNDRED))
    end
    for _, future in ipairs(futures) do
        local payload = future:response():receive()
        local at_ns = payload:data()

        if at_ns > last_ns then
            last_ns = at_ns
        end
    end
    io.print(string.format('{"n": %d, "all_running_ms": %.2f}', tonumber(n),
        (last_ns - asked_at_ns) / 1e6))
    return 0
end

return { main = main }
