-- The same loop as in limit_loop.c: arithmetic, a call and a field each turn.

local function step(state, i)
    state.x = (state.x * 1103515245 + i) % 2147483648
end

local function main(listener, n)
    local inbox = process.inbox()
    local state = { x = 1 }

    process.send(listener, "ready", true)
    inbox:receive()
    for i = 1, n do
        step(state, i)
    end
    process.send(listener, "done", state.x)
    inbox:receive()
end

return { main = main }
