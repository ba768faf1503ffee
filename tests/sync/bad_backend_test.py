#!/usr/bin/env python3
"""Backends that cannot be used: a clear error, nothing lost, and all goes on when it
is mended."""

import json
import os

import backends
import devices
import harness
from devices import STORE

SMALL_PAYLOAD = "65536"  # bytes of a message, in the server that takes only small ones
TITLE_BYTES = 100000  # more than that, less than an event may have


class BadBackend(devices.Story):
    def until_mended(self, device, backend):
        """Online again: everything reaches the backend, as a newcomer can see."""
        device.online()
        self.converge([device, self.device("newcomer", backend)])
        self.assertEqual(self.titles(device), self.committed)

    def commit(self, device, title):
        device.commit("todoCreated", id=title, title=title)
        self.committed = getattr(self, "committed", set()) | {title}

    def titles(self, device):
        return {row["id"] for row in device.query("SELECT id FROM todo")}

    def test_urls_that_no_adapter_could_take_are_refused_at_once(self):
        device = self.device("A", backends.File(self.folder))
        url = device.status()["backend"]["url"]
        for wrong, status, words in (("nothing", 1, ["SCHEME"]), ("file:", 1, ["SCHEME"]),
                                     ("ftp://host/x", 4, ["leaderd-backend-ftp"]),
                                     ("postgres://me:secret@host/x", 1, ["password"])):
            told = self.fails(device, status, words, "store", "backend", STORE, wrong)
            self.assertNotIn("secret", told)
            self.fails(device, status, words, "store", "create", "other", "--schema", self.schema, "--backend", wrong)
            self.fails(device, 4, ["other"], "store", "show", "other")
        self.assertEqual(device.status()["backend"]["url"], url)
        self.assertNotIn("secret", device.told())

    def test_an_adapter_that_is_missing_later_is_named_in_the_status(self):
        folder = self.folder / "adapters"
        folder.mkdir()
        program = folder / "leaderd-backend-file"
        program.symlink_to(os.path.join(os.environ["LEADERD_BACKEND_PATH"], program.name))
        backend = backends.File(self.folder)
        device = self.device("A", backend, environment_more={"LEADERD_BACKEND_PATH": str(folder)})
        self.commit(device, "before")
        device.sync()
        device.stop()
        program.rename(folder / "away")
        device.start(environment_more={"LEADERD_BACKEND_PATH": str(folder)})

        device.until_error("leaderd-backend-file")
        self.commit(device, "meanwhile")
        (folder / "away").rename(program)
        self.until_mended(device, backend)

    def test_a_host_that_is_not_reached_is_tried_again(self):
        backend = backends.File(self.folder)
        device = self.device("A")
        for url in ("postgres://me@127.0.0.1:1/x", "nats://127.0.0.1:1"):
            device.create(f"store-{url[0]}", self.schema)
            device.must("store", "backend", f"store-{url[0]}", url)
            device.must("commit", f"store-{url[0]}", "todoCreated", '{"id":"x","title":"t"}')
            harness.until(lambda: device.store_status(f"store-{url[0]}")["backend"]["error"], "an error")
            status = device.store_status(f"store-{url[0]}")
            self.assertIn("127.0.0.1:1", status["backend"]["error"]["text"])
            self.assertEqual((status["backend"]["state"], status["pending"]), ("resting", 1))
            device.must("store", "backend", f"store-{url[0]}", backend.url() + f"?store={url[0]}")
            device.must("sync", f"store-{url[0]}")

    def test_a_wrong_password_is_told_and_nothing_is_lost(self):
        backend = backends.Postgres(self.folder)
        device = self.device("A", backend)
        device.must("store", "backend", STORE, backend.url(passfile=f"{backend.server.folder}/passfile.wrong"))
        self.commit(device, "pending")
        device.until_error("permission")
        self.fails(device, 1, ["password"], "sync", STORE)
        device.must("store", "backend", STORE, backend.url())
        self.until_mended(device, backend)

    def expect_expired(self, backend):
        backend.server.do("certificate", "expired")
        device = self.device("A", backend)
        self.commit(device, "pending")
        self.assertIn("expired", device.until_error("certificate"))
        backend.server.do("certificate", "good")
        self.until_mended(device, backend)

    def test_an_expired_certificate_of_postgres_is_not_accepted(self):
        self.expect_expired(backends.Postgres(self.folder))

    def test_an_expired_certificate_of_nats_is_not_accepted(self):
        self.expect_expired(backends.Nats(self.folder, "--tls"))

    def test_the_log_of_another_store_is_left_alone(self):
        first, other = backends.File(self.folder), backends.File(self.folder)
        device, stranger = self.device("A", first), self.device("B", other)
        self.commit(device, "ours")
        device.sync()
        stranger.commit("todoCreated", id="theirs", title="t")
        stranger.sync()
        theirs = stranger.chain()

        device.must("store", "backend", STORE, other.url())
        self.commit(device, "meanwhile")
        device.until_held()
        self.assertIn("lineage", device.until_error("lineage"))
        stranger.sync()
        self.assertEqual(stranger.chain(), theirs)
        device.must("store", "backend", STORE, first.url())
        self.until_mended(device, first)

    def test_an_event_that_is_too_large_for_the_backend_is_refused_at_commit(self):
        backend = backends.Nats(self.folder, "--max-payload", SMALL_PAYLOAD)
        device = self.device("A", backend)
        self.commit(device, "small")
        device.sync()
        large = json.dumps({"id": "large", "title": "x" * TITLE_BYTES})
        self.fails(device, 5, ["backend"], "commit", STORE, "todoCreated", large)
        self.until_mended(device, backend)

    def test_one_that_was_committed_before_the_limit_was_known_is_named_and_another_backend_takes_it(self):
        small, large = backends.Nats(self.folder, "--max-payload", SMALL_PAYLOAD), backends.File(self.folder)
        device = self.device("A")
        device.create(STORE, self.schema)
        device.must("commit", STORE, "todoCreated", json.dumps({"id": "large", "title": "x" * TITLE_BYTES}))
        self.commit(device, "small")
        device.must("store", "backend", STORE, small.url())
        device.until_error("e1")
        self.assertEqual(device.pending(), 2)
        device.must("store", "backend", STORE, large.url())
        self.committed.add("large")
        self.until_mended(device, large)


class BadPages(devices.Story):
    """What an adapter sends is checked: such a page is never applied, and named in the status."""

    def read_pages(self, story, *words):
        backend = backends.Script(self.folder, "")
        writer = self.device("A", backend)
        writer.commit_lines([json.dumps({"name": "todoCreated", "args": {"id": f"{i}", "title": "one"}})
                             for i in range(20)])
        writer.sync()
        backend.tell(story)
        reader = self.device("B", backend)

        told = reader.until_error(*words)
        chain = reader.chain()
        self.assertEqual(chain, writer.chain()[:len(chain)])
        self.assertLess(len(chain), 20)
        reader.verify(STORE)
        backend.tell("")
        reader.online()
        self.converge([writer, reader])
        return told

    def test_an_altered_event_is_never_applied(self):
        self.read_pages("every 1 pull alter 7\n", "e7")

    def test_a_gap_is_never_applied(self):
        self.read_pages("every 1 pull gap 7\n", "e7")

    def test_a_repeated_event_is_never_applied_twice(self):
        self.read_pages("every 1 pull repeat 7\n", "e7")

    def test_events_in_another_order_are_never_applied(self):
        self.read_pages("every 1 pull swap 7\n", "e7")


if __name__ == "__main__":
    harness.main()
