#!/usr/bin/env -S python3 -B
"""Packet-callout drivers in the live server: the examples, and drivers that break the rules."""

import json
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

import lab
from clients import Dhclient, Udhcpc
from lab import wait_for
from office import WIDE, OfficeTest, config
from packets import (DISCOVER, HOSTNAME, MESSAGE_TYPE, Wire, checksum, frame, mac_bytes, message,
                     options)

SDK = Path(__file__).resolve().parents[2] / "sdk"
NEGATIVE = "tests/drivers/negative/"
EXAMPLES = {
    "delay": ["examples/delay/delay.c", "examples/delay/control.c"],
    "rewrite": ["examples/rewrite/rewrite.c", "examples/rewrite/message.c",
                "examples/rewrite/control.c"],
}
MAC = bytes([2, 0, 0, 0, 11, 1])
OTHER = bytes([2, 0, 0, 0, 11, 2])
DOMAIN_NAME = 15
GET_SETTINGS, SET_SETTINGS, GET_COUNTS = 0x122000, 0x122004, 0x122008
REWRITE_COUNTS = 0x122000


def negative(name, number=0):
    return [NEGATIVE + "negative.c", f"{NEGATIVE}{name}.c", f"-DNEGATIVE_NUMBER={number}"]


class Built:
    """Drivers of this run, each compiled when it is first asked for."""

    folder = None

    @classmethod
    def driver(cls, name, sources, *flags):
        if not shutil.which("clang"):
            raise unittest.SkipTest("SKIPPED: hookline-cc needs clang")
        if cls.folder is None:
            cls.folder = Path(tempfile.mkdtemp(prefix="hlt-drivers-"))
            unittest.addModuleCleanup(shutil.rmtree, cls.folder, True)
        made = cls.folder / f"{name}.so"
        if not made.exists():
            words = [word if word.startswith("-") else SDK / word for word in sources]
            subprocess.run([SDK / "hookline-cc", "--driver", *words, *flags, "-Wall", "-Wextra",
                            "-Werror", "-g", "-o", made, "--sdk-build", cls.folder / "sdk"],
                           check=True, timeout=180)
        return made


def discover(mac, xid=1):
    return frame(mac, message(mac, options((MESSAGE_TYPE, DISCOVER)), xid=xid))


def driver(path, name=None, required=True, **parameters):
    text = f'[[filter.driver]]\npath = "{path}"\nrequired = {str(required).lower()}\n'
    if name:
        text += f'name = "{name}"\n'
    values = "".join(f"{key} = {json.dumps(value)}\n" for key, value in parameters.items())
    return text + (f"[filter.driver.parameters]\n{values}" if values else "")


class Sniffer:
    """Counts the server's replies where they come out, on the other end of its wire."""

    def __init__(self, test):
        ports = json.loads(test.switch.ip("-j", "link", "show", "master", "br0"))
        self.socket = test.switch.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        self.socket.bind((ports[0]["ifname"], 3))
        self.socket.setblocking(False)
        test.lab.sockets.append(self.socket)
        self.server_mac = test.server_host.mac("eth0").replace(":", "")
        self.seen, self.bad = 0, 0

    def count(self):
        while True:
            try:
                raw, (_, _, kind, _, _) = self.socket.recvfrom(65536)
            except BlockingIOError:
                return self.seen
            outgoing = kind == socket.PACKET_OUTGOING
            if outgoing or raw[6:12].hex() != self.server_mac or raw[12:14] != b"\x08\x00":
                continue
            header = 14 + (raw[14] & 15) * 4
            if raw[23] == 17 and raw[header:header + 2] == b"\x00\x43":
                self.seen += 1
                self.bad += not checksums_are_right(raw)


def checksums_are_right(raw):
    header = (raw[14] & 15) * 4
    ip, udp = raw[14:14 + header], raw[14 + header:14 + struct.unpack("!H", raw[16:18])[0]]
    pseudo = ip[12:20] + struct.pack("!BBH", 0, 17, len(udp))
    return checksum(ip) == 0 and checksum(pseudo + udp) == 0


