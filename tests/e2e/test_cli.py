"""The command line of supervisor: run, run -x, check, usage (CLI, TH, IO, REG-11)."""

import os
import pty
import signal
import subprocess
import time

import pytest

import troupe
from troupe import (ECHO, function, host, library, process, service, terminal, wait_for,
                    write_app)


class Folder:
    """An app's folder and the commands typed in it."""

    def __init__(self, path):
        self.path = str(path)
        self.app = os.path.join(self.path, "app")
        os.makedirs(self.app)

    def write(self, app):
        write_app(self.app, app)
        return self

    def argv(self, *args, program=troupe.SUPERVISOR):
        return [program, *args]

    def options(self):
        return ["--state", os.path.join(self.path, "state"),
                "--control", os.path.join(self.path, "control.sock")]

    def run(self, *args, stdin=None, timeout=60, program=troupe.SUPERVISOR, boots=True):
        options = self.options() if boots else []
        done = troupe.run(program, *args[:1], *options, *args[1:], cwd=self.app,
                          input=stdin or "", timeout=timeout)
        assert not os.path.exists(os.path.join(self.path, "control.sock"))
        return done


@pytest.fixture
def folder(tmp_path):
    yield Folder(tmp_path / "cli")
    troupe.collect_zombies()


def main(body, name="main", **fields):
    return process(name, "return {main = function(...) " + body + " end}", **fields)


def run_x(folder, body, *args, modules=("io",), entries=(), options=(), stdin=None):
    folder.write([terminal(), main(body, modules=list(modules)), *entries])
    return folder.run("run", "-x", "app:main", *options, *args, stdin=stdin)


# ---- run -x: what the process returns (TH-4, CLI-03)


@pytest.mark.parametrize("body,code", [
    ("", 0), ("return nil", 0), ("return {}", 0), ("return 'text'", 0), ("return true", 0),
    ("return 0", 0), ("return 7", 7), ("return 7.9", 7), ("return 255", 255),
    ("return 256", 0), ("return -1", 255), ("return 0/0", 1), ("return 1/0", 1),
    ("return false", 1), ("return nil, 'bad'", 1), ("error('bad')", 1),
    ("return 3, nil", 3), ("error(errors.new('bad'))", 1), ("error({})", 1),
])
def test_TH4_exit_codes(folder, body, code):
    done = run_x(folder, body)
    assert done.returncode == code, done
    if code == 1 and "bad" in body:
        assert "bad" in done.stderr
    if code == 0:
        assert done.stderr == ""


@pytest.mark.parametrize("body,code", [
    ("system.exit(3)", 3), ("system.exit(3) system.exit(4)", 4),
    ("system.exit(3) system.exit(0)", 0), ("system.exit(3) return 5", 5),
    ("system.exit(3) error('bad')", 1), ("system.exit() return 5", 5),
    ("system.exit(259)", 3), ("system.exit(-1)", 255),
])
def test_TH4_the_last_exit_code_counts(folder, body, code):
    done = run_x(folder, body, modules=["io", "system"])
    assert done.returncode == code, done


def test_TH4_error_text_is_not_doubled(folder):
    done = run_x(folder, "error('boom')")
    assert done.stderr.count("boom") == 1
    assert done.stdout == ""


def test_TH2_arguments_reach_main_and_io_args(folder):
    done = run_x(folder, "local args = io.args() io.print(select('#', ...), ..., "
                 "#args, args[1], args[2])", "one", "two words")
    assert done.returncode == 0, done
    assert done.stdout == "2\tone\t2\tone\ttwo words\n"


def test_TH2_logs_and_print_are_silent(folder):
    done = run_x(folder, "print('to the log') logger:info('also') io.print('shown')",
                 modules=["io", "logger"])
    assert (done.stdout, done.stderr) == ("shown\n", "")


def test_TH2_the_whole_app_boots_first(folder):
    named = process("named", """
return {main = function()
    process.registry.register("service")
    local inbox, events = process.inbox(), process.events()
    while true do
        local got = channel.select{inbox:case_receive(), events:case_receive()}
        if got.channel == events then return end
        process.send(got.value:from(), "answer", "from the service")
    end
end}""")
    done = run_x(folder, """
process.send("service", "ask")
io.print(process.inbox():receive():payload():data())
return 4""", entries=[host(), named, service("s", "app:named")])
    assert (done.returncode, done.stdout) == (4, "from the service\n"), done


