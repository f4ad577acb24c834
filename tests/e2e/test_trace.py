"""Where the time of a request went: traces through calls and processes (F-53)."""

import json
import os
import re
import signal

import pytest

import troupe
from troupe import IDLE, SupctlError, function, host, process, wait_for

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"

APP = [
    host(),
    function("leaf", "return {main = function(x) return x end}"),
    function("inline", "return {main = function(x) return x end}",
             pool={"type": "inline"}),
    function("slow", """return {main = function() time.sleep("20ms") return 1 end}""",
             modules=["time"], pool={"type": "static", "size": 1}),
    function("fails", """return {main = function()
        return nil, errors.new({message = "not today", kind = errors.CONFLICT}) end}""",
             modules=["errors"]),
    function("tree", """return {main = function()
        local a = funcs.call("app:leaf", 1)
        local b = funcs.call("app:inline", 2)
        funcs.call("app:fails")
        return {a, b} end}""", modules=["funcs"]),
    function("fans_out", """return {main = function(n)
        local futures = {}
        for i = 1, n do futures[i] = funcs.async("app:slow") end
        for i = 1, n do futures[i]:response():receive() end
        return n end}""", modules=["funcs"]),
    function("spawns", """return {main = function(entry)
        local pid = process.spawn_monitored(entry, "app:host")
        local event = process.events():receive()
        return {pid = pid, kind = event.kind} end}"""),
    function("spawns_and_leaves", """return {main = function(entry)
        return process.spawn(entry, "app:host") end}"""),
    process("worker", """return {main = function()
        funcs.call("app:leaf", 1)
        process.spawn("app:child", "app:host")
        return 7 end}""", modules=["funcs"], meta={"default_host": "app:host"}),
    process("child", "return {main = function() return 1 end}"),
    process("broken", "return {main = function() error('fell over') end}"),
    process("stays", IDLE),
    function("own", """return {main = function()
        local value, err = ctx.get("traceparent")
        return {value = value, err = err and err:kind()} end}""", modules=["ctx"]),
    function("joins", """return {main = function(parent, target)
        return funcs.new():with_context({traceparent = parent, other = 1})
            :call(target) end}""", modules=["funcs"]),
    function("retried", """local n = 0
        return {main = function()
        n = n + 1
        if n < 3 then return nil, errors.new({message = "again",
            kind = errors.UNAVAILABLE, retryable = true}) end
        return n end}""", modules=["errors"],
             pool={"type": "static", "size": 1},
             meta={"options": {"retry": {"max_attempts": 3, "initial_delay": 1}}}),
    {"name": "other", "kind": "process.host", "lifecycle": {"auto_start": True}},
    function("start", """return {main = function(entry, on, name)
        return process.spawn(entry, on, name) end}"""),
    function("asks", """return {main = function(name, text)
        local answers = process.listen("answer")
        process.send(name, "question", text)
        return (answers:receive()) end}"""),
    function("tells", """return {main = function(name, topic, ...)
        local ok, err = process.send(name, topic, ...)
        return {ok = ok, err = err and tostring(err)} end}"""),
    process("server", """return {main = function(name)
        process.registry.register(name)
        local inbox, events = process.inbox(), process.events()
        while true do
            local got = channel.select{inbox:case_receive(), events:case_receive()}
            if got.channel == events then return end
            local message = got.value
            if message:topic() == "question" then
                local text = message:payload():data()
                local trace = ctx.get("traceparent")
                local got = funcs.call("app:leaf", text)
                process.send(message:from(), "answer", {got, trace})
            elseif message:topic() == "fall" then
                error("fell over")
            elseif message:topic() == "spin" then
                while true do end
            elseif message:topic() == "both" then
                coroutine.spawn(function()
                    time.sleep("30ms")
                    funcs.call("app:leaf", "late")
                end)
            else
                funcs.call("app:leaf", message:topic())
            end
        end end}""", modules=["funcs", "ctx", "time"]),
    process("relay", """return {main = function(name, to)
        process.registry.register(name)
        local inbox, events = process.inbox(), process.events()
        while true do
            local got = channel.select{inbox:case_receive(), events:case_receive()}
            if got.channel == events then return end
            process.send(to, "work", 1)
        end end}"""),
    {"name": "around", "kind": "interceptor.lua", "method": "handle",
     "match": {"functions": ["app:leaf"]},
     "source": "return {handle = function(call, next) return next() end}"},
]


