"""The figures over HTTP (MT-2): who scrapes gets them, whoever is hostile hurts nobody."""

import re
import socket
import time
import urllib.request

import pytest

import troupe
from troupe import function, wait_for

APP = [
    function("count", """return {main = function(name, n)
        metrics.counter_add(name, n) return true end}""", modules=["metrics"]),
    function("fill", """return {main = function(n)
        for i = 1, n do
            metrics.counter_inc("filled", {i = string.rep("x", 200) .. i})
            if i % 500 == 0 then time.sleep("20ms") end
        end
        return true end}""", modules=["metrics", "time"]),
]
ON = ["--set", "prometheus.enabled=true", "--set", "prometheus.address=127.0.0.1:0"]
GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


def address_of(one):
    host, port = one.supctl("status")["supervisor"]["metrics"].rsplit(":", 1)
    return host.strip("[]"), int(port)


@pytest.fixture(scope="module")
def running(boot_shared):
    return boot_shared(APP, args=ON)


def connect(one, receive_bytes=None):
    sock = socket.socket()
    if receive_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    sock.settimeout(30)
    sock.connect(address_of(one))
    return sock


def read_all(sock):
    data = b""
    while True:
        try:
            part = sock.recv(65536)
        except ConnectionResetError:
            return data
        if not part:
            return data
        data += part


