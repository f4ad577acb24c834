"""Options of calls: retry, timeout (F-15, F-34, F-51, F-52); processes called like
functions (F-6, PM-6b)."""

import json
import re

import pytest

import troupe
from troupe import ONE, PATIENT, function, host, process, wait_for

# Fails until its n-th run, as long as this one process of the pool lives.
FLAKY = """
local runs = 0
return {main = function(n, kind, retryable)
    runs = runs + 1
    if runs < n then
        return nil, errors.new{message = "run " .. runs, kind = kind or "Unavailable",
            retryable = retryable}
    end
    return runs
end}"""

# funcs.call with with_options(options); gives what a test looks at.
CALLER = """
return {main = function(target, options, ...)
    local value, err = funcs.new():with_options(options):call(target, ...)
    if err then
        return {kind = err:kind(), message = err:message(), retryable = err:retryable()}
    end
    return {value = value}
end}"""

FAST = {"max_attempts": 5, "initial_delay": 1}


def flaky(name, **options):
    return function(name, FLAKY, modules=["errors"], pool=ONE,
                    meta={"options": options})


@pytest.fixture(scope="module")
def shared(boot_shared):
    return boot_shared([
        host(),
        flaky("plain"),
        flaky("patient", retry=FAST),
        flaky("twice", retry={**FAST, "max_attempts": 2}),
        flaky("overlaid", retry=FAST),
        flaky("picky", retry={**FAST, "retry_kinds": ["Conflict"]}),
        flaky("skips", retry={**FAST, "skip_kinds": "Unavailable"}),
        flaky("listed", retry={**FAST, "retry_kinds": "Internal"}),
        flaky("no"),
        flaky("inline_like", retry=FAST),
        {**flaky("inline", retry=FAST), "pool": {"type": "inline"}},
        function("fails_late", 'return {main = function() error("late") end}',
                 meta={"options": {"retry": FAST}}),
        function("sleep", "return {main = function(d) time.sleep(d) return d end}",
                 modules=["time"], pool=ONE),
        function("limited", "return {main = function(d) time.sleep(d) return d end}",
                 modules=["time"], pool=ONE, meta={"options": {"timeout": "50ms"}}),
        function("never", """return {main = function()
            return nil, errors.new{message = "no", kind = "Unavailable"} end}""",
                 modules=["errors"],
                 meta={"options": {"retry": {"max_attempts": 9, "initial_delay": "1h",
                                             "max_delay": "1h"}}}),
        function("caller", CALLER, modules=["funcs"]),
        function("nested", """return {main = function(target, ...)
            local _, err = funcs.call(target, ...)
            return err and err:kind() .. ": " .. err:message() end}""",
                 modules=["funcs"], pool={"type": "static", "workers": 2}),
        # What of the options a call hands on to those it makes itself: nothing.
        function("inherits", """return {main = function()
            local value, err = funcs.call("app:no", 3)
            return err and err:message() or value end}""", modules=["funcs"]),
        process("worker", """return {main = function(what, ...)
            if what == "sum" then
                local n = 0
                for _, x in ipairs{...} do n = n + x end
                return n
            elseif what == "context" then
                return ctx.get(...)
            elseif what == "nothing" then
                return
            elseif what == "wait" then
                local event = process.events():receive()
                logger:info("heard", {pid = process.pid(), kind = event.kind,
                    reason = event.reason or event.result and event.result.reason})
                process.events():receive()
            end
            return nil, errors.new{message = "refused", kind = "Conflict",
                retryable = false}
        end}""", modules=["errors", "ctx", "logger"],
                meta={"default_host": "app:host"}),
        process("preferred", "return {main = function() return process.pid() end}",
                meta={"default_host": "app:nowhere", "options": {"default_host": "host"}}),
        process("homeless", "return {main = function() end}",
                meta={"default_host": "app:nowhere"}),
        function("count", """local n = 0
            return {main = function() n = n + 1 return n end}""", pool=ONE),
        process("flaky_process", """return {main = function(least)
            local n = funcs.call("app:count")
            if n < least then
                return nil, errors.new{message = "run " .. n, kind = "Unavailable"}
            end
            return process.pid()
        end}""", modules=["errors", "funcs"],
                meta={"default_host": "app:host", "options": {"retry": FAST}}),
        process("holder", """return {main = function()
            process.events():receive() end}"""),
    ], args=PATIENT)


# ---- retry


def test_F52_a_call_is_tried_until_it_succeeds(shared):
    assert shared.call("app:patient", 4) == 4


def test_F52_the_last_error_comes_when_attempts_are_used_up(shared):
    error = shared.failure("app:twice", 99)
    assert (error.kind, error.message) == ("Unavailable", "run 2")


def test_F52_without_the_option_there_is_one_attempt(shared):
    assert shared.failure("app:plain", 99).message == "run 1"


def test_F15_with_options_replaces_the_whole_retry_table(shared):
    got = shared.call("app:caller", "app:overlaid",
                      {"retry": {"max_attempts": 2, "initial_delay": 1}}, 99)
    assert got["message"] == "run 2"
    got = shared.call("app:caller", "app:overlaid", {"retry": {}}, 99)
    assert got["message"] == "run 3"
    assert shared.call("app:caller", "app:overlaid", {"priority": 3}, 6)["value"] == 6


def test_F15_options_are_not_inherited(shared):
    got = shared.call("app:caller", "app:inherits", {"retry": FAST})
    assert got["value"] == "run 1"


