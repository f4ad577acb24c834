-- What a callee sees of its identity, and what it may do with it.
local M = {}

local function text(value, err)
    return err and err:kind() .. ": " .. err:message() or value
end

function M.look()
    local actor, scope = security.actor(), security.scope()
    return {
        actor = actor and actor:id(),
        level = actor and actor:meta().level,
        tag = actor and actor:meta().tags and actor:meta().tags[1],
        n_policies = scope and #scope:policies(),
        can = security.can("a", "b"),
        call = text(funcs.call("suite:fn_echo", 7)),
    }
end

function M.nested()
    return assert(funcs.call("suite:fn_security", "look"))
end

local function ask(spawner, ...)
    return assert((spawner or process).exec("suite:tells_identity", "suite:host", ...))
end

function M.spawn()
    return ask()
end

function M.replace()
    return assert(funcs.new():with_actor(security.new_actor("eve"))
        :call("suite:fn_security", "look"))
end

function M.spawner()
    local spawner = process.with_context{}
    local captured = assert(spawner:exec("suite:tells_identity", "suite:host"))
    local given = assert(spawner:with_actor(security.new_actor("zoe"))
        :with_scope(security.new_scope()):exec("suite:tells_identity", "suite:host"))
    return {captured = captured.actor, given = given.actor, n_policies = given.n_policies}
end

return {main = function(what, ...) return M[what](...) end}