class DriverTest(OfficeTest):
    def setUp(self):
        super().setUp()
        self.sniffer = Sniffer(self)

    def place(self, name, sources=None, *flags):
        """Compiles a driver and puts it beside the configuration; returns its file's name."""
        made = Built.driver(name, sources or EXAMPLES[name], *flags)
        shutil.copy(made, self.lab.dir / made.name)
        (self.lab.dir / made.name).chmod(0o755)
        return made.name

    def rows(self, kind, **where):
        return [row for row in self.server.ask("filter") if row["kind"] == kind and
                all(row[key] == value for key, value in where.items())]

    def row(self, kind, **where):
        found = self.rows(kind, **where)
        self.assertEqual(len(found), 1, f"{kind} {where}: {found}")
        return found[0]

    def ioctl(self, name, code, data=b""):
        answer = self.server.ask("ioctl", name, hex(code), *([data.hex()] if data else []))
        self.assertEqual(answer["status"], 0, answer)
        return bytes.fromhex(answer["data"])

    def reconfigure(self, text):
        self.server.config.write_text(text)
        return self.server.tell("reload")

    def breaches(self):
        return [line for line in self.server.process.log().splitlines()
                if "driver broke a rule" in line]

    def end_clean(self):
        """Nothing may be left over, and no rule may have been broken."""
        self.server.stop()
        self.assertEqual(self.breaches(), [])


