local case = require("case")

case("CH-1 a channel is a value: key, element, sent through another", function(t)
    local ch, carrier = channel.new(1), channel.new(1)
    local by_channel = {[ch] = "found"}
    carrier:send(ch)
    local back = carrier:receive()
    t.eq(by_channel[back], "found")
    t.ok(back == ch, "identity")
end)

case("CH-2 new takes sizes, negative is zero, other types raise", function(t)
    t.ok(pcall(channel.new))
    t.ok(pcall(channel.new, -1))
    t.raises("", channel.new, {})
    t.raises("", channel.new, "many")
    local ch = channel.new(2)
    ch:send(1)
    ch:send(2)
    local full = channel.select{ch:case_send(3), default = true}
    t.ok(full.default, "a third value fitting into two places")
end)

case("CH-2 a negative size rendezvous", function(t)
    local ch = channel.new(-5)
    t.ok(channel.select{ch:case_send(1), default = true}.default)
end)

case("CH-3 send and receive return what they promise", function(t)
    local ch = channel.new(3)
    t.eq(ch:send("x"), true)
    t.eq(ch:send(nil), true)
    t.eq(ch:send(false), true)
    local value, ok = ch:receive()
    t.eq(value, "x")
    t.eq(ok, true)
    value, ok = ch:receive()
    t.eq(value, nil)
    t.eq(ok, true)
    value, ok = ch:receive()
    t.eq(value, false)
    t.eq(ok, true)
    t.eq(select("#", ch:close()), 0)
    t.ok(pcall(ch.close, ch), "closing twice")
    t.raises("channel", ch.send, {}, 1)
end)

case("CH-4 sending on a closed channel raises with position", function(t)
    local ch = channel.new(1)
    ch:close()
    local err = t.raises("send on closed channel", function() ch:send(1) end)
    t.ok(string.find(tostring(err), "suite:channels:%d+:"), tostring(err))
end)

case("CH-4 T-13 a sender blocked at close gets nil and an error", function(t)
    local ch, done = channel.new(), channel.new(1)
    coroutine.spawn(function()
        local sent, err = ch:send(1)
        done:send({sent = sent, text = tostring(err)})
    end)
    ch:close()
    local got = done:receive()
    t.eq(got.sent, nil)
    t.ok(string.find(got.text, "send on closed channel", 1, true), got.text)
end)

