"""Suites of assertions that run inside an app.

tests/apps/lua holds them: each file NAME.lua is one entry `suite:NAME` whose cases are
declared as case("title", function ... end). Titles are read from the text, so that each
becomes one test here without anything being started; the first test of a file runs them
all, each case as an actor (or call) of its own.
"""

import os
import re

import pytest

import troupe

FOLDER = os.path.join(troupe.APPS, "lua", "src")
CASE_LIMIT_S = 40


def titles(name):
    source = name.removesuffix("_far") + ".lua"  # the same, with actors in other workers
    with open(os.path.join(FOLDER, source)) as file:
        found = re.findall(r'^case\("((?:[^"\\]|\\.)*)"', file.read(), re.M)
    assert found, f"no case in {name}.lua"
    assert len(set(found)) == len(found), f"a title occurs twice in {name}.lua"
    return found


def cases(*names):
    """Parametrises a test with (suite, title)."""
    pairs = [(name, title) for name in names for title in titles(name)]
    return pytest.mark.parametrize(
        "suite,title", pairs, ids=[f"{name}: {title}" for name, title in pairs])


class Results:
    """What the cases of each suite reported; a suite runs when first asked for."""

    def __init__(self, running):
        self.running = running
        self.by_suite = {}

    def check(self, suite, title):
        if suite not in self.by_suite:
            wanted = titles(suite)
            self.by_suite[suite] = self.running.call(
                "suite:run", suite, wanted, troupe.stretched(f"{CASE_LIMIT_S}s"),
                timeout=f"{len(wanted) * CASE_LIMIT_S}s")
        outcome = self.by_suite[suite].get(title, "never reported")
        assert outcome is True, outcome


def boot(boot_shared, **options):
    running = boot_shared(config=FOLDER, args=troupe.PATIENT, **options)
    running.allow("store is suite:")  # that of suite:wrong_tokens is none
    return Results(running)
