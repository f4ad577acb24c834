"""Worker programs that misbehave, in Python; they speak the wire as far as it serves."""

import os

import troupe

PRELUDE = """#!/usr/bin/python3
import os, socket, struct, sys, time
sys.path.insert(0, {folder!r})
import msgpack

argv = sys.argv
HONEST = {worker!r}
VERSION = {version}
HELLO, SETUP, READY, PING, PONG, DRAIN, LOG, MAP = 1, 2, 3, 5, 6, 7, 8, 9
CALL, REPLY, CANCEL, FREE, RESUME, ITEM, UNHOLD = 16, 17, 18, 19, 21, 22, 23
SEND, SPAWN, WATCH, EXIT, GONE, SIGNAL, EVENT = 32, 33, 34, 35, 36, 37, 38


def be_honest():
    os.execv(HONEST, ["troupe-worker", *argv[1:]])


def u8(n): return b"\\xcc" + bytes([n])
def u32(n): return b"\\xce" + struct.pack(">I", n)
def u64(n): return b"\\xcf" + struct.pack(">Q", n)
def text(t):
    t = t.encode() if isinstance(t, str) else t
    return b"\\xda" + struct.pack(">H", len(t)) + t
def blob(b): return b"\\xc6" + struct.pack(">I", len(b)) + b
def frame(kind, *parts):
    body = b"".join(parts)
    return b"\\xc9" + struct.pack(">IB", len(body), kind) + body
def payload(*values): return b"\\x00" + msgpack.packb(list(values))


class Wire:
    def __init__(self):
        self.sock = socket.socket(fileno=3)
        self.sock.setblocking(True)
        self.buf = b""

    def send(self, data):
        self.sock.sendall(data)

    def receive(self):
        while True:
            if len(self.buf) >= 6:
                n, kind = struct.unpack(">IB", self.buf[1:6])
                if len(self.buf) >= 6 + n:
                    body, self.buf = self.buf[6:6 + n], self.buf[6 + n:]
                    return kind, body
            data = self.sock.recv(1 << 20)
            if not data:
                sys.exit(0)
            self.buf += data

    def set_up(self):
        self.send(frame(HELLO, u32(VERSION), u32(os.getpid())))
        kind, body = self.receive()
        assert kind == SETUP
        self.index = struct.unpack(">I", body[1:5])[0]
        self.send(frame(READY))

    def next_job(self, *kinds):
        "The next frame of those kinds; answers heartbeats, ends on DRAIN."
        while True:
            kind, body = self.receive()
            if kind == PING:
                self.send(frame(PONG, body, msgpack.packb({{}})))
            elif kind == DRAIN:
                sys.exit(0)
            elif kind in kinds:
                return struct.unpack(">Q", body[1:9])[0], body

    def next_call(self):
        return self.next_job(CALL)[0]

    def reply(self, call, value):
        self.send(frame(REPLY, u64(call), u8(0), payload(value)))

    def serve(self, value="from hostile"):
        while True:
            self.reply(self.next_call(), value)

"""


def proto_version():
    with open(os.path.join(troupe.ROOT, "proto", "frame.h")) as file:
        for line in file:
            if "PROTO_VERSION" in line:
                return int(line.split()[-1])
    raise AssertionError("no PROTO_VERSION in proto/frame.h")


def hostile_bin(folder, script, compilers=False):
    """A supervisor beside a worker that runs script; be_honest() in it becomes the real
    worker. Compilers are honest, unless they are asked for."""
    text = PRELUDE.format(worker=troupe.WORKER, folder=os.path.dirname(__file__),
                          version=proto_version())
    if not compilers:
        text += 'if argv[1] == "compile":\n    be_honest()\n'
    text += script
    path = os.path.join(str(folder), "worker.py")
    with open(path, "w") as file:
        file.write(text)
    return troupe.lookalike(folder, path)
