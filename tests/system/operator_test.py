#!/usr/bin/env -S python3 -B
"""What an operator does: check, reload, pause, look, trace, take leases away."""

import csv
import io
import re
import signal
import subprocess

import lab
from clients import Udhcpc
from lab import HOOKLINE, wait_for
from office import OfficeTest, config
from packets import DISCOVER, MESSAGE_TYPE, message, options

MAC = bytes([2, 0, 0, 0, 7, 1])
RFC3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"


def discover(mac=MAC, xid=1):
    return message(mac, options((MESSAGE_TYPE, DISCOVER)), xid=xid)


class Check(OfficeTest):
    def check(self, text):
        path = self.lab.dir / "checked.toml"
        path.write_text(text)
        run = subprocess.run([HOOKLINE, "check", path], text=True, capture_output=True, timeout=30)
        return run.returncode, run.stdout + run.stderr

    def test_a_good_file(self):
        self.assertEqual(self.check(config())[0], 0)

    def test_every_error_has_its_place(self):
        status, text = self.check(config(scope='lease-tyme = "1h"').replace(
            '"10.77.0.53"', '"10.77.0.530"'))
        self.assertEqual(status, 1)
        self.assertRegex(text, r"checked\.toml:\d+:\d+: .*lease-tyme")
        self.assertIn("lease-time", text)  # the nearest known key
        self.assertRegex(text, r"checked\.toml:\d+:\d+: .*10\.77\.0\.530")

    def test_callouts_that_could_not_be_loaded_are_warned_of(self):
        (self.lab.dir / "text.so").write_text("no library")
        (self.lab.dir / "short.dll").write_bytes(b"MZ")
        status, text = self.check(config() + '[callouts]\nhost = "in-process"\n' + "".join(
            f'[[callouts.dll]]\npath = "{name}"\n' for name in ("text.so", "gone.so", "short.dll")))
        self.assertIn('callout text.so: ', text)
        self.assertRegex(text, r"callout gone\.so: .*No such file or directory \(warning\)")
        self.assertIn("callout short.dll: ", text)
        self.assertEqual(text.count("(warning)"), 3, text)
        status, text = self.check(config() + '[callouts]\nenabled = false\ndlls = ["gone.so"]\n')
        self.assertEqual((status, text.count("(warning)")), (0, 0), text)

    def test_what_isolated_callouts_are_granted_is_looked_at(self):
        status, text = self.check(config() + '[callouts]\nuser = "root"\n[[callouts.dll]]\n'
                                  'path = "gone.so"\nreadable = ["/etc", "/no/such/list"]\n')
        self.assertEqual(status, 0, text)
        self.assertRegex(text, r"callouts may use /no/such/list, which is not there \(warning\)")
        self.assertRegex(text, r"isolated callouts run as root; .* useradd .*\(warning\)")
        self.assertEqual(text.count("(warning)"), 3, text)

    def test_broken_toml(self):
        status, text = self.check("[server\n")
        self.assertEqual(status, 1)
        self.assertRegex(text, r"checked\.toml:\d+:\d+: ")

    def test_overlapping_scopes(self):
        status, text = self.check(config() + '[[scope]]\nid = "b"\nsubnet = "10.77.0.128/25"\n')
        self.assertEqual(status, 1)
        self.assertRegex(text, r"checked\.toml:\d+:\d+: ")

    def test_the_server_does_not_start_on_it(self):
        server = lab.Server(self.lab, self.server_host, "[server]\ninterfacs = []\n")
        self.assertEqual(server.launch().wait(), 1)
        self.assertRegex(server.process.log(), r"\.toml:2:\d+: .*interfaces")


class Reload(OfficeTest):
    def test_a_good_file_is_taken(self):
        self.serve()
        raw = self.wire()
        self.assertLess(raw.dora(MAC).yiaddr, "10.77.0.201")
        self.server.config.write_text(config(ranges="10.77.0.220-10.77.0.230"))
        self.server.process.signal(signal.SIGHUP)
        wait_for("the new ranges", lambda: self.server.ask("scopes")[0]["total"] < 20)
        self.assertRegex(raw.dora(MAC[:5] + b"\2").yiaddr, r"10\.77\.0\.2[23]\d")

    def test_a_bad_file_changes_nothing(self):
        self.serve()
        self.server.config.write_text(config(scope='lease-tyme = "1h"'))
        self.server.process.signal(signal.SIGHUP)
        wait_for("the complaint", lambda: "lease-tyme" in self.server.process.log())
        self.assertTrue(self.server.process.running())
        self.wire().dora(MAC)


class Pause(OfficeTest):
    def test_pause_and_continue(self):
        self.serve()
        raw = self.wire()
        self.server.tell("pause")
        self.assertEqual(self.server.ask("status")["state"], "paused")
        self.assertTrue(raw.is_silent(discover()))
        self.assertEqual(self.server.drops()["paused"], 1)
        self.server.tell("continue")
        self.assertEqual(self.server.ask("status")["state"], "serving")
        raw.dora(MAC)

    def test_unauthorized(self):
        self.serve(config(server="authorized = false"))
        self.assertTrue(self.wire().is_silent(discover()))
        self.assertEqual(self.server.drops()["unauthorized"], 1)
        self.assertEqual(self.server.ask("status")["state"], "unauthorized")


