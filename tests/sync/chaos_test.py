#!/usr/bin/env python3
"""The short form of tools/soak chaos."""

import json
import unittest

import chaos
import harness

SECONDS = {"file": 10, "postgres": 5, "nats": 5}
chance = harness.seed()


class Chaos(unittest.TestCase):
    def rage(self, kind):
        report = chaos.Chaos(kind, SECONDS[kind], chance.randrange(1 << 32)).run()
        print(json.dumps(report), flush=True)
        self.assertGreater(report["events"], 0)
        self.assertGreater(report["mishaps"]["kill_leader"], 0)

    def test_file(self):
        self.rage("file")

    def test_nats(self):
        self.rage("nats")

    def test_postgres(self):
        self.rage("postgres")


if __name__ == "__main__":
    harness.main()
