"""Running processes to their end, and spawning with more than arguments (PR-8, SP)."""

import pytest

import lua_suite


@pytest.fixture(scope="module")
def results(boot_shared):
    return lua_suite.boot(boot_shared)


@lua_suite.cases("spawner")
def test_spawner(results, suite, title):
    results.check(suite, title)
