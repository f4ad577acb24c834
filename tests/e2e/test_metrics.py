"""What can be counted, and by whom it is seen (MT-1, MT-2, F-53)."""

import math
import os
import re
import signal

import pytest

import troupe
from troupe import ECHO, function, host, process, wait_for

# What the format allows, told by the format's own description.
SAMPLE = re.compile(
    r'([a-zA-Z_:][a-zA-Z0-9_:]*)'
    r'(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*",?)*)\})? '
    r'(NaN|[+-]Inf|[-+0-9.e]+)')
KINDS = {"counter", "gauge", "histogram"}

COUNT = """return {main = function(name, ...)
    local results = {metrics[name](...)}
    return {ok = results[1], err = results[2] and tostring(results[2])} end}"""

APP = [
    host(),
    function("count", COUNT, modules=["metrics"], pool={"type": "static", "size": 4,
                                                        "processes": 2}),
    function("echo", ECHO),
    function("fail", "return {main = function() return nil, 'no' end}"),
    function("inline", "return {main = function() return 1 end}",
             pool={"type": "inline"}),
    function("calls_inline", """return {main = function()
        return funcs.call("app:inline") end}""", modules=["funcs"]),
    function("slow", """return {main = function() time.sleep("20ms") return 1 end}""",
             modules=["time"], pool={"type": "static", "size": 1}),
    function("spawn", """return {main = function(entry)
        return process.spawn(entry, "app:host") end}"""),
    process("counts", """return {main = function()
        metrics.counter_inc("from_process") end}""", modules=["metrics"]),
    process("dies", """return {main = function()
        metrics.counter_add("before_death", 3)
        process.inbox():receive()
        while true do end end}""", modules=["metrics"]),
]


def text_of(one):
    done = one.run_supctl("metrics")
    assert done.returncode == troupe.OK, done.stderr
    return done.stdout


def parse(text):
    """{"name{labels}": number}; checks the form of every line on the way."""
    samples, kinds, ended = {}, {}, set()
    family = None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            family = line.split(" ")[2]
            assert family not in ended, f"{family} comes twice"
            ended.add(family)
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == family and kind in KINDS
            kinds[name] = kind
            continue
        match = SAMPLE.fullmatch(line)
        assert match, f"not a sample: {line!r}"
        name = match[1]
        if kinds[family] == "histogram":
            name = re.sub("_(bucket|sum|count)$", "", name)
        assert name == family, f"{line!r} in family {family}"
        key, _, number = line.rpartition(" ")
        assert key not in samples, f"{key} comes twice"
        samples[key] = float(number)
    return samples


def samples_of(one):
    return parse(text_of(one))


def wait_for_sample(one, key, value):
    found = {}

    def is_there():
        found.update(samples_of(one))
        return found.get(key) == value

    try:
        wait_for(is_there)
    except AssertionError:
        raise AssertionError(f"{key} is {found.get(key)}, not {value}") from None
    return found


def note(one, *args):
    assert one.call("app:count", *args) == {"ok": True}


@pytest.fixture(scope="module")
def running(boot_shared):
    return boot_shared(APP, args=troupe.PATIENT)


def test_MT_1_counters_are_summed_over_workers(running):
    """MP-20"""
    for i in range(12):
        note(running, "counter_inc", "hits", {"path": "/a"})
        note(running, "counter_add", "hits", 2.5, {"path": "/b"})
    found = wait_for_sample(running, 'hits{path="/b"}', 30)
    assert found['hits{path="/a"}'] == 12


def test_MT_1_negative_additions_are_ignored(running):
    note(running, "counter_add", "up", 5)
    note(running, "counter_add", "up", -3)
    note(running, "counter_add", "up", 1)
    wait_for_sample(running, "up", 6)


def test_MT_1_gauges_are_set_and_changed(running):
    """DX-14"""
    note(running, "gauge_set", "level", 7)
    wait_for_sample(running, "level", 7)
    for _ in range(3):
        note(running, "gauge_inc", "level")
    note(running, "gauge_dec", "level")
    wait_for_sample(running, "level", 9)
    note(running, "gauge_set", "level", -1.5)
    wait_for_sample(running, "level", -1.5)


