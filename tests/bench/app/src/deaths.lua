-- deaths N: the worker of a pool is killed N times from outside. Before each time says
-- "ready" and reports after it when the waiting call got its error and when the first
-- call was answered again, both as wall-clock nanoseconds.

local funcs = require("funcs")
local io = require("io")
local time = require("time")

local FRAIL = "bench:frail"

local function wait_for_death()
    io.print("ready")
    local _, err = funcs.call(FRAIL, "wait")
    local at = time.now():unix_nano()

    if not err then
        error("the call outlived its worker")
    end
    return at, err
end

local function wait_for_answer()
    while true do
        local answer = funcs.call(FRAIL, "answer")

        if answer == "answer" then
            return time.now():unix_nano()
        end
    end
end

local function main(n)
    for _ = 1, tonumber(n) do
        wait_for_answer()
        time.sleep("1500ms") -- so that each one dies after a life long enough
        local failed_at, err = wait_for_death()
        local answered_at = wait_for_answer()

        io.print(string.format(
            '{"failed_at_ns": %d, "answered_at_ns": %d, "kind": "%s", "retryable": %s}',
            failed_at, answered_at, err:kind(), tostring(err:retryable())))
    end
    return 0
end

return { main = main }
