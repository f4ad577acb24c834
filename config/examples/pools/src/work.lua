local system = require("system")
local time = require("time")

-- A slot runs one call at a time and keeps its upvalues in between: n counts the calls of
-- this slot alone.
local n = 0

local function main(delay)
    n = n + 1
    if delay then time.sleep(delay) end
    return {process = system.process.pid(), calls_of_slot = n}
end

return {main = main}
