"""Interceptors around calls (F-50, F-54): what handlers see, change and can break."""

import pytest

from interceptors import ALL, handler, interceptor, tag
from troupe import ECHO, ONE, PATIENT, function, held, host, process, wait_for

# A call through a function: what comes, in a form that JSON has.
CALLER = """return {main = function(target, ...)
    local value, err = funcs.call(target, ...)
    if err then return {kind = err:kind(), message = err:message(),
        retryable = err:retryable()} end
    return {value = value} end}"""
INLINE = {"type": "inline"}

APP = [
    host(),
    function("plain", ECHO),
    function("caller", CALLER, modules=["funcs"]),

    # The order: lower is outside, ties by id.
    function("ordered", ECHO, meta={"ordered": True, "level": 3}),
    interceptor("c", tag("c"), 70, match={"meta": {"ordered": True}}),
    interceptor("a", tag("a"), -5, match={"meta": {"ordered": True, "level": 3}}),
    interceptor("b2", tag("b2"), match={"meta": {"ordered": True}}),
    interceptor("b1", tag("b1"), match={"meta": {"ordered": True}}),
    interceptor("other", tag("other"), match={"meta": {"ordered": False}}),

    # What a handler is told.
    function("told", ECHO, meta={"comment": "x", "options": {"color": "red", "n": 3}}),
    function("told.too", ECHO),
    interceptor("teller", handler("""
        if call.args[1] == "pass" then return next() end
        return {id = call.id, caller = call.caller, root = call.root,
            attempt = call.attempt, args = call.args, options = call.options,
            context = call.context, meta = call.meta, config = call.config,
            option = call.option}"""), functions=["app:told.*"],
                config={"depth": {"x": [1, 2]}}),
    process("asks", """return {main = function(...)
        return funcs.call("app:told", ...) end}""", modules=["funcs"],
            meta={"default_host": "app:host"}),
    function("with_options", """return {main = function(options, target, ...)
        local value, err = funcs.new():with_options(options)
            :with_context({a = {1, 2}, b = "x"}):call(target, ...)
        if err then return {kind = err:kind(), message = err:message()} end
        return {value = value} end}""", modules=["funcs"]),

    # match.option
    function("optional", ECHO),
    interceptor("option", handler("""return {option = call.option, value = next()}"""),
                match={"functions": ["app:optional"], "option": "wrap"}),

    # What a handler may change.
    function("changed", """return {main = function(...)
        return {n = select("#", ...), args = {...}, context = ctx.all()} end}""",
             modules=["ctx"]),
    interceptor("changer", handler("""
        local what = call.args[1]
        if what == "args" then
            call.args[1] = "new"
            call.args.n = 3
        elseif what == "table" then
            call.args = {1, 2}
        elseif what == "copy" then
            return next({args = {"copy", n = 2}})
        elseif what == "context" then
            call.context.added = {x = 1}
            call.context.a = nil
        elseif what == "shared" then
            local t = {1}
            call.args = {t, {t, t}}
        elseif what == "bad args" then
            call.args = 3
        elseif what == "too many" then
            call.args = {n = 100000}
        elseif what == "bad call" then
            return next("x")
        elseif what == "short" then
            return "instead"
        elseif what == "twice" then
            return {next().n, next({args = {}}).n}
        elseif what == "frozen" then
            return next(table.freeze({args = table.freeze({"cold"})}))
        elseif what == "side by side" then
            local ch = channel.new(2)
            for i = 1, 2 do
                coroutine.spawn(function() ch:send(next({args = {i, i}}).args[2]) end)
            end
            return ch:receive() + ch:receive()
        elseif what == "late" then
            coroutine.spawn(function()
                time.sleep("50ms")
                local _, err = next()
                logger:info("late", {kind = err:kind(), message = err:message(),
                    retryable = err:retryable()})
            end)
            return "early"
        elseif what == "lost" then
            coroutine.spawn(function() next() end)
            return "answered"
        end
        return next()"""), functions=["app:changed"], modules=[*ALL, "channel"]),

    # Errors.
    function("fails", """return {main = function(kind)
        return nil, errors.new{message = "no", kind = kind, retryable = true,
            details = {x = 1}} end}""", modules=["errors"]),
    interceptor("passes", handler("return next()"), 1, ["app:fails"]),
    interceptor("breaks", handler("""
        local how = call.args[1]
        if how == "raise" then error("broken") end
        if how == "object" then error(errors.new{message = "x", kind = "Conflict"}) end
        if how == "text" then return 1, "a text" end
        if how == "false" then return false end
        if how == "nothing" then return end
        if how == "turn" then
            local _, err = next({args = {"NotFound"}})
            return "was " .. err:kind()
        end
        while how == "loop" do end
        return next()"""), 2, ["app:broken", "app:fails"]),
    function("broken", ECHO),

    # Retries: at order 20.
    function("flaky", """local runs = {}
        return {main = function(key, least)
            runs[key] = (runs[key] or 0) + 1
            if runs[key] < least then
                return nil, errors.new{message = "run " .. runs[key],
                    kind = "Unavailable"}
            end
            return runs[key]
        end}""", modules=["errors"], pool=ONE,
             meta={"options": {"retry": {"max_attempts": 4, "initial_delay": 1}}}),
    interceptor("outside", handler("""logger:info("outside", {key = call.args[1],
        attempt = call.attempt}) return next()"""), 19, ["app:flaky"]),
    interceptor("inside", handler("""logger:info("inside", {key = call.args[1],
        attempt = call.attempt}) return next()"""), 20, ["app:flaky"]),
    function("impatient", """local n = 0
        return {main = function() n = n + 1
            return nil, errors.new{message = "run " .. n, kind = "Unavailable"}
        end}""", modules=["errors"], pool=ONE),
    interceptor("insists", handler("""
        call.options.retry = {max_attempts = 3, initial_delay = 1}
        return next()"""), 1, ["app:impatient"]),

    # A handler's own calls.
    function("logged", """return {main = function(x)
        return funcs.call("app:deeper", x) end}""", modules=["funcs"]),
    function("deeper", """return {main = function(x) return x .. "!" end}"""),
    function("audit", """return {main = function(x)
        return funcs.call("app:deeper", "audit") end}""", modules=["funcs"]),
    interceptor("auditor", handler("""
        local note = funcs.call("app:audit", call.id)
        return "[" .. note .. ":" .. tostring(next()) .. "]" """), 30,
                ["app:logged", "app:deeper", "app:audit"]),
    interceptor("inner", tag("in"), 40, ["app:deeper"]),

    # Who isn't part of a call stands around what its handlers call.
    function("two_ways", ECHO),
    interceptor("rare", handler("return {rare = next()}"), 1,
                match={"functions": ["app:two_ways"], "option": "rare"}),
    interceptor("calls_rare", handler("""
        if call.args[1] ~= "again" then return next() end
        return {funcs.new():with_options({rare = true}):call("app:two_ways", "x")}"""),
                2, ["app:two_ways"]),

    # In whose name.
    function("who", """return {main = function()
        local actor = security.actor()
        return actor and actor:id() end}""", modules=["security"]),
    interceptor("asks_who", handler("""
        call.context.seen = true
        local actor = security.actor()
        return {handler = actor and actor:id(), target = next()}"""),
                functions=["app:who"], modules=["security"]),
    function("as_ann", """return {main = function()
        return funcs.new():with_actor(security.new_actor("ann")):call("app:who")
        end}""", modules=["funcs", "security"]),

    # One instance for all.
    function("counted", ECHO),
    interceptor("counter", """local n = 0
        total = 0
        return {handle = function(call, next)
            n = n + 1
            total = total + 1
            if call.args[1] == "read" then return {n = n, total = total} end
            return next()
        end}""", functions=["app:counted"], pool=INLINE),

    # Targets of every form.
    function("in_caller", "return {main = function() return process.pid() end}",
             pool=INLINE),
    interceptor("around", handler("return {via = call.id, value = next()}"),
                functions=["app:in_caller", "app:mod.*", "app:proc"]),
    {"name": "mod", "kind": "module.lua",
     "source": "return {double = function(n) return 2 * n end}"},
    process("proc", "return {main = function(n) return n + 1 end}",
            meta={"default_host": "app:host"}),

    # Recursion deeper than there are slots.
    function("deep", """return {main = function(n)
        if n == 0 then return 0 end
        local value, err = funcs.call("app:deep", n - 1)
        return value and value + 1, err end}""", modules=["funcs"]),
    interceptor("narrow", handler("return next()"), functions=["app:deep"],
                pool=ONE),

    # Time.
    function("slow", "return {main = function(d) time.sleep(d) return d end}",
             modules=["time"]),
    interceptor("limits", handler("""
        call.options.timeout = "50ms"
        local _, err = next()
        return err:kind() .. ": " .. err:message()"""), functions=["app:slow"]),
    function("waits", """return {main = function()
        logger:info("waits", {pid = process.pid()})
        time.sleep("1h") end}""", modules=["time", "logger"]),
    interceptor("watches", handler("return next()"), functions=["app:waits"]),

    process("spawner", """return {main = function()
        return process.spawn("app:child", "app:host") end}"""),
]


