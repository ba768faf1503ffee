"""What the tests of this folder share: a leader that can be started, stopped, killed
and paused, in a folder of its own; leaderctl; session processes; and conditions that
are waited for with a deadline.

Everything started ends with the test, whatever happens to it. Nothing here
sleeps to let something happen: a pause is only the step of a look that repeats.
"""

import atexit
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCHEMAS = ROOT / "sync-core" / "schemas"
DATA = ROOT / "tests" / "data"
SECONDS = 60  # that anything may take; only a failure takes them
LOOK_SECONDS = 0.003  # between two looks at a condition
SKIPPED = 77

LEADERD = os.environ.get("LEADERD_PROGRAM", "leaderd")
LEADERCTL = os.environ.get("LEADERCTL_PROGRAM", "leaderctl")
SESSION = os.environ.get("SESSION_PROGRAM", "session-process")
IS_SANITIZED = os.environ.get("LEADERD_SANITIZED", "no") == "yes"

_undertakings = []  # what must end with this process, newest last


def end_everything():
    while _undertakings:
        _undertakings.pop()()


def _interrupt(number, frame):
    raise KeyboardInterrupt


atexit.register(end_everything)
signal.signal(signal.SIGTERM, _interrupt)


def seed():
    """Of everything random; printed, so that a failure can be had again."""
    chosen = int(os.environ.get("LEADERD_SEED", "20250117"))
    print(f"LEADERD_SEED={chosen}", flush=True)
    return random.Random(chosen)


def size(name, fallback):
    """How much a test does, from its meson.build."""
    return int(os.environ.get(name, str(fallback)))


def environment(**more):
    """Ours, without what would lead a program elsewhere."""
    kept = {name: value for name, value in os.environ.items()
            if name not in ("LEADERD_SOCKET", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
                            "JOURNAL_STREAM")}
    return {**kept, "LC_ALL": "C.UTF-8", **more}


