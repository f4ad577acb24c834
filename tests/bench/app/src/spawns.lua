-- spawns HOST SECONDS: an actor on HOST spawns others there that end at once.

local io = require("io")

local function main(host, seconds)
    local rate, err = process.exec("bench:spawner", host, host, tonumber(seconds))

    if not rate then
        error(err)
    end
    io.print(string.format('{"actors_per_s": %.0f}', rate))
    return 0
end

return { main = main }
