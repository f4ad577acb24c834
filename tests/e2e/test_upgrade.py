"""New code under an old pid, and word to who wants to know (UP, DX-10)."""

import pytest

import lua_suite
from test_changes import CHANGE, change
from troupe import ASK, function, host, library, process, service, wait_for

# Answers "ask" with its version and what it holds; upgrades when told to.
COUNTER = """
local function main(count)
    process.set_options({upgradable = true})
    count = count or 0
    local inbox, events = process.inbox(), process.events()
    while true do
        local got = channel.select{events:case_receive(), inbox:case_receive()}
        if got.channel == events then
            if got.value.kind == process.event.CANCEL then return end
            process.upgrade(nil, count)
        elseif got.value:topic() == "add" then
            count = count + 1
        else
            process.send(got.value:from(), "t", {VERSION, count})
        end
    end
end
return {main = main}
"""

# Reads its events only when asked; passes them on.
WATCHER = """
return {main = function(opt_in)
    if opt_in then process.set_options({upgradable = true}) end
    local inbox = process.inbox()
    while true do
        local message = inbox:receive()
        if message:topic() == "stop" then return end
        if message:topic() == "opt in" then
            process.set_options({upgradable = true})
        end
        local got, seen = nil, {}
        repeat
            got = channel.select{process.events():case_receive(), default = true}
            if got.value then seen[#seen + 1] = got.value end
        until got.default
        process.send(message:from(), "t", seen)
    end
end}
"""

SPAWN = function("spawn", """
return {main = function(id, ...) return process.spawn(id, "app:host", ...) end}""")
TELL = function("tell", """
return {main = function(to, topic) return process.send(to, topic) end}""")


def counter(version, **fields):
    return process("counter", f"local VERSION = {version}\n{COUNTER}", **fields)


@pytest.fixture(scope="module")
def results(boot_shared):
    return lua_suite.boot(boot_shared)


@lua_suite.cases("upgrade", "upgrade_far")
def test_upgrade(results, suite, title):
    results.check(suite, title)


def test_UP1_a_process_goes_on_as_its_newest_code(boot):
    one = boot([CHANGE, ASK, SPAWN, TELL, host(), counter(1)])
    pid = one.call("app:spawn", "app:counter")
    for _ in range(3):
        one.call("app:tell", pid, "add")
    assert one.call("app:ask", pid) == [1, 3]
    change(one, ("update", counter(2)))
    assert one.call("app:ask", pid) == [2, 3]
    one.call("app:tell", pid, "add")
    change(one, ("update", counter(3)))
    assert one.call("app:ask", pid) == [3, 4]
    assert [actor["pid"] for actor in one.actors("app:counter")] == [pid]


def test_UP1_a_service_is_still_the_same_after_an_upgrade(boot):
    one = boot([CHANGE, ASK, host(), counter(1), service("s", "app:counter")])
    before = one.service("app:s")
    change(one, ("update", counter(2)))
    assert one.call("app:ask", before["pid"]) == [2, 0]
    after = one.service("app:s")
    assert (after["pid"], after["state"]) == (before["pid"], "running")
    one.supctl("stop", "app:s")
    assert one.service("app:s")["state"] in ("stopped", "exited")


def test_UP1_a_service_starts_anew_when_an_upgrade_fails(boot):
    broken = process("counter", "error('not today')")
    one = boot([CHANGE, TELL, host(), counter(1),
                service("s", "app:counter", restart={"initial_delay": "10ms"})])
    one.allow("failed|not today")
    before = one.service("app:s")["pid"]
    leap = process("leap", """
return {main = function()
    local got = channel.select{process.inbox():case_receive(),
        process.events():case_receive()}
    if got.channel == process.inbox() then process.upgrade("app:broken") end
end}""")
    change(one, ("create", leap), ("create", broken | {"name": "broken"}),
           ("create", service("leaper", "app:leap", restart={"initial_delay": "10ms"})))
    first = one.wait_service("app:leaper", "running")["pid"]
    assert one.call("app:tell", first, "go") is True

    def is_back():
        now = one.service("app:leaper")
        return now["state"] == "running" and now["pid"] != first
    wait_for(is_back, what="the next run")
    assert one.service("app:s")["pid"] == before


