-- A machine of states: unions of literals, tables of functions, exhaustive branches.
type State = "idle" | "running" | "paused" | "done"
type Action = "start" | "pause" | "resume" | "finish"
type Machine = {
    state: State,
    log: {{from: State, to: State, at: integer}},
    on_change: ((from: State, to: State) -> ())?,
}

local transitions: {[State]: {[Action]: State}} = {
    idle = {start = "running"},
    running = {pause = "paused", finish = "done"},
    paused = {resume = "running", finish = "done"},
    done = {},
}

local function is_action(text: string): boolean
    return text == "start" or text == "pause" or text == "resume" or text == "finish"
end

local function step(machine: Machine, action: Action): State
    local to = transitions[machine.state][action]
    if not to then
        return nil, ("can't %s when %s"):format(action, machine.state)
    end
    local from = machine.state
    machine.log[#machine.log + 1] = {from = from, to = to, at = #machine.log + 1}
    machine.state = to
    if machine.on_change ~= nil then
        machine.on_change(from, to)
    end
    return to
end

local function describe(state: State): string
    if state == "idle" then
        return "waits"
    elseif state == "running" or state == "paused" then
        return "works"
    else
        return "is over"
    end
end

local function run(machine: Machine, actions: {string}): (integer, string?)
    local n = 0
    for i, text in ipairs(actions) do
        if not is_action(text) then
            return n, ("action %d: unknown '%s'"):format(i, text)
        end
        local action = text as Action
        local state, err = step(machine, action)
        if state == nil then
            return n, err
        end
        n = n + 1
    end
    return n
end

local function selftest(): string
    local seen = ""
    local machine: Machine = {state = "idle", log = {}}
    machine.on_change = function(from, to) seen = seen .. from:sub(1, 1) .. to:sub(1, 1) end
    local n, err = run(machine, {"start", "pause", "start"})
    return describe(machine.state) .. " " .. n .. " " .. seen .. " " .. (err or "fine")
end

return {selftest = selftest}