@pytest.fixture(scope="module")
def running(boot_shared):
    return boot_shared([entry for entry in APP if entry["kind"] != "interceptor.lua"])


def traced(one, target, *args):
    """Calls in a trace; returns its id and what came back."""
    done = one.run_supctl("call", "--trace", target, *map(json.dumps, args))
    match = re.match(r"trace ([0-9a-f]{32})\n", done.stderr)
    assert match, done.stderr
    return match[1], json.loads(done.stdout) if done.returncode == 0 else None


def spans_of(one, trace, ended=None):
    """Its spans by name; waits until so many have ended."""
    def there():
        try:
            spans = one.supctl("trace", trace)
        except SupctlError:
            return None
        if ended is None or sum(1 for s in spans if s["status"] != "open") >= ended:
            return spans
        return None
    spans = wait_for(there, what=f"{ended} spans of {trace}")
    assert all(span["trace"] == trace for span in spans)
    assert len({span["span"] for span in spans}) == len(spans)
    return spans


def by_name(spans):
    found = {span["name"].removeprefix("app:"): span for span in spans}
    assert len(found) == len(spans), "a name occurs twice"
    return found


def test_calls_of_calls_are_spans_below_them(running):
    trace, result = traced(running, "app:tree")
    assert result == [1, 2]
    spans = by_name(spans_of(running, trace))
    assert set(spans) == {"tree", "leaf", "inline", "fails"}
    for name in ("leaf", "inline", "fails"):
        assert spans[name]["parent"] == spans["tree"]["span"]
        assert spans[name]["started_at"] >= spans["tree"]["started_at"]
        assert spans[name]["duration_ns"] <= spans["tree"]["duration_ns"]
    for span in spans.values():
        assert span["kind"] == "call"
        assert span["queue_ns"] >= 0 and span["run_ns"] > 0
        assert span["queue_ns"] + span["transit_ns"] + span["run_ns"] <= (
            span["duration_ns"] + 1)
        assert span["worker"] > 0
        assert re.fullmatch(r"\{app:\w+\|0x[0-9a-f]+\}", span["pid"]), span["pid"]
    assert [spans[name]["status"] for name in ("tree", "leaf", "inline", "fails")] == [
        "ok", "ok", "ok", "error"]
    assert spans["fails"]["error"] == "Conflict: not today"
    assert spans["inline"]["worker"] == spans["tree"]["worker"]


def test_queue_time_is_apart_from_run_time(running):
    trace, _ = traced(running, "app:fans_out", 3)
    slow = [s for s in spans_of(running, trace) if s["name"] == "app:slow"]
    assert len(slow) == 3
    assert all(span["run_ns"] >= 19e6 for span in slow)
    queued = sorted(span["queue_ns"] for span in slow)
    assert queued[1] - queued[0] >= 15e6  # all were asked for at the same time
    assert queued[2] - queued[1] >= 15e6


def test_processes_are_spans_too(running):
    trace, result = traced(running, "app:spawns", "app:worker")
    spans = by_name(spans_of(running, trace, ended=4))
    assert set(spans) == {"spawns", "worker", "leaf", "child"}
    worker = spans["worker"]
    assert worker["kind"] == "process"
    assert worker["pid"] == result["pid"]
    assert worker["parent"] == spans["spawns"]["span"]
    assert spans["leaf"]["parent"] == worker["span"]
    assert spans["child"]["parent"] == worker["span"]
    assert (worker["status"], spans["child"]["status"]) == ("ok", "ok")


