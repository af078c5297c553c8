#!/usr/bin/env -S python3 -B
"""Callouts in the real server: loaded as configured, told every event, reloaded under traffic."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import lab
from clients import Udhcpc
from lab import wait_for
from office import WIDE, OfficeTest, config
from packets import DISCOVER, MESSAGE_TYPE, message, options

SDK = Path(__file__).resolve().parents[2] / "sdk"
UNICODE = ["-DUNICODE", "-D_UNICODE"]
EXAMPLES = {
    "audit.so": ["examples/audit/audit.c", "examples/audit/audit.def", *UNICODE],
    "mac_filter.so": ["examples/mac_filter/mac_filter.c"],
    "failing.so": ["tests/callouts/failing.cpp", *UNICODE],
}
AUDIT = '[callouts]\ndlls = ["audit.so"]\n'
KEY = r"[HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\DHCPServer\Parameters]"
REFUSED = bytes([2, 0, 0, 0, 8, 1])
SERVED = bytes([2, 0, 0, 0, 9, 1])


def multi_sz(*names):
    """As regedit writes it: hex(7) of UTF-16, in lines that end with a backslash."""
    raw = ("\0".join(names) + "\0\0").encode("utf-16-le")
    digits = [f"{byte:02x}" for byte in raw]
    return "hex(7):" + ",\\\r\n  ".join(
        ",".join(digits[at:at + 20]) for at in range(0, len(digits), 20))


class CalloutTest(OfficeTest):
    built = None

    @classmethod
    def setUpClass(cls):
        if not shutil.which("clang"):
            raise unittest.SkipTest("hookline-cc needs clang")
        cls.built = Path(tempfile.mkdtemp(prefix="hlt-callouts-"))
        cls.addClassCleanup(shutil.rmtree, cls.built, True)
        for name, arguments in EXAMPLES.items():
            sources = [word if word.startswith("-") else SDK / word for word in arguments]
            subprocess.run([SDK / "hookline-cc", *sources, "-o", cls.built / name, "--sdk-build",
                            cls.built / "sdk"], check=True, timeout=120)

    def setUp(self):
        super().setUp()
        for name in EXAMPLES:
            shutil.copy(self.built / name, self.lab.dir / name)
            (self.lab.dir / name).chmod(0o755)

    def lines(self, event=None):
        """What callouts wrote into the log: (event, text)."""
        found = re.findall(r' callout source=\S+ event=(\d+) text="?(.*?)"?$',
                           self.server.process.log(), re.M)
        return [text for number, text in found if event in (None, int(number))]

    def write_registry(self, encoding, *values):
        lines = ["Windows Registry Editor Version 5.00", "", KEY, *values, ""]
        (self.lab.dir / "exported.reg").write_bytes("\r\n".join(lines).encode(encoding))


class Events(CalloutTest):
    def test_the_audit_example_sees_a_lease_from_beginning_to_end(self):
        self.serve(config(more=AUDIT))
        client = Udhcpc(self.lab, self.host())
        address = client.address()
        client.release()
        wait_for("the release", lambda: f"{address} released" in self.lines(120))
        wait_for("its end", lambda: len(self.lines(111)) == 3)
        self.server.stop()
        seen = [re.sub(r"\d+ bytes.*|, with a host name", "", line) for line in self.lines()]
        ended = "dropped: PROCESSED"
        self.assertEqual(seen[:-1], [
            "service START",
            "packet of ", "message type 1", "reply of ", ended,
            "packet of ", "message type 3", f"{address} leased for 3600 s, new, DHCP", "reply of ",
            ended,
            "packet of ", "message type 7", f"{address} released", f"{address} is free again",
            ended,
            "service STOP"])

    def test_pause_and_continue_reach_it(self):
        self.serve(config(more=AUDIT))
        self.server.tell("pause")
        wait_for("PAUSE", lambda: "service PAUSE" in self.lines(100))
        raw = self.wire()
        self.assertTrue(raw.is_silent(message(SERVED, options((MESSAGE_TYPE, DISCOVER)))))
        wait_for("the packet's end", lambda: len(self.lines(111)) == 2)
        self.assertEqual(self.lines(111), ["dropped: PAUSED", "dropped: PROCESSED"])
        self.server.tell("continue")
        wait_for("CONTINUE", lambda: "service CONTINUE" in self.lines(100))
        raw.dora(SERVED)


class Loading(CalloutTest):
    def test_what_cannot_be_loaded_never_stops_the_server(self):
        (self.lab.dir / "text.so").write_text("no library\n")
        self.serve(config(more="".join(
            f'[[callouts.dll]]\npath = "{name}"\n'
            for name in ("absent.so", "text.so", "failing.so", "/etc", "audit.so"))))
        self.wire().dora(SERVED)
        log = self.server.process.log()
        for name, why in (("absent.so", "No such file"), ("text.so", "not a library"),
                          ("failing.so", "ERROR_ACCESS_DENIED"), ("/etc", "not a regular file")):
            self.assertRegex(log, rf"error .*event=1034 callout={name} .*{why}")
        self.assertRegex(log, r"info .*event=1033 callout=audit.so")
        status = self.server.ask("status")["callouts"]
        self.assertEqual(status["loaded"], ["audit.so"])
        self.assertEqual(len(status["missing"]), 4)
        self.assertIn("NOT LOADED", self.server.tell("status"))

    def test_they_are_loaded_with_the_privileges_that_the_server_keeps(self):
        (self.lab.dir / "audit.so").chmod(0)
        self.serve(config(more=AUDIT).replace('user = "root"', 'user = "nobody"'))
        self.assertRegex(self.server.process.log(),
                         r"event=1034 callout=audit.so .*ermission denied")
        (self.lab.dir / "audit.so").chmod(0o644)
        self.assertEqual(self.server.tell("callouts", "reload").strip(), "loaded: audit.so")
        self.wire().dora(SERVED)
        wait_for("the lease", lambda: self.lines(121))

    def test_a_shop_that_moves_brings_its_registry(self):
        (self.lab.dir / "list.txt").write_text("deny 02:00:00:00:08:*\ndefault allow\n")
        for encoding in ("utf-16", "utf-8-sig", "utf-8"):
            path = str(self.lab.dir / "list.txt")
            self.write_registry(
                encoding, '"CalloutEnabled"=dword:00000001',
                '"CalloutDlls"=' + multi_sz("C:\\Windows\\System32\\MacFilter.dll"),
                f'"MacFilterList"="{path}"')
            self.serve(config(more='[callouts]\nregistry = "exported.reg"\n'
                              'map = { "c:\\\\windows\\\\system32\\\\macfilter.dll" = '
                              '"mac_filter.so" }\n'))
            raw = self.wire(f"raw-{encoding}")
            raw.dora(SERVED)
            self.assertTrue(raw.is_silent(message(REFUSED, options((MESSAGE_TYPE, DISCOVER)))))
            self.assertEqual(self.server.drops()["refused_by_callout"], 1)
            rows = {row["hook"]: row for row in self.server.ask("callouts")}
            self.assertEqual(rows["DhcpNewPktHook"]["refused"], 1)
            self.assertEqual(rows["DhcpNewPktHook"]["calls"], 3)
            self.assertIn('hookline_callout_refused_total{callout="', self.server.tell("metrics"))
            self.server.stop()

    def test_the_dlls_chain_among_themselves(self):
        """audit calls what stands behind it, which gets its settings from the server as well."""
        (self.lab.dir / "list.txt").write_text("deny 02:00:00:00:08:*\ndefault allow\n")
        self.write_registry("utf-16", '"CalloutDlls"=' + multi_sz("mac_filter.dll", "audit.dll"),
                            f'"MacFilterList"="{self.lab.dir}/list.txt"')
        self.serve(config(more='[callouts]\nenabled = true\nregistry = "exported.reg"\n'))
        self.assertEqual(self.server.ask("status")["callouts"]["loaded"], ["audit.dll"])
        raw = self.wire()
        self.assertTrue(raw.is_silent(message(REFUSED, options((MESSAGE_TYPE, DISCOVER)))))
        wait_for("audit to see the end", lambda: len(self.lines(111)) == 2)
        self.assertEqual(self.lines(111), ["dropped: GEN_FAILURE", "dropped: PROCESSED"])
        raw.dora(SERVED)


class Reload(CalloutTest):
    def test_a_reload_of_the_configuration_says_what_applies_it(self):
        self.serve(config())
        self.assertEqual(self.server.tell("callouts").strip(), "no callouts")
        self.server.config.write_text(config(more=AUDIT))
        self.assertIn("hookline callouts reload", self.server.tell("reload"))
        self.assertEqual(self.server.tell("callouts").strip(), "no callouts")
        self.assertEqual(self.server.tell("callouts", "reload").strip(), "loaded: audit.so")
        self.assertEqual(len(self.server.ask("callouts")), 8)
        self.wire().dora(SERVED)
        wait_for("the lease", lambda: self.lines(121))
        self.server.config.write_text(config())
        self.server.tell("reload")
        self.assertEqual(self.server.tell("callouts", "reload").strip(), "no callout is loaded")
        self.assertEqual(self.lines(100), ["service START", "service STOP"])

    def test_no_packet_is_lost_under_traffic(self):
        # In process, where every line that it reports is logged.
        self.serve(WIDE + AUDIT + 'host = "in-process"\n')
        crowd = self.host("crowd")
        # Tried once: what is lost is a failure.
        load = self.lab.process(crowd, lab.HOOKLINE, "load", "-i", "eth0", "--window", "8",
                                "--duration", "3s", "--tries", "1", "--timeout", "10s", "--json")
        reloads = 0
        wait_for("the load to begin", lambda: self.lines(121))
        while load.running():
            self.assertEqual(self.server.tell("callouts", "reload").strip(), "loaded: audit.so")
            reloads += 1
        report = json.loads(load.log())
        self.assertGreater(reloads, 3)
        self.assertEqual([report[name] for name in ("failed", "abandoned", "naks", "unexpected")],
                         [0, 0, 0, 0], report)
        self.assertGreater(report["completed"], 0)
        self.server.stop()
        # START before the first packet, STOP after the last, each time.
        self.check_order()

    def check_order(self):
        inside = 0
        running = False
        for line in self.lines():
            if line == "service START":
                self.assertFalse(running)
                running = True
            elif line == "service STOP":
                self.assertTrue(running)
                self.assertEqual(inside, 0, "a packet had not ended")
                running = False
            elif not line.endswith(" events"):
                self.assertTrue(running, line)
                inside += line.startswith("packet of ")
                inside -= line == "dropped: PROCESSED"
        self.assertFalse(running)


if __name__ == "__main__":
    os.umask(0o022)
    lab.main()
