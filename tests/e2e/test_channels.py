"""Channels and coroutines (CH, CO), from inside an app."""

import pytest

import lua_suite


@pytest.fixture(scope="module")
def results(boot_shared):
    return lua_suite.boot(boot_shared)


@lua_suite.cases("channels")
def test_channels(results, suite, title):
    results.check(suite, title)
