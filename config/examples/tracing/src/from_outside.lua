local funcs = require("funcs")

local function main(traceparent, what)
    return funcs.new():with_context({traceparent = traceparent}):call("tracing:order", what)
end

return {main = main}
