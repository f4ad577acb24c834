local logger = require("logger")
local time = require("time")

local function handle(call, next)
    local begin = time.now()
    local result, err = next()
    local fields = {
        f = call.id,
        by = call.caller or call.root,
        n_args = call.args.n,
        ms = time.now():sub(begin):milliseconds(),
    }
    if err then
        fields.error = err:kind() .. ": " .. err:message()
        logger:info("call failed", fields)
    elseif fields.ms >= call.config.slow_ms then
        logger:info("slow call", fields)
    else
        logger:info("call", fields)
    end
    return result, err
end

return {handle = handle}
