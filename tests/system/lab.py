"""Virtual networks for system tests: namespaces, wires, the server, stock clients and relays.

Everything that a Lab makes is named after this process or lies in the lab's own directory, and is
gone when its `with` block ends, however it ends. Waiting is always bounded; nothing is asserted
about how long something took.
"""

import atexit
import ctypes
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOOKLINE = os.environ.get("HOOKLINE", str(HERE.parents[1] / "build/release/hookline"))
PATIENCE_S = 30
SKIP = 77
CLONE_NEWNET = 0x40000000
_numbers = itertools.count(1)


def wait_for(what, condition, seconds=PATIENCE_S):
    """Asks until the answer is true and returns it; fails loudly when that takes too long."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.05)


def sh(*command, check=True):
    run = subprocess.run([str(c) for c in command], text=True, timeout=PATIENCE_S,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if check and run.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: {run.stdout.strip()}")
    return run.stdout


class Namespace:
    """A network namespace: one host, relay or switch of the lab."""

    def __init__(self, name):
        self.name = name
        sh("ip", "netns", "add", name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *words):
        return sh("ip", "-n", self.name, *words)

    def run(self, *command, check=True):
        return sh("ip", "netns", "exec", self.name, *command, check=check)

    def address(self, interface, *addresses):
        for address in addresses:
            self.ip("address", "add", address, "dev", interface)
        self.ip("link", "set", interface, "up")

    def mac(self, interface):
        return json.loads(self.ip("-j", "link", "show", "dev", interface))[0]["address"]

    def addresses(self, interface):
        info = json.loads(self.ip("-4", "-j", "address", "show", "dev", interface))
        return [a["local"] for link in info for a in link.get("addr_info", [])]

    def socket(self, *arguments):
        """A socket that lives in this namespace, made by a thread that enters it."""
        made = []

        def make():
            libc = ctypes.CDLL(None, use_errno=True)
            with open(f"/run/netns/{self.name}") as handle:
                if libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
                    made.append(OSError(ctypes.get_errno(), "setns"))
                    return
            made.append(socket.socket(*arguments))

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if isinstance(made[0], OSError):
            raise made[0]
        return made[0]

    def delete(self):
        for pid in sh("ip", "netns", "pids", self.name, check=False).split():
            if pid.isdigit():
                os.kill(int(pid), signal.SIGKILL)
        sh("ip", "netns", "del", self.name, check=False)


class Process:
    """A program in a namespace; its output goes to a file."""

    def __init__(self, lab, namespace, command, env=None):
        self.log_path = lab.dir / f"{Path(command[0]).name}.{next(_numbers)}.log"
        self.output = open(self.log_path, "w")
        prefix = ["ip", "netns", "exec", namespace.name] if namespace else []
        self.popen = subprocess.Popen(prefix + [str(c) for c in command], stdin=subprocess.DEVNULL,
                                      stdout=self.output, stderr=subprocess.STDOUT,
                                      env={**os.environ, **(env or {})})
        lab.processes.append(self)

    @property
    def pid(self):
        return self.popen.pid

    def log(self):
        return self.log_path.read_text(errors="replace")

    def running(self):
        return self.popen.poll() is None

    def signal(self, number):
        if self.running():
            self.popen.send_signal(number)

    def wait(self, seconds=PATIENCE_S):
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.popen.args} still runs:\n{self.log()[-2000:]}") from None

    def terminate(self):
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.wait()

    def close(self):
        if self.running():
            self.popen.terminate()
            try:
                self.popen.wait(5)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        self.output.close()


class Lab:
    def __init__(self):
        self.id = f"hlt-{os.getpid()}-{next(_numbers)}"
        self.dir = Path(tempfile.mkdtemp(prefix=f"{self.id}-"))
        self.dir.chmod(0o755)
        self.namespaces, self.processes, self.mounts, self.sockets = {}, [], [], []
        atexit.register(self.close)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None and not issubclass(kind, unittest.SkipTest):
            for process in self.processes:
                print(f"--- {process.popen.args}\n{process.log()[-3000:]}", file=sys.stderr)
        self.close()

    def namespace(self, name):
        if name not in self.namespaces:
            self.namespaces[name] = Namespace(f"{self.id}-{name}")
        return self.namespaces[name]

    def wire(self, one, one_interface, other, other_interface):
        """A cable between two namespaces; both ends come up without an address."""
        one.ip("link", "add", one_interface, "type", "veth", "peer", "name", other_interface,
               "netns", other.name)
        one.ip("link", "set", one_interface, "up")
        other.ip("link", "set", other_interface, "up")

    def switch(self, name="switch"):
        switch = self.namespace(name)
        switch.ip("link", "add", "br0", "type", "bridge")
        # Where br_netfilter is loaded, it would drop frames with a wrong IP header.
        switch.run("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0", check=False)
        switch.ip("link", "set", "br0", "up")
        return switch

    def plug(self, switch, host, interface="eth0", mac=None):
        """Joins a host's new interface to a switch."""
        port = f"p{next(_numbers)}"
        self.wire(switch, port, host, interface)
        switch.ip("link", "set", port, "master", "br0")
        if mac:
            host.ip("link", "set", interface, "address", mac)

    def tmpfs(self, size):
        """A file system of its own, so small that it can be filled."""
        folder = self.dir / f"disk{next(_numbers)}"
        folder.mkdir()
        sh("mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", folder)
        self.mounts.append(folder)
        return folder

    def process(self, namespace, *command, env=None):
        return Process(self, namespace, command, env)

    def close(self):
        atexit.unregister(self.close)
        for item in reversed(self.sockets):
            item.close()
        for process in reversed(self.processes):
            process.close()
        for namespace in self.namespaces.values():
            namespace.delete()
        for folder in self.mounts:
            sh("umount", "-l", folder, check=False)
        shutil.rmtree(self.dir, ignore_errors=True)
        self.namespaces, self.processes, self.mounts, self.sockets = {}, [], [], []