case("CH-4 T-13 receivers blocked at close wake in order with nil, false", function(t)
    local ch, order = channel.new(), {}
    for i = 1, 3 do
        coroutine.spawn(function()
            local value, ok = ch:receive()
            order[#order + 1] = i
            assert(value == nil and ok == false)
        end)
    end
    ch:close()
    time.sleep(0)
    t.list(order, {1, 2, 3})
end)

case("CH-4 buffered values outlive close, in order", function(t)
    local ch = channel.new(4)
    for i = 1, 3 do ch:send(i) end
    ch:close()
    for i = 1, 3 do
        local value, ok = ch:receive()
        t.eq(value, i)
        t.eq(ok, true)
    end
    local value, ok = ch:receive()
    t.eq(value, nil)
    t.eq(ok, false)
end)

case("CH-4 a receive case of a closed channel is ready, before default", function(t)
    local ch = channel.new()
    ch:close()
    local got = channel.select{ch:case_receive(), default = true}
    t.ok(got.channel == ch)
    t.eq(got.value, nil)
    t.eq(got.ok, false)
    t.eq(got.default, nil)
end)

case("CH-4 a send case of a closed channel is never ready", function(t)
    local ch, other = channel.new(1), channel.new(1)
    ch:close()
    t.ok(channel.select{ch:case_send(1), default = true}.default)
    coroutine.spawn(function() time.sleep("5ms") other:send("late") end)
    local got = channel.select{ch:case_send(1), other:case_receive()}
    t.ok(got.channel == other)
end)

case("CH-4 T-13 a blocked select whose send case closes returns nil and an error",
    function(t)
        local ch = channel.new()
        coroutine.spawn(function() time.sleep("5ms") ch:close() end)
        local got, err = channel.select{ch:case_send(1)}
        t.fails(nil, "send on closed channel", got, err)
    end)

case("CH-5 values and waiters are first in, first out", function(t)
    local ch, got = channel.new(), {}
    for i = 1, 4 do
        coroutine.spawn(function() ch:send(i) end)
    end
    for i = 1, 4 do got[i] = ch:receive() end
    t.list(got, {1, 2, 3, 4})
end)

case("CH-5 a freed place takes the first waiting sender's value", function(t)
    local ch = channel.new(1)
    ch:send(1)
    coroutine.spawn(function() ch:send(2) end)
    coroutine.spawn(function() ch:send(3) end)
    local got = {ch:receive() == 1 and 1, (ch:receive()), (ch:receive())}
    t.list(got, {1, 2, 3})
end)

case("CH-5 a hand-over runs the sender first", function(t)
    local ch, order = channel.new(), {}
    coroutine.spawn(function()
        ch:receive()
        order[#order + 1] = "receiver"
    end)
    coroutine.spawn(function()
        ch:send(1)
        order[#order + 1] = "sender"
    end)
    time.sleep(0)
    t.list(order, {"sender", "receiver"})
end)

case("CH-5 what completes at once keeps the processor", function(t)
    local ch, order = channel.new(100), {}
    coroutine.spawn(function()
        while true do
            ch:receive()
            order[#order + 1] = "consumed"
        end
    end)
    for _ = 1, 50 do
        ch:send(1)
    end
    t.ok(#order <= 1, "the consumer ran " .. #order .. " times in between")
end)

case("CH-6 T-12 MP-11 the first ready case wins, always", function(t)
    local a, b = channel.new(200), channel.new(200)
    for i = 1, 100 do
        a:send(i)
        b:send(i)
    end
    for i = 1, 100 do
        local got = channel.select{a:case_receive(), b:case_receive()}
        t.ok(got.channel == a)
        t.eq(got.value, i)
        t.eq(got.ok, true)
    end
end)

case("CH-6 default comes as a key or as the second argument", function(t)
    local ch = channel.new()
    local got = channel.select{ch:case_receive(), default = true}
    t.eq(got.default, true)
    t.eq(got.ok, true)
    t.eq(got.channel, nil)
    got = channel.select({ch:case_receive()}, true)
    t.eq(got.default, true)
end)

case("CH-6 the cases may be a frozen table", function(t)
    local ch = channel.new(1)
    ch:send("v")
    t.eq(channel.select(table.freeze({ch:case_receive()}), true).value, "v")
end)

case("CH-6 a send case tells what was sent", function(t)
    local ch = channel.new(1)
    local got = channel.select{ch:case_send("v")}
    t.ok(got.channel == ch)
    t.eq(got.value, "v")
    t.eq(got.ok, true)
    t.eq(ch:receive(), "v")
end)

case("CH-6 MP-10 accessors called anew keep their identity", function(t)
    local timer = time.timer("5ms")
    local got = channel.select{process.inbox():case_receive(),
        process.events():case_receive(), timer:response():case_receive()}
    t.ok(got.channel == timer:response())
    t.ok(process.inbox() == process.inbox())
    t.ok(process.events() == process.events())
    process.send(process.pid(), "self")
    got = channel.select{process.events():case_receive(), process.inbox():case_receive()}
    t.ok(got.channel == process.inbox())
end)

case("CH-6 the same channel twice: the lower index takes the value", function(t)
    local ch = channel.new(1)
    ch:send(1)
    local got = channel.select{ch:case_receive(), ch:case_receive()}
    t.eq(got.value, 1)
    t.ok(channel.select{ch:case_receive(), default = true}.default, "taken once")
end)

case("CH-6 losing cases leave no trace", function(t)
    local a, b = channel.new(), channel.new(1)
    coroutine.spawn(function() time.sleep("2ms") b:send("won") end)
    t.eq(channel.select{a:case_receive(), a:case_send("lost"), b:case_receive()}.value,
        "won")
    t.ok(channel.select{a:case_receive(), default = true}.default)
    t.ok(channel.select{a:case_send(1), default = true}.default)
    coroutine.spawn(function() a:send("fresh") end)
    t.eq(a:receive(), "fresh")
end)

case("CH-6 what is no case is ignored", function(t)
    local ch = channel.new(1)
    ch:send(7)
    t.eq(channel.select{"no case", ch:case_receive()}.value, 7)
end)

case("CH-7 after, timers and tickers give channels", function(t)
    for _, ch in ipairs{time.after("1ms"), time.timer("1ms"):channel()} do
        local value, ok = ch:receive()
        t.eq(ok, true)
        t.eq(type(value), "userdata")
        value, ok = ch:receive()
        t.eq(value, nil)
        t.eq(ok, false)
    end
    local ticker = time.ticker("1ms")
    t.ok(ticker:response():receive())
    t.ok(ticker:response():receive())
    t.eq(ticker:stop(), true)
end)

case("CO-1 a spawned coroutine runs before its spawner goes on", function(t)
    local order = {}
    local thread = coroutine.spawn(function() order[#order + 1] = "child" end)
    order[#order + 1] = "spawner"
    t.list(order, {"child", "spawner"})
    t.eq(type(thread), "thread")
    t.raises("", coroutine.spawn, 42)
    t.raises("", coroutine.spawn)
end)

case("CO-2 coroutines take turns in the order of their yields", function(t)
    local order, gate, done = {}, channel.new(), channel.new(3)
    for i = 1, 3 do
        coroutine.spawn(function()
            gate:receive()
            for _ = 1, 3 do
                order[#order + 1] = i
                time.sleep(0)
            end
            done:send(i)
        end)
    end
    gate:close()
    t.list({done:receive() and 1, done:receive() and 2, done:receive() and 3}, {1, 2, 3})
    t.list(order, {1, 2, 3, 1, 2, 3, 1, 2, 3})
end)

case("CO-2 between two yields a coroutine has the process for itself", function(t)
    local inside, seen_inside, running = false, 0, true
    coroutine.spawn(function()
        while running do
            if inside then seen_inside = seen_inside + 1 end
            time.sleep(0)
        end
    end)
    for _ = 1, 10 do
        inside = true
        local until_then = os.clock() + 0.02 -- several slices
        while os.clock() < until_then do end
        inside = false
        time.sleep(0)
    end
    running = false
    t.eq(seen_inside, 0, "looks into the middle")
end)

case("CO-2 MB-1 nobody starves beside a coroutine that never has to wait", function(t)
    local me, inbox, topic = process.pid(), process.inbox(), process.listen("topic")
    local loops = {
        send = function() process.send(me, "topic") topic:receive() end,
        receive = function() inbox:receive() process.send(me, "again") end,
        select = function()
            channel.select{topic:case_receive(), inbox:case_receive()}
            process.send(me, "again")
        end,
        spawn = function() assert(process.spawn("suite:child", "suite:host", "return")) end,
    }
    process.send(me, "again")
    for name, loop in pairs(loops) do
        local turns = 0
        coroutine.spawn(function()
            for _ = 1, 3 do
                time.sleep("1ms")
                turns = turns + 1
            end
        end)
        while turns < 3 do loop() end -- or for ever
        t.eq(turns, 3, name)
    end
end)

case("CO-3 pcall inside a spawned coroutine works across yields", function(t)
    local done = channel.new(1)
    coroutine.spawn(function()
        local ok, err = pcall(function()
            time.sleep("1ms")
            error("inside")
        end)
        done:send({ok = ok, text = tostring(err)})
    end)
    local got = done:receive()
    t.eq(got.ok, false)
    t.ok(string.find(got.text, "inside", 1, true))
end)

case("CO-5 T-14 MP-9 a resumer sees only its coroutine's own yields", function(t)
    local ch = channel.new(1)
    local generator = coroutine.wrap(function()
        for i = 1, 3 do
            time.sleep("1ms")
            ch:send(i)
            ch:receive()
            coroutine.yield(i)
        end
        return "end"
    end)
    t.list({generator(), generator(), generator(), generator()}, {1, 2, 3, "end"})
end)

case("CO-5 yields cross wraps in wraps, pcall, iterators and metamethods", function(t)
    local slow = setmetatable({}, {
        __index = function(_, key) time.sleep("1ms") return key .. "!" end,
        __add = function(a, b) time.sleep("1ms") return 40 + b end,
        __call = function() time.sleep("1ms") return "called" end,
    })
    local outer = coroutine.wrap(function()
        local inner = coroutine.wrap(function()
            local _, value = pcall(function() return slow.key end)
            coroutine.yield(value)
            coroutine.yield(slow + 2)
            coroutine.yield(slow())
        end)
        for value in inner do
            coroutine.yield(value)
        end
    end)
    t.list({outer(), outer(), outer()}, {"key!", 42, "called"})
end)

case("CO-5 create, resume, status and arguments are standard", function(t)
    local co = coroutine.create(function(a)
        local b = coroutine.yield(a + 1)
        return a + b
    end)
    t.eq(coroutine.status(co), "suspended")
    local ok, value = coroutine.resume(co, 1)
    t.ok(ok)
    t.eq(value, 2)
    ok, value = coroutine.resume(co, 10)
    t.eq(value, 11)
    t.eq(coroutine.status(co), "dead")
    t.eq(coroutine.resume(co), false)
end)

case("CO-5 a yield without resumer lets others run and comes back", function(t)
    local order = {}
    coroutine.spawn(function()
        order[#order + 1] = 1
        coroutine.yield()
        order[#order + 1] = 3
    end)
    order[#order + 1] = 2
    time.sleep(0)
    time.sleep(0)
    t.list(order, {1, 2, 3})
end)

return case.entry
