#!/usr/bin/env python3
"""leaderctl's verbs for backends: attach, offline, online, sync, status; export and import."""

import json
import subprocess

import backends
import devices
import harness
from devices import STORE

N_IMPORTED = harness.size("LEADERD_TEST_IMPORT", 5000)


class Verbs(devices.Story):
    def text(self, device, *words):
        return device.must(*words)

    def test_a_store_is_attached_detached_and_attached_again(self):
        backend = backends.File(self.folder)
        device = self.device("A")
        device.create(STORE, self.schema)
        self.assertIsNone(device.status()["backend"])
        self.fails(device, 1, ["no backend"], "sync", STORE)
        self.fails(device, 1, ["no backend"], "offline", STORE)
        device.commit("todoCreated", id="x", title="t")

        self.assertIn(backend.url(), self.text(device, "store", "backend", STORE, backend.url()))
        self.assertEqual(self.text(device, "sync", STORE), f"store {STORE} is in sync at e1\n")
        self.assertEqual(device.ask("store", "backend", STORE, "none"),
                         [{"store": STORE, "detached": True, "backend": None}])
        self.assertIsNone(device.status()["backend"])
        device.commit("todoCreated", id="y", title="t")
        self.assertEqual(device.ask("store", "backend", STORE, backend.url()),
                         [{"store": STORE, "attached": True, "backend": backend.url()}])
        device.sync()
        self.converge([device, self.device("B", backend)])

    def test_words_that_do_not_go_together_end_with_2(self):
        device = self.device("A", backends.File(self.folder))
        for words in (["store", "backend", STORE], ["store", "backend", STORE, "--repair", "--adopt"], ["offline"],
                      ["store", "backend", STORE, "none", "--repair"], ["export", STORE], ["import", STORE],
                      ["sync", STORE, "--push-only"]):
            self.fails(device, 2, ["leaderctl"], *words)

    def test_unknown_stores_end_with_4(self):
        device = self.device("A")
        for words in (["store", "backend", "no-such", "none"], ["offline", "no-such"], ["online", "no-such"],
                      ["sync", "no-such"], ["export", "no-such", "-"]):
            self.fails(device, 4, ["no-such"], *words)

    def test_offline_stays_over_a_restart_until_online(self):
        a, b = self.devices("AB", backends.File(self.folder))
        a.commit("todoCreated", id="x", title="t")
        self.converge([a, b])
        self.assertEqual(self.text(b, "offline", STORE), f"store {STORE} is offline\n")
        a.commit("todoCreated", id="y", title="t")
        a.sync()
        b.commit("todoCreated", id="z", title="t")
        b.stop()
        b.start()
        status = b.status()
        self.assertEqual((status["head"], status["pending"], status["backend"]["offline"], status["backend"]["lag"]),
                         ("e2", 1, "yes", 1))
        self.fails(b, 1, ["offline", "leaderctl online"], "sync", STORE)

        self.assertEqual(self.text(b, "online", STORE), f"store {STORE} is online\n")
        self.converge([a, b])
        self.assertEqual([event["args"]["id"] for event in a.chain()], ["x", "y", "z"])

    def test_push_only_goes_on_pulling(self):
        a, b = self.devices("AB", backends.File(self.folder))
        self.assertEqual(b.ask("offline", STORE, "--push-only"), [{"store": STORE, "offline": True, "push_only": True}])
        b.commit("todoCreated", id="mine", title="t")
        a.commit("todoCreated", id="theirs", title="t")
        a.sync()
        harness.until(lambda: b.status()["events"] == 2, "the other's event")

        self.assertEqual(b.ask("heads", STORE)[0]["leader"]["chain"], ["e1", "e2'/e1'"])
        self.assertEqual(b.status()["backend"]["offline"], "push-only")
        self.assertIn("pushing is off", self.text(b, "heads", STORE))
        b.online()
        self.converge([a, b])

    def test_status_and_heads_tell_back_off_and_the_newest_error(self):
        device = self.device("A")
        device.create(STORE, self.schema)
        device.must("store", "backend", STORE, "postgres://me@127.0.0.1:1/x")
        device.commit("todoCreated", id="x", title="t")
        device.until_error("127.0.0.1")

        def tells_of_the_retry():
            backend = device.status()["backend"]
            return backend["retry_ms"] > 500 and backend
        backend = harness.until(tells_of_the_retry, "a back-off")
        self.assertEqual((backend["state"], backend["error"]["code"], backend["lag"]), ("resting", "not running", 1))
        for words in (["status"], ["heads", STORE], ["store", "show", STORE]):
            harness.until(lambda: "again in" in self.text(device, *words), f"the retry in {words}")
            self.assertIn("127.0.0.1", self.text(device, *words), words)

    def test_sync_gives_up_in_time(self):
        device = self.device("A")
        device.create(STORE, self.schema)
        device.must("store", "backend", STORE, "postgres://me@127.0.0.1:1/x")
        device.commit("todoCreated", id="x", title="t")
        self.fails(device, 1, ["leaderctl"], "sync", STORE, "--timeout", "0.5")