@pytest.fixture(scope="module")
def shared(boot_shared):
    return boot_shared(APP, args=PATIENT)


# ---- place in the chain


def test_F50_order_then_id(shared):
    assert shared.call("app:ordered", "x") == "a(b1(b2(c(x))))"
    got = shared.call("app:caller", "app:ordered", "x")
    assert got == {"value": "a(b1(b2(c(x))))"}


def test_F50_no_interceptor_direct_call(shared):
    assert shared.call("app:plain", 7) == 7


def test_F50_unknown_targets_come_before_the_chain(shared):
    assert shared.failure("app:nobody").message == "no handler registered for target"


def test_F54_interceptors_are_no_targets(shared):
    error = shared.failure("app:a", 1)
    assert (error.kind, error.message) == ("NotFound", "no handler registered for target")
    assert shared.call("app:caller", "app:counter")["kind"] == "NotFound"
    assert shared.failure("@next.100000001").kind == "Invalid"
    assert shared.failure("@next.x").kind == "Invalid"


# ---- what a handler is told


def test_F54_the_fields_of_a_call(shared):
    got = shared.call("app:told", 1, None, {"x": [1]})
    assert got == {
        "id": "app:told", "root": "control", "attempt": 1,
        "args": {"1": 1, "3": {"x": [1]}, "n": 3},
        "options": {"color": "red", "n": 3}, "context": {}, "config": {"depth": {"x": [1, 2]}},
        "meta": {"comment": "x", "options": {"color": "red", "n": 3}}}


