"""leaderctl from outside, with a real leader: what the tests of tests/ctl share.

Each file is run as `test-NAME LEADERCTL LEADERD`; its tests are unittest cases. One leader serves all tests of a class,
each of which makes stores of its own.
"""

import json
import os
import pathlib
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

DEADLINE = 60  # seconds that only a failing test reaches
SOURCE = pathlib.Path(__file__).resolve().parents[2]
SCHEMAS = SOURCE / "sync-core" / "schemas"
HISTORY = SOURCE / "tests" / "data" / "libevent-history.jsonl.zst"

LEADERCTL = LEADERD = None


def main():
    global LEADERCTL, LEADERD
    LEADERCTL, LEADERD = (str(pathlib.Path(word).resolve()) for word in sys.argv[1:3])
    unittest.main(module="__main__", argv=sys.argv[:1] + sys.argv[3:])


def environment(**more):
    """Nothing of the caller's own leader."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("LEADERD_", "XDG_", "LISTEN_"))}
    return {**env, "LC_ALL": "C.UTF-8", "LEADERD_PROGRAM": LEADERD, **more}


class Leader:
    """A leaderd with data and a socket below a folder."""

    def __init__(self, folder):
        self.data = folder / "data"
        self.socket = folder / "run" / "socket"
        self.log = folder / "log"
        self.process = None

    def start(self):
        (self.data.parent / "leaderd.conf").touch()
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(os.path.join(folder, "ready"))
            with open(self.log, "ab") as log:
                self.process = subprocess.Popen(
                    [LEADERD, "--data-dir", self.data, "--socket", self.socket, "--config",
                     self.data.parent / "leaderd.conf"], stderr=log, env=environment(NOTIFY_SOCKET=ready.getsockname()))
            self.wait_until_ready(ready)
        return self

    def wait_until_ready(self, ready):
        ended = os.pidfd_open(self.process.pid)
        try:
            while True:
                readable, _, _ = select.select([ready, ended], [], [], DEADLINE)
                assert readable and ended not in readable, f"leaderd did not start: {self.log.read_text()[-4000:]}"
                if b"READY=1" in ready.recv(4096):
                    return
        finally:
            os.close(ended)

    def kill(self):
        self.process.kill()
        self.process.wait(DEADLINE)

    def stop(self):
        self.process.terminate()
        status = self.process.wait(DEADLINE)
        assert status == 0, f"leaderd ended with {status}: {self.log.read_text()[-4000:]}"


class CtlTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="ctl-"))
        cls.leader = Leader(cls.folder).start()
        cls.n_stores = 0

    @classmethod
    def tearDownClass(cls):
        try:
            cls.leader.stop()
        finally:
            shutil.rmtree(cls.folder)

    # ---- running ----

    def words(self, *words):
        return [LEADERCTL, *map(str, words)]

    def run_ctl(self, *words, input=None, env=None):
        if isinstance(input, str):
            input = input.encode()
        more = env if env is not None else {"LEADERD_SOCKET": str(self.leader.socket)}
        if input is None:
            where = {"stdin": subprocess.DEVNULL}
        else:
            where = {"input": input}
        return subprocess.run(self.words(*words), capture_output=True, env=environment(**more), timeout=DEADLINE, **where)

    def ctl(self, *words, input=None):
        """What it prints; it must end with 0 and say nothing on standard error."""
        done = self.run_ctl(*words, input=input)
        self.assertEqual((done.returncode, done.stderr.decode()), (0, ""), words)
        return done.stdout.decode()

    def json(self, *words, input=None):
        """The one object it prints with --json."""
        lines = self.lines(*words, input=input)
        self.assertEqual(len(lines), 1, lines)
        return lines[0]

    def lines(self, *words, input=None):
        return [json.loads(line) for line in self.ctl("--json", *words, input=input).split("\n") if line]

    def fails(self, status, text, *words, input=None, env=None):
        """It ends with `status` and one line on standard error that holds `text`; returns what it printed."""
        done = self.run_ctl(*words, input=input, env=env)
        told = done.stderr.decode()
        self.assertEqual(done.returncode, status, told)
        self.assertTrue(told.startswith("leaderctl: ") and told.count("\n") == 1 and told.endswith("\n"), told)
        self.assertIn(text, told)
        return done.stdout.decode()

    def popen(self, *words, **more):
        """Unbuffered, so that select tells of every line (read_lines)."""
        process = subprocess.Popen(self.words(*words), env=environment(LEADERD_SOCKET=str(self.leader.socket)), bufsize=0,
                                   **more)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.wait()
        for file in (process.stdin, process.stdout, process.stderr):
            if file:
                try:
                    file.close()
                except BrokenPipeError:
                    pass

    # ---- stores and events ----

    def store(self, schema="todos.sql"):
        type(self).n_stores += 1
        name = f"store-{self.n_stores}"
        self.ctl("store", "create", name, "--schema", SCHEMAS / schema)
        return name

    def file(self, content, name="input"):
        path = pathlib.Path(tempfile.mkdtemp(dir=self.folder)) / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def commit(self, store, number, title="t"):
        return self.json("commit", store, "todoCreated", json.dumps({"id": str(number), "title": title}))

    def log(self, store, *words):
        return self.lines("events", store, "--include-client-only", *words)


def todo(number, title="t"):
    return json.dumps({"name": "todoCreated", "args": {"id": str(number), "title": title}})


def read_lines(process, n):
    """The next n lines that a process prints, at once when they are there."""
    lines = []
    while len(lines) < n:
        ready, _, _ = select.select([process.stdout], [], [], DEADLINE)
        assert ready, f"only {len(lines)} lines of {n} came"
        line = process.stdout.readline()
        assert line, f"it ended behind {len(lines)} lines of {n}"
        lines.append(line)
    return lines
