"""Spans on their way to a collector (F-53): they arrive whole; no collector does harm."""

import http.server
import json
import os
import signal
import threading
import time

import pytest

import troupe
from troupe import function, host, process, wait_for

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

APP = [
    host(),
    function("leaf", "return {main = function(x) return x end}"),
    function("fails", """return {main = function()
        return nil, errors.new({message = "not today", kind = errors.CONFLICT}) end}""",
             modules=["errors"]),
    function("tree", """return {main = function()
        funcs.call("app:leaf", 1)
        funcs.call("app:fails")
        return 1 end}""", modules=["funcs"]),
    function("joins", """return {main = function(parent)
        return funcs.new():with_context({traceparent = parent}):call("app:leaf", 1)
        end}""", modules=["funcs"]),
    function("tells", """return {main = function(entry)
        local pid = process.spawn(entry, "app:host")
        process.send(pid, "greeting", 1)
        return 1 end}"""),
    process("hears", """return {main = function()
        local message = process.inbox():receive()
        return 1 end}"""),
    function("many", """return {main = function(n)
        for i = 1, n do funcs.call("app:leaf", i) end
        return n end}""", modules=["funcs"]),
]


class Collector:
    """Takes OTLP over HTTP; answer(handler) may do otherwise."""

    def __init__(self, answer=None):
        self.requests, self.spans, self.resources = [], [], []
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.requests.append((self.path, dict(self.headers)))
                self.body = body
                if answer is not None and answer(self, len(collector.requests)):
                    return
                collector.take(json.loads(body))
                self.say(200, b"{}")

            def say(self, status, body=b"", **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       kwargs={"poll_interval": 0.01})
        self.thread.start()

    def take(self, body):
        for resource in body["resourceSpans"]:
            self.resources.append(attributes(resource["resource"]))
            for scope in resource["scopeSpans"]:
                self.spans += scope["spans"]

    @property
    def url(self):
        return "http://127.0.0.1:{}".format(self.server.server_address[1])

    def args(self, *more):
        settings = ("enabled=true", f"endpoint={self.url}", "delay=20ms", *more)
        return [part for setting in settings for part in ("--set", f"otel.{setting}")]

    def named(self, name):
        return [span for span in self.spans if span["name"] == name]

    def wait(self, n):
        return wait_for(lambda: len(self.spans) >= n and self.spans, what=f"{n} spans")

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def attributes(record):
    return {pair["key"]: next(iter(pair["value"].values()))
            for pair in record["attributes"]}


@pytest.fixture
def collect():
    collectors = []

    def make(answer=None):
        collectors.append(Collector(answer))
        return collectors[-1]
    yield make
    for collector in collectors:
        collector.close()


def figure(one, name):
    for line in one.run_supctl("metrics").stdout.splitlines():
        if line.startswith(f"troupe_otel_spans_{name} "):
            return float(line.split(" ")[1])
    raise AssertionError(f"no figure {name}")


def test_F_53_spans_arrive_with_parents_and_errors(collect, boot):
    collector = collect()
    one = boot(APP, args=collector.args())
    one.call("app:tree")
    collector.wait(3)
    spans = {span["name"]: span for span in collector.spans}
    assert set(spans) == {"app:tree", "app:leaf", "app:fails"}
    tree, leaf, fails = spans["app:tree"], spans["app:leaf"], spans["app:fails"]
    assert "parentSpanId" not in tree and tree["kind"] == 2
    assert leaf["parentSpanId"] == fails["parentSpanId"] == tree["spanId"]
    assert leaf["kind"] == fails["kind"] == 1
    assert {span["traceId"] for span in collector.spans} == {tree["traceId"]}
    assert fails["status"] == {"code": 2, "message": "Conflict: not today"}
    assert tree["status"] == {"code": 1}
    found = attributes(leaf)
    assert found["frame.id"] == "app:leaf"
    assert found["process.pid"].startswith("{app:leaf|")
    assert found["troupe.kind"] == "call"
    assert int(found["troupe.queue_ns"]) >= 0
    assert abs(int(tree["startTimeUnixNano"]) / 1e9 - time.time()) < 60
    for span in collector.spans:
        assert int(span["startTimeUnixNano"]) < int(span["endTimeUnixNano"])
    assert collector.resources[0]["service.name"] == "app"
    assert collector.requests[0][0] == "/v1/traces"
    assert collector.requests[0][1]["Content-Type"] == "application/json"
    assert one.supctl("trace")[0]["trace"] == tree["traceId"]


def test_a_trace_from_outside_keeps_its_parent(collect, boot):
    collector = collect()
    one = boot(APP, args=collector.args("sample_rate=0"))
    one.call("app:leaf", 1)
    one.call("app:joins", PARENT)
    span = collector.wait(1)[0]
    assert (span["traceId"], span["parentSpanId"]) == (PARENT[3:35], PARENT[36:52])
    assert (len(collector.spans), span["kind"]) == (1, 1)


def test_F_53_values_of_the_context_are_attributes(collect, boot):
    collector = collect()
    one = boot(APP, args=collector.args())
    done = one.run_supctl("call", "app:leaf", "1", "--context", "tenant=shop",
                          "--context", "n=7")
    assert done.returncode == troupe.OK, done.stderr
    found = attributes(collector.wait(1)[0])
    assert found["ctx.tenant"] == "shop"
    assert str(found["ctx.n"]) == "7"


def test_messages_and_processes(collect, boot):
    collector = collect()
    one = boot(APP, args=collector.args())
    one.call("app:tells", "app:hears")
    collector.wait(3)
    spans = {attributes(span)["troupe.kind"]: span for span in collector.spans}
    assert spans["message"]["name"] == "greeting"
    assert spans["message"]["kind"] == 5
    for kind in ("message", "process"):
        assert spans[kind]["parentSpanId"] == spans["call"]["spanId"]


