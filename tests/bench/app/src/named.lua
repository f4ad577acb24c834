local function main(listener, n_names)
    local inbox = process.inbox()

    for i = 1, n_names do
        assert(process.registry.register("bench.name." .. i))
    end
    process.send(listener, "named", n_names)
    inbox:receive()
end

return { main = main }