class Server:
    """`hookline serve` in a namespace, and the operator's commands against it."""

    def __init__(self, lab, namespace, config, state=None):
        self.lab, self.namespace = lab, namespace
        number = next(_numbers)
        self.config = lab.dir / f"server{number}.toml"
        self.config.write_text(config)
        self.state = state or lab.dir / f"state{number}"
        self.state.mkdir(exist_ok=True)
        self.control = lab.dir / f"control{number}.sock"
        self.process = None

    def launch(self):
        self.process = self.lab.process(
            self.namespace, HOOKLINE, "serve", "--config", self.config, "--state-dir", self.state,
            "--control", self.control)
        return self.process

    def start(self):
        self.launch()
        wait_for("the server to answer", self.answers)
        return self

    def answers(self):
        if not self.process.running():
            raise AssertionError(f"the server ended:\n{self.process.log()}")
        return self.try_ask("status")[0] == 0

    def try_ask(self, *words):
        """(exit status, standard output, standard error) of an operator's command."""
        run = subprocess.run([HOOKLINE, *map(str, words), "--control", str(self.control)],
                             text=True, capture_output=True, timeout=PATIENCE_S)
        return run.returncode, run.stdout, run.stderr

    def tell(self, *words):
        status, out, err = self.try_ask(*words)
        if status != 0:
            raise AssertionError(f"hookline {' '.join(words)}: exit {status}: {err}{out}")
        return out

    def ask(self, *words):
        return json.loads(self.tell(*words, "--format", "json"))

    def leases(self, *words):
        return {row["address"]: row for row in self.ask("leases", *words)}

    def drops(self):
        return {row["reason"]: row["count"] for row in self.ask("drops")}

    def stop(self):
        status = self.process.terminate()
        if status != 0:
            raise AssertionError(f"exit status {status} after SIGTERM:\n{self.process.log()}")

    def restart(self):
        self.stop()
        return self.start()

    def crash(self):
        """Power cut for the process: kill -9, then a new start on what is on disk."""
        self.process.kill()
        return self.start()

    def journal(self, verb):
        """(exit status, output) of `hookline journal VERB` on this server's state."""
        run = subprocess.run([HOOKLINE, "journal", verb, str(self.state)], text=True,
                             capture_output=True, timeout=PATIENCE_S)
        return run.returncode, run.stdout + run.stderr


def need_system_lab():
    """Ends with the skip status where namespaces cannot be made, saying so loudly."""
    reason = None
    if os.geteuid() != 0:
        reason = "system tests need root"
    elif not os.access(HOOKLINE, os.X_OK):
        reason = f"there is no program {HOOKLINE}"
    else:
        probe = f"hlt-probe-{os.getpid()}"
        run = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
        if run.returncode != 0:
            reason = f"this machine allows no network namespaces: {run.stderr.strip()}"
        else:
            sh("ip", "netns", "del", probe)
    if reason:
        print(f"SKIPPED: {reason}", file=sys.stderr)
        sys.exit(SKIP)


def main():
    """Runs the tests of the calling module; SIGTERM cleans up like any other end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    need_system_lab()
    unittest.main(verbosity=2)
