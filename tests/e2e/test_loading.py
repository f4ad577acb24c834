"""What a registry's files may say and what they are refused for; YAML that means harm
(REG, KIND, LIFE, Y)."""

import os
import resource

import pytest

import troupe
from troupe import ECHO, IDLE, function, host, library, process, service, write_app


def get(one, entry_id):
    return one.supctl("registry", "get", entry_id)


def children_cpu_s():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def check(tmp_path, files, config="src"):
    """What came of it, and the processor time that it took."""
    write_app(str(tmp_path), files)
    before = children_cpu_s()
    done = troupe.run(troupe.SUPERVISOR, "check", "--config", config, cwd=tmp_path)
    return done, children_cpu_s() - before


# ---- files


def test_REG02_discovery(boot):
    one = boot({
        "src/_index.yaml": "namespace: a\nentries:\n- {name: one, kind: registry.entry}\n",
        "src/sub/more.yml": "namespace: a.sub\nentries:\n- {name: two, kind: registry.entry}\n",
        "src/sub/x.json": '{"namespace": "j", "entries": [{"name": "three", '
                          '"kind": "registry.entry"}]}',
        "src/node_modules/n.yaml": "namespace: n\nentries:\n- {name: no, kind: registry.entry}\n",
        "src/unrelated.yaml": "services:\n  web: {image: x}\n",
        "src/readme.txt": "namespace: x\n",
        "src/single.yaml": "namespace: s\nname: four\nkind: registry.entry\nvalue: 4\n",
    })
    ids = [row["id"] for row in one.supctl("registry", "list")]
    assert ids == ["a.sub:two", "a:one", "j:three", "s:four"]
    assert get(one, "s:four")["data"] == {"value": 4}


def test_REG02_config_may_be_one_file_or_several(boot):
    app = {"src/a.yaml": "namespace: a\nentries:\n- {name: x, kind: registry.entry}\n",
           "other/b.yaml": "namespace: b\nentries:\n- {name: y, kind: registry.entry}\n"}
    one = boot(app, config="src/a.yaml", args=["--config", "other"])
    assert [row["id"] for row in one.supctl("registry", "list")] == ["a:x", "b:y"]


def test_REG03_meta_of_the_file_lies_under_each_entrys_own(boot):
    one = boot({"src/a.yaml": """
namespace: a
meta: {team: core, tier: file}
entries:
- {name: x, kind: registry.entry, meta: {tier: own}}
"""})
    assert get(one, "a:x")["meta"] == {"team": "core", "tier": "own"}


def test_REG04_yaml_types(boot):
    one = boot({"src/a.yaml": """
namespace: a
entries:
- name: x
  kind: registry.entry
  octal: 0600
  o2: 0o600
  hex: 0x1F
  quoted: "42"
  no: no
  yes: yes
  t: true
  f: 1.5
  e: 1e3
  nothing: ~
  duration: 300ms
  text: |
    two
    lines
"""})
    data = get(one, "a:x")["data"]
    assert data["octal"] == 384 and data["o2"] == 384 and data["hex"] == 31
    assert data["quoted"] == "42" and data["no"] == "no" and data["yes"] == "yes"
    assert data["t"] is True and data["f"] == 1.5 and data["duration"] == "300ms"
    assert data["text"] == "two\nlines\n"
    assert data.get("nothing") is None


def test_REG06_bare_names_where_they_mean_the_own_namespace(boot):
    row = service("s", "p")
    row["lifecycle"]["requires"] = ["base"]
    one = boot([host(), process("p", IDLE),
                service("base", "p"), row])
    assert one.service("app:s")["state"] == "running"


@pytest.mark.parametrize("kind", ["ns.definition", "ns.requirement", "template.set",
                                  "env.storage.memory"])
def test_KIND01_kinds_that_do_nothing_here_load(boot, kind):
    one = boot([{"name": "x", "kind": kind, "value": 1},
                function("echo", ECHO)])
    one.allow("not supported", "no handler", "plain entry", "kind", "unresolved")
    assert get(one, "app:x")["kind"] == kind
    assert one.call("app:echo", 1) == 1


@pytest.mark.parametrize("fields,text", [
    ({"source": ""}, "source is required"),
    ({"method": ""}, "method is required"),
    ({"imports": {"": "app:lib"}}, "import alias cannot be empty"),
    ({"imports": {"x": "app:"}}, "import :name cannot be empty"),
    ({"modules": [""]}, "module cannot be empty"),
    ({"modules": ["a:b"]}, "module cannot have a namespace"),
    ({"modules": ["nothing"]}, "nothing"),
    ({"imports": {"x": "app:gone"}}, "app:gone"),
    ({"pool": {"type": "elastic"}}, "unknown pool type: elastic"),
    ({"source": "return {main = function( end}"}, "app:f"),
])
def test_F2_KIND02_what_functions_are_refused_for(tmp_path, fields, text):
    entry = {**function("f", ECHO), **fields}
    done, _ = check(tmp_path, [entry, library("lib", "return 1")])
    assert done.returncode == troupe.BAD_CONFIG, done
    assert text in done.stderr, done.stderr