def until(condition, what, seconds=SECONDS):
    """Looks again and again until condition() is true, and returns what it said."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"gave up after {seconds} s waiting for {what}")
        time.sleep(LOOK_SECONDS)


def end_process(process):
    if process.poll() is None:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            try:
                pipe.close()
            except BrokenPipeError:
                pass


class Leader:
    """A leaderd with a data directory of its own below `folder`."""

    def __init__(self, folder, data=None, wrapper=()):
        self.folder = pathlib.Path(folder)
        self.data = pathlib.Path(data or self.folder / "data")
        self.socket = self.folder / "run" / "socket"
        self.log = self.folder / "leaderd.log"
        self.wrapper = list(wrapper)
        self.process = None
        self._notify = None
        self.folder.joinpath("run").mkdir(mode=0o700, exist_ok=True)

    def store(self, name):
        return self.data / "stores" / name

    def spawn(self, environment_more=None):
        """Starts it without waiting until it is ready."""
        assert self.process is None or self.process.poll() is not None
        if self._notify:
            self._notify.close()
        path = self.folder / "run" / "notify"
        path.unlink(missing_ok=True)
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(path))
        self._notify.settimeout(0.05)
        command = [*self.wrapper, LEADERD, "--data-dir", self.data, "--socket", self.socket]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=environment(NOTIFY_SOCKET=str(path), **(environment_more or {})))
        process = self.process
        _undertakings.append(lambda: end_process(process))
        return self

    def start(self, **more):
        self.spawn(**more)
        end = time.monotonic() + SECONDS
        while not self._is_ready():
            if self.process.poll() is not None:
                raise AssertionError(f"leaderd ended with {self.process.returncode}: {self.told()}")
            if time.monotonic() > end:
                raise AssertionError(f"leaderd was not ready in time: {self.told()}")
        return self

    def _is_ready(self):
        try:
            return b"READY=1" in self._notify.recv(4096).split(b"\n")
        except TimeoutError:
            return False

    def told(self):
        """The end of its log."""
        try:
            return self.log.read_text(errors="replace")[-6000:]
        except FileNotFoundError:
            return "(no log)"

    def kill(self):
        """SIGKILL. A leader that had ended by itself before is a failure."""
        if self.process.poll() is not None:
            raise AssertionError(f"leaderd had ended with {self.process.returncode}: {self.told()}")
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        status = self.process.wait(SECONDS)
        if status != 0:
            raise AssertionError(f"leaderd ended with {status}: {self.told()}")

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        until(lambda: self._state() in "Tt", "the leader's pause")  # "t": beside a tracer

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def _state(self):
        return pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0]

    # ---- leaderctl

    def command(self, *words):
        return [LEADERCTL, "--socket", str(self.socket), *map(str, words)]

    def run(self, *words, text=None, seconds=SECONDS):
        """leaderctl, whatever its status."""
        return subprocess.run(self.command(*words), input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              encoding="utf-8", env=environment(), timeout=seconds,
                              stdin=subprocess.DEVNULL if text is None else None)

    def ask(self, *words, text=None):
        """leaderctl --json that must succeed: the objects that it printed."""
        done = self.run("--json", *words, text=text)
        if done.returncode != 0:
            raise AssertionError(f"leaderctl {words} ended with {done.returncode}: {done.stderr}\n{self.told()}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def create(self, store, schema):
        self.ask("store", "create", store, "--schema", schema)

    def events(self, store):
        """The whole log, client-only events included."""
        return self.ask("events", store, "--include-client-only")

    def dump(self, store, *more):
        done = self.run("dump", store, *more)
        if done.returncode != 0:
            raise AssertionError(f"dump ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def dump_file(self, state, store):
        """The dump of a state that stands in a file, as rebuild --to makes it."""
        data = self.folder / "beside"
        folder = data / "stores" / store
        folder.mkdir(parents=True, mode=0o700)
        with sqlite3.connect(self.store(store) / "eventlog.db") as log, \
                sqlite3.connect(folder / "eventlog.db") as copy:
            log.backup(copy)
        shutil.copy(state, folder / "state.db")
        return self.dump(store, "--data-dir", data)

    def store_status(self, store):
        return self.ask("status", store)[0]

    def verify(self, store):
        """Clean, or the test fails."""
        return self.ask("verify", store)[0]


class Session:
    """An app of its own (session_process.c)."""

    def __init__(self, leader, store, session_id=None):
        command = [SESSION, store] + ([session_id] if session_id else [])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
                                        env=environment(LEADERD_SOCKET=str(leader.socket)))
        process = self.process
        _undertakings.append(lambda: end_process(process))
        code, _, text = self._read()
        if code not in ("ok", "newer"):
            raise AssertionError(f"the session did not open: {code}: {text}")
        self.session_id = text

    def _read(self):
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the session process ended with {self.process.wait()}")
        return line.rstrip("\n").split("\t", 2)

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def ask(self, command):
        """(code, id, text)."""
        self.tell(command)
        return self._read()

    def commit(self, event, /, **args):
        return self.ask(f"commit {event} {json.dumps(args)}")

    def commit_unit(self, *events):
        """Pairs of name and arguments, as one unit."""
        return self.ask("unit " + "\t".join(f"{name} {json.dumps(args)}" for name, args in events))

    def wait(self, seconds=SECONDS, stage="durable"):
        """Until everything has reached the stage: (code, id, text)."""
        return self.ask(f"wait {int(seconds * 1000)} {stage}")

    def value(self, sql):
        """The first value of the first row, as text."""
        code, _, text = self.ask(f"query {sql}")
        assert code == "ok", f"{code}: {text}"
        return text

    def refused(self):
        """How many refusals were reported, and the newest reason."""
        number, reason = self.ask("refused")[2].split(" ", 1)
        return int(number), reason

    def status(self):
        connection, pending, queued, trouble = self.ask("status")[2].split(" ", 3)
        return {"connection": connection, "pending": int(pending), "queued_bytes": int(queued), "trouble": trouble}

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.process.stdin.close()
        status = self.process.wait(SECONDS)
        if status != 0:
            raise AssertionError(f"the session process ended with {status}")


class Story(unittest.TestCase):
    """A folder, a leader in it that is not started yet, and the end of both."""

    maxDiff = 2000

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="leaderd-crash-"))
        _undertakings.append(lambda: shutil.rmtree(self.folder, ignore_errors=True))
        self.addCleanup(end_everything)
        self.leader = Leader(self.folder)

    def start_process(self, command, **options):
        process = subprocess.Popen([str(word) for word in command], env=environment(), **options)
        _undertakings.append(lambda: end_process(process))
        return process

    def expect_status(self, done, status, *words):
        """The exit status of a finished command, and what its message names."""
        self.assertEqual(done.returncode, status, f"{done.args}: {done.stderr}{done.stdout}")
        for word in words:
            self.assertIn(word, done.stderr + done.stdout)


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def main():
    """Runs the tests of the script and prints each as a line."""
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    loader = unittest.TestLoader()
    suite = loader.loadTestsFromModule(sys.modules["__main__"])
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    failed = {getattr(test, "test_case", test).id() for test, _ in result.failures + result.errors}
    print(f"{result.testsRun - len(failed)} passed, {len(failed)} failed")
    sys.exit(0 if result.wasSuccessful() and result.testsRun > 0 else 1)
