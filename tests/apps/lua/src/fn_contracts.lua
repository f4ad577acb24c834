-- What suite:contracts asks for in a frame of its own.
local M = {}

function M.first()
    return contract.get("suite:mailer"):send({to = "cat"}).to
end

function M.send(binding)
    local frame = contract.open(binding):send({to = "x"}).frame
    return next(frame.context) and frame.context or frame.actor
end

function M.greet(binding)
    return contract.open(binding):greet("x")
end

local function text(value, err)
    return err and err:kind() .. ": " .. err:message() or type(value)
end

function M.permissions()
    local c = contract.get("suite:mailer")
    local p = contract.open("suite:post")
    return {
        get = text(contract.get("suite:mailer")),
        open = text(contract.open("suite:post?a=1")),
        find = text(contract.find_implementations("suite:mailer")),
        list = c and text(c:implementations()),
        context = c and text(c:with_context({})),
        actor = c and text(c:with_actor(security.actor())),
        call = p and text(p:send({to = "x"})),
        straight = c and text(c:send({to = "x"})),
        other = p and text(p:nothing()),
        async = p and text(p:send_async({to = "x"})),
    }
end

return {main = function(what, ...) return M[what](...) end}
