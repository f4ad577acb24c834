-- fairness HOST N_BUSY: 1,000 actors on HOST, N_BUSY of which never wait for anything.
-- Another one there asks the rest at random; prints how long answers take.

local io = require("io")

local function main(host, n_busy)
    assert(process.spawn_monitored("bench:asker", host, host, 1000, tonumber(n_busy)))

    local result = process.events():receive().result
    if result.error then
        error(result.error)
    end
    io.print(string.format('{"p50_ms": %.3f, "p99_ms": %.3f, "longest_ms": %.3f}',
        result.value.p50_ms, result.value.p99_ms, result.value.longest_ms))
    return 0
end

return { main = main }