class Delay(DriverTest):
    COUNTS = "seen dropped overflow refused sent failed pending".split()

    def counts(self):
        numbers = struct.unpack("<14Q", self.ioctl(r"\\.\HooklineDelay", GET_COUNTS))
        return dict(zip(self.COUNTS, numbers[:7])), dict(zip(self.COUNTS, numbers[7:]))

    def set(self, in_ms=0, out_ms=0, in_percent=0, out_percent=0):
        self.ioctl(r"\\.\HooklineDelay", SET_SETTINGS,
                   struct.pack("<4L", in_ms, out_ms, in_percent, out_percent))

    def serve_delay(self, more="", base=config, **parameters):
        self.serve(base(more=more + driver(self.place("delay"), **parameters)))

    def settled(self):
        """The counts once nothing is on its way any more."""
        def ended():
            both = self.counts()
            return both if not any(one["pending"] for one in both) else None
        return wait_for("everything to end", ended)

    def test_stock_clients_get_leases_through_it(self):
        self.serve_delay(InboundDelayMs=20, OutboundDelayMs=30)
        self.assertEqual(self.ioctl(r"\\.\HooklineDelay", GET_SETTINGS),
                         struct.pack("<4L", 20, 30, 0, 0))
        udhcpc = Udhcpc(self.lab, self.host("udhcpc"))
        dhclient = Dhclient(self.lab, self.host("dhclient"))
        self.assertNotEqual(udhcpc.address(), dhclient.address())
        udhcpc.renew()
        inbound, outbound = self.settled()
        self.assertGreaterEqual(inbound["seen"], 5)
        self.assertGreaterEqual(outbound["seen"], 5)
        for one in (inbound, outbound):
            self.assertEqual(one["sent"], one["seen"], one)
        self.assertEqual(self.row("driver")["state"], "running")
        self.end_clean()

    def test_what_left_is_what_completed(self):
        self.serve_delay(InboundDelayMs=2, OutboundDelayMs=3, OutboundDropPercent=10, Seed=7)
        wire = self.wire()
        for number in range(40):
            mac = bytes([2, 0, 0, 0, 12, number])
            wire.send(discover(mac, number))
        inbound, outbound = self.settled()
        self.assertEqual(inbound["sent"], 40)
        handle = self.row("injection", driver="delay")
        self.assertEqual((handle["failed"], handle["refused"], handle["in_flight"]), (0, 0, 0))
        self.assertEqual(handle["mac_send"], outbound["sent"])
        self.assertEqual(handle["succeeded"], inbound["sent"] + outbound["sent"])
        self.assertEqual(outbound["seen"], outbound["sent"] + outbound["dropped"])
        self.assertGreater(outbound["dropped"], 0)
        wait_for("the frames", lambda: self.sniffer.count() >= outbound["sent"])
        self.assertEqual(self.sniffer.count(), outbound["sent"])
        self.assertEqual(self.sniffer.bad, 0)
        self.end_clean()

    def test_what_did_not_leave_completes_as_failed(self):
        """An MTU that a frame no longer fits when its time has come."""
        self.serve_delay(OutboundDelayMs=500)
        self.wire().send(discover(MAC, 1))
        wait_for("the offer to be held", lambda: self.counts()[1]["pending"] == 1)
        self.server_host.ip("link", "set", "eth0", "mtu", "200")
        _, outbound = self.settled()
        self.assertEqual((outbound["sent"], outbound["failed"]), (0, 1))
        self.assertEqual(self.row("injection", driver="delay")["failed"], 1)
        self.assertEqual(self.sniffer.count(), 0)
        # The server hears of it, too: its reply was what the driver had taken away.
        self.assertRegex(self.server.process.log(), r'reply not sent .*why="Message too long"')
        self.server_host.ip("link", "set", "eth0", "mtu", "1500")
        self.set()
        self.wire("second").dora(OTHER)
        self.end_clean()

    def test_its_numbers_can_be_changed_while_it_runs(self):
        self.serve_delay(OutboundDropPercent=100)
        wire = self.wire()
        self.assertTrue(wire.is_silent(message(MAC, options((MESSAGE_TYPE, DISCOVER)))))
        self.assertEqual(self.counts()[1]["dropped"], 1)
        answer = self.server.try_ask("ioctl", r"\\.\HooklineDelay", hex(SET_SETTINGS),
                                     struct.pack("<4L", 0, 0, 101, 0).hex())
        self.assertNotEqual(answer[0], 0)
        self.assertIn("STATUS_INVALID_PARAMETER", answer[1] + answer[2])
        self.set()
        wire.dora(MAC)
        self.end_clean()

    def test_unloading_under_traffic(self):
        with_delay = WIDE + driver(self.place("delay"), InboundDelayMs=1, OutboundDelayMs=1)
        self.serve(with_delay)
        load = self.lab.process(self.host("crowd"), lab.HOOKLINE, "load", "-i", "eth0", "--window",
                                "16", "--duration", "4s", "--tries", "10", "--timeout", "300ms",
                                "--json")
        wait_for("traffic", lambda: self.counts()[1]["seen"] > 50)
        rounds = 0
        while load.running():
            self.assertIn("delay unloaded", self.reconfigure(WIDE))
            self.assertEqual(self.rows("callout", driver="delay"), [])
            self.assertIn("delay loaded", self.reconfigure(with_delay))
            rounds += 1
        report = json.loads(load.log())
        self.assertGreater(rounds, 0)
        self.assertGreater(report["completed"], 0)
        self.assertEqual([report[name] for name in ("failed", "naks", "duplicate_addresses")],
                         [0, 0, 0], report)
        self.end_clean()

    def test_unloading_while_it_holds_frames(self):
        self.serve_delay(InboundDelayMs=60000)
        wire = self.wire()
        wire.send(discover(MAC, 1))
        wait_for("it to be held", lambda: self.counts()[0]["pending"] == 1)
        self.reconfigure(config())
        wire.dora(MAC)
        self.end_clean()

    def test_it_cannot_take_all_the_room_there_is(self):
        """As many frames as the server has buffers for are held: they must come out again."""
        self.serve_delay(base=lambda more: WIDE + more, InboundDelayMs=500, MaxPending=100000)
        wire = self.wire()
        for number in range(3000):
            wire.send(discover(bytes([2, 0, 0, 1, number >> 8, number & 255]), number))
        inbound, _ = self.settled()
        self.assertGreater(inbound["sent"], 0)
        self.set()
        wire.dora(MAC)
        self.end_clean()

    def test_stopping_the_server_while_it_holds_frames(self):
        self.serve_delay(InboundDelayMs=60000, OutboundDelayMs=60000)
        self.wire().send(discover(MAC))
        wait_for("a request to be held", lambda: self.counts()[0]["pending"] == 1)
        self.set(in_ms=0, out_ms=60000)
        self.wire("second").send(discover(OTHER))
        self.end_clean()

    def test_completions_inside_the_call(self):
        self.serve_delay(more='[filter]\ncompletion = "inline"\n', InboundDelayMs=5,
                         OutboundDelayMs=5)
        self.wire().dora(MAC)
        inbound, outbound = self.settled()
        self.assertEqual((inbound["sent"], outbound["sent"]), (2, 2))
        self.end_clean()

    def test_through_it_and_through_another_one(self):
        """Two drivers of different kinds: each sees what the other has injected, and lets it go."""
        self.serve(config(more=driver(self.place("delay"), InboundDelayMs=5, OutboundDelayMs=5) +
                          driver(self.place("rewrite"), DomainName="both.example")))
        ack = self.wire().dora(MAC)
        self.assertEqual(ack.options[DOMAIN_NAME], b"both.example")
        inbound, outbound = self.settled()
        self.assertEqual((inbound["sent"], outbound["sent"]), (2, 2))
        wait_for("two frames", lambda: self.sniffer.count() == 2)
        self.assertEqual(self.sniffer.bad, 0)
        self.end_clean()


