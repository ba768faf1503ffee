#!/usr/bin/env python3
"""A device that was offline for very long: one rebase in bounded memory."""

import json

import backends
import devices
import harness
from devices import STORE

N_OURS = harness.size("LEADERD_TEST_OFFLINE_EVENTS", 100000)
N_THEIRS = harness.size("LEADERD_TEST_OTHER_EVENTS", 1000)
PEAK_KB = 64 * 1024


class Large(devices.Story):
    def write(self, name, n):
        path = self.folder / f"{name}.jsonl"
        with open(path, "w", encoding="utf-8") as file:
            for i in range(n):
                event = {"name": "todoCreated", "args": {"id": f"{name}{i}", "title": "t"}}
                file.write(json.dumps(event) + "\n")
        return path

    def test_many_events_from_offline_are_rebased_once_in_bounded_memory(self):
        a, b = self.devices("AB", backends.File(self.folder))
        a.offline()
        a.must("commit", STORE, "--jsonl", self.write("ours", N_OURS), "--sessions", "2")
        b.must("commit", STORE, "--jsonl", self.write("theirs", N_THEIRS))
        b.sync()
        generation = a.status()["generation"]

        a.online()
        a.sync(seconds=300)

        self.assertEqual(a.status()["generation"], generation + 1)
        self.assertEqual(a.status()["events"], N_OURS + N_THEIRS)
        peak = a.peak_memory_kb()
        print(f"peak memory of the leader: {peak} kB", flush=True)
        if not harness.IS_SANITIZED:
            self.assertLess(peak, PEAK_KB)
        a.verify(STORE)
        b.sync(seconds=300)
        self.assertEqual(a.dump_synced(), b.dump_synced())


if __name__ == "__main__":
    harness.main()
