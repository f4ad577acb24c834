"""What holds for functions besides what apps see from inside (functions.md 4 and 5)."""

import json
import os
import signal

import pytest

import troupe
from troupe import ECHO, ONE, function, held, host, process, wait_for


def messages(one):
    return [r["msg"] for r in one.app_records()]


# ---- fields


def test_F1_an_entry_with_every_field(boot):
    one = boot({"src/_index.yaml": """
version: "1.0"
namespace: app
entries:
  - name: lib
    kind: library.lua
    source: "return {twice = function(n) return 2 * n end}"
  - name: f
    kind: function.lua
    meta: {comment: all of them, options: {timeout: 10s}}
    source: file://f.lua
    method: other
    modules: [json]
    imports: {double: "app:lib"}
    pool: {type: static, workers: 1, buffer: 4}
""", "src/f.lua": """return {other = function(n)
        return require("json").encode({require("double").twice(n), double.twice(n)})
    end}"""})
    assert one.call("app:f", 4) == "[8,8]"


@pytest.mark.parametrize("fields,text", [
    ({"source": ""}, "source is required"),
    ({"method": ""}, "method is required"),
    ({"pool": {"type": "x"}}, "unknown pool type: x"),
    ({"modules": [""]}, "module cannot be empty"),
    ({"modules": ["a:b"]}, "module cannot have a namespace"),
    ({"imports": {"": "app:lib"}}, "import alias cannot be empty"),
    ({"imports": {"x": "app:"}}, "import :name cannot be empty"),
])
def test_F2_what_an_entry_lacks_is_told(tmp_path, fields, text):
    troupe.write_app(str(tmp_path), [{**function("f", ECHO), **fields}])
    done = troupe.run(troupe.SUPERVISOR, "check", "--config",
                      os.path.join(str(tmp_path), "src"), "--state",
                      os.path.join(str(tmp_path), "state"))
    output = done.stdout + done.stderr
    assert done.returncode == troupe.BAD_CONFIG and "_index.json:" in output
    assert text in output


# ---- coroutines that are left behind


def test_F4_no_linger_ends_them_with_the_call(boot):
    one = boot([function("f", """return {main = function()
        coroutine.spawn(function() time.sleep("20ms") print("never") end)
        return process.pid() end}""", modules=["time"],
                         pool={**ONE, "linger": "0s"})])
    first = one.call("app:f")
    assert one.call("app:f") != first
    assert one.pool("app:f")["n_busy"] == 0
    assert "never" not in messages(one)


def test_F4_a_slot_that_lingers_takes_no_call(boot):
    one = boot([function("f", """local running = 0
        return {main = function()
            local others = running
            running = running + 1
            coroutine.spawn(function() time.sleep("200ms") running = running - 1 end)
            return others end}""", modules=["time"], pool=ONE)])
    assert [one.call("app:f") for _ in range(3)] == [0, 0, 0]


def test_F4_an_error_after_the_answer_is_logged_only(boot):
    one = boot([function("f", """return {main = function()
        coroutine.spawn(function() time.sleep("20ms") error("too late", 0) end)
        return "early" end}""", modules=["time"], pool=ONE)])
    one.allow("too late")
    assert one.call("app:f") == "early"
    record = one.wait_record('"too late"')[0]
    assert (record["level"], record["function"]) == ("error", "app:f")
    assert one.call("app:f") == "early"


def test_F4_the_end_of_the_linger_time(boot):
    one = boot([function("f", """return {main = function()
        coroutine.spawn(function() time.sleep("1h") end) end}""", modules=["time"],
                         pool={**ONE, "linger": "100ms"})])
    one.call("app:f")
    one.wait_idle("app:f")


@pytest.mark.parametrize("linger,ran", [("0s", False), ("1ms", False), ("10s", True)])
def test_F4_F41_an_inline_function_has_its_own_linger_time(boot, linger, ran):
    """Whatever that of its caller is, in whose process it runs."""
    caller = """return {main = function()
        funcs.call("app:inline") time.sleep("60ms") print("over") end}"""
    with_modules = {"modules": ["funcs", "time"]}
    one = boot([host(), function("inline", """return {main = function()
        coroutine.spawn(function() time.sleep("20ms") print("ran on") end) end}""",
                                 modules=["time"],
                                 pool={"type": "inline", "linger": linger}),
                function("short", caller, pool={"linger": "0s"}, **with_modules),
                function("long", caller, **with_modules),
                process("actor", caller, meta={"default_host": "app:host"},
                        **with_modules)])
    for name in ("short", "long", "actor"):
        one.call(f"app:{name}")
    one.wait_record('"over"', 3)
    if ran:
        one.wait_record('"ran on"', 3)
    else:
        assert "ran on" not in messages(one)


