"""What a leader is killed in. Each operation makes its files once, as a template; is
put back to them before each run; is brought to the moment before (`begin`); is done
(`act`), as far as the leader lives; and says afterwards what must be there.
"""

import json
import pathlib
import shutil
import signal
import subprocess
import time

import harness

STORE = "todos"
SCHEMA = harness.SCHEMAS / "todos.sql"
N_OLD = 12  # events that stand in the log before
N_HISTORY = 300  # and for a rebuild
N_UNIT = 50
N_EACH_SIDE = 10
SETTLE_SECONDS = 20  # for a session's pending events, behind a restart
FRAME_BYTES = 4096 + 24
CHECKPOINT_BYTES = 4000 * FRAME_BYTES + 32  # of a write-ahead log: CHECKPOINT_PAGES in limits.h
MORE = {"ASAN_OPTIONS": "detect_leaks=0:" + harness.os.environ.get("ASAN_OPTIONS", "").replace("detect_leaks=1", "")}


class Device(harness.Leader):
    """A leader whose start may fail."""

    more = MORE

    def start(self, **more):
        return super().start(environment_more=MORE, **more)

    def until_ready_or_ended(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.is_alive():
            if self._is_ready():
                return True
        return False


def todo(name):
    return ("todoCreated", {"id": name, "title": f"about {name}"})


class Operation:
    name = None
    held = False  # the leader's start belongs to it
    may_end = False  # the leader, by itself
    must_touch = "eventlog.db-wal"  # by what its record is known to hold the operation

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.template = self.folder / "template"
        self.session = None
        self.session_stays = True  # what it has pending is sent again; else it dies with the leader
        self.leader = None
        self.old = []

    # ---- the files

    def new_leader(self, name="A"):
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return Device(folder)

    def make_template(self):
        leader = self.new_leader()
        self.fill(leader)
        self.keep()

    def fill(self, leader, n=N_OLD):
        leader.start()
        leader.create(STORE, SCHEMA)
        self.commit_many(leader, [f"old{number}" for number in range(n)])
        self.old = [event["id"] for event in leader.events(STORE)]
        leader.kill()

    def commit_many(self, leader, names):
        session = harness.Session(leader, STORE)
        for name in names:
            session.commit(*todo(name)[:1], **todo(name)[1])
            assert session.wait()[0] == "ok"
        session.commit("filterChanged", filter="all")
        assert session.wait()[0] == "ok"
        session.close()

    def keep(self):
        """The folders as they are now."""
        for path in self.folder.glob("*/leaderd.log"):
            path.unlink()
        here = [path for path in self.folder.iterdir() if path != self.template]
        self.template.mkdir()
        for path in here:
            if path.is_dir():
                shutil.copytree(path, self.template / path.name, ignore=shutil.ignore_patterns("run"))
            else:
                shutil.copy(path, self.template / path.name)

    def restore(self):
        for path in self.folder.iterdir():
            if path != self.template:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(self.template, self.folder, dirs_exist_ok=True)
        self.leader = self.new_leader()
        self.session, self.waits = None, False
        self.committed, self.acknowledged = [], []  # lists of the names of one unit

    # ---- one run

    def begin(self):
        self.leader.start()

    def act(self, run):
        raise NotImplementedError

    def commit_unit(self, run, names):
        code = self.session.commit_unit(*map(todo, names))[0]
        if code not in ("ok", "queued"):
            run.expect_only_with_faults(code)
            return
        self.committed.append(names)
        self.session.tell(f"wait {SETTLE_SECONDS * 1000}")
        self.waits = True
        answer = run.answer(self.session)
        if answer is not None:
            self.waits = False
            if answer[0] == "ok":
                self.acknowledged.append(names)

    def after_the_end(self):
        """The leader is dead or has ended; what dies with it does so now."""
        if self.session and not self.session_stays:
            self.session.kill()
            self.session = None

    def settle(self, run):
        """The leader is back. A session that lived through it must bring everything home."""
        if not self.session:
            return
        code = self.session._read()[0] if self.waits else "?"
        self.waits = False
        end = time.monotonic() + SETTLE_SECONDS
        while code != "ok":
            assert time.monotonic() < end, f"the session's events did not become durable: {code}"
            code = self.session.wait(SETTLE_SECONDS)[0]
        self.acknowledged = list(self.committed)
        self.session.close()
        self.session = None

    def expect(self, run):
        """More than what always holds."""


class Commit(Operation):
    name = "commit"

    def begin(self):
        self.leader.start()
        self.session = harness.Session(self.leader, STORE)

    def act(self, run):
        self.commit_unit(run, ["new"])


class Batch(Commit):
    name = "batch"

    def act(self, run):
        self.commit_unit(run, [f"new{number}" for number in range(N_UNIT)])


class Checkpoint(Commit):
    """The state's write-ahead log is just below its bound when the leader is started: only
    the other one is settled by a start."""

    name = "checkpoint"
    must_touch = "/state.db"

    def wal_bytes(self, leader):
        folder = leader.store(STORE)
        return max((folder / name).stat().st_size for name in ("eventlog.db-wal", "state.db-wal"))

    def fill_wal(self, leader, session):
        """Each commit adds a few frames, most of them of the same pages."""
        names = []
        while not names or self.wal_bytes(leader) + 10 * FRAME_BYTES < CHECKPOINT_BYTES:
            for _ in range(3):
                names.append(f"fill{len(names)}")
                session.commit_unit(todo(names[-1]))
                assert session.wait()[0] == "ok"
        return names

    def fill(self, leader):
        leader.start()
        leader.create(STORE, SCHEMA)
        self.fill_wal(leader, harness.Session(leader, STORE))
        self.old = [event["id"] for event in leader.events(STORE)]
        leader.kill()

    def act(self, run):
        number = 0
        while run.goes_on() and self.wal_bytes(self.leader) <= CHECKPOINT_BYTES:
            self.commit_unit(run, [f"new{number}"])
            number += 1
            if self.waits:
                return
        # It comes behind the answer, in a turn of its own.
        run.command("status", STORE)
        run.command("status", STORE)


class LongCheckpoint(Checkpoint):
    """Both write-ahead logs are long, and filled anew each time; slow."""

    name = "long-checkpoint"

    def fill(self, leader):
        Operation.fill(self, leader)

    def begin(self):
        super().begin()
        self.committed = [[name] for name in self.fill_wal(self.leader, self.session)]
        self.acknowledged = list(self.committed)


class FirstStart(Operation):
    name = "first-start"
    held = may_end = True
    must_touch = "eventlog.db"

    def make_template(self):
        self.new_leader()
        self.keep()

    def act(self, run):
        self.created = False
        if self.leader.until_ready_or_ended(run.seconds):
            self.created = run.command("--json", "store", "create", STORE, "--schema", SCHEMA) == 0
            if self.created and run.command("commit", STORE, "todoCreated", json.dumps(todo("new")[1])) == 0:
                self.acknowledged.append(["new"])

    def settle(self, run):
        names = [store["name"] for store in self.leader.ask("store", "list")[0]["stores"]]
        if self.created:
            assert STORE in names, f"the store that was made is gone: {names}"
        if STORE not in names:
            self.leader.create(STORE, SCHEMA)


class Reopen(Operation):
    name = "reopen"
    held = may_end = True
    must_touch = "eventlog.db"

    def act(self, run):
        if self.leader.until_ready_or_ended(run.seconds):
            run.command("query", STORE, "SELECT count(*) FROM todo")


class Rebuild(Reopen):
    name = "rebuild"
    must_touch = "state.db"

    def make_template(self):
        leader = self.new_leader()
        self.fill(leader, N_HISTORY)
        for path in leader.store(STORE).glob("state.db*"):
            path.unlink()
        self.keep()


class RebuildAsked(Operation):
    name = "rebuild-on-request"
    must_touch = "state.db"

    def act(self, run):
        run.command("rebuild", STORE)


class Install(Operation):
    name = "schema-install"

    def make_template(self):
        newer = SCHEMA.read_text(encoding="utf-8").replace("store todos version 1", "store todos version 2")
        newer += "\n-- event todoReopened(id TEXT)\nUPDATE todo SET done = 0 WHERE id = :id;\n"
        (self.folder / "newer.sql").write_text(newer, encoding="utf-8")
        super().make_template()

    def act(self, run):
        self.installed = run.command("schema", "install", STORE, self.folder / "newer.sql") == 0

    def expect(self, run):
        version = 2 if "version 2" in self.leader.run("schema", "show", STORE).stdout.split("\n")[0] else 1
        if self.installed:
            assert version == 2, "the schema that was installed is gone"
        if version == 1:
            self.leader.ask("schema", "install", STORE, self.folder / "newer.sql")
        run.expect_sound(self.leader)


class Stop(Operation):
    name = "graceful-stop"
    may_end = True
    must_touch = "state.db"

    def begin(self):
        self.leader.start()
        self.session = harness.Session(self.leader, STORE)
        for number in range(3):
            self.committed.append([f"new{number}"])
            self.session.commit_unit(todo(f"new{number}"))
            assert self.session.wait()[0] == "ok"
        self.acknowledged = list(self.committed)

    def act(self, run):
        self.leader.process.send_signal(signal.SIGTERM)
        try:
            self.leader.process.wait(run.seconds)
        except subprocess.TimeoutExpired:
            run.expect_only_with_faults("it did not stop")


class Pull(Operation):
    """What another device has put into the backend comes in one page."""

    name = "pulled-page"
    n_own = 0

    def make_template(self):
        log = self.folder / "backend.db"
        A, B = self.new_leader("A"), self.new_leader("B")
        for device in (A, B):
            device.start()
            device.ask("store", "create", STORE, "--schema", SCHEMA, "--backend", f"file:{log}")
        self.commit_many(A, ["old0", "old1"])
        A.ask("sync", STORE, "--timeout", "30")
        A.ask("offline", STORE)
        B.ask("sync", STORE, "--timeout", "30")
        if self.n_own:
            self.commit_many(A, [f"A{number}" for number in range(self.n_own)])
        self.commit_many(B, [f"B{number}" for number in range(N_EACH_SIDE)])
        B.ask("sync", STORE, "--timeout", "30")
        self.old = [event["id"] for event in A.events(STORE)]
        self.theirs = [event["id"] for event in B.events(STORE) if "." not in event["position"]]
        A.stop()
        B.stop()
        self.keep()

    def act(self, run):
        self.synced = run.command("online", STORE) == 0 and \
            run.command("sync", STORE, "--timeout", f"{run.seconds:.0f}") == 0

    def settle(self, run):
        self.leader.ask("online", STORE)
        self.leader.ask("sync", STORE, "--timeout", "30")

    def expect(self, run):
        other = self.new_leader("B")
        other.start()
        other.ask("sync", STORE, "--timeout", "30")
        chains = [[(event["id"], event["position"]) for event in device.ask("events", STORE)]
                  for device in (self.leader, other)]
        assert chains[0] == chains[1], f"the two devices differ: {chains}"
        ids = [event for event, _ in chains[0]]
        assert sorted(ids) == sorted(set(ids)) and set(self.theirs) <= set(ids), f"lost or doubled: {ids}"
        assert self.leader.dump(STORE, "--synced") == other.dump(STORE, "--synced"), "the two states differ"
        other.stop()


class Rebase(Pull):
    name = "rebase-10-over-10"
    n_own = N_EACH_SIDE


ALL = (Commit, Batch, Checkpoint, FirstStart, Reopen, Rebuild, RebuildAsked, Install, Stop, Pull, Rebase)
FULL = ALL + (LongCheckpoint,)
