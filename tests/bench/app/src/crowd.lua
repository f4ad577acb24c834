-- crowd HOST N: N idle actors stand on HOST. Says "standing" when all do and waits for a
-- line of input: whoever measures memory does it in between. Then messages go to some of
-- them at random, while all exist.

local io = require("io")

local function main(host, n)
    local inbox = process.inbox()
    local pid, err = process.spawn_monitored("bench:gatherer", host, host,
        tonumber(n), process.pid())

    if not pid then
        error(err)
    end
    local standing = inbox:receive():payload():data()
    io.print("standing")
    io.readline()
    process.send(pid, "go", true)
    local asked = inbox:receive():payload():data()
    io.print(string.format(
        '{"n": %d, "spawn_s": %.3f, "answer_p50_us": %.1f, "answer_max_us": %.1f, '
        .. '"random_p50_us": %.1f, "random_p999_us": %.1f, "random_max_us": %.1f}',
        standing.n, standing.spawn_s, standing.p50_us, standing.max_us,
        asked.p50_us, asked.p999_us, asked.max_us))
    return 0
end

return { main = main }
