"""Fixtures: each test boots the app it needs and must leave nothing behind."""

import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import memcheck  # noqa: E402 (found through the line above)
import troupe  # noqa: E402


def pytest_configure(config):
    troupe.become_subreaper()
    memcheck.set_up()
    # Shells start what runs in the background deaf to it, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for program in (troupe.SUPERVISOR, troupe.SUPCTL, troupe.WORKER):
        if not os.path.exists(program):
            raise pytest.UsageError(f"{program} is not built (TROUPE_BUILD says where)")


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    setattr(item, f"report_{call.when}", outcome.get_result())


def find_orphans():
    """Children of ours that no test started."""
    troupe.collect_zombies()
    return [pid for pid in troupe.children_of(os.getpid()) if pid not in troupe.Child.pids]


def finish(supervisors, failed):
    """Checks every supervisor's end, or after a failure just clears up."""
    problems = []
    try:
        for one in supervisors:
            if not failed:
                try:
                    one.check_end()
                except AssertionError as problem:
                    problems.append(str(problem))
    finally:
        for one in supervisors:
            one.kill_remains()
    orphans = find_orphans()
    if orphans and not failed:
        # Whoever was cut off from a parent that a signal ended has a moment to end, too.
        try:
            troupe.wait_for(lambda: not find_orphans(), what="the end of orphans")
            orphans = []
        except AssertionError:
            orphans = find_orphans()
    if orphans and not failed:
        problems.append(f"orphans: {[troupe.command_line(pid) for pid in orphans]}")
    for pid in orphans:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert not problems, "\n".join(problems)


def check_memory():
    findings = memcheck.new_findings()
    assert not findings, "\n\n".join(findings)


@pytest.fixture(autouse=True)
def memory_of_a_test():
    """What valgrind tells of fails the test in which it came up."""
    yield
    check_memory()


@pytest.fixture(scope="module", autouse=True)
def memory_of_a_file(request):
    """Or the last one of a file, where it came from what they share."""
    memcheck.begin_file(request.path)
    yield
    check_memory()


@pytest.fixture
def boot(request, tmp_path):
    """boot(app, ...) starts a supervisor and waits until it runs; see troupe.Troupe.
    start=False: only made, not started."""
    supervisors = []

    def make(app=None, start=True, **options):
        folder = tmp_path / f"troupe{len(supervisors)}"
        folder.mkdir()
        one = troupe.Troupe(folder, app, **options)
        supervisors.append(one)
        return one.start() if start else one

    yield make
    report = getattr(request.node, "report_call", None)
    finish(supervisors, report is None or report.failed)


@pytest.fixture(scope="module")
def boot_shared(tmp_path_factory):
    """The same for a supervisor that all tests of a file share."""
    supervisors = []

    def make(app=None, **options):
        folder = tmp_path_factory.mktemp("shared")
        one = troupe.Troupe(folder, app, **options)
        supervisors.append(one)
        return one.start()

    yield make
    finish(supervisors, failed=False)
