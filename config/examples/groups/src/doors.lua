local pg = require("pg")
local time = require("time")

-- What can be asked from outside: guests are processes that have their name.
local function ask(name, topic, ...)
    local sent, err = process.send("guest." .. name, topic, ...)
    if not sent then return nil, err end
    local limit = time.after("5s")
    local got = channel.select{process.inbox():case_receive(), limit:case_receive()}
    if got.channel == limit then return nil, name .. " is silent" end
    return got.value:payload():data()
end

-- The first time somebody enters, a process is made for him.
local function enter(name, room)
    assert(process.with_options({}):with_name("guest." .. name)
        :spawn("groups:guest", "groups:host", name))
    return ask(name, "enter", room)
end

local function leave(name)
    return process.send("guest." .. name, "leave")
end

local function say(name, text)
    return ask(name, "say", text)
end

local function heard(name)
    return ask(name, "heard")
end

local function count(room)
    return #assert(assert(pg.open("groups:rooms")):get_members(room))
end

return {enter = enter, leave = leave, say = say, heard = heard, count = count}