@pytest.mark.parametrize("entries,options,said", [
    ([], [], "no terminal.host found in registry"),
    ([terminal("a"), terminal("b")], [],
     "multiple terminal hosts found (app:a, app:b), use --host to specify"),
    ([terminal("a"), terminal("b")], ["--host", "app:b"], None),
])
def test_TH2_which_terminal_host(folder, entries, options, said):
    folder.write([*entries, main("return 3")])
    done = folder.run("run", "-x", "app:main", *options)
    if said is None:
        assert done.returncode == 3, done
    else:
        assert done.returncode != 0
        assert said in done.stderr


def test_CLI02_commands_by_name_and_their_list(folder):
    folder.write([terminal(),
                  main("io.print('migrating', ...) return 2", "migrate", modules=["io"],
                       meta={"command": {"name": "db:migrate", "short": "Migrate all"}}),
                  main("return 0", "plain")])
    done = folder.run("run", "db:migrate", "now")
    assert (done.returncode, done.stdout) == (2, "migrating\tnow\n"), done
    done = folder.run("run", "list")
    assert done.returncode == 0
    assert "db:migrate" in done.stdout and "Migrate all" in done.stdout
    done = folder.run("run", "nothing")
    assert done.returncode != 0
    assert 'command "nothing" not found' in done.stderr


@pytest.mark.parametrize("target", ["app:none", "none"])
def test_CLI02_unknown_targets(folder, target):
    folder.write([terminal(), main("return 0")])
    done = folder.run("run", "-x", target)
    assert done.returncode != 0
    assert "none" in done.stderr


def test_CLI02_a_bare_name_of_a_unique_process(folder):
    folder.write([terminal(), main("return 9", "hello")])
    assert folder.run("run", "-x", "hello").returncode == 9


# ---- io


def test_IO1_write_print_eprint(folder):
    done = run_x(folder, "io.write('a', 1, 2.5) io.write('b\\n') io.print('x', 3, nil, true) "
                 "io.eprint('err', 1) io.print() io.print(errors.new('e'))")
    assert done.stdout == "a12.5b\nx\t3\tnil\ttrue\n\ne\n"
    assert done.stderr == "err\t1\n"


def test_IO1_readline_keeps_every_line(folder):
    done = run_x(folder, """
while true do
    local line, err = io.readline()
    if err then io.print("end", tostring(err)) break end
    io.print("[" .. line .. "]")
end""", stdin="one\ntwo\r\n\nlast")
    assert done.stdout == "[one]\n[two]\n[]\n[last]\nend\tEOF\n", done


def test_IO1_read_takes_up_to_n_bytes(folder):
    done = run_x(folder, """
io.print((io.read(3)))
io.print((io.readline()))
io.print((io.read()))
io.print((select(2, io.read())))""", stdin="abcdef\nrest")
    assert done.stdout == "abc\ndef\nrest\nEOF\n", done


def test_IO1_outside_a_terminal_there_is_none(boot):
    one = boot([function("f", """
return {main = function()
    local ok, err = io.print("x")
    return {ok = tostring(ok), kind = err:kind(), text = tostring(err), n = #io.args()}
end}""", modules=["io"])])
    assert one.call("app:f") == {"ok": "nil", "kind": "Unavailable",
                                 "text": "no terminal context", "n": 0}


def test_IO1_much_output_arrives_whole(folder):
    done = run_x(folder, "local line = ('x'):rep(1000) for i = 1, 3000 do "
                 "io.print(i, line) end")
    lines = done.stdout.splitlines()
    assert len(lines) == 3000
    assert all(line == f"{i}\t" + "x" * 1000 for i, line in enumerate(lines, 1))


def test_IO1_a_closed_pipe_ends_the_program(folder):
    folder.write([terminal(), main("for i = 1, 1e6 do local ok, err = io.print(i) "
                                   "if not ok then return 5 end end", modules=["io"])])
    done = troupe.run("sh", "-c", '"$0" run -x app:main "$@" | head -1',
                      troupe.SUPERVISOR, *folder.options(), cwd=folder.app)
    assert done.stdout == "1\n"


def test_IO1_reading_leaves_other_coroutines_running(folder):
    folder.write([terminal(), main("""
coroutine.spawn(function()
    for i = 1, 4 do time.sleep("1ms") end
    io.write("four ticks\\n")
end)
io.write("ready\\n")
io.print((io.readline()))""", modules=["io", "time"])])
    child = troupe.Child([troupe.SUPERVISOR, "run", *folder.options(), "-x", "app:main"],
                             cwd=folder.app, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             text=True)
    assert child.stdout.readline() == "ready\n"
    assert child.stdout.readline() == "four ticks\n"
    out, _ = child.communicate("typed\n", timeout=30)
    assert out == "typed\n"


