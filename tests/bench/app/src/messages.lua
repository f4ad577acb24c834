-- messages HOST_A HOST_B SHAPE BALLS SECONDS: two players on these hosts keep BALLS
-- messages going to and fro, each a "table" or an "integer".

local io = require("io")

local function spawn_player(host, ...)
    local pid, err = process.spawn_monitored("bench:player", host, ...)

    if not pid then
        error(err)
    end
    return pid
end

local function main(host_a, host_b, shape, balls, seconds)
    local a = spawn_player(host_a, nil, shape)

    spawn_player(host_b, a, shape, tonumber(balls), tonumber(seconds))
    while true do
        local event = process.events():receive()

        if event.kind == process.event.EXIT then
            if event.result.error then
                error(event.result.error)
            end
            io.print(string.format('{"messages_per_s": %.0f}', event.result.value))
            return 0
        end
    end
end

return { main = main }
