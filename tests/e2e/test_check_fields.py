"""`supervisor check` of files that are well formed and nevertheless not what was meant."""


import pytest

import troupe

BASE = """\
version: "1.0"
namespace: a
entries:
- {name: h, kind: process.host}
- {name: p, kind: process.lua, method: main, source: "return 1"}
- {name: m, kind: env.storage.memory}
- {name: e, kind: registry.entry}
- {name: deal, kind: contract.definition, methods: [{name: go}]}
"""
LINE = BASE.count("\n") + 1
F = "kind: function.lua, method: main, source: 'return 1'"
S = "kind: process.service, process: a:p, host: a:h"


def check(folder, *args):
    return troupe.run(troupe.SUPERVISOR, "check", *args, cwd=folder)


def check_entry(folder, entry):
    (folder / "x.yaml").write_text(BASE + "- {name: x, " + entry + "}\n")
    return check(folder, "--config", "x.yaml")


P = 'actions: "*", resources: "*", effect: allow'
EQ = "field: actor.id, operator: eq, value: x"


@pytest.mark.parametrize("entry, text", [
    ("kind: security.policy, policy: {" + P + ", expression: 'true'}",
     "policy.expression, ignoring it; write kind: security.policy.expr"),
    ("kind: security.policy.expr, policy: {" + P + ", expression: 'true', conditions: "
     "[{" + EQ + "}]}", "policy.conditions, ignoring it; say it in the expression"),
    ("kind: security.policy, policy: {" + P + "}, conditions: [{" + EQ + "}]",
     "conditions, ignoring it; write it below policy"),
    ("kind: security.policy, policy: {" + P + ", condition: [{" + EQ + "}]}",
     "policy.condition, ignoring it; did you mean policy.conditions?"),
    ("kind: security.policy, policy: {" + P + ", conditions: [{" + EQ + ", not: true}]}",
     "policy.conditions[0].not, ignoring it; take it out"),
    ("kind: security.policy, group: [g], policy: {" + P + "}",
     "group, ignoring it; did you mean groups?"),
])
def test_S10_S20_what_a_policy_does_not_read_is_a_warning(tmp_path, entry, text):
    result = check_entry(tmp_path, entry)
    assert result.returncode == 0
    kind = entry.partition(",")[0].removeprefix("kind: ")
    assert [line.partition(": warning: ")[2] for line in result.stderr.splitlines()] == [
        f"a:x: {kind} has no field {text}"]


@pytest.mark.parametrize("fields, code, text", [
    ("store: a:m2, token_key: 1234", 78, "error: a:x: failed to decode token store "
     "config: token_key must be a text; put it between quotes"),
    ("store: a:m2, token_key_env: [A]", 78, "token_key_env must be a text"),
    ("store: a:e", 0, "warning: a:x: store is a:e, a registry.entry; name an entry of "
     "kind store.*"),
    ("store: a:m2, token_key: '1234'", 0, ""),
])
def test_S50_a_token_store_needs_a_key_and_a_store_that_can_be_used(
        tmp_path, fields, code, text):
    result = check_entry(tmp_path, "kind: security.token_store, " + fields +
                         "}\n- {name: m2, kind: store.memory")
    assert (result.returncode, text in result.stderr) == (code, True), result.stderr
    assert text or not result.stderr


@pytest.mark.parametrize("groups, fine", [("[g]", True), ("~", True), ("g", False),
                                          ("[g, 5]", False)])
def test_S30_groups_are_a_list_of_names(tmp_path, groups, fine):
    result = check_entry(tmp_path, "kind: security.policy, groups: " + groups +
                         ", policy: {" + P + "}")
    assert result.returncode == 0
    assert result.stderr == "" if fine else "groups must be a list" in result.stderr


