"""Folders and sockets: taken, in the way, of somebody else, gone."""

import os
import socket

import pytest

import troupe
from troupe import AS_NOBODY, ECHO, NEEDS_ROOT, function, wait_for


def refuses(one, code, *words):
    one.spawn()
    assert one.wait(30) == code, one.output() + one.errors()
    said = one.output() + one.errors()
    for word in words:
        assert word in said, said
    assert len(one.errors().strip().splitlines()) <= 3, one.errors()
    one.child = None


# ---- the state folder


def test_state_folder_can_not_be_made(boot):
    one = boot([function("echo", ECHO)], start=False)
    with open(os.path.join(one.folder, "file"), "w"):
        pass
    one.state = os.path.join(one.folder, "file", "state")
    refuses(one, troupe.NEEDED, "state")


@NEEDS_ROOT  # to become somebody else
def test_state_folder_of_somebody_else(boot):
    one = boot([function("echo", ECHO)], start=False, prefix=AS_NOBODY)
    os.makedirs(one.state, 0o700)
    troupe.open_to_all(one.folder)
    refuses(one, troupe.NEEDED, "state")


def test_second_supervisor_on_the_same_state(boot):
    one = boot([function("echo", ECHO)])
    two = boot([function("echo", ECHO)], start=False)
    two.state = one.state
    refuses(two, troupe.NEEDED, str(one.pid))
    assert one.call("app:echo", 1) == 1


@pytest.mark.parametrize("left", [b"", b"1\n", b"999999999\n", b"\xff" * 5000])
def test_complaint9_any_lock_file_of_the_dead_is_taken_over(boot, left):
    running = boot([function("echo", ECHO)], start=False)
    os.makedirs(running.state, 0o700)
    with open(os.path.join(running.state, "lock"), "wb") as file:
        file.write(left)
    running.start()
    with open(os.path.join(running.state, "lock")) as file:
        assert file.read().strip() == str(running.pid)


def test_C1_socket_and_state_are_for_their_owner_alone(boot):
    one = boot([function("echo", ECHO)])
    assert os.stat(one.control).st_mode & 0o077 == 0
    assert os.stat(one.state).st_mode & 0o077 == 0


# ---- the control socket


def test_control_path_can_not_be_made(boot):
    one = boot([function("echo", ECHO)], start=False)
    one.control = "/proc/no/such/control.sock"
    refuses(one, troupe.NEEDED, "control socket", "/proc/no")


def test_control_path_too_long(boot):
    one = boot([function("echo", ECHO)], start=False)
    one.control = os.path.join(one.folder, "x" * 120)
    refuses(one, troupe.BAD_CONFIG, "longer than 107 bytes")


def test_second_supervisor_on_the_same_socket(boot):
    one = boot([function("echo", ECHO)])
    two = boot([function("echo", ECHO)], start=False)
    two.control = one.control
    refuses(two, troupe.NEEDED, str(one.pid))
    assert one.call("app:echo", 1) == 1


def test_stale_socket_is_taken_over(boot):
    one = boot([function("echo", ECHO)], start=False)
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(one.control)
    stale.close()
    assert os.path.exists(one.control)
    one.start()
    assert one.call("app:echo", 1) == 1


def test_C1_socket_path_is_a_symlink_or_a_file(boot):
    one = boot([function("echo", ECHO)], start=False)
    target = os.path.join(one.folder, "precious")
    with open(target, "w") as file:
        file.write("keep me")
    os.symlink(target, one.control)
    refuses(one, troupe.NEEDED)
    two = boot([function("echo", ECHO)], start=False)
    with open(two.control, "w") as file:
        file.write("keep me")
    refuses(two, troupe.NEEDED)
    for path in (target, two.control):
        with open(path) as file:
            assert file.read() == "keep me"
    os.unlink(two.control)
    os.unlink(one.control)


def test_complaint11_deleted_socket_comes_back(boot):
    one = boot([function("echo", ECHO)])
    one.allow("control socket had vanished")
    os.unlink(one.control)
    wait_for(lambda: os.path.exists(one.control), what="the socket to be back")
    assert wait_for(lambda: one.try_call("app:echo", 3) == 3)
