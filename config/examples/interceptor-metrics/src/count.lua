local figures = {}

local function of(id)
    local own = figures[id]
    if own == nil then
        own = {started = 0, ended = 0, errors = 0}
        figures[id] = own
    end
    return own
end

-- A call that is cancelled or too late takes its handler along: nothing behind next()
-- runs then. So what began and what ended are counted apart.
local function handle(call, next)
    if call.id == call.config.report then
        return figures
    end
    local own = of(call.id)
    own.started = own.started + 1
    local result, err = next()
    own.ended = own.ended + 1
    if err then
        own.errors = own.errors + 1
    end
    return result, err
end

return {handle = handle}
