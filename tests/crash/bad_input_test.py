#!/usr/bin/env python3
"""What a leader is given that it must not take: a clear error, nothing lost, and its
other stores go on."""

import json
import os
import shutil
import sqlite3
import subprocess

import harness

ROWS = 300  # of the table that the runaway joins with itself

RUNAWAY = """-- store runaway version 1
CREATE TABLE number (n INTEGER PRIMARY KEY NOT NULL) STRICT;
CREATE TABLE total (name TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL) STRICT;
-- event numberAdded(n INTEGER)
INSERT INTO number (n) VALUES (:n);
-- event counted(name TEXT)
INSERT INTO total (name, value)
  SELECT :name, count(*) FROM number a, number b, number c, number d WHERE a.n + b.n + c.n + d.n % 7 > 0;
"""
TAMED = RUNAWAY.replace("version 1", "version 2").replace("FROM number a, number b, number c, number d WHERE "
                                                          "a.n + b.n + c.n + d.n % 7 > 0", "FROM number")


class BadInput(harness.Story):
    def setUp(self):
        super().setUp()
        self.leader.start()
        self.leader.create("todos", harness.SCHEMAS / "todos.sql")
        self.leader.create("beside", harness.SCHEMAS / "todos.sql")
        self.commit("todos", "kept")

    def commit(self, store, name):
        self.leader.ask("commit", store, "todoCreated", json.dumps({"id": name, "title": "t"}))

    def expect_others_go_on(self):
        """The daemon lives, and a store that nothing happened to takes commits."""
        self.assertTrue(self.leader.is_alive())
        name = f"beside{len(self.leader.events('beside'))}"
        self.commit("beside", name)
        self.leader.verify("beside")

    def run_second(self, data, socket):
        return subprocess.run([harness.LEADERD, "--data-dir", data, "--socket", socket], stdin=subprocess.DEVNULL,
                              capture_output=True, encoding="utf-8", env=harness.environment(),
                              timeout=harness.SECONDS)

    # ---- leaders

    def test_a_second_leader_on_the_same_data_is_refused_and_says_who_has_it(self):
        done = self.run_second(self.leader.data, self.folder / "run" / "other")

        self.expect_status(done, 5, str(self.leader.process.pid), str(self.leader.data))
        self.assertFalse((self.folder / "run" / "other").exists())
        self.commit("todos", "after")
        self.expect_others_go_on()

    def test_a_second_leader_on_the_same_socket_is_refused_and_leaves_it_alone(self):
        done = self.run_second(self.folder / "data2", self.leader.socket)

        self.expect_status(done, 5, str(self.leader.socket))
        self.commit("todos", "after")
        self.expect_others_go_on()

    def test_the_lock_goes_with_a_killed_leader_and_its_socket_is_replaced(self):
        self.leader.kill()

        self.leader.start()

        self.commit("todos", "after")
        self.assertEqual([event["args"]["id"] for event in self.leader.events("todos")], ["kept", "after"])

    # ---- files

    def set_format(self, number):
        log = sqlite3.connect(self.leader.store("todos") / "eventlog.db")
        log.execute(f"PRAGMA user_version = {number}")
        log.close()

    def expect_trouble(self, code, *words):
        """The store says what is wrong, in its status and to a commit, and takes nothing."""
        stores = {store["name"]: store for store in self.leader.ask("status")[0]["stores"]}
        trouble = stores["todos"]["trouble"]
        self.assertEqual(trouble["code"], code, trouble)
        done = self.leader.run("commit", "todos", "todoCreated", '{"id":"lost","title":"t"}')
        self.assertNotEqual(done.returncode, 0)
        for word in words:
            self.assertIn(word, trouble["text"])
            self.assertIn(word, done.stderr)
        self.expect_others_go_on()
        return done.returncode

    def expect_back(self):
        self.assertEqual([event["args"]["id"] for event in self.leader.events("todos")], ["kept"])
        self.commit("todos", "after")
        self.leader.verify("todos")

    def test_a_newer_format_on_disk_is_refused_by_its_number_and_left_as_it_is(self):
        self.leader.stop()
        self.set_format(2)
        before = (self.leader.store("todos") / "eventlog.db").read_bytes()
        self.leader.start()

        self.assertEqual(self.expect_trouble("newer version", "format 2", "format 1"), 1)

        self.assertEqual((self.leader.store("todos") / "eventlog.db").read_bytes(), before)
        done = self.leader.run("verify", "todos", "--data-dir", self.leader.data)
        self.expect_status(done, 1, "format 2")
        self.leader.stop()
        self.set_format(1)
        self.leader.start()
        self.expect_back()

    def with_log(self, spoil):
        """A leader that finds another eventlog.db; then the true one again."""
        self.leader.stop()
        log = self.leader.store("todos") / "eventlog.db"
        kept = self.folder / "kept.db"
        shutil.copy(log, kept)
        log.unlink()
        spoil(log)
        self.leader.start()
        self.assertEqual(self.expect_trouble("corrupt", "eventlog.db"), 6)
        self.leader.stop()
        log.unlink()
        shutil.copy(kept, log)
        self.leader.start()
        self.expect_back()

    def test_a_log_that_is_no_database_is_told(self):
        self.with_log(lambda log: log.write_bytes(b"no database at all" * 1000))

    def test_a_log_that_another_program_made_is_told(self):
        def spoil(path):
            other = sqlite3.connect(path)
            other.execute("CREATE TABLE note (text)")
            other.close()
        self.with_log(spoil)

    def test_a_log_behind_a_symbolic_link_is_not_followed(self):
        self.leader.stop()
        log = self.leader.store("todos") / "eventlog.db"
        log.rename(self.folder / "elsewhere.db")
        log.symlink_to(self.folder / "elsewhere.db")
        self.leader.start()

        self.expect_trouble("permission", "eventlog.db")

        self.leader.stop()
        log.unlink()
        (self.folder / "elsewhere.db").rename(log)
        self.leader.start()
        self.expect_back()

    # ---- schemas

    def install(self, text):
        path = self.folder / "schema.sql"
        path.write_text(text)
        return self.leader.run("schema", "install", "todos", path)

    def test_a_lower_version_and_the_same_version_with_other_content_are_refused(self):
        text = (harness.SCHEMAS / "todos.sql").read_text()
        second = text.replace("version 1", "version 2") + "\n-- event nothing(id TEXT)\nSELECT 1;\n"
        self.expect_status(self.install(text + "\n-- more\n"), 5, "version 1")
        self.expect_status(self.install(second), 0)

        self.expect_status(self.install(text), 5, "version 1", "lower than 2")
        self.expect_status(self.install(second + "\n-- more\n"), 5, "version 2")

        self.assertEqual(self.leader.store_status("todos")["schema"]["version"], 2)
        self.expect_back()
        self.expect_others_go_on()

    def test_a_schema_that_breaks_a_rule_names_its_line_and_changes_nothing(self):
        text = (harness.SCHEMAS / "todos.sql").read_text().replace("version 1", "version 2")
        line = len(text.splitlines()) + 2

        done = self.install(text + "-- event timed(id TEXT)\nUPDATE todo SET title = datetime('now') WHERE id = :id;\n")

        self.expect_status(done, 1, f"{self.folder}/schema.sql:{line}:")
        self.assertEqual(self.leader.store_status("todos")["schema"]["version"], 1)
        self.expect_back()

    # ---- a materializer without end

    def start_runaway(self):
        """The session's own state is still empty: there the join is over at once. The leader's is not."""
        (self.folder / "runaway.sql").write_text(RUNAWAY)
        self.leader.create("runaway", self.folder / "runaway.sql")
        session = harness.Session(self.leader, "runaway")
        lines = [json.dumps({"name": "numberAdded", "args": {"n": number}}) for number in range(ROWS)]
        self.leader.ask("commit", "runaway", "--jsonl", "-", text="".join(line + "\n" for line in lines))
        self.assertEqual(session.commit("counted", name="all")[0], "ok")
        return session

    def test_a_runaway_materializer_holds_its_store_with_a_reason_and_nothing_else(self):
        session = self.start_runaway()

        waited = session.wait()

        self.assertEqual(waited[0], "on hold", waited)
        self.assertIn("counted", waited[2])
        trouble = self.leader.store_status("runaway")["trouble"]
        self.assertEqual(trouble["code"], "on hold")
        self.assertIn("counted", trouble["text"])
        self.expect_others_go_on()
        self.assertEqual(session.commit("numberAdded", n=ROWS)[0], "on hold")
        self.assertEqual(len(self.leader.events("runaway")), ROWS)
        self.assertEqual(self.leader.ask("query", "runaway", "SELECT count(*) AS n FROM number"), [{"n": ROWS}])

    def test_a_schema_that_ends_the_runaway_ends_the_hold_and_the_event_is_durable(self):
        session = self.start_runaway()
        self.assertEqual(session.wait()[0], "on hold")
        (self.folder / "tamed.sql").write_text(TAMED)

        self.expect_status(self.leader.run("schema", "install", "runaway", self.folder / "tamed.sql"), 0)

        harness.until(lambda: session.wait()[0] == "ok", "the pending event under the new schema")
        self.assertEqual(self.leader.ask("query", "runaway", "SELECT value FROM total"), [{"value": ROWS}])
        self.leader.verify("runaway")

    def test_a_runaway_in_the_sessions_own_state_is_told_there_and_nothing_has_happened(self):
        self.start_runaway()
        late = harness.Session(self.leader, "runaway")

        code, _, text = late.commit("counted", name="late")

        self.assertEqual(code, "on hold", text)
        self.assertEqual(late.status()["pending"], 0)
        self.expect_others_go_on()


if __name__ == "__main__":
    harness.main()
