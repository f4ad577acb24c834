"""Interceptors with a supervisor of their own (F-54): pools, deaths, roots, changes."""

import json
import os

import pytest

import troupe
from interceptors import handler, interceptor, tag
from troupe import (DEATH, ECHO, ONE, function, held, host, process, service, sleeper,
                    wait_for)

INLINE = {"type": "inline"}


# ---- one instance for all


def test_F54_nobody_comes_between_in_a_shared_instance(boot):
    """Not even when a slice is over in the middle of it."""
    one = boot([function("f", ECHO),
                interceptor("i", """local n = 0
                    return {handle = function(call, next)
                        if call.args[1] == "read" then return n end
                        local before = n
                        for i = 1, 3000000 do end
                        n = before + 1
                        return next()
                    end}""", pool=INLINE)])
    calls = [one.call_in_background("app:f", 1) for _ in range(8)]
    for call in calls:
        call.communicate(timeout=60)
    assert one.call("app:f", "read") == 8


def test_F54_a_loop_in_a_shared_instance_ends_with_its_call(boot):
    one = boot([function("f", ECHO),
                interceptor("i", """local n, loops = 0, 0
                    return {handle = function(call, next)
                        n = n + 1
                        if call.args[1] == "loop" then
                            loops = loops + 1
                            while true do end
                        end
                        return {n, loops}
                    end}""", pool=INLINE)],
               args=troupe.PATIENT)
    n_calls = 0

    def was_in_its_loop():
        """A slow machine may take longer than it has to bring it there."""
        nonlocal n_calls
        assert one.failure("app:f", "loop", timeout="300ms").kind == "Timeout"
        n, loops = one.call("app:f", 1)
        n_calls += 1
        assert n == n_calls + loops, "the instance is another one"
        return loops > 0
    wait_for(was_in_its_loop)


def test_F54_a_shared_file_that_fails_to_load(boot):
    one = boot([function("f", ECHO),
                interceptor("i", 'error("bad day", 0)', pool=INLINE)])
    for _ in range(3):
        error = one.failure("app:f", 1)
        assert error.kind == "Internal"
        assert error.message == "interceptor app:i: failed to execute script: bad day"


def test_F54_a_handler_that_is_not_there_is_no_target_that_is_not(boot):
    """Who reads NotFound looks for the function that was called."""
    one = boot([function("f", ECHO), interceptor("i", "return {handel = 1}")])
    error = one.failure("app:f", 1)
    assert (error.kind, error.message) == (
        "Internal", 'interceptor app:i: method "handle" not found in module')


def test_F54_what_lingers_in_a_shared_instance(boot):
    one = boot([function("f", ECHO),
                interceptor("i", """local late = 0
                    return {handle = function(call, next)
                        coroutine.spawn(function() time.sleep("10ms")
                            late = late + 1 end)
                        return late
                    end}""", pool=INLINE)])
    for _ in range(3):
        one.call("app:f", 1)
    wait_for(lambda: one.call("app:f", 1) >= 3)


# ---- queues and sizes


def test_F48_a_full_queue_makes_intercepted_calls_wait(boot):
    one = boot([function("narrow", ECHO,
                         pool={"type": "static", "workers": 1, "buffer": 1}),
                interceptor("i", handler("return next()"), functions=["app:narrow"],
                            pool={"type": "static", "workers": 1, "buffer": 1}),
                function("many", """return {main = function(n)
                    local futures, sum = {}, 0
                    for i = 1, n do futures[i] = funcs.async("app:narrow", i) end
                    for i = 1, n do
                        sum = sum + futures[i]:response():receive():data()
                    end
                    return sum end}""", modules=["funcs"])])
    assert one.call("app:many", 2000, timeout="60s") == 2000 * 2001 // 2
    for pool in ("app:narrow", "app:i"):
        one.wait_idle(pool)
        assert one.pool(pool)["n_queued"] == 0


def test_F54_the_largest_calls_can_be_intercepted_too(boot):
    one = boot([function("f", "return {main = function(text) return #text end}"),
                interceptor("i", handler("return next()"), functions=["app:f"]),
                function("sends", """return {main = function(n)
                    local value, err = funcs.call("app:f", string.rep("x", n))
                    return value or err:kind() end}""", modules=["funcs"])])
    most = 64 * 1024 * 1024 - 256 * 1024 - 10
    assert one.call("app:sends", most, timeout="60s") == most
    assert one.call("app:sends", most + 20, timeout="60s") == "LimitExceeded"
    assert one.call("app:sends", 3) == 3