def test_F54_options_context_and_caller(shared):
    got = shared.call("app:with_options", {"n": 4, "m": [1, 2]}, "app:told")["value"]
    assert got["options"] == {"color": "red", "n": 4, "m": [1, 2]}
    assert got["context"] == {"a": [1, 2], "b": "x"}
    assert got["caller"] == "app:with_options"
    assert got["root"] == "control"
    assert got["args"] == {"n": 0}


def test_F54_a_process_is_caller_and_part_of_its_callers_chain(shared):
    got = shared.call("app:asks")
    assert (got["caller"], got["root"]) == ("app:asks", "control")


def test_F54_patterns(shared):
    assert shared.call("app:told.too", 1)["id"] == "app:told.too"
    assert shared.call("app:told.too", "pass") == "pass"


def test_F54_match_option(shared):
    assert shared.call("app:optional", 1) == 1
    got = shared.call("app:with_options", {"wrap": {"x": 1}}, "app:optional", 2)
    assert got["value"] == {"option": {"x": 1}, "value": 2}


# ---- what a handler may change


def test_F54_arguments(shared):
    assert shared.call("app:changed", 1, 2) == {"n": 2, "args": [1, 2], "context": {}}
    got = shared.call("app:changed", "args", 2)
    assert (got["n"], got["args"]) == (3, ["new", 2])
    assert shared.call("app:changed", "table")["args"] == [1, 2]
    got = shared.call("app:changed", "copy", 5)
    assert (got["n"], got["args"]) == (2, ["copy"])
    assert shared.call("app:changed", "frozen")["args"] == ["cold"]
    got = shared.call("app:changed", "shared", 1)["args"]
    assert got == [[1], [[1], [1]]]


