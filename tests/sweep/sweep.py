"""The sweep itself: one operation, killed before each of its calls, and each of them
failing; and after each run, what always holds.

A run that ends by another signal than ours is a failure, and so is a kind of kill or
fault that never came to pass.
"""

import collections
import itertools
import json
import pathlib
import re
import select
import shutil
import signal
import subprocess
import time

import harness
import operations
import trace

FAULT_SECONDS = 0.8  # that an answer is waited for while calls fail
EXTRA_MAX = 40  # calls of one name beyond those that were recorded
POSITION = re.compile(r"^e(\d+)(?:\.(\d+))?")
SANITIZER_SAYS = ("Sanitizer", "runtime error:")  # it ends the leader by an exit status, not by a signal
STORE = operations.STORE


class Broken(Exception):
    """A promise did not hold."""


class Run:
    """One attempt at an operation with something wrong."""

    def __init__(self, operation, injections, has_faults):
        self.operation, self.injections, self.has_faults = operation, injections, has_faults
        self.seconds = FAULT_SECONDS if has_faults else harness.SECONDS
        self.end = None

    def goes_on(self):
        return self.operation.leader.is_alive() and time.monotonic() < self.end

    def answer(self, session):
        """The line of a session; None when the leader dies before, or time is up."""
        while True:
            if select.select([session.process.stdout], [], [], harness.LOOK_SECONDS)[0]:
                return session._read()
            if not self.goes_on():
                self.expect_in_time()
                return None

    def command(self, *words):
        """The status of a leaderctl; None when the leader dies before it, or time is up."""
        process = subprocess.Popen(self.operation.leader.command(*words), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=harness.environment())
        while process.poll() is None and self.goes_on():
            time.sleep(harness.LOOK_SECONDS)
        if process.poll() is None:
            process.kill()
            process.wait()
            self.expect_in_time()
            return None
        return process.returncode

    def expect_in_time(self):
        if self.operation.leader.is_alive():
            self.expect_only_with_faults("no answer in time")

    def expect_only_with_faults(self, what):
        if not self.has_faults and self.operation.leader.is_alive():
            raise Broken(f"without a fault: {what}")

    def perform(self):
        """Returns the lines of strace, and how the leader ended: None if it lives."""
        operation = self.operation
        operation.restore()
        if operation.held:
            trace.hold(operation.leader)
        else:
            operation.begin()
        watch = trace.Trace(operation.leader, self.injections)
        self.end = time.monotonic() + self.seconds
        if operation.held:
            trace.let_go(operation.leader)
        operation.act(self)
        return watch.finish(), operation.leader.process.poll()

    def recover(self, kill=None):
        """Starts it again, unaided; with `kill`, first once more into its death. True: that came to pass."""
        operation, killed = self.operation, False
        operation.after_the_end()
        if kill:
            trace.hold(operation.leader)
            watch = trace.Trace(operation.leader, kill)
            trace.let_go(operation.leader)
            self.end = time.monotonic() + harness.SECONDS
            if operation.leader.until_ready_or_ended(harness.SECONDS):
                self.command("events", STORE)
            watch.finish()
            killed = operation.leader.process.poll() == -signal.SIGKILL
            self.end_leader(killed)
        operation.leader.start()
        operation.settle(self)
        operation.expect(self)
        self.expect_goes_on()
        self.expect_acknowledged(self.expect_sound(operation.leader))
        operation.leader.stop()
        return killed

    def end_leader(self, by_kill):
        """However it fares, it may end by no signal but ours, and by itself only when its start fails."""
        process = self.operation.leader.process
        status = process.poll()
        if status is not None and status >= 0 and not self.operation.may_end:
            raise Broken(f"it ended with {status} by itself")
        if status is None:
            process.send_signal(signal.SIGKILL if by_kill else signal.SIGTERM)
            try:
                status = process.wait(harness.SECONDS)
            except subprocess.TimeoutExpired:
                raise Broken("SIGTERM did not end it")
            if by_kill:
                return
        if status < 0 and not (by_kill and status == -signal.SIGKILL):
            raise Broken(f"it ended by signal {-status}")
        if any(word in self.operation.leader.told() for word in SANITIZER_SAYS):
            raise Broken("a sanitizer has found something")

    # ---- what always holds

    def expect_acknowledged(self, log):
        operation = self.operation
        ids = [event["id"] for event in log]
        names = collections.Counter(event["args"].get("id") for event in log if event["name"] == "todoCreated")
        if len(set(ids)) != len(ids) or set(names.values()) - {1}:
            raise Broken(f"doubled: {[name for name, n in names.items() if n > 1]}")
        if not set(operation.old) <= set(ids):
            raise Broken(f"lost: {set(operation.old) - set(ids)}")
        for unit in operation.acknowledged:
            if any(name not in names for name in unit):
                raise Broken(f"acknowledged and lost: {[name for name in unit if name not in names]}")
        order = [event["args"].get("id") for event in log]
        for unit in operation.committed:
            there = [order.index(name) for name in unit if name in names]
            if there and there != list(range(there[0], there[0] + len(unit))):
                raise Broken(f"a unit was split: {there}")

    def expect_goes_on(self):
        """A commit after all this is taken."""
        leader = self.operation.leader
        leader.ask("commit", STORE, "todoCreated", json.dumps({"id": "last", "title": "t"}))

    def expect_sound(self, leader):
        """Returns the log."""
        log = leader.events(STORE)
        expected = (0, 0)
        for event in log:
            number, client = (int(part or 0) for part in POSITION.match(event["position"]).groups())
            if (number, client) not in ((expected[0] + 1, 0), (expected[0], expected[1] + 1)):
                raise Broken(f"a gap: {event['position']} behind e{expected[0]}.{expected[1]}")
            expected = (number, client)
        leader.verify(STORE)
        shutil.rmtree(leader.folder / "beside", ignore_errors=True)
        rebuilt = leader.folder / "rebuilt.db"
        rebuilt.unlink(missing_ok=True)
        leader.ask("rebuild", STORE, "--to", rebuilt)
        if leader.dump(STORE) != leader.dump_file(rebuilt, STORE):
            raise Broken("the state is not that of a rebuild")
        return log


