local pg = require("pg")

-- One guest: is in one room at a time and remembers what was said there.
local function main(name)
    local rooms, room, heard = assert(pg.open("groups:rooms")), nil, {}
    local does = {}

    function does.enter(to)
        if room then rooms:leave(room) end
        room, heard = to, {}
        return rooms:join(to)
    end

    function does.say(text)
        return rooms:broadcast(room, "said", name, text)
    end

    function does.heard()
        return heard
    end

    local inbox, events = process.inbox(), process.events()
    while true do
        local got = channel.select{events:case_receive(), inbox:case_receive()}
        if got.channel == events then return end
        local message = got.value
        local topic, payload = message:topic(), message:payload()
        if topic == "said" then
            heard[#heard + 1] = payload[1]:data() .. ": " .. payload[2]:data()
        elseif topic == "leave" then
            return -- its membership ends with it
        else
            local done, err = does[topic](payload and payload:data())
            process.send(message:from(), "answer", done or tostring(err))
        end
    end
end

return {main = main}