@pytest.mark.parametrize("pool,kind", [
    ({"type": "static", "workers": 8, "buffer": 512}, "static"),
    ({"size": 3}, "static"), ({"workers": 2}, "static"), ({"max_size": 4}, "lazy"),
    (None, "lazy"), ({"type": "inline"}, "inline"), ({"type": "adaptive"}, "adaptive"),
    ({"type": "lazy"}, "lazy"),
])
def test_F41_F42_KIND03_which_pool(boot, pool, kind):
    entry = function("f", ECHO)
    if pool is not None:
        entry["pool"] = pool
    one = boot([entry])
    assert one.pool("app:f")["kind"] == kind
    assert one.call("app:f", 1) == 1


def test_REQ01_what_is_always_there_may_be_listed(boot):
    names = ["channel", "coroutine", "errors", "math", "os", "payload", "process", "string",
             "table"]
    one = boot([function("f", """return {main = function(names)
        local same = {}
        for i, name in ipairs(names) do same[i] = require(name) == _G[name] end
        return same
    end}""", modules=names)])
    assert one.call("app:f", names) == [True] * len(names)


def test_REQ01_KIND02_one_library_under_two_names(boot, tmp_path):
    """Through another library it runs once for each; one entry lists it once."""
    lib = library("lib", "local t = {n = 0} function t.inc() t.n = t.n + 1 return t.n end return t")
    one = boot([
        lib, library("between", "return {}", imports={"b": "app:lib"}),
        function("f", "return function() return {a.inc(), a.inc(), b.inc(), a == b} end",
                 imports={"a": "app:lib", "between": "app:between"}),
    ])
    assert one.call("app:f") == [1, 2, 1, False]
    write_app(str(tmp_path), [lib, function("f", ECHO, imports={"a": "app:lib",
                                                               "b": "app:lib"})])
    done = troupe.run(troupe.SUPERVISOR, "check", cwd=tmp_path)
    assert done.returncode == troupe.BAD_CONFIG
    assert "dependency from app:f to app:lib already exists" in done.stderr


def test_REG13_definitions_and_dependencies_load(boot):
    one = boot([{"name": "def", "kind": "ns.definition", "readme": "x"},
                {"name": "dep", "kind": "ns.dependency", "component": "org/mod",
                 "version": "1.0"}, function("echo", ECHO)])
    one.allow("unresolved", "dependency")
    assert get(one, "app:def")["data"]["readme"] == "x"


def test_REG15_unknown_kind_fails_at_once_and_names_the_nearest(tmp_path):
    done, took = check(tmp_path, [{"name": "x", "kind": "proces.lua"}])
    assert done.returncode == troupe.BAD_CONFIG
    assert "process.lua" in done.stderr
    assert took < 5


@pytest.mark.parametrize("skip,found", [("", 4), ("test", 3), ("x, test ,fixtures", 2),
                                        ("tes,fixturess", 4), (",,fixtures", 3)])
def test_REG02_folders_of_tests_may_be_left_out(boot, skip, found):
    one = boot({f"src/{folder}/e.yaml": f"namespace: {folder}\nname: e\n"
                                        "kind: registry.entry\n"
                for folder in ("app", "test", "fixtures", "tester")},
               env={"SKIP_TEST_DIRS": skip})
    assert len(one.supctl("registry", "list")) == found


def test_two_entries_of_one_id_are_refused_with_both_places(tmp_path):
    text = "namespace: a\nentries:\n- {name: x, kind: registry.entry}\n"
    done, _ = check(tmp_path, {"src/1.yaml": text, "src/2.yaml": text})
    assert done.returncode == troupe.BAD_CONFIG
    assert "src/1.yaml:3:" in done.stderr and "src/2.yaml:3:" in done.stderr, done


# ---- YAML that means harm


LAUGHS = "namespace: a\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{i}: &a{i} [" + ",".join([f"*a{i - 1}"] * 10) + "]\n" for i in range(1, 12)
) + "entries:\n- {name: x, kind: registry.entry, data: *a11}\n"

