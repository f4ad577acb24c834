"""Changes of the registry while everything runs: who sees the new code, who keeps the
old (F-5, REG-20, REG-23, PM-1)."""

import pytest

from troupe import (ASK, ONE, SupctlError, answering, function, held, host, library,
                    process, service, teller, wait_for)

# What an app does to its own registry: a list of {op, entry or id}.
CHANGE = function("change", """
return {main = function(list)
    local changes = assert(registry.snapshot()):changes()
    for _, one in ipairs(list) do
        local done, err = changes[one[1]](changes, one[2])
        if err then return {kind = err:kind(), text = tostring(err)} end
    end
    local version, err = changes:apply()
    if err then return {kind = err:kind(), text = tostring(err)} end
    return version:string()
end}""", modules=["registry"])


def entry(fields):
    """The entry table of the Lua module from what a file says."""
    data = {k: v for k, v in fields.items() if k not in ("name", "kind", "meta")}
    return {"id": "app:" + fields["name"], "kind": fields["kind"],
            "meta": fields.get("meta", {}), "data": data}


def change(one, *operations):
    operations = [[op, entry(what) if isinstance(what, dict) else what]
                  for op, what in operations]
    return one.call("app:change", operations)


# app:f, which runs until app:gate is released; and that.
SLOW = [held("gate"), function("f", """
return {main = function()
    funcs.call("app:gate")
    return "old"
end}""", modules=["funcs"], pool=ONE)]


def test_F5_a_new_function_is_callable_when_apply_returns(boot):
    one = boot([CHANGE])
    assert change(one, ("create", answering("f", "new"))) == "v1"
    assert one.call("app:f") == "new"


def test_F5_calls_under_way_end_on_the_old_code_new_ones_run_the_new(boot):
    one = boot([CHANGE, *SLOW])
    calls = [one.call_in_background("app:f")]
    one.wait_busy("app:f")
    calls.append(one.call_in_background("app:f"))
    one.wait_queued("app:f")
    old = one.workers("app:f")
    assert change(one, ("update", answering("f", "new", pool=ONE))) == "v1"
    assert one.call("app:f") == "new"
    one.release("app:gate", *calls)
    for call in calls:
        out, err = call.communicate(timeout=30)
        assert out.strip() == '"old"', err
    wait_for(lambda: not set(old) & set(one.workers()), what="the old pool's end")


def test_F5_a_large_result_of_the_old_code_arrives_whole(boot):
    """Its process ends with it, and must not end before it is written."""
    one = boot([CHANGE, function("f", """
return {main = function(n) funcs.call("app:gate") return ("x"):rep(n) end}""",
                                 modules=["funcs"]), SLOW[0],
                function("measure", """
return {main = function(n) return #assert(funcs.call("app:f", n)) end}""",
                         modules=["funcs"])])
    call = one.call_in_background("app:measure", 30_000_000)
    one.wait_busy("app:f")
    assert change(one, ("update", answering("f", "new"))) == "v1"
    one.release("app:gate", call)
    out, err = call.communicate(timeout=30)
    assert out.strip() == "30000000", err


def test_F5_a_removed_function_is_gone_calls_under_way_end(boot):
    one = boot([CHANGE, *SLOW])
    call = one.call_in_background("app:f")
    one.wait_busy("app:f")
    assert change(one, ("delete", "app:f")) == "v1"
    with pytest.raises(SupctlError) as failure:
        one.call("app:f")
    assert failure.value.kind == "NotFound"
    one.release("app:gate", call)
    assert call.communicate(timeout=30)[0].strip() == '"old"'
    wait_for(lambda: not one.workers("app:f"), what="the old pool's end")


