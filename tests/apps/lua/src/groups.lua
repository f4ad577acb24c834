local case = require("case")

local SCOPE = "suite:rooms"

local function open(scope)
    return assert(pg.open(scope or SCOPE))
end

-- A member elsewhere: joins, tells, and does what it is told.
local function member(host, ...)
    local pid = assert(process.spawn_monitored("suite:groups_member", host, process.pid(), ...))
    assert(process.inbox():receive():topic() == "joined")
    return pid
end

local function stop(...)
    for _, pid in ipairs{...} do
        assert(process.send(pid, "stop"))
        repeat until process.events():receive().from == pid
    end
end

local function sorted(list)
    local copy = {table.unpack(list)}
    table.sort(copy)
    return copy
end

local function next_event(sub)
    local limit = time.after("5s")
    local got = channel.select{sub:channel():case_receive(), limit:case_receive()}
    return got.channel ~= limit and got.value or nil
end

case("PG-1 open says what is wrong", function(t)
    t.fails("Invalid", "resource id is required", pg.open(""))
    t.fails("Invalid", "resource is not a pg scope: process.host", pg.open("suite:host"))
    t.fails("Internal", "failed to acquire pg scope: ", pg.open("suite:none"))
    t.raises("string expected", pg.open)
end)

case("PG-1 PG-2 an instance has a text, and is released once and for all", function(t)
    local rooms = open()
    t.eq(tostring(rooms), "pg.Instance{suite:rooms}")
    t.eq(rooms:join("released"), true)
    t.eq(rooms:release(), true)
    t.eq(rooms:release(), true)
    t.eq(tostring(rooms), "pg.Instance{suite:rooms, released}")
    for _, name in ipairs{"join", "leave", "get_members", "get_local_members", "monitor"} do
        t.fails("Invalid", "pg instance is released", rooms[name](rooms, "released"))
    end
    for _, name in ipairs{"which_groups", "which_local_groups", "events"} do
        t.fails("Invalid", "pg instance is released", rooms[name](rooms))
    end
    t.fails("Invalid", "pg instance is released", rooms:broadcast("released", "t"))
    t.list(open():get_members("released"), {process.pid()}, "memberships stay")
end)

case("PG-2 joining is counted", function(t)
    local rooms, me = open(), process.pid()
    t.list(rooms:get_members("counted"), {})
    t.eq(rooms:join("counted"), true)
    t.eq(rooms:join("counted"), true)
    t.list(rooms:get_members("counted"), {me, me})
    t.list(rooms:get_local_members("counted"), {me, me})
    t.eq(rooms:leave("counted"), true)
    t.list(rooms:get_members("counted"), {me})
    t.eq(rooms:leave("counted"), true)
    t.fails("NotFound", "pg: process not joined in group", rooms:leave("counted"))
    t.list(rooms:get_members("counted"), {})
end)

case("PG-2 PG-3 a name of a group may have any bytes", function(t)
    local rooms, name = open(), "nul\0one"
    local sub, members = rooms:monitor(name)
    local all = rooms:events()
    t.list(members, {})
    t.eq(rooms:join("nul"), true)
    t.eq(rooms:join(name), true)
    t.list(rooms:get_members(name), {process.pid()})
    local event = next_event(sub)
    t.eq(event and event.path, name)
    t.eq(event.data.Group, name)
    event = next_event(all)
    t.eq(event.path, "nul")
    event = next_event(all)
    t.eq(event.path, name)
    t.eq(rooms:leave(name), true)
    t.eq(next_event(sub).kind, "member.left")
    sub:close()
    all:close()
end)

