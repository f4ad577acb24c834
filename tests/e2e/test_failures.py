"""What goes wrong around the apps: dying workers, endless loops, memory, descriptors,
processes, folders. Whatever happens costs its own call or actor and nobody else's."""

import json
import os
import resource
import signal
import socket
import subprocess
import time
from shlex import quote

import pytest

import troupe
from troupe import (Troupe, SupctlError, function, host, is_alive, process, service,
                    wait_for)

ECHO = "return {main = function(...) return ... end}"
SLEEP = "return {main = function(d) time.sleep(d) return d end}"
IDLE = "return {main = function() process.events():receive() end}"
SPIN = "return {main = function() while true do end end}"

DEATH = (r"worker died|killing a worker|was killed|worker .* ended",)


AS_NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]


def sleeper(name="sleep", **fields):
    return function(name, SLEEP, modules=["time"], **fields)


def in_flight(one, entry):
    """Waits until a call of entry runs."""
    wait_for(lambda: one.pool(entry)["n_busy"] > 0, what=f"a call of {entry} to run")


# ---- a worker dies


# A sanitizer reports the SIGSEGV, as if it were a bug.
@pytest.mark.parametrize("sig", [
    signal.SIGKILL, signal.SIGTERM,
    pytest.param(signal.SIGSEGV, marks=pytest.mark.skipif(troupe.SANITIZED,
                                                          reason="it gets reported"))])
def test_worker_killed_while_running_a_call(boot, sig):
    one = boot([sleeper(pool={"type": "static", "workers": 1}), function("echo", ECHO)])
    one.allow(*DEATH)
    call = one.call_in_background("app:sleep", "1h")
    in_flight(one, "app:sleep")
    if troupe.SANITIZED and sig == signal.SIGSEGV:
        sig = signal.SIGKILL  # the sanitizer would tell of it at length
    one.kill_worker("app:sleep", sig)
    _, err = call.communicate(timeout=30)
    error = json.loads(err)["error"]
    assert call.returncode == troupe.FAILED
    assert error["kind"] == "Unavailable"
    assert error["retryable"] is True
    assert one.call("app:sleep", "1ms") == "1ms"
    assert one.call("app:echo", 1) == 1


def test_worker_killed_while_idle(boot):
    one = boot([sleeper(pool={"type": "static", "workers": 1})])
    one.allow(*DEATH)
    for _ in range(3):
        old = one.kill_worker("app:sleep")
        assert one.call("app:sleep", "1ms") == "1ms"
        assert old not in one.workers()


def test_worker_killed_with_queued_calls(boot):
    """Who waits in the queue gets the next worker's answer."""
    one = boot([sleeper(pool={"type": "static", "workers": 1})])
    one.allow(*DEATH)
    first = one.call_in_background("app:sleep", "1h")
    in_flight(one, "app:sleep")
    second = one.call_in_background("app:sleep", "2ms")
    wait_for(lambda: one.pool("app:sleep")["n_queued"] == 1, what="a queued call")
    one.kill_worker("app:sleep")
    assert first.wait(30) == troupe.FAILED
    out, _ = second.communicate(timeout=30)
    assert json.loads(out) == "2ms"
    first.communicate()


def test_worker_killed_while_starting(boot, tmp_path):
    """The first worker of a pool is killed before it says hello; the next one serves."""
    marker = tmp_path / "first"
    supervisor = hostile_bin(tmp_path, f"""
if argv[1] == "pool" and not os.path.exists({str(marker)!r}):
    open({str(marker)!r}, "w").close()
    os.kill(os.getpid(), 9)
be_honest()
""")
    one = boot([function("echo", ECHO)], supervisor=supervisor)
    one.allow(*DEATH)
    assert one.call("app:echo", 1) == 1
    assert marker.exists()


def test_worker_killed_while_draining(boot):
    one = boot([sleeper(pool={"type": "static", "workers": 2}), function("echo", ECHO)])
    one.allow(*DEATH)
    call = one.call_in_background("app:sleep", "1h")
    in_flight(one, "app:sleep")
    pids = one.wait_worker("app:sleep", 2)
    one.child.send_signal(signal.SIGTERM)
    one.wait_record("stopping")
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    assert one.wait(20) == troupe.OK
    _, err = call.communicate(timeout=30)
    assert call.returncode != troupe.OK, err


