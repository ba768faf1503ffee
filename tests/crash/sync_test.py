#!/usr/bin/env python3
"""What a commit costs on disk, counted by strace: one sync for a group commit, a
second one for the first behind a restart of the write-ahead log, and few writes."""

import collections
import re
import subprocess

import harness

N_SINGLE = 12
N_SESSIONS = 4
N_EACH = 60
WRITES_MAX = 12  # to files, by one durable commit of one event: two for each of six pages
BIG_TITLE = "x" * 250000  # some 60 pages
CHECKPOINT_BYTES = 4000 * (4096 + 24) + 32  # of a write-ahead log: CHECKPOINT_PAGES in limits.h
WRITES = ("write", "pwrite64", "writev", "pwritev", "pwritev2")
SYNCS = ("fsync", "fdatasync", "sync_file_range", "syncfs", "sync", "msync")
CALL = re.compile(r"^(?:\[pid +\d+\] |\d+ +)?(\w+)\(\d+<([^>]*)>.*= (-?\d+)")


def probe():
    done = subprocess.run(["strace", "-o", "/dev/null", "true"], stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        harness.skip("strace may not trace here")


class Trace:
    """The calls of a process that sync or write, from now on."""

    def __init__(self, story, pid):
        self.path = story.folder / "strace.txt"
        calls = ",".join(WRITES + SYNCS)
        command = ["strace", "-f", "-y", "-e", f"trace={calls}", "-o", self.path, "-p", pid]
        self.process = story.start_process(command, stderr=subprocess.PIPE, encoding="utf-8")
        line = self.process.stderr.readline()
        assert "attached" in line, line
        self.file = open(self.path, encoding="utf-8", errors="replace")
        story.addCleanup(self.file.close)
        self.unfinished = ""  # a line that strace is still writing

    def calls(self):
        """(call, file) of those since the last time, files below a data directory only."""
        *lines, self.unfinished = (self.unfinished + self.file.read()).split("\n")
        found = []
        for line in lines:
            match = CALL.match(line)
            if match and "/stores/" in match[2]:
                found.append((match[1], match[2].rpartition("/")[2]))
        return found


def syncs(calls):
    return [name for call, name in calls if call in SYNCS]


def writes(calls):
    return [name for call, name in calls if call in WRITES]


class Sync(harness.Story):
    def setUp(self):
        super().setUp()
        # The leak checker of a sanitized leader cannot work beside a tracer.
        sanitizer = harness.os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        self.leader.start(environment_more={"ASAN_OPTIONS": sanitizer})
        self.leader.create("todos", harness.SCHEMAS / "todos.sql")
        self.session = harness.Session(self.leader, "todos")

    def group_commits(self):
        return self.leader.store_status("todos")["group_commits"]

    def commit_and_wait(self, name, title="t"):
        self.assertIn(self.session.commit("todoCreated", id=name, title=title)[0], ("ok", "queued"))
        self.assertEqual(self.session.wait()[0], "ok")

    def test_a_commit_of_one_event_is_one_sync_and_few_writes(self):
        trace = Trace(self, self.leader.process.pid)
        costs = []
        for number in range(N_SINGLE):
            self.commit_and_wait(f"t{number}")
            costs.append(trace.calls())

        for calls in costs:
            print(f"{len(syncs(calls))} syncs, writes {dict(collections.Counter(writes(calls)))}", flush=True)
        # The first one begins the write-ahead logs: their headers and, where the file is new, its folder.
        self.assertEqual(syncs(costs[0]).count("eventlog.db-wal"), 2)
        for calls in costs[1:]:
            self.assertEqual(syncs(calls), ["eventlog.db-wal"])
        for calls in costs:
            self.assertGreater(len(writes(calls)), 0)
        for calls in costs[1:]:
            self.assertLessEqual(len(writes(calls)), WRITES_MAX, writes(calls))

    def wal_bytes(self):
        folder = self.leader.store("todos")
        return max((folder / name).stat().st_size for name in ("eventlog.db-wal", "state.db-wal"))

    def test_a_checkpoint_comes_between_commits_and_the_first_behind_it_is_two_syncs(self):
        number = 0
        while self.wal_bytes() < CHECKPOINT_BYTES * 9 // 10:
            self.commit_and_wait(f"big{number}", BIG_TITLE)
            number += 1
        trace = Trace(self, self.leader.process.pid)
        while self.wal_bytes() <= CHECKPOINT_BYTES:
            self.commit_and_wait(f"big{number}", BIG_TITLE)
            number += 1
            calls = trace.calls()
            self.assertEqual(syncs(calls)[:1], ["eventlog.db-wal"])
            self.assertTrue(len(syncs(calls)) == 1 or self.wal_bytes() > CHECKPOINT_BYTES, syncs(calls))
        # It comes behind the answer, on its own: first the log's, then the state's.
        harness.until(lambda: "state.db" in syncs(calls) or calls.extend(trace.calls()), "the checkpoint")
        self.leader.store_status("todos")
        trace.calls()
        self.commit_and_wait("first")
        first = trace.calls()
        self.commit_and_wait("second")

        print(f"{number} commits, a checkpoint, then syncs of {syncs(first)}", flush=True)
        self.assertEqual(syncs(first).count("eventlog.db-wal"), 2)
        # The header of the state's own write-ahead log.
        self.assertLessEqual(syncs(first).count("state.db-wal"), 1)
        self.assertLessEqual(len(syncs(first)), 3)
        self.assertEqual(syncs(trace.calls()), ["eventlog.db-wal"])

    def test_many_events_of_many_sessions_are_synced_by_group_not_by_event(self):
        self.commit_and_wait("first")
        sessions = [harness.Session(self.leader, "todos") for _ in range(N_SESSIONS)]
        before = self.group_commits()
        trace = Trace(self, self.leader.process.pid)
        self.leader.pause()
        for number, session in enumerate(sessions):
            for one in range(N_EACH):
                self.assertEqual(session.commit("todoCreated", id=f"{number}-{one}", title="t")[0], "ok")

        self.leader.resume()
        for session in sessions:
            self.assertEqual(session.wait()[0], "ok")

        calls = trace.calls()
        groups = self.group_commits() - before
        print(f"{N_SESSIONS * N_EACH} events in {groups} group commits, {len(syncs(calls))} syncs, "
              f"{len(writes(calls))} writes", flush=True)
        self.assertEqual(syncs(calls), ["eventlog.db-wal"] * groups)
        self.assertGreater(groups, 0)
        # Every session's socket was full of events when the leader came to it.
        self.assertLessEqual(groups, 2 * N_SESSIONS)

    def test_reading_syncs_and_writes_nothing(self):
        self.commit_and_wait("first")
        trace = Trace(self, self.leader.process.pid)

        self.leader.events("todos")
        self.leader.ask("query", "todos", "SELECT * FROM todo")
        self.leader.store_status("todos")

        self.assertEqual(trace.calls(), [])


if __name__ == "__main__":
    probe()
    harness.main()
