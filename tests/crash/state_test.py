#!/usr/bin/env python3
"""state.db is derived: whatever happens to it while no leader runs, the next one has
the same state again."""

import shutil

import harness
import history

LINES = history.read_lines(1500)
SIDE_FILES = ("", "-wal", "-shm", "-journal")
chance = harness.seed()

OTHER_SCHEMA = """-- store files version 1
CREATE TABLE file (path TEXT PRIMARY KEY NOT NULL, mode TEXT NOT NULL, blob TEXT NOT NULL, extra TEXT) STRICT;
CREATE TABLE history (sha TEXT PRIMARY KEY NOT NULL, time INTEGER NOT NULL) STRICT;
-- event commitRecorded(sha TEXT, time INTEGER)
INSERT INTO history (sha, time) VALUES (:sha, :time);
"""


class State(harness.Story):
    """Half of the history, a copy of the state, the other half; then a fault. The leader
    either ended well (a state.db alone) or was killed (a state.db and its side files)."""

    def commit(self, lines):
        history.write(lines, self.folder / "lines.jsonl")
        self.leader.ask("commit", "files", "--jsonl", self.folder / "lines.jsonl")

    def state_files(self, folder=None):
        return [(folder or self.leader.store("files")) / f"state.db{side}" for side in SIDE_FILES]

    def copy_state(self, source, target):
        target.mkdir(exist_ok=True)
        for path in self.state_files(source):
            if path.exists():
                shutil.copy(path, target)

    def remove_state(self):
        for path in self.state_files():
            path.unlink(missing_ok=True)

    def end_leader(self, killed):
        (self.leader.kill if killed else self.leader.stop)()

    def prepare(self, killed):
        self.leader.start()
        self.leader.create("files", harness.SCHEMAS / "files.sql")
        self.commit(LINES[:700])
        self.end_leader(killed)
        self.copy_state(self.leader.store("files"), self.folder / "older")
        self.leader.start()
        self.commit(LINES[700:])
        self.before = self.leader.dump("files")
        self.log_before = self.leader.events("files")
        self.end_leader(killed)
        self.copy_state(self.leader.store("files"), self.folder / "newest")

    def put_back(self, kept):
        self.remove_state()
        self.copy_state(self.folder / kept, self.leader.store("files"))

    def expect_the_same_again(self, what):
        with self.subTest(what):
            self.leader.start()
            self.assertEqual(self.leader.store_status("files")["trouble"], None)
            self.assertEqual(self.leader.dump("files"), self.before)
            self.assertEqual(self.leader.events("files"), self.log_before)
            history.expect_tree(self, "files", LINES)
            self.leader.verify("files")
            self.leader.stop()

    def in_both_ways(self, fault):
        for killed, way in ((False, "after a good end"), (True, "after a kill")):
            self.prepare(killed)
            fault(way)
            shutil.rmtree(self.leader.data)

    def test_a_deleted_state_is_made_anew(self):
        def fault(way):
            self.remove_state()
            self.expect_the_same_again(way)
        self.in_both_ways(fault)

    def test_a_truncated_state_is_made_anew(self):
        def fault(way):
            for part in ("", "-wal"):
                path = self.leader.store("files") / f"state.db{part}"
                self.put_back("newest")
                if not path.exists():
                    continue
                n_bytes = path.stat().st_size
                for n_kept in (0, 1, 100, n_bytes // 2, n_bytes - 1, chance.randrange(n_bytes)):
                    self.put_back("newest")
                    with open(path, "r+b") as file:
                        file.truncate(n_kept)
                    self.expect_the_same_again(f"{way}: state.db{part} of {n_bytes} bytes cut to {n_kept}")
        self.in_both_ways(fault)

    def test_an_older_copy_is_rolled_forward(self):
        def fault(way):
            self.put_back("older")
            self.expect_the_same_again(way)
        self.in_both_ways(fault)

    def test_a_state_without_its_own_side_files_or_with_older_ones_is_brought_to_the_log(self):
        self.prepare(True)
        self.put_back("newest")
        for side in ("-wal", "-shm"):
            (self.leader.store("files") / f"state.db{side}").unlink(missing_ok=True)
        self.expect_the_same_again("without its side files")
        self.put_back("newest")
        shutil.copy(self.folder / "older" / "state.db-wal", self.leader.store("files"))
        self.expect_the_same_again("with an older write-ahead log")
        self.put_back("newest")
        shutil.copy(self.folder / "older" / "state.db", self.leader.store("files"))
        self.expect_the_same_again("with an older database under its write-ahead log")

    def test_a_state_of_another_schema_is_made_anew(self):
        def fault(way):
            (self.folder / "other.sql").write_text(OTHER_SCHEMA)
            self.leader.start()
            self.leader.create("other", self.folder / "other.sql")
            self.leader.stop()
            self.remove_state()
            self.copy_state(self.leader.store("other"), self.leader.store("files"))
            self.expect_the_same_again(way)
        self.in_both_ways(fault)

    def test_a_state_that_is_no_database_is_made_anew(self):
        def fault(way):
            self.remove_state()
            (self.leader.store("files") / "state.db").write_bytes(chance.randbytes(40960))
            self.expect_the_same_again(way)
        self.in_both_ways(fault)


if __name__ == "__main__":
    harness.main()
