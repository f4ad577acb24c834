"""Variables and their storages, seen from the outside world (ENV)."""

import os

import pytest

from troupe import function

ENV = """
return {main = function(op, ...)
    local f = env[op]
    local value, err = f(...)
    if err then return {kind = err:kind(), text = tostring(err)} end
    return {value = value}
end}
"""


@pytest.fixture(scope="module")
def env(boot_shared):
    return boot_shared([
        {"name": "os", "kind": "env.storage.os"},
        {"name": "mem", "kind": "env.storage.memory"},
        {"name": "file", "kind": "env.storage.file", "file_path": "deep/config.env",
         "auto_create": True},
        {"name": "home", "kind": "env.variable", "variable": "E2E_VARIABLE",
         "storage": "app:os"},
        {"name": "undeclared", "kind": "env.variable", "variable": "E2E_DEFAULT",
         "storage": "app:os", "default": "fallback"},
        {"name": "counter", "kind": "env.variable", "variable": "COUNTER",
         "storage": "app:mem"},
        {"name": "fixed", "kind": "env.variable", "variable": "FIXED", "storage": "app:mem",
         "default": "f", "readonly": True},
        {"name": "stored", "kind": "env.variable", "variable": "STORED",
         "storage": "app:file"},
        {"name": "private", "kind": "env.variable", "storage": "app:mem", "default": "p"},
        function("env", ENV, modules=["env"]),
    ], env={"E2E_VARIABLE": "from outside", "E2E_SECRET": "hidden"})


def test_ENV03_get(env):
    assert env.call("app:env", "get", "E2E_VARIABLE") == {"value": "from outside"}
    assert env.call("app:env", "get", "E2E_DEFAULT") == {"value": "fallback"}
    assert env.call("app:env", "get", "app:home") == {"value": "from outside"}
    assert env.call("app:env", "get", "private") == {"value": "p"}
    assert env.call("app:env", "get", "E2E_SECRET") == {
        "kind": "NotFound", "text": "environment variable not found"}
    assert env.call("app:env", "get", "") == {"kind": "Invalid", "text": "empty key"}


def test_ENV01_ENV03_set(env):
    assert env.call("app:env", "set", "COUNTER", "1") == {"value": True}
    assert env.call("app:env", "get", "COUNTER") == {"value": "1"}
    assert env.call("app:env", "set", "FIXED", "x")["kind"] == "PermissionDenied"
    got = env.call("app:env", "set", "E2E_VARIABLE", "x")
    assert got["kind"] == "PermissionDenied" and "storage is read-only" in got["text"]
    assert env.call("app:env", "get", "FIXED") == {"value": "f"}


def test_ENV02_file_storage(env):
    path = os.path.join(env.cwd, "deep", "config.env")
    assert env.call("app:env", "set", "STORED", "one") == {"value": True}
    with open(path) as file:
        assert file.read() == "STORED=one\n"
    with open(path, "w") as file:
        file.write("# a comment\n\nOTHER = kept # too\nSTORED = two # note\nSTORED=second\n")
    assert env.call("app:env", "get", "STORED") == {"value": "two"}
    assert env.call("app:env", "set", "STORED", "three") == {"value": True}
    with open(path) as file:
        text = file.read()
    assert text.startswith("# a comment\n\nOTHER = kept # too\n")
    assert "three" in text and "# note" in text
    assert not os.path.exists(path + ".tmp")


def test_ENV04_get_all(env):
    env.call("app:env", "set", "COUNTER", "5")
    everything = env.call("app:env", "get_all")["value"]
    assert everything["COUNTER"] == "5"
    assert everything["E2E_VARIABLE"] == "from outside"
    assert "E2E_DEFAULT" not in everything