def test_stopped_worker_holds_up_nobody_else(boot):
    """A worker that somebody stopped (a debugger, say) goes on where it was."""
    one = boot([sleeper(pool={"type": "static", "workers": 1}), function("echo", ECHO)])
    pid = one.wait_worker("app:sleep")[0]
    call = one.call_in_background("app:sleep", "50ms")
    in_flight(one, "app:sleep")
    os.kill(pid, signal.SIGSTOP)
    for i in range(5):
        assert one.call("app:echo", i) == i
        one.supctl("status")
    assert call.poll() is None
    os.kill(pid, signal.SIGCONT)
    out, _ = call.communicate(timeout=30)
    assert json.loads(out) == "50ms"


def test_T17_MP5_worker_of_a_host_killed_with_monitored_children(boot):
    """Each EXIT comes once, names are free, the service is started again."""
    watcher = """
local function main()
    local pids, counts = {}, {}
    process.registry.register("watcher")
    for i = 1, 20 do
        pids[i] = assert(process.spawn_monitored("app:named", "app:other", "n" .. i))
    end
    local ready = process.listen("ready")
    for i = 1, 20 do ready:receive() end
    process.send(assert(process.registry.lookup("reporter")), "up")
    local n, kinds = 0, {}
    while n < 20 do
        local event = process.events():receive()
        counts[event.from] = (counts[event.from] or 0) + 1
        kinds[event.result.error:kind()] = true
        assert(event.result.error:retryable() == true)
        n = n + 1
    end
    local names = 0
    for i = 1, 20 do
        if process.registry.register("n" .. i) then names = names + 1 end
    end
    local limit = time.after("100ms")
    local got = channel.select{process.events():case_receive(), limit:case_receive()}
    local once = got.channel == limit
    for _, count in pairs(counts) do once = once and count == 1 end
    return {kinds = kinds, names = names, once = once}
end
return {main = main}
"""
    named = """
return {main = function(name)
    assert(process.registry.register(name))
    process.send("watcher", "ready")
    process.inbox():receive()
end}
"""
    report = """
return {main = function()
    process.registry.register("reporter")
    local pid = assert(process.spawn_monitored("app:watcher", "app:host"))
    process.inbox():receive()
    logger:info("all up")
    local event = process.events():receive()
    return event.result.value, event.result.error
end}
"""
    one = boot([host(), host("other", host={"workers": 1}),
                process("watcher", watcher, modules=["time"]),
                process("named", named),
                process("forever", IDLE),
                service("steady", "app:forever", "app:other",
                        restart={"initial_delay": "10ms"}),
                function("report", report, modules=["logger"])])
    one.allow(*DEATH, "service failed", "process failed")
    call = one.call_in_background("app:report")
    one.wait_record("all up")
    before = one.service("app:steady")["pid"]
    one.kill_worker("app:other")
    out, err = call.communicate(timeout=30)
    assert call.returncode == 0, err
    assert json.loads(out) == {"kinds": {"Unavailable": True}, "names": 20, "once": True}
    row = wait_for(lambda: (row := one.service("app:steady"))["state"] == "running"
                   and row.get("pid") != before and row, what="the service to be back")
    assert row["restarts"] >= 1


# ---- apps that misbehave


def test_endless_loop_in_an_actor_leaves_neighbours_alone(boot):
    """T-10 among processes: spinning actors, a neighbour answers, all can be killed."""
    ping = """
return {main = function()
    local pid = assert(process.registry.lookup("echo"))
    process.send(pid, "ping", process.pid())
    return process.inbox():receive():payload():data()
end}
"""
    echo = """
return {main = function()
    process.registry.register("echo")
    local inbox, events = process.inbox(), process.events()
    while true do
        local got = channel.select{inbox:case_receive(), events:case_receive()}
        if got.channel == events then return end
        process.send(got.value:payload():data(), "pong", "alive")
    end
end}
"""
    one = boot([host(host={"workers": 1}), process("spin", SPIN), process("echo", echo),
                service("echo.service", "app:echo"), function("ping", ping)])
    pids = [one.supctl("spawn", "app:spin", "app:host") for _ in range(5)]
    pids = [pid["pid"] if isinstance(pid, dict) else pid for pid in pids]
    for _ in range(10):
        assert one.call("app:ping", timeout="20s") == "alive"
    for pid in pids:
        one.supctl("kill", pid)
    wait_for(lambda: not one.actors("app:spin"), what="the spinning actors' end")


