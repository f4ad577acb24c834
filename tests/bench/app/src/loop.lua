-- loop HOST N: an actor on HOST runs the loop of limit_loop.c, N turns of it, and nothing
-- else wants to run. Says "begin" and "end" around it; leaves after a line of input.

local io = require("io")

local function main(host, n)
    local inbox = process.inbox()
    local pid = assert(process.spawn_linked("bench:looper", host, process.pid(),
        tonumber(n)))

    inbox:receive()
    io.print("begin")
    io.readline()
    process.send(pid, "go", true)
    inbox:receive()
    io.print("end")
    io.readline()
    return 0
end

return { main = main }
