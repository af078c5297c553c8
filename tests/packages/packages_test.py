#!/usr/bin/env -S python3 -B
"""The Debian packages of a build: their words, their files, and their life on a machine.

    HOOKLINE=build/dev/hookline tests/packages/packages_test.py
"""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/system"))

import lab  # noqa: E402
from lab import HOOKLINE, Lab, wait_for  # noqa: E402
from machine import Machine  # noqa: E402
from packets import Wire, mac_bytes  # noqa: E402

BUILD = Path(HOOKLINE).resolve().parent
FOR_WINDOWS = (BUILD / "hookline-host.exe").exists()
VERSION = re.search(r"project\(hookline VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
CONFIG = "/etc/hookline/hookline.toml"
STATE = "/var/lib/hookline"
DOCS = ["CHANGELOG.md", "callout_guide.md", "configuration.md", "drops.md", "injection_guide.md",
        "operating.md"]
SCOPE = """[server]
interfaces = ["eth0"]
[[scope]]
id = "office"
subnet = "10.77.0.0/24"
ranges = ["10.77.0.100-10.77.0.200"]
"""
MADE = None


def setUpModule():
    global MADE
    MADE = Path(tempfile.mkdtemp(prefix="hlt-packages-"))
    MADE.chmod(0o755)
    unittest.addModuleCleanup(shutil.rmtree, MADE, True)
    # What is packed hardest takes longest, and says no more.
    say("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", MADE,
        "-D", "CPACK_DEBIAN_COMPRESSION_TYPE=gzip")


def say(*command):
    run = subprocess.run([str(word) for word in command], text=True, timeout=300,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if run.returncode != 0:
        raise AssertionError(f"{command}: exit {run.returncode}\n{run.stdout}")
    return run.stdout


def package(name):
    found = list(MADE.glob(f"{name}_*.deb"))
    if len(found) != 1:
        raise AssertionError(f"{name}: {found}")
    return found[0]


def contents(name):
    """{path: (mode, owner, where a link leads)} of all but folders."""
    found = {}
    for line in say("dpkg-deb", "-c", package(name)).splitlines():
        mode, owner, _, _, _, path = line.split(None, 5)
        path, _, target = path.removeprefix(".").partition(" -> ")
        if not mode.startswith("d"):
            found[path] = (mode, owner, target)
    return found


def documented(name, *more):
    return {f"/usr/share/doc/{name}/{file}" for file in ("copyright", "changelog.gz", *more)}


def sdk_files():
    """What of the checkout's sdk/ is for authors."""
    found = {"README.md", "hookline-cc"}
    for folder in ("include", "lib", "hookline_cc", "examples"):
        found |= {path.relative_to(ROOT / "sdk").as_posix()
                  for path in (ROOT / "sdk" / folder).rglob("*")
                  if path.is_file() and "__pycache__" not in path.parts}
    return found


class Words(unittest.TestCase):
    """What a package says of itself."""

    def field(self, name, field):
        return say("dpkg-deb", "-f", package(name), field).strip()

    def test_names_versions_and_architectures(self):
        native = say("dpkg", "--print-architecture").strip()
        wanted = {"hookline": native, "hookline-sdk": "all"}
        if FOR_WINDOWS:
            wanted["hookline-wine"] = native
        self.assertEqual({path.name for path in MADE.glob("*.deb")},
                         {f"{name}_{VERSION}_{kind}.deb" for name, kind in wanted.items()})
        for name, kind in wanted.items():
            with self.subTest(name):
                self.assertEqual(self.field(name, "Package"), name)
                self.assertEqual(self.field(name, "Version"), VERSION)
                self.assertEqual(self.field(name, "Architecture"), kind)
                summary, *rest = self.field(name, "Description").splitlines()
                self.assertTrue(0 < len(summary) < 80 and len(rest) > 1, summary)
        newest = (ROOT / "packaging/debian/changelog").read_text().splitlines()[0]
        self.assertTrue(newest.startswith(f"hookline ({VERSION}) "), newest)

    def test_what_the_server_needs(self):
        needed = self.field("hookline", "Depends")
        for name in ("adduser", "libc6", "libstdc++6", "libfmt9", "libboost-json1.81.0",
                     "libtomlplusplus3", "libseccomp2", "libcap-ng0", "libmnl0"):
            self.assertRegex(needed, rf"(^|, ){re.escape(name)}( |,|$)")
        self.assertNotIn("wine", needed + self.field("hookline", "Recommends"))
        control = say("dpkg-deb", "-I", package("hookline"), "conffiles")
        self.assertEqual(control.split(), [CONFIG])

    def test_what_the_sdk_needs(self):
        needed = self.field("hookline-sdk", "Depends")
        for name in ("clang", "binutils", "python3"):
            self.assertRegex(needed, rf"(^|, ){name}( |,|$)")

    @unittest.skipUnless(FOR_WINDOWS, "no hookline-host.exe: there was no compiler for Windows")
    def test_what_the_host_for_windows_needs(self):
        self.assertEqual(self.field("hookline-wine", "Depends"), f"hookline (= {VERSION})")
        self.assertEqual(self.field("hookline-wine", "Recommends"), "wine64")

    def test_the_unit_that_the_guide_shows(self):
        unit = (ROOT / "packaging/hookline.service").read_text()
        page = (ROOT / "docs/operating.md").read_text()
        shown = re.search(r"```ini\n(?:#[^\n]*\n)?(.*?)```", page, re.S)
        self.assertEqual(shown[1], unit)


class Files(unittest.TestCase):
    """What is where."""

    def test_the_server(self):
        self.assertEqual(set(contents("hookline")), {
            "/usr/sbin/hookline", "/usr/libexec/hookline/hookline-host", CONFIG,
            "/lib/systemd/system/hookline.service", "/usr/share/man/man8/hookline.8.gz",
            *documented("hookline", *DOCS),
            *(f"/usr/share/doc/hookline/examples/{path.name}"
              for path in (ROOT / "examples").iterdir())})

    def test_the_sdk(self):
        found = contents("hookline-sdk")
        self.assertEqual(set(found), {
            "/usr/bin/hookline-cc", "/usr/share/man/man1/hookline-cc.1.gz",
            *documented("hookline-sdk"), *(f"/usr/share/hookline/sdk/{name}"
                                           for name in sdk_files())})
        self.assertEqual(found["/usr/bin/hookline-cc"][2], "../share/hookline/sdk/hookline-cc")

    @unittest.skipUnless(FOR_WINDOWS, "no hookline-host.exe: there was no compiler for Windows")
    def test_the_host_for_windows(self):
        self.assertEqual(set(contents("hookline-wine")), {
            "/usr/libexec/hookline/hookline-host.exe", *documented("hookline-wine")})

    def test_rights(self):
        programs = ("/usr/sbin/", "/usr/libexec/", "/usr/share/hookline/sdk/hookline-cc")
        for deb in MADE.glob("*.deb"):
            for path, (mode, owner, target) in contents(deb.name.partition("_")[0]).items():
                with self.subTest(path):
                    wanted = "-rwxr-xr-x" if path.startswith(programs) else "-rw-r--r--"
                    self.assertEqual((mode, owner),
                                     ("lrwxrwxrwx" if target else wanted, "root/root"))

    def unpacked(self):
        folder = Path(tempfile.mkdtemp(prefix="unpacked-", dir=MADE))
        folder.chmod(0o755)  # callouts are somebody else
        for deb in MADE.glob("*.deb"):
            say("dpkg-deb", "-x", deb, folder)
        return folder

    def test_programs_are_stripped(self):
        folder = self.unpacked()
        programs = [folder / "usr/sbin/hookline", *folder.glob("usr/libexec/hookline/*")]
        self.assertEqual(len(programs), 3 if FOR_WINDOWS else 2)
        for path in programs:
            if path.suffix != ".exe":
                self.assertNotIn(".symtab", say("readelf", "-SW", path))

    @unittest.skipUnless(FOR_WINDOWS, "no hookline-host.exe: there was no compiler for Windows")
    def test_the_host_for_windows_is_found(self):
        """Not on a machine to spoil: Wine's sandbox cannot be made in there."""
        if not os.path.exists("/usr/lib/wine/wine64"):
            self.skipTest("SKIPPED: no wine64")
        folder = self.unpacked()
        command = [folder / "usr/sbin/hookline", "callout", "check", "--packets", "20", "--budget",
                   "60s", "--timeout", "120s", BUILD / "windows/mac_filter.dll"]
        self.assertIn("clean", say(*command))
        (folder / "usr/libexec/hookline/hookline-host.exe").unlink()
        with self.assertRaisesRegex(AssertionError, r"hookline-host\.exe is not installed"):
            say(*command)

    def test_installing_without_packages_touches_nothing_outside_of_the_prefix(self):
        folder = MADE / "installed"
        say("env", f"DESTDIR={folder}", "cmake", "--install", BUILD, "--prefix", "/opt/hookline")
        found = {"/usr/" + path.relative_to(folder / "opt/hookline").as_posix()
                 for path in folder.rglob("*") if path.is_symlink() or path.is_file()}
        packed = set()
        for deb in MADE.glob("*.deb"):
            name = deb.name.partition("_")[0]
            packed |= set(contents(name)) - documented(name)
        self.assertEqual(found, packed - {CONFIG, "/lib/systemd/system/hookline.service"})


class Installed(unittest.TestCase):
    """On a machine with eth0, and a client on the same wire."""

    # What maintainer scripts ask of systemd goes to a file; it says that the server runs, or not.
    SYSTEMCTL = """#!/bin/sh
echo "$@" >>/run/systemctl.log
case "$*" in
  *is-active*) test -e /run/server-runs ;;
  *is-enabled*) echo disabled; exit 1 ;;
esac
"""

    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.close)
        server, client = self.lab.namespace("server"), self.lab.namespace("client")
        self.lab.wire(server, "eth0", client, "eth0")
        server.address("eth0", "10.77.0.1/24")
        self.wire = Wire(self.lab, client)
        self.machine = Machine(self.lab, server, ROOT)
        # Whoever has installed it on the real machine must see these tests pass, too.
        self.machine.must("dpkg --purge hookline-wine hookline hookline-sdk; "
                          "for user in hookline hookline-callouts; do userdel $user; done; "
                          "rm -rf /usr/sbin/policy-rc.d /etc/hookline /var/lib/hookline "
                          "/usr/local/sbin/hookline*; mkdir -p /root/debs; "
                          "ln -sf /bin/true /usr/bin/mandb")  # it takes seconds
        for deb in MADE.glob("*.deb"):
            shutil.copy(deb, self.inside("/root/debs"))

    def inside(self, path):
        return Path(f"/proc/{self.machine.pid}/root{path}")

    def install(self, *names):
        return self.machine.must("dpkg -i " + " ".join(f"{name}_{VERSION}_*.deb" for name in names),
                                 "/root/debs")

    def with_systemd(self):
        self.machine.write("/usr/bin/systemctl", self.SYSTEMCTL)
        self.machine.must("chmod 755 /usr/bin/systemctl; mkdir -p /run/systemd/system")

    def asked_of_systemd(self):
        log = self.inside("/run/systemctl.log")
        told = log.read_text() if log.exists() else ""
        self.machine.must("rm -f /run/systemctl.log")
        return told

    def newer(self, name, changes=""):
        """The package in its next version, with some changes to its files."""
        self.machine.must(f"dpkg-deb -R {name}_{VERSION}_*.deb new && cd new && "
                          f"{changes or 'true'} && cd .. && "
                          f"sed -i 's/^Version: .*/Version: {VERSION}.1/' new/DEBIAN/control && "
                          f"dpkg-deb -Znone -b new {name}_new.deb && rm -r new", "/root/debs")
        return f"/root/debs/{name}_new.deb"

    def configure(self, more=""):
        self.machine.write(CONFIG, SCOPE + more)

    def serve(self):
        """As the unit says."""
        unit = self.inside("/lib/systemd/system/hookline.service").read_text()
        self.machine.must(re.search(r"^ExecStartPre=(.*)", unit, re.M)[1])
        server = self.machine.start(re.search(r"^ExecStart=(.*)", unit, re.M)[1])

        def answers():
            self.assertTrue(server.running(), server.log())
            return self.machine.run("hookline status")[0] == 0
        wait_for("the server to answer", answers)
        return server

    def leases(self):
        return {lease["hw_address"]: lease["address"]
                for lease in json.loads(self.machine.must("hookline leases --format json"))}

    def come(self, mac="02:00:00:00:00:07"):
        return self.wire.dora(mac_bytes(mac)).yiaddr

    def is_there(self, path):
        return self.machine.run(f"ls -d {path}")[0] == 0

    def test_a_fresh_install_starts_and_enables_nothing(self):
        self.with_systemd()
        self.install("hookline", "hookline-sdk", *(["hookline-wine"] if FOR_WINDOWS else []))
        told = self.asked_of_systemd()
        self.assertIn("daemon-reload", told)
        self.assertNotRegex(told, r"start|enable")
        self.assertFalse(self.is_there(
            "/etc/systemd/system/multi-user.target.wants/hookline.service"))
        self.assertNotEqual(self.machine.run("pgrep -x hookline")[0], 0)
        said = self.machine.must(f"hookline check {CONFIG}")
        self.assertIn("no client will be served (warning)", said)
        self.assertIn("good: 0 scopes", said)
        for user in ("hookline", "hookline-callouts"):
            entry = self.machine.must(f"getent passwd {user}").strip().split(":")
            self.assertLess(int(entry[2]), 1000)
            self.assertEqual(entry[5:], ["/nonexistent", "/usr/sbin/nologin"])
        owner = self.machine.must(f"stat -c '%U:%G %a' {STATE} {CONFIG}").splitlines()
        self.assertEqual(owner, ["hookline:hookline 750", "root:root 644"])
        self.assertEqual(self.machine.must("dpkg --audit"), "")

    def test_the_unit_is_one_that_systemd_takes(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("SKIPPED: no systemd-analyze")
        self.install("hookline")
        self.assertEqual(self.machine.must("systemd-analyze verify --man=no "
                                           "/lib/systemd/system/hookline.service"), "")

    def test_a_life(self):
        """Serves with an isolated callout; is upgraded, removed, installed again, purged."""
        self.install("hookline", "hookline-sdk")
        self.machine.must("hookline-cc /usr/share/hookline/sdk/examples/audit/audit.c "
                          "/usr/share/hookline/sdk/examples/audit/audit.def -DUNICODE -D_UNICODE "
                          "-o /etc/hookline/audit.so")
        self.configure('[callouts]\ndlls = ["audit.so"]\n')
        server = self.serve()
        address = self.come()
        callout, = json.loads(self.machine.must("hookline callouts --format json"))[:1]
        self.assertEqual((callout["callout"], callout["host"]), ("audit.so", "isolated"), callout)
        users = self.machine.must("ps -C hookline,hookline-host -o user:20=").split()
        self.assertEqual(set(users), {"hookline", "hookline-callouts"}, server.log())
        self.assertEqual(self.leases(), {"02:00:00:00:00:07": address})

        self.machine.must("useradd -G hookline inside && useradd outside")
        self.machine.must("runuser -u inside -- hookline status")
        self.assertNotEqual(self.machine.run("runuser -u outside -- hookline status")[0], 0)

        # The running server minds no upgrade; what the operator wrote is kept without a question.
        self.machine.must(f"dpkg -i {self.newer('hookline')}")
        self.assertEqual(self.leases(), {"02:00:00:00:00:07": address})
        other = self.come("02:00:00:00:00:08")
        self.assertEqual(self.machine.stop(server), 0, server.log())
        self.assertIn("audit.so", self.inside(CONFIG).read_text())

        self.machine.must("dpkg --remove hookline")
        for gone in ("/usr/sbin/hookline", "/usr/libexec/hookline", "/usr/share/man/man8/hookline*",
                     "/lib/systemd/system/hookline.service"):
            self.assertFalse(self.is_there(gone), gone)
        self.assertIn("audit.so", self.inside(CONFIG).read_text())
        self.assertTrue(self.is_there(f"{STATE}/journal-*"))

        self.install("hookline")
        # As systemd does at each start to the StateDirectory of a unit without User.
        self.machine.must(f"chown -R root:root {STATE}")
        server = self.serve()
        self.assertEqual(self.leases(), {"02:00:00:00:00:07": address, "02:00:00:00:00:08": other})
        self.assertEqual(self.machine.stop(server), 0, server.log())

        self.machine.must("dpkg --purge hookline")
        self.assertFalse(self.is_there(STATE))
        self.assertFalse(self.is_there(CONFIG))
        self.assertTrue(self.is_there("/etc/hookline/audit.so"), "this is the operator's own")
        self.machine.must("getent passwd hookline hookline-callouts")
        self.machine.must("dpkg --purge hookline-sdk")
        self.assertFalse(self.is_there("/usr/share/hookline"))
        self.assertEqual(self.machine.run("dpkg -l 'hookline*' | grep ^[^p]i")[0], 1)

    def test_an_upgrade_restarts_what_runs_unless_it_would_not_start(self):
        self.install("hookline")
        self.configure()
        self.with_systemd()
        newer = self.newer("hookline")

        self.machine.must(f"dpkg -i {newer}")
        self.assertNotIn("restart", self.asked_of_systemd())

        self.machine.must("touch /run/server-runs")
        self.machine.must(f"dpkg -i {newer}")
        self.assertRegex(self.asked_of_systemd(), r"try-restart\b.* hookline\.service|"
                                                  r"restart\b.* hookline\.service")

        self.machine.write(CONFIG, SCOPE + "[nonsense]\n")
        said = self.machine.must(f"dpkg -i {newer}")
        self.assertIn("the server was not restarted", said)
        self.assertNotIn("restart", self.asked_of_systemd())

        self.machine.must("dpkg --remove hookline")
        told = self.asked_of_systemd()
        self.assertRegex(told, r"\bstop\b.*hookline\.service")
        self.assertIn("daemon-reload", told)

    def test_a_user_made_by_hand_is_kept(self):
        self.machine.must("useradd --system --home-dir /srv --shell /bin/false hookline")
        before = self.machine.must("getent passwd hookline")
        self.machine.must(f"mkdir {STATE} && chown hookline {STATE} && touch {STATE}/mine")
        self.install("hookline")
        self.assertEqual(self.machine.must("getent passwd hookline"), before)
        self.assertTrue(self.is_there(f"{STATE}/mine"))

    def test_a_new_example_of_the_configuration_asks_only_who_changed_it(self):
        self.install("hookline")
        newer = self.newer("hookline", f"echo '# newer' >>.{CONFIG}")
        self.machine.must(f"dpkg -i {newer}")
        self.assertIn("# newer", self.inside(CONFIG).read_text())
        self.configure()
        newer = self.newer("hookline", f"echo '# newest' >>.{CONFIG}")
        self.machine.must(f"dpkg --force-confold -i {newer}")
        self.assertEqual(self.inside(CONFIG).read_text(), SCOPE)
        self.assertIn("# newest", self.inside(f"{CONFIG}.dpkg-dist").read_text())


if __name__ == "__main__":
    lab.main()
