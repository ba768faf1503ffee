"""A real leaderd for one test: started, listened to, asked, and gone at the end.

Nothing here sleeps: what a test waits for is a message, a line of the log, an
answer or an end, each with a deadline.
"""

import os
import pathlib
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

DEADLINE = 30  # seconds; only what hangs takes so long
STORE_CREATE, STORE_LIST = 1, 2
SCHEMA = """-- store todos version 1
CREATE TABLE todo (id TEXT PRIMARY KEY NOT NULL) STRICT;

-- event todoCreated(id TEXT)
INSERT INTO todo (id) VALUES (:id);
"""


def program():
    """The daemon under test: the first argument, as Meson gives it."""
    return os.path.abspath(sys.argv[1])


def main():
    unittest.main(argv=[sys.argv[0]] + sys.argv[2:])


# ---- a little of the protocol -----------------------------------------------------


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + bytes([n]))


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def request(operation, store="", text=""):
    body = field(1, 7) + field(2, operation) + field(3, 1)
    if store:
        body += field(4, store)
    if text:
        body += field(5, text)
    message = field(7, body)
    return struct.pack("<I", len(message)) + message


def receive(connection, n):
    data = b""
    while len(data) < n:
        more = connection.recv(n - len(data))
        if not more:
            raise EOFError(f"the leader closed the connection after {len(data)} of {n} bytes")
        data += more
    return data


def answer(connection):
    """The body of the next frame, which has to be a response (field 5 of ToSession) to our number."""
    payload = receive(connection, struct.unpack("<I", receive(connection, 4))[0])
    body = payload[1:].lstrip(bytes(range(128, 256)))[1:]  # behind the tag and the length
    if payload[:1] != b"\x2a" or body[:2] != field(1, 7):
        raise AssertionError(f"no response: {payload!r}")
    return body


def response(connection):
    """The same, and the response may not be a failure (its code is field 2)."""
    body = answer(connection)
    if body[2:3] == b"\x10":
        raise AssertionError(f"a failure: {body!r}")


def ask(connection, operation=STORE_LIST, **arguments):
    connection.sendall(request(operation, **arguments))
    response(connection)


def connect(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(DEADLINE)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection


def listen(path, mode=0o600):
    """A listening socket as a service manager would hand it over."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    os.chmod(path, mode)
    listening.listen(16)
    return listening


# ---- the daemon -------------------------------------------------------------------


# Becomes a service with the socket of the given descriptor, as systemd starts one.
INHERITING = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ["LISTEN_FDS"], os.environ["LISTEN_PID"] = "1", str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


class Leader:
    """One process. `notifications` hears what it tells its service manager."""

    def __init__(self, folder, *arguments, inherited=None, environment=None, **popen):
        self.notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify = pathlib.Path(tempfile.mkdtemp(prefix="notify-", dir=folder)) / "socket"
        self.notifications.bind(str(notify))
        self.log = b""
        command = [program(), *map(str, arguments)]
        if inherited is not None:
            command = [sys.executable, "-c", INHERITING, str(inherited.fileno()), *command]
            popen["pass_fds"] = [inherited.fileno()]
        self.process = subprocess.Popen(
            command, env={**(environment or clean_environment(folder)), "NOTIFY_SOCKET": str(notify)},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **popen)
        self.pid = self.process.pid

    def wait_told(self):
        """The next message to the service manager."""
        end = time.monotonic() + DEADLINE
        while not select.select([self.notifications], [], [], 0.2)[0]:
            if self.process.poll() is not None:
                raise AssertionError(f"leaderd ended with {self.process.returncode}: {self.rest_of_log()}")
            if time.monotonic() > end:
                raise AssertionError("leaderd told its service manager nothing")
        return self.notifications.recv(4096).decode()

    def wait_ready(self):
        told = self.wait_told()
        if told != "READY=1":
            raise AssertionError(f"told {told!r} instead of being ready")
        return self

    def wait_logged(self, text, times=1):
        """Reads the log until `text` stood in it so often."""
        end = time.monotonic() + DEADLINE
        while self.log.count(text.encode()) < times:
            readable, _, _ = select.select([self.process.stderr], [], [], max(0, end - time.monotonic()))
            more = os.read(self.process.stderr.fileno(), 65536) if readable else b""
            if not more:
                raise AssertionError(f"{text!r} was not logged: {self.log.decode()}")
            self.log += more

    def rest_of_log(self):
        """All of it; call it when the process has ended."""
        self.log += self.process.stderr.read()
        return self.log.decode()

    def wait_end(self):
        """The exit status, negative for a signal."""
        self.process.wait(DEADLINE)
        return self.process.returncode

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.wait_end()

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        self.notifications.close()


def clean_environment(folder, **more):
    """What a login has, inside of `folder`; and what the sanitizers are told."""
    kept = {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS") or name == "PATH"}
    return {**kept, "HOME": str(folder / "home"), "XDG_RUNTIME_DIR": str(folder / "run"), **more}


class LeaderTest(unittest.TestCase):
    """Each test gets a folder with home/ and run/, and starts what it needs."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="leaderd-test-", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.folder)
        for name in ("home", "run"):
            (self.folder / name).mkdir(mode=0o700)
        self.socket = self.folder / "run" / "leaderd" / "socket"
        self.data = self.folder / "home" / ".local" / "share" / "leaderd"

    def start(self, *arguments, **options):
        leader = Leader(self.folder, *arguments, **options)
        self.addCleanup(leader.close)
        return leader

    def serve(self, *arguments, **options):
        return self.start(*arguments, **options).wait_ready()

    def connect(self, path=None):
        connection = connect(path or self.socket)
        self.addCleanup(connection.close)
        return connection

    def assert_serves(self, path=None):
        with connect(path or self.socket) as connection:
            ask(connection)

    def configure(self, text):
        file = self.folder / "home" / ".config" / "leaderd" / "leaderd.conf"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file
