"""docs/scripts.md: what supctl prints for programs, and in which order."""

import json
import os
import re
import subprocess

import pytest

import troupe
from troupe import ECHO, IDLE, ONE, BOOM, function, host, process, service, wait_for

APP = [
    host(),
    process("idle", IDLE), process("boom", BOOM),
    service("zeta", "app:idle"), service("alpha", "app:idle"),
    service("broken", "app:boom", restart={"initial_delay": "1h"}),
    function("echo", ECHO, pool=ONE),
    function("aside", ECHO, pool={"type": "inline"}),
    {"name": "around", "kind": "interceptor.lua", "method": "handle",
     "match": {"functions": ["app:echo"]},
     "source": "return {handle = function(call, next) return next() end}"},
    {"name": "rooms", "kind": "pg.scope", "lifecycle": {"auto_start": True}},
    process("member", """return {main = function()
        pg.open("app:rooms"):join({"hall"})
        process.registry.register("member")
        process.events():receive() end}""", modules=["pg"]),
    service("joins", "app:member"),
]


def documented():
    """Section -> (keys that are always there, those that may be)."""
    with open(os.path.join(troupe.ROOT, "docs", "scripts.md")) as file:
        text = file.read()
    tables = {}
    for section in text.split("\n### ")[1:]:
        title, _, body = section.partition("\n")
        cells = [row.split("|")[1] for row in body.splitlines() if row.startswith("| ")][1:]
        cells = [cell for cell in cells if "`" in cell]
        may = {key for cell in cells for key in re.findall(r"\*`(\w+)`\*", cell)}
        keys = {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}
        tables[title] = (keys - may, may)
    return tables


@pytest.fixture(name="one", scope="module")
def one_that_has_everything(boot_shared):
    one = boot_shared(APP, args=["--set", "trace.sample=1"])
    one.allow("service failed", "boom")
    one.wait_service("app:broken", "failed")
    wait_for(lambda: one.supctl("groups"), what="the group")
    assert one.call("app:echo", 1) == 1 and one.call("app:aside", 1) == 1
    wait_for(lambda: all("figures" in row for row in one.supctl("workers")))
    return one


def records_of(one, title):
    if title == "supervisor":
        return [one.supctl("status")["supervisor"]]
    if title == "events":
        with subprocess.Popen([troupe.SUPCTL, "--json", "events", "--control", one.control],
                              stdout=subprocess.PIPE, text=True) as stream:
            wait_for(lambda: one.run_supctl("metrics").stdout.count(
                'rows{table="bus_followers"} 1'))
            one.supctl("restart", "app:alpha")
            record = json.loads(stream.stdout.readline())
            stream.terminate()
        return [record]
    words = title.split()
    if title == "registry get":
        words.append("app:echo")
    if title == "trace ID":
        words = ["trace", one.supctl("trace")[0]["trace"]]
    if title == "reload":
        words.append("--dry-run")
    got = one.supctl(*words)
    return got if isinstance(got, list) else [got]


@pytest.mark.parametrize("title", documented())
def test_records_have_the_keys_that_are_documented(one, title):
    always, perhaps = documented()[title]
    records = records_of(one, title)
    assert records
    for record in records:
        assert always <= set(record), always - set(record)
        assert set(record) <= always | perhaps, set(record) - always - perhaps
    if title in ("pools", "services", "workers"):
        missing = perhaps - {key for record in records for key in record}
        assert missing <= {"next_try_in_ms", "workers"}, missing


def test_lists_have_one_order(boot):
    one = boot([host(host={"workers": 4}), process("p", IDLE),
                *[function(name, ECHO) for name in "dbca"]])
    one.supctl("scale", "app:b", 3)
    for i in range(8):
        one.supctl("spawn", "app:p", "app:host")
    troupe.write_app(one.cwd, [host(host={"workers": 4}), process("p", IDLE),
                               *[function(name, ECHO + " ") for name in "bdaec"]])
    one.supctl("reload")
    for words, key in ((["pools"], "entry"), (["ps"], "pid"), (["workers"], "index"),
                       (["services"], "id"), (["registry", "list"], "id")):
        keys = [row[key] for row in one.supctl(*words)]
        assert keys == sorted(keys) and keys, words
