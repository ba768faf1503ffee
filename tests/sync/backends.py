"""Backends for tests: a log of its own for each story, in one of three kinds.

The servers are those of tests/conformance, one of each for the process that asks
first; a story's log in it is told apart by the URL's parameter store=.
"""

import atexit
import itertools
import os
import pathlib
import subprocess
import sys

SYNC = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(SYNC.parent / "crash")]

import harness

SCRIPTS = SYNC.parent / "conformance"
_numbers = itertools.count(1)
_servers = {}  # kind to Server


class Server:
    """A server in a folder of its own, made and removed by its script."""

    def __init__(self, script, *options):
        self.script = str(SCRIPTS / script)
        made = subprocess.run([self.script, "make", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              encoding="utf-8", timeout=harness.SECONDS)
        if made.returncode != 0:
            raise AssertionError(f"{script} make ended with {made.returncode}: {made.stderr}")
        self.folder = made.stdout.strip()

    def do(self, *words, text=None):
        done = subprocess.run([self.script, self.folder, *map(str, words)], input=text, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, encoding="utf-8", timeout=harness.SECONDS)
        if done.returncode != 0:
            raise AssertionError(f"{self.script} {words} ended with {done.returncode}: {done.stderr}")
        return done.stdout.strip()


def server(script, *options):
    key = (script, *options)
    if key not in _servers:
        _servers[key] = Server(script, *options)
        atexit.register(lambda: _servers.pop(key).do("remove"))
    return _servers[key]


class Backend:
    """One log. `can_stop`: there is a server that can be killed."""

    can_stop = False

    def __init__(self):
        self.store = f"story-{os.getpid()}-{next(_numbers)}"

    def url(self):
        raise NotImplementedError

    def kill(self):
        raise NotImplementedError

    def start(self):
        raise NotImplementedError

    def holds(self, text):
        """Do its files hold these bytes anywhere?"""
        needle = text.encode()
        return any(needle in path.read_bytes() for path in self.files() if path.is_file())

    def files(self):
        raise NotImplementedError


class File(Backend):
    def __init__(self, folder):
        super().__init__()
        self.folder = pathlib.Path(folder) / "backend"
        self.folder.mkdir(exist_ok=True)
        self.path = self.folder / f"{self.store}.db"

    def url(self):
        return f"file:{self.path}"

    def files(self):
        return self.folder.glob("*")


class Script(Backend):
    """The scripted adapter: does what its story says (backend-adapters/script/story.c)."""

    def __init__(self, folder, story=""):
        super().__init__()
        self.folder = pathlib.Path(folder) / "script"
        self.folder.mkdir(exist_ok=True)
        self.story = self.folder / f"{self.store}.story"
        self.tell(story)

    def tell(self, story):
        """From now on this is the story; adapters read it when they open."""
        new = self.story.with_suffix(".new")
        new.write_text(story)
        new.rename(self.story)

    def url(self):
        return f"script:{self.story}"

    def files(self):
        return self.folder.glob("*")


class Postgres(Backend):
    can_stop = True

    def __init__(self, folder, **parameters):
        super().__init__()
        self.server = server("postgres-server")
        self.parameters = {"sslrootcert": f"{self.server.folder}/tls/root.crt",
                           "passfile": f"{self.server.folder}/passfile", **parameters}

    def url(self, **parameters):
        given = {"store": self.store, **self.parameters, **parameters}
        return self.server.do("url") + "?" + "&".join(f"{name}={value}" for name, value in given.items())

    def kill(self):
        self.server.do("stop", "immediate")

    def start(self):
        self.server.do("start")

    def files(self):
        self.server.do("sql", "leaderd", text="CHECKPOINT;")
        return pathlib.Path(self.server.folder, "data").rglob("*")


class Nats(Backend):
    can_stop = True

    def __init__(self, folder, *options):
        super().__init__()
        self.server = server("nats-server", *options)
        self.more = f"&ca={self.server.folder}/root.crt" if "--tls" in options else ""

    def url(self):
        return f"{self.server.do('url')}?store={self.store}{self.more}"

    def kill(self):
        self.server.do("kill")

    def start(self):
        self.server.do("start")

    def files(self):
        return pathlib.Path(self.server.folder).rglob("*")


KINDS = {"file": File, "postgres": Postgres, "nats": Nats}