def test_TH_MP19_a_real_terminal(folder):
    """Prompt before input, raw mode undone at the end, exit code through."""
    folder.write([terminal(), main("""
io.write("name? ")
local name = io.readline()
io.print("hello " .. name)
local ok, err = io.raw(true)
io.print("raw", tostring(ok), tostring(err))
return 6""", modules=["io"])])
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(folder.app)
        os.execv(troupe.SUPERVISOR, [troupe.SUPERVISOR, "run", *folder.options(),
                                     "-x", "app:main"])
    seen = b""

    def read_until(word):
        nonlocal seen
        deadline = time.monotonic() + 30
        while word not in seen and time.monotonic() < deadline:
            try:
                seen += os.read(fd, 4096)
            except OSError:
                break
        assert word in seen, seen

    read_until(b"name? ")
    os.write(fd, b"world\n")
    read_until(b"hello world")
    read_until(b"raw")
    _, status = wait_for(lambda: (got := os.waitpid(pid, os.WNOHANG))[0] and got)
    os.close(fd)
    assert os.waitstatus_to_exitcode(status) == 6


def test_TH3_signals_during_run_x(folder):
    folder.write([terminal(), main("io.print('up') process.events():receive() return 11",
                                   modules=["io"])])
    child = troupe.Child([troupe.SUPERVISOR, "run", *folder.options(), "-x", "app:main"],
                             cwd=folder.app, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "up\n"
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=30)
    assert child.returncode == 11


def test_TH3_a_signal_to_the_whole_group_is_one_polite_request(folder):
    """What timeout(1) does: the supervisor is told twice, whoever is in its group once."""
    folder.write([terminal(), main(
        "io.print('up') local e = process.events():receive() io.print(e.kind) return 11",
        modules=["io"])])
    child = troupe.Child([troupe.SUPERVISOR, "run", *folder.options(), "-x", "app:main"],
                         cwd=folder.app, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True, start_new_session=True)
    assert child.stdout.readline() == "up\n"
    child.send_signal(signal.SIGTERM)
    os.killpg(child.pid, signal.SIGTERM)
    assert child.communicate(timeout=30) == ("pid.cancel\n", "")
    assert child.returncode == 11


def test_PH4_TH3_who_ignores_the_signal_is_terminated_in_the_end(folder):
    folder.write([terminal(lifecycle={"auto_start": True, "stop_timeout": "300ms"}),
                  main("io.print('up') process.inbox():receive()", modules=["io"])])
    child = troupe.Child([troupe.SUPERVISOR, "run", *folder.options(), "-x", "app:main"],
                         cwd=folder.app, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True)
    assert child.stdout.readline() == "up\n"
    child.send_signal(signal.SIGTERM)
    assert child.communicate(timeout=30) == ("", "process terminated\n")
    assert child.returncode == troupe.FAILED


# ---- run without -x


def test_CLI01_run_boots_the_app_in_this_folder(boot):
    one = boot([function("echo", ECHO)], command=["run"])
    assert one.call("app:echo", 1) == 1


def test_first_start_says_what_to_type_next(boot):
    one = boot([function("echo", ECHO), host()])
    said = [line for line in one.output().splitlines() if not line.startswith("{")]
    assert 0 < len(said) <= 10
    text = "\n".join(said)
    assert one.control in text and one.state in text and "supctl" in text


def test_silent_writes_nothing(boot):
    one = boot([function("echo", ECHO)], args=["--silent"])
    assert one.call("app:echo", 1) == 1
    one.stop()
    assert one.output() == ""


# ---- usage


@pytest.mark.parametrize("args", [
    ["--nonsense"], ["frobnicate"], ["run", "--host"], ["--log-level", "loud"],
    ["--log-format", "xml"], ["check", "--port", "1"], ["--state"], ["--set", "novalue"],
    ["-o", "x"],
])
def test_usage_errors_are_2(folder, args):
    done = folder.run(*args, boots=False)
    assert done.returncode == troupe.USAGE, done
    assert done.stdout == ""
    assert 0 < len(done.stderr.splitlines()) <= 3


def test_help_and_version(folder):
    for args in (["--help"], ["run", "--help"], ["check", "-h"]):
        done = folder.run(*args, boots=False)
        assert done.returncode == 0 and "usage" in done.stdout and done.stderr == ""
    done = folder.run("--version", boots=False)
    assert done.returncode == 0 and "0." in done.stdout


