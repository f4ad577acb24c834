-- Answers each message with one of the same shape: a table of four fields, the one that
-- limit_messages.c copies. The second player serves; it counts, stops after its time and
-- returns how many messages a second were received by both of them.

local time = require("time")

local LOOK_AT_CLOCK = 1000

local function message_of(id)
    return { id = id, kind = "reading", value = 20.5, valid = true }
end

local function answer(inbox)
    local message = inbox:receive()
    local partner = message:from()

    while true do
        process.send(partner, "play", message_of(message:payload():data().id + 1))
        message = inbox:receive()
    end
end

local function play_until(inbox, partner, until_time)
    local n = 0

    while true do
        for _ = 1, LOOK_AT_CLOCK do
            local message = inbox:receive()

            process.send(partner, "play", message_of(message:payload():data().id + 1))
        end
        n = n + LOOK_AT_CLOCK
        local now = time.now()
        if not now:before(until_time) then
            return n, now
        end
    end
end

local function main(partner, balls, seconds)
    local inbox = process.inbox()

    if not partner then
        answer(inbox)
    end
    for _ = 1, balls do
        process.send(partner, "play", message_of(0))
    end
    local duration = seconds * time.SECOND
    local _, began = play_until(inbox, partner, time.now():add(duration * 0.2))
    local n, ended = play_until(inbox, partner, began:add(duration * 0.8))
    return 2 * n / ended:sub(began):seconds()
end

return { main = main }