HARM = {
    "Y1 billion laughs": LAUGHS,
    "Y1 self reference": "namespace: a\nentries:\n- &a [*a]\n",
    "Y1 unknown alias": "namespace: a\nentries: *later\n",
    "Y2 depth": "namespace: a\nentries: " + "[" * 100000 + "]" * 100000 + "\n",
    "Y2 map depth": "namespace: a\nentries: " + "{a: " * 50000 + "1" + "}" * 50000 + "\n",
    "Y2 duplicate keys": "namespace: a\nentries:\n- {name: x, kind: registry.entry, name: y}\n",
    "Y2 NUL": "namespace: a\nentries:\n- {name: \"x\", kind: re\0gistry.entry}\n",
    "Y2 tab indent": "namespace: a\nentries:\n\t- {name: x, kind: registry.entry}\n",
    "entries is a map": "namespace: a\nentries: {name: x}\n",
    "entry is a text": "namespace: a\nentries: [x]\n",
    "name is a list": "namespace: a\nentries:\n- {name: [x], kind: registry.entry}\n",
    "namespace is a number": "namespace: [1]\nentries: []\n",
}


@pytest.mark.parametrize("name", HARM)
def test_Y_harmful_yaml_is_refused_quickly_with_its_place(tmp_path, name):
    done, took = check(tmp_path, {"src/bad.yaml": HARM[name],
                                  "src/good.yaml": "namespace: g\nentries: []\n"})
    assert took < 5, f"{took:.1f} s"
    assert done.returncode in (troupe.OK, troupe.BAD_CONFIG), done
    assert "src/bad.yaml:" in done.stderr + done.stdout, done


def test_Y1_many_anchors_take_no_quadratic_time(tmp_path):
    text = "namespace: a\nentries:\n- name: x\n  kind: registry.entry\n  data:\n" + "".join(
        f"    &k{i} k{i}: v\n" for i in range(60000))
    done, took = check(tmp_path, {"src/a.yaml": text})
    assert took < 5, f"{took:.1f} s"
    assert done.returncode in (troupe.OK, troupe.BAD_CONFIG)


N_MANY = 20000


def grouped():
    """Everybody needs a group, and a namespace."""
    return [{"name": f"e{i}", "kind": "registry.entry", "meta": {
        "groups": ["base"]} if i % 2000 == 0 else {
        "depends_on": ["group:base", "ns:other"]}} for i in range(N_MANY)]


def required():
    return [{"name": f"e{i}", "kind": "registry.entry"} for i in range(N_MANY // 2)] + [
        {"name": f"r{i}", "kind": "ns.requirement", "default": "x",
         "targets": [{"entry": f"e{i}", "path": "v"}]} for i in range(N_MANY // 2)]


@pytest.mark.skipif(troupe.SANITIZED, reason="measures time")
@pytest.mark.parametrize("entries", [grouped, required])
def test_REG13_REG14_twenty_thousand_entries_take_no_quadratic_time(tmp_path, entries):
    done, took_s = check(tmp_path, entries())
    assert (done.returncode, done.stdout) == (troupe.OK, "no problems in 20000 entries\n")
    assert took_s < 4


def test_REG02_a_file_in_utf16_is_not_passed_over_in_silence(tmp_path):
    text = "namespace: app\nentries: [{name: e, kind: registry.entry}]\n"
    files = {"src/_index.yaml": text.encode("utf-16"), "src/b.yaml": text}
    done, _ = check(tmp_path, files)
    assert done.returncode == troupe.OK
    assert "src/_index.yaml: warning: the file is UTF-16" in done.stderr
    done, _ = check(tmp_path, files, "src/_index.yaml")
    assert done.returncode == troupe.BAD_CONFIG


def test_Y2_crlf_bom_and_unicode_are_read(boot):
    text = "\ufeffnamespace: a\r\nentries:\r\n- {name: x, kind: registry.entry, u: é}\r\n"
    one = boot({"src/a.yaml": text.encode()})
    assert get(one, "a:x")["data"]["u"] == "é"


def test_a_symlink_loop_in_the_source_tree(tmp_path):
    write_app(str(tmp_path), {"src/a.yaml": "namespace: a\nentries: []\n"})
    os.symlink("..", tmp_path / "src" / "loop")
    done, took = check(tmp_path, {})
    assert took < 5
    assert done.returncode in (troupe.OK, troupe.BAD_CONFIG)


# ---- LIFE


def test_LIFE01_bad_durations_are_refused(tmp_path):
    done, _ = check(tmp_path, [host(), process("p", ECHO),
                               service("s", "app:p", stop_timeout="5 parsecs")])
    assert done.returncode == troupe.BAD_CONFIG
    assert "stop_timeout" in done.stderr and "5 parsecs" in done.stderr


def test_LIFE01_unknown_lifecycle_keys_are_ignored(boot):
    one = boot([host(), process("p", IDLE),
                service("s", "app:p", restart={"delay": "1s"}, whatever=1)])
    one.allow("whatever", "delay")
    assert one.service("app:s")["state"] == "running"
