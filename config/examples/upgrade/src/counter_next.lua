-- The same in steps of ten. Messages that came while nobody ran are all there.
local function main(count)
    assert(process.set_options({upgradable = true}))
    local inbox, events = process.inbox(), process.events()
    while true do
        local got = channel.select{events:case_receive(), inbox:case_receive()}
        if got.channel == inbox then
            if got.value:topic() == "add" then count = count + 10 end
            process.send(got.value:from(), "answer", {count = count, pid = process.pid()})
        elseif got.value.kind == process.event.OUTDATED then
            process.upgrade(nil, count)
        elseif got.value.kind == process.event.CANCEL then
            return count
        end
    end
end

return {main = main}