class Rewrite(DriverTest):
    COUNTS = "taken changed done failed refused".split()

    def counts(self):
        numbers = struct.unpack("<10Q", self.ioctl(r"\\.\HooklineRewrite", REWRITE_COUNTS))
        return dict(zip(self.COUNTS, numbers[:5])), dict(zip(self.COUNTS, numbers[5:]))

    def check(self, replies_at, more=""):
        self.serve(config(more=more + driver(
            self.place("rewrite"), HostName="guest", ReplyLayer=replies_at,
            DomainName="a-longer-name-than-before.guests.example.org")))
        client = Udhcpc(self.lab, self.host(), "-x", "hostname:laptop")
        lease = client.lease()
        self.assertEqual(lease["domain"], "a-longer-name-than-before.guests.example.org")
        self.assertEqual(self.server.leases()[lease["ip"]]["hostname"], "guest")
        client.renew()  # unicast, both ways
        wait_for("the completions", lambda: self.counts()[1]["done"] == 3)
        for one in self.counts():
            self.assertEqual((one["taken"], one["changed"], one["done"]), (3, 3, 3), one)
        handle = self.row("injection", driver="rewrite")
        self.assertEqual((handle["transport_send"], handle["transport_receive"]), (3, 3))
        self.assertEqual((handle["succeeded"], handle["failed"]), (6, 0))
        wait_for("the frames", lambda: self.sniffer.count() >= 3)
        self.assertEqual((self.sniffer.count(), self.sniffer.bad), (3, 0))
        self.end_clean()

    def test_at_the_datagram_layer(self):
        self.check(replies_at=0)

    def test_replies_at_the_transport_layer(self):
        self.check(replies_at=1)

    def test_completions_inside_the_call(self):
        self.check(replies_at=0, more='[filter]\ncompletion = "inline"\n')

    def test_a_shorter_text_and_requests_without_the_option(self):
        self.serve(config(more=driver(self.place("rewrite"), HostName="h", DomainName="d")))
        wire = self.wire()
        self.assertEqual(wire.dora(MAC, (HOSTNAME, b"host")).options[DOMAIN_NAME], b"d")
        wire.dora(OTHER)
        hosts = {row["hw_address"]: row["hostname"] for row in self.server.leases().values()}
        self.assertEqual(hosts[MAC.hex(":")], "h")
        self.assertFalse(hosts[OTHER.hex(":")])
        requests, replies = self.counts()
        self.assertEqual((requests["taken"], requests["changed"]), (4, 2))
        self.assertEqual(replies["changed"], 4)
        self.end_clean()

    def test_replies_to_a_relay(self):
        """Unicast with a way to be found: first the kernel's socket sends, which asks for the
        relay's hardware address; then the server itself."""
        self.serve(config(more=driver(self.place("rewrite"), DomainName="relayed.example") +
                          driver(self.place("delay"), OutboundDelayMs=1)))
        relay = self.host("relay")
        relay.address("eth0", "10.77.0.9/24")
        self.server_host.ip("neighbour", "flush", "dev", "eth0")
        wire = Wire(self.lab, relay)
        how = {"to_mac": mac_bytes(self.server_host.mac("eth0")), "source": "10.77.0.9",
               "to": "10.77.0.1", "source_port": 67}
        for xid in range(1, 4):
            ask = message(MAC, options((MESSAGE_TYPE, DISCOVER)), xid=xid, giaddr="10.77.0.9",
                          hops=1)
            wire.send(frame(wire.mac, ask, **how))
            reply = wire.reply_to(xid)
            self.assertEqual((reply.to, reply.options[DOMAIN_NAME]),
                             ("10.77.0.9", b"relayed.example"))
        wait_for("the completions", lambda: self.counts()[1]["done"] == 3)
        self.assertEqual(self.sniffer.count(), 3)
        self.assertEqual(self.sniffer.bad, 0)
        self.end_clean()

    def test_unloading_under_traffic(self):
        rewriting = WIDE + driver(self.place("rewrite"), DomainName="x", HostName="y")
        self.serve(rewriting)
        load = self.lab.process(self.host("crowd"), lab.HOOKLINE, "load", "-i", "eth0", "--window",
                                "16", "--duration", "3s", "--tries", "10", "--timeout", "300ms",
                                "--json")
        wait_for("traffic", lambda: self.counts()[1]["taken"] > 50)
        while load.running():
            self.reconfigure(WIDE)
            self.reconfigure(rewriting)
        report = json.loads(load.log())
        self.assertEqual([report[name] for name in ("failed", "naks", "duplicate_addresses")],
                         [0, 0, 0], report)
        self.end_clean()


