"""Actors: life, messages, watches, names (PM, PID, PR, MB, EX, CT, NR, T)."""

import pytest

import lua_suite


@pytest.fixture(scope="module")
def results(boot_shared):
    return lua_suite.boot(boot_shared)


@lua_suite.cases("processes", "processes_far")
def test_processes(results, suite, title):
    results.check(suite, title)