def test_a_process_that_fails(running):
    trace, _ = traced(running, "app:spawns", "app:broken")
    span = by_name(spans_of(running, trace, ended=2))["broken"]
    assert span["status"] == "error"
    assert "fell over" in span["error"]


def test_a_process_is_open_until_its_worker_dies(boot):
    one = boot(APP)
    one.allow("worker died")
    trace, _ = traced(one, "app:spawns_and_leaves", "app:stays")
    assert by_name(spans_of(one, trace, ended=1))["stays"]["status"] == "open"
    summary = one.supctl("trace")[0]
    assert (summary["trace"], summary["status"]) == (trace, "open")
    for pid in one.workers("app:host"):
        os.kill(pid, signal.SIGKILL)
    span = by_name(spans_of(one, trace, ended=2))["stays"]
    assert span["status"] == "unavailable"


def test_process_as_function(running):
    trace, result = traced(running, "app:worker")
    assert result == 7
    spans = spans_of(running, trace, ended=4)
    call = next(s for s in spans if s["name"] == "app:worker" and s["kind"] == "call")
    run = next(s for s in spans if s["name"] == "app:worker" and s["kind"] == "process")
    assert run["parent"] == call["span"]


def test_each_attempt_is_a_span(running):
    trace, result = traced(running, "app:retried")
    assert result == 3
    spans = spans_of(running, trace)
    assert [span["status"] for span in spans] == ["error", "error", "ok"]
    assert len({span["parent"] for span in spans}) == 1


def test_interceptors_are_spans(boot):
    one = boot(APP)
    trace, result = traced(one, "app:leaf", 5)
    assert result == 5
    assert {s["name"] for s in spans_of(one, trace)} == {"app:around", "app:leaf"}
    assert by_name(spans_of(one, trace))["around"]["target"] == "app:leaf"
    assert one.supctl("trace")[0]["name"] == "app:leaf"


def test_what_an_interceptor_calls_is_below_it(boot):
    one = boot(APP)
    trace, _ = traced(one, "app:leaf", 5)
    spans = by_name(spans_of(one, trace))
    assert spans["leaf"]["parent"] == spans["around"]["span"]


# ---- messages


@pytest.fixture(scope="module")
def serving(boot_shared):
    one = boot_shared([entry for entry in APP if entry["kind"] != "interceptor.lua"])
    for entry, on, *args in (("server", "host", "server"), ("server", "other", "far"),
                             ("relay", "host", "near_relay", "server"),
                             ("relay", "other", "far_relay", "server")):
        one.supctl("spawn", f"app:{entry}", f"app:{on}",
                   *map(json.dumps, args))
        wait_for(lambda: any(row["name"] == args[0] for row in one.supctl("names")),
                 what=args[0])
    return one


def test_F_53_a_message_is_a_span_and_what_it_causes_is_below_it(serving):
    trace, result = traced(serving, "app:asks", "server", "hello")
    spans = by_name(spans_of(serving, trace, ended=4))
    assert set(spans) == {"asks", "question", "leaf", "answer"}
    question, answer = spans["question"], spans["answer"]
    assert result == ["hello", f"00-{trace}-{question['span']}-01"]
    assert question["kind"] == answer["kind"] == "message"
    assert question["parent"] == spans["asks"]["span"]
    assert spans["leaf"]["parent"] == answer["parent"] == question["span"]
    assert question["queue_ns"] > 0 and question["run_ns"] > 0
    assert question["duration_ns"] >= spans["leaf"]["duration_ns"]
    assert question["pid"].startswith("{app:host|")
    assert answer["pid"] == spans["asks"]["pid"]
    assert [spans[name]["status"] for name in spans] == ["ok"] * 4


