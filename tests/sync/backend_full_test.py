#!/usr/bin/env python3
"""A full disk below the backend: the devices go on, say so, and lose nothing.

The disk is a small tmpfs, in the mount namespace of tests/crash/disk_full_test.py.
"""

import os
import subprocess

import backends
import devices
import harness

import disk_full_test

DISK_BYTES = 4 * 1024 * 1024
TITLE = "x" * 20000


class BackendFull(devices.Story):
    def setUp(self):
        super().setUp()
        self.disk = self.folder / "disk"
        self.disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", self.disk], check=True)
        self.addCleanup(subprocess.run, ["umount", "--lazy", self.disk], check=True)

    def fill(self):
        with open(self.disk / "ballast", "wb", buffering=0) as ballast:
            size = 65536
            while size:
                try:
                    ballast.write(b"x" * size)
                except OSError:
                    size //= 2

    def commit(self, device, number):
        device.commit("todoCreated", id=f"{device.name}{number}", title=TITLE)

    def test_a_full_disk_at_the_backend_stops_nobodys_work(self):
        a, b = self.devices("AB", backends.File(self.disk))
        for device in (a, b):
            self.commit(device, 0)
        self.converge([a, b])
        self.fill()

        for number in range(1, 40):
            self.commit(a, number)
        a.until_error("full")
        for number in range(1, 10):
            self.commit(b, number)
        b.until_error("full")
        self.assertGreater(a.pending(), 0)
        for device in (a, b):
            self.fails(device, 1, [], "sync", devices.STORE, "--timeout", 2)
            device.verify(devices.STORE)

        (self.disk / "ballast").unlink()
        self.converge([a, b])
        self.assertEqual(len(a.chain()), 50)


if __name__ == "__main__":
    if disk_full_test.INSIDE not in os.environ:
        disk_full_test.enter_namespace()
    harness.main()
