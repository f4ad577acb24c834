"""Help, manual pages and shell completion: one source, nothing missing in any."""

import os
import re
import shutil
import subprocess

import pytest

import troupe

PROGRAMS = {"supervisor": troupe.SUPERVISOR, "supctl": troupe.SUPCTL}
PAGES = {"supervisor.1": [troupe.SUPERVISOR, "manual"],
         "supctl.1": [troupe.SUPCTL, "manual"],
         "worker.8": [troupe.SUPERVISOR, "manual", "worker"]}


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=60,
                          check=False, **more)


def told_by(*command, **more):
    done = run(*command, **more)
    assert (done.returncode, done.stderr) == (troupe.OK, ""), (command, done)
    return done.stdout


def usages(program):
    """The commands that help lists, as people type them."""
    text = told_by(PROGRAMS[program], "--help")
    rows = re.findall(r"^  ([a-z].*?)(?:   .*)?$", text.split("\nOptions:")[0], re.M)
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
    done = run("mandoc", "-Tlint", "-Wwarning", input=told_by(*PAGES[page]))
    assert (done.returncode, done.stdout) == (0, "")


def test_the_page_of_settings_has_no_fault_and_every_key(settings_page):
    done = run("mandoc", "-Tlint", "-Wwarning", input=settings_page)
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
    done = run(PROGRAMS[program], *args)
    assert (done.returncode, done.stdout) == (troupe.USAGE, "")
    assert hint in done.stderr


# ---- in real shells


BASH = """
set -u
source "$1"
COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
COMP_LINE=$2 COMP_POINT=${#2}
compopt() { :; }
_supctl
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(name="bash")
def make_bash(tmp_path):
    script = tmp_path / "supctl.bash"
    script.write_text(told_by(troupe.SUPCTL, "completion", "bash"))

    def complete(line):
        path = f"{os.path.dirname(troupe.SUPCTL)}:{os.environ['PATH']}"
        text = told_by("bash", "-c", BASH, "bash", script, f"supctl {line}",
                       env={**os.environ, "PATH": path}, cwd=tmp_path)
        return text.split()
    return complete


def test_bash_completes_commands_options_and_files(bash, tmp_path):
    assert bash("regi") == ["registry"]
    assert bash("registry ro") == ["rollback"]
    assert bash("logs --level=w") == ["warn"]  # bash has "--level" and "=" for words
    assert bash("logs --level ") == ["debug", "info", "warn", "error"]
    (tmp_path / "change one.yaml").write_text("")
    assert " ".join(bash("registry apply ch")) == "change one.yaml"
    assert bash("frobnicate ") == []


def test_bash_completes_what_runs(boot, bash):
    one = boot(config=os.path.join(troupe.ROOT, "config", "demo"))
    where = f"--control {one.control}"
    # Bash has "demo" and ":" for words of their own: only what is behind comes back.
    assert bash(f"{where} call demo:ad") == ["add"]
    assert "demo:add" in bash(f"{where} call ")
    assert bash(f"{where} restart demo:fl") == ["flaky.service"]
    assert "counter" in bash(f"{where} inspect c")
    assert bash("--control /no/such/socket call ") == []


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_are_right_for_their_shells(program, shell, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    script = tmp_path / "script"
    script.write_text(told_by(PROGRAMS[program], "completion", shell))
    done = run(shell, "-n", script)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
def test_fish_completes(tmp_path):
    script = tmp_path / "supctl.fish"
    script.write_text(told_by(troupe.SUPCTL, "completion", "fish"))
    path = f"{os.path.dirname(troupe.SUPCTL)}:{os.environ['PATH']}"
    text = told_by("fish", "--no-config", "-c",
                   f"source {script}; complete -C 'supctl logs --level '",
                   env={**os.environ, "PATH": path, "HOME": str(tmp_path)})
    assert sorted(text.split()) == ["debug", "error", "info", "warn"]
