-- What upgrades: main(parent, how, ...). Then it is what `serve` says, as new code or
-- as this once more.
local serve = require("upgrade_serve")

local how = {}

how["to"] = function(parent, id, ...) process.upgrade(id, parent, ...) end

how["named"] = function(parent, id)
    assert(process.registry.register("upgrade.name"))
    process.upgrade(id, parent)
end

how["trapping"] = function(parent, id)
    process.set_options({trap_links = true, upgradable = true})
    process.upgrade(id, parent)
end

how["linked"] = function(parent, id, other)
    assert(process.link(other))
    process.upgrade(id, parent)
end

how["watching"] = function(parent, id, other)
    assert(process.monitor(other))
    process.upgrade(id, parent)
end

-- a has a listener, the inbox takes b and c; one event waits too.
how["queues"] = function(parent, id)
    process.listen("a")
    process.inbox()
    process.events()
    local go = process.listen("go")
    process.send(parent, "ready")
    go:receive()
    process.upgrade(id, parent)
end

how["woken"] = function(parent, id)
    local inbox = process.inbox()
    coroutine.spawn(function() inbox:receive() error("never") end)
    time.sleep(0)
    process.send(process.pid(), "a", 7)
    process.upgrade(id, parent)
end

how["busy"] = function(parent, id)
    local ticker = time.ticker("1ms")
    coroutine.spawn(function()
        while true do
            ticker:channel():receive()
            process.send(parent, "tick")
        end
    end)
    coroutine.spawn(function()
        time.sleep("20ms")
        process.send(parent, "slept")
    end)
    coroutine.spawn(function() channel.new():receive() end)
    coroutine.spawn(function() process.exec("suite:child", "suite:host", "sleep", "10ms") end)
    local sub = events.subscribe("upgrade_test")
    coroutine.spawn(function() sub:channel():receive() end)
    funcs.async("suite:fn_sleep", "10ms")
    process.upgrade(id, parent)
end

how["sleepy"] = function(parent, id)
    process.inbox()
    process.send(parent, "ready")
    time.sleep("50ms")
    process.upgrade(id, parent)
end

how["in coroutine"] = function(parent, id)
    coroutine.spawn(function() process.upgrade(id, parent) end)
    channel.new():receive()
end

how["in pcall"] = function(parent, id)
    pcall(pcall, process.upgrade, id, parent)
    error("it came back")
end

how["in wrap"] = function(parent, id)
    coroutine.wrap(function() process.upgrade(id, parent) end)()
    error("it came back")
end

how["chain"] = function(parent, n)
    if n == 0 then return serve(parent) end
    process.upgrade(nil, parent, "chain", n - 1)
end

how["nil"] = function(parent) process.upgrade(nil, parent, "serve") end
how["empty"] = function(parent) process.upgrade("", parent, "serve") end
how["own"] = function(parent) process.upgrade(process.id(), parent, "serve") end
how["serve"] = serve

return {main = function(parent, what, ...)
    return how[what](parent, ...)
end}
