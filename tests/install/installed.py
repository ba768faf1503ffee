"""An installed leaderd, in a folder of its own, and programs built against it."""

import argparse
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

TIMEOUT = 120  # of one command; only what hangs reaches it


class Installed:
    """What `meson install` made, below `destination`; a scratch folder beside it."""

    def __init__(self, options):
        self.options = options
        self.sources = pathlib.Path(options.sources)
        temporary = os.environ.get("TMPDIR", "/tmp")
        # A socket's path has at most 107 bytes.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="leaderd-install.",
                                                    dir=temporary if len(temporary) <= 50 else "/tmp"))
        self.destination = self.folder / "root"
        self.prefix = self.destination / options.prefix.lstrip("/")
        self.libraries = self.prefix / options.libdir
        self.environment = self._make_environment()

    def _make_environment(self):
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("DESTDIR", "LEADERD_SOCKET", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID")}
        environment["PATH"] = f"{self.prefix}/bin:{environment['PATH']}"
        environment["LD_LIBRARY_PATH"] = str(self.libraries)
        environment["PKG_CONFIG_PATH"] = f"{self.libraries}/pkgconfig"
        environment["PKG_CONFIG_SYSROOT_DIR"] = str(self.destination)
        environment["XDG_CONFIG_HOME"] = str(self.folder / "config")
        environment["LC_ALL"] = "C.UTF-8"
        return environment

    def install(self):
        subprocess.run(["meson", "install", "-C", self.options.build, "--no-rebuild", "--quiet",
                        "--destdir", self.destination], check=True, timeout=TIMEOUT, env=self.environment,
                       stdin=subprocess.DEVNULL)

    def remove(self):
        shutil.rmtree(self.folder)

    def scratch(self, name):
        folder = self.folder / name
        folder.mkdir()
        return folder

    def run(self, *command, **options):
        """Runs to the end; what it wrote is in .stdout and .stderr."""
        settings = {"env": self.environment, "cwd": self.folder, "timeout": TIMEOUT, **options}
        return subprocess.run([str(word) for word in command], capture_output=True, text=True, errors="surrogateescape",
                              stdin=subprocess.DEVNULL, **settings)

    def must_run(self, *command, **options):
        done = self.run(*command, **options)
        if done.returncode != 0:
            raise AssertionError(f"{shlex.join(str(word) for word in command)}: exit status {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}")
        return done

    def flags(self, *packages):
        """Flags of leaderd-session, from the installed tree, and of other packages, from the system."""
        ours = self.must_run("pkg-config", "--cflags", "--libs", "leaderd-session").stdout.split()
        if not packages:
            return ours
        environment = {name: value for name, value in self.environment.items()
                       if not name.startswith("PKG_CONFIG_")}
        return ours + self.must_run("pkg-config", "--cflags", "--libs", *packages, env=environment).stdout.split()

    def sanitizer(self):
        """A program has to be built like a library that is instrumented."""
        return [f"-fsanitize={self.options.sanitize}"] if self.options.sanitize != "none" else []

    def compile(self, source, program, *packages, compiler="cc", language="-std=gnu11"):
        self.must_run(compiler, language, "-g", "-Wall", "-Wextra", "-Werror", *self.sanitizer(), source, "-o", program,
                      *self.flags(*packages))
        return program

    def run_privately(self, *command, store=None, **options):
        """Runs a command beside a leader of its own."""
        made = ["--store", store[0], "--schema", store[1]] if store else []
        return self.must_run("leaderctl", "run", *made, "--", *command, **options)


def parse_arguments():
    parser = argparse.ArgumentParser()
    for name in ("build", "sources", "prefix", "libdir", "sanitize"):
        parser.add_argument(f"--{name}", required=True)
    return parser.parse_args()


def run_tests(use):
    """Installs, hands that to `use`, and runs the tests of the calling script; its exit status."""
    installed = Installed(parse_arguments())
    try:
        installed.install()
        use(installed)
        return 0 if unittest.main(argv=sys.argv[:1], exit=False, verbosity=2).result.wasSuccessful() else 1
    finally:
        installed.remove()
