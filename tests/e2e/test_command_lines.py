"""Command lines and settings of `supervisor` that are nearly right."""

import os
import subprocess

import pytest

import troupe

APP = """\
version: "1.0"
namespace: app
entries:
- {name: term, kind: terminal.host}
- {name: data, kind: registry.entry, x: 1}
- name: hello
  kind: process.lua
  meta: {command: {name: hello}}
  method: main
  modules: [io, json, registry]
  source: |
    local io, json = require("io"), require("json")
    local registry = require("registry")
    return {main = function(...)
        io.print(json.encode(registry.get("app:data").data), ...)
    end}
"""


class Folder:
    def __init__(self, path):
        self.path = path
        (path / "src").mkdir()
        self.write("src/_index.yaml", APP)
        os.symlink(troupe.SUPERVISOR, path / "wippy")

    def write(self, name, text):
        (self.path / name).write_text(text)

    def run(self, *args, program=troupe.SUPERVISOR):
        return troupe.run(program, *args, cwd=self.path, stdin=subprocess.DEVNULL)

    def hello(self, *args, program=troupe.SUPERVISOR):
        return self.run("run", "-x", "app:hello", "--state", "state", "--control", "sock",
                        *args, program=program)

    def as_wippy(self):
        return str(self.path / "wippy")


@pytest.fixture
def folder(tmp_path):
    yield Folder(tmp_path)
    troupe.collect_zombies()


@pytest.mark.parametrize("options, data", [
    (["app:data:x=a,b"], '{"x":"a,b"}'),
    (["app:data:x=a,app:data:y=b, c"], '{"x":"a","y":"b, c"}'),
    (['"app:data:x=say ""hi"", you",app:data:y=2'], '{"x":"say \\"hi\\", you","y":2}'),
    (["app:data:x=1", "app:data:x=2"], '{"x":2}'),
])
def test_REG11_commas_within_a_value_belong_to_it(folder, options, data):
    done = folder.hello(*[word for one in options for word in ("-o", one)])
    assert (done.returncode, done.stdout, done.stderr) == (0, data + "\n", "")


@pytest.mark.parametrize("args, code, text", [
    (["run", "--host", "app:term"], 2, "--host says where one process runs: name that "
     "too, supervisor run -x NS:ENTRY --host app:term"),
    (["run", "list", "more"], 2, "'run list' takes no argument: 'more'"),
    (["check", "--config", ""], 2, "--config needs a path, not ''"),
    (["run", "--state="], 2, "--state needs a path, not ''"),
    (["check", "."], 2,
     "'check' takes no argument: '.'; an app is named with --config ."),
    (["/tmp"], 2, "unknown command '/tmp'; an app is named with --config /tmp"),
    (["install"], 2, "'install' is not here: there is no package hub; wippy.lock names "
     "the folders of modules, and supctl registry shows what runs"),
    (["completion"], 2, "completion needs a shell: bash, zsh or fish"),
    (["check", "--src-dir", "x"], 2, "--src-dir belongs to 'init'"),
    (["check", "--lock-file", "x"], 2, "--lock-file belongs to 'lint'"),
    (["run", "-x", "app:helo"], 1, "entry not found: app:helo; did you mean app:hello?"),
    (["run", "helo"], 1, 'command "helo" not found. Use \'supervisor run list\' to see '
     "available commands; did you mean 'hello'?"),
    (["run", "-x", "app:hello", "--host", "term"], 1,
     "no terminal.host term found in registry; there is app:term"),
])
def test_what_is_wrong_and_what_would_be_right(folder, args, code, text):
    # What comes so far takes a state folder, which is not to be root's own.
    more = ["--state", "state", "--control", "sock"] if code == 1 else []
    done = folder.run(*args, *more)
    assert (done.returncode, done.stdout, done.stderr) == (
        code, "", "supervisor: " + text + "\n")