def test_endless_loop_in_a_function_times_out_and_its_slot_lives(boot):
    one = boot([function("spin", SPIN, pool={"type": "static", "workers": 1}),
                function("echo", ECHO)])
    before = one.wait_worker("app:spin")
    for _ in range(2):
        with pytest.raises(SupctlError) as failure:
            one.call("app:spin", timeout="100ms")
        assert failure.value.kind == "Timeout"
    assert one.call("app:echo", 1) == 1
    wait_for(lambda: one.pool("app:spin")["n_busy"] == 0, what="the slot to be free")
    assert one.wait_worker("app:spin") == before


PATTERN_BOMB = """
return {main = function()
    return string.find(("a"):rep(30), ("a?"):rep(30) .. ("a"):rep(30))
end}
"""


def test_L6_pattern_bomb_ends_with_its_worker(boot):
    """No hook runs inside string.find; the deadline ends in a kill, others live on."""
    one = boot([function("bomb", PATTERN_BOMB, pool={"type": "static", "workers": 1}),
                function("echo", ECHO)])
    one.allow(*DEATH)
    pid = one.wait_worker("app:bomb")[0]
    started = time.monotonic()
    with pytest.raises(SupctlError) as failure:
        one.call("app:bomb", timeout="200ms")
    assert failure.value.kind == "Timeout"
    assert time.monotonic() - started < 5
    assert one.call("app:echo", 1) == 1
    wait_for(lambda: not is_alive(pid), what="the bomb's worker to be killed")
    one.wait_worker("app:bomb")


def test_L6_who_hears_nothing_is_not_given_the_grace_of_who_does(boot):
    one = boot([function("bomb", PATTERN_BOMB, pool={"type": "static", "workers": 1})],
               args=["--set", "calls.cancel_grace=1h"])
    one.allow(*DEATH)
    pid = one.wait_worker("app:bomb")[0]
    with pytest.raises(SupctlError):
        one.call("app:bomb", timeout="50ms")
    wait_for(lambda: not is_alive(pid), what="the bomb's worker to be killed")


EATERS = {
    "table": "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(100) .. i end",
    "doubling": "local s = 'x' while true do s = s .. s end",
    "rep": "return #string.rep('x', 1 << 40)",
    "rep in pieces": "local t = {} while true do t[#t + 1] = string.rep('x', 1 << 20) end",
    "format": "local s = '' while true do s = s .. string.format('%99s', s) .. s end",
    "gsub": "local s = 'x' while true do s = s:gsub('x', 'xx') end",
    "concat": "local t = {} for i = 1, 30 do t[i] = ('x'):rep(1 << 24) end "
              "local s = table.concat(t) while true do s = s .. s end",
}


@pytest.mark.parametrize("name", EATERS)
def test_L5_memory_eater_fails_alone(boot, name):
    """The ceiling ends the actor that eats; neighbours of its host and the supervisor
    don't grow or die."""
    neighbour = """
return {main = function() process.inbox():receive() return "lived" end}
"""
    eater = f"return {{main = function() {EATERS[name]} end}}"
    watch = """
return {main = function()
    local neighbour = assert(process.spawn_monitored("app:neighbour", "app:host"))
    local eater = assert(process.spawn_monitored("app:eater", "app:host"))
    local first = process.events():receive()
    process.send(neighbour, "end")
    local second = process.events():receive()
    return {eater = first.from == eater and tostring(first.result.error),
            neighbour = second.from == neighbour and tostring(second.result.value)}
end}
"""
    one = boot([host(host={"workers": 1}), process("eater", eater),
                process("neighbour", neighbour), function("watch", watch)])
    before = troupe.memory_bytes(one.pid)
    pid = one.wait_worker("app:host")
    got = one.call("app:watch", timeout="50s")
    assert got["neighbour"] == "lived", got
    assert "memory" in got["eater"] or "too large" in got["eater"] \
        or "length overflow" in got["eater"], got
    assert one.wait_worker("app:host") == pid
    assert not troupe.has_grown(one.pid, before, 16 << 20)