@pytest.mark.parametrize("entry, text", [
    (F + ", module: [json]",
     "a:x: function.lua has no field module, ignoring it; did you mean modules?"),
    (F + ", import: {l: a:p}",
     "a:x: function.lua has no field import, ignoring it; did you mean imports?"),
    (F + ", pol: {size: 2}",
     "a:x: function.lua has no field pol, ignoring it; did you mean pool?"),
    (S + ", imput: [1]",
     "a:x: process.service has no field imput, ignoring it; did you mean input?"),
    (S + ", lifecyle: {auto_start: true}",
     "a:x: process.service has no field lifecyle, ignoring it; did you mean lifecycle?"),
    ("kind: terminal.host, hide_log: true",
     "a:x: terminal.host has no field hide_log, ignoring it; did you mean hide_logs?"),
    ("kind: env.variable, variable: V, storage: a:m, read_only: true",
     "a:x: env.variable has no field read_only, ignoring it; did you mean readonly?"),
    ("kind: env.storage.file, file_path: x.env, autocreate: true",
     "a:x: env.storage.file has no field autocreate, ignoring it; did you mean "
     "auto_create?"),
    (F + ", meta: {options: {retry: {max_attempt: 3}}}",
     "a:x: function.lua has no field meta.options.retry.max_attempt, ignoring it; did "
     "you mean meta.options.retry.max_attempts?"),
    (F + ", options: {retry: {max_attempts: 3}}",
     "a:x: function.lua has no field options, ignoring it; write it below meta"),
    (F + ", default_host: a:h",
     "a:x: function.lua has no field default_host, ignoring it; write it below meta"),
])
def test_REG04_a_field_that_is_meant_to_be_a_known_one_is_a_warning(tmp_path, entry, text):
    result = check_entry(tmp_path, entry)
    assert result.returncode == 0
    assert [line.partition(": warning: ")[2] for line in result.stderr.splitlines()] == [
        text]
    assert result.stderr.startswith(f"x.yaml:{LINE}:")


@pytest.mark.parametrize("entry", [
    F + ", tool: {schema: {}}", F + ", path: /x", F + ", modules: [], module: mine",
    S + ", note: mine", F + ", meta: {options: {cost: 3}, retries: 4}",
    F + ", options: {cost: 3}", F + ", options: {retry: {}}, meta: {options: {}}",
])
def test_REG04_fields_of_the_apps_own_are_no_news(tmp_path, entry):
    result = check_entry(tmp_path, entry)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("entry, text", [
    (S.replace("a:h", "a:p"), "host is a:p, a process.lua; name an entry of kind "
     "process.host"),
    (S.replace("a:p", "a:h"), "process is a:h, a process.host; name an entry of kind "
     "process.lua"),
    (S + ", input: hello", "input must be a list, ignoring it; write a list with an item "
     "for each argument, input: [...]"),
    (S + ", lifecycle: {requires: ['a:q']}",
     "lifecycle.requires names a:q, which does not exist: it can't start; did you mean "
     "a:e?"),
    (S + ", lifecycle: {depends_on: [nothing]}",
     "lifecycle.depends_on names a:nothing, which does not exist: it can't start; "
     "declare that service or correct the id"),
    (F + ", meta: {options: {timeout: soon}}",
     'meta.options.timeout is no span of time, ignoring it; write a number of '
     'milliseconds, or for example "5s"'),
    (F + ", meta: {options: {retry: 5}}",
     "meta.options.retry must be a map of fields, ignoring it; write for example options: "
     "{retry: {max_attempts: 3}}"),
    ("kind: contract.binding, contracts: [{contract: a:deal, methods: {go: 'a:pp'}}]",
     "contracts[0].methods.go names a:pp, which does not exist; did you mean a:p?"),
    (F + ", pool: {type: lazy, workers: 3}", "pool.workers has no effect on this type of "
     "pool; one that grows has a max_size"),
    (F + ", pool: {max_size: 3, workers: 2}", "pool.max_size has no effect on this type "
     "of pool; a static one has workers"),
    (F + ", pool: {type: inline, size: 3}", "pool.size has no effect on this type of pool; "
     "an inline one has no slots"),
    ("kind: env.storage.static, values: {A: {b: c}}",
     "values.A is no text, ignoring it; the value of a variable is a text"),
    ("kind: env.storage.router, storages: ['a:nix', 'a:m']",
     "storages names a:nix, which does not exist; declare that entry or correct the id"),
    ("kind: env.variable, variable: V-W, storage: a:m",
     "variable name may hold letters, digits and '_' only: the variable is ignored"),
    ("kind: env.variable, variable: V, storage: m",
     "invalid storage ID format, must have both namespace and name: the variable is "
     "ignored; write storage: namespace:name"),
    ("kind: env.variable, variable: V, storage: a:m, readonly: 'yes'",
     "readonly is neither true nor false: the variable can be set; write true or false"),
])
def test_what_is_taken_but_cannot_be_meant_is_a_warning(tmp_path, entry, text):
    result = check_entry(tmp_path, entry)
    assert result.returncode == 0
    assert [line.partition(": warning: a:x: ")[2]
            for line in result.stderr.splitlines()] == [text]


