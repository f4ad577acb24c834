"""What is left of the rules for processes: texts, details, fields (PR, PID, NR, EX, MB)."""

import pytest

import lua_suite


@pytest.fixture(scope="module")
def results(boot_shared):
    results = lua_suite.boot(boot_shared)
    results.running.allow("process failed|service.*(failed|restart)")
    return results


@lua_suite.cases("rules", "rules_far")
def test_rules(results, suite, title):
    results.check(suite, title)