def test_F54_context(shared):
    got = shared.call("app:with_options", {}, "app:changed", "context")["value"]
    assert got["context"] == {"added": {"x": 1}, "b": "x"}
    got = shared.call("app:with_options", {}, "app:changed", 1)["value"]
    assert got["context"] == {"a": [1, 2], "b": "x"}


def test_F54_next_zero_one_or_many_times(shared):
    assert shared.call("app:changed", "short") == "instead"
    assert shared.call("app:changed", "twice", 1) == [2, 0]
    assert shared.call("app:changed", "side by side") == 3


def test_F54_wrong_arguments_are_the_handlers_error(shared):
    for how, text in (("bad args", "call.args must be a table"),
                      ("too many", "call.args has too many items"),
                      ("bad call", "table expected")):
        error = shared.failure("app:changed", how)
        assert error.kind == "Internal" and text in error.message


def test_F54_next_after_the_handler_has_returned(shared):
    assert shared.call("app:changed", "late") == "early"
    record = shared.wait_record('"late"')[0]
    assert record["kind"] == "Invalid" and record["retryable"] is False
    assert record["message"] == "next() was called after its handler had returned"
    assert shared.call("app:changed", "lost") == "answered"
    assert shared.call("app:changed", 1)["n"] == 1


# ---- results and errors


def test_F54_results_follow_F21(shared):
    assert shared.call("app:broken", "false") is False
    assert shared.call("app:broken", "nothing") is None
    error = shared.failure("app:broken", "text")
    assert (error.kind, error.message, error.error["retryable"]) == (
        "Internal", "a text", False)


def test_F54_errors_pass_through_every_handler(shared):
    error = shared.failure("app:fails", "Conflict").error
    assert error == {"kind": "Conflict", "message": "no", "retryable": True,
                     "details": {"x": 1}}
    assert shared.call("app:fails", "turn") == "was NotFound"


def test_F54_a_handler_that_raises_fails_its_call_only(shared):
    error = shared.failure("app:broken", "raise")
    assert error.kind == "Internal" and "broken" in error.message
    assert shared.failure("app:broken", "object").kind == "Conflict"
    assert shared.call("app:broken", 1) == 1


def test_F54_a_handler_that_never_ends(shared):
    error = shared.failure("app:broken", "loop", timeout="200ms")
    assert error.kind == "Timeout"
    shared.wait_idle("app:breaks")
    assert shared.call("app:broken", 1) == 1


# ---- retries


def attempts(one, name, key):
    return [r["attempt"] for r in one.records()
            if r["msg"] == name and r.get("key") == key]


def test_F50_retry_stands_at_order_20(shared):
    assert shared.call("app:flaky", "k", 3) == 3
    shared.wait_record('"inside".*"k"|"k".*"inside"', 3)
    assert attempts(shared, "outside", "k") == [1]
    assert attempts(shared, "inside", "k") == [1, 2, 3]


def test_F52_the_last_error_of_a_chain(shared):
    error = shared.failure("app:flaky", "m", 99)
    assert (error.kind, error.message) == ("Unavailable", "run 4")


def test_F54_options_that_a_handler_sets_count(shared):
    assert shared.failure("app:impatient").message == "run 3"


# ---- a handler's own calls


def test_F54_a_handlers_calls_skip_what_they_are_below_of(shared):
    # logged and deeper are audited; the audit's own calls are not, but `inner`, which
    # the auditor isn't below of, stands around them.
    assert shared.call("app:logged", "x") == \
        "[in(audit!):[in(audit!):in(x!)]]"


