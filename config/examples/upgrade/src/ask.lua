local time = require("time")

-- ask("add") or ask("tell"): what the counter says then.
local function main(what)
    assert(process.send("counter", what))
    local limit = time.after("5s")
    local got = channel.select{process.inbox():case_receive(), limit:case_receive()}
    if got.channel == limit then return nil, "the counter is silent" end
    return got.value:payload():data()
end

return {main = main}
