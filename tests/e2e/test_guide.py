"""docs/operating.md: what its console boxes show is what happens, from top to bottom."""

import os
import re
import shutil
import subprocess
import time

import troupe

GUIDE = os.path.join(troupe.ROOT, "docs", "operating.md")
# What may be asked again until the answer is as written: it changes nothing.
LOOKS = re.compile(r"supctl (status|services|pools?|workers|ps|names|inspect|groups|logs|"
                   r"trace|metrics|is-running)\b")
MASKS = [
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+Z)?", "<time>"),
    (r"\b[0-9a-f]{32}\b", "<trace>"),
    (r"0x[0-9a-f]+", "<pid>"),
    (r"\b\d+(\.\d+)?(us|ms|s|m\d\ds|h\d\dm)(?![\w.])", "<duration>"),
    (r"\b\d+(\.\d+)?[BKMGT]\b", "<size>"),
    (r"[.=]{9,} ?[.=]*", "<bar>"),
    (r"(?<![\w.])\d+(\.\d+)?(?![\w.])", "<n>"),
]


def commands_of(text):
    """[(command, lines that it prints)] of all boxes."""
    found = []
    for box in re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S):
        for line in box.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def masked(line):
    """Without what differs from run to run; a result or a status stays as it is."""
    line = line.strip()
    if not re.fullmatch(r"(status )?\d+|version \d+", line):
        for pattern, name in MASKS:
            line = re.sub(pattern, name, line)
    return re.sub(r"\s+", " ", line)


def matches(shown, wanted):
    """Is it the same, but for `…`? On a line of its own that is any number of lines."""
    pattern = ""
    for line in wanted:
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(map(re.escape, masked(line).split("…"))) + r"\n"
    text = "".join(masked(line) + "\n" for line in shown if line.strip())
    return re.fullmatch(pattern, text) is not None


def run(one, command):
    path = os.pathsep.join([os.path.dirname(troupe.SUPCTL), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", command], cwd=one.folder, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
        env={**os.environ, "PATH": path, "TROUPE_CONTROL": "control.sock"})
    return done.stdout.splitlines()


def check(one, command, wanted):
    wanted = [line for line in wanted if line.strip()]
    deadline = time.monotonic() + troupe.PATIENCE_S
    while True:
        shown = run(one, command)
        if matches(shown, wanted):
            return
        # A process is running before it has taken its name.
        changed_nothing = LOOKS.match(command) or "NotFound" in "".join(shown)
        again = changed_nothing and time.monotonic() < deadline
        assert again, f"$ {command}\n" + "\n".join(shown) + "\n-- but the guide says\n" + \
            "\n".join(wanted)
        time.sleep(0.05)


def test_the_guide_shows_what_happens(boot):
    one = boot(start=False)
    one.config = "shop"
    shutil.copytree(os.path.join(troupe.APPS, "operating"),
                    os.path.join(one.folder, "shop"))
    one.cwd, one.state, one.control = one.folder, "state", "control.sock"
    one.allow("worker died, restarting", "service failed, it", "not enough memory")
    with open(GUIDE, encoding="utf-8") as file:
        commands = commands_of(file.read())
    here = os.getcwd()
    os.chdir(one.folder)  # where its control socket is looked for
    try:
        one.start()
        for command, wanted in commands:
            check(one, command, wanted)
        assert one.wait() == troupe.OK
    finally:
        os.chdir(here)


def test_what_is_compared_can_differ():
    assert matches(["a  12  3.4s"], ["a 7 120ms"]) and not matches(["a 12"], ["b 12"])
    assert matches(["x", "y", "z"], ["x", "…"]) and not matches(["x", "y"], ["x"])
    assert not matches(["20"], ["24"]) and not matches(["status 1"], ["status 0"])
    assert matches(["a b c"], ["a … c"])
    assert commands_of("```console\n$ a\nb\n$ c\n```\n") == [("a", ["b"]), ("c", [])]
