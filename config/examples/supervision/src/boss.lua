-- Has two workers, and starts another for each that fails. Without trap_links it would
-- fail with the first of them.
local failed, pids = 0, {}

local function hire(name)
    local pid = assert(process.spawn_linked("supervision:worker", "supervision:host", name))
    pids[pid] = name
end

local function main()
    assert(process.registry.register("boss"))
    assert(process.set_options{trap_links = true})
    local inbox, events = process.inbox(), process.events()
    hire("ann")
    hire("bob")
    while true do
        local got = channel.select{events:case_receive(), inbox:case_receive()}
        local event = got.value
        if got.channel == inbox then
            if event:topic() == "fail" then error("the boss was told to fail") end
            process.send(event:from(), "answer", {failed = failed, pid = process.pid()})
        elseif event.kind == process.event.LINK_DOWN then
            failed = failed + 1
            hire(pids[event.from])
            pids[event.from] = nil
        elseif event.kind == process.event.CANCEL then
            return "stopped in order"
        end
    end
end

return {main = main}
