local time = require("time")

-- What can be asked from outside, by the name of a counter.
local function receive(from)
    local limit = time.after("5s")
    local got = channel.select{from:case_receive(), limit:case_receive()}
    if got.channel == limit then
        return nil, "the counter is silent"
    end
    return got.value
end

local function start(name, n)
    return process.spawn("counter:counter", "counter:host", name, n or 0)
end

local function add(name, n)
    local totals = process.listen("total")
    local sent, err = process.send(name, "add", n)
    if not sent then return nil, err end
    return receive(totals)
end

-- A monitor hears of the end, and what was returned.
local function finish(name)
    local pid, err = process.registry.lookup(name)
    if not pid then return nil, err end
    assert(process.monitor(pid))
    assert(process.cancel(pid))
    local exit, silent = receive(process.events())
    if not exit then return nil, silent end
    return {kind = exit.kind, last = exit.result.value}
end

return {start = start, add = add, finish = finish}