def test_L5_memory_eater_that_swallows_errors(boot):
    """An actor that catches the error and goes on eating ends all the same."""
    eater = """
return {main = function()
    local t = {}
    while true do pcall(function() t[#t + 1] = ("x"):rep(1e6) end) end
end}
"""
    one = boot([function("eater", eater, pool={"type": "static", "workers": 1}),
                function("echo", ECHO)])
    one.allow(*DEATH)
    with pytest.raises(SupctlError) as failure:
        one.call("app:eater", timeout="3s")
    assert failure.value.kind in ("Unavailable", "Internal", "Timeout", "LimitExceeded")
    assert one.call("app:echo", 1) == 1


DEEP = {
    "recursion": "local function f(n) return 1 + f(n + 1) end return f(1)",
    "pcall": "local function f(n) local ok, e = pcall(f, n + 1) "
             "if not ok then error(e, 0) end end return f(1)",
    "gsub": "local function f() return (('x'):gsub('x', f)) end return f()",
    "index": "local t = setmetatable({}, {}) getmetatable(t).__index = "
             "function(s, k) return s[k .. 'x'] end return t.x",
    "coroutines": "local function f() return coroutine.wrap(f)() end return f()",
    "tostring": "local t = setmetatable({}, {}) getmetatable(t).__tostring = "
                "function() return tostring(t) end return tostring(t)",
    "sort": "local function f() table.sort({2, 1}, f) return true end return f()",
    "mixed sort": "table.sort({1, 'x', {}})",
    "unpack": "return #{table.unpack({}, 1, 1e9)}",
    "unpack edge": "return table.unpack({}, math.mininteger, math.maxinteger)",
    "select": "return select(math.mininteger, 1)",
    "concat edge": "return table.concat({}, 'x', math.maxinteger - 1, math.maxinteger)",
    "rep edge": "return ('x'):rep(math.maxinteger, 'yy')",
    "format": "return string.format('%99999d', 1)",
    "error object": "error(setmetatable({}, {__tostring = function() error('again') end}))",
    "error text": "error(('\\0\\27[31m\\n'):rep(100000))",
    "gmatch": "for _ in ('x'):rep(1e4):gmatch('.-b') do end error('done')",
}


@pytest.mark.parametrize("name", DEEP)
def test_L7_L10_L11_extremes_end_in_errors(boot_extremes, name):
    """Stack overflows, integer edges and odd errors are errors of that call."""
    one, pids = boot_extremes
    with pytest.raises(SupctlError) as failure:
        one.call("app:" + name.replace(" ", "_"), timeout="20s")
    assert failure.value.kind in ("Internal", "Invalid"), failure.value
    assert len(failure.value.stderr) < 1 << 20
    assert one.call("app:echo", "fine") == "fine"
    assert set(pids) <= set(one.workers()), "a worker died"


@pytest.fixture(scope="module")
def boot_extremes(boot_shared):
    one = boot_shared([
        function("echo", ECHO, pool={"type": "static", "workers": 1}),
        *[function(name.replace(" ", "_"), f"return {{main = function() {code} end}}")
          for name, code in DEEP.items()]])
    return one, one.wait_worker("app:echo")