def test_F4_shutdown_ends_them(boot):
    one = boot([function("f", """return {main = function()
        coroutine.spawn(function() time.sleep("1h") end) end}""", modules=["time"])])
    one.call("app:f")
    assert one.stop(timeout=troupe.SOON_S) == troupe.OK


def test_F4_PM6a_those_of_a_process_end_with_it(boot):
    one = boot([host(), process("p", """return {main = function()
        coroutine.spawn(function() time.sleep("20ms") print("never") end)
        return "over" end}""", modules=["time"], meta={"default_host": "app:host"}),
                function("f", "return {main = function() time.sleep('100ms') end}",
                         modules=["time"])])
    assert one.call("app:p") == "over"
    one.call("app:f")
    assert "never" not in messages(one)


# ---- options


def test_F15_options_that_nobody_knows_are_ignored(boot):
    one = boot([function("f", ECHO, meta={"options": {"priority": 3, "x": {"y": [1]}}}),
                function("g", """return {main = function()
                    return funcs.new():with_options({priority = "high", z = {1}})
                        :call("app:f", "fine") end}""", modules=["funcs"])])
    assert one.call("app:f", 1) == 1
    assert one.call("app:g") == "fine"


# ---- cancellation


@pytest.fixture(scope="module")
def frames(boot_shared):
    return boot_shared([
        host(),
        process("child", """return {main = function(what)
            print(what .. " begins")
            local event = process.events():receive()
            print(what .. " heard " .. event.kind) end}"""),
        function("leaves", """return {main = function(what)
            process.spawn("app:child", "app:host", what)
            time.sleep("1h") end}""", modules=["time"]),
        function("executes", """return {main = function(what)
            process.exec("app:child", "app:host", what) end}"""),
        function("sleeps", """return {main = function(d)
            time.sleep(d) return "slept" end}""", modules=["time"]),
        process("calls", """return {main = function(to)
            local future = funcs.async("app:sleeps", "100ms")
            process.send(to, "pid", process.pid())
            local event = process.events():receive()
            local payload = future:response():receive()
            return event.kind .. " " .. payload:data() end}""", modules=["funcs"],
                meta={"default_host": "app:host"}),
        function("cancels", """return {main = function()
            local pids = process.listen("pid")
            local future = funcs.async("app:calls", process.pid())
            process.cancel(pids:receive(), "10s")
            return future:response():receive():data() end}""", modules=["funcs"]),
    ], args=troupe.PATIENT)


def ends_with_its_child_alive(one, target, what):
    call = one.call_in_background(target, what)
    wait_for(lambda: f"{what} begins" in messages(one))
    call.kill()
    call.communicate()
    one.wait_idle(target)
    child = one.actors("app:child")
    assert len(child) == 1
    assert not [text for text in messages(one) if text.startswith(f"{what} heard")]
    one.supctl("kill", child[0]["pid"])
    wait_for(lambda: not one.actors("app:child"))


def test_F33_spawned_processes_never_follow_the_spawner(frames):
    ends_with_its_child_alive(frames, "app:leaves", "spawned")


def test_F33_exec_leaves_its_child_alive(frames):
    ends_with_its_child_alive(frames, "app:executes", "executed")


def test_F33_cancel_of_a_process_touches_no_call_of_its(frames):
    assert frames.call("app:cancels") == "pid.cancel slept"


# ---- pools


def test_F40_slots_are_what_an_entry_sees(boot):
    """Four at a time, however many processes they are spread over."""
    one = boot([held("f", pool={"type": "static", "workers": 4, "processes": 2})])
    calls = [one.call_in_background("app:f") for _ in range(6)]
    wait_for(lambda: one.pool("app:f")["n_busy"] == 4
             and one.pool("app:f")["n_queued"] == 2)
    one.release("app:f", *calls)
    for call in calls:
        call.communicate()
    assert len(one.workers("app:f")) == 2