def ask(one, request):
    """Status, head as a dict, body."""
    with connect(one) as sock:
        sock.sendall(request)
        data = read_all(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return (int(first.split(" ")[1]),
            dict(line.lower().split(": ", 1) for line in lines), body)


def figure(one, name):
    text = one.run_supctl("metrics").stdout
    return float(re.search(rf"^{name} (\S+)$", text, re.M)[1])


def test_MT_2_a_scraper_gets_what_supctl_shows(running):
    running.call("app:count", "sold", 3)

    def sold():
        url = "http://{}:{}/metrics".format(*address_of(running))
        with urllib.request.urlopen(url) as reply:
            assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            text = reply.read().decode()
        assert text.endswith("\n")
        return text if "\nsold 3\n" in text else None
    text = wait_for(sold, what="the counter")
    names = set(re.findall("^# TYPE (.*)$", running.run_supctl("metrics").stdout, re.M))
    assert set(re.findall("^# TYPE (.*)$", text, re.M)) == names


def test_MT_2_livez(running):
    assert ask(running, b"GET /livez HTTP/1.0\r\n\r\n")[::2] == (200, b"ok\n")


@pytest.mark.parametrize("path", [b"/metrics", b"/livez"])
def test_head_is_get_without_a_body(running, path):
    status, head, body = ask(running, b"HEAD " + path + b" HTTP/1.0\r\n\r\n")
    assert (status, body) == (200, b"")
    assert int(head["content-length"]) > 2


@pytest.mark.parametrize("request_text,status", [
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    (b"GET /metrics/ HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    (b"GET /%6detrics HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    (b"POST /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    (b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 405),
    (b"get /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    (b"GET /metrics HTTP/1.1\r\n\r\n", 400),
    (b"GET /metrics HTTP/1.1\nHost: x\n\n", 400),
    (b"GET /metrics HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\n\n", 400),
    (b"GET /metrics HTTP/3.0\r\nHost: x\r\n\r\n", 505),
    (b"GET /metrics HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 9000, 431),
    (b"G" * 8192, 431),
])
def test_what_is_wrong_is_told(running, request_text, status):
    got, head, body = ask(running, request_text)
    assert got == status
    assert head["connection"] == "close"
    assert int(head["content-length"]) == len(body) > 0
    assert ("allow" in head) == (status == 405)


def test_one_request_for_each_connection(running):
    with connect(running) as sock:
        sock.sendall(b"GET /livez HTTP/1.0\r\n\r\n" * 3)
        assert read_all(sock).count(b"HTTP/1.1 200 OK") == 1


def test_a_body_is_not_read_and_the_answer_arrives_all_the_same(running):
    with connect(running) as sock:
        sock.sendall(GET[:-2] + b"Content-Length: 40000\r\n\r\n" + b"x" * 40000)
        assert read_all(sock).startswith(b"HTTP/1.1 200 OK")


def test_bytes_that_come_one_by_one(running):
    with connect(running) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(GET)):
            sock.sendall(GET[i:i + 1])
        assert read_all(sock).startswith(b"HTTP/1.1 200 OK")


def test_slow_ones_are_cut_off(boot):
    one = boot(APP, args=[*ON, "--set", "prometheus.timeout=2s"])
    with connect(one) as slow, connect(one) as silent:
        slow.sendall(GET[:-2])
        assert read_all(slow).startswith(b"HTTP/1.1 408 ")
        assert read_all(silent) == b""
    wait_for(lambda: figure(one, "troupe_metrics_http_connections") == 0,
             what="the connections to be gone")
    assert figure(one, "troupe_metrics_http_cut_off_total") == 2


def test_who_reads_nothing_is_cut_off(boot):
    one = boot(APP, args=[*ON, "--set", "prometheus.timeout=1s",
                          "--set", "metrics.max_samples=100000"])
    one.call("app:fill", 9000, timeout="60s")
    wait_for(lambda: len(one.run_supctl("metrics").stdout) > 9000 * 200, what="much text")
    socks = [connect(one, receive_bytes=4096) for _ in range(5)]
    for sock in socks:
        sock.sendall(GET)
    began = time.monotonic()
    assert one.call("app:count", "other", 1) is True  # the loop turns
    wait_for(lambda: figure(one, "troupe_metrics_http_cut_off_total") == 5,
             what="the readers to be cut off")
    assert time.monotonic() - began < 20
    for sock in socks:
        sock.close()
    assert ask(one, GET)[0] == 200


def test_many_who_say_nothing_keep_nobody_out(running):
    idle = [connect(running) for _ in range(100)]
    assert ask(running, b"GET /livez HTTP/1.0\r\n\r\n")[0] == 200
    most = figure(running, "troupe_metrics_http_connections_max")
    assert figure(running, "troupe_metrics_http_connections") <= most == 32
    assert ask(running, GET)[0] == 200
    for sock in idle:
        sock.close()


def test_who_leaves_early_leaves_nothing_behind(running):
    before = figure(running, "troupe_open_fds")
    for request_text in (b"", b"GET", GET) * 30:
        with connect(running) as sock:
            if request_text:
                sock.sendall(request_text)
    wait_for(lambda: figure(running, "troupe_metrics_http_connections") == 0,
             what="the connections to be gone")
    assert figure(running, "troupe_open_fds") <= before + 1


def test_a_stop_waits_for_no_scraper(boot):
    one = boot(APP, args=ON)
    with connect(one) as sock:
        sock.sendall(b"GET /me")
        began = time.monotonic()
        assert one.stop() == troupe.OK
        assert time.monotonic() - began < troupe.SOON_S
        assert read_all(sock) == b""


def test_off_by_default(boot):
    one = boot(APP)
    assert "metrics" not in one.supctl("status")["supervisor"]
    assert "metrics at" not in one.run_supctl("status").stdout


def test_it_says_where_it_listens(running):
    url = "http://{}:{}/metrics".format(*address_of(running))
    assert f"metrics   {url}\n" in running.output()
    assert f"metrics at {url}\n" in running.run_supctl("status").stdout


def test_CFG_01_prometheus_of_a_foreign_file(boot):
    one = boot(APP, start=False)
    with open(f"{one.cwd}/.wippy.yaml", "w") as file:
        file.write('version: "1.0"\n'
                   'prometheus: {enabled: true, address: "localhost:0"}\n')
    one.start()
    assert ask(one, GET)[0] == 200
    assert address_of(one)[0] == "127.0.0.1"


def test_an_address_of_version_6(boot):
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
    one = boot(APP, args=[*ON[:3], "prometheus.address=[::1]:0"])
    with socket.create_connection(address_of(one)) as sock:
        sock.sendall(GET)
        assert read_all(sock).startswith(b"HTTP/1.1 200 OK")


def test_a_port_in_use_ends_the_start(boot):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = "127.0.0.1:{}".format(taken.getsockname()[1])
        one = boot(APP, start=False, args=[*ON[:3], f"prometheus.address={address}"])
        one.spawn()
        assert one.wait() == troupe.NEEDED
        assert f"prometheus.address {address}: Address already in use" in one.errors()
        one.child = None


@pytest.mark.parametrize("address", ["9090", "127.0.0.1", "127.0.0.1:", "::1:9090",
                                     "example.org:80", "127.0.0.1:65536", "a:-1"])
def test_an_address_that_is_none(boot, address):
    one = boot(APP, start=False, args=[*ON[:3], f"prometheus.address={address}"])
    one.spawn()
    assert one.wait() == troupe.BAD_CONFIG
    assert "prometheus.address" in one.errors()
    one.child = None