def test_L3_one_call_can_not_change_what_the_next_one_sees(boot):
    poke = """
local function main()
    local tries = {
        function() string.rep = function() return "poisoned" end end,
        function() getmetatable("").__index = function() return "poisoned" end end,
        function() getmetatable("").__add = function() return "poisoned" end end,
        function() table.concat = nil end,
        function() math.huge = 0 end,
        function() errors.new = nil end,
        function() rawset(string, "rep", nil) end,
        function() setmetatable(string, nil) end,
        function() table.freeze = nil end,
    }
    local refused = 0
    for _, try in ipairs(tries) do
        if not pcall(try) then refused = refused + 1 end
    end
    leak = "global"
    return refused
end
return {main = main}
"""
    look = """
return {main = function()
    return {rep = ("x"):rep(2), concat = type(table.concat), huge = math.huge > 1e300,
            new = type(errors.new), leak = tostring(leak), freeze = type(table.freeze)}
end}
"""
    one = boot([function("poke", poke, pool={"type": "inline"}),
                function("look", look, pool={"type": "inline"}),
                function("both", """
return {main = function()
    local refused, err = funcs.call("app:poke")
    assert(not err, tostring(err))
    return funcs.call("app:look")
end}""", modules=["funcs"], pool={"type": "static", "workers": 1})])
    for _ in range(2):
        assert one.call("app:both") == {
            "rep": "xx", "concat": "function", "huge": True, "new": "function",
            "leak": "nil", "freeze": "function"}


def test_L1_L2_L4_no_loaders_no_debug_no_bytecode(boot):
    names = ["load", "loadstring", "loadfile", "dofile", "debug", "collectgarbage", "io",
             "rawlen", "utf8", "os.execute", "os.exit", "os.remove", "os.rename",
             "os.tmpname", "os.getenv", "os.setlocale"]
    body = "".join(f"present['{n}'] = {n} ~= nil or nil " for n in names)
    look = f"""
return {{main = function()
    local present = {{}}
    {body}
    return {{present = present, dump = pcall(string.dump, main),
            loadlib = type((select(2, pcall(package.loadlib, "libc.so.6", "*")))),
            path = package.path, cpath = package.cpath,
            required = pcall(require, "debug")}}
end}}
"""
    one = boot([function("look", look)])
    assert one.call("app:look") == {"present": {}, "dump": False, "loadlib": "nil",
                                    "path": "", "cpath": "", "required": False}


def test_L1_bytecode_as_source_is_refused(boot):
    one = boot({"src/_index.yaml": """
version: "1.0"
namespace: app
entries:
  - name: bytes
    kind: function.lua
    source: file://bytes.lua
    method: main
""", "src/bytes.lua": b"\x1bLua\x54\x00\x19\x93\r\n\x1a\n" + b"\x04\x08\x08" * 50},
               start=False)
    one.spawn()
    assert one.wait(30) == troupe.BAD_CONFIG
    assert "bytes" in one.output() + one.errors()
    one.child = None


# ---- the machine runs out of something


def test_F4_descriptors_used_up(boot):
    """With few descriptors the supervisor refuses what it can't do and goes on."""
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))

    one = boot([sleeper(pool={"type": "lazy", "max_size": 40},
                        ), function("echo", ECHO)], preexec=few)
    one.allow(".*")
    peers = []
    for _ in range(60):
        try:
            peers.append(troupe.connect(one.control))
        except OSError:
            break
    time.sleep(0.05)
    assert one.is_up()
    for peer in peers:
        peer.close()
    assert wait_for(lambda: tries(one, "app:echo", 5) == 5, what="echo to answer again")


def tries(one, *call):
    try:
        return one.call(*call)
    except SupctlError:
        return None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_F2_fork_failing(boot, tmp_path):
    """No process can be made: calls fail as Unavailable, the supervisor goes on, and
    when there is room again it serves."""
    # A copy: nobody can't look into a build folder below root's home.
    program = troupe.lookalike(tmp_path, os.path.join(troupe.BUILD, "worker", "worker"))
    one = boot([function("echo", ECHO)], start=False, prefix=AS_NOBODY,
               supervisor=program)
    open_to_all(os.path.dirname(program))
    for path, _, _ in os.walk(one.folder):
        os.chown(path, 65534, 65534)
    open_to_all(one.folder)
    one.allow(".*")
    one.start()
    limit_processes(one, 1)
    with pytest.raises(SupctlError) as failure:
        one.call("app:echo", 1, timeout="2s")
    assert failure.value.kind in ("Unavailable", "Timeout"), failure.value
    assert one.is_up()
    limit_processes(one, 1000)
    assert wait_for(lambda: tries(one, "app:echo", 5) == 5, what="echo to answer again")


