local time = require("time")
local logger = require("logger")

local function main()
    local ticker, events = time.ticker("1m"), process.events()
    local n = 0

    logger:info("ticker started")
    while true do
        local got = channel.select({ticker:channel():case_receive(), events:case_receive()})

        if got.channel == events then
            ticker:stop()
            return n
        end
        n = n + 1
        logger:info("tick", {n = n})
    end
end

return {main = main}
