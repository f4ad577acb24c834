-- Actors of the suite `events`.
local function record(parent, n)
    local sub = assert(events.subscribe("ev6"))
    process.send(parent, "subscribed")
    local seen = {}
    for i = 1, n do
        local event = sub:channel():receive()
        seen[i] = event.data.sender .. ":" .. event.data.n .. " "
    end
    process.send(parent, "seen", table.concat(seen))
end

local function send(sender, n)
    for i = 1, n do
        events.send("ev6", "k", "/p", {sender = sender, n = i})
        if i % 5 == 0 then time.sleep(0) end
    end
end

return {record = record, send = send}
