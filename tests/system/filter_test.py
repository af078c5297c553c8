#!/usr/bin/env -S python3 -B
"""The filter of the live server: rules that block and limit, and drivers."""

import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

import lab
from clients import Udhcpc
from lab import wait_for
from office import OfficeTest, config
from packets import DISCOVER, MESSAGE_TYPE, frame, message, options

MAC = bytes([2, 0, 0, 0, 7, 1])
OTHER = bytes([2, 0, 0, 0, 7, 2])


def discover(mac=MAC, xid=1):
    return message(mac, options((MESSAGE_TYPE, DISCOVER)), xid=xid)


def rule(text):
    return f"[[filter.rule]]\n{text}\n"


class Rules(OfficeTest):
    def test_a_blocked_client_is_heard_by_nobody(self):
        mac = "02:00:00:00:07:09"
        block = rule(f'action = "block"\nwhen = {{ remote-mac = "{mac}" }}')
        self.serve(config(more=block))
        blocked = self.host("blocked", mac=mac)
        Udhcpc(self.lab, blocked)
        wait_for("blocked frames", lambda: self.server.drops()["blocked_by_filter"] >= 2)
        self.assertEqual(blocked.addresses("eth0"), [])
        self.wire().dora(OTHER)  # another client does not notice
        # Without the rule the same client gets its lease.
        self.server.config.write_text(config())
        self.server.process.signal(signal.SIGHUP)
        wait_for("its lease", lambda: blocked.addresses("eth0"))

    def test_a_limit_for_each_client(self):
        self.serve(config(more=rule('action = "limit"\nrate = "1/h"\nburst = 3\nper = "mac"')))
        raw = self.wire()
        for xid in range(10):
            raw.send(frame(MAC, discover(xid=xid)))
        wait_for("seven of ten", lambda: self.server.drops()["blocked_by_filter"] == 7)
        self.assertEqual(self.server.ask("status")["counters"]["received"], {"discover": 3})

    def test_a_rule_for_an_interface_that_appears_later(self):
        self.serve(config(more=rule(
            'action = "block"\nwhen = { interface = "eth1" }')).replace('["eth0"]', '["*"]'))
        self.wire().dora(MAC)
        second = self.lab.switch("second")
        self.lab.plug(second, self.server_host, "eth1")
        self.server_host.address("eth1", "10.77.0.2/24")
        client = self.lab.namespace("late")
        self.lab.plug(second, client)
        Udhcpc(self.lab, client)
        wait_for("blocked frames", lambda: self.server.drops()["blocked_by_filter"] >= 1)
        self.assertEqual(client.addresses("eth0"), [])


SDK = Path(__file__).resolve().parents[2] / "sdk"
COUNT, ECHO, NEVER, PARAMETERS = 0x80002000, 0x80002004, 0x8000200C, 0x80002012


