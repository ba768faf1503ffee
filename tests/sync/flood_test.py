#!/usr/bin/env python3
"""A backend that sends more than a leader can take: the leader's apps come first."""

import json
import threading
import time

import backends
import devices
import harness
from devices import STORE

N_PENDING = harness.size("LEADERD_TEST_FLOOD_PENDING", 2000)  # replayed behind every page
N_PAGES = harness.size("LEADERD_TEST_FLOOD_PAGES", 300)
PATIENCE_SECONDS = 2.0 if not harness.IS_SANITIZED else 8.0


class Flood(devices.Story):
    def send_pages(self, device):
        """Each event alone, as soon as the one before is durable."""
        session = harness.Session(device, STORE)
        for i in range(N_PAGES):
            session.commit("todoCreated", id=f"theirs{i}", title="t")
            session.wait()
        session.close()

    def test_a_flood_of_pages_keeps_nobody_waiting(self):
        a, b = self.devices("AB", backends.File(self.folder))
        b.offline("--push-only")
        b.commit_lines([json.dumps({"name": "todoCreated", "args": {"id": f"ours{i}", "title": "t"}})
                        for i in range(N_PENDING)])
        flood = threading.Thread(target=self.send_pages, args=(a,))
        flood.start()
        longest, n_rebases = 0, b.status()["generation"]
        while flood.is_alive():
            start = time.monotonic()
            b.status()
            longest = max(longest, time.monotonic() - start)
        flood.join()
        n_rebases = b.status()["generation"] - n_rebases

        print(f"{n_rebases} rebases, a status took {longest:.2f} s at most", flush=True)
        self.assertGreater(n_rebases, 10)
        self.assertLess(longest, PATIENCE_SECONDS)
        b.online()
        self.converge([a, b])


if __name__ == "__main__":
    harness.main()
