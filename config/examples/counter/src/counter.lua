-- Nobody else can touch `n`: who wants something of it sends a message.
local function main(name, n)
    local registered, err = process.registry.register(name)
    if not registered then error(err) end

    local inbox, events = process.inbox(), process.events()
    while true do
        local got = channel.select{inbox:case_receive(), events:case_receive()}
        if got.channel == inbox then
            n = n + got.value:payload():data()
            process.send(got.value:from(), "total", n)
        elseif got.value.kind == process.event.CANCEL then
            return n -- whoever monitors it gets this
        end
    end
end

return {main = main}
