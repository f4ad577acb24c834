"""Contracts (F-60 to F-72), from inside apps and by their rules of registration."""

import pytest

import lua_suite


@pytest.fixture(scope="module")
def results(boot_shared):
    return lua_suite.boot(boot_shared)


@lua_suite.cases("contracts")
def test_contracts(results, suite, title):
    results.check(suite, title)