def open_to_all(folder):
    """Everybody may look into folder, and into those that it lies in."""
    parent = str(folder)
    while parent != "/":
        os.chmod(parent, os.stat(parent).st_mode | 0o055)
        parent = os.path.dirname(parent)


def limit_processes(one, soft):
    """Sets the limit from outside, as the user that one runs as."""
    subprocess.run([*one.prefix, "prlimit", f"--pid={one.pid}", f"--nproc={soft}:"],
                   check=True)


# ---- folders and sockets


def refuses(one, code, *words):
    one.spawn()
    assert one.wait(30) == code, one.output() + one.errors()
    said = one.output() + one.errors()
    for word in words:
        assert word in said, said
    assert len(one.errors().strip().splitlines()) <= 3, one.errors()
    one.child = None


def test_state_folder_can_not_be_made(boot):
    one = boot([function("echo", ECHO)], start=False)
    with open(os.path.join(one.folder, "file"), "w"):
        pass
    one.state = os.path.join(one.folder, "file", "state")
    refuses(one, troupe.NEEDED, "state")


def test_control_path_can_not_be_made(boot):
    one = boot([function("echo", ECHO)], start=False)
    one.control = "/proc/no/such/control.sock"
    refuses(one, troupe.NEEDED, "control socket", "/proc/no")


def test_control_path_too_long(boot):
    one = boot([function("echo", ECHO)], start=False)
    one.control = os.path.join(one.folder, "x" * 120)
    refuses(one, troupe.BAD_CONFIG, "longer than 107 bytes")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_state_folder_of_somebody_else(boot):
    one = boot([function("echo", ECHO)], start=False, prefix=AS_NOBODY)
    os.makedirs(one.state, 0o700)
    parent = one.folder
    while parent != "/":
        os.chmod(parent, os.stat(parent).st_mode | 0o055)
        parent = os.path.dirname(parent)
    refuses(one, troupe.NEEDED, "state")


def test_second_supervisor_on_the_same_state(boot):
    one = boot([function("echo", ECHO)])
    two = boot([function("echo", ECHO)], start=False)
    two.state = one.state
    refuses(two, troupe.NEEDED, str(one.pid))
    assert one.call("app:echo", 1) == 1


def test_second_supervisor_on_the_same_socket(boot):
    one = boot([function("echo", ECHO)])
    two = boot([function("echo", ECHO)], start=False)
    two.control = one.control
    refuses(two, troupe.NEEDED, str(one.pid))
    assert one.call("app:echo", 1) == 1


def test_stale_socket_is_taken_over(boot):
    one = boot([function("echo", ECHO)], start=False)
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(one.control)
    stale.close()
    assert os.path.exists(one.control)
    one.start()
    assert one.call("app:echo", 1) == 1


def test_C1_socket_path_is_a_symlink_or_a_file(boot):
    one = boot([function("echo", ECHO)], start=False)
    target = os.path.join(one.folder, "precious")
    with open(target, "w") as file:
        file.write("keep me")
    os.symlink(target, one.control)
    refuses(one, troupe.NEEDED)
    two = boot([function("echo", ECHO)], start=False)
    with open(two.control, "w") as file:
        file.write("keep me")
    refuses(two, troupe.NEEDED)
    for path in (target, two.control):
        with open(path) as file:
            assert file.read() == "keep me"
    os.unlink(two.control)
    os.unlink(one.control)


def test_complaint11_deleted_socket_comes_back(boot):
    one = boot([function("echo", ECHO)])
    one.allow("control socket had vanished")
    os.unlink(one.control)
    wait_for(lambda: os.path.exists(one.control), 15, "the socket to be back")
    assert wait_for(lambda: tries(one, "app:echo", 3) == 3)


def test_C1_socket_and_state_are_for_their_owner_alone(boot):
    one = boot([function("echo", ECHO)])
    assert os.stat(one.control).st_mode & 0o077 == 0
    assert os.stat(one.state).st_mode & 0o077 == 0


# ---- the supervisor itself dies or stops


