#!/usr/bin/env python3
"""A damaged event log: one bit flipped in every 512-byte block of eventlog.db and of
its WAL; a WAL that was shortened; an older copy.

The store with its damage is copied once for each fault; a leader opens a
batch of such copies at a time. Either the damage is told (verify ends with 6, the
store is on hold), or the complete log and state are there.
"""

import collections
import json
import re
import shutil
import sqlite3

import harness

BLOCK_BYTES = 512
WAL_HEADER_BYTES = 32
WAL_FRAME_BYTES = 24 + 4096
BATCH = 48  # stores of one leader: each needs a handful of descriptors
STRIDE = harness.size("LEADERD_TEST_BLOCK_STRIDE", 1)  # every how many-th block
N_IN_DATABASE = 150
N_IN_WAL = 30
chance = harness.seed()


class Damage(harness.Story):
    def commit_todos(self, first, n):
        lines = [json.dumps({"name": "todoCreated", "args": {"id": f"t{number}", "title": "to do " * 20}})
                 for number in range(first, first + n)]
        self.leader.ask("commit", "todos", "--jsonl", "-", text="".join(line + "\n" for line in lines))

    def commit_one_that_is_refused(self):
        behind = harness.Session(self.leader, "todos")
        self.commit_todos(999, 1)
        behind.commit("todoCreated", id="t999", title="twice")
        self.assertEqual(behind.wait()[0], "refused")
        behind.close()

    def make_store(self):
        """Some events in the database, some in its WAL; one refused; one client-only."""
        self.leader.start()
        self.leader.create("todos", harness.SCHEMAS / "todos.sql")
        self.commit_todos(0, N_IN_DATABASE)
        self.commit_one_that_is_refused()
        self.leader.stop()
        self.leader.start()
        self.leader.ask("commit", "todos", "filterChanged", '{"filter":"all"}')
        self.commit_todos(N_IN_DATABASE, N_IN_WAL)
        self.commit_todos(N_IN_DATABASE + N_IN_WAL, 1)
        self.log = self.leader.events("todos")
        self.dump = self.leader.dump("todos")
        self.leader.kill()
        self.assertEqual(len(self.log), N_IN_DATABASE + 1 + 1 + N_IN_WAL + 1)
        self.good = self.folder / "good"
        self.leader.store("todos").rename(self.good)

    def flips(self):
        """(file, offset, bit) for every block, the bit by chance."""
        blocks = []
        for name in ("eventlog.db", "eventlog.db-wal"):
            n_bytes = (self.good / name).stat().st_size
            self.assertGreater(n_bytes, 20 * BLOCK_BYTES, name)
            for start in range(0, n_bytes, BLOCK_BYTES):
                offset = start + chance.randrange(min(BLOCK_BYTES, n_bytes - start))
                blocks.append((name, offset, 1 << chance.randrange(8)))
        first = chance.randrange(STRIDE)
        return blocks[first::STRIDE]

    def plant(self, store, flip):
        name, offset, bit = flip
        folder = self.leader.store(store)
        shutil.copytree(self.good, folder)
        with open(folder / name, "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ bit]))

    def judge(self, store, trouble):
        """What became of one flip; fails if something is missing and nobody says so."""
        verified = self.leader.run("verify", store)
        self.assertIn(verified.returncode, (0, 6), verified.stderr)
        if trouble:
            self.assertEqual(trouble["code"], "corrupt", trouble)
            self.expect_told(store)
        if verified.returncode == 6:
            self.expect_no_short_answer(store)
            self.assertTrue(verified.stderr.strip() or verified.stdout.strip())
            named = re.search(r"\be\d+", verified.stderr + verified.stdout)
            return ("found, with its position" if named else "found") + (", held" if trouble else "")
        if trouble:
            return "held"
        self.assertEqual(self.leader.events(store), self.log)
        self.assertEqual(self.leader.dump(store), self.dump)
        return "nothing was damaged"

    def expect_no_short_answer(self, store):
        """A reader of a damaged log gets all of it, or is told that it does not."""
        done = self.leader.run("--json", "events", store, "--include-client-only")
        if done.returncode == 0:
            self.assertEqual([json.loads(line) for line in done.stdout.splitlines()], self.log)
        else:
            self.assertTrue(done.stderr.strip())

    def expect_told(self, store):
        """A store on hold says so to whoever asks, with a status of its own."""
        done = self.leader.run("commit", store, "todoCreated", '{"id":"more","title":"t"}')
        self.assertNotEqual(done.returncode, 0)
        self.assertTrue(done.stderr.strip())

    def try_batch(self, flips, outcomes):
        for number, flip in enumerate(flips):
            self.plant(f"b{number}", flip)
            done = self.leader.run("verify", f"b{number}", "--data-dir", self.leader.data)
            self.assertIn(done.returncode, (0, 6), f"{flip}: {done.stderr}")
        self.leader.start()
        stores = {store["name"]: store for store in self.leader.ask("status")[0]["stores"]}
        self.assertEqual(len(stores), len(flips))
        for number, flip in enumerate(flips):
            with self.subTest(flip=flip):
                outcomes[flip[0], self.judge(f"b{number}", stores[f"b{number}"]["trouble"])] += 1
        self.leader.stop()
        shutil.rmtree(self.leader.data / "stores")

    def test_every_flipped_bit_is_told_or_harmless(self):
        self.make_store()
        flips = self.flips()
        outcomes = collections.Counter()

        for start in range(0, len(flips), BATCH):
            self.try_batch(flips[start:start + BATCH], outcomes)

        for (name, outcome), count in sorted(outcomes.items()):
            print(f"{name}: {outcome}: {count}", flush=True)
        self.assertEqual(sum(outcomes.values()), len(flips))
        for name in ("eventlog.db", "eventlog.db-wal"):
            self.assertGreater(sum(count for (where, outcome), count in outcomes.items()
                                   if where == name and outcome != "nothing was damaged"), 0, name)
        self.assertGreater(sum(count for (_, outcome), count in outcomes.items() if "position" in outcome), 0)


    # ---- logs that lost their end

    def expect_lost(self, store, n_left, named):
        """On hold, with the missing positions named, until the loss is accepted; then the log's rest."""
        trouble = self.leader.store_status(store)["trouble"]
        self.assertEqual(trouble["code"], "corrupt", trouble)
        self.assertIn(named, trouble["text"])
        self.expect_told(store)
        self.expect_status(self.leader.run("verify", store), 6, named)
        self.expect_status(self.leader.run("rebuild", store), 6, "--accept-loss")

        self.expect_status(self.leader.run("rebuild", store, "--accept-loss"), 0)

        self.assertEqual(self.leader.store_status(store)["trouble"], None)
        left = self.leader.events(store)
        self.assertEqual([event["id"] for event in left], [event["id"] for event in self.log[:n_left]])
        self.leader.ask("commit", store, "todoCreated", '{"id":"more","title":"t"}')
        self.leader.verify(store)

    def shorten(self, store, n_frames):
        shutil.copytree(self.good, self.leader.store(store))
        with open(self.leader.store(store) / "eventlog.db-wal", "r+b") as file:
            file.truncate(WAL_HEADER_BYTES + n_frames * WAL_FRAME_BYTES)

    def events_in_prefix(self, n_frames):
        """How many events SQLite itself finds in a log whose WAL ends there."""
        folder = self.folder / "prefix"
        shutil.copytree(self.good, folder)
        with open(folder / "eventlog.db-wal", "r+b") as file:
            file.truncate(WAL_HEADER_BYTES + n_frames * WAL_FRAME_BYTES)
        (folder / "eventlog.db-shm").unlink(missing_ok=True)
        log = sqlite3.connect(folder / "eventlog.db")
        n_events = log.execute("SELECT count(*) FROM event_log").fetchone()[0]
        log.close()
        shutil.rmtree(folder)
        return n_events

    def test_a_wal_that_lost_its_end_is_a_lost_log(self):
        self.make_store()
        n_frames = ((self.good / "eventlog.db-wal").stat().st_size - WAL_HEADER_BYTES) // WAL_FRAME_BYTES
        cuts = {n: self.events_in_prefix(n) for n in (0, n_frames // 2, n_frames - 1)}
        for n in cuts:
            self.shorten(f"cut{n}", n)
        self.leader.start()

        for n, n_left in cuts.items():
            with self.subTest(frames=n):
                self.assertLess(n_left, len(self.log))
                self.expect_lost(f"cut{n}", n_left, self.log[-1]["position"])
        self.leader.stop()

    def test_an_older_copy_of_the_log_is_a_lost_log(self):
        self.make_store()
        shutil.copytree(self.good, self.leader.store("older"))
        for side in ("-wal", "-shm"):
            (self.leader.store("older") / f"eventlog.db{side}").unlink()
        self.leader.start()

        self.expect_lost("older", N_IN_DATABASE + 1, self.log[-1]["position"])
        self.leader.stop()


if __name__ == "__main__":
    harness.main()
