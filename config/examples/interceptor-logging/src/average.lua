local funcs = require("funcs")

local function main(a, b)
    local sum, err = funcs.call("interceptor_logging:add", a, b)
    if err then
        return nil, err
    end
    return funcs.call("interceptor_logging:divide", sum, 2)
end

return {main = main}