@pytest.mark.parametrize("entry", [
    F + ", pool: {type: static, vm_actors: 1, vm_max_bytes: 8000000, "
    "mailbox_max_bytes: 1000}",
    "kind: process.host, host: {vm_actors: 1, vm_max_bytes: 8000000, "
    "mailbox_max_bytes: 1000}",
    F + ", pool: {type: static, size: 2, workers: 3}",
    F + ", pool: {type: adaptive, size: 2, max_size: 3, buffer: 4}",
    F + ", pool: {type: inline, max_size: 0}",
])
def test_F41_limits_and_sizes_of_pools_and_hosts(tmp_path, entry):
    result = check_entry(tmp_path, entry)
    assert (result.returncode, result.stderr) == (0, "")


def test_LIFE03_groups_need_no_entry_of_that_id(tmp_path):
    result = check_entry(tmp_path, S + ", lifecycle: {depends_on: ['ns:b', 'group:c']}")
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("entry, text", [
    (F.replace("main", "5"), "method must be a text; name the function of the source "
     "that is to run"),
    (F.replace("'return 1'", "5"), "source must be a text; give source: file://name.lua "
     "or the Lua text itself"),
    ("kind: function.lua, data: 5", "data must be a map of fields; write its fields below "
     "data, or leave data out"),
    (F + ", imports: {e: a:e}", "node with ID a:e not found; it is a registry.entry; name "
     "a library.lua"),
    (F + ", pool: {isolation: 7}", "unknown pool.isolation: (not a text); it must be none "
     "or process"),
    (F + ", pool: {vm_max_bytes: 100MB}", "pool.vm_max_bytes must be an integer"),
    ("kind: process.host, host: {mailbox_max_bytes: -1}", "host.mailbox_max_bytes is -1; "
     "it must be between 0 and 1099511627776"),
    (S + ", lifecycle: {startup: optionl}", "unknown lifecycle.startup: optionl; it must "
     "be required or optional"),
    ("kind: env.storage.router", "router storage must have at least one storage; name "
     "them: storages: [namespace:name]"),
    ("kind: env.storage.router, storages: a:m", "storages must be a list of entry ids; "
     "write storages: [namespace:name]"),
    ("kind: env.storage.static, values: [1]", 'values must be a map of texts; write '
     'values: {NAME: "text"}'),
    ("kind: env.storage.file, file_path: x.env, file_mode: rw",
     "file_mode must be an integer"),
    ("kind: env.storage.file, file_path: x.env, auto_create: maybe",
     "auto_create must be true or false"),
])
def test_values_of_the_wrong_type_are_errors(tmp_path, entry, text):
    result = check_entry(tmp_path, entry)
    assert result.returncode == 78
    assert [line.partition(": error: a:x: ")[2]
            for line in result.stderr.splitlines()] == [text]


def test_a_source_that_is_the_name_of_a_file_is_told(tmp_path):
    result = check_entry(tmp_path, F.replace("'return 1'", "lib/x.lua"))
    assert result.returncode == 78
    assert ("warning: a:x: source is the name of a file, and taken as Lua; write source: "
            "file://lib/x.lua") in result.stderr


def test_ENV03_a_public_name_belongs_to_the_first(tmp_path):
    (tmp_path / "x.yaml").write_text(BASE + """\
- {name: v, kind: env.variable, variable: V, storage: "a:m"}
- {name: w, kind: env.variable, variable: V, storage: "a:m"}
""")
    result = check(tmp_path, "--config", "x.yaml")
    assert (result.returncode, result.stderr) == (
        0, f"x.yaml:{LINE + 1}:33: warning: a:w: variable name already exists: V (a:v): "
        "the variable is ignored; rename one of the two\n")
    assert result.stdout == ""


ENTRY = "- {name: x, kind: registry.entry}\n"


