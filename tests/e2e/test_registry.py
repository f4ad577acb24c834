"""The registry and its environment variables, from inside an app (REG, ENV)."""

import pytest

import lua_suite


@pytest.fixture(scope="module")
def results(boot_shared):
    return lua_suite.boot(boot_shared)


@lua_suite.cases("registry", "environment")
def test_registry(results, suite, title):
    results.check(suite, title)
