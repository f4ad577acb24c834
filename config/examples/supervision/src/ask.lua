local time = require("time")

-- ask(name, "tell"): what a process says of itself. ask(name, "fail"): it fails.
local function main(name, topic)
    local answers, limit = process.listen("answer"), time.after("5s")
    local sent, err = process.send(name, topic)
    if not sent then return nil, err end
    if topic == "fail" then return name .. " fails" end
    local got = channel.select{answers:case_receive(), limit:case_receive()}
    if got.channel == limit then return nil, name .. " is silent" end
    return got.value
end

return {main = main}
