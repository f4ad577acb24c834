"""What valgrind tells of the programs under test (./dev valgrind --e2e).

Each process has a file of its own in a folder of this run. A finding is whatever stands
there that is not known to be harmless: a new kind of message is rather looked at once
too often. Descriptors count when a process comes to its own end with them.
"""

import os
import re
import tempfile

import troupe

BY_SIGNAL = "Process terminating with default action of signal"
# How paragraphs begin that every process may have.
HARMLESS = re.compile(
    r"Memcheck, a memory error detector|HEAP SUMMARY|LEAK SUMMARY|FILE DESCRIPTORS|"
    r"For lists of detected|All heap blocks were freed|"
    # Our processes are ended by signals of these kinds, and tests send them.
    + BY_SIGNAL + r" (1|2|9|10|12|13|15) ")
# Descriptors that are there until the kernel takes them back, by whoever opened them.
UNTIL_THE_END = {
    "<inherited from parent>": "somebody else's",
    "ev_default_loop": "libev keeps its loop for as long as the process lives",
    "at 0x[0-9A-F]+: epoll_create1 .*\\n.*libev.so": "libev, again after a fork",
    "keep_socket_open": "the end of a worker's socket is the end of the worker",
    "state_open": "the lock of the state folder: others may take it when we are gone",
}

# Files that are about supctl too. In all others it runs as it is: they ask it again and
# again for what they wait for, and each time would take ten times as long.
ABOUT_SUPCTL = {
    "test_cli", "test_command_lines", "test_doctor", "test_manuals", "test_metrics",
    "test_operators", "test_pack", "test_supctl", "test_terminal", "test_top",
    "test_trace", "test_verbs"}

seen = {}  # file: how much of it was looked at


def set_up():
    """Before any program starts: each process of pytest has a folder of its own."""
    if troupe.MEMCHECK_LOGS:
        folder = tempfile.mkdtemp(prefix="run-", dir=troupe.MEMCHECK_LOGS)
        os.chmod(folder, 0o777)  # some run as somebody else
        os.environ["TROUPE_VALGRIND_LOGS"] = troupe.MEMCHECK_LOGS = folder


def begin_file(path):
    """Before the tests of a file."""
    name = os.path.splitext(os.path.basename(path))[0]
    os.environ["TROUPE_VALGRIND_SUPCTL"] = "1" if name in ABOUT_SUPCTL else ""


def is_harmless(paragraph, was_ended):
    if paragraph.startswith("Open "):
        return was_ended or any(re.search(who, paragraph) for who in UNTIL_THE_END)
    return HARMLESS.match(paragraph) is not None


def findings_of(text):
    """The paragraphs of a process's file that tell of something wrong."""
    lines = [line.partition("== ")[2] for line in text.splitlines()
             if line.startswith("==")]  # others begin with --: what valgrind can't do
    text = "\n".join(lines).replace("\nOpen ", "\n\nOpen ")
    paragraphs = re.split(r"\n{2,}", text.strip())
    was_ended = BY_SIGNAL in text
    return [p for p in paragraphs if p.strip() and not is_harmless(p.strip(), was_ended)]


def findings_in(path):
    with open(path, errors="replace") as file:
        return [f"{os.path.basename(path)}: {text}" for text in findings_of(file.read())]


def new_findings():
    """What processes have told since the last time."""
    found = []
    if not troupe.MEMCHECK_LOGS:
        return found
    for name in sorted(os.listdir(troupe.MEMCHECK_LOGS)):
        all_of_it = findings_in(os.path.join(troupe.MEMCHECK_LOGS, name))
        found += all_of_it[seen.get(name, 0):]
        seen[name] = len(all_of_it)
    return found
