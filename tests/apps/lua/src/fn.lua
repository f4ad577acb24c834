-- Functions that the suite `functions` calls; the entry's name says which one.

local calls = 0
local M = {}

function M.echo(...) return ... end
function M.pack(...) return {n = select("#", ...), ...} end
function M.nothing() end
function M.two(a, b) return a, b end
function M.fail_text() return "dropped", "text" end
function M.fail_error()
    return nil, errors.new{message = "m", kind = errors.CONFLICT, retryable = true,
        details = {a = 1}}
end
function M.fail_plain() return nil, errors.new("no kind") end
function M.raise_text() error("boom") end
function M.raise_error()
    error(errors.new{message = "typed", kind = errors.RATE_LIMITED, retryable = true})
end
function M.raise_table() error(setmetatable({}, {__tostring = function() return "T" end})) end
function M.fault() local nothing return nothing.field end
function M.fail_in_coroutine()
    coroutine.spawn(function() error("in coroutine") end)
    channel.new():receive()
end
function M.count()
    calls = calls + 1
    return calls
end
function M.sleep(d)
    time.sleep(d)
    return d
end
function M.spin() while true do end end
function M.spin_pcall()
    while true do pcall(function() while true do end end) end
end
function M.context(key)
    local value, err = ctx.get(key)
    return value, err
end
function M.context_all() return ctx.all() end
-- What a process spawned by this call finds in its context (PM-2d).
function M.spawn_context(key)
    assert(process.spawn_monitored("suite:child", "suite:host", "context", key))
    local result = process.events():receive().result
    return result.value, result.error
end
function M.nested(target, ...)
    local result, err = funcs.call(target, ...)
    return result, err
end
function M.deep(n)
    if n == 0 then return 0 end
    local result, err = funcs.call("suite:fn_deep", n - 1)
    if err then return nil, err end
    return result + 1
end
function M.change(t)
    t.x = "changed"
    return t
end
function M.who() return {id = process.id(), pid = process.pid()} end
function M.linger(pid)
    coroutine.spawn(function()
        time.sleep("300ms")
        process.send(pid, "lingered")
    end)
    coroutine.spawn(function() channel.new():receive() end)
    return "early"
end
-- Sleeps, tells when it is cancelled by never telling that it was not.
function M.tell(pid, d)
    process.send(pid, "started", process.pid())
    time.sleep(d)
    process.send(pid, "finished")
    return "told"
end
function M.tell_nested(pid, d)
    return funcs.call("suite:fn_tell", pid, d)
end
function M.types(value)
    local types = {}
    for k, v in pairs(value) do types[k] = math.type(v) or type(v) end
    return types
end
function M.async_left(pid)
    funcs.async("suite:fn_tell", pid, "20ms")
    return "left"
end

return M
