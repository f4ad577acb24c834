-- Counts how often it is told to. What it has counted is an argument: that is how the
-- next version gets it.
local function main(count)
    count = count or 0
    assert(process.registry.register("counter"))
    assert(process.set_options({upgradable = true}))
    local inbox, events = process.inbox(), process.events()
    while true do
        local got = channel.select{events:case_receive(), inbox:case_receive()}
        if got.channel == inbox then
            if got.value:topic() == "add" then count = count + 1 end
            process.send(got.value:from(), "answer", {count = count, pid = process.pid()})
        elseif got.value.kind == process.event.OUTDATED then
            process.upgrade(nil, count)
        elseif got.value.kind == process.event.CANCEL then
            return count
        end
    end
end

return {main = main}