@pytest.mark.parametrize("text, code, line", [
    ("namspace: a\nentries:\n" + ENTRY, 0, "1:1: warning: entries without a namespace, "
     "ignoring the file; did you mean namespace?"),
    ("entries:\n" + ENTRY, 0, "1:1: warning: entries without a namespace, ignoring the "
     "file; write namespace: app at the top"),
    ("namespace: a\nentires:\n" + ENTRY, 78, "2:1: error: either entries array or single "
     "entry (name/kind) must be provided; did you mean entries?"),
    ("namespace: a\nname: y\nkind: registry.entry\nentries:\n" + ENTRY, 0,
     "2:1: warning: a file with entries is no entry itself, ignoring name and kind; make "
     "it one of the entries"),
    ("namespace: a\nmetta: {b: c}\nentries:\n" + ENTRY, 0,
     "2:1: warning: a file has no such field; did you mean meta?"),
    ("namespace: a\nmeta: [b]\nentries:\n" + ENTRY, 0,
     "2:7: warning: meta is no map, ignoring it; write meta: {key: value}"),
    ("namespace: a\nentries:\n- {name: x, kind: registry.entry, meta: b}\n", 0,
     "3:41: warning: meta is no map, ignoring it; write meta: {key: value}"),
    ("namespace: a\nentries:\n- {name: x, kid: registry.entry}\n", 78,
     "3:13: error: entry[0].kind: kind is required and must be a non-empty string; did "
     "you mean kind?"),
])
def test_REG03_slips_in_the_frame_of_a_file(tmp_path, text, code, line):
    (tmp_path / "x.yaml").write_text(text)
    result = check(tmp_path)
    assert (result.returncode, result.stderr) == (code, "x.yaml:" + line + "\n")


@pytest.mark.parametrize("text", [
    "services: {web: {image: x}}\n", "entries: [1, 2]\n", "entries: {a: b}\n",
    "- name: x\n  kind: Deployment\n", "namespaces: [a]\nitems: []\n", "just a text\n",
])
def test_REG02_files_of_other_programs_are_no_news(tmp_path, text):
    (tmp_path / "other.yaml").write_text(text)
    (tmp_path / "x.yaml").write_text("namespace: a\nentries:\n" + ENTRY)
    result = check(tmp_path)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("text, code, line", [
    ("directories: [a]\n", 78, "error: invalid lock file: directories must be a map of "
     "src and modules"),
    ("directories: {src: 5}\n", 78, "error: invalid lock file: directories.src must be "
     "the path of a folder"),
    ("modules: {a: b}\n", 78, "error: invalid lock file: modules must be a list of "
     "modules"),
    ("directories: {scr: ./src}\n", 0, "warning: a lock file has no field scr, ignoring "
     "it; did you mean src?"),
    ("replacements: [{from: a/b}]\n", 0, "warning: a replacement says no folder, ignoring "
     "it; write {from: org/module, to: folder}"),
])
def test_REG01_a_lock_file_that_is_wrong_is_told(tmp_path, text, code, line):
    (tmp_path / "wippy.lock").write_text(text)
    (tmp_path / "x.yaml").write_text("namespace: a\nentries:\n" + ENTRY)
    result = check(tmp_path)
    assert (result.returncode, result.stderr) == (code, "wippy.lock: " + line + "\n")


def test_REG02_a_link_that_leads_nowhere_is_told(tmp_path):
    (tmp_path / "x.yaml").write_text("namespace: a\nentries:\n" + ENTRY)
    (tmp_path / "gone.yaml").symlink_to("nowhere.yaml")
    (tmp_path / "gone.txt").symlink_to("nowhere.txt")
    (tmp_path / ".#x.yaml").symlink_to("an.editors@lock")
    result = check(tmp_path)
    assert (result.returncode, result.stderr) == (
        0, "gone.yaml: warning: no such file, going on without it; mend the link, or take "
        "it out\n")


@pytest.mark.parametrize("fields, code, text", [
    ("max_groups: ten", 78, "error: a:x: max_groups must be an integer"),
    ("max_members_per_group: -1", 78,
     "error: a:x: max_members_per_group is -1; it must be between 0 and"),
    ("broadcast_timeout: 5", 78,
     "error: a:x: broadcast_timeout must be a duration with a unit"),
    ("max_member_per_group: 3", 0, "warning: a:x: pg.scope has no field "
     "max_member_per_group, ignoring it; did you mean max_members_per_group?"),
    ("max_groups: 0, max_members_per_group: 3, broadcast_timeout: 1s, max_retries: 2, "
     "lifecycle: {auto_start: true}", 0, ""),
])
def test_PG4_limits_that_are_none(tmp_path, fields, code, text):
    result = check_entry(tmp_path, "kind: pg.scope, " + fields)
    assert (result.returncode, text in result.stderr) == (code, True), result.stderr
    assert text or not result.stderr