@pytest.mark.parametrize("pool,n", [
    ({"type": "static", "workers": 3, "processes": 1}, 3),
    ({"type": "adaptive", "max_size": 8}, 1),
    ({"type": "lazy", "max_size": 8, "size": 2, "processes": 1}, 2),
    ({"type": "lazy", "max_size": 8}, 1),
])
def test_F41_warm_start_runs_the_file_at_once(boot, pool, n):
    source = 'print("loaded") return {main = function() return "ran" end}'
    one = boot([function("f", source, pool={**pool, "warm_start": True})])
    one.wait_record('"loaded"', n)
    assert one.call("app:f") == "ran"
    assert messages(one).count("loaded") == n


def test_F41_without_it_the_first_call_does(boot):
    source = 'print("loaded") return {main = function() return "ran" end}'
    one = boot([function("f", source, pool=ONE)])
    one.wait_worker("app:f")
    assert "loaded" not in messages(one)
    assert one.call("app:f") == "ran"
    assert messages(one).count("loaded") == 1


def test_F41_a_file_that_never_ends_at_a_warm_start_holds_up_no_change(boot):
    """Nor a stop: what only warms up isn't waited for."""
    def app(text):
        return [function("f", text + " return {main = function() return 1 end}",
                         pool={**ONE, "warm_start": True})]

    one = boot(app("while true do end"))
    old = one.wait_worker("app:f")[0]
    troupe.write_app(one.cwd, app(""))
    one.supctl("reload")
    assert one.call("app:f") == 1
    wait_for(lambda: not troupe.is_alive(old), what="the end of the old worker")


def test_F41_a_file_that_fails_at_a_warm_start(boot):
    one = boot([function("f", 'error("bad day", 0)', pool={**ONE, "warm_start": True})])
    one.allow("bad day")
    assert one.wait_record('"bad day|bad day"')[0]["function"] == "app:f"
    error = one.failure("app:f")
    assert error.kind == "Internal" and "bad day" in error.message


def test_F43_concurrent_calls_of_an_inline_function(boot):
    """Each on an instance of its own, in the process of who calls."""
    one = boot([function("inline", """local n = 0
        return {main = function() n = n + 1 time.sleep("100ms") return n end}""",
                         modules=["time"], pool={"type": "inline"}),
                function("both", """return {main = function()
                    local a, b = funcs.async("app:inline"), funcs.async("app:inline")
                    return {a:response():receive():data(), b:response():receive():data()}
                    end}""", modules=["funcs"])])
    assert one.call("app:both") == [1, 1]
    assert not one.workers("app:inline")
    assert one.pool("app:inline")["n_calls_done"] == 2


def test_F48_calls_that_a_removed_pool_has_accepted_are_run(boot):
    one = boot([held("gate"), function("f", """return {main = function(n)
                    return (funcs.call("app:gate", n)) end}""", modules=["funcs"], pool=ONE),
                function("remove", """return {main = function()
                    local changes = registry.snapshot():changes()
                    changes:delete("app:f")
                    local _, err = changes:apply()
                    return err == nil end}""", modules=["registry"])])
    calls = [one.call_in_background("app:f", n) for n in range(4)]
    one.wait_queued("app:f", 3)
    assert one.call("app:remove") is True
    assert one.failure("app:f", 9).message == "no handler registered for target"
    one.release("app:gate", *calls)
    assert sorted(json.loads(call.communicate(timeout=60)[0]) for call in calls) == \
        [0, 1, 2, 3]


# ---- full queues (F-48)

# One slot, one place in the queue; what comes after that is held by the caller's worker.
NARROW = {**ONE, "buffer": 1}
HOLDERS = [
    function("narrow", """return {main = function(d, n) time.sleep(d) return n end}""",
             modules=["time"], pool=NARROW),
    function("counts", """local n = 0
        return {main = function() n = n + 1 time.sleep("5ms") return n end}""",
             modules=["time"], pool=NARROW),
    {"name": "mod", "kind": "module.lua", "modules": ["time"], "pool": NARROW,
     "source": """return {double = function(n) time.sleep("5ms") return 2 * n end}"""},
    *[function(name, """local fs = {}
        return {main = function(what, n)
            if what == "start" then
                for i = 1, n do fs[i] = funcs.async("app:narrow", "500ms", i) end
            elseif what == "forget" then
                for i = 1, n do funcs.async("app:counts") end
            elseif what == "methods" then
                local sum = 0
                for i = 1, n do fs[i] = funcs.async("app:mod.double", i) end
                for i = 1, n do sum = sum + fs[i]:response():receive():data() end
                return sum
            elseif what == "late" then
                fs[1], fs[2] = funcs.async("app:narrow", "1h"), funcs.async("app:narrow", 1)
                time.sleep("1ms")
                local _, err = funcs.new():with_options({timeout = "50ms"})
                    :call("app:narrow", "1ms")
                fs[1]:cancel()
                return err:kind() .. " " .. err:message()
            elseif what == "cancel all" then
                for i = 1, n do fs[i] = funcs.async("app:narrow", "20ms", i) end
                time.sleep("5ms")
                for i = 3, n do fs[i]:cancel() end
                return fs[1]:response():receive():data() + fs[2]:response():receive():data()
            elseif what == "sum" then
                local sum = 0
                for i = 1, n do fs[i] = funcs.async("app:narrow", "1ms", i) end
                for i = 1, n do sum = sum + fs[i]:response():receive():data() end
                return sum
            end
        end}""", modules=["funcs", "time"], pool=ONE) for name in ("one", "other")],
]


