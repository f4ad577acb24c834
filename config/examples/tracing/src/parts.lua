local errors = require("errors")
local funcs = require("funcs")
local time = require("time")

local function price(what)
    time.sleep("30ms")
    return 10 * #what
end

local function stock(what)
    time.sleep("10ms")
    if what == "moon" then
        return nil, errors.new({message = "no moon left", kind = errors.CONFLICT})
    end
    return 7
end

-- A process that was spawned in a trace works for it.
local function ship(what)
    time.sleep("20ms")
    return funcs.call("tracing:price", what)
end

return {price = price, stock = stock, ship = ship}
