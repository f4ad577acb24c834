local function main(watched, listener)
    local events = process.events()

    assert(process.monitor(watched))
    process.send(listener, "watching", true)
    if events:receive().from ~= watched then
        error("the end of somebody else")
    end
    process.send(listener, "released", true)
end

return { main = main }
