-- Whoever calls into a full pool waits: each of these calls is answered in the end.
local function main(target, n_calls, delay)
    local futures, seen, n_processes = {}, {}, 0
    for i = 1, n_calls do
        futures[i] = assert(funcs.async(target, delay))
    end
    for _, future in ipairs(futures) do
        future:response():receive()
        local result = assert(future:result()):data()
        if not seen[result.process] then
            seen[result.process], n_processes = true, n_processes + 1
        end
    end
    return {answered = n_calls, in_mine = seen[system.process.pid()] == true}
end

return {main = main}