def test_MT_1_histograms_take_any_value(running):
    for value in (0.004, 0.005, 0.3, 100, -2):
        note(running, "histogram", "took", value, {"what": "x"})
    found = wait_for_sample(running, 'took_count{what="x"}', 5)
    bucket = {key: value for key, value in found.items()
              if key.startswith("took_bucket")}
    assert bucket['took_bucket{what="x",le="0.005"}'] == 3
    assert bucket['took_bucket{what="x",le="0.25"}'] == 3
    assert bucket['took_bucket{what="x",le="0.5"}'] == 4
    assert bucket['took_bucket{what="x",le="10"}'] == 4
    assert bucket['took_bucket{what="x",le="+Inf"}'] == 5
    assert len(bucket) == 12
    assert math.isclose(found['took_sum{what="x"}'], 98.309)


def test_MT_1_one_name_and_label_set_is_one_series(running):
    note(running, "counter_inc", "a.b-c", {"y": "1", "x": "2"})
    note(running, "counter_inc", "a_b_c", {"x": "2", "y": "1"})
    wait_for_sample(running, 'a_b_c{x="2",y="1"}', 2)


def test_MT_1_only_texts_are_labels(running):
    note(running, "counter_inc", "labelled",
         {"n": 1, "b": True, "t": {"x": "y"}, "s": "v"})
    note(running, "counter_inc", "listed", ["a", "b"])
    wait_for_sample(running, 'labelled{s="v"}', 1)
    wait_for_sample(running, "listed", 1)


def test_MT_1_label_values_are_escaped(running):
    note(running, "counter_inc", "escaped", {"v": 'a"b\\c\nd', "é": "ü"})
    wait_for_sample(running, 'escaped{__="ü",v="a\\"b\\\\c\\nd"}', 1)


def test_MT_1_arguments_are_checked(running):
    for args, n in ((["counter_inc"], 1), (["counter_add", "x"], 2),
                    (["histogram", "x", {}], 2), (["counter_inc", "x", "no table"], 2)):
        error = running.failure("app:count", *args)
        assert f"bad argument #{n} to" in error.message, error


def test_MT_1_a_name_has_one_type(running):
    note(running, "counter_inc", "typed")
    before = wait_for_sample(running, "typed", 1)
    dropped = 'troupe_metrics_dropped_total{reason="conflict"}'
    note(running, "gauge_set", "typed", 5)
    note(running, "gauge_set", "troupe_uptime_seconds", 5)
    found = wait_for_sample(running, dropped, before[dropped] + 2)
    assert found["typed"] == 1


def test_MT_1_processes_count_too(running):
    for _ in range(3):
        running.call("app:spawn", "app:counts")
    wait_for_sample(running, "from_process", 3)


def test_MT_2_what_a_dead_worker_counted_stays(boot):
    one = boot(APP)
    one.allow("worker died")
    pid = one.call("app:spawn", "app:dies")
    wait_for_sample(one, "before_death", 3)
    for worker in one.workers("app:host"):
        os.kill(worker, signal.SIGKILL)
    wait_for(lambda: pid not in [row["pid"] for row in one.supctl("ps")])
    assert samples_of(one)["before_death"] == 3


def test_series_are_bounded(boot):
    one = boot(APP, args=["--set", "metrics.max_samples=20"])
    for i in range(25):
        note(one, "counter_inc", "many", {"i": str(i)})
    found = wait_for_sample(one, 'troupe_metrics_dropped_total{reason="bound"}', 5)
    assert found["troupe_metrics_samples"] == 20
    assert found["troupe_metrics_samples_max"] == 20
    assert len([key for key in found if key.startswith("many")]) == 20
    key = next(key for key in found if key.startswith("many"))
    note(one, "counter_inc", "many", {"i": re.search(r"\d+", key)[0]})
    wait_for_sample(one, key, 2)


def test_calls_are_counted_by_function_and_outcome(running):
    before = samples_of(running)

    def calls(name, status):
        return f'troupe_function_calls_total{{function="app:{name}",status="{status}"}}'

    for _ in range(3):
        running.call("app:echo", 1)
    running.failure("app:fail")
    running.call("app:calls_inline")
    running.failure("app:slow", timeout="1ms")
    after = samples_of(running)
    for name, status, n in (("echo", "ok", 3), ("fail", "error", 1), ("inline", "ok", 1),
                            ("calls_inline", "ok", 1), ("echo", "error", 0)):
        key = calls(name, status)
        assert after[key] == before.get(key, 0) + n, key
    assert (after[calls("slow", "timeout")] == 1
            or after[calls("slow", "canceled")] == 1)
    for name in ("queue", "run"):
        prefix = f"troupe_function_{name}_seconds"
        count = after[f'{prefix}_count{{function="app:echo"}}']
        assert count == after[calls("echo", "ok")]
        assert after[f'{prefix}_bucket{{function="app:echo",le="+Inf"}}'] == count
    assert after['troupe_function_in_flight{function="app:echo"}'] == 0