# ---- processes and roots


def test_F54_a_process_is_tried_again_inside_the_chain(boot):
    one = boot([host(),
                function("count", """local n = 0
                    return {main = function() n = n + 1 return n end}""",
                         pool=ONE),
                process("flaky", """return {main = function(least)
                    local n = funcs.call("app:count")
                    if n < least then
                        return nil, errors.new{message = "run " .. n,
                            kind = "Unavailable"}
                    end
                    return n end}""", modules=["errors", "funcs"],
                        meta={"default_host": "app:host", "options": {"retry":
                              {"max_attempts": 5, "initial_delay": 1}}}),
                interceptor("i", handler("""local value, err = next()
                    if err then return nil, err end
                    return {attempt = call.attempt, value = value}"""),
                            functions=["app:flaky"])])
    assert one.call("app:flaky", 3) == {"attempt": 3, "value": 3}


def test_F54_roots(boot):
    one = boot([
        host(),
        function("where", ECHO),
        interceptor("tells", handler("return call.root")),
        process("main", """return {main = function()
            logger:info("root", {of = "service", is = funcs.call("app:where")})
            process.spawn("app:child", "app:host")
            process.events():receive() end}""", modules=["funcs", "logger"]),
        process("child", """return {main = function()
            logger:info("root", {of = "child", is = funcs.call("app:where")})
            end}""", modules=["funcs", "logger"]),
        service("service", "app:main")])
    records = one.wait_record('"msg": "root"', 2)
    assert {r["of"]: r["is"] for r in records} == {"service": "service",
                                                  "child": "process"}
    assert one.call("app:where") == "control"


# ---- deaths


def test_F54_a_circuit_breaker_outlives_a_try_that_is_cancelled(boot):
    """That of the examples: a handler that is cancelled takes nothing back."""
    path = os.path.join(troupe.ROOT, "config/examples/circuit-breaker/src/breaker.lua")
    with open(path) as file:
        breaker = file.read()
    one = boot([
        function("far", """return {main = function(how)
            if how == "fail" then
                return nil, errors.new{message = "no", kind = "Unavailable"}
            end
            if how == "hang" then time.sleep("1h") end
            return how end}""", modules=["errors", "time"]),
        interceptor("breaker", breaker, 10, ["app:far"], pool=INLINE,
                    config={"failures": 2, "pause_ms": 20})],
        args=troupe.PATIENT)
    for _ in range(2):
        assert one.failure("app:far", "fail").message == "no"

    def tried(*args, **options):
        got = one.failure("app:far", *args, **options)
        return got.kind if "circuit is open" not in got.message else None

    assert wait_for(lambda: tried("hang", timeout="100ms")) == "Timeout"

    assert wait_for(lambda: one.try_call("app:far", "fine")) == "fine"


def test_F52_F54_attempts_go_past_an_interceptor_that_was_removed(boot):
    """What the others changed stays: arguments, options and context."""
    inside = interceptor("inside", tag("in"), 60, ["app:flaky"])
    removed = interceptor("removed", tag("removed"), 50, ["app:flaky"])
    app = [
        function("flaky", """local n = 0
            return {main = function(...)
                n = n + 1
                if n < 3 then
                    logger:info("attempt", {n = n})
                    if n == 2 then process.inbox():receive() end
                    return nil, errors.new{message = "no", kind = "Unavailable"}
                end
                return table.concat({select("#", ...), (ctx.get("who")), ...}, " ")
            end}""", modules=["errors", "logger", "ctx"], pool=ONE, meta={"options": {
                "retry": {"max_attempts": 3, "initial_delay": 1}}}),
        interceptor("outside", handler("""
            call.args = {"a", call.args[1], n = 2}
            call.context.who = "ann"
            return next()"""), 10, ["app:flaky"]), removed, inside]
    one = boot(app)
    call = one.call_in_background("app:flaky", "b")
    one.wait_record("attempt", 2)
    troupe.write_app(one.cwd, [entry for entry in app if entry is not removed])
    one.supctl("reload")
    one.release("app:flaky", call)
    out, err = call.communicate()
    assert err == "" and json.loads(out) == "in(2 ann a b)"
    assert one.supctl("status")["supervisor"]["calls_open"] == 0


