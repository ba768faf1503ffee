#!/usr/bin/env python3
"""The history of a real repository, committed by 1, 4 and 16 session processes at once."""

import collections

import harness
import history

LINES = history.read_lines(harness.size("LEADERD_TEST_EVENTS", history.N_LINES))


class Import(harness.Story):
    def import_from(self, n_sessions):
        history.write(LINES, self.folder / "history.jsonl")
        self.leader.start()
        self.leader.create("files", harness.SCHEMAS / "files.sql")

        receipts = self.leader.ask("commit", "files", "--jsonl", self.folder / "history.jsonl", "--sessions",
                                   n_sessions, "--shard-by", "path", "--wait", "durable", "--receipts")

        log = self.leader.events("files")
        newest = history.expect_log(self, log, LINES)
        self.assertEqual(len(newest), n_sessions)
        self.expect_one_session_per_path(log)
        history.expect_tree(self, "files", LINES)
        self.assertEqual(collections.Counter(receipt["id"] for receipt in receipts),
                         collections.Counter(event["id"] for event in log))
        self.leader.verify("files")
        self.leader.stop()

    def expect_one_session_per_path(self, log):
        session_of = {}
        for event in log:
            path = event["args"].get("path")
            self.assertEqual(session_of.setdefault(path, event["session"]), event["session"], path)

    def test_one_session_leaves_gits_own_tree(self):
        self.import_from(1)

    def test_four_sessions_leave_gits_own_tree_and_each_keeps_its_order(self):
        self.import_from(4)

    def test_sixteen_sessions_leave_gits_own_tree_and_each_keeps_its_order(self):
        self.import_from(16)


if __name__ == "__main__":
    harness.main()
