#!/usr/bin/env python3
"""Answers that get lost: the backend has committed, and the leader does not hear it."""

import json

import backends
import devices
import harness

N_EVENTS = harness.size("LEADERD_TEST_LOSSES", 240)


class Losses(devices.Story):
    def commit_and_converge(self, story, trouble):
        """Events of two devices, in small pushes, each followed by a sync; and what a newcomer finds in the backend.
        The leaders' logs name the trouble again and again."""
        backend = backends.Script(self.folder, story)
        found = self.devices("AB", backend)
        ids = []
        for number in range(0, N_EVENTS, 8):
            for device in found:
                ids += self.commit_eight(device, number)
                device.sync()
        n_troubles = sum(device.log.read_text().count(trouble) for device in found)
        print(f"{n_troubles} times: {trouble}", flush=True)
        self.assertGreater(n_troubles, N_EVENTS // 40)
        backend.tell("")
        self.converge(found + [self.device("newcomer", backend)])
        self.expect_each_once(found[0], ids)

    def commit_eight(self, device, number):
        lines = [json.dumps({"name": "todoCreated", "args": {"id": f"{device.name}{number + i}", "title": "t"}})
                 for i in range(8)]
        done = device.must("--json", "commit", devices.STORE, "--jsonl", "-", "--receipts", text="\n".join(lines))
        return [json.loads(line)["id"] for line in done.split("\n")[:-1]]

    def expect_each_once(self, device, ids):
        chain = [event["id"] for event in device.chain()]
        self.assertEqual(len(chain), len(set(chain)))
        self.assertEqual(set(chain), set(ids))
        self.assertEqual(device.refused(), [])
        self.assertEqual(device.status()["voids"], 0)

    def test_every_third_answer_is_lost_after_the_commit_and_nothing_is_doubled(self):
        self.commit_and_converge("every 3 push lose\n", "the adapter ended")

    def test_an_adapter_that_dies_before_its_commit_loses_nothing(self):
        self.commit_and_converge("every 3 push crash\n", "the adapter ended")

    def test_an_adapter_that_talks_nonsense_is_started_again(self):
        self.commit_and_converge("every 4 push nonsense\nevery 5 pull nonsense\n", "the adapter talked nonsense")

    def test_one_that_answers_later_again_and_again_gets_everything(self):
        self.commit_and_converge("every 2 push later it is busy\n", "it is busy")


if __name__ == "__main__":
    harness.main()
