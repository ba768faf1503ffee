"""Chaos: three devices with three sessions each commit, while sessions, leaders,
adapters and the backend are killed at random and the devices go on- and offline.
Then everything heals, and what must always hold is looked at.

Used by chaos_test.py for some seconds and by tools/soak for minutes. What is broken
is an AssertionError; its text names the seed.
"""

import collections
import pathlib
import random
import shutil
import tempfile
import threading
import time

import backends
import devices
import harness

N_DEVICES = 3
N_SESSIONS = 3  # of each device
COMMITS_PER_SECOND = 200  # of all sessions
KEYS = 20  # that they write to
HEAL_SECONDS = 10 if not harness.IS_SANITIZED else 40
PAUSE_SECONDS = (0.05, 0.5)  # between two mishaps
AWAY_SECONDS = (0.02, 0.4)  # how long what was killed stays so
WAIT_EVERY = 10  # commits, before a session waits for them to be durable

Session = harness.Session


class Incarnation:
    """One life of a session: what it tried to commit, in order, and how much of that is durable for sure."""

    def __init__(self, session_id):
        self.session_id = session_id
        self.put, self.looked = [], []  # numbers
        self.n_put_durable = self.n_looked_durable = 0
        self.was_killed = False


class Writer(threading.Thread):
    """A session that commits until it is told to stop, is killed now and then, and lives again."""

    def __init__(self, chaos, device, name):
        super().__init__(daemon=True)
        self.chaos, self.device, self.name_of_session = chaos, device, name
        self.chance = random.Random(chaos.chance.random())
        self.lives = []
        self.number = 0
        self.process = None
        self.is_doomed = threading.Event()
        self.failure = None

    def run(self):
        try:
            while not self.chaos.is_over.is_set():
                self.live()
            self.finish()
        except Exception as failure:  # told by the main thread
            self.failure = failure

    def open(self):
        """A session under the name of the one before; the leader may be away."""
        def try_to_open():
            try:
                return Session(self.device, devices.STORE, self.name_of_session)
            except AssertionError:
                return None
        self.process = harness.until(try_to_open, f"session {self.name_of_session} to open")
        self.is_doomed.clear()
        self.lives.append(Incarnation(self.name_of_session))

    def live(self):
        if self.process is None:
            self.open()
        life = self.lives[-1]
        try:
            for _ in range(WAIT_EVERY):
                self.commit(life)
                self.chaos.is_over.wait(self.chaos.period * self.chance.uniform(0.5, 1.5))
            self.note_durable(life, seconds=0.5)
        except (AssertionError, OSError):
            if not self.is_doomed.is_set():
                raise
            life.was_killed = True
            harness.end_process(self.process.process)
            self.process = None

    def commit(self, life):
        self.number += 1
        if self.chance.random() < 0.1:
            life.looked.append(self.number)
            code, _, text = self.process.commit("looked", number=self.number)
            kind = life.looked
        else:
            life.put.append(self.number)
            code, _, text = self.process.commit("put", key=str(self.chance.randrange(KEYS)), number=self.number)
            kind = life.put
        if code == "full":
            kind.pop()  # nothing has happened
        elif code not in ("ok", "queued"):
            raise RuntimeError(f"{self.name_of_session}: commit answered {code}: {text}")
        self.chaos.n_commits += code != "full"

    def note_durable(self, life, seconds):
        code, _, text = self.process.wait(seconds)
        if code == "ok":
            life.n_put_durable, life.n_looked_durable = len(life.put), len(life.looked)
        elif code not in ("timeout", "hold"):
            raise RuntimeError(f"{self.name_of_session}: wait answered {code}: {text}")
        return code == "ok"

    def kill(self):
        process = self.process
        if process:
            self.is_doomed.set()
            process.process.kill()

    def finish(self):
        """All is healed: what is pending becomes durable."""
        self.chaos.is_healed.wait()
        if self.process is None:
            return
        life = self.lives[-1]
        harness.until(lambda: self.note_durable(life, seconds=1), f"the last commits of {self.name_of_session}")
        self.process.close()


