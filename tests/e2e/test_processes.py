"""Actors: life, messages, watches, names (PM, PID, PR, MB, EX, CT, NR, T)."""

import os

import pytest

import lua_suite
from troupe import host, process, wait_for


@pytest.fixture(scope="module")
def results(boot_shared):
    return lua_suite.boot(boot_shared)


@lua_suite.cases("processes", "processes_far")
def test_processes(results, suite, title):
    results.check(suite, title)


@pytest.mark.parametrize("where", ["app:host", "app:other"])
def test_PR6_a_linked_child_hears_that_its_parent_ended_while_it_was_loaded(
        boot, where):
    one = boot([
        host(host={"workers": 1}), host("other", host={"workers": 1}),
        process("parent", """return {main = function(where)
            process.spawn_linked("app:child", where) end}"""),
        process("child", """
            print("loading")
            while not registry.get("app:go") do end
            print("loaded")
            return {main = function() process.events():receive() end}""",
                modules=["registry"])])
    one.allow("process failed")
    parent = one.supctl("spawn", "app:parent", "app:host", f'"{where}"')
    one.wait_record("loading")
    one.supctl("kill", parent)
    wait_for(lambda: not one.actors("app:parent"), what="the parent's end")
    change = os.path.join(one.folder, "change.yaml")
    with open(change, "w", encoding="utf-8") as file:
        file.write("namespace: app\nentries: [{name: go, kind: registry.entry}]\n")
    one.supctl("registry", "apply", change)
    one.wait_record("loaded")
    wait_for(lambda: not one.actors("app:child"), what="the child's end")
