"""A machine to spoil: a namespace of a lab whose files are this machine's until it writes to them.

What is written there, installed, or made a user of, is gone with the lab, and so is every process.
"""

import os
import shlex
import signal
import subprocess
import unittest

from lab import PATIENCE_S, wait_for

# $1: an empty folder; $2: the folder that stays the real one, read-only.
SET_UP = """set -e
mount -t tmpfs -o mode=0755 tmpfs "$1"
mkdir "$1/up" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" overlay "$1/root"
for kernel in sys dev; do mount --rbind "/$kernel" "$1/root/$kernel"; done
mkdir -p "$1/root$2"
mount --bind -o ro "$2" "$1/root$2"
mount -t tmpfs -o mode=0755 tmpfs "$1/root/run"
mount -t proc proc "$1/root/proc"
cd "$1/root"
exec chroot . python3 -c '
import os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
open("/run/up", "w").close()
while True: signal.pause()'
"""


class Machine:
    def __init__(self, lab, namespace, keep):
        """`keep`: a folder that is to be seen there as it is here, even where it is a mount."""
        self.lab, self.namespace = lab, namespace
        folder = lab.dir / f"{namespace.name}.machine"
        folder.mkdir()
        self.init = lab.process(namespace, "unshare", "--mount", "--pid", "--fork", "--kill-child",
                                "sh", "-c", SET_UP, "machine", folder, keep)
        wait_for("the machine's files", lambda: self.is_up(folder))
        children = f"/proc/{self.init.pid}/task/{self.init.pid}/children"
        with open(children) as file:
            self.pid = int(file.read().split()[0])
        lab.sockets.append(self)  # which are closed before the processes

    def close(self):
        """unshare itself heeds no SIGTERM."""
        if self.init.running():
            os.kill(self.pid, signal.SIGTERM)

    def is_up(self, folder):
        if not self.init.running():
            raise unittest.SkipTest(f"SKIPPED: no overlay file system: {self.init.log().strip()}")
        children = f"/proc/{self.init.pid}/task/{self.init.pid}/children"
        with open(children) as file:
            pids = file.read().split()
        return pids and os.path.exists(f"/proc/{pids[0]}/root/run/up") and (
            os.readlink(f"/proc/{pids[0]}/root") == f"{folder}/root")

    def command(self, line, directory="/root"):
        line = f"cd {shlex.quote(str(directory))} && {line}"
        return ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--net", "--root", "--wd",
                "--", "bash", "-c", line]

    def run(self, line, directory="/root"):
        """(exit status, all that a command line of bash says)"""
        run = subprocess.run(self.command(line, directory), text=True, timeout=4 * PATIENCE_S,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT)
        return run.returncode, run.stdout

    def must(self, line, directory="/root"):
        status, out = self.run(line, directory)
        if status != 0:
            raise AssertionError(f"{line}: exit {status}: {out}")
        return out

    def write(self, path, text, append=False):
        # The other side of its root is this process's own view of its files.
        path = f"/proc/{self.pid}/root{path}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "a" if append else "w") as file:
            file.write(text)

    def start(self, line, directory="/root"):
        """A command that stays."""
        name = f"/run/stays.{len(self.lab.processes)}"
        process = self.lab.process(None, *self.command(f"echo $$ >{name}; exec {line}", directory))
        process.inside = name
        return process

    def stop(self, process, number=signal.SIGTERM):
        """Signals it in there: here is only its keeper. Returns its exit status."""
        if process.running():
            self.run(f"kill -{int(number)} $(cat {process.inside})")
        return process.wait()
