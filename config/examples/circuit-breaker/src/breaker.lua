local errors = require("errors")
local time = require("time")

-- Per function: closed (calls pass), open (calls fail at once), and after the pause half
-- open: one call passes, and what becomes of it decides. A handler that is cancelled says
-- nothing more; so each try has the length of a pause, then the next call may.
local circuits = {}

local function refuse(id)
    return nil, errors.new({
        message = id .. " failed too often, its circuit is open",
        kind = errors.UNAVAILABLE,
    })
end

local function passes(circuit, now, pause_ms)
    if circuit.open_since == nil then
        return true
    end
    local last = circuit.tried_at or circuit.open_since
    if now:sub(last):milliseconds() < pause_ms then
        return false
    end
    circuit.tried_at = now
    return true
end

local function note(circuit, failed, config)
    circuit.tried_at = nil
    if not failed then
        circuit.failures = 0
        circuit.open_since = nil
        return
    end
    circuit.failures = circuit.failures + 1
    if circuit.failures >= config.failures then
        circuit.open_since = time.now()
    end
end

local function handle(call, next)
    local circuit = circuits[call.id] or {failures = 0}
    circuits[call.id] = circuit
    if not passes(circuit, time.now(), call.config.pause_ms) then
        return refuse(call.id)
    end
    local result, err = next()
    note(circuit, err ~= nil, call.config)
    return result, err
end

return {handle = handle}
