"""Help, manual pages and shell completion: one source, nothing missing in any."""

import json
import os
import pty
import re
import select
import shutil
import signal

import pytest

import troupe

PROGRAMS = {"supervisor": troupe.SUPERVISOR, "supctl": troupe.SUPCTL}
PAGES = {"supervisor.1": [troupe.SUPERVISOR, "manual"],
         "supctl.1": [troupe.SUPCTL, "manual"],
         "worker.8": [troupe.SUPERVISOR, "manual", "worker"]}


def told_by(*command, **more):
    done = troupe.run(*command, **more)
    assert (done.returncode, done.stderr) == (troupe.OK, ""), (command, done)
    return done.stdout


def usages(program):
    """The commands that help lists, as people type them."""
    text = told_by(PROGRAMS[program], "--help")
    rows = re.findall(r"^  ([a-z].*?)(?:  .*)?$", text.split("\nOptions:")[0], re.M)
    assert len(rows) > 10
    return rows


def words_of(usage):
    return re.match(r"[a-z-]+( (?:list|doc|get|find|apply|history|rollback)\b)?",
                    usage)[0]


def rendered(page):
    return told_by("mandoc", "-Tutf8", "-Owidth=78", input=page)


@pytest.fixture(name="settings_page", scope="module")
def make_settings_page():
    config = os.path.join(troupe.ROOT, "config")
    with open(os.path.join(config, "supervisor.yaml"), encoding="utf-8") as file:
        return told_by("/usr/bin/python3", os.path.join(config, "settings_page.py"), "0",
                       input=file.read())


@pytest.mark.parametrize("page", PAGES)
def test_pages_have_no_fault(page):
    done = troupe.run("mandoc", "-Tlint", "-Wwarning", input=told_by(*PAGES[page]))
    assert (done.returncode, done.stdout) == (0, "")


def test_the_page_of_settings_has_no_fault_and_every_key(settings_page):
    done = troupe.run("mandoc", "-Tlint", "-Wwarning", input=settings_page)
    assert (done.returncode, done.stdout) == (0, "")
    text = re.sub("\b.|\b", "", rendered(settings_page))
    assert "     shutdown.timeout (30s)\n" in text and "workers.confine (on)" in text
    assert "enforce: the call fails." in text


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_and_option_is_on_the_page(program):
    page = told_by(PROGRAMS[program], "manual").replace("\\-", "-")
    for usage in usages(program):
        assert f"\\fB{words_of(usage).split()[0]}" in page, usage
    for name in usages(program):
        about = told_by(PROGRAMS[program], "help", name.split()[0])
        for flag in re.findall(r"(--[a-z-]+)", about.split("ptions:")[1]):
            assert f"\\fB{flag}\\fR" in page, flag


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_about_every_command_fits_a_terminal(program):
    for usage in usages(program):
        text = told_by(PROGRAMS[program], "help", usage.split()[0])
        assert f"usage: {program} {usage.split()[0]}" in text
        assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_tells_of_itself_where_it_is_typed(program):
    for usage in usages(program):
        command = words_of(usage)
        text = told_by(PROGRAMS[program], *command.split(), "--help")
        about = "" if command == "help" else command.split()[0]
        assert f"usage: {program} {about}" in text
        assert max(map(len, text.splitlines())) <= 80


def test_help_about_two_words_is_about_no_other():
    for words in (["help", "registry", "get"], ["registry", "get", "--help"]):
        assert told_by(troupe.SUPCTL, *words).count("usage:") == 1
    assert told_by(troupe.SUPCTL, "help", "registry").count("usage:") > 5
    assert "supervisor run list" in told_by(troupe.SUPERVISOR, "help", "run", "list")


