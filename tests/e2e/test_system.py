"""The program as its own apps see it (SY-1 to SY-16)."""

import os
import socket

import pytest

from troupe import IDLE, function, host, process, service

# Calls system.<path>(...) and tells both results in a form that JSON has.
ASK = """
local function find(path)
    local at = system
    for part in path:gmatch("[^.]+") do at = at[part] end
    return at
end
return {main = function(path, ...)
    local value, err = find(path)(...)
    if err then
        return {value = value, kind = err:kind(), message = err:message()}
    end
    return {value = value}
end}"""

# Holds the lock that it is told of until it is told to end.
HOLDER = """return {main = function(parent, name)
    local ok, err = system.lock.acquire(name)
    process.send(parent, "got", {ok = ok, again = system.lock.acquire(name),
        kind = err and err:kind(), message = err and err:message()})
    channel.select({process.inbox():case_receive(), process.events():case_receive()})
end}"""

LOCKS = """return {main = function()
    local inbox, seen = process.inbox(), {}
    local function got() return (inbox:receive()):payload():data() end
    local first = process.spawn_monitored("app:holder", "app:host", process.pid(), "L")
    seen.first = got()
    process.spawn("app:holder", "app:host2", process.pid(), "L")
    seen.second = got()
    seen.stranger = {system.lock.release("L")}
    process.send(first, "end", {})
    process.events():receive()
    process.spawn("app:holder", "app:host2", process.pid(), "L")
    seen.third = got()
    seen.mine = system.lock.acquire("M")
    seen.given_back = system.lock.release("M")
    seen.not_twice = system.lock.release("M")
    return seen
end}"""

# Who may nothing of all this.
DENIED = """return {main = function(path, ...)
    local scope = security.new_scope({})
    local actor = security.new_actor("nobody", {})
    local value, err = funcs.new():with_actor(actor):with_scope(scope)
        :call("app:ask", path, ...)
    if err then return {raised = err:message()} end
    return value
end}"""

APP = [
    host(), host("host2"),
    function("ask", ASK, modules=["system"]),
    function("denied", DENIED, modules=["security", "funcs"]),
    process("holder", HOLDER, modules=["system"]),
    function("locks", LOCKS, modules=["system"]),
    process("idle", IDLE),
    service("idle.service", "app:idle", "app:host2"),
    service("off.service", "app:idle", "app:host2", auto_start=False),
    function("spawn", """return {main = function(entry, host)
        return process.spawn(entry, host) end}"""),
]


@pytest.fixture(scope="module")
def running(boot_shared):
    return boot_shared(APP)


def ask(one, path, *args):
    answer = one.call("app:ask", path, *args)
    assert "kind" not in answer, answer
    return answer.get("value")


def refusal(one, path, *args):
    answer = one.call("app:ask", path, *args)
    return answer.get("value"), answer["kind"], answer["message"]


def test_SY_1_exit_ends_the_runtime_with_that_status(boot):
    one = boot(APP)
    one.expect_code(3)
    assert ask(one, "exit", 3) is True
    assert one.wait() == 3


def test_SY_2_modules(running):
    rows = ask(running, "modules")
    by_name = {row["name"]: row for row in rows}
    assert {"system", "metrics", "time", "json", "process"} <= set(by_name)
    for row in rows:
        assert row["description"], row["name"]
        assert row["class"] and all(isinstance(word, str) for word in row["class"])
    assert "deterministic" in by_name["json"]["class"]
    assert "nondeterministic" in by_name["time"]["class"]


def test_SY_3_memory_stats(running):
    stats = ask(running, "memory.stats")
    keys = ("alloc total_alloc sys heap_alloc heap_sys heap_idle heap_in_use "
            "heap_released heap_objects stack_in_use stack_sys mspan_in_use mspan_sys "
            "num_gc next_gc").split()
    assert sorted(stats) == sorted(keys)
    assert all(isinstance(value, int) for value in stats.values())
    assert 0 < stats["alloc"] == stats["heap_alloc"] < stats["sys"]


