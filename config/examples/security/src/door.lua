local funcs = require("funcs")
local security = require("security")

local function login(name, group)
    local scope, err = security.named_scope("security:" .. group)
    if err then return nil, err end
    local actor = security.new_actor(name, {group = group})
    return security.token_store("security:tokens"):create(actor, scope)
end

-- Whoever is called from here, and whomever that calls, acts in the token's name.
local function as(token, target, ...)
    local actor, scope, err = security.token_store("security:tokens"):validate(token)
    if err then return nil, err end
    return funcs.new():with_actor(actor):with_scope(scope):call(target, ...)
end

return {login = login, as = as}