def test_P4_supervisor_killed(boot):
    """No worker is left, busy or not, and the next start finds a clean house."""
    one = boot([host(), process("spin", SPIN), sleeper(pool={"workers": 2}),
                function("bomb", PATTERN_BOMB)])
    one.supctl("spawn", "app:spin", "app:host")
    calls = [one.call_in_background("app:sleep", "1h"),
             one.call_in_background("app:bomb")]
    in_flight(one, "app:bomb")
    pids = one.workers()
    assert len(pids) >= 4
    one.child.kill()
    one.wait()
    wait_for(lambda: not any(is_alive(pid) for pid in pids), 2, "the workers' end")
    for call in calls:
        assert call.wait(30) != troupe.OK
        call.communicate()
    assert os.path.exists(one.control)
    one.start()
    assert one.call("app:sleep", "1ms") == "1ms"


def test_SV10_stop_under_full_load(boot):
    """SIGTERM: calls in flight finish, dependents stop before what they need, exit 0."""
    inhabitant = """
return {main = function(name)
    local event = process.events():receive()
    logger:info("leaving", {name = name, reason = event.reason})
    if name == "front" then time.sleep("100ms") end
    logger:info("left", {name = name})
end}
"""
    front = service("front.service", "app:inhabitant", requires=["app:back.service"])
    back = service("back.service", "app:inhabitant")
    front["input"], back["input"] = ["front"], ["back"]
    one = boot([host(), process("inhabitant", inhabitant, modules=["logger", "time"]),
                back, front, sleeper(pool={"type": "static", "workers": 4})])
    calls = [one.call_in_background("app:sleep", "500ms") for _ in range(4)]
    wait_for(lambda: one.pool("app:sleep")["n_busy"] == 4, what="four calls to run")
    one.child.send_signal(signal.SIGTERM)
    assert one.wait(30) == troupe.OK
    for call in calls:
        out, err = call.communicate(timeout=30)
        assert call.returncode == troupe.OK, err
        assert json.loads(out) == "500ms"
    told = [(r["msg"], r["name"]) for r in one.app_records()]
    assert told == [("leaving", "front"), ("left", "front"),
                    ("leaving", "back"), ("left", "back")]
    assert all(r["reason"] == "service stopping" for r in one.app_records()
               if r["msg"] == "leaving")


def test_second_signal_stops_at_once(boot):
    one = boot([sleeper(pool={"workers": 1})])
    call = one.call_in_background("app:sleep", "1h")
    in_flight(one, "app:sleep")
    one.child.send_signal(signal.SIGTERM)
    one.wait_record("stopping")
    time.sleep(0.15)  # sooner, it would be taken for the first one once more
    assert one.is_up()
    one.child.send_signal(signal.SIGTERM)
    assert one.wait(10) == troupe.FAILED
    assert call.wait(30) != troupe.OK
    call.communicate()
    one.expect_code(one.child.returncode)
    one.allow(".*")


def test_stop_is_bounded_by_the_shutdown_timeout(boot):
    """A call that never ends is cancelled when the time is over."""
    one = boot([sleeper(pool={"workers": 1}), function("spin", SPIN)],
               args=["--set", "shutdown.timeout=1s"])
    one.allow(".*")
    calls = [one.call_in_background("app:sleep", "1h"), one.call_in_background("app:spin")]
    in_flight(one, "app:sleep")
    in_flight(one, "app:spin")
    started = time.monotonic()
    assert one.stop() == troupe.OK
    assert time.monotonic() - started < 8
    for call in calls:
        assert call.wait(30) != troupe.OK
        call.communicate()


@pytest.mark.parametrize("sig", [signal.SIGHUP, signal.SIGUSR1, signal.SIGPIPE,
                                 signal.SIGCHLD, signal.SIGWINCH])
def test_P5_signals_that_do_not_stop(boot_signals, sig):
    one = boot_signals
    one.allow("reload is not in this build yet")
    for _ in range(20):
        one.child.send_signal(sig)
    assert one.call("app:echo", 1) == 1
    assert one.is_up()


@pytest.fixture(scope="module")
def boot_signals(boot_shared):
    return boot_shared([function("echo", ECHO)])


# ---- size


