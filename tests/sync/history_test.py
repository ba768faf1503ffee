#!/usr/bin/env python3
"""The history of a real repository, split between two devices by path, one of them
offline for the first half of it; git is the judge. Once for each kind of backend."""

import zlib

import devices
import harness
import history

LINES = history.read_lines(harness.size("LEADERD_TEST_EVENTS", history.N_LINES))
COMMIT = ["--sessions", "2", "--shard-by", "path"]


def path_of(line):
    return history.json.loads(line)["args"].get("path", "")


def split(lines):
    """Those of A and those of B: all lines of one path are one device's; lines without a path are A's."""
    of_b = [bool(path_of(line)) and zlib.crc32(path_of(line).encode()) % 2 == 1 for line in lines]
    return ([line for line, is_b in zip(lines, of_b) if not is_b], [line for line, is_b in zip(lines, of_b) if is_b])


class History(devices.Story):
    schema = harness.SCHEMAS / "files.sql"

    def split_between_two(self, kind):
        half = len(LINES) // 2
        backend = devices.backends.KINDS[kind](self.folder)
        a, b = self.devices("AB", backend)

        b.offline()
        for lines in (LINES[:half], LINES[half:]):
            of_a, of_b = split(lines)
            a.commit_lines(of_a, *COMMIT)
            b.commit_lines(of_b, *COMMIT)
            b.online()

        self.converge([a, b])
        self.expect_history([a, b])

    def expect_history(self, found):
        number_of = history.numbers(LINES)
        for device in found:
            rows = device.query("SELECT path, mode, blob FROM file")
            self.assertEqual({row["path"]: (row["mode"], row["blob"]) for row in rows}, history.git_tree(LINES))
            self.assertEqual(device.refused(), [])
        newest = {}
        for place, event in enumerate(found[0].chain(), 1):
            self.assertEqual(event["position"], f"e{place}")
            number = number_of.pop(history.key(event["name"], event["args"]))
            self.assertGreater(number, newest.get(event["session"], -1), f"{event['session']} at e{place}")
            newest[event["session"]] = number
        self.assertEqual(number_of, {})

    def test_two_devices_and_a_file_leave_gits_own_tree(self):
        self.split_between_two("file")

    def test_two_devices_and_postgres_leave_gits_own_tree(self):
        self.split_between_two("postgres")

    def test_two_devices_and_nats_leave_gits_own_tree(self):
        self.split_between_two("nats")


if __name__ == "__main__":
    harness.main()
