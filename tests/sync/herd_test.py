#!/usr/bin/env python3
"""Eight devices that were offline for long come back in the same moment."""

import json
import statistics
import time

import backends
import devices
import harness
from devices import STORE

N_DEVICES = 8
N_EVENTS = harness.size("LEADERD_TEST_HERD_EVENTS", 500)
FAIR = 10  # times the median, at most, the last one waits


class Herd(devices.Story):
    def commit_offline(self, device):
        device.offline()
        device.commit_lines([json.dumps({"name": "todoCreated", "args": {"id": f"{device.name}-{i}", "title": "t"}})
                             for i in range(N_EVENTS)])

    def all_at_once(self, kind):
        herd = self.devices([f"d{i}" for i in range(N_DEVICES)], backends.KINDS[kind](self.folder))
        for device in herd:
            self.commit_offline(device)

        waits = self.go_online(herd)

        median = statistics.median(waits)
        print(f"{kind}: confirmed after {min(waits):.2f}, {median:.2f} and {max(waits):.2f} s "
              "(first, median, last device)", flush=True)
        self.assertLessEqual(max(waits), FAIR * median)
        self.converge(herd)
        self.assertEqual(len(herd[0].chain()), N_DEVICES * N_EVENTS)

    def go_online(self, herd):
        """All in the same moment; for each the seconds until nothing of it is pending."""
        processes = [self.start_process(device.command("online", STORE), stdout=harness.subprocess.DEVNULL)
                     for device in herd]
        start = time.monotonic()
        for process in processes:
            self.assertEqual(process.wait(harness.SECONDS), 0)
        waits = {}
        while len(waits) < len(herd):
            for device in herd:
                if device.name not in waits and device.pending() == 0:
                    waits[device.name] = time.monotonic() - start
            self.assertLess(time.monotonic() - start, harness.SECONDS, waits)
        return list(waits.values())

    def test_eight_devices_come_back_at_once_to_a_file(self):
        self.all_at_once("file")

    def test_eight_devices_come_back_at_once_to_postgres(self):
        self.all_at_once("postgres")

    def test_eight_devices_come_back_at_once_to_nats(self):
        self.all_at_once("nats")


if __name__ == "__main__":
    harness.main()