def test_SY_4_memory_limit(running):
    assert ask(running, "memory.allocated") > 0
    assert ask(running, "memory.heap_objects") == 0
    assert ask(running, "memory.get_limit") == -1
    assert ask(running, "memory.set_limit", 1 << 30) == -1
    assert ask(running, "memory.set_limit", 0) == 1 << 30
    assert ask(running, "memory.get_limit") == 0
    assert ask(running, "memory.set_limit", -1) == 0
    assert refusal(running, "memory.set_limit") == (
        None, "Invalid", "memory limit value required")
    assert refusal(running, "memory.set_limit", -2) == (
        None, "Invalid", "limit must be non-negative or -1")


def test_SY_5_gc(running):
    assert ask(running, "gc.collect") is True
    assert ask(running, "gc.get_percent") == 100
    assert ask(running, "gc.set_percent", 50) == 100
    assert ask(running, "gc.get_percent") in range(47, 51)  # kept in steps of four
    assert ask(running, "gc.set_percent", 100) in range(47, 51)
    assert refusal(running, "gc.set_percent") == (
        None, "Invalid", "percent value required")


def test_SY_6_goroutines(running):
    assert ask(running, "runtime.goroutines") > 0


def test_SY_7_processors(running):
    n = ask(running, "runtime.cpu_count")
    assert n == os.cpu_count()
    assert ask(running, "runtime.max_procs") == n
    assert ask(running, "runtime.max_procs", 1) == n
    assert refusal(running, "runtime.max_procs", 0) == (
        None, "Invalid", "GOMAXPROCS value must be positive")


def test_SY_8_process(running):
    assert ask(running, "process.pid") in running.workers("app:ask")
    assert ask(running, "process.hostname") == socket.gethostname()
    assert ask(running, "process.cwd") == running.cwd


def test_SY_9_hosts(running):
    hosts = ask(running, "hosts.list")
    assert [row["id"] for row in hosts] == ["app:host", "app:host2"]
    for row in hosts:
        assert set(row) == {"id", "workers", "processes", "executed", "stolen",
                            "queue_depth"}
        assert row["workers"] > 0
    assert hosts[1]["processes"] >= 1


def test_SY_10_processes_of_a_host(running):
    pid = running.call("app:spawn", "app:idle", "app:host")
    rows = ask(running, "hosts.processes", "app:host")
    row = next(row for row in rows if row["pid"] == pid)
    assert row["host"] == "app:host"
    assert row["source"] == "app:idle"
    assert row["state"] in ("ready", "running", "blocked", "idle")
    assert row["steps"] > 0
    assert row["started_at"] > 1e18
    assert row["stats"] == {"threads": 1}
    assert all(row["host"] == "app:host" for row in rows)
    assert ask(running, "hosts.processes", "app:none") == {}
    for args in ((), ("",)):
        assert refusal(running, "hosts.processes", *args) == \
            (None, "Invalid", "host ID required")


def test_SY_11_state_of_a_service(running):
    state = ask(running, "supervisor.state", "app:idle.service")
    assert (state["id"], state["status"], state["desired"], state["retry_count"]) == (
        "app:idle.service", "running", "running", 0)
    assert state["started_at"] > 1e18 and state["last_update"] > 1e18
    off = ask(running, "supervisor.state", "app:off.service")
    assert off["desired"] == "stopped" and off["started_at"] == 0
    for args in ([], [""]):
        assert refusal(running, "supervisor.state", *args) == (
            None, "Invalid", "service ID required")
    value, kind, message = refusal(running, "supervisor.state", "app:none")
    assert (value, kind) == (None, "Internal")
    assert "service not found" in message


def test_SY_12_states_of_all_services(running):
    states = ask(running, "supervisor.states")
    ids = [state["id"] for state in states]
    assert ids == sorted(ids)
    assert {"app:host", "app:host2", "app:idle.service", "app:off.service"} <= set(ids)


def test_SY_13_node(running):
    assert ask(running, "node.id") == socket.gethostname()
    assert ask(running, "node.role") == "non-member"
    assert refusal(running, "node.addr") == (
        None, "Internal", "local node address not available")


