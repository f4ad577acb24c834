local funcs = require("funcs")

local function main(a_steps, b_steps)
    local a = assert(funcs.async("deadlines:slow", a_steps, "a"))
    local b = assert(funcs.async("deadlines:slow", b_steps, "b"))
    local got = channel.select{a:response():case_receive(), b:response():case_receive()}
    local first, other = a, b
    if got.channel == b:response() then
        first, other = b, a
    end
    other:cancel() -- and what it has called, at once
    return {first = assert(first:result()):data(), canceled = other:is_canceled()}
end

return {main = main}
