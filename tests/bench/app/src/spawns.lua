-- spawns HOST SECONDS: an actor on HOST spawns others there that end at once.

local io = require("io")

local function main(host, seconds)
    assert(process.spawn_monitored("bench:spawner", host, host, tonumber(seconds)))

    local result = process.events():receive().result
    if result.error then
        error(result.error)
    end
    io.print(string.format('{"actors_per_s": %.0f}', result.value))
    return 0
end

return { main = main }