def test_UP1_upgrade_of_what_was_removed(boot):
    one = boot([CHANGE, ASK, SPAWN, host(), counter(1), process("p", """
return {main = function(reply_to)
    local pid = process.spawn_monitored("app:counter", "app:host")
    process.inbox():receive()
    process.send(pid, "x")
end}"""), function("watch", """
return {main = function()
    local pid = process.spawn_monitored("app:leap", "app:host")
    process.registry.register("watcher")
    process.inbox():receive()
    process.send(pid, "go")
    return tostring(process.events():receive().result.error)
end}""", modules=["funcs"]), process("leap", """
return {main = function() process.inbox():receive() process.upgrade() end}"""),
                function("tell_watcher", """
return {main = function() return process.send("watcher", "go") end}""")])
    call = one.call_in_background("app:watch")
    wait_for(lambda: one.actors("app:leap"), what="the process")
    change(one, ("delete", "app:leap"))
    one.call("app:tell_watcher")
    out, err = call.communicate(timeout=30)
    assert out.strip() == '"upgrade: no source"', err


def test_UP2_who_opted_in_is_told_once_of_all_changes(boot):
    def lib(text):
        return library("lib", f"return '{text}'")

    def base(text):
        return library("base", f"return '{text}'")

    one = boot([CHANGE, ASK, SPAWN, TELL, host(), lib("old"), base("old"),
                library("middle", "return base", imports={"base": "app:base"}),
                process("w", WATCHER, imports={"lib": "app:lib", "middle": "app:middle"}),
                process("other", WATCHER)])
    pid = one.call("app:spawn", "app:w", True)
    quiet = one.call("app:spawn", "app:w", False)
    other = one.call("app:spawn", "app:other", True)
    change(one, ("update", lib("new")))
    change(one, ("update", base("new")))
    change(one, ("update", lib("newer")))
    seen = one.call("app:ask", pid)
    assert len(seen) == 1, seen
    assert seen[0]["kind"] == "pid.outdated"
    assert seen[0]["from"] == "{|}"
    assert sorted(seen[0]["sources"]) == ["app:base", "app:lib"]
    assert isinstance(seen[0]["at"], int)
    assert not any(one.call("app:ask", to) for to in (pid, quiet, other))
    change(one, ("update", process("w", WATCHER, imports={"lib": "app:lib"})))
    assert one.call("app:ask", pid)[0]["sources"] == ["app:w"]
    # Late, but told all the same, once.
    assert [event["kind"] for event in one.call("app:ask", quiet, "opt in")] == ["pid.outdated"]
    assert not one.call("app:ask", quiet, "opt in")
    change(one, ("update", process("other", WATCHER + "\n")))
    assert one.call("app:ask", other)[0]["sources"] == ["app:other"]
    assert not one.call("app:ask", pid)
    for to in pid, quiet, other:
        one.call("app:tell", to, "stop")


def test_UP2_changes_before_the_first_look_at_events_are_one_event(boot):
    one = boot([CHANGE, SPAWN, ASK, host(), library("lib", "return 1"), process("w", """
return {main = function()
    process.set_options({upgradable = true})
    local message = process.inbox():receive()
    local events, n = process.events(), 0
    local first = events:receive()
    while not channel.select{events:case_receive(), default = true}.default do n = n + 1 end
    process.send(message:from(), "t", {first.sources, n})
end}""", imports={"lib": "app:lib"})])
    pid = one.call("app:spawn", "app:w")
    for i in range(3):
        change(one, ("update", library("lib", f"return {i}")))
    assert one.call("app:ask", pid) == [["app:lib"], 0]
