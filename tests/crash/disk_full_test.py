#!/usr/bin/env python3
"""A disk without space: what is answered, what is kept, and how it goes on.

The data directory is a small tmpfs in a mount namespace of this test's own: it
goes with the process, however that ends.
"""

import itertools
import json
import os
import subprocess
import sys

import harness

DISK_BYTES = 8 * 1024 * 1024
TITLE = "x" * 20000
INSIDE = "LEADERD_TEST_INSIDE"  # set in the namespace


def enter_namespace():
    """Runs this script again where it may mount: as root, else as root of a user namespace."""
    command = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--user", "--map-root-user"])
    probe = subprocess.run([*command, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], stderr=subprocess.PIPE, text=True)
    if probe.returncode != 0:
        harness.skip("no tmpfs can be mounted here")
    os.environ[INSIDE] = "yes"
    os.execvp(command[0], [*command, "--", sys.executable, *sys.argv])


class DiskFull(harness.Story):
    def setUp(self):
        super().setUp()
        self.disk = self.folder / "disk"
        self.disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0700", "tmpfs", self.disk], check=True)
        self.addCleanup(subprocess.run, ["umount", "--lazy", self.disk], check=True)
        self.leader = harness.Leader(self.folder, data=self.disk / "data")
        self.leader.start()
        self.leader.create("todos", harness.SCHEMAS / "todos.sql")
        self.acknowledged = []
        self.commit_with_leaderctl("first")

    def fill(self):
        """A file takes what is left, to the last byte."""
        with open(self.disk / "ballast", "wb", buffering=0) as ballast:
            size = 65536
            while size:
                try:
                    ballast.write(b"x" * size)
                except OSError:
                    size //= 2
        space = os.statvfs(self.disk)
        self.assertEqual(space.f_bavail, 0)

    def make_space(self):
        (self.disk / "ballast").unlink()

    def commit_with_leaderctl(self, name):
        done = self.leader.run("--json", "commit", "todos", "todoCreated",
                               json.dumps({"id": name, "title": TITLE}), "--timeout", "20")
        if done.returncode == 0:
            self.acknowledged.append(name)
        return done

    def expect_everything_acknowledged(self):
        log = [event["args"]["id"] for event in self.leader.events("todos")]
        self.assertEqual(len(log), len(set(log)))
        self.assertLessEqual(set(self.acknowledged), set(log))
        rows = self.leader.ask("query", "todos", "SELECT id FROM todo")
        self.assertEqual({row["id"] for row in rows}, set(log))
        self.leader.verify("todos")
        return log

    def until_refused(self):
        """Commits until one fails for want of space; a WAL has room for a few."""
        for number in range(2 * DISK_BYTES // len(TITLE)):
            done = self.commit_with_leaderctl(f"t{number}")
            if done.returncode != 0:
                return done
        raise AssertionError("the disk never filled")

    def until_taken_again(self):
        # Each attempt is an event of its own: one that failed may still be taken, from the leader's memory.
        names = (f"after{number}" for number in itertools.count())
        harness.until(lambda: self.commit_with_leaderctl(next(names)).returncode == 0, "a commit after space came back")

    def test_a_commit_fails_with_a_clear_error_and_goes_on_without_a_restart(self):
        pid = self.leader.process.pid
        self.fill()

        done = self.until_refused()

        self.expect_status(done, 1, "full")
        self.assertIn("full", self.trouble())
        self.make_space()
        self.until_taken_again()
        self.assertEqual(self.leader.process.pid, pid)
        self.assertTrue(self.leader.is_alive())
        log = self.expect_everything_acknowledged()
        self.assertEqual(log[-1], self.acknowledged[-1])
        self.assertEqual(self.trouble(), "")

    def trouble(self):
        store = self.leader.store_status("todos")
        return f"{store['trouble']['code']} {store['trouble']['text']}" if store["trouble"] else ""

    def test_a_session_is_told_full_and_its_pending_events_become_durable_later(self):
        session = harness.Session(self.leader, "todos")
        self.fill()
        pending = []
        code = "ok"
        while code in ("ok", "queued"):
            name = f"s{len(pending)}"
            code, _, text = session.commit("todoCreated", id=name, title=TITLE)
            if code in ("ok", "queued"):
                pending.append(name)
                waited = session.wait()
                if waited[0] != "ok":
                    break
                self.acknowledged.append(name)
            self.assertLess(len(pending), 2 * DISK_BYTES // len(TITLE))
        self.assertEqual(waited[0], "full", waited)
        self.assertIn("full", waited[2])

        # A bound, or the disk: nothing has happened either way.
        self.assertEqual(session.commit("todoCreated", id="refused", title=TITLE)[0], "full")

        self.make_space()
        harness.until(lambda: session.wait()[0] == "ok", "the pending events after space came back")
        self.acknowledged += [name for name in pending if name not in self.acknowledged]
        self.assertEqual(session.commit("todoCreated", id="later", title=TITLE)[0], "ok")
        self.assertEqual(session.wait()[0], "ok")
        self.acknowledged.append("later")
        log = self.expect_everything_acknowledged()
        self.assertNotIn("refused", log)
        self.assertEqual(log, self.acknowledged)

    def test_a_leader_killed_on_the_full_disk_starts_again_with_everything(self):
        self.fill()
        self.until_refused()
        self.leader.kill()

        self.leader.start()

        self.assertEqual(self.leader.events("todos")[-1]["args"]["id"], self.acknowledged[-1])
        self.make_space()
        self.until_taken_again()
        self.expect_everything_acknowledged()

    def test_a_store_cannot_be_made_without_space_and_leaves_nothing_behind(self):
        self.fill()

        done = self.leader.run("store", "create", "more", "--schema", harness.SCHEMAS / "todos.sql")

        self.expect_status(done, 1, "full")
        self.assertEqual(os.listdir(self.leader.data / "stores"), ["todos"])
        self.make_space()
        self.leader.create("more", harness.SCHEMAS / "todos.sql")
        self.leader.verify("more")


if __name__ == "__main__":
    if INSIDE not in os.environ:
        enter_namespace()
    harness.main()
