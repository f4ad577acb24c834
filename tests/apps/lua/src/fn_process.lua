-- What a function does as a process.
local function main(parent)
    process.send(parent, "from function", process.pid())
    process.registry.register("fn name")
    local looked_up = process.registry.lookup("fn name") == process.pid()
    local pid = assert(process.spawn_monitored("suite:child", "suite:host", "return", 5))
    local event = process.events():receive()
    assert(event.from == pid)
    return {pid = process.pid(), id = process.id(), child = event.result.value,
        looked_up = looked_up}
end

local function waits(parent)
    process.send(parent, "here I am", process.pid())
    return process.inbox():receive():payload():data()
end

return {main = main, waits = waits}