def test_F54_only_active_interceptors_are_skipped(shared):
    assert shared.call("app:two_ways", "again") == [{"rare": "x"}]


def test_F54_handlers_act_as_the_caller(shared):
    assert shared.call("app:as_ann") == {"handler": "ann", "target": "ann"}
    assert shared.call("app:who") == {}


def test_F54_the_calls_of_a_target_meet_every_interceptor_again(shared):
    assert shared.call("app:deep", 30) == 30


def test_F54_many_at_once_through_one_slot(shared):
    calls = [shared.call_in_background("app:deep", 5) for _ in range(8)]
    for call in calls:
        out, err = call.communicate(timeout=60)
        assert out.strip() == "5", err


# ---- pools


def test_F54_a_handler_that_waits_for_next_is_one_call_of_its_pool(shared):
    before = shared.pool("app:teller")["n_calls_done"]
    for _ in range(3):
        shared.call("app:told", "pass")
    assert shared.pool("app:teller")["n_calls_done"] == before + 3


def test_F54_an_inline_interceptor_has_one_instance(shared):
    for _ in range(5):
        shared.call("app:counted", 1)
    calls = [shared.call_in_background("app:counted", 1) for _ in range(8)]
    for call in calls:
        call.communicate(timeout=60)
    assert shared.call("app:counted", "read") == {"n": 14, "total": 14}
    assert shared.pool("app:counter")["kind"] == "static"


def test_F48_a_full_queue_behind_an_interceptor(boot):
    """Calls from outside are refused as without one, those of the app wait."""
    one = boot([
        held("f", pool={"type": "static", "workers": 1, "buffer": 2}),
        interceptor("around", handler("return next()"), functions=["app:f"]),
        function("fan", """return {main = function(n)
            local futures, sum = {}, 0
            for i = 1, n do futures[i] = funcs.async("app:f", 1) end
            for i = 1, n do sum = sum + futures[i]:response():receive():data() end
            return sum end}""", modules=["funcs"])])
    calls = [one.call_in_background("app:f") for _ in range(3)]
    wait_for(lambda: one.pool("app:f")["n_busy"] == 1
             and one.pool("app:f")["n_queued"] == 2)
    assert one.failure("app:f").kind == "RateLimited"
    fan = one.call_in_background("app:fan", 6)
    wait_for(lambda: one.pool("app:f")["n_queued"] == 8)
    assert one.failure("app:f").kind == "RateLimited"
    one.release("app:f", *calls, fan)
    assert fan.communicate()[0].strip() == "6"
    assert [call.communicate()[1] for call in calls] == [""] * 3


# ---- targets of every form


def test_F54_inline_functions_run_where_the_caller_is(shared):
    got = shared.call("app:in_caller")
    assert got["via"] == "app:in_caller" and got["value"].startswith("{app:in_caller|")
    direct = shared.call("app:caller", "app:in_caller")["value"]["value"]
    assert direct.startswith("{app:in_caller|")


def test_F54_methods_of_modules_and_processes(shared):
    assert shared.call("app:mod.double", 4) == {"via": "app:mod.double", "value": 8}
    assert shared.call("app:proc", 4) == {"via": "app:proc", "value": 5}


# ---- time and cancellation


def test_F54_a_timeout_that_a_handler_sets(shared):
    assert shared.call("app:slow", "1h") == \
        "Timeout: function execution timed out after 50ms"


def test_F54_the_callers_deadline_covers_the_chain(shared):
    error = shared.failure("app:waits", timeout="200ms")
    assert error.kind == "Timeout"
    for entry in ("app:watches", "app:waits"):
        shared.wait_idle(entry)


def test_F33_cancel_goes_along_the_chain(shared):
    call = shared.call_in_background("app:waits")
    shared.wait_busy("app:waits")
    call.kill()
    call.communicate()
    for entry in ("app:watches", "app:waits"):
        shared.wait_idle(entry)
    wait_for(lambda: shared.supctl("status")["supervisor"]["calls_open"] == 0)
