#!/usr/bin/env python3
"""Two devices spend the same money while they do not see each other: a precondition
in SQL holds on every node, and what it costs is refused, whole, with its reason."""

import threading

import backends
import devices
import harness
from devices import STORE

N_WITHDRAWALS = harness.size("LEADERD_TEST_WITHDRAWALS", 300)
LOWEST = "SELECT min(balance) FROM account"
REASON = "withdrawn: balance too low"
chance = harness.seed()


class Precondition(devices.Story):
    schema = backends.SYNC / "accounts.sql"

    def two_with_money(self, kind, amount):
        a, b = self.devices("AB", backends.KINDS[kind](self.folder))
        a.commit("deposited", account="x", amount=amount)
        self.converge([a, b])
        return a, b

    def balances(self, device):
        return {row["name"]: row["balance"] for row in device.query("SELECT name, balance FROM account")}

    def spend_twice(self, kind):
        a, b = self.two_with_money(kind, 100)
        session = harness.Session(b, STORE)
        a.offline()
        b.offline()
        a.commit("withdrawn", account="x", amount=80)
        spent = session.commit("withdrawn", account="x", amount=70)
        session.wait()
        self.assertEqual(self.balances(b), {"x": 30})

        a.online()
        a.sync()
        b.online()
        self.converge([a, b])

        self.assertEqual((self.balances(a), self.balances(b)), ({"x": 20}, {"x": 20}))
        self.assertEqual(a.refused(), [])
        (refused,) = b.refused()
        self.assertEqual((refused["id"], refused["name"], refused["reason"], refused["args"]),
                         (spent[1], "withdrawn", REASON, {"account": "x", "amount": 70}))
        harness.until(lambda: session.value("SELECT balance FROM account") == "20", "the balance in the session")
        self.assertEqual(session.refused(), (1, REASON))
        self.assertNotIn(spent[1], [event["id"] for event in a.chain()])

    def test_money_spent_twice_is_refused_once_through_a_file(self):
        self.spend_twice("file")

    def test_money_spent_twice_is_refused_once_through_postgres(self):
        self.spend_twice("postgres")

    def test_money_spent_twice_is_refused_once_through_nats(self):
        self.spend_twice("nats")

    def test_a_transfer_in_one_unit_is_refused_whole(self):
        a, b = self.two_with_money("file", 50)
        session = harness.Session(b, STORE)
        b.offline()
        transfer = session.commit_unit(("withdrawn", {"account": "x", "amount": 50}),
                                       ("deposited", {"account": "y", "amount": 50}))
        session.commit("deposited", account="z", amount=1)
        self.assertEqual((transfer[0], session.wait()[0]), ("ok", "ok"))
        self.assertEqual(self.balances(b), {"x": 0, "y": 50, "z": 1})
        a.commit("withdrawn", account="x", amount=1)
        a.sync()

        b.online()
        self.converge([a, b])

        self.assertEqual((self.balances(a), self.balances(b)), ({"x": 49, "z": 1}, {"x": 49, "z": 1}))
        self.assertEqual([(event["name"], event["reason"], event["unit"]["index"]) for event in b.refused()],
                         [("withdrawn", "event 1 of the unit: " + REASON, 0),
                          ("deposited", "event 1 of the unit: " + REASON, 1)])

    def test_a_refused_event_is_retried_as_a_new_one_when_there_is_money_again(self):
        a, b = self.two_with_money("file", 10)
        b.offline()
        old = b.commit("withdrawn", account="x", amount=10)["id"]
        a.commit("withdrawn", account="x", amount=5)
        a.sync()
        b.online()
        self.converge([a, b])
        self.fails(b, 5, ["balance too low"], "refused", "retry", STORE, "--all")

        a.commit("deposited", account="x", amount=5)
        self.converge([a, b])
        b.must("refused", "retry", STORE, "--all")
        self.converge([a, b])

        self.assertEqual((b.refused(), self.balances(a)), ([], {"x": 0}))
        self.assertNotIn(old, [event["id"] for event in a.chain()])

    def spend(self, session, amounts, ids):
        for number, amount in enumerate(amounts):
            code, event, _ = session.commit("withdrawn", account="x", amount=amount)
            assert code in ("ok", "queued", "refused"), code
            if code != "refused":
                ids.append(event)
            if number % 16 == 0:
                session.wait()
        session.wait()

    def test_the_balance_is_below_0_on_no_node_while_two_devices_spend_it_at_once(self):
        a, b = self.two_with_money("file", 50 * N_WITHDRAWALS)
        sessions = [harness.Session(device, STORE) for device in (a, b)]
        readers = [harness.Session(device, STORE) for device in (a, b)]
        committed = [], []
        amounts = [[chance.randint(1, 100) for _ in range(N_WITHDRAWALS)] for _ in sessions]
        threads = [threading.Thread(target=self.spend, args=each) for each in zip(sessions, amounts, committed)]
        for thread in threads:
            thread.start()
        n_looks = 0
        while any(thread.is_alive() for thread in threads):
            for reader in readers:
                self.assertGreaterEqual(int(reader.value(LOWEST)), 0)
                n_looks += 1
        for thread in threads:
            thread.join()

        self.converge([a, b])

        self.assertGreater(n_looks, 10)
        chain = a.chain()
        of_sessions = {session.session_id: ids for session, ids in zip(sessions, committed)}
        for device, session in zip((a, b), sessions):
            refused = {event["id"] for event in device.refused()}
            confirmed = [event["id"] for event in chain if event["session"] == session.session_id]
            self.assertEqual(confirmed, [event for event in of_sessions[session.session_id] if event not in refused])
        withdrawn = sum(event["args"]["amount"] for event in chain if event["name"] == "withdrawn")
        self.assertEqual(self.balances(a), {"x": 50 * N_WITHDRAWALS - withdrawn})
        print(f"{len(chain) - 1} confirmed, {len(a.refused()) + len(b.refused())} refused by a leader", flush=True)


if __name__ == "__main__":
    harness.main()
