#!/usr/bin/env python3
"""Client-only events: on every session of the device, never in a backend, in order
through every rebase."""

import json

import backends
import devices
import harness
from devices import STORE

N_EVENTS = 40
SECRET = "looks-at-nothing-but-pears"  # stands in client-only events alone
SHARED = "a-title-that-all-may-see"  # stands in synced events: the search finds what is there
FILTER = "SELECT filter FROM ui"


class ClientOnly(devices.Story):
    def interleave(self, device, session):
        """Synced and client-only events in turn; the filters, in order."""
        for number in range(N_EVENTS):
            session.commit("todoCreated", id=f"{device.name}{number}", title=f"{SHARED} {number}")
            session.commit("filterChanged", filter=f"{SECRET} {number}")
        self.assertEqual(session.wait()[0], "ok")
        return [f"{SECRET} {number}" for number in range(N_EVENTS)]

    def filters(self, device):
        return [event["args"]["filter"] for event in device.log_lines()[1] if event["name"] == "filterChanged"]

    def rebase_with_client_only_events(self, kind):
        backend = backends.KINDS[kind](self.folder)
        a, b = self.devices("AB", backend)
        writer, reader, stranger = harness.Session(a, STORE), harness.Session(a, STORE), harness.Session(b, STORE)
        b.offline()
        a.offline()
        theirs = self.interleave(b, stranger)
        ours = self.interleave(a, writer)
        b.online()
        b.sync()
        generation = a.status()["generation"]

        a.online()
        self.converge([a, b])

        self.assertGreater(a.status()["generation"], generation)
        self.assertEqual((self.filters(a), self.filters(b)), (ours, theirs))
        self.assertEqual(len(a.chain()), 2 * N_EVENTS)
        for session in (writer, reader):
            harness.until(lambda: session.value("SELECT count(*) FROM todo") == str(2 * N_EVENTS),
                          "the rebase in a session")
            self.assertEqual(session.value(f"{FILTER} WHERE session = '{writer.session_id}'"), ours[-1])
            self.assertEqual(session.value("SELECT count(*) FROM ui"), "1")
        self.assertTrue(backend.holds(SHARED))
        self.assertFalse(backend.holds(SECRET))

    def test_client_only_events_live_through_a_rebase_and_never_reach_a_file(self):
        self.rebase_with_client_only_events("file")

    def test_client_only_events_live_through_a_rebase_and_never_reach_postgres(self):
        self.rebase_with_client_only_events("postgres")

    def test_client_only_events_live_through_a_rebase_and_never_reach_nats(self):
        self.rebase_with_client_only_events("nats")

    def test_client_only_events_alone_leave_nothing_pending(self):
        a = self.device("A", backends.File(self.folder))
        a.commit("filterChanged", filter=SECRET)
        a.sync()
        status = a.status()
        self.assertEqual((status["pending"], status["head"], status["backend"]["head"]), (0, "e0.1", "e0"))


if __name__ == "__main__":
    harness.main()
