local case = require("case")

case("EV-1 send says what is missing", function(t)
    t.fails("Invalid", "system is required", events.send("", "k", "/p"))
    t.fails("Invalid", "kind is required", events.send("s", "", "/p"))
    t.fails("Invalid", "path is required", events.send("s", "k", ""))
    local ok, err = events.send("nobody listens", "k", "/p", {})
    t.eq(ok, true)
    t.eq(err, nil)
end)

case("EV-2 after subscribe nothing is missed", function(t)
    for i = 1, 20 do
        local sub = assert(events.subscribe("ev2." .. i))
        events.send("ev2." .. i, "k", "/p", i)
        t.eq(sub:channel():receive().data, i)
        t.eq(sub:close(), true)
    end
    t.fails("Invalid", "system pattern is required", events.subscribe(""))
end)

case("EV-3 patterns: all, prefix, equality, kinds", function(t)
    local got = {}
    local subs = {
        prefix = events.subscribe("ev3.*"),
        equal = events.subscribe("ev3.a"),
        kind = events.subscribe("ev3.a", "made"),
        kinds = events.subscribe("ev3.a", "ma*"),
        other = events.subscribe("ev3"),
    }
    events.send("ev3.a", "made", "/1")
    events.send("ev3.a", "gone", "/2")
    events.send("ev3.a.b", "made", "/3")
    events.send("ev3", "end", "/4")
    subs.other:channel():receive()
    for name, sub in pairs(subs) do
        local paths = {}
        while true do
            local one = channel.select{sub:channel():case_receive(), default = true}
            if one.default then break end
            paths[#paths + 1] = one.value.path
        end
        got[name] = table.concat(paths)
    end
    t.eq(got.prefix, "/1/2/3")
    t.eq(got.equal, "/1/2")
    t.eq(got.kind, "/1")
    t.eq(got.kinds, "/1")
    t.eq(got.other, "")
end)

case("EV-4 nothing is lost, close ends it, the same channel always", function(t)
    local sub = events.subscribe("ev4")
    t.ok(sub:channel() == sub:channel())
    t.eq(tostring(sub), "events.Subscription{}")
    for i = 1, 500 do events.send("ev4", "k", "/p", i) end
    for i = 1, 500 do t.eq(sub:channel():receive().data, i) end
    t.eq(sub:close(), true)
    t.eq(sub:close(), true)
    local _, ok = sub:channel():receive()
    t.eq(ok, false)
end)

case("EV-5 fields and data", function(t)
    local sub = events.subscribe("ev5")
    events.send("ev5", "k", "/p")
    local event = sub:channel():receive()
    t.eq(event.system, "ev5")
    t.eq(event.kind, "k")
    t.eq(event.path, "/p")
    t.eq(event.data, nil)
    events.send("ev5", "k", "/p", {a = {b = 1}, n = 2.5, s = "\0\xff"})
    event = sub:channel():receive()
    t.eq(event.data.a.b, 1)
    t.eq(event.data.n, 2.5)
    t.eq(event.data.s, "\0\xff")
    events.send("ev5", "k", "/p", {1, 2, 3})
    t.list(sub:channel():receive().data, {1, 2, 3})
end)

case("EV-5 DX-18 a table with both parts stays whole", function(t)
    local sub = events.subscribe("dx18")
    events.send("dx18", "k", "/p", {1, 2, name = "n", [10] = "ten"})
    local data = sub:channel():receive().data
    t.list({data[1], data[2], data.name, data[10]}, {1, 2, "n", "ten"})
end)

case("EV-5 system, kind and path arrive byte for byte", function(t)
    local sub = assert(events.subscribe("ev5\0x", "k\0*"))
    assert(events.send("ev5", "k\0", "/other"))
    assert(events.send("ev5\0x", "k", "/other"))
    assert(events.send("ev5\0x", "k\0k", "p\0\255"))
    local event = sub:channel():receive()
    t.eq(event.system, "ev5\0x")
    t.eq(event.kind, "k\0k")
    t.eq(event.path, "p\0\255")
    t.eq(sub:close(), true)
    t.eq(select(2, sub:channel():receive()), false)
end)

case("EV-1 EV-4 what is too long to arrive is not accepted", function(t)
    local sub = assert(events.subscribe("ev4.long*"))
    local long = string.rep("x", 40000)
    t.fails("Invalid", "system, kind or path is too long",
        events.send("ev4.long", long, long))
    assert(events.send("ev4.long", "k", long))
    t.eq(#sub:channel():receive().path, 40000)
    t.fails("Invalid", "system or kind pattern is too long", events.subscribe(long .. long))
    sub:close()
end)

case("EV-6 MP-13 all subscribers see one order", function(t)
    local me = process.pid()
    local pids = {}
    for i = 1, 4 do
        pids[i] = assert(process.spawn("suite:recorder", i % 2 == 0 and "suite:host"
            or "suite:host2", me, 60))
    end
    for _ = 1, 4 do process.inbox():receive() end
    for i = 1, 3 do
        assert(process.spawn("suite:sender", i % 2 == 0 and "suite:host" or "suite:host2",
            i, 20))
    end
    local first
    for _ = 1, 4 do
        local seen = process.inbox():receive():payload():data()
        first = first or seen
        t.eq(seen, first)
    end
    for sender = 1, 3 do
        local n = 0
        for number in string.gmatch(first, sender .. ":(%d+) ") do
            t.eq(tonumber(number), n + 1)
            n = n + 1
        end
        t.eq(n, 20)
    end
end)

return case.entry