def test_F54_death_of_a_handlers_worker(boot):
    one = boot([sleeper("waits"),
                interceptor("watches", handler("return next()"))])
    one.allow(DEATH)
    call = one.call_in_background("app:waits", "1h")
    one.wait_busy("app:waits")
    one.kill_worker("app:watches")
    _, err = call.communicate(timeout=60)
    assert json.loads(err)["error"]["kind"] == "Unavailable"
    one.wait_idle("app:waits")


def test_F54_death_of_the_targets_worker(boot):
    one = boot([sleeper("waits"),
                interceptor("watches", handler("""local _, err = next()
                    return err:kind()"""))])
    one.allow(DEATH)
    call = one.call_in_background("app:waits", "1h")
    one.wait_busy("app:waits")
    one.kill_worker("app:waits")
    out, _ = call.communicate(timeout=60)
    assert json.loads(out) == "Unavailable"


def test_F52_a_handlers_worker_that_dies_is_a_failed_attempt(boot):
    one = boot([held(meta={"options": {"retry": {"max_attempts": 3,
                                                 "initial_delay": 10}}}),
                interceptor("watches", handler("return next()"))])
    one.allow(DEATH)
    call = one.call_in_background("app:held", "kept")
    one.wait_busy("app:held")
    one.kill_worker("app:watches")
    one.release("app:held", call)
    out, err = call.communicate()
    assert json.loads(out) == "kept", err


# ---- load and change


def check(folder, entries):
    troupe.write_app(str(folder), entries)
    return troupe.run(troupe.SUPERVISOR, "check", "--config",
                      os.path.join(str(folder), "src"), "--state",
                      os.path.join(str(folder), "state"))


@pytest.mark.parametrize("fields,text", [
    ({"order": "first"}, "order must be an integer"),
    ({"order": 1.5}, "order must be an integer"),
    ({"match": ["app:*"]}, "match must be a map"),
    ({"match": {"functions": "app:*"}}, "match.functions must be a list of texts"),
    ({"match": {"functions": [1]}}, "match.functions must be a list of texts"),
    ({"match": {"meta": 1}}, "match.meta must be a map"),
    ({"match": {"option": ""}}, "match.option must be the name of an option"),
    ({"match": {"function": ["app:*"]}}, "did you mean functions?"),
    ({"config": []}, "config must be a map"),
    ({"source": "return {"}, "expected"),
    ({"source": ""}, "source is required"),
    ({"method": ""}, "method is required"),
    ({"pool": {"type": "endless"}}, "unknown pool type"),
])
def test_F54_wrong_entries_are_told(tmp_path, fields, text):
    done = check(tmp_path, [{**interceptor("i", handler("return next()")), **fields}])
    output = done.stdout + done.stderr
    assert done.returncode == troupe.BAD_CONFIG
    assert text in output
    assert "_index.json:" in output


def test_F54_changes_at_run_time(boot):
    one = boot([
        function("echo", ECHO), held("gate"),
        function("change", """return {main = function(op, id, source, order)
            local changes = registry.snapshot():changes()
            local entry = {id = id, kind = "interceptor.lua", data = {source = source,
                method = "handle", order = order, modules = {"funcs"},
                match = {functions = {"app:echo"}}}}
            if op == "delete" then changes:delete(id) else changes[op](changes, entry) end
            local version, err = changes:apply()
            return version ~= nil, err
        end}""", modules=["registry"])])
    assert one.call("app:echo", 1) == 1
    assert one.call("app:change", "create", "app:one", tag("one"), 1)
    assert one.call("app:echo", 1) == "one(1)"
    assert one.call("app:change", "create", "app:two", tag("two"), 2)
    assert one.call("app:echo", 1) == "one(two(1))"
    assert one.call("app:change", "update", "app:one", tag("uno"), 3)
    wait_for(lambda: one.call("app:echo", 1) == "two(uno(1))")
    assert one.call("app:change", "create", "app:waits", handler(
        'local value = next() funcs.call("app:gate") return "w" .. value'), 0)
    call = one.call_in_background("app:echo", 1)
    one.wait_busy("app:waits")
    assert one.call("app:change", "delete", "app:waits", "", 0)
    assert one.call("app:echo", 1) == "two(uno(1))"
    one.release("app:gate", call)
    assert json.loads(call.communicate(timeout=60)[0]) == "wtwo(uno(1))"
    one.call("app:change", "delete", "app:two", "", 0)
    assert one.call("app:echo", 1) == "uno(1)"
    one.call("app:change", "delete", "app:one", "", 0)
    assert one.call("app:echo", 1) == 1