def test_F52_kinds(shared):
    assert shared.failure("app:picky", 99).message == "run 1"
    assert shared.failure("app:picky", 99, "Conflict").message == "run 6"
    assert shared.failure("app:skips", 99).message == "run 1"
    assert shared.failure("app:listed", 99, "Internal").message == "run 5"


def test_F52_an_error_that_says_no_is_final(shared):
    assert shared.failure("app:inline_like", 99, "Unavailable", False).message == "run 1"
    assert "late" in shared.failure("app:fails_late").message


def test_F52_inline_functions_too(shared):
    assert shared.call("app:inline", 3) == 3
    assert shared.call("app:caller", "app:inline", {}, 3)["value"] == 3


def test_F33_cancel_ends_the_waiting(shared):
    before = shared.pool("app:never")["n_calls_done"]
    call = shared.call_in_background("app:never")
    wait_for(lambda: shared.pool("app:never")["n_calls_done"] > before)
    assert shared.supctl("status")["supervisor"]["calls_open"] > 0
    call.kill()
    call.communicate()
    wait_for(lambda: shared.supctl("status")["supervisor"]["calls_open"] == 0)


def test_F34_a_deadline_ends_the_waiting(shared):
    error = shared.failure("app:never", timeout="100ms")
    assert error.kind == "Timeout"
    told = re.fullmatch(r"function execution timed out after (\d+)ms", error.message)
    # A client sends the moment when its patience ends: what was left of it is known.
    assert told and int(told[1]) <= 100


def test_a_worker_that_dies_is_a_failed_attempt(boot):
    one = boot([function("sleep", """return {main = function(d)
        time.sleep(d) return d end}""", modules=["time"], pool=ONE,
                         meta={"options": {"retry": {"max_attempts": 3,
                                                     "initial_delay": 10}}})])
    one.allow("worker died|was killed|killing a worker")
    call = one.call_in_background("app:sleep", "2s")
    wait_for(lambda: one.pool("app:sleep")["n_busy"] > 0)
    one.kill_worker("app:sleep")
    out, err = call.communicate(timeout=60)
    assert json.loads(out) == "2s", err


# ---- timeout


def test_F34_timeout_of_the_entry(shared):
    error = shared.failure("app:limited", "1h")
    assert (error.kind, error.message) == ("Timeout",
                                           "function execution timed out after 50ms")
    assert error.error["retryable"] is True
    # A slow machine may need longer than it has, now and then.
    wait_for(lambda: shared.try_call("app:limited", "1ms") == "1ms")


@pytest.mark.parametrize("timeout,text", [(20, "20ms"), ("30ms", "30ms"), (20.5, "21ms")])
def test_F34_timeout_of_the_caller(shared, timeout, text):
    got = shared.call("app:caller", "app:sleep", {"timeout": timeout}, "1h")
    assert got == {"kind": "Timeout", "retryable": True,
                   "message": f"function execution timed out after {text}"}


@pytest.mark.parametrize("timeout", [0, -1, "soon", True])
def test_F34_what_is_no_timeout_means_none(shared, timeout):
    got = shared.call("app:caller", "app:limited", {"timeout": timeout}, "100ms")
    assert got == {"value": "100ms"}


def test_F34_nested_calls_inherit_the_earlier_deadline(shared):
    error = shared.failure("app:nested", "app:nested", "app:sleep", "1h", timeout="50ms")
    assert error.kind == "Timeout"
    shared.wait_idle("app:sleep")
    assert shared.call("app:sleep", "1ms") == "1ms"


def test_F34_covers_all_attempts(shared):
    got = shared.call("app:caller", "app:never",
                      {"timeout": "80ms", "retry": {"max_attempts": 1000000,
                                                    "initial_delay": 5, "max_delay": 5}})
    assert got["message"] == "function execution timed out after 80ms"


# ---- processes


def test_F6_a_process_with_a_default_host_is_callable(shared):
    assert shared.call("app:worker", "sum", 1, 2, 3) == 6
    assert shared.call("app:worker", "nothing") is None
    assert shared.call("app:preferred").startswith("{app:host|")


def test_F6_its_error_is_the_calls_error(shared):
    error = shared.failure("app:worker", "fail")
    assert (error.kind, error.message) == ("Conflict", "refused")


def test_F6_no_host_no_call(shared):
    for target in ("app:homeless", "app:holder", "app:host", "app:none"):
        assert shared.failure(target).message == "no handler registered for target"


def test_F6_retry_starts_another_one(shared):
    assert shared.call("app:flaky_process", 3).startswith("{app:host|")
    assert shared.call("app:count") == 4


def test_PM6b_a_caller_that_gives_up_leaves_the_process(shared):
    def gave_up():
        """After the process was there, which takes its time."""
        assert shared.failure("app:worker", "wait", timeout="300ms").kind == "Timeout"
        return shared.actors("app:worker")
    rows = wait_for(gave_up)
    heard = json.dumps(shared.wait_record('"heard"'))
    assert "caller context canceled" in heard
    assert "pid.cancel" in heard
    for row in rows:
        shared.supctl("kill", row["pid"])


def test_PM6b_death_of_the_hosts_worker(boot):
    one = boot([host(), process("waits", """return {main = function()
        process.events():receive() end}""", meta={"default_host": "app:host"})])
    one.allow("worker died|was killed|killing a worker")
    call = one.call_in_background("app:waits")
    wait_for(lambda: one.actors("app:waits"))
    for pid in one.wait_worker("app:host"):
        troupe.os.kill(pid, 9)
    _, err = call.communicate(timeout=60)
    assert json.loads(err)["error"]["kind"] == "Unavailable"
