local figures = {}

local function of(id)
    local own = figures[id]
    if own == nil then
        own = {calls = 0, errors = 0, in_flight = 0, most_in_flight = 0}
        figures[id] = own
    end
    return own
end

local function handle(call, next)
    if call.id == call.config.report then
        return figures
    end
    local own = of(call.id)
    own.in_flight = own.in_flight + 1
    own.most_in_flight = math.max(own.most_in_flight, own.in_flight)
    local result, err = next()
    own.in_flight = own.in_flight - 1
    own.calls = own.calls + 1
    if err then
        own.errors = own.errors + 1
    end
    return result, err
end

return {handle = handle}
