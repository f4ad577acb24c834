local funcs = require("funcs")

local function main(n)
    return funcs.new():with_options({cache = false}):call("cache:square", n)
end

return {main = main}
