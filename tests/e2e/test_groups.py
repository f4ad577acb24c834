"""Process groups (PG), and what happens when much ends at once."""

import pytest

import lua_suite
from troupe import SupctlError, function, host, process, wait_for

SCOPE = {"name": "rooms", "kind": "pg.scope"}
MEMBER = process("member", """
return {main = function(...)
    local rooms = assert(pg.open("app:rooms"))
    for _, group in ipairs{...} do assert(rooms:join(group)) end
    process.inbox():receive()
end}""", modules=["pg"])


@pytest.fixture(scope="module")
def results(boot_shared):
    return lua_suite.boot(boot_shared)


@lua_suite.cases("groups")
def test_groups(results, suite, title):
    results.check(suite, title)


def test_PG_supctl_shows_groups_and_their_members(boot):
    one = boot([host(), SCOPE, MEMBER, function("spawn", """
return {main = function(...) return process.spawn("app:member", "app:host", ...) end}"""),
                function("tell", "return {main = function(to) process.send(to, 'x') end}")])
    assert one.supctl("groups") == []
    a = one.call("app:spawn", "kitchen", "kitchen", "hall")
    b = one.call("app:spawn", "hall")

    def rows():
        return [(row["scope"], row["group"], row["members"]) for row in one.supctl("groups")]
    wait_for(lambda: rows() == [("app:rooms", "hall", 2), ("app:rooms", "kitchen", 2)],
             what="the members")
    assert one.supctl("groups", "app:rooms") == one.supctl("groups")
    assert one.supctl("groups", "app:rooms", "kitchen") == [{"pid": a, "joined": 2}]
    assert one.supctl("groups", "app:rooms", "cellar") == []
    out = one.run_supctl("groups").stdout
    assert "kitchen" in out and "MEMBERS" in out, out
    with pytest.raises(SupctlError) as failure:
        one.supctl("groups", "app:host")
    assert failure.value.kind == "Invalid"
    for pid in a, b:
        one.call("app:tell", pid)
    wait_for(lambda: not one.supctl("groups"), what="their end")


def test_PG3_members_of_a_killed_worker_leave(boot):
    one = boot([host(), host("other", host={"workers": 1}), SCOPE, MEMBER, function("watch", """
return {main = function(n)
    local rooms = assert(pg.open("app:rooms"))
    local sub = rooms:monitor("hall")
    for _ = 1, n do process.spawn("app:member", "app:other", "hall", "hall") end
    local left = 0
    process.registry.register("watcher")
    while left < n do
        local event = sub:channel():receive()
        if event.kind == "member.left" then
            if #event.data.PIDs ~= 2 then return "counts are wrong" end
            left = left + 1
        end
    end
    return rooms:get_members("hall")
end}""", modules=["pg"])])
    one.allow("died|killed")
    call = one.call_in_background("app:watch", 100)
    wait_for(lambda: len(one.actors("app:member")) == 100 and
             one.supctl("groups")[0]["members"] == 200, what="the members")
    one.kill_worker("app:other")
    out, err = call.communicate(timeout=30)
    assert out.strip() in ("{}", "[]"), err