@pytest.mark.parametrize("name, text, code, line", [
    ("supervisor.yaml", "logger:\nshutdown: {timeout: 5s}\n", 0, None),
    ("supervisor.yaml", "logger: json\n", 78, "1:9: error: logger must be a map; write "
     "its settings below it, one a line"),
    ("supervisor.yaml", "override: {'app:data': 5}\n", 78, "1:12: error: override "
     "'app:data' names no field; write \"namespace:entry:field\": value"),
    ("supervisor.yaml", "override: {'app:nix:x': 5}\n", 78, ": error: override errors: [no "
     "entry found for app:nix]; correct the id or leave the override out"),
    ("supervisor.yaml", "disable: {entris: x}\n", 78, "1:11: error: disable has no field "
     "entris; it has namespaces, entries and meta"),
    (".wippy.yaml", 'version: "1.0"\ndisable: {entris: x}\n', 0, "2:11: warning: disable "
     "has no field entris; it has namespaces, entries and meta"),
    ("supervisor.yaml", "disable: {entries: {a: b}}\n", 78, "1:11: error: disable.entries "
     'must be a list of patterns; write for example [app.test, "app.**"]'),
    ("supervisor.yaml", "disable: {namespaces: [5]}\n", 78, "1:11: error: "
     'disable.namespaces must be a list of patterns; write for example [app.test, '
     '"app.**"]'),
    ("supervisor.yaml", "disable: {meta: x}\n", 78, "1:11: error: disable.meta must be a "
     "map; write meta: {field: value}"),
    ("supervisor.yaml", "disable: {namespaces: other, entries: [app:data]}\n", 0, None),
])
def test_CFG01_settings_files_that_are_nearly_right(folder, name, text, code, line):
    folder.write(name, text)
    done = folder.run("check")
    assert done.returncode == code
    wanted = "" if line is None else f"{name}{'' if line[0] == ':' else ':'}{line}\n"
    assert done.stderr == wanted


def test_overrides_of_the_command_line_are_named_as_such(folder):
    done = folder.run("check", "-o", "app:nix:x=1")
    assert (done.returncode, done.stderr) == (
        78, "-o: error: override errors: [no entry found for app:nix]; correct the id or "
        "leave the override out\n")


def test_CLI01_init_writes_a_lock_file_that_counts(folder):
    done = folder.run("init", "--src-dir", "./my src", "--modules-dir", "mods")
    assert (done.returncode, done.stdout, done.stderr) == (0, "wrote wippy.lock\n", "")
    assert (folder.path / "wippy.lock").read_text() == (
        'directories:\n  modules: mods\n  src: "./my src"\n')
    os.rename(folder.path / "src", folder.path / "my src")
    assert folder.run("check").stdout == "no problems in 3 entries\n"
    done = folder.run("init")
    assert (done.returncode, done.stderr) == (
        1, "supervisor: cannot write wippy.lock: File exists\n")
    done = folder.run("init", "--lock-file", "other.lock", program=folder.as_wippy())
    assert done.returncode == 0
    assert (folder.path / "other.lock").read_text() == (
        "directories:\n  modules: .wippy\n  src: ./src\n")


@pytest.mark.parametrize("path", ["x+=", "x +=", ".data.x +="])
def test_REG13_a_requirement_appends_with_a_blank_or_without(folder, path):
    folder.write("src/more.yaml", f"""\
namespace: app
entries:
- {{name: r, kind: ns.requirement, default: b, targets: [{{entry: data, path: "{path}"}}]}}
""")
    done = folder.hello("-o", "app:data:y=1")
    assert (done.stdout, done.stderr) == ('{"x":["b"],"y":1}\n', "")


def test_CLI01_what_wippy_has_besides_is_taken(folder):
    done = folder.hello("--set", "cluster.enabled=true", "--registry", "http://hub",
                        program=folder.as_wippy())
    assert (done.returncode, done.stdout, done.stderr) == (0, '{"x":1}\n', "")
    done = folder.run("check", "--set", "cluster.enabled=true")
    assert (done.returncode, done.stderr) == (
        78, "--set: error: unknown setting 'cluster.enabled'\n")


def test_CLI05_a_pattern_that_nothing_fits_is_told(folder):
    done = folder.run("pack", "x.wapp", "--bytecode", "ap:**", "--embed", "files")
    assert done.returncode == 0
    assert done.stderr == ("supervisor: warning: --bytecode ap:** fits no entry\n"
                           "supervisor: warning: --embed files fits no entry\n")
    done = folder.run("pack", "x.wapp", "--bytecode", "app:**")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_log_file_that_cannot_be_written_ends_the_start(folder):
    done = folder.hello("--set", "logger.file=none/x.log")
    assert (done.returncode, done.stdout, done.stderr) == (
        69, "", "supervisor: logger.file none/x.log: No such file or directory\n")


@pytest.mark.parametrize("words", [["check"], ["run", "list"], ["manual"],
                                   ["--help"], ["--version"]], ids=" ".join)
def test_what_is_printed_to_a_full_disk_is_no_success(folder, words):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([troupe.SUPERVISOR, *words], cwd=folder.path, stdout=full,
                              stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (
        1, "supervisor: can't write all of the output: No space left on device\n")
