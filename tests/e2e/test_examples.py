"""Every app of config/examples does what its try.txt says; README.md there has the rules."""

import http.client
import json
import os
import re
import socket

import pytest

import troupe
from troupe import SupctlError, wait_for

EXAMPLES = os.path.join(troupe.ROOT, "config", "examples")
NAMES = sorted(name for name in os.listdir(EXAMPLES)
               if os.path.isdir(os.path.join(EXAMPLES, name)))
DECODER = json.JSONDecoder()


def read(name, file):
    with open(os.path.join(EXAMPLES, name, file), encoding="utf-8") as opened:
        return opened.read()


def steps_of(name):
    """[(verb, the rest of the line)] of try.txt."""
    lines = [line.strip() for line in read(name, "try.txt").splitlines()]
    return [(line.partition(" ")[0], line.partition(" ")[2].strip())
            for line in lines if line and not line.startswith("#")]


def json_values(text):
    values, at = [], 0
    while at < len(text):
        value, at = DECODER.raw_decode(text, at)
        values.append(value)
        while at < len(text) and text[at] == " ":
            at += 1
    return values


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def contains(text, wanted):
    """wanted: a text that is part of it, or `~ REGEX`."""
    if wanted.startswith("~"):
        return re.search(wanted[1:].strip(), text) is not None
    return wanted in text


class Example:
    """One app that goes through its steps."""

    def __init__(self, boot, name, config=None):
        self.name = name
        self.port = free_port()
        self.steps = steps_of(name)
        args = [arg.replace("{port}", str(self.port))
                for verb, rest in self.steps if verb == "boot" for arg in rest.split()]
        self.one = boot(config=config or os.path.join(EXAMPLES, name),
                        args=[*args, *troupe.PATIENT],
                        start=False)
        self.one.allow(*(rest for verb, rest in self.steps if verb == "allow"))

    def go(self):
        for verb, rest in self.steps:
            getattr(self, f"do_{verb}")(rest)

    def running(self):
        if not self.one.is_up():
            self.one.start()
        return self.one

    def do_boot(self, rest):
        """Said at the start."""

    do_allow = do_boot

    def call(self, rest):
        """None when it went as it should, else what came."""
        asked, _, wanted = rest.partition(" => ")
        target, _, args = asked.partition(" ")
        try:
            got = self.running().call(target, *json_values(args.strip()))
        except SupctlError as error:
            kind, _, text = wanted.removeprefix("error ").partition(": ")
            right = wanted.startswith("error ") and error.kind == kind and \
                text in error.message
            return None if right else f"{error.kind}: {error.message}"
        if wanted.startswith("~"):
            right = contains(json.dumps(got), wanted)
        else:
            right = not wanted.startswith("error ") and got == json.loads(wanted)
        return None if right else json.dumps(got)

    def http(self, rest):
        asked, _, wanted = rest.partition(" => ")
        method, path, body = (asked.split(" ", 2) + [""])[:3]
        status, _, text = wanted.partition(" ")
        self.running()
        peer = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            peer.request(method, path, body=body.encode() or None)
            answer = peer.getresponse()
            got = answer.read().decode(errors="replace")
        except OSError as problem:
            return str(problem)
        finally:
            peer.close()
        right = answer.status == int(status) and contains(got, text)
        return None if right else f"{answer.status} {got}"

    def do_call(self, rest):
        assert (got := self.call(rest)) is None, f"call {rest}\ncame: {got}"

    def do_http(self, rest):
        assert (got := self.http(rest)) is None, f"http {rest}\ncame: {got}"

    def do_await(self, rest):
        verb, _, rest = rest.partition(" ")
        step = {"call": self.call, "http": self.http}[verb]
        wait_for(lambda: step(rest) is None, what=f"{verb} {rest}")

    def do_run(self, rest):
        asked, _, wanted = rest.partition(" => ")
        if self.one.is_up():
            self.one.stop()
        done = troupe.run(troupe.SUPERVISOR, "--config", self.one.config, "--state",
                          self.one.state, "--control", self.one.control, *self.one.args,
                          "run", *asked.split())
        assert (done.returncode, done.stderr) == (troupe.OK, ""), done.stdout
        assert contains(done.stdout, wanted), done.stdout

    def do_log(self, rest):
        self.running().wait_record(rest)

    def do_restart(self, rest):
        assert rest == "" and self.running().stop() == troupe.OK
        self.one.start()


@pytest.mark.parametrize("name", NAMES)
def test_an_example_does_what_it_says(boot, name):
    example = Example(boot, name)
    assert example.steps, "try.txt is empty"
    example.go()


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_clean(name, tmp_path):
    done = troupe.run(troupe.SUPERVISOR, "check", "--config",
                      os.path.join(EXAMPLES, name), "--state", tmp_path)
    assert (done.returncode, done.stderr) == (troupe.OK, "")
    assert "warning" not in done.stdout, done.stdout


def test_the_list_of_examples_is_complete():
    with open(os.path.join(EXAMPLES, "README.md"), encoding="utf-8") as file:
        listed = re.findall(r"\]\(([^)]+)/README\.md\)", file.read())
    assert sorted(listed) == NAMES
    for name in NAMES:
        assert f"config/examples/{name}\n" in read(name, "README.md"), name
