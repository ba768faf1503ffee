#!/usr/bin/env python3
"""The short forms of tools/soak chaos."""

import json
import subprocess
import unittest

from backends import harness

IS_SANITIZED = harness.IS_SANITIZED
SOAK = harness.ROOT / "tools" / "soak"
chance = harness.seed()


class Chaos(unittest.TestCase):
    def soak(self, *words):
        return subprocess.run([SOAK, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              encoding="utf-8", timeout=5 * harness.SECONDS)

    def rage(self, kind, seconds):
        seed = chance.randrange(1 << 32)
        done = self.soak("chaos", "--minutes", seconds / 60, "--backend", kind, "--seed", seed, "--json")
        print(done.stdout, end="", flush=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual((report["ok"], report["backend"]), (True, kind))
        self.assertGreater(report["commits"], 10 * seconds)
        self.assertGreater(sum(report["mishaps"].values()), seconds / 2)

    def test_ten_seconds_of_chaos_around_a_file_leave_everything_whole(self):
        self.rage("file", 10 if not IS_SANITIZED else 5)

    def test_chaos_around_postgres_leaves_everything_whole(self):
        self.rage("postgres", 5 if not IS_SANITIZED else 3)

    def test_chaos_around_nats_leaves_everything_whole(self):
        self.rage("nats", 5 if not IS_SANITIZED else 3)

    def test_a_wrong_command_line_ends_with_2(self):
        for words in ([], ["calm"], ["chaos"], ["chaos", "--minutes", "0"], ["chaos", "--minutes", "x"],
                      ["chaos", "--minutes", "1", "--backend", "cloud"]):
            self.assertEqual(self.soak(*words).returncode, 2, words)


if __name__ == "__main__":
    harness.main()
