"""What the tests of this folder share: stories of several devices and one backend.

A device is a leader with a data directory of its own (tests/crash/harness.py) and
one store of the same name everywhere.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import tempfile

import backends
import harness

STORE = "shared"


class Device(harness.Leader):
    def __init__(self, folder, name):
        path = pathlib.Path(folder) / name
        path.mkdir(mode=0o700)
        super().__init__(path)
        self.name = name

    def attach(self, backend, schema):
        """The store, made with this backend."""
        self.ask("store", "create", STORE, "--schema", schema, "--backend", backend.url())

    def status(self):
        return self.store_status(STORE)

    def must(self, *words, text=None):
        """A verb on the store that must succeed; with what it printed."""
        done = self.run(*words, text=text)
        if done.returncode != 0:
            raise AssertionError(f"{self.name}: leaderctl {words} ended with {done.returncode}: {done.stderr}\n"
                                 f"{self.told()}")
        return done.stdout

    def sync(self, seconds=harness.SECONDS):
        self.must("sync", STORE, "--timeout", seconds)

    def offline(self, *more):
        self.must("offline", STORE, *more)

    def online(self):
        self.must("online", STORE)

    def commit(self, event, **args):
        """Its receipt: id, position, stage."""
        return self.ask("commit", STORE, event, json.dumps(args))[0]

    def commit_lines(self, lines, *more):
        """Durable."""
        self.must("commit", STORE, "--jsonl", "-", *more, text="".join(line + "\n" for line in lines))

    def query(self, sql):
        return self.ask("query", STORE, sql)

    def value(self, sql):
        (row,) = self.query(sql)
        (value,) = row.values()
        return value

    def refused(self):
        return self.ask("refused", "list", STORE)

    def log_lines(self):
        """The exported log: its header and an object for each event, in order; hashes were recomputed on the way."""
        lines = self.must("export", STORE, "-").split("\n")[:-1]
        return json.loads(lines[0]), [json.loads(line) for line in lines[1:]]

    def chain(self):
        """The synced events, as they stand on every device."""
        return [event for event in self.log_lines()[1] if "." not in event["position"]]

    def dump_synced(self):
        return self.dump(STORE, "--synced")

    def pending(self):
        return self.status()["pending"]

    def adapters(self):
        """The processes of its adapters."""
        if not self.is_alive():
            return []
        try:
            tasks = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        except FileNotFoundError:
            return []
        return [int(task) for task in tasks]

    def kill_adapters(self):
        for process in self.adapters():
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def peak_memory_kb(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"^VmHWM:\s*(\d+) kB$", text, re.MULTILINE)[1])

    def until_error(self, *words):
        """Until its status says what is wrong with the backend, in these words; that text."""
        def tells():
            error = self.status()["backend"]["error"]
            return error and all(word in error["text"] or word == error["code"] for word in words) and error["text"]
        try:
            return harness.until(tells, f"{words} in the status of {self.name}")
        except AssertionError as failure:
            raise AssertionError(f"{failure}: {self.status()['backend']}\n{self.told()}") from None

    def until_held(self):
        """Until it holds; what its status says then."""
        harness.until(lambda: self.status()["backend"]["state"] == "held", f"the hold of {self.name}")
        return self.status()["backend"]["error"]["text"]


def is_settled(status):
    backend = status["backend"]
    return status["pending"] == 0 and backend["error"] is None and backend["head"] == status["head"].partition(".")[0]


def have_converged(devices):
    """Nothing pending anywhere, and all at one head."""
    statuses = [device.status() for device in devices]
    return all(map(is_settled, statuses)) and len({status["backend"]["head"] for status in statuses}) == 1


class Story(harness.Story):
    """Devices that are started as they are asked for."""

    schema = harness.SCHEMAS / "todos.sql"

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="leaderd-sync-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.addCleanup(harness.end_everything)

    def device(self, name, backend=None, **options):
        """Started, with the store attached to the backend if there is one."""
        device = Device(self.folder, name)
        device.start(**options)
        if backend:
            device.attach(backend, self.schema)
        return device

    def devices(self, names, backend):
        return [self.device(name, backend) for name in names]

    def fails(self, device, status, words, *command):
        done = device.run(*command)
        self.expect_status(done, status, *words)
        return done.stderr

    def converge(self, devices):
        """Everything that was committed is confirmed and everywhere the same; nothing is refused, void or pending."""
        for device in devices:
            device.sync()
        try:
            harness.until(lambda: have_converged(devices), "all devices at one head with nothing pending")
        except AssertionError as failure:
            told = "".join(f"\n{device.name}: {device.status()}\n{device.told()[-1500:]}" for device in devices)
            raise AssertionError(f"{failure}{told}") from None
        self.expect_same(devices)

    def expect_same(self, devices):
        first, *others = devices
        chain, dump = first.chain(), first.dump_synced()
        for device in devices:
            device.verify(STORE)
        for device in others:
            self.assertEqual(chain, device.chain(), f"the chains of {first.name} and {device.name}")
            self.assertEqual(dump, device.dump_synced(), f"the dumps of {first.name} and {device.name}")
        return chain