def test_SY_14_cluster(running):
    assert ask(running, "cluster.members") == [
        {"id": socket.gethostname(), "is_local": True}]
    assert ask(running, "cluster.leader") == ""
    assert ask(running, "cluster.size") == 1


@pytest.mark.parametrize("name", ["is_leader", "is_member", "role", "term",
                                  "commit_index", "stats"])
def test_SY_15_raft(running, name):
    assert refusal(running, "raft." + name) == (None, "Internal", "raft not available")


def test_SY_16_locks(running):
    seen = running.call("app:locks")
    assert seen["first"] == {"ok": True, "again": True}
    assert seen["second"] == {"ok": False, "again": False, "kind": "AlreadyExists",
                              "message": "lock held: L"}
    assert seen["stranger"] == [False]
    assert seen["third"] == {"ok": True, "again": True}
    assert (seen["mine"], seen["given_back"], seen["not_twice"]) == (True, True, False)


def test_SY_16_a_dead_worker_holds_no_lock(boot):
    one = boot([*APP, function("again", """return {main = function()
        local inbox = process.inbox()
        process.spawn_monitored("app:holder", "app:host", process.pid(), "K")
        local first = (inbox:receive()):payload():data()
        logger:info("it is held")
        local event = process.events():receive()
        process.spawn("app:holder", "app:host2", process.pid(), "K")
        return {first.ok, (inbox:receive()):payload():data().ok}
    end}""", modules=["logger"])])
    one.allow("worker died")
    waiting = one.call_in_background("app:again")
    one.wait_record("it is held")
    one.kill_worker("app:host")
    out, err = waiting.communicate(timeout=60)
    assert out.strip() == "[true,true]", err


PERMISSIONS = [
    ("modules", [], "system.read", "modules"),
    ("memory.stats", [], "system.read", "memory"),
    ("memory.allocated", [], "system.read", "memory"),
    ("memory.heap_objects", [], "system.read", "memory"),
    ("memory.get_limit", [], "system.read", "memory_limit"),
    ("memory.set_limit", [1], "system.control", "memory_limit"),
    ("gc.collect", [], "system.gc", "gc"),
    ("gc.get_percent", [], "system.read", "gc_percent"),
    ("gc.set_percent", [100], "system.gc", "gc_percent"),
    ("runtime.goroutines", [], "system.read", "goroutines"),
    ("runtime.max_procs", [], "system.read", "gomaxprocs"),
    ("runtime.max_procs", [2], "system.control", "gomaxprocs"),
    ("runtime.cpu_count", [], "system.read", "cpu"),
    ("process.pid", [], "system.read", "pid"),
    ("process.hostname", [], "system.read", "hostname"),
    ("process.cwd", [], "system.read", "cwd"),
    ("hosts.list", [], "system.read", "hosts"),
    ("hosts.processes", ["app:host"], "system.read", "hosts"),
    ("supervisor.state", ["app:host"], "system.read", "supervisor"),
    ("supervisor.states", [], "system.read", "supervisor"),
    ("node.id", [], "system.read", "node"),
    ("node.addr", [], "system.read", "node"),
    ("node.role", [], "system.read", "node"),
    ("cluster.members", [], "system.read", "cluster"),
    ("cluster.leader", [], "system.read", "cluster"),
    ("cluster.size", [], "system.read", "cluster"),
    ("raft.term", [], "system.read", "raft"),
    ("raft.stats", [], "system.read", "raft_stats"),
]


@pytest.mark.parametrize("path,args,action,resource", PERMISSIONS,
                         ids=[f"{row[0]}({len(row[1])})" for row in PERMISSIONS])
def test_SY_0_denied(running, path, args, action, resource):
    answer = running.call("app:denied", path, *args)
    assert answer == {"kind": "Invalid",
                      "message": f"permission denied: {action} on {resource}"}


def test_SY_1_exit_denied(running):
    assert running.call("app:denied", "exit", 1) == {
        "kind": "Invalid", "message": "permission denied: system.exit"}


def test_SY_16_locks_denied(running):
    assert running.call("app:denied", "lock.acquire", "N") == {
        "value": False, "kind": "PermissionDenied",
        "message": "permission denied: system.lock on N"}
