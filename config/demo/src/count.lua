local time = require("time")

local function count()
    local numbers = process.listen("number")
    local sent, err = process.send("counter", "next", {reply_to = process.pid()})

    if not sent then
        return nil, err
    end
    local got = channel.select({numbers:case_receive(), time.after("2s"):case_receive()})
    if got.channel ~= numbers then
        return nil, "the counter doesn't answer"
    end
    return got.value
end

return {count = count}
