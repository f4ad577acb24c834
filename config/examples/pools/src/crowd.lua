local funcs = require("funcs")
local system = require("system")

-- Whoever calls into a full pool waits: each of these calls is answered in the end.
local function main(target, n_calls, delay)
    local futures, processes = {}, {}
    for i = 1, n_calls do
        futures[i] = assert(funcs.async(target, delay))
    end
    for _, future in ipairs(futures) do
        future:response():receive()
        local result = assert(future:result()):data()
        processes[result.process] = true
    end
    return {answered = n_calls, in_mine = processes[system.process.pid()] == true}
end

return {main = main}