def test_settings_of_a_foreign_file(collect, boot):
    collector = collect()
    one = boot(APP, start=False)
    with open(f"{one.cwd}/.wippy.yaml", "w") as file:
        file.write(f"""version: "1.0"
otel:
  enabled: true
  endpoint: {collector.url}/v1/traces
  service_name: shop
  headers: authorization=Bearer x=1,x-tenant=7
  delay: 0s
""")
    one.start()
    one.call("app:leaf", 1)
    collector.wait(1)
    path, headers = collector.requests[0]
    assert path == "/v1/traces"
    assert (headers["authorization"], headers["x-tenant"]) == ("Bearer x=1", "7")
    assert collector.resources[0]["service.name"] == "shop"


def test_batches(collect, boot):
    collector = collect()
    one = boot(APP, args=collector.args("batch_size=10", "delay=60s"))
    one.call("app:many", 39)
    collector.wait(40)
    assert len(collector.requests) == 4
    wait_for(lambda: figure(one, "sent_total") == 40, what="the count")
    assert figure(one, "waiting") == 0


def test_a_stop_brings_what_is_left(collect, boot):
    collector = collect()
    one = boot(APP, args=collector.args("delay=60s"))
    one.call("app:many", 30)
    assert one.stop() == troupe.OK
    assert len(collector.spans) == 31


def test_nothing_runs_before_the_first_span(collect, boot):
    collector = collect()
    one = boot(APP, args=collector.args())
    assert exporters(one) == []
    one.call("app:leaf", 1)
    wait_for(lambda: exporters(one), what="the exporter")
    collector.wait(1)
    assert len(exporters(one)) == 1


def exporters(one):
    return [pid for pid in troupe.children_of(one.pid)
            if troupe.command_line(pid)[1:2] == ["exporter"]]


# ---- collectors that are down, slow, or hostile


def test_a_collector_that_comes_back(collect, boot):
    def busy(handler, n):
        if n <= 2:
            handler.say(503 if n == 1 else 429)
        return n <= 2
    collector = collect(busy)
    one = boot(APP, args=collector.args())
    one.call("app:leaf", 1)
    collector.wait(1)
    assert len(collector.requests) == 3
    wait_for(lambda: figure(one, "sent_total") == 1, what="the count")


def test_a_collector_that_refuses(collect, boot):
    collector = collect(lambda handler, n: handler.say(400) or True)
    one = boot(APP, args=collector.args())
    one.allow("spans can't be exported")
    one.call("app:leaf", 1)
    wait_for(lambda: figure(one, "failed_total") == 1, what="the count")
    assert len(collector.requests) == 1
    one.wait_record("answered with status 400")


def test_a_collector_that_takes_a_part(collect, boot):
    def partly(handler, n):
        handler.say(200, b'{"partialSuccess": {"rejectedSpans": "2"}}')
        return True
    collector = collect(partly)
    one = boot(APP, args=collector.args("delay=60s", "batch_size=3"))
    one.allow("spans can't be exported")
    one.call("app:many", 2)
    wait_for(lambda: figure(one, "failed_total") == 2, what="the count")
    assert figure(one, "sent_total") == 1


def test_a_collector_that_never_answers(collect, boot):
    release = threading.Event()
    collector = collect(lambda handler, n: release.wait(60) or True)
    one = boot(APP, args=collector.args("queue_size=50", "flush_timeout=300ms"))
    one.allow("spans")
    one.call("app:leaf", 1)
    wait_for(lambda: collector.requests, what="the first request")
    began = time.monotonic()
    one.call("app:many", 200)
    assert time.monotonic() - began < troupe.SOON_S
    assert figure(one, "dropped_total") == 202 - 50
    assert figure(one, "waiting") == figure(one, "waiting_max") == 50
    began = time.monotonic()
    assert one.stop() == troupe.OK
    assert time.monotonic() - began < troupe.SOON_S
    release.set()


def test_a_collector_that_answers_without_end(collect, boot):
    def flood(handler, n):
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 65536)
        except OSError:
            return True
    collector = collect(flood)
    one = boot(APP, args=collector.args())
    one.call("app:leaf", 1)
    wait_for(lambda: figure(one, "sent_total") == 1, what="the count")


def test_nobody_listens(collect, boot):
    collector = collect()
    args = collector.args("flush_timeout=200ms")
    collector.server.server_close()
    one = boot(APP, args=args)
    one.allow("spans")
    one.call("app:leaf", 1)
    assert one.stop() == troupe.OK
    assert one.wait_record("spans can't be exported|were not exported")


def test_an_exporter_that_dies(collect, boot):
    collector = collect()
    one = boot(APP, args=collector.args("delay=60s"))
    one.allow("the exporter of spans died")
    one.call("app:leaf", 1)
    wait_for(lambda: exporters(one), what="the exporter")
    os.kill(exporters(one)[0], signal.SIGKILL)
    one.wait_record("the exporter of spans died")
    assert figure(one, "failed_total") == 1
    def again():
        one.call("app:leaf", 2)
        return exporters(one)
    wait_for(again, what="another exporter")
    assert one.stop() == troupe.OK
    assert collector.named("app:leaf")


def test_an_endpoint_that_is_none(boot):
    one = boot(APP, start=False, args=["--set", "otel.enabled=true",
                                       "--set", "otel.endpoint=ftp://x"])
    one.spawn()
    assert one.wait() == troupe.BAD_CONFIG
    assert "otel.endpoint" in one.errors()
    one.child = None
