"""What the README, the demo and the example settings promise."""

import os
import re

import troupe
from troupe import wait_for

DEMO = os.path.join(troupe.ROOT, "config", "demo")
SETTINGS = os.path.join(troupe.ROOT, "config", "supervisor.yaml")


def read(*path):
    with open(os.path.join(troupe.ROOT, *path), encoding="utf-8") as file:
        return file.read()


def test_the_first_app_of_the_readme_is_the_one_that_is_tested():
    assert f"```yaml\n{read('tests', 'apps', 'readme-first', '_index.yaml')}```" in \
        read("README.md")


def test_the_first_app_doubles(boot):
    one = boot(config=os.path.join(troupe.APPS, "readme-first"))
    done = one.run_supctl("call", "first:double", "21")
    assert (done.returncode, done.stdout) == (troupe.OK, "42\n")


def test_links_lead_somewhere():
    names = ["README.md", "config/examples/README.md"]
    names += [f"docs/{name}" for name in os.listdir(os.path.join(troupe.ROOT, "docs"))]
    names += [f"config/examples/{name}/README.md"
              for name in os.listdir(os.path.join(troupe.ROOT, "config", "examples"))
              if name != "README.md"]
    assert "docs/operating.md" in names
    for name in names:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", read(name)):
            path = os.path.join(troupe.ROOT, os.path.dirname(name), target)
            assert os.path.exists(path), f"{name}: {target}"


def test_the_demo_does_what_its_comments_say(boot):
    one = boot(config=DEMO)
    assert one.call("demo:add", 2, 3) == 5
    assert one.call("demo:primes", 1000) == {"below": 1000, "count": 168}
    assert one.call("demo:greet", "Ann") == "Hello, Ann!"
    assert one.call("demo:slow", 0.01) == "slept for 0.01 s"
    assert [one.call("demo:count") for _ in range(3)] == [1, 2, 3]
    assert [row["name"] for row in one.supctl("names")] == ["counter"]
    one.allow("failed on purpose")  # after 20 s

    def all_run():
        states = {row["id"]: row["state"] for row in one.supctl("services")}
        return set(states.values()) == {"running"} and "demo:flaky.service" in states
    wait_for(all_run)


def test_the_demo_has_a_command(tmp_path):
    done = troupe.run(troupe.SUPERVISOR, "--config", DEMO, "--state",
                      tmp_path / "state", "--control", tmp_path / "control.sock", "run",
                      "hello", "Ann")
    assert (done.returncode, done.stderr) == (troupe.OK, "")
    assert done.stdout == "Hello, Ann!\n2 + 3 =\t5\nthe counter says\t1\n"


def check(*args):
    return troupe.run(troupe.SUPERVISOR, "check", "--config", DEMO, *args)


def test_the_example_settings_load_and_change_nothing():
    done = check("--config", SETTINGS)
    assert (done.returncode, done.stderr) == (troupe.OK, "")


def test_the_guide_for_authors_lists_every_module():
    table = re.findall(r'^    \{"(\w+)", +\w+, +(true|false)\},$',
                       read("worker", "modules.c"), re.M)
    assert len(table) > 20
    text = read("docs", "writing-apps.md")
    text = text[text.index("## Modules"):text.index("How far each of them goes")]
    always, listed = text.split("An entry's")
    for name, is_always in table:
        assert f"`{name}`" in (always if is_always == "true" else listed), name
    for name in re.findall(r"`(\w+)`", listed)[1:]:
        assert (name, "false") in table, name


def test_exit_statuses_of_the_guide_are_those_that_are_promised():
    known = set(re.findall(r"EXIT_\w+ = (\d+)", read("common", "exit.h")))
    rows = re.findall(r"^\| (\d+) \| (.*?) ?\| (.*?) ?\|$", read("docs", "operating.md"),
                      re.M)
    assert {row[0] for row in rows} == known
    assert {row[0] for row in rows if not row[1]} == {"3", "4", "5", "6"}
    assert {row[0] for row in rows if not row[2]} == {"69", "70", "78"}
