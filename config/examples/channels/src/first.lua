local time = require("time")

-- Two runners and a limit. The first case that is ready wins; what the others would have
-- brought stays where it is.
local function runner(delay)
    local finish = channel.new(1) -- with room for one, nobody has to be there
    coroutine.spawn(function()
        time.sleep(delay)
        finish:send("there")
    end)
    return finish
end

local function main(a_delay, b_delay, limit)
    local a, b, late = runner(a_delay), runner(b_delay), time.after(limit)
    local got = channel.select{
        a:case_receive(),
        b:case_receive(),
        late:case_receive(),
    }
    if got.channel == late then
        return "nobody came in " .. limit
    end
    return (got.channel == a and "a" or "b") .. " is " .. got.value
end

return {main = main}