case("PG-2 lists of groups", function(t)
    local rooms, me = open(), process.pid()
    t.eq(rooms:join({"list.a", "list.b"}), true)
    t.list(rooms:get_members("list.a"), {me})
    local found = {}
    for _, name in ipairs(rooms:which_groups()) do found[name] = true end
    t.ok(found["list.a"] and found["list.b"])
    t.eq(#rooms:which_local_groups(), #rooms:which_groups())
    t.eq(rooms:leave({"list.a", "list.none", "list.b"}), true)
    t.list(rooms:get_members("list.b"), {})
end)

case("PG-2 wrong arguments", function(t)
    local rooms = open()
    for _, name in ipairs{"join", "leave"} do
        t.fails("Invalid", "group name is required", rooms[name](rooms, ""))
        t.fails("Invalid", "groups table must not be empty", rooms[name](rooms, {}))
        t.fails("Invalid", "group name (string) or groups table required",
            rooms[name](rooms, 5))
        t.fails("Invalid", "group name (string) or groups table required",
            rooms[name](rooms))
        t.fails("Invalid", "group name (string) or groups table required",
            rooms[name](rooms, {"a", 1}))
        t.fails("Invalid", "group name is required", rooms[name](rooms, {"a", ""}))
    end
    t.fails("Invalid", "group name is too long", rooms:join(string.rep("x", 2000)))
    t.fails("Invalid", "group name is required", rooms:get_members(""))
    t.fails("Invalid", "group name is required", rooms:monitor(""))
    t.fails("Invalid", "group name is required", rooms:broadcast("", "t"))
    t.fails("Invalid", "topic is required", rooms:broadcast("a", ""))
    t.fails("Invalid", "cannot send to @ topics", rooms:broadcast("a", "@x"))
    t.raises("string expected", rooms.get_members, rooms)
    t.raises("pg.Instance expected", rooms.join, {}, "a")
end)

case("PG-2 limits of an entry refuse as a whole", function(t)
    local narrow, me = open("suite:narrow_rooms"), process.pid()
    t.fails("RateLimited", "pg: maximum number of groups reached",
        narrow:join({"a", "b", "c"}))
    t.list(narrow:which_groups(), {})
    t.fails("RateLimited", "pg: maximum members per group reached",
        narrow:join({"a", "a", "a"}))
    t.eq(narrow:join({"a", "a"}), true)
    t.list(narrow:get_members("a"), {me, me})
    t.list(narrow:which_groups(), {"a"})
end)

case("PG-4 scopes are worlds of their own", function(t)
    local rooms, others = open(), open("suite:other_rooms")
    assert(rooms:join("world"))
    t.list(others:get_members("world"), {})
    t.fails("NotFound", "pg: process not joined in group", others:leave("world"))
    t.eq(#others:which_groups(), 0)
end)

case("PG-2 members from several workers, in order of joining", function(t)
    local rooms = open()
    local a = member("suite:host2", SCOPE, "order")
    assert(rooms:join("order"))
    local b = member("suite:host", SCOPE, "order")
    t.list(rooms:get_members("order"), {a, process.pid(), b})
    stop(a)
    t.list(rooms:get_members("order"), {process.pid(), b})
    stop(b)
end)

case("PG-2 whoever sees the EXIT doesn't see the member any more", function(t)
    local rooms = open()
    for i = 1, 50 do
        local pid = member(i % 2 == 0 and "suite:host" or "suite:host2", SCOPE, "exit")
        stop(pid)
        t.list(rooms:get_members("exit"), {})
    end
end)

case("PG-2 a broadcast reaches all, the sender too, once per membership", function(t)
    local rooms, me = open(), process.pid()
    local near, far = member("suite:host", SCOPE, "news"), member("suite:host2", SCOPE, "news")
    assert(rooms:join({"news", "news"}))
    local inbox = process.inbox()
    t.eq(rooms:broadcast("news", "hello", 1, nil, {deep = {2}}), true)
    for _ = 1, 2 do
        local message = inbox:receive()
        t.eq(message:topic(), "hello")
        t.eq(message:from(), me)
        local payload = message:payload()
        t.eq(#payload, 3)
        t.eq(payload[1]:data(), 1)
        t.eq(payload[3]:data().deep[1], 2)
    end
    local seen = {}
    for _, pid in ipairs{near, far} do
        assert(process.send(pid, "tell"))
        seen = inbox:receive():payload():data()
        t.list(seen, {"hello"})
    end
    t.eq(rooms:broadcast("nobody here", "hello"), true)
    t.eq(rooms:broadcast_local("news", "local"), true)
    t.eq(inbox:receive():topic(), "local")
    t.eq(inbox:receive():topic(), "local")
    stop(near, far)
end)

case("PG-2 MB-1 broadcasts and messages of one sender keep their order", function(t)
    local rooms = open()
    for _, host in ipairs{"suite:host", "suite:host2"} do
        local pid = member(host, SCOPE, "sequence")
        for i = 1, 100 do
            assert(process.send(pid, "m" .. i))
            assert(rooms:broadcast("sequence", "b" .. i))
        end
        assert(process.send(pid, "tell"))
        local seen = process.inbox():receive():payload():data()
        t.eq(#seen, 200)
        for i = 1, 100 do
            t.eq(seen[2 * i - 1], "m" .. i)
            t.eq(seen[2 * i], "b" .. i)
        end
        stop(pid)
    end
end)

case("PG-2 PG-3 monitor: a snapshot, then every change of that group", function(t)
    local rooms, me = open(), process.pid()
    assert(rooms:join("watched"))
    local sub, members, err = rooms:monitor("watched")
    t.eq(err, nil)
    t.list(members, {me})
    t.eq(tostring(sub), "pg.Subscription{}")
    t.eq(sub:channel(), sub:channel())
    assert(rooms:join("unwatched"))
    local pid = member("suite:host2", SCOPE, "watched", "watched")
    for _ = 1, 2 do
        local event = next_event(sub)
        t.eq(event.system, "pg")
        t.eq(event.kind, "member.joined")
        t.eq(event.path, "watched")
        t.eq(event.data.Group, "watched")
        t.list(event.data.PIDs, {pid})
    end
    assert(rooms:leave("watched"))
    local left = next_event(sub)
    t.eq(left.kind, "member.left")
    t.list(left.data.PIDs, {me})
    stop(pid)
    left = next_event(sub)
    t.eq(left.kind, "member.left")
    t.list(left.data.PIDs, {pid, pid}, "as often as it had joined")
end)

case("PG-2 PG-3 events: all groups, the snapshot too", function(t)
    local others, me = open("suite:events_rooms"), process.pid()
    local pid = member("suite:host2", "suite:events_rooms", "one", "one")
    assert(others:join("two"))
    local sub, groups = others:events()
    t.list(groups.one, {pid, pid})
    t.list(groups.two, {me})
    assert(others:leave("two"))
    t.eq(next_event(sub).path, "two")
    assert(others:join("three"))
    local event = next_event(sub)
    t.eq(event.path, "three")
    t.eq(event.kind, "member.joined")
    stop(pid)
    t.eq(next_event(sub).path, "one")
end)

case("PG-2 no change falls between a snapshot and the first event", function(t)
    local rooms = open()
    local pid = member("suite:host2", SCOPE)
    for i = 1, 100 do
        assert(process.send(pid, "join", "gap"))
        local sub, members = rooms:monitor("gap")
        local n = #members
        while n < i do
            local event = t.ok(next_event(sub), "an event in round " .. i)
            t.eq(event.kind, "member.joined")
            n = n + #event.data.PIDs
        end
        t.eq(n, i)
        sub:close()
    end
    stop(pid)
end)

case("PG-3 DX-16 close ends it, what is queued can still be received", function(t)
    local rooms = open()
    for _, options in ipairs{{}, {flush = true}} do
        local sub = rooms:monitor("closed")
        assert(rooms:join("closed"))
        assert(rooms:leave("closed"))
        t.eq(sub:close(options), true)
        t.eq(sub:close(), true)
        assert(rooms:join("closed"))
        t.eq(sub:channel():receive().kind, "member.joined")
        t.eq(sub:channel():receive().kind, "member.left")
        local _, ok = sub:channel():receive()
        t.eq(ok, false)
        assert(rooms:leave("closed"))
    end
end)

case("PG-3 several subscriptions are independent", function(t)
    local rooms = open()
    local a, b = rooms:monitor("many"), rooms:monitor("many")
    assert(rooms:join("many"))
    t.eq(next_event(a).kind, "member.joined")
    a:close()
    assert(rooms:leave("many"))
    t.eq(next_event(b).kind, "member.joined")
    t.eq(next_event(b).kind, "member.left")
end)

case("PG-2 a function is a member while it runs", function(t)
    local rooms = open()
    local pid = funcs.call("suite:groups_fn", "function")
    t.ok(pid)
    t.list(rooms:get_members("function"), {})
end)

case("PG-2 UP-1 an upgrade keeps memberships, not subscriptions", function(t)
    local rooms = open()
    local pid = member("suite:host2", SCOPE, "upgraded")
    assert(process.send(pid, "upgrade"))
    t.eq(process.inbox():receive():topic(), "joined")
    t.list(rooms:get_members("upgraded"), {pid})
    stop(pid)
end)

case("PG-2 two hundred members hear a broadcast", function(t)
    local rooms, pids = open(), {}
    for i = 1, 200 do
        pids[i] = member(i % 2 == 0 and "suite:host" or "suite:host2", SCOPE, "crowd")
    end
    t.list(sorted(rooms:get_members("crowd")), sorted(pids))
    assert(rooms:broadcast("crowd", "stop"))
    local n = 0
    while n < 200 do
        if process.events():receive().kind == process.event.EXIT then n = n + 1 end
    end
    t.list(rooms:get_members("crowd"), {})
end)

return case.entry