@pytest.mark.parametrize("pool", [{"type": "inline"}, {"type": "static", "workers": 2}, None])
def test_F5_updates_reach_pools_of_every_type(boot, pool):
    fields = {"pool": pool} if pool else {}
    caller = function("caller", "return {main = function() return funcs.call('app:f') end}",
                      modules=["funcs"], pool={"type": "static", "workers": 1})
    one = boot([CHANGE, answering("f", "0", **fields), caller])
    for i in range(1, 6):
        assert change(one, ("update", answering("f", str(i), **fields))) == f"v{i}"
        assert one.call("app:f") == str(i)
        assert one.call("app:caller") == str(i)


@pytest.mark.parametrize("pool", [{"type": "inline"}, {"type": "static", "workers": 1}, None])
def test_REG23_methods_of_a_changed_module_are_new_everywhere(boot, pool):
    def module(value):
        return {"name": "m", "kind": "module.lua", **({"pool": pool} if pool else {}),
                "source": f"return {{get = function() return {value} end}}"}

    caller = function("caller", "return {main = function() return funcs.call('app:m.get') end}",
                      modules=["funcs"], pool={"type": "static", "workers": 1})
    one = boot([CHANGE, module(0), caller])
    for i in range(1, 4):
        assert change(one, ("update", module(i))) == f"v{i}"
        assert one.call("app:m.get") == i
        assert one.call("app:caller") == i


def test_REG23_a_changed_library_reaches_who_imports_it_through_others(boot):
    one = boot([CHANGE, library("base", "return {v = 'old'}"),
                library("middle", "return {get = function() return base.v end}",
                        imports={"base": "app:base"}),
                function("f", "return {main = function() return middle.get() end}",
                         imports={"middle": "app:middle"})])
    assert one.call("app:f") == "old"
    change(one, ("update", library("base", "return {v = 'new'}")))
    assert one.call("app:f") == "new"


def test_REG23_a_library_that_is_imported_stays(boot):
    one = boot([CHANGE, library("lib", "return 1"),
                function("f", "return {main = function() return lib end}",
                         imports={"lib": "app:lib"})])
    got = change(one, ("delete", "app:lib"))
    assert got["kind"] == "Internal"
    assert "app:lib" in got["text"] and "app:f" in got["text"], got
    assert one.call("app:f") == 1
    assert change(one, ("delete", "app:lib"), ("delete", "app:f")) == "v1"


def test_REG23_processes_spawned_later_run_the_new_code(boot):
    one = boot([CHANGE, host(), teller("old"), ASK, service("s", "app:p")])

    def spawn():
        pid = one.supctl("spawn", "app:p", "app:host")
        return pid

    old = spawn()
    before = one.service("app:s")["pid"]
    change(one, ("update", teller("new")))
    assert one.call("app:ask", spawn()) == "new"
    assert one.call("app:ask", old) == "old"
    assert one.service("app:s")["pid"] == before
    assert one.call("app:ask", before) == "old"
    one.supctl("restart", "app:s")
    assert one.call("app:ask", one.service("app:s")["pid"]) == "new"
    change(one, ("delete", "app:s"), ("delete", "app:p"))
    with pytest.raises(SupctlError):
        spawn()
    assert one.call("app:ask", old) == "old"


def test_REG23_services_come_and_go(boot):
    up = process("p", "return {main = function(name) process.registry.register(name) "
                 "process.events():receive() end}")
    row = service("s", "app:p")
    row["input"] = ["added"]
    one = boot([CHANGE, host(), up])
    assert change(one, ("create", row)) == "v1"
    one.wait_service("app:s", "running")
    wait_for(lambda: "added" in str(one.supctl("names")), what="its name")
    change(one, ("delete", "app:s"))
    wait_for(lambda: "app:s" not in [r["id"] for r in one.supctl("services")])
    wait_for(lambda: not one.actors("app:p"), what="its actor's end")