class Sweep:
    def __init__(self, operation_type, folder, report=print):
        folder = pathlib.Path(folder) / operation_type.__name__
        folder.mkdir()
        self.operation = operation_type(folder)
        self.report = report
        self.counts = collections.Counter()
        self.failures = []
        self.turn = itertools.count()

    def prepare(self):
        self.operation.make_template()
        run = Run(self.operation, (), False)
        lines, status = run.perform()
        if status not in (None, 0):
            raise Broken(f"it ended with {status} by itself: {self.operation.leader.told()}")
        self.calls = trace.read_calls(lines)
        if not any(self.operation.must_touch in call.path for call in self.calls):
            raise Broken(f"the operation was not seen: {[call[:3] for call in self.calls]}")
        run.end_leader(True)
        run.recover()
        self.files = [call for call in self.calls if trace.is_of_a_file(call)]
        self.names = {call.name for call in self.files}
        if not hasattr(Sweep, "recovery"):
            Sweep.recovery = self.record_recovery()

    def record_recovery(self):
        """The calls of a start behind a kill, of which one is drawn for a second kill."""
        self.operation.restore()
        trace.hold(self.operation.leader)
        watch = trace.Trace(self.operation.leader)
        trace.let_go(self.operation.leader)
        assert self.operation.leader.until_ready_or_ended(harness.SECONDS)
        self.operation.leader.run("events", STORE)
        calls = trace.read_calls(watch.finish())
        self.operation.leader.kill()
        return calls

    def attempt(self, what, work):
        """True, and counted, when what was injected came to pass; what broke is kept."""
        try:
            return work()
        except (Broken, AssertionError, ValueError, OSError, subprocess.TimeoutExpired) as broken:
            text = f"{self.operation.name}, {what}: {type(broken).__name__}: {broken}"
            told = self.operation.leader.told()[-1500:] if self.operation.leader else ""
            self.report(f"BROKEN {text}\n{told}")
            self.failures.append(text)
            return True
        finally:
            harness.end_everything()

    def kill(self, call, in_recovery=False):
        turn = next(self.turn)
        self.operation.session_stays = turn % 2 == 0

        def work():
            run = Run(self.operation, trace.kill_at(call), False)
            _, status = run.perform()
            killed = status == -signal.SIGKILL
            if not killed and status not in (None, 0):
                raise Broken(f"it ended with {status}")
            if not killed:
                run.end_leader(True)
            again = None
            if in_recovery:
                again = trace.kill_at(Sweep.recovery[(turn * 7) % len(Sweep.recovery)])
            self.counts["kills in recovery"] += run.recover(again)
            self.counts["kills"] += killed
            return killed
        where = pathlib.Path(call.path).name
        return self.attempt(f"killed at {call.name} {call.number} ({where})", work)

    def fail(self, call, error, from_then_on):
        self.operation.session_stays = next(self.turn) % 2 == 0

        def work():
            injections = trace.fail_from(call, error, self.names) if from_then_on else trace.fail_at(call, error)
            run = Run(self.operation, injections, True)
            lines, _ = run.perform()
            failed = trace.count_failed(lines)
            run.end_leader(False)
            run.recover()
            self.counts[f"{error} {'on' if from_then_on else 'once'}"] += failed > 0
            return failed > 0
        how = "from then on" if from_then_on else "once"
        return self.attempt(f"{error} {how} at {call.name} {call.number} ({pathlib.Path(call.path).name})", work)

    def kill_beyond(self):
        """What a run without a kill did not show: until the operation is done without it."""
        for name in sorted({call.name for call in self.calls}):
            last = max(call.number for call in self.calls if call.name == name)
            for number in range(last + 1, last + EXTRA_MAX):
                if not self.kill(trace.Call(name, number, "beyond", {})):
                    break

    def tell(self):
        counts = ", ".join(f"{n} {what}" for what, n in sorted(self.counts.items()))
        self.report(f"{self.operation.name}: {len(self.calls)} calls; {counts}; {len(self.failures)} broken")


def every(calls, stride):
    """Each stride-th, the first and the last among them."""
    return [call for place, call in enumerate(calls) if place % stride == 0 or place == len(calls) - 1]