class Export(devices.Story):
    def filled(self, name="A"):
        """A store with a unit, client-only events, arguments with blanks and letters of other scripts."""
        device = self.device(name, backends.File(self.folder))
        session = harness.Session(device, STORE)
        session.commit_unit(("todoCreated", {"id": "1", "title": "één"}), ("todoCreated", {"id": "2", "title": "二"}))
        session.commit("filterChanged", filter="open")
        session.ask('commit todoRenamed { "id" : "1",  "title" : "spaced" }')
        session.wait()
        session.close()
        device.sync()
        device.commit("todoCompleted", id="2")
        return device

    def imported(self, device, name):
        target = self.device(name)
        target.create(STORE, self.schema)
        path = self.folder / f"{name}.jsonl"
        device.must("export", STORE, path)
        return target, path, target.ask("import", STORE, path)[0]

    def events(self, device):
        """What an import must keep."""
        local = ("notation", "confirmed", "generation", "origins")
        return [{key: value for key, value in event.items() if key not in local} for event in device.events(STORE)]

    def test_the_first_line_says_what_it_is(self):
        device = self.filled()
        header, events = device.log_lines()
        status = device.status()
        self.assertEqual((header["leaderd"], header["format"], header["store"], header["client"], header["lineage"],
                          header["epoch"], header["head"]),
                         ("log", 1, STORE, status["client"], status["backend"]["lineage"], 1, "e4"))
        self.assertEqual((header["schema"]["version"], len(header["schema"]["fingerprint"])), (1, 64))
        self.assertEqual([event["position"] for event in events], ["e1", "e2", "e2.1", "e3", "e4"])
        self.assertEqual([event["unit"]["count"] for event in events], [2, 2, 1, 1, 1])
        self.assertIn('{ "id" : "1",  "title" : "spaced" }', device.must("export", STORE, "-"))

    def test_an_empty_store_gets_ids_positions_and_state(self):
        device = self.filled()
        target, _, report = self.imported(device, "B")
        self.assertEqual(report, {"store": STORE, "from": STORE, "events": 5, "imported": 5, "known": 0, "refused": 0})
        self.assertEqual(self.events(target), self.events(device))
        self.assertEqual(target.log_lines()[1], device.log_lines()[1])
        self.assertEqual(target.dump(STORE), device.dump(STORE))
        target.verify(STORE)

    def test_importing_twice_changes_nothing(self):
        target, path, _ = self.imported(self.filled(), "B")
        log = target.log_lines()
        self.assertEqual(target.ask("import", STORE, path)[0]["known"], 5)
        self.assertEqual(target.log_lines(), log)

    def test_a_store_with_events_gets_what_it_lacks_behind_its_head(self):
        device = self.filled()
        target = self.device("B")
        target.create(STORE, self.schema)
        target.commit("todoCreated", id="own", title="t")
        text = device.must("export", STORE, "-")
        done = target.must("import", STORE, "-", text=text)
        self.assertEqual(done, f"5 events of store {STORE}: 5 imported into {STORE}, 0 known already, 0 refused\n")
        self.assertEqual([event["id"] for event in target.events(STORE)][1:],
                         [event["id"] for event in device.events(STORE)])
        self.assertEqual([event["position"] for event in target.events(STORE)], ["e1", "e2", "e3", "e3.1", "e4", "e5"])
        target.verify(STORE)

    def test_what_does_not_apply_is_refused_and_kept(self):
        device = self.filled()
        target = self.device("B")
        target.create(STORE, self.schema)
        target.commit("todoCreated", id="2", title="taken")
        done = json.loads(target.must("--json", "import", STORE, "-", text=device.must("export", STORE, "-")))
        self.assertEqual((done["imported"], done["refused"]), (2, 3))
        self.assertEqual([event["name"] for event in target.refused()], ["todoCreated", "todoCreated", "todoRenamed"])

    def test_imported_events_reach_the_backend_and_come_back_to_who_made_them(self):
        device = self.filled()
        backend = backends.File(self.folder)
        target, _, _ = self.imported(device, "B")
        target.must("store", "backend", STORE, backend.url())
        self.converge([target, self.device("C", backend)])
        self.assertEqual([event["id"] for event in target.chain()], [event["id"] for event in device.chain()])

    def test_a_large_log_goes_through_in_bounded_pieces(self):
        device = self.device("A")
        device.create(STORE, self.schema)
        device.commit_lines([json.dumps({"name": "todoCreated", "args": {"id": f"{i}", "title": "t" * 300}})
                             for i in range(N_IMPORTED)], "--sessions", "2")
        target, _, report = self.imported(device, "B")
        self.assertEqual(report["imported"], N_IMPORTED)
        self.assertEqual(target.log_lines()[1], device.log_lines()[1])

    def test_an_existing_file_is_not_overwritten(self):
        device = self.filled()
        path = self.folder / "there"
        path.write_text("mine")
        self.fails(device, 5, ["there"], "export", STORE, path)
        self.assertEqual(path.read_text(), "mine")

    def test_a_file_that_was_changed_ends_with_6_and_names_the_line(self):
        device = self.filled()
        target = self.device("B")
        target.create(STORE, self.schema)
        text = device.must("export", STORE, "-")
        for old, new, line in (("spaced", "spayed", 5), ('"position":"e4"', '"position":"e5"', 6)):
            self.assertIn(old, text)
            done = target.run("import", STORE, "-", text=text.replace(old, new))
            self.expect_status(done, 6, f"standard input:{line}: ", "chain hash")
        target.verify(STORE)

    def test_what_is_no_export_is_refused_with_its_line(self):
        target = self.device("B")
        target.create(STORE, self.schema)
        header, *lines = self.filled().must("export", STORE, "-").split("\n")[:-1]
        for text, words in (("", ["empty"]), ("x\n", [":1:", "JSON"]), ("{}\n", [":1:"]), (lines[0], [":1:"]),
                            (header.replace('"format":1', '"format":9'), [":1:", "format 9"]),
                            (f"{header}\n{{}}\n", [":2:"]),
                            (f"{header}\n{lines[0].replace('client', 'klient')}\n", [":2:"]),
                            (f"{header}\n{lines[0]}\n", ["unit"])):
            self.expect_status(target.run("import", STORE, "-", text=text), 1, *words)
        self.assertEqual(target.status()["events"], 0)

    def test_a_full_disk_leaves_no_half_export(self):
        device = self.filled()
        with open("/dev/full", "w") as full:
            done = subprocess.run(device.command("export", STORE, "-"), stdout=full, stderr=subprocess.PIPE,
                                  encoding="utf-8")
        self.assertEqual(done.returncode, 1, done.stderr)


if __name__ == "__main__":
    harness.main()