def test_ten_thousand_entries_boot_in_two_seconds(boot):
    entries = [{"name": f"e{i}", "kind": "registry.entry",
                "meta": {"type": "thing", "n": i}, "data": {"value": i}}
               for i in range(9900)]
    entries += [function(f"f{i}", ECHO) for i in range(99)]
    one = boot(entries, start=False)
    started = time.monotonic()
    one.start()
    took = time.monotonic() - started
    assert one.call("app:f7", 7) == 7
    assert len(one.supctl("registry", "list")) == 9999
    limit_s = 20.0 if troupe.SANITIZED else 2.0
    assert took < limit_s, f"boot took {took:.2f} s"


def test_supctl_on_a_huge_list(boot):
    spawner = """
return {main = function(n)
    for i = 1, n do assert(process.spawn("app:idle", "app:host")) end
    return n
end}
"""
    one = boot([host(), process("idle", IDLE), function("fill", spawner)])
    assert one.call("app:fill", 20000, timeout="60s") == 20000
    rows = one.supctl("ps")
    assert len(rows) == 20000
    assert len({row["pid"] for row in rows}) == 20000
    shown = one.run_supctl("ps")
    assert shown.returncode == 0
    assert len(shown.stdout.splitlines()) >= 20000
    pipe = subprocess.run(f"{quote(troupe.SUPCTL)} ps --control {quote(one.control)} | head -2",
                          shell=True, capture_output=True, text=True, check=False)
    assert len(pipe.stdout.splitlines()) == 2
    assert pipe.stderr == ""


# ---- leaks


def test_P2_complaint8_descriptors_and_memory_stay_flat(boot):
    """Calls, dying workers and clients leave nothing in the supervisor."""
    one = boot([function("echo", ECHO, pool={"workers": 1}), host(),
                process("child", "return {main = function() return 1 end}")])
    one.allow(*DEATH)

    def round_trip():
        for _ in range(5):
            one.call("app:echo", 1)
            one.supctl("spawn", "app:child", "app:host")
        one.kill_worker("app:echo")
        one.wait_worker("app:echo")

    for _ in range(3):
        round_trip()
    fds, memory = troupe.n_descriptors(one.pid), troupe.memory_bytes(one.pid)
    for _ in range(10):
        round_trip()
    wait_for(lambda: troupe.n_descriptors(one.pid) <= fds, what=f"<= {fds} descriptors")
    assert not troupe.has_grown(one.pid, memory, 2 << 20)


def test_P2_a_worker_sees_only_agreed_descriptors(boot):
    one = boot([function("echo", ECHO, pool={"workers": 1}), host()])
    for entry in ("app:echo", "app:host"):
        pid = one.wait_worker(entry)[0]
        links = {fd: os.readlink(f"/proc/{pid}/fd/{fd}")
                 for fd in os.listdir(f"/proc/{pid}/fd")}
        sockets = [link for link in links.values() if link.startswith("socket:")]
        assert len(sockets) == 1, links
        assert not [link for link in links.values() if "state" in link or "lock" in link]


def test_S3_no_secret_reaches_argv_or_the_environment_of_workers(boot):
    one = boot([function("echo", ECHO, pool={"workers": 1})],
               env={"APP_TEST_SECRET": "hunter2"})
    pid = one.wait_worker("app:echo")[0]
    with open(f"/proc/{pid}/environ", "rb") as file:
        assert b"hunter2" not in file.read()


def hostile_bin(tmp_path, script):
    from hostile import hostile_bin as make
    return make(tmp_path, script)


def test_a_limit_of_file_sizes_costs_log_lines_and_no_more(boot):
    one = boot([function("says", """return {main = function(n)
        for i = 1, n do print(("x"):rep(100)) end return n end}""",
                         pool={"type": "static", "workers": 1})])
    # Not before: tables that workers share are files as well, and bigger ones.
    limit = os.path.getsize(one.out_path) + 500
    resource.prlimit(one.pid, resource.RLIMIT_FSIZE, (limit, limit))
    assert one.call("app:says", 20) == 20
    wait_for(lambda: os.path.getsize(one.out_path) == limit, what="the log to be full")
    assert one.call("app:says", 20) == 20
    assert one.stop() == troupe.OK
