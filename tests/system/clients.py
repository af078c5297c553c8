"""Debian's stock DHCP clients and relay, each in a namespace of a lab."""

import shutil
import signal
import unittest

from lab import HERE, wait_for

GOT = ("bound", "BOUND", "REBOOT", "renew", "RENEW", "REBIND")


def program(name):
    path = shutil.which(name, path="/sbin:/usr/sbin:/bin:/usr/bin")
    if not path:
        raise unittest.SkipTest(f"SKIPPED: {name} is not installed")
    return path


class Client:
    """One run of a stock client. Its events are the environments of its script, in order."""

    def __init__(self, lab, host, interface="eth0"):
        self.lab, self.host, self.interface = lab, host, interface
        self.dir = lab.dir / f"{host.name}.client{len(lab.processes)}"
        self.events_dir = self.dir / "events"
        self.events_dir.mkdir(parents=True)
        self.script = self.dir / "script"
        self.process = None

    def write_script(self, **env):
        """dhclient and dhcpcd pass no environment on: the script itself says where events go."""
        env["LAB_EVENTS"] = self.events_dir
        words = " ".join(f"{key}='{value}'" for key, value in env.items())
        self.script.write_text(f'#!/bin/sh\nexport {words}\nexec "{HERE}/client_event" "$@"\n')
        self.script.chmod(0o755)

    def launch(self, *command):
        self.process = self.lab.process(self.host, *command)

    def events(self):
        found = []
        for path in sorted(self.events_dir.glob("[0-9]*")):
            lines = (line.partition("=") for line in path.read_text(errors="replace").split("\n"))
            found.append({key: value for key, _, value in lines})
        return found

    def reasons(self):
        return [event["reason"] for event in self.events()]

    def count(self, *reasons):
        return sum(1 for reason in self.reasons() if reason in reasons)

    def lease(self):
        """The environment of the latest step that got or kept a lease, once there is one."""
        def latest():
            got = [event for event in self.events() if event["reason"] in GOT]
            return got[-1] if got else None
        try:
            return wait_for("a lease", latest)
        except AssertionError as error:
            said = self.process.log()[-2000:]
            raise AssertionError(f"{error}; the client says:\n{said}") from None

    def address(self):
        lease = self.lease()
        return lease.get("ip") or lease["new_ip_address"]

    def after(self, action, *reasons):
        """Does something and waits until one of these events has come once more."""
        before = self.count(*reasons)
        action()
        wait_for(f"one of {reasons}", lambda: self.count(*reasons) > before)

    def kill(self):
        """Gone without a word: the binding stays with the server."""
        self.process.kill()


class Udhcpc(Client):
    def __init__(self, lab, host, *arguments, interface="eth0"):
        super().__init__(lab, host, interface)
        self.write_script()
        self.launch(program("udhcpc"), "-f", "-i", interface, "-s", self.script,
                    "-t", "10", "-T", "1", "-A", "1", *arguments)

    def renew(self):
        self.after(lambda: self.process.signal(signal.SIGUSR1), "renew", "bound")

    def release(self):
        self.after(lambda: self.process.signal(signal.SIGUSR2), "deconfig")


class Dhclient(Client):
    """`leases`: the text of a lease file from an earlier life. `config`: of dhclient.conf."""

    def __init__(self, lab, host, *arguments, interface="eth0", leases="", config="", refuse=""):
        super().__init__(lab, host, interface)
        # A copy: AppArmor's profile goes by the path, and forbids other scripts.
        self.binary = self.dir / "dhclient"
        shutil.copy(program("dhclient"), self.binary)
        (self.dir / "conf").write_text("timeout 60;\nretry 1;\ninitial-interval 1;\n"
                                       "backoff-cutoff 2;\n" + config)
        (self.dir / "leases").write_text(leases)
        self.write_script(LAB_REFUSE=refuse)
        self.files = ["-4", "-sf", self.script, "-lf", self.dir / "leases",
                      "-pf", self.dir / "pid", "-cf", self.dir / "conf"]
        self.launch(self.binary, "-d", *self.files, *arguments, interface)

    def release(self):
        # It stops the running client by its pid file, then releases what the lease file holds.
        self.after(lambda: self.lab.process(self.host, self.binary, "-r", *self.files,
                                            self.interface).wait(), "RELEASE")


class Dhcpcd(Client):
    """`config`: lines of dhcpcd.conf."""

    def __init__(self, lab, host, *arguments, interface="eth0", config=""):
        super().__init__(lab, host, interface)
        (self.dir / "conf").write_text("ipv4only\nnoipv4ll\nreboot 0\ntimeout 0\n"
                                       "option routers, domain_name_servers\n" + config)
        self.write_script(LAB_DHCPCD=1)
        # Its files have fixed places: it gets /run and /var/lib of its own, in the mount namespace
        # that `ip netns exec` has made.
        binary = program("dhcpcd")
        private = "mount -t tmpfs tmpfs /var/lib && mkdir -p /var/lib/dhcpcd && " \
                  "mount -t tmpfs tmpfs /run && mkdir /run/dhcpcd && exec \"$@\""
        self.launch("/bin/sh", "-c", private, "sh", binary, "-B", "-d", "-f", self.dir / "conf",
                    "--script", self.script, *arguments, interface)

    def renew(self):
        self.after(lambda: self.process.signal(signal.SIGUSR1), "RENEW", "REBIND")

    def release(self):
        self.after(lambda: self.process.signal(signal.SIGALRM), "RELEASE", "STOP", "STOPPED")


class Relay:
    """ISC's dhcrelay between the interfaces towards clients and a server."""

    def __init__(self, lab, host, server, down, up, *arguments):
        command = [program("dhcrelay"), "-4", "-d", "-a", "-m", "append", *arguments]
        for interface in down:
            command += ["-id", interface]
        self.process = lab.process(host, *command, "-iu", up, "--no-pid", server)
