"""The settings of supervisor.yaml: the example file, and what is told of wrong values."""

import os
import re

import pytest

import troupe

EXAMPLE = os.path.join(troupe.ROOT, "config", "supervisor.yaml")
TABLE = os.path.join(troupe.ROOT, "supervisor", "settings.c")
ROW = re.compile(r'\{"([\w.]+)",\s*SETTING_(\w+),\s*(?:NULL|"([^"]*)"),\s*(-?\d+),'
                 r'\s*(\d+),\s*(?:"([^"]*)"|\w+)\}')


def rows():
    """[(key, type, default, least, most, choices)], as the program has them."""
    with open(TABLE, encoding="utf-8") as file:
        text = file.read()
    text = text[text.index("settings_table[] = {"):text.index("// clang-format on")]
    found = ROW.findall(text)
    assert len(found) == text.count("SETTING_") > 40
    return found


ROWS = rows()
COUNTING = [row for row in ROWS if row[1] not in ("LATER", "NEVER")]


def check(folder, text):
    (folder / "supervisor.yaml").write_text(text)
    (folder / "src").mkdir(exist_ok=True)
    (folder / "src" / "_index.yaml").write_text("namespace: app\nentries: []\n")
    return troupe.run(troupe.SUPERVISOR, "check", cwd=folder)


def setting(key, value):
    """A file in which it stands on the last line."""
    *sections, name = key.split(".")
    lines = [f"{'  ' * depth}{one}:" for depth, one in enumerate(sections)]
    return "\n".join([*lines, f"{'  ' * len(sections)}{name}: {value}"]) + "\n"


def example():
    """{key: what stands behind it} of the example file."""
    found, sections = {}, []
    with open(EXAMPLE, encoding="utf-8") as file:
        for spaces, name, value in re.findall(r"^( *)(\w+):(?: (.*))?$", file.read(),
                                                re.M):
            sections = [*sections[:len(spaces) // 2], name]
            found[".".join(sections)] = value.strip('"')
    return found


@pytest.mark.parametrize("row", COUNTING, ids=lambda row: row[0])
def test_the_example_has_every_setting_at_its_default(row):
    assert example()[row[0]] == row[2]


def test_the_example_names_what_has_no_effect():
    with open(EXAMPLE, encoding="utf-8") as file:
        text = file.read()
    for key, kind, *_ in ROWS:
        if kind in ("LATER", "NEVER"):
            assert re.search(rf"^#.*\b{re.escape(key)}\b", text, re.M), key


def wrong_values():
    """(key, value, what would be right) for every setting that can be wrong."""
    for key, kind, default, least, most, choices in COUNTING:
        if kind == "BOOL":
            yield key, "maybe", "true or false"
        elif kind in ("INT", "REAL"):
            right = f"a number from {least} to {most}"
            yield key, "some", right
            yield key, int(most) + 1, right
            yield key, int(least) - 1, right
        elif kind == "MS":
            right = f"a duration like {default}"
            yield key, "soon", right
            yield key, f"{int(most) + 1}ms", right
            if int(least) > 0:
                yield key, f"{int(least) * 1000 - 1}us", right
        elif choices:
            yield key, "nonsense", f"one of {choices}"


@pytest.mark.parametrize("key, value, right", wrong_values())
def test_a_wrong_value_is_told_with_its_place_and_what_would_be_right(
        tmp_path, key, value, right):
    text = setting(key, value)
    done = check(tmp_path, text)
    assert (done.returncode, done.stdout) == (troupe.BAD_CONFIG, "")
    line, = done.stderr.splitlines()
    assert line.startswith(f"supervisor.yaml:{text.count(chr(10))}:")
    assert ": error: " in line and key in line and f"'{value}'" in line and right in line


@pytest.mark.parametrize("key", [row[0] for row in COUNTING])
def test_a_mistyped_setting_is_told_with_the_nearest(tmp_path, key):
    text = setting(key[:-1], 1)
    done = check(tmp_path, text)
    assert done.returncode == troupe.BAD_CONFIG
    line, = done.stderr.splitlines()
    assert line.startswith(f"supervisor.yaml:{text.count(chr(10))}:")
    assert f"unknown setting '{key[:-1]}'; did you mean '{key}'?" in line
