local funcs = require("funcs")

local function main(n_steps, timeout)
    local quick = funcs.new():with_options({timeout = timeout})
    local text, err = quick:call("deadlines:slow", n_steps)
    if err then
        return {kind = err:kind(), message = err:message(), again = err:retryable()}
    end
    return text
end

return {main = main}