class Loading(DriverTest):
    def launch(self, text):
        """The server is expected to end at once: its exit status and log."""
        self.server = lab.Server(self.lab, self.server_host, text)
        process = self.server.launch()
        return process.wait(), process.log()

    def bad_files(self):
        (self.lab.dir / "text.so").write_text("no library\n")
        callout = self.lab.dir / "callout.so"
        subprocess.run([SDK / "hookline-cc", SDK / "examples/mac_filter/mac_filter.c", "-o",
                        callout, "--sdk-build", Built.folder / "sdk"], check=True, timeout=180)
        return {
            "absent.so": r"No such file",
            "text.so": r"not a library|invalid ELF|file too short",
            "callout.so": r"driver",
            "/etc": r"not a regular file",
            self.place("delay"): r"DriverEntry.*STATUS_INVALID_PARAMETER",
        }

    def test_a_required_driver_that_does_not_load_stops_the_start(self):
        self.place("delay")
        for path, why in self.bad_files().items():
            status, log = self.launch(config(more=driver(path, OutboundDropPercent=200)))
            self.assertEqual(status, 1, log)
            self.assertRegex(log, why)

    def test_the_server_starts_without_the_others(self):
        self.place("delay")
        bad = self.bad_files()
        text = "".join(driver(path, name=f"bad{number}", required=False, OutboundDropPercent=200)
                       for number, path in enumerate(bad))
        self.serve(config(more=text + driver(self.place("rewrite"), DomainName="here")))
        self.assertEqual(self.wire().dora(MAC).options[DOMAIN_NAME], b"here")
        for number, why in enumerate(bad.values()):
            row = self.row("driver", name=f"bad{number}")
            self.assertEqual(row["state"], "gone", row)
            self.assertRegex(row["why"], why)
        self.assertEqual(self.row("driver", name="rewrite")["state"], "running")
        self.end_clean()


class SanitizedServer(lab.Server):
    """The plain server, with the runtime of the drivers' compiler in it."""

    @staticmethod
    def runtime():
        """What has to be preloaded; nothing where the program has it already."""
        program = Path(lab.HOOKLINE).read_bytes()
        if b"__asan_report_load1" in program:
            return ""
        if b"__tsan_read1" in program:
            raise unittest.SkipTest("SKIPPED: the server is built with ThreadSanitizer")
        path = subprocess.run(["clang", "-print-file-name=libclang_rt.asan-x86_64.so"],
                              capture_output=True, text=True, check=True).stdout.strip()
        if not os.path.isabs(path):
            raise unittest.SkipTest("SKIPPED: clang has no AddressSanitizer as a library")
        return path

    def launch(self):
        self.process = self.lab.process(
            self.namespace, "env", f"LD_PRELOAD={self.runtime()}", "ASAN_OPTIONS=detect_leaks=0",
            lab.HOOKLINE, "serve", "--config", self.config, "--state-dir", self.state,
            "--control", self.control)
        return self.process


class Sanitized(DriverTest):
    """As docs/injection_guide.md says."""

    def serve_sanitized(self, text):
        self.server = SanitizedServer(self.lab, self.server_host, text).start()

    def test_drivers_that_are_right(self):
        self.serve_sanitized(config(more="".join(
            driver(self.place(f"{name}_asan", EXAMPLES[name], "--sanitize=address"), name=name,
                   DomainName="asan.example", OutboundDelayMs=5) for name in EXAMPLES)))
        client = Udhcpc(self.lab, self.host())
        self.assertEqual(client.lease()["domain"], "asan.example")
        client.renew()
        self.reconfigure(config())
        self.wire().dora(MAC)
        self.end_clean()
        self.assertNotIn("AddressSanitizer", self.server.process.log())

    def test_a_driver_that_overruns_its_memory(self):
        self.serve_sanitized(config(more=driver(
            self.place("overruns_asan", negative("overruns"), "--sanitize=address"))))
        self.wire().send(discover(MAC))
        self.assertNotEqual(self.server.process.wait(), 0)
        log = self.server.process.log()
        self.assertIn("AddressSanitizer: heap-buffer-overflow", log)
        # The server may not start the program that would know the lines: whoever reads does.
        if place := re.search(r"overruns_asan\.so\+(0x[0-9a-f]+)", log):
            log = lab.sh("addr2line", "-f", "-e", self.lab.dir / "overruns_asan.so", place[1])
        self.assertRegex(log, r"break_rule\b[^:]*overruns\.c:\d+")


if __name__ == "__main__":
    os.umask(0o022)
    lab.main()
