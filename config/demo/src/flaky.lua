-- Fails after a while, to show that it comes back: see `supctl services`.
local time = require("time")

local function main()
    local got = channel.select({time.after("20s"):case_receive(),
                                process.events():case_receive()})

    if got.channel == process.events() then
        return "asked to stop"
    end
    error("failed on purpose")
end

return {main = main}
