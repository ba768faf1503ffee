#!/usr/bin/env python3
"""Backends that forget or fork: nothing is overwritten by itself, every leader says
what differs and holds; --repair and --adopt get everybody together again."""

import json

import backends
import devices
import harness
from devices import STORE

N_CONFIRMED = harness.size("LEADERD_TEST_CONFIRMED", 2000)


def todos(name, first, n):
    return [json.dumps({"name": "todoCreated", "args": {"id": f"{name}{i}", "title": "t"}})
            for i in range(first, first + n)]


class Fork(devices.Story):
    def titles(self, device):
        return {row["id"] for row in device.query("SELECT id FROM todo")}

    def commit_confirmed(self, device, name, first, n):
        device.commit_lines(todos(name, first, n))
        device.sync()

    def restore_and_grow(self, backend, a, b):
        """The database goes back to an older dump and grows to the same length with events of C."""
        dump = self.folder / "dump.sql"
        backend.server.do("dump", dump)
        self.commit_confirmed(a, "a", 50, 10)
        self.commit_confirmed(b, "b", 0, 10)
        self.converge([a, b])
        for device in (a, b):
            device.offline()
        backend.server.do("restore", dump)
        c = self.device("C", backend)
        self.commit_confirmed(c, "c", 0, 20)
        self.assertEqual(c.status()["head"], a.status()["head"])
        return c

    def test_postgres_restored_and_grown_to_the_same_length_is_found_and_adopted_without_a_loss(self):
        backend = backends.Postgres(self.folder)
        a, b = self.devices("AB", backend)
        self.commit_confirmed(a, "a", 0, 50)
        self.converge([a, b])
        c = self.restore_and_grow(backend, a, b)
        before = {device.name: device.chain() for device in (a, b)}
        unsynced = b.commit("todoCreated", id="unsynced", title="t")["id"]

        for device in (a, b):
            device.online()
            self.assertIn("e70", device.until_held())
            self.fails(device, 1, ["e70"], "sync", STORE)
            self.assertEqual(device.chain()[:70], before[device.name])
        self.commit_confirmed(c, "c", 20, 1)

        a.must("store", "backend", STORE, "--adopt")
        b.must("store", "backend", STORE, "--adopt")
        self.converge([a, b, c])

        everything = {f"{name}{i}" for name, n in (("a", 60), ("b", 10), ("c", 21)) for i in range(n)}
        self.assertEqual(self.titles(c), everything | {"unsynced"})
        ids = [event["id"] for event in c.chain()]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertLessEqual({event["id"] for event in before["A"]} | {unsynced}, set(ids))
        (exported,) = a.store(STORE).glob("adopted-*.jsonl")
        lines = [json.loads(line) for line in exported.read_text().split("\n")[:-1]]
        self.assertEqual([event["chain_hash"] for event in lines[1:]], [event["chain_hash"] for event in before["A"]])

    def test_nats_wiped_is_found_and_repaired_from_one(self):
        backend = backends.Nats(self.folder)
        a, b = self.devices("AB", backend)
        self.commit_confirmed(a, "a", 0, N_CONFIRMED)
        self.converge([a, b])
        confirmed = a.chain()

        backend.server.do("wipe")
        for device in (a, b):
            self.assertIn(f"e{N_CONFIRMED}", device.until_held())
        pending = b.commit("todoCreated", id="meanwhile", title="t")["id"]
        self.assertEqual(b.pending(), 1)

        a.must("store", "backend", STORE, "--repair")
        self.assertEqual(a.status()["backend"]["state"], "held")
        a.online()
        b.online()
        self.converge([a, b, self.device("newcomer", backend)])

        chain = b.chain()
        self.assertEqual(chain[:N_CONFIRMED], confirmed)
        self.assertEqual([event["id"] for event in chain[N_CONFIRMED:]], [pending])

    def test_a_file_that_lost_its_newest_events_is_repaired(self):
        backend = backends.File(self.folder)
        a, b = self.devices("AB", backend)
        self.commit_confirmed(a, "a", 0, 20)
        self.converge([a, b])
        for device in (a, b):
            device.offline()
        copy = backend.path.with_suffix(".copy")
        with harness.sqlite3.connect(backend.path) as old, harness.sqlite3.connect(copy) as new:
            old.backup(new)
        a.online()
        self.commit_confirmed(a, "a", 20, 20)
        a.stop()
        for path in self.folder.glob(f"backend/{backend.path.name}*"):
            path.unlink()
        copy.rename(backend.path)

        a.start()
        a.until_held()
        a.must("store", "backend", STORE, "--repair")
        a.online()
        b.online()
        self.converge([a, b])
        self.assertEqual(len(b.chain()), 40)


if __name__ == "__main__":
    harness.main()