class Drivers(OfficeTest):
    """sample.c has a control device, a timer and work items; minimal.c a callout for frames."""

    @classmethod
    def setUpClass(cls):
        if not shutil.which("clang"):
            raise unittest.SkipTest("SKIPPED: hookline-cc needs clang")
        cls.folder = Path(tempfile.mkdtemp(prefix="hlt-filter-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        for name in ("sample", "minimal"):
            cls.build(f"{name}.so", "--driver", f"tests/drivers/{name}.c")
        cls.build("callout.so", "tests/callouts/loner.c")

    @classmethod
    def build(cls, name, *words):
        words = [word if word.startswith("-") else SDK / word for word in words]
        subprocess.run([SDK / "hookline-cc", *words, "-g", "-o", cls.folder / name, "--sdk-build",
                        cls.folder / "sdk"], check=True, timeout=180, capture_output=True)

    def driver(self, name, more=""):
        return f'[[filter.driver]]\npath = "{self.folder / name}"\n{more}\n'

    def sample(self, greeting, more=""):
        return self.driver("sample.so", f'{more}[filter.driver.parameters]\nIntervalMs = 5\n'
                                        f'Greeting = "{greeting}"')

    def ioctl(self, name, code, *data):
        """The answer's bytes."""
        answer = self.server.ask("ioctl", name, code, *data)
        self.assertEqual(answer["status"], 0, answer)
        return bytes.fromhex(answer["data"])

    def reload(self, text):
        self.server.config.write_text(text)
        return self.server.tell("reload")

    def rows(self, kind):
        return {row["name"]: row for row in self.server.ask("filter") if row["kind"] == kind}

    def test_it_is_seen_asked_reloaded_and_unloaded_while_clients_are_served(self):
        self.serve(config(more=self.sample("one") + self.driver("minimal.so")))
        raw = self.wire()
        raw.dora(MAC)
        callout = self.rows("callout")["minimal"]
        self.assertEqual(callout["driver"], "minimal")
        self.assertGreaterEqual(callout["calls"], 2)
        self.assertEqual(self.rows("filter")["minimal"]["hits"], callout["calls"])
        self.assertEqual(self.rows("driver")["sample"]["devices"],
                         [r"\Device\Sample", r"\DosDevices\Sample"])
        self.assertEqual(self.ioctl("sample", PARAMETERS, "00" * 64)[:5], b"one/5")
        self.assertEqual(self.ioctl(r"\\.\Sample", ECHO, "68656c6c6f"), b"hello")
        wait_for("ticks of its timer",
                 lambda: int.from_bytes(self.ioctl("sample", COUNT), "little") > 3)

        said = self.reload(config(more=self.sample("two")))
        self.assertIn("driver minimal unloaded", said)
        self.assertIn("driver sample loaded", said)
        self.assertEqual(self.ioctl("sample", PARAMETERS, "00" * 64)[:5], b"two/5")
        self.assertNotIn("minimal", self.rows("callout"))
        raw.dora(OTHER)
        self.assertIn("driver sample loaded", self.server.tell("filter", "reload"))
        self.assertIn('hookline_driver_breaches_total{driver="sample"} 0',
                      self.server.tell("metrics"))
        self.server.stop()
        self.assertIn("driver unloaded driver=sample breaches=0", self.server.process.log())

    def test_a_request_that_is_never_completed_keeps_nobody_waiting(self):
        self.serve(config(more=self.sample("x")))
        asking = self.lab.process(None, lab.HOOKLINE, "ioctl", "sample", hex(NEVER), "--control",
                                  self.server.control)
        wait_for("the request", lambda: "call=ioctl" in self.server.process.log())
        self.assertEqual(self.server.ask("status")["drivers"]["loaded"], ["sample"])
        self.wire().dora(MAC)
        self.assertTrue(asking.running())
        self.reload(config())  # its end cancels the request
        self.assertEqual(asking.wait(), 1)
        self.assertIn("STATUS_CANCELLED (0xC0000120)", asking.log())

    def test_bad_ones_are_refused_by_name(self):
        (self.folder / "text.so").write_text("some text")
        for name, why in (("nowhere.so", "No such file"), ("text.so", "not a library"),
                          ("callout.so", "it is a DHCP callout")):
            server = lab.Server(self.lab, self.server_host, config(more=self.driver(name)))
            self.assertEqual(server.launch().wait(), 1, name)
            self.assertRegex(server.process.log(), f"driver {name[:-3]}: .*{why}")
            run = subprocess.run([lab.HOOKLINE, "check", server.config], text=True,
                                 capture_output=True, timeout=30)
            self.assertEqual(run.returncode, 1)
            self.assertIn(why, run.stderr)

    def test_one_that_is_not_required_is_passed_over(self):
        bad = self.driver("nowhere.so", "required = false")
        self.serve(config(more=bad + self.sample("x")))
        self.wire().dora(MAC)
        drivers = self.server.ask("status")["drivers"]
        self.assertEqual(drivers["loaded"], ["sample"])
        self.assertEqual(len(drivers["missing"]), 1)
        self.assertEqual(self.rows("driver")["nowhere"]["state"], "gone")

    def test_a_driver_among_the_dhcp_callouts(self):
        self.serve(config(more=f'[callouts]\ndlls = ["{self.folder / "sample.so"}"]\n'))
        self.assertIn("[[filter.driver]]", self.server.process.log())


if __name__ == "__main__":
    lab.main()