def test_REG23_hosts_come_and_go(boot):
    one = boot([CHANGE, process("p", "return {main = function() process.events():receive() end}")])
    change(one, ("create", host("late")))
    one.wait_service("app:late", "running")
    one.supctl("spawn", "app:p", "app:late")
    change(one, ("delete", "app:late"))
    wait_for(lambda: not one.workers("app:late"), what="the host's workers' end")
    assert not one.actors("app:p")


@pytest.mark.parametrize("operations,text", [
    ([("create", function("f", "return ="))], "app:f"),
    ([("create", function("f", ""))], "source is required"),
    ([("create", {"name": "change", "kind": "registry.entry"})], "entry already exists"),
    ([("update", {"name": "none", "kind": "registry.entry"})], "entry does not exist"),
    ([("delete", "app:none")], "cannot delete non-existent entry"),
    ([("update", {"name": "change", "kind": "process.lua", "source": "return 1",
                  "method": "main"})], "cannot change entry kind"),
    ([("create", answering("good", "x")), ("create", function("bad", "return ="))], "app:bad"),
    ([("create", function("f", "return 1", imports={"x": "app:none"}))], "app:none"),
    ([], "no changes to apply"),
])
def test_REG20_REG21_a_change_that_fails_changes_nothing(boot, operations, text):
    one = boot([CHANGE, host()])
    before = one.supctl("registry", "list")
    got = change(one, *operations)
    assert got["kind"] in ("Internal", "Invalid") and text in got["text"], got
    assert one.supctl("registry", "list") == before
    assert change(one, ("create", answering("f", "works"))) == "v1"
    assert one.call("app:f") == "works"


def test_complaint6_a_change_leaves_unrelated_workers_alone(boot):
    one = boot([CHANGE, host(), answering("a", "1", pool={"workers": 1}),
                answering("b", "1", pool={"workers": 1}),
                process("p", "return {main = function() process.events():receive() end}"),
                service("s", "app:p")])
    kept = {name: one.wait_worker(name) for name in ("app:b", "app:host")}
    actor = one.service("app:s")["pid"]
    change(one, ("update", answering("a", "2", pool={"workers": 1})))
    assert one.call("app:a") == "2"
    assert {name: one.wait_worker(name) for name in kept} == kept
    assert one.service("app:s")["pid"] == actor


def test_complaint5_calls_through_fifty_updates_all_succeed(boot):
    """A steady stream of calls while the function is replaced again and again."""
    caller = function("stream", """
return {main = function(n)
    local bad, seen = {}, {}
    for i = 1, n do
        local value, err = funcs.call("app:f")
        if err then bad[#bad + 1] = tostring(err) else seen[value] = true end
        if i % 10 == 0 then time.sleep("1ms") end
    end
    local count = 0
    for _ in pairs(seen) do count = count + 1 end
    return {bad = #bad, why = bad[1], seen = count}
end}""", modules=["funcs", "time"])
    pool = {"type": "static", "workers": 2}
    one = boot([CHANGE, answering("f", "0", pool=pool), caller])
    stream = one.call_in_background("app:stream", 3000)
    for i in range(1, 51):
        assert change(one, ("update", answering("f", str(i), pool=pool))) == f"v{i}"
    out, err = stream.communicate(timeout=60)
    assert '"bad":0' in out, out + err
    assert one.call("app:f") == "50"
    wait_for(lambda: len(one.workers("app:f")) <= 2, what="the old pools' end")


def test_REG20_changes_of_many_at_once_are_one_after_the_other(boot):
    one = boot([CHANGE])
    children = [one.call_in_background("app:change", [["create", entry(
        {"name": f"e{i}", "kind": "registry.entry", "value": i})]]) for i in range(20)]
    versions = set()
    for child in children:
        out, err = child.communicate(timeout=30)
        assert child.returncode == 0, err
        if out.startswith('"v'):
            versions.add(out)
        else:
            assert "registry changed during apply" in out, out
    rows = [row for row in one.supctl("registry", "list") if row["id"].startswith("app:e")]
    assert len(rows) == len(versions)
