#!/usr/bin/env python3
"""SIGKILL of the leader at random moments of one import, twenty times.

The lines of the history are fed to one import in pieces, so that each kill finds
it under way. A moment is drawn by what can be seen (so many receipts are out; the
log's file grows just now) or, behind that, by the clock; every fifth kill is
followed by another that meets a leader which is only just starting.
"""

import collections
import json
import threading
import time

import harness
import history

LINES = history.read_lines(harness.size("LEADERD_TEST_EVENTS", history.N_LINES))
N_KILLS = 20
N_SESSIONS = 4
DELAY_SECONDS = 0.010 if not harness.IS_SANITIZED else 0.1  # the clock's moments lie within it
START_SECONDS = 0.020 if not harness.IS_SANITIZED else 0.2  # and those of a leader that starts
chance = harness.seed()


class Receipts:
    """What an import prints, read as it comes."""

    def __init__(self, pipe):
        self.lines = []
        self._thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._thread.start()

    def _read(self, pipe):
        for line in pipe:
            self.lines.append(line)

    def finish(self):
        self._thread.join(harness.SECONDS)
        assert not self._thread.is_alive()
        return [json.loads(line) for line in self.lines]


class Kill(harness.Story):
    def start_import(self):
        command = self.leader.command("--json", "commit", "files", "--jsonl", "-", "--sessions", N_SESSIONS,
                                      "--shard-by", "path", "--wait", "durable", "--receipts")
        self.errors = open(self.folder / "import.log", "w+", encoding="utf-8")
        self.addCleanup(self.errors.close)
        process = self.start_process(command, stdin=harness.subprocess.PIPE, stdout=harness.subprocess.PIPE,
                                     stderr=self.errors, encoding="utf-8")
        self.receipts = Receipts(process.stdout)
        return process

    def expect_running(self, process):
        if process.poll() is not None:
            self.errors.seek(0)
            self.fail(f"the import ended with {process.returncode}: {self.errors.read()}")

    def feed(self, process, lines):
        self.expect_running(process)
        process.stdin.write("".join(line + "\n" for line in lines))
        process.stdin.flush()

    def kill_after_receipts(self, process, n):
        def are_out():
            self.expect_running(process)
            return len(self.receipts.lines) >= n
        harness.until(are_out, f"{n} receipts, after {len(self.receipts.lines)}")
        self.leader.kill()

    def wal_bytes(self):
        return (self.leader.store("files") / "eventlog.db-wal").stat().st_size

    def until_it_writes(self, process):
        """Returns at once when the file grows: no look in between is skipped."""
        end = time.monotonic() + harness.SECONDS
        while self.wal_bytes() == self.wal_bytes_before:
            self.expect_running(process)
            self.assertLess(time.monotonic(), end, "the log did not grow")

    def kill_while_it_writes(self, process):
        self.until_it_writes(process)
        self.leader.kill()

    def kill_by_the_clock(self, process):
        self.until_it_writes(process)
        time.sleep(chance.uniform(0, DELAY_SECONDS))  # the drawn moment itself
        self.leader.kill()

    def kill_while_it_starts(self):
        self.leader.spawn()
        time.sleep(chance.uniform(0, START_SECONDS))
        self.leader.kill()

    def kill_and_start(self, process, number, n_fed, kinds):
        seen = len(self.receipts.lines)
        if number % 4 == 0:
            kinds["by the clock"] += 1
            self.kill_by_the_clock(process)
        elif number % 4 == 2:
            kinds["while it writes"] += 1
            self.kill_while_it_writes(process)
        else:
            kinds["by receipts"] += 1
            self.kill_after_receipts(process, chance.randint(seen, n_fed - 1))
        if number % 5 == 4:
            kinds["while it starts"] += 1
            self.kill_while_it_starts()
        self.leader.start()

    def kill_again_and_again(self, process):
        cuts = [0] + sorted(chance.sample(range(N_KILLS, len(LINES)), N_KILLS - 1)) + [len(LINES)]
        kinds = collections.Counter()
        unfinished = 0
        for number in range(N_KILLS):
            self.wal_bytes_before = self.wal_bytes()
            self.feed(process, LINES[cuts[number]:cuts[number + 1]])
            self.kill_and_start(process, number, cuts[number + 1], kinds)
            unfinished += len(self.receipts.lines) < cuts[number + 1]
        print(f"{dict(kinds)}; {unfinished} of them with lines under way", flush=True)
        self.assertGreater(unfinished, N_KILLS // 4)

    def expect_receipts_in_the_log(self, log):
        receipts = self.receipts.finish()
        self.assertEqual(collections.Counter(receipt["id"] for receipt in receipts),
                         collections.Counter(event["id"] for event in log))
        at = {event["id"]: event["position"] for event in log}
        self.assertEqual([receipt for receipt in receipts if receipt["stage"] != "durable"], [])
        self.assertEqual([receipt for receipt in receipts if receipt["position"] != at[receipt["id"]]], [])

    def test_twenty_kills_lose_and_double_nothing_and_the_state_is_that_of_a_rebuild(self):
        self.leader.start()
        self.leader.create("files", harness.SCHEMAS / "files.sql")
        process = self.start_import()

        self.kill_again_and_again(process)
        process.stdin.close()
        status = process.wait(harness.SECONDS)

        self.errors.seek(0)
        self.assertEqual(status, 0, self.errors.read())
        log = self.leader.events("files")
        history.expect_log(self, log, LINES)
        history.expect_tree(self, "files", LINES)
        self.expect_receipts_in_the_log(log)
        self.leader.verify("files")
        self.expect_state_of_a_rebuild()

    def expect_state_of_a_rebuild(self):
        self.leader.ask("rebuild", "files", "--to", self.folder / "rebuilt.db")
        self.assertEqual(self.leader.dump("files"), self.leader.dump_file(self.folder / "rebuilt.db", "files"))


if __name__ == "__main__":
    harness.main()
