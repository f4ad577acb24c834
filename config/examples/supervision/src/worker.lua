local function main(name)
    assert(process.registry.register(name))
    local inbox, events = process.inbox(), process.events()
    while true do
        local got = channel.select{events:case_receive(), inbox:case_receive()}
        local message = got.value
        if got.channel == events then
            return "asked to stop"
        elseif message:topic() == "fail" then
            error(name .. " was told to fail")
        end
        process.send(message:from(), "answer", {pid = process.pid()})
    end
end

return {main = main}