@pytest.mark.parametrize("relay", ["near_relay", "far_relay"])
def test_F_53_messages_between_processes_near_and_far(serving, relay):
    trace, _ = traced(serving, "app:tells", relay, "go")
    spans = by_name(spans_of(serving, trace, ended=4))
    assert set(spans) == {"tells", "go", "work", "leaf"}
    assert spans["go"]["parent"] == spans["tells"]["span"]
    assert spans["work"]["parent"] == spans["go"]["span"]
    assert spans["leaf"]["parent"] == spans["work"]["span"]


@pytest.mark.parametrize("where", ["app:host", "app:other"])
def test_PG_a_message_to_a_group_is_a_span_for_each_member(boot, where):
    one = boot([*[entry for entry in APP if entry["kind"] != "interceptor.lua"],
                {"name": "rooms", "kind": "pg.scope"},
                process("member", """return {main = function()
        local inbox, n = process.inbox(), 0
        assert(assert(pg.open("app:rooms")):join("hall"))
        while n < 2 do
            local message = inbox:receive()
            n = n + 1
            funcs.call("app:leaf", message:topic())
        end end}""", modules=["pg", "funcs"]),
                function("shouts", """return {main = function(topic)
        return assert(pg.open("app:rooms")):broadcast("hall", topic) end}""",
                         modules=["pg"])])
    for _ in range(3):
        one.supctl("spawn", "app:member", where)
    wait_for(lambda: [row["members"] for row in one.supctl("groups")] == [3], what="all")
    one.call("app:shouts", "untraced")
    trace, result = traced(one, "app:shouts", "hear")
    assert result is True
    spans = spans_of(one, trace, ended=7)
    heard = [span for span in spans if span["name"] == "hear"]
    caller = [span for span in spans if span["name"] == "app:shouts"][0]
    leaves = [span for span in spans if span["name"] == "app:leaf"]
    assert len(heard) == len(leaves) == 3 and len(spans) == 7
    assert {span["parent"] for span in heard} == {caller["span"]}
    assert {span["parent"] for span in leaves} == {span["span"] for span in heard}
    assert len({span["pid"] for span in heard}) == 3
    assert {(span["kind"], span["status"]) for span in heard} == {("message", "ok")}


def test_the_next_message_is_other_work(serving):
    trace, _ = traced(serving, "app:tells", "server", "first")
    assert len(spans_of(serving, trace, ended=3)) == 3
    serving.call("app:tells", "server", "second")
    other, _ = traced(serving, "app:tells", "server", "third")
    assert len(spans_of(serving, other, ended=3)) == 3
    assert len(spans_of(serving, trace)) == 3


def test_a_coroutine_works_for_the_message_that_began_it(serving):
    trace, _ = traced(serving, "app:tells", "server", "both")
    serving.call("app:tells", "server", "in between")
    spans = by_name(spans_of(serving, trace, ended=3))
    assert spans["leaf"]["parent"] == spans["both"]["span"]


def test_a_process_that_falls_over_a_message(boot):
    one = boot(APP)
    one.supctl("spawn", "app:server", "app:host", '"server"')
    wait_for(lambda: one.supctl("names"), what="the server")
    trace, _ = traced(one, "app:tells", "server", "fall")
    span = by_name(spans_of(one, trace, ended=2))["fall"]
    assert span["status"] == "error"
    assert "fell over" in span["error"]


def test_a_worker_that_dies_over_a_message(boot):
    one = boot(APP)
    one.allow("worker died")
    one.supctl("spawn", "app:server", "app:host", '"server"')
    wait_for(lambda: one.supctl("names"), what="the server")
    trace, _ = traced(one, "app:tells", "server", "spin")
    wait_for(lambda: by_name(spans_of(one, trace))["spin"].get("pid"), what="its receipt")
    one.kill_worker("app:host")
    assert by_name(spans_of(one, trace, ended=2))["spin"]["status"] == "unavailable"


def test_a_message_that_nobody_receives_stays_open(serving):
    pid = serving.supctl("spawn", "app:stays", "app:other")
    trace, _ = traced(serving, "app:tells", pid, "unheard")
    span = by_name(spans_of(serving, trace))["unheard"]
    assert (span["status"], "pid" in span) == ("open", False)


