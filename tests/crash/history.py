"""The real history of tests/data and what follows from it: lines, the tree that git
lists, and what a log must look like after an import."""

import json
import pathlib
import subprocess

import harness

HISTORY = harness.DATA / "libevent-history.jsonl.zst"
TREE = harness.DATA / "libevent-tree.tsv"
N_LINES = 12954


def read_lines(n=N_LINES):
    """The first n lines of the history."""
    text = subprocess.run(["zstd", "-dcq", str(HISTORY)], check=True, stdout=subprocess.PIPE).stdout.decode()
    lines = text.split("\n")[:-1]
    assert len(lines) == N_LINES
    return lines[:n]


def replay(lines):
    """The tree that these lines leave, without leaderd: path to (mode, blob)."""
    files = {}
    for event in map(json.loads, lines):
        if event["name"] == "fileDeleted":
            del files[event["args"]["path"]]
        elif event["name"] != "commitRecorded":
            files[event["args"]["path"]] = (event["args"]["mode"], event["args"]["blob"])
    return files


def git_tree(lines):
    """The tree to expect: git's own after the whole history."""
    if len(lines) < N_LINES:
        return replay(lines)
    rows = [line.split("\t") for line in TREE.read_text(encoding="utf-8").split("\n")[:-1]]
    return {path: (mode, blob) for path, mode, blob in rows}


def write(lines, path):
    pathlib.Path(path).write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def key(name, args):
    """What tells the lines of the history apart; no two are equal."""
    return json.dumps([name, args], sort_keys=True)


def numbers(lines):
    """key to the line's number in the file."""
    found = {key(event["name"], event["args"]): number for number, event in enumerate(map(json.loads, lines))}
    assert len(found) == len(lines)
    return found


def expect_tree(test, store, lines):
    rows = test.leader.ask("query", store, "SELECT path, mode, blob FROM file")
    test.assertEqual({row["path"]: (row["mode"], row["blob"]) for row in rows}, git_tree(lines))
    test.assertEqual(len(rows), len(git_tree(lines)))


def expect_log(test, log, lines):
    """Each line once, positions without a gap, and for each session the order of the file."""
    number_of = numbers(lines)
    newest = {}
    for place, event in enumerate(log, 1):
        test.assertEqual(event["position"].rstrip("'"), f"e{place}")
        number = number_of.pop(key(event["name"], event["args"]))
        session = event["session"]
        test.assertGreater(number, newest.get(session, -1), f"{session} at e{place}")
        newest[session] = number
    test.assertEqual(number_of, {})
    return newest