@pytest.fixture(scope="module")
def holders(boot_shared):
    return boot_shared(HOLDERS)


def test_F48_a_deadline_ends_the_waiting_for_a_place(holders):
    assert holders.call("app:one", "late", timeout="20s") == \
        "Timeout function execution timed out after 50ms"


def test_F33_F48_unawaited_calls_outlive_their_caller_in_front_of_a_full_queue(holders):
    holders.call("app:one", "forget", 20)
    wait_for(lambda: holders.pool("app:counts")["n_calls_done"] == 20)
    assert holders.call("app:counts") == 21


def test_F48_methods_of_a_module_wait_for_a_place(holders):
    assert holders.call("app:one", "methods", 20, timeout="20s") == 420


def test_F48_what_was_cancelled_while_it_waited_blocks_nobody(holders):
    assert holders.call("app:one", "cancel all", 50) == 3
    assert holders.pool("app:narrow")["n_held"] == 0
    assert holders.call("app:other", "sum", 5, timeout="20s") == 15


def test_F48_a_caller_that_dies_while_it_waits_blocks_nobody(boot):
    one = boot(HOLDERS)
    one.allow("worker")
    one.call("app:one", "start", 20)
    wait_for(lambda: one.pool("app:narrow")["n_held"] >= 10)
    call = one.call_in_background("app:other", "sum", 5)
    wait_for(lambda: one.pool("app:narrow")["n_held"] >= 15)
    one.kill_worker("app:one")
    assert call.communicate(timeout=30)[0].strip() == "15"
    wait_for(lambda: one.pool("app:narrow")["n_held"] == 0)


# ---- the end of everything


def test_F48_F52_a_call_that_waits_for_its_next_attempt_hears_of_a_stop(boot):
    one = boot([function("flaky", """return {main = function()
        logger:info("failing")
        return nil, errors.new{message = "no", kind = "Unavailable"} end}""",
                         modules=["errors", "logger"],
                         meta={"options": {"retry": {"max_attempts": 2,
                                                     "max_delay": "1h",
                                                     "initial_delay": "1h"}}})])
    call = one.call_in_background("app:flaky")
    one.wait_record("failing")
    one.wait_idle("app:flaky")
    one.child.send_signal(signal.SIGTERM)
    _, err = call.communicate()
    assert json.loads(err)["error"]["message"] == "pool is closed"
    assert one.wait(troupe.SOON_S) == troupe.OK


def test_F48_SV10_calls_that_run_may_call_others_while_everything_stops(boot):
    """Those that wait in queues, too; from outside comes nothing new."""
    one = boot([function("outer", """return {main = function(n)
        if n == 0 then process.inbox():receive() end
        time.sleep("200ms")
        local value, err = funcs.call("app:inner", n)
        return err and err:message() or value end}""", modules=["funcs", "time"],
                         pool=ONE),
                function("inner", ECHO), function("lingers", """return {main = function()
                    coroutine.spawn(function() time.sleep("1h") end) end}""",
                                                  modules=["time"])])
    one.call("app:lingers")
    calls = [one.call_in_background("app:outer", 0)]
    one.wait_busy("app:outer")
    calls += [one.call_in_background("app:outer", n) for n in (1, 2)]
    one.wait_queued("app:outer", 2)
    one.release("app:outer")
    one.child.send_signal(signal.SIGTERM)
    one.wait_record('"stopping"')
    late = one.call_in_background("app:inner", 9)
    assert sorted(json.loads(call.communicate(timeout=30)[0]) for call in calls) == \
        [0, 1, 2]
    late.communicate(timeout=30)
    assert late.returncode != troupe.OK
    assert one.wait(troupe.SOON_S) == troupe.OK
