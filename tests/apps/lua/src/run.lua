-- Runs cases of one suite, each as an actor of its own, and returns title → true or why.

local function outcome_of(pid, most)
    local limit = time.after(most)
    local events = process.events()
    while true do
        local got = channel.select{events:case_receive(), limit:case_receive()}
        if got.channel == limit then
            process.terminate(pid)
            return "still runs after " .. most
        elseif got.value.kind == process.event.EXIT and got.value.from == pid then
            local result = got.value.result
            return result.error and tostring(result.error) or result.value
        end
    end
end

local function main(suite, titles, most)
    local outcomes = {}
    for _, title in ipairs(titles) do
        local pid, err = process.spawn_monitored("suite:" .. suite, "suite:host", title)
        outcomes[title] = pid and outcome_of(pid, most) or "spawn: " .. tostring(err)
    end
    return outcomes
end

return {main = main}
