#!/usr/bin/env python3
"""What a commit's answer promises, when the process that got it is killed at once."""

import signal

import harness

UNIT_EVENTS = 50


class SessionKill(harness.Story):
    def setUp(self):
        super().setUp()
        self.leader.start()
        self.leader.create("todos", harness.SCHEMAS / "todos.sql")
        self.session = harness.Session(self.leader, "todos")

    def logged(self):
        """The ids of the todos in the log."""
        return [event["args"]["id"] for event in self.leader.events("todos")]

    def until_logged(self, ids):
        harness.until(lambda: len(self.logged()) >= len(ids), f"{len(ids)} events in the log")
        self.assertEqual(self.logged(), ids)
        rows = self.leader.ask("query", "todos", "SELECT id FROM todo")
        self.assertEqual(sorted(row["id"] for row in rows), sorted(ids))
        self.leader.verify("todos")

    def test_an_event_whose_commit_returned_0_is_in_the_log_though_its_process_died_at_once(self):
        self.session.tell('commit-and-die todoCreated {"id":"x","title":"last words"}')

        # It kills itself only where lds_commit returned 0.
        self.assertEqual(self.session.process.wait(harness.SECONDS), -signal.SIGKILL)

        self.until_logged(["x"])

    def test_the_same_holds_when_the_leader_reads_only_after_the_death(self):
        self.leader.pause()
        self.session.tell('commit-and-die todoCreated {"id":"x","title":"last words"}')
        self.assertEqual(self.session.process.wait(harness.SECONDS), -signal.SIGKILL)

        self.leader.resume()

        self.until_logged(["x"])

    def test_of_a_full_socket_everything_that_returned_0_arrives_after_the_death(self):
        self.leader.pause()
        ids = []
        while True:
            code, _, text = self.session.commit("todoCreated", id=f"t{len(ids)}", title="x" * 100)
            if code == "queued":
                break
            self.assertEqual(code, "ok", text)
            ids.append(f"t{len(ids)}")
        self.assertGreater(len(ids), 10)
        self.session.kill()

        self.leader.resume()

        self.until_logged(ids)

    def test_a_unit_whose_commit_returned_0_arrives_whole(self):
        self.leader.pause()
        code, _, text = self.session.ask(f'batch {UNIT_EVENTS} filterChanged {{"filter":"all"}}')
        self.assertEqual(code, "ok", text)
        self.session.kill()

        self.leader.resume()

        harness.until(lambda: self.leader.events("todos"), "the unit")
        log = self.leader.events("todos")
        self.assertEqual([event["position"].rstrip("'") for event in log],
                         [f"e0.{number}" for number in range(1, UNIT_EVENTS + 1)])
        self.leader.verify("todos")

    def test_without_a_leader_commits_are_queued_and_sent_when_it_is_back(self):
        self.assertEqual(self.session.commit("todoCreated", id="before", title="t")[0], "ok")
        self.assertEqual(self.session.wait()[0], "ok")
        self.leader.stop()
        codes = [self.session.commit("todoCreated", id=f"away{number}", title="t")[0] for number in range(20)]
        # The kernel may still have taken the first one: nobody has told the session of the end.
        self.assertEqual(codes[1:], ["queued"] * 19)
        self.assertIn(codes[0], ("ok", "queued"))
        self.assertEqual(self.session.status()["pending"], 20)

        self.leader.start()

        self.assertEqual(self.session.wait()[0], "ok")
        self.until_logged(["before"] + [f"away{number}" for number in range(20)])
        self.assertEqual(self.session.status()["pending"], 0)

    def test_a_leader_killed_with_commits_under_way_gets_each_of_them_once(self):
        ids = [f"t{number}" for number in range(200)]
        for number, name in enumerate(ids):
            self.assertIn(self.session.commit("todoCreated", id=name, title="t")[0], ("ok", "queued"))
            if number in (20, 90, 160):
                self.leader.kill()
                self.leader.start()

        self.assertEqual(self.session.wait()[0], "ok")

        self.until_logged(ids)


if __name__ == "__main__":
    harness.main()