def test_worker_refuses_to_start_by_hand(folder):
    done = folder.run("--help", boots=False, program=troupe.WORKER)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("options", [["--config", "/no/such/folder"], ["--config", "none.yaml"]])
def test_config_that_is_not_there(folder, options):
    done = troupe.run(troupe.SUPERVISOR, *options, *folder.options(), cwd=folder.app)
    assert (done.returncode, done.stderr) == (
        troupe.BAD_CONFIG, f"{options[1]}: error: No such file or directory; name a "
        "registry file or a folder of them\n")


# ---- overrides and settings (REG-11, CFG-01)


def test_REG11_overrides_change_fields_with_their_types(boot):
    one = boot([{"name": "e", "kind": "registry.entry", "meta": {"a": "x"},
                 "data": {"list": [1], "n": 1}},
                function("get", """
return {main = function()
    local entry = registry.get("app:e")
    return {n = entry.data.n, nt = math.type(entry.data.n), f = entry.data.f,
            b = entry.data.deep.er.b, s = entry.data.s, a = entry.meta.a, kind = entry.kind}
end}""", modules=["registry"])],
               args=["-o", "app:e:n=42", "-o", "app:e:f=1.5", "-o", "app:e:deep.er.b=TRUE",
                     "-o", "app:e:s=0042", "-o", "app:e:meta.a=new=er"])
    assert one.call("app:get") == {"n": 42, "nt": "integer", "f": 1.5, "b": True,
                                   "s": "0042", "a": "new=er", "kind": "registry.entry"}


def test_REG11_an_override_of_nothing_is_fatal(folder):
    folder.write([function("echo", ECHO)])
    done = folder.run("run", "-o", "app:none:x=1")
    assert done.returncode == troupe.BAD_CONFIG
    assert "app:none" in done.stderr


def test_unknown_settings_are_told(folder):
    folder.write([function("echo", ECHO)])
    done = folder.run("run", "--set", "shutdown.timeuot=1s")
    assert (done.returncode, done.stderr) == (
        troupe.BAD_CONFIG, "--set: error: unknown setting 'shutdown.timeuot'; did you mean "
        "'shutdown.timeout'?\n")


# ---- check


def check(folder, app):
    folder.write(app)
    done = folder.run("check", "--config", "src", boots=False)
    return done


def test_check_of_a_good_app(folder):
    done = check(folder, [host(), function("echo", ECHO), process("p", ECHO),
                          service("s", "app:p")])
    assert done.returncode == 0, done
    assert done.stderr == ""


BAD_YAML = """version: "1.0"
namespace: app
entries:
  - name: f
    kind: function.lua
    source: file://f.lua
    method: main
"""


BLOCK = """version: "1.0"
namespace: app
entries:
  - name: f
    kind: function.lua
    method: main
    source: |
      -- one
      local = 5
"""


@pytest.mark.parametrize("files,where,what", [
    ({"src/_index.yaml": BLOCK}, "src/_index.yaml:9:", "<name> expected"),
    ({"src/_index.yaml": BLOCK.replace("|", "local x\n\n      local = 5").replace(
        "      -- one\n      local = 5\n", "")}, "src/_index.yaml:7:", "<name> expected"),
    ({"src/_index.json": '{"version": "1.0", "namespace": "app", "entries": [\n{"name": '
                         '"f", "kind": "function.lua", "method": "main", "source": '
                         '"\\n\\n\\nlocal = 5"}]}'},
     "src/_index.json:2:57: error", "<name> expected"),
    ({"src/_index.yaml": BAD_YAML, "src/f.lua": "return {\nmain = = 5\n}\n"},
     "src/f.lua:2:", "unexpected symbol"),
    ({"src/_index.yaml": BAD_YAML}, "src/_index.yaml:6:", "f.lua"),
    ({"src/_index.yaml": BAD_YAML.replace("file://f.lua", "file://../../f.lua")},
     "src/_index.yaml:6:", "path traversal"),
    ({"src/_index.yaml": BAD_YAML.replace("    method: main\n", ""), "src/f.lua": ECHO},
     "src/_index.yaml:4:", "method is required"),
    ({"src/_index.yaml": BAD_YAML.replace("    source: file://f.lua\n", "")},
     "src/_index.yaml:4:", "source is required"),
    ({"src/_index.yaml": BAD_YAML.replace("kind: function.lua", "kind: function.lau"),
      "src/f.lua": ECHO}, "src/_index.yaml:", "function.lua"),
    ({"src/_index.yaml": BAD_YAML + "    modules: [jsno]\n", "src/f.lua": ECHO},
     "src/_index.yaml:8:", "json"),
    ({"src/_index.yaml": BAD_YAML + "    imports: {x: \"app:none\"}\n", "src/f.lua": ECHO},
     "src/_index.yaml:8:", "app:none"),
    ({"src/_index.yaml": BAD_YAML + "    pool: {type: dynamic}\n", "src/f.lua": ECHO},
     "src/_index.yaml:8:", "unknown pool type"),
    ({"src/_index.yaml": BAD_YAML + "   bad indent: 1\n", "src/f.lua": ECHO},
     "src/_index.yaml:", ""),
    ({"src/_index.yaml": BAD_YAML.replace("  - name: f\n", "  - nme: f\n"),
      "src/f.lua": ECHO}, "src/_index.yaml:", "name is required"),
    ({"src/_index.yaml": BAD_YAML + "    kind: process.lua\n", "src/f.lua": ECHO},
     "src/_index.yaml:8:", "kind"),
])
def test_check_names_file_line_and_column(folder, files, where, what):
    done = check(folder, files)
    assert done.returncode == troupe.BAD_CONFIG, done
    lines = [line for line in done.stderr.splitlines() + done.stdout.splitlines()
             if where in line]
    assert lines, done
    assert any(": error:" in line for line in lines), lines
    assert what in done.stderr + done.stdout