def test_the_runtime_tells_of_itself(running):
    found = samples_of(running)
    for key in ("troupe_uptime_seconds", "troupe_resident_bytes",
                "troupe_socket_read_bytes_total", "troupe_socket_written_bytes_total",
                "troupe_registry_entries", "troupe_loop_seconds_count",
                'troupe_pool_slots{pool="app:count"}', 'troupe_service_up{service="app:host"}',
                "troupe_control_clients"):
        assert found[key] > 0, key
    assert found['troupe_pool_queued{pool="app:count"}'] == 0
    wait_for(lambda: any(key.startswith("troupe_worker_heap_bytes{")
                         for key in samples_of(running)), what="what a worker tells")


def test_text_is_sorted_and_stable(running):
    note(running, "counter_inc", "sorted", {"a": "2"})
    note(running, "counter_inc", "sorted", {"a": "1"})
    wait_for_sample(running, 'sorted{a="1"}', 1)
    lines = [line for line in text_of(running).splitlines() if line.startswith("sorted")]
    assert lines == ['sorted{a="1"} 1', 'sorted{a="2"} 1']

    def of_app():
        return text_of(running).partition("# HELP sorted")[2]

    assert 'a="2"' in of_app() and of_app() == of_app()


def test_metrics_as_json(running):
    note(running, "counter_inc", "as_json", {"q": '"'})
    wait_for_sample(running, 'as_json{q="\\""}', 1)
    assert running.supctl("metrics")['as_json{q="\\""}'] == 1


def test_F_53_names_when_asked_for(boot, running):
    assert "wippy_function" not in text_of(running)
    one = boot(APP, args=["--set", "metrics.interceptor.enabled=true"])
    one.call("app:echo", 1)
    one.failure("app:fail")
    found = samples_of(one)
    assert found['wippy_function_calls{function_id="app:echo",status="success"}'] == 1
    assert found['wippy_function_calls{function_id="app:fail",status="error"}'] == 1
    assert found['wippy_function_duration_count{function_id="app:echo"}'] == 1
    assert found['wippy_function_duration_bucket{function_id="app:echo",le="10"}'] == 1
    assert found['wippy_function_in_flight{function_id="app:echo"}'] == 0


def test_queue_time_is_kept_apart_from_run_time(boot):
    one = boot([*APP, function("four", """return {main = function()
        local futures, sum = {}, 0
        for i = 1, 4 do futures[i] = funcs.async("app:slow") end
        for i = 1, 4 do sum = sum + futures[i]:response():receive():data() end
        return sum end}""", modules=["funcs"])])
    assert one.call("app:four") == 4
    found = samples_of(one)
    queued = found['troupe_function_queue_seconds_sum{function="app:slow"}']
    ran = found['troupe_function_run_seconds_sum{function="app:slow"}']
    assert found['troupe_function_run_seconds_count{function="app:slow"}'] == 4
    assert ran >= 4 * 0.019
    pool = one.supctl("pool", "app:slow")
    assert pool["p50_us"] >= 19000
    assert pool["p999_us"] >= pool["p99_us"] >= pool["p50_us"]
    # The second waits for the first, the third for both, the last for three of them.
    assert pool["queue_p999_us"] >= max(50000, pool["queue_p50_us"])
    assert queued >= 6 * 0.019
    for part, floor in (("run", 0.019), ("queue", 0)):
        quantiles = [found['troupe_function_quantile_seconds{function="app:slow",'
                           f'part="{part}",quantile="{q}"}}']
                     for q in ("0.5", "0.99", "0.999")]
        assert quantiles == sorted(quantiles) and quantiles[0] >= floor


def test_whatever_grows_shows_how_near_it_is_to_its_bound(running):
    found = samples_of(running)
    tables = {name.split('"')[1] for name in found if name.startswith("troupe_table_rows{")}
    assert tables >= {"bus_followers", "bus_subscriptions", "calls", "control_clients",
                      "functions", "spawns_waiting",
                      "group_memberships", "kept_call_bytes", "locks", "log_followers",
                      "names", "registry_entries",
                      "registry_versions", "registry_version_bytes", "requests", "spans", "store_keys",
                      "watches", "workers"}
    for table in tables:
        n = found[f'troupe_table_rows{{table="{table}"}}']
        most = found[f'troupe_table_rows_max{{table="{table}"}}']
        assert 0 <= n <= most, table
        assert most > 0 or table == "store_keys", table
    assert found['troupe_table_rows{table="control_clients"}'] == 1
    assert found['troupe_pool_queue_max{pool="app:echo"}'] > 0
