local funcs = require("funcs")

local function main(name, group, action, note)
    local token, err = funcs.call("security:login", name, group)
    if err then return nil, err end
    return funcs.call("security:as", token, "security:touch", action, note)
end

return {main = main}
