-- Keeps a number. {reply_to = pid} on topic "next" is answered on topic "number".
local function main(): integer
    local inbox, events = process.inbox(), process.events()
    local n: integer = 0

    process.registry.register("counter")
    while true do
        local got = channel.select({inbox:case_receive(), events:case_receive()})

        if got.channel == events then
            if got.value.kind == process.event.CANCEL then
                return n
            end
        elseif got.value:topic() == "next" then
            n = n + 1
            process.send(got.value:payload():data().reply_to, "number", n)
        end
    end
end

return {main = main}
