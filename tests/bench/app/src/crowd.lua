-- crowd HOST N: N idle actors stand on HOST. Says "standing" when all do, and leaves
-- after a line of input: whoever measures memory does it in between.

local io = require("io")

local function main(host, n)
    local pid, err = process.spawn_monitored("bench:gatherer", host, host,
        tonumber(n), process.pid())

    if not pid then
        error(err)
    end
    local message = process.inbox():receive():payload():data()
    io.print("standing")
    io.readline()
    io.print(string.format(
        '{"n": %d, "spawn_s": %.3f, "answer_p50_us": %.1f, "answer_max_us": %.1f}',
        message.n, message.spawn_s, message.p50_us, message.max_us))
    return 0
end

return { main = main }
