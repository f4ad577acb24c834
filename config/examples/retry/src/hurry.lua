local funcs = require("funcs")

-- `retry` replaces what the callee's entry says, as a whole.
local function main(name)
    local result, err = funcs.new()
        :with_options({retry = {max_attempts = 1}})
        :call("retry:ask", name)
    if err then
        return "no luck: " .. err:message()
    end
    return result
end

return {main = main}