class Look(OfficeTest):
    def test_leases_by_every_filter(self):
        self.serve()
        raw = self.wire()
        one, two = (raw.dora(MAC[:5] + bytes([i]), (61, b"\0id%d" % i)).yiaddr for i in (1, 2))
        self.assertEqual(set(self.server.leases()), {one, two})
        for words in (("--address", one), ("--hw-address", "02:00:00:00:07:01"),
                      ("--client-id", "hex:00696431")):
            self.assertEqual(set(self.server.leases(*words)), {one}, words)
        self.assertEqual(set(self.server.leases("--scope", "office", "--state", "active")),
                         {one, two})
        self.assertEqual(self.server.leases("--state", "released"), {})
        row = self.server.leases()[one]
        self.assertRegex(row["expiry"], f"^{RFC3339}$")
        self.assertRegex(row["start"], f"^{RFC3339}$")

    def test_the_formats(self):
        self.serve()
        address = self.wire().dora(MAC).yiaddr
        self.assertIn(address, self.server.tell("leases"))
        rows = list(csv.DictReader(io.StringIO(self.server.tell("leases", "--format", "csv"))))
        self.assertEqual([row["address"] for row in rows], [address])
        for what in ("status", "drops", "scopes"):
            self.assertTrue(self.server.tell(what).strip())
        scope, = self.server.ask("scopes")
        self.assertEqual((scope["id"], scope["active"], scope["total"]), ("office", 1, 102))

    def test_metrics_are_prometheus_text(self):
        self.serve()
        self.wire().dora(MAC)
        names = set()
        for line in self.server.tell("metrics").splitlines():
            if line and not line.startswith("#"):
                match = re.fullmatch(r'(\w+)(\{[^}]*\})? (-?[\d.]+(e[+-]?\d+)?|NaN)', line)
                self.assertTrue(match, line)
                names.add(match[1])
        self.assertTrue(any("drop" in name for name in names), names)

    def test_a_question_without_a_server(self):
        self.serve()
        self.server.stop()
        status, _, err = self.server.try_ask("status")
        self.assertNotEqual(status, 0)
        self.assertIn(str(self.server.control), err)


class Trace(OfficeTest):
    def test_it_says_what_and_why(self):
        self.serve()
        trace = self.lab.process(None, HOOKLINE, "trace", "02:00:00:00:07:01", "--control",
                                 self.server.control)
        raw = self.wire()
        wait_for("the trace to open", lambda: "following" in trace.log())
        address = raw.dora(MAC).yiaddr
        wait_for("the lease", lambda: address in trace.log())
        raw.dora(MAC[:5] + b"\x09")
        self.assertNotIn("07:09", trace.log())
        self.server.tell("pause")
        raw.is_silent(discover())
        wait_for("the reason", lambda: "paused" in trace.log())
        trace.signal(signal.SIGINT)
        trace.wait()


class TakeAway(OfficeTest):
    def test_release_and_delete(self):
        self.serve()
        raw = self.wire()
        address = raw.dora(MAC).yiaddr
        self.server.tell("lease", "release", address)
        self.assertEqual(self.server.leases()[address]["state"], "released")
        self.assertEqual(raw.dora(MAC).yiaddr, address)
        self.server.tell("lease", "delete", address)
        self.assertNotIn(address, self.server.leases())
        self.assertNotEqual(self.server.try_ask("lease", "delete", "10.77.0.199")[0], 0)
        self.server.restart()
        self.assertNotIn(address, self.server.leases())


class Help(OfficeTest):
    def test_help_everywhere(self):
        for words in ([], ["serve"], ["check"], ["status"], ["leases"], ["drops"], ["scopes"],
                      ["metrics"], ["trace"], ["lease"], ["pause"], ["continue"], ["journal"],
                      ["load"]):
            run = subprocess.run([HOOKLINE, *words, "--help"], text=True, capture_output=True,
                                 timeout=30)
            self.assertEqual(run.returncode, 0, words)
            self.assertTrue(run.stdout.strip(), words)
        run = subprocess.run([HOOKLINE, "dance"], text=True, capture_output=True, timeout=30)
        self.assertNotEqual(run.returncode, 0)


class LeastPrivilege(OfficeTest):
    def test_it_becomes_another_user(self):
        self.serve(config().replace('user = "root"', 'user = "nobody"'))
        status = open(f"/proc/{self.server.process.pid}/status").read()
        uid = re.search(r"^Uid:\s+(\d+)", status, re.M)[1]
        self.assertNotEqual(uid, "0")
        self.assertEqual(re.search(r"^NoNewPrivs:\s+(\d)", status, re.M)[1], "1")
        self.assertEqual(re.search(r"^Seccomp:\s+(\d)", status, re.M)[1], "2")
        address = Udhcpc(self.lab, self.host()).address()
        self.server.restart()
        self.assertIn(address, self.server.leases())


if __name__ == "__main__":
    lab.main()
