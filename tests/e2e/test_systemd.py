"""What systemd is told (Type=notify, the watchdog), and the unit that is installed."""

import os
import shutil
import socket

import pytest

import descriptors
import troupe
from hostile import hostile_bin
from troupe import ECHO, IDLE, function, host, process, service, wait_for

APP = [host(), process("p", IDLE), service("s", "app:p"), function("f", ECHO)]


class Listener:
    """The socket of the service manager."""

    def __init__(self, name):
        self.name = name
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(name.replace("@", "\0", 1))
        self.sock.setblocking(False)
        self.heard = []

    def hear(self):
        """All messages so far, as lists of lines."""
        while True:
            try:
                self.heard.append(self.sock.recv(4096).decode().splitlines())
            except BlockingIOError:
                return self.heard

    def count(self, line):
        return sum(line in message for message in self.hear())


@pytest.fixture(name="listener", params=["path", "abstract"])
def make_listener(request, tmp_path):
    listener = Listener(str(tmp_path / "notify") if request.param == "path" else
                        f"@troupe-test-{os.getpid()}")
    yield listener
    listener.sock.close()


def test_ready_watchdog_and_stop_are_told(boot, listener):
    # The socket holds ten or so messages, which must be more than come until it is read.
    one = boot(APP, env={"NOTIFY_SOCKET": listener.name, "WATCHDOG_USEC": "500000"})
    wait_for(lambda: listener.count("WATCHDOG=1") >= 3)
    ready, = [message for message in listener.heard if message[0] == "READY=1"]
    for message in ready, listener.heard[-1]:
        assert message[1].startswith("STATUS=running: 2 of 2 services running, ")
    with open(f"/proc/{one.workers()[0]}/environ", "rb") as file:
        assert b"NOTIFY" not in file.read()
    assert one.stop() == troupe.OK
    assert ["STOPPING=1", "STATUS=stopping"] in listener.hear()
    assert listener.count("READY=1") == 1


@pytest.mark.parametrize("watchdog", [{}, {"WATCHDOG_USEC": "100000"}],
                         ids=["alone", "with a watchdog"])
def test_readiness_waits_for_room_in_a_full_socket(boot, listener, watchdog):
    """All units share one; a start that is never told has failed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as others:
        others.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                others.sendto(b"X=1", listener.name.replace("@", "\0", 1))
    one = boot(APP, env={"NOTIFY_SOCKET": listener.name, **watchdog})
    wait_for(lambda: listener.count("READY=1"), what="the word that was kept")
    assert one.stop() == troupe.OK
    assert listener.count("READY=1") == 1


def test_a_watchdog_of_somebody_else_is_left_alone(boot, listener):
    one = boot(APP, env={"NOTIFY_SOCKET": listener.name, "WATCHDOG_USEC": "2000",
                         "WATCHDOG_PID": str(os.getpid())})
    for i in range(20):
        assert one.call("app:f", i) == i
    assert listener.count("READY=1") == 1 and listener.count("WATCHDOG=1") == 0


@pytest.mark.parametrize("name", ["", "notify", "/nowhere/notify", "/" + "x" * 200, "@"])
def test_a_socket_that_can_not_be_used_is_no_reason_to_fail(boot, name):
    one = boot(APP, env={"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "2000"})
    assert one.call("app:f", 1) == 1


def test_ready_is_not_told_before_services_run(boot, listener, tmp_path):
    go = tmp_path / "go"
    supervisor = hostile_bin(tmp_path, f"""
while argv[2] == "app:host" and not os.path.exists({str(go)!r}):
    time.sleep(0.01)
be_honest()
""")
    one = boot(APP, start=False, env={"NOTIFY_SOCKET": listener.name},
               supervisor=supervisor)
    one.spawn()
    wait_for(lambda: os.path.exists(one.control), what="the control socket")
    one.wait_service("app:host", "starting")
    assert listener.count("READY=1") == 0
    go.touch()
    wait_for(lambda: listener.count("READY=1"))
    one.files_at_boot = descriptors.files_of(one.pid)
    assert one.service("app:s")["state"] == "running"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_the_unit_has_no_fault(tmp_path):
    with open(os.path.join(troupe.ROOT, "config", "troupe.service")) as file:
        text = file.read()
    path = tmp_path / "troupe.service"
    path.write_text(text.replace("/usr/bin/supervisor", shutil.which("true")))
    done = troupe.run("systemd-analyze", "verify", path)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
