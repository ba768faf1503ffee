"""The calls by which a leader changes something outside of itself, seen, killed and
made to fail by strace.

strace counts each system call by its own name: `when=3` of pwrite64 is the third
pwrite64. So an operation is recorded once, and each of its calls has from then on
a name, a number and the numbers that the others had reached.
"""

import collections
import os
import pathlib
import re
import shutil
import signal
import subprocess

import harness

FILE_CALLS = ("pwrite64", "pwritev", "write", "writev", "fsync", "fdatasync", "ftruncate", "fallocate", "unlink",
              "unlinkat", "rename", "renameat", "renameat2", "mkdir", "mkdirat", "openat", "link", "chmod", "fchmod")
SOCKET_CALLS = ("sendmsg", "sendto")
NAMED = re.compile(r"^(\w+)\(")
DESCRIPTOR = re.compile(r"^\w+\(\d+<([^>]*)>")
TEXT = re.compile(r'"([^"]*)"')

Call = collections.namedtuple("Call", "name number path before")  # before: name to how many came earlier


class Trace:
    """strace beside a leader that runs or is held, until finish()."""

    def __init__(self, leader, injections=()):
        self.path = leader.folder / "strace.txt"
        calls = ",".join("?" + name for name in FILE_CALLS + SOCKET_CALLS)
        command = ["strace", "-y", "-s", "0", "-o", str(self.path), "-e", f"trace={calls}"]
        for injection in injections:
            command += ["-e", f"inject={injection}"]
        self.process = subprocess.Popen([*command, "-p", str(leader.process.pid)], stdin=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, encoding="utf-8", env=harness.environment())
        line = self.process.stderr.readline()
        if "attached" not in line:
            raise AssertionError(f"strace did not attach: {line}")

    def finish(self):
        """Lets the leader go, if it lives, and returns every line."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(harness.SECONDS)
        self.process.stderr.close()
        return self.path.read_text(encoding="utf-8", errors="replace").split("\n")


def read_calls(lines):
    """The calls in their order; an open that makes no file is counted and left out."""
    calls, before = [], collections.Counter()
    for line in lines:
        match = NAMED.match(line)
        if not match:
            continue
        name, path = match[1], DESCRIPTOR.match(line) or TEXT.search(line)
        if name != "openat" or "O_CREAT" in line:
            path = TEXT.search(line) if name == "openat" else path
            calls.append(Call(name, before[name] + 1, path[1] if path else "", dict(before)))
        before[name] += 1
    return calls


def is_of_a_file(call):
    return "socket:" not in call.path and "eventfd" not in call.path and call.path.startswith("/")


def kill_at(call):
    return [f"{call.name}:signal=KILL:when={call.number}"]


def fail_at(call, error):
    return [f"{call.name}:error={error}:when={call.number}"]


def fail_from(call, error, names):
    """Every call of a file fails from this one on."""
    return [f"{name}:error={error}:when={call.before.get(name, 0) + 1}+" for name in sorted(names)]


def count_failed(lines):
    return sum(line.rstrip().endswith("(INJECTED)") for line in lines)


def probe():
    """Whether strace may trace here, and inject."""
    if not shutil.which("strace"):
        return "strace is not installed"
    done = subprocess.run(["strace", "-o", "/dev/null", "-e", "inject=getppid:error=EIO:when=1", "true"],
                          stderr=subprocess.PIPE, text=True)
    return None if done.returncode == 0 else "strace may not trace here"


def hold(leader):
    """Starts a leader that stands still before its first instruction, so that strace misses nothing."""
    wrapper, leader.wrapper = leader.wrapper, ["sh", "-c", 'kill -STOP $$; exec "$@"', "sh"]
    try:
        leader.spawn(leader.more)
    finally:
        leader.wrapper = wrapper
    stat = pathlib.Path(f"/proc/{leader.process.pid}/stat")
    harness.until(lambda: stat.read_text().rpartition(")")[2].split()[0] in "Tt", "the leader to be held")


def let_go(leader):
    os.kill(leader.process.pid, signal.SIGCONT)
