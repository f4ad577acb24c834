-- Answers each message with one of the same shape, made of it: a table of four fields,
-- the one that limit_messages.c copies, or an integer, which makes frames of 100 bytes
-- as those of limit_calls.c (the topic is as long as that takes). The second player
-- serves; it counts, stops after its time and returns how many messages a second were
-- received by both of them.

local time = require("time")

local TOPIC = "bench.player.adds_one_to_this_integer_and_returns"
local LOOK_AT_CLOCK = 1000

local shapes = {
    table = function(message)
        return { id = message.id + 1, kind = "reading", value = 20.5, valid = true }
    end,
    integer = function(message)
        return message + 1
    end,
}

local firsts = {
    table = { id = 0 },
    integer = 1 << 32,
}

local function answer(messages, answer_to)
    local partner = messages:receive()

    while true do
        process.send(partner, TOPIC, answer_to(messages:receive()))
    end
end

local function play_until(messages, partner, answer_to, until_time)
    local n = 0

    while true do
        for _ = 1, LOOK_AT_CLOCK do
            process.send(partner, TOPIC, answer_to(messages:receive()))
        end
        n = n + LOOK_AT_CLOCK
        local now = time.now()
        if not now:before(until_time) then
            return n, now
        end
    end
end

local function main(partner, shape, balls, seconds)
    local messages = process.listen(TOPIC)
    local answer_to = shapes[shape]

    if not partner then
        answer(messages, answer_to)
    end
    process.send(partner, TOPIC, process.pid())
    for _ = 1, balls do
        process.send(partner, TOPIC, firsts[shape])
    end
    local duration = seconds * time.SECOND
    local _, began = play_until(messages, partner, answer_to,
        time.now():add(duration * 0.2))
    local n, ended = play_until(messages, partner, answer_to,
        began:add(duration * 0.8))
    return 2 * n / ended:sub(began):seconds()
end

return { main = main }
