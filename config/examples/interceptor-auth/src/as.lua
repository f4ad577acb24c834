local funcs = require("funcs")

local function main(role, target, ...)
    return funcs.new():with_context({role = role}):call(target, ...)
end

return {main = main}