class Chaos:
    def __init__(self, kind="file", seconds=10.0, seed=1, tell=lambda text: None):
        self.kind, self.seconds, self.seed, self.tell = kind, seconds, seed, tell
        self.chance = random.Random(seed)
        self.period = N_DEVICES * N_SESSIONS / COMMITS_PER_SECOND
        self.is_over, self.is_healed = threading.Event(), threading.Event()
        self.n_commits = 0
        self.mishaps = collections.Counter()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="leaderd-chaos-"))
        self.heal_seconds = None

    def run(self):
        """What was done and how it ended. On failure the folder is left for who wants to look."""
        try:
            self.start()
            self.rage()
            self.heal()
            report = self.judge()
        except BaseException as failure:
            self.is_over.set()
            self.is_healed.set()
            raise AssertionError(f"seed {self.seed}, backend {self.kind}, {dict(self.mishaps)}, folder {self.folder}: "
                                 f"{failure}") from failure
        finally:
            harness.end_everything()
        shutil.rmtree(self.folder, ignore_errors=True)
        return report

    # ---- mishaps

    def start(self):
        self.backend = backends.KINDS[self.kind](self.folder)
        self.devices = [devices.Device(self.folder, f"d{i}").start() for i in range(N_DEVICES)]
        for device in self.devices:
            device.attach(self.backend, backends.SYNC / "chaos.sql")
        self.writers = [Writer(self, device, f"{device.name}.{i}")
                        for device in self.devices for i in range(N_SESSIONS)]
        for writer in self.writers:
            writer.start()

    def stay_away(self):
        time.sleep(self.chance.uniform(*AWAY_SECONDS))

    def kill_session(self):
        self.chance.choice(self.writers).kill()

    def kill_leader(self):
        device = self.chance.choice(self.devices)
        device.kill()
        self.stay_away()
        device.start()

    def kill_adapter(self):
        self.chance.choice(self.devices).kill_adapters()

    def kill_all_adapters(self):
        for device in self.devices:
            device.kill_adapters()

    def kill_backend(self):
        self.backend.kill()
        self.stay_away()
        self.backend.start()

    def go_offline(self):
        self.chance.choice(self.devices).offline(*self.chance.choice([[], ["--push-only"]]))

    def go_online(self):
        self.chance.choice(self.devices).online()

    def rage(self):
        choices = [(self.kill_session, 4), (self.kill_leader, 3), (self.kill_adapter, 3), (self.kill_all_adapters, 1),
                   (self.go_offline, 3), (self.go_online, 5)]
        if self.backend.can_stop:
            choices.append((self.kill_backend, 2))
        mishaps, weights = zip(*choices)
        start = told = time.monotonic()
        while time.monotonic() < start + self.seconds:
            (mishap,) = self.chance.choices(mishaps, weights)
            mishap()
            self.mishaps[mishap.__name__] += 1
            self.check_writers()
            time.sleep(self.chance.uniform(*PAUSE_SECONDS))
            if time.monotonic() > told + 5:
                told = time.monotonic()
                self.tell(f"{told - start:.0f} s: {self.n_commits} commits, {sum(self.mishaps.values())} mishaps")

    def check_writers(self):
        for writer in self.writers:
            if writer.failure:
                raise AssertionError(f"{writer.name_of_session}: {writer.failure}") from writer.failure

    # ---- and their end

    def heal(self):
        self.is_over.set()
        for device in self.devices:
            device.online()
        start = time.monotonic()
        self.is_healed.set()
        for writer in self.writers:
            writer.join(harness.SECONDS)
            assert not writer.is_alive(), f"{writer.name_of_session} does not end"
        self.check_writers()
        try:
            harness.until(lambda: devices.have_converged(self.devices), "the devices to converge", HEAL_SECONDS)
        except AssertionError as failure:
            told = "".join(f"\n{device.name}: {device.status()}\n{device.told()[-3000:]}" for device in self.devices)
            raise AssertionError(f"{failure}{told}") from None
        self.heal_seconds = time.monotonic() - start
        assert self.heal_seconds <= HEAL_SECONDS, f"it took {self.heal_seconds:.1f} s to converge"

    def judge(self):
        first, *others = self.devices
        chain, dump = first.chain(), first.dump_synced()
        for device in self.devices:
            device.verify(devices.STORE)
            status = device.status()
            assert (status["refused"], status["voids"]) == (0, 0), f"{device.name}: {status}"
            self.judge_order(device.log_lines()[1], "looked", "looked", device)
        for device in others:
            assert device.chain() == chain, f"the chains of {first.name} and {device.name} differ"
            assert device.dump_synced() == dump, f"the dumps of {first.name} and {device.name} differ"
        self.judge_order(chain, "put", "put", None)
        return {"backend": self.kind, "seed": self.seed, "seconds": self.seconds, "commits": self.n_commits,
                "events": len(chain), "mishaps": dict(self.mishaps), "converged_seconds": round(self.heal_seconds, 2),
                "generations": [device.status()["generation"] for device in self.devices]}

    def judge_order(self, log, name, what, device):
        """Each session's events of a kind: in program order, none twice, none that was durable is missing,
        and of a life that was killed the first ones."""
        found = collections.defaultdict(list)
        ids = set()
        for event in log:
            if event["name"] == name:
                found[event["session"]].append(event["args"]["number"])
                assert event["id"] not in ids, f"{event['id']} stands there twice"
                ids.add(event["id"])
        for writer in self.writers:
            if device not in (None, writer.device):
                continue
            numbers = found.pop(writer.name_of_session, [])
            assert numbers == sorted(set(numbers)), f"{writer.name_of_session} {what}: not in order: {numbers}"
            for life in writer.lives:
                self.judge_life(life, getattr(life, what), getattr(life, f"n_{what}_durable"), set(numbers))
                numbers = [number for number in numbers if number not in set(getattr(life, what))]
            assert numbers == [], f"{writer.name_of_session} {what}: nobody committed {numbers}"
        assert not found, f"nobody is {list(found)}"

    def judge_life(self, life, tried, n_durable, found):
        there = [number for number in tried if number in found]
        assert there == tried[:len(there)], f"{life.session_id}: {tried} became {there}"
        assert len(there) >= n_durable, f"{life.session_id}: {n_durable} of {tried} were durable, and {there} there"
        assert life.was_killed or there == tried, f"{life.session_id} lives, and of {tried} there are only {there}"