def test_a_message_that_cannot_be_sent_has_no_open_span(serving):
    trace, result = traced(serving, "app:tells", "server", "t" * 70000)
    assert "topic is too long" in result["err"]
    spans = spans_of(serving, trace, ended=2)
    assert sorted(span["status"] for span in spans) == ["error", "ok"]


def test_an_app_sees_its_trace(running):
    trace, result = traced(running, "app:own")
    span = by_name(spans_of(running, trace))["own"]
    assert result == {"value": f"00-{trace}-{span['span']}-01"}
    assert running.call("app:own") == {"err": "NotFound"}


def test_an_app_continues_a_trace_from_outside(running):
    running.call("app:joins", PARENT, "app:own")
    span = by_name(spans_of(running, TRACE))["own"]
    assert span["parent"] == "00f067aa0ba902b7"
    for wrong in (PARENT[:-2] + "00", PARENT[:-1], "nonsense"):
        before = len(running.supctl("trace", "-n", "1000"))
        running.call("app:joins", wrong, "app:leaf")
        assert len(running.supctl("trace", "-n", "1000")) == before


def test_a_client_continues_a_trace(running):
    other = PARENT.replace("4bf9", "aaaa")
    done = running.run_supctl("call", "app:leaf", "1", "--context",
                              f"traceparent={other}", "--context", "b=2")
    assert done.returncode == 0, done.stderr
    spans = spans_of(running, other[3:35])
    assert [span["name"] for span in spans] == ["app:leaf"]


def test_nothing_is_recorded_unless_asked_for(boot):
    one = boot(APP)
    one.call("app:tree")
    one.call("app:spawns", "app:worker")
    assert one.supctl("trace") == []


def test_a_share_of_all_calls_is_recorded(boot):
    one = boot(APP, args=["--set", "trace.sample=1"])
    one.call("app:tree")
    one.call("app:leaf", 1)
    traces = one.supctl("trace")
    assert sorted(trace["name"] for trace in traces) == ["app:leaf", "app:tree"]
    assert sorted(trace["n_spans"] for trace in traces)[0] == 2


def test_spans_are_bounded(boot):
    one = boot(APP, args=["--set", "trace.max_spans=3"])
    trace, _ = traced(one, "app:tree")
    assert len(one.supctl("trace", trace)) == 3
    again, _ = traced(one, "app:own")
    assert by_name(spans_of(one, again)).keys() == {"own"}
    assert sum(row["n_spans"] for row in one.supctl("trace", "-n", "100")) == 3


def test_a_trace_by_the_beginning_of_its_id(running):
    trace, _ = traced(running, "app:own")
    assert running.supctl("trace", trace[:12])[0]["trace"] == trace
    with pytest.raises(SupctlError) as failed:
        running.supctl("trace", "0123456789")
    assert failed.value.code == troupe.NO_SUCH_NAME


def test_the_waterfall_fits_80_columns(running):
    trace, _ = traced(running, "app:tree")
    done = running.run_supctl("trace", trace)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and done.stderr == ""
    assert all(len(line) <= 80 for line in lines), done.stdout
    assert lines[0].startswith(trace) and "4 spans" in lines[0]
    assert lines[1].split() == ["SPAN", "QUEUE", "RUN"]
    assert lines[2].startswith("app:tree ")
    assert lines[3].startswith("  app:leaf ")
    assert "=" in lines[2][52:]
    assert lines[-1].strip() == "! Conflict: not today"


def test_the_list_of_traces(running):
    trace, _ = traced(running, "app:fails")
    row = running.supctl("trace")[0]
    assert (row["trace"], row["name"], row["n_spans"], row["n_failed"], row["status"]) == (
        trace, "app:fails", 1, 1, "error")
    assert running.run_supctl("trace", "-n", "1").stdout.count("\n") == 2