def rows_of(program):
    """What the tables in the sources say: usages of commands, names of options."""
    folder = os.path.join(troupe.ROOT, "supervisor")
    start = "options_table.c" if program == "supervisor" else "supctl"
    text = ""
    for name in sorted(os.listdir(folder)):
        if name.startswith(start) and name.endswith(".c"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                text += file.read()
    # What only a link of another name takes.
    text = re.sub(r"\nconst struct option_row wippy_.*?\n};", "", text, flags=re.S)
    commands = re.findall(r'^ {4}\{"([a-z][a-z -]*)",\s+"(\1[^"]*)",\s+"([^{}]*)',
                          text, re.M)
    flags = re.findall(r"""^ {4}\{"([a-z-]+)", (?:0|'.'), \w+,""", text, re.M)
    return [usage for _, usage, rest in commands if " true," not in rest], flags


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_row_of_the_tables_is_in_help_page_and_completion(program):
    commands, flags = rows_of(program)
    assert len(commands) > 10 and len(flags) > 10
    assert sorted(commands) == sorted(usages(program))
    page = told_by(PROGRAMS[program], "manual").replace("\\-", "-")
    lines = page.replace("\\fB", "").replace("\\fR", "").splitlines()
    for usage in commands:
        assert usage in lines
    offered = "".join(told_by(PROGRAMS[program], "complete", *words_of(usage).split(), "--")
                      for usage in commands)
    helped = "".join(told_by(PROGRAMS[program], "help", usage.split()[0])
                     for usage in commands)
    for flag in flags:
        assert f"\n--{flag}\t" in f"\n{offered}", flag
        assert f" --{flag}" in helped and f"\\fB--{flag}\\fR" in page, flag


def test_help_of_a_link_has_what_the_link_understands(tmp_path):
    link = tmp_path / "wippy"
    link.symlink_to(troupe.SUPERVISOR)
    text = told_by(link, "--help")
    with open(os.path.join(troupe.ROOT, "supervisor", "options_table.c"),
              encoding="utf-8") as file:
        table = file.read().split("wippy_options_table[] = {")[1].split("};")[0]
    rows = re.findall(r"""\{"([a-z-]+)", (?:0|'(.)'),""", table)
    assert len(rows) > 3
    for name, letter in rows:
        left = f"-{letter}, " if letter else "    "
        assert f"\n  {left}--{name}" in text
        assert not letter or text.count(f"\n  -{letter}, ") == 1
        assert f"--{name}" not in told_by(troupe.SUPERVISOR, "--help")


def test_what_is_installed_is_where_it_is_looked_for():
    done = told_by("meson", "introspect", "--installed", troupe.BUILD)
    places = "\n".join(json.loads(done).values())
    for place in ("man/man1/supervisor.1", "man/man1/supctl.1", "man/man8/worker.8",
                  "man/man5/supervisor.yaml.5",
                  "bash-completion/completions/supctl.bash",
                  "bash-completion/completions/supervisor.bash",
                  "zsh/site-functions/_supctl", "zsh/site-functions/_supervisor",
                  "fish/vendor_completions.d/supctl.fish",
                  "fish/vendor_completions.d/supervisor.fish"):
        assert f"share/{place}" in places


@pytest.mark.parametrize("page", PAGES)
def test_every_exit_status_is_on_the_page(page):
    """common/exit.h is the promise; each page has those of its program."""
    with open(os.path.join(troupe.ROOT, "common", "exit.h"), encoding="utf-8") as file:
        known = set(re.findall(r"EXIT_\w+ = (\d+)", file.read()))
    text = told_by(*PAGES[page])
    part = text[text.index(".SH EXIT STATUS"):]
    told = set(re.findall(r"^\\fB(\d+)\\fR$", part, re.M))
    assert told <= known
    assert told == {"supervisor.1": known - {"3", "4", "5", "6"},
                    "supctl.1": known - {"69", "70", "78"},
                    "worker.8": {"0", "2", "70"}}[page]


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_and_option_is_completed(program):
    def offers(*words):
        return {line.split("\t")[0]
                for line in told_by(PROGRAMS[program], "complete", *words).splitlines()}
    assert {usage.split()[0] for usage in usages(program)} == offers("")
    for usage in usages(program):
        flags = {flag for flag in
                 re.findall(r"^ +(?:-\w, )?(--[a-z-]+)",
                            told_by(PROGRAMS[program], "help", usage.split()[0]), re.M)}
        words = words_of(usage).split()
        assert offers(*words, "--") <= flags
        assert "--help" in offers(*words, "--")


@pytest.mark.parametrize("args, hint", [
    (["completion", "csh"], "bash, zsh or fish"), (["completion"], ""),
    (["help", "nix"], "no such command"),
])
@pytest.mark.parametrize("program", PROGRAMS)
def test_what_is_not_there_is_refused(program, args, hint):
    done = troupe.run(PROGRAMS[program], *args)
    assert (done.returncode, done.stdout) == (troupe.USAGE, "")
    assert hint in done.stderr


# ---- in real shells


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_are_right_for_their_shells(program, shell, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    script = tmp_path / "script"
    script.write_text(told_by(PROGRAMS[program], "completion", shell))
    done = troupe.run(shell, "-n", script)
    assert (done.returncode, done.stderr) == (0, "")


# How each shell starts without files of the user's own, and what it is to type first.
SHELLS = {
    "bash": (["--norc", "--noprofile", "-i"],
             "PS1= PS2=; source <({program} completion bash)"),
    "zsh": (["-f", "-i"],
            "PS1= PS2=; unsetopt prompt_sp prompt_cr; bindkey -e; "
            "autoload -Uz compinit; compinit -u -D; source <({program} completion zsh)"),
    "fish": (["--no-config", "-i"],
             "function fish_prompt; end; {program} completion fish | source"),
}


def end_shell(pid, terminal):
    os.close(terminal)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


class Shell:
    """A shell at a terminal, that completes what is typed."""

    def __init__(self, name, folder, env):
        options, self.first = SHELLS[name]
        path = f"{os.path.dirname(troupe.SUPCTL)}:/usr/bin:/bin"
        env = {"PATH": path, "HOME": str(folder), "TERM": "dumb", "LANG": "C.UTF-8",
               **env}
        self.seen = b""
        self.n_asked = 0
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(name, [name, *options], env)

    def read_until(self, end):
        def has_come():
            while select.select([self.terminal], [], [], 0)[0]:
                self.seen += os.read(self.terminal, 65536)
            return end in self.seen
        troupe.wait_for(has_come, what=f"{end} from the shell, not {self.seen!r}")

    def source(self, program):
        command = self.first.format(program=program)
        os.write(self.terminal, f"{command}; echo read''y\n".encode())
        self.read_until(b"ready")

    def complete(self, typed):
        """The words that the shell sees after the tab key."""
        self.n_asked += 1
        end = f"<end{self.n_asked}>"
        # Back to the line's start: what was typed becomes the arguments of printf.
        os.write(self.terminal, f"{typed}\t\x01printf '<%s>' \x05 "
                                f"'end{self.n_asked}'\n".encode())
        self.read_until(end.encode())
        text = self.seen.decode(errors="replace")
        words = re.search(rf"((?:<[^<>]*>)*){end}", text)[1]
        return words[1:-1].split("><")


@pytest.fixture(name="shell", params=SHELLS)
def make_shell(request, tmp_path):
    if shutil.which(request.param) is None:
        pytest.skip(f"no {request.param} here")
    shells = []

    def make(program, **env):
        shells.append(Shell(request.param, tmp_path, env))
        shells[-1].source(program)
        return shells[-1]
    yield make
    for one in shells:
        end_shell(one.pid, one.terminal)


def test_shells_complete_commands_options_and_files(shell, tmp_path):
    (tmp_path / "change one.yaml").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folded.txt").write_text("")
    at = shell("supctl", TROUPE_CONTROL=str(tmp_path / "none.sock"))
    for typed, want in [
            ("regis", ["registry"]),
            ("registry ro", ["registry", "rollback"]),
            ("logs --foll", ["logs", "--follow"]),
            ("logs --level w", ["logs", "--level", "warn"]),
            ("logs --level=w", ["logs", "--level=warn"]),
            ("cancel --reason 'a b' --js", ["cancel", "--reason", "a b", "--json"]),
            ("completion f", ["completion", "fish"]),
            ("registry apply chan", ["registry", "apply", "change one.yaml"]),
            ("--control=chan", ["--control=change one.yaml"]),
            ("frobnicate s", ["frobnicate", "s"]),
            ("call de", ["call", "de"])]:  # nobody to ask: nothing, and not a word
        assert at.complete(f"supctl {typed}") == ["supctl", *want], typed
    at = shell("supervisor")
    words = at.complete("supervisor --state fol")
    assert [word.rstrip("/") for word in words] == ["supervisor", "--state", "folder"]
    assert at.complete("supervisor contracts doc --format=j")[-1] == "--format=json"
    for glue in (" ", "="):
        words = at.complete(f"supervisor --set{glue}shutdown.t")
        assert glue.join(words[1:]) == f"--set{glue}shutdown.timeout="


def check_completed(shell, typed, want):
    """Not at once: nobody is asked for longer than somebody at a keyboard would wait."""
    seen = []

    def is_there():
        seen.append(shell.complete(typed)[-1])
        return seen[-1] == want
    try:
        troupe.wait_for(is_there)
    except AssertionError:
        raise AssertionError(f"{typed} became {seen}, not {want}") from None


def test_shells_complete_what_runs(boot, shell):
    """A pid has what means something to a shell; an id has a colon."""
    one = boot([troupe.host(), troupe.host("wide-host"),
                troupe.function("add", "return {main = function(a, b) return a + b end}"),
                troupe.process("sleeper", """return {main = function()
                    process.registry.register("sandman")
                    process.events():receive() end}"""),
                troupe.service("sleeper.service", "app:sleeper")])
    pid = troupe.wait_for(lambda: one.actors("app:sleeper"))[0]["pid"]
    troupe.wait_for(lambda: one.supctl("names"))
    at = shell("supctl", TROUPE_CONTROL=one.control)
    start = pid[:-2].replace("{", "\\{").replace("|", "\\|")
    for typed, want in [
            ("call app:a", "app:add"),
            ("restart app:sl", "app:sleeper.service"),
            ("registry get app:wi", "app:wide-host"),
            ("spawn app:sleeper app:wi", "app:wide-host"),
            ("logs --service=app:sleeper.s", "--service=app:sleeper.service"),
            ("inspect sandm", "sandman"),
            (f"kill {start}", pid),
            (f"kill '{pid[:-2]}", pid)]:
        check_completed(at, f"supctl {typed}", want)
    at = shell("supctl")
    check_completed(at, f"supctl --control {one.control} call app:a", "app:add")


def test_completion_waits_for_nobody(boot):
    """A supervisor that has stopped costs a moment, and nothing is said of it."""
    one = boot([troupe.host()])
    os.kill(one.pid, signal.SIGSTOP)
    try:
        done = troupe.run(troupe.SUPCTL, "complete", "--control", one.control, "call", "")
    finally:
        os.kill(one.pid, signal.SIGCONT)
    assert (done.returncode, done.stdout, done.stderr) == (troupe.OK, "", "")
