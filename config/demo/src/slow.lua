local time = require("time")

local function slow(seconds: number?): string
    local wanted = math.min(tonumber(seconds) or 1, 30)

    time.sleep(math.floor(wanted * 1000) .. "ms")
    return "slept for " .. wanted .. " s"
end

return {slow = slow}
