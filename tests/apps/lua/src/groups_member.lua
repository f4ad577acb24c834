-- A member: main(parent, scope, group...). Collects the topics that it is sent.
local function main(parent, scope, ...)
    local rooms, seen = assert(pg.open(scope)), {}
    local groups = {...}
    for _, group in ipairs(groups) do assert(rooms:join(group)) end
    process.send(parent, "joined")
    while true do
        local message = process.inbox():receive()
        local topic = message:topic()
        if topic == "stop" then
            return
        elseif topic == "tell" then
            process.send(message:from(), "seen", seen)
        elseif topic == "join" then
            assert(rooms:join(message:payload():data()))
        elseif topic == "upgrade" then
            assert(rooms:monitor("upgraded"))
            process.upgrade(nil, parent, scope)
        else
            seen[#seen + 1] = topic
        end
    end
end

return {main = main}