def test_check_reports_every_problem(folder):
    done = check(folder, [function("a", "return ="), function("b", "end"),
                          function("c", ECHO, modules=["nope"]),
                          {"name": "d", "kind": "no.such.kind"}])
    assert done.returncode == troupe.BAD_CONFIG
    for name in ("app:a", "app:b", "app:c", "app:d"):
        assert name in done.stderr + done.stdout, done


def test_check_starts_nothing(folder):
    done = check(folder, [host(), process("p", "return {main = function() "
                                          "io.print('ran') end}", modules=["io"]),
                          service("s", "app:p")])
    assert done.returncode == 0
    assert "ran" not in done.stdout
    assert not os.path.exists(os.path.join(folder.path, "state"))


def test_REG15_a_bad_entry_aborts_the_boot_with_one_message(folder):
    folder.write([function("good", ECHO), function("bad", "return =")])
    done = folder.run("run")
    assert done.returncode == troupe.BAD_CONFIG
    assert "app:bad" in done.stderr
    assert "app:good" not in done.stderr


def test_KIND02_import_cycles_are_refused(folder):
    done = check(folder, [library("a", "return 1", imports={"b": "app:b"}),
                          library("b", "return 1", imports={"a": "app:a"})])
    assert done.returncode == troupe.BAD_CONFIG
    assert "cycle" in done.stderr + done.stdout


# ---- as wippy


def test_wippy_link_runs_apps(folder, tmp_path):
    link = tmp_path / "wippy"
    os.symlink(troupe.SUPERVISOR, link)
    folder.write([terminal(), main("io.print('drop-in') return 3", modules=["io"])])
    done = folder.run("run", "-x", "app:main", program=str(link))
    assert (done.returncode, done.stdout) == (3, "drop-in\n"), done
    # CFG-01: --config names settings, the later ones win, the folder's own doesn't count
    for name, text in (("a.yaml", "metrics: {max_samples: 2001}\nmystery: 1"),
                       ("b.yaml", "metrics: {max_samples: nine}"),
                       (".wippy.yaml", "metrics: {max_samples: ten}")):
        with open(os.path.join(folder.app, name), "w") as file:
            file.write('version: "1.0"\n' + text)
    done = folder.run("check", "--config", "a.yaml", "--config", "b.yaml",
                      program=str(link), boots=False)
    assert done.returncode == troupe.BAD_CONFIG
    assert "'nine'" in done.stderr and "'ten'" not in done.stderr
    assert "a.yaml:3:10: warning: unknown setting 'mystery'" in done.stderr
    done = folder.run("check", "--config", "none.yaml", program=str(link), boots=False)
    assert "none.yaml: error: settings file" in done.stderr
    os.unlink(os.path.join(folder.app, ".wippy.yaml"))
    done = folder.run("run", "-m", "256M", "-p", "-x", "app:main", program=str(link))
    assert (done.returncode, done.stdout, done.stderr) == (3, "drop-in\n", ""), done
