#!/usr/bin/env -S python3 -B
"""Stream callouts in the live server: the examples streamedit and monitor on connections of
leasequery, and drivers that break the rules of streams."""

import json
import shutil
import socket
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

import lab
from bulk_queries import ACTIVE, ACTIVE_QUERY, CONNECTION_ACTIVE, Requestor
from clients import Udhcpc
from lab import wait_for
from office import OfficeTest, config
from packets import mac_bytes

SDK = Path(__file__).resolve().parents[2] / "sdk"
NEGATIVE = "tests/drivers/negative/"
EXAMPLES = {
    "streamedit": [f"examples/streamedit/{name}.c"
                   for name in ("streamedit", "search", "outofband", "control")],
    "monitor": ["examples/monitor/monitor.c", "examples/monitor/control.c"],
}
RELAY = "10.77.0.2"
TCP = f'\n[leasequery]\nallow = ["{RELAY}"]\nlisten = "10.77.0.1:67"\n'
MAC = "02:00:00:00:0a:{:02x}"
GET = 0x122000


class Built:
    """Drivers of this run, each compiled when it is first asked for."""

    folder = None

    @classmethod
    def driver(cls, name, sources):
        if not shutil.which("clang"):
            raise unittest.SkipTest("SKIPPED: hookline-cc needs clang")
        if cls.folder is None:
            cls.folder = Path(tempfile.mkdtemp(prefix="hlt-drivers-"))
            unittest.addModuleCleanup(shutil.rmtree, cls.folder, True)
        made = cls.folder / f"{name}.so"
        if not made.exists():
            words = [word if word.startswith("-") else SDK / word for word in sources]
            subprocess.run([SDK / "hookline-cc", "--driver", *words, "-Wall", "-Wextra", "-Werror",
                            "-g", "-o", made, "--sdk-build", cls.folder / "sdk"],
                           check=True, timeout=180)
        return made


def driver(path, **parameters):
    values = "".join(f"{key} = {json.dumps(value)}\n" for key, value in parameters.items())
    return f'[[filter.driver]]\npath = "{path}"\n[filter.driver.parameters]\n{values}'


class StreamTest(OfficeTest):
    def setUp(self):
        super().setUp()
        self.relay = self.host("relay")
        self.relay.address("eth0", f"{RELAY}/24")

    def place(self, name, sources=None):
        made = Built.driver(name, sources or EXAMPLES[name])
        shutil.copy(made, self.lab.dir / made.name)
        (self.lab.dir / made.name).chmod(0o755)
        return made.name

    def clients(self, count, first=1):
        """So many stock clients with a lease; their addresses."""
        clients = [Udhcpc(self.lab, self.host(f"client{n}", mac=MAC.format(n)))
                   for n in range(first, first + count)]
        return [client.address() for client in clients]

    def connect(self, **how):
        return Requestor(self.lab, self.relay, **how)

    def ioctl(self, name):
        answer = self.server.ask("ioctl", name, hex(GET))
        self.assertEqual(answer["status"], 0, answer)
        return bytes.fromhex(answer["data"])

    def streams(self):
        row, = [row for row in self.server.ask("filter") if row["kind"] == "streams"]
        return row

    def reconfigure(self, text):
        self.server.config.write_text(text)
        return self.server.tell("reload")

    def breaches(self):
        return [line for line in self.server.process.log().splitlines()
                if "driver broke a rule" in line]

    def end_clean(self):
        self.server.stop()
        self.assertEqual(self.breaches(), [])


class StreamEdit(StreamTest):
    COUNTS = "seen replaced injected done failed aborted".split()

    def counts(self):
        numbers = struct.unpack("<6Q", self.ioctl(r"\\.\HooklineStreamEdit"))
        return dict(zip(self.COUNTS, numbers))

    def check(self, out_of_band, more=""):
        """A text in the leases' client ids becomes another of the same length: the frames keep
        theirs."""
        self.serve(config(more=TCP + more + driver(self.place("streamedit"), Find="before",
                                                   Replace="behind", OutOfBand=out_of_band)))
        for number in range(1, 4):
            client = Udhcpc(self.lab, self.host(f"client{number}", mac=MAC.format(number)),
                            "-x", f"0x3d:00{b'before'.hex()}{number:02x}")
            client.address()
        requestor = self.connect()
        leases = requestor.all(xid=3)
        ids = {bytes(answer.options[61]) for answer in leases}
        self.assertEqual(ids, {b"\0behind" + bytes([number]) for number in range(1, 4)})
        requestor.close()
        wait_for("the completions",
                 lambda: self.counts()["done"] == self.counts()["injected"])
        counts = self.counts()
        self.assertEqual((counts["replaced"], counts["failed"], counts["aborted"]), (3, 0, 0))
        wait_for("the end of the connection", lambda: self.streams()["open"] == 0)
        streams = self.streams()
        self.assertEqual(streams["injected"], counts["injected"])
        self.assertEqual((streams["ended"], streams["failed"]), (streams["injected"], 0))
        self.end_clean()

    def test_in_line(self):
        self.check(0)

    def test_out_of_band(self):
        self.check(1)

    def test_completions_inside_the_call(self):
        self.serve(config(more=TCP + '[filter]\ncompletion = "inline"\n' + driver(
            self.place("streamedit"), Find="before", Replace="behind", OutOfBand=1)))
        self.clients(2)
        requestor = self.connect()
        self.assertEqual(len(requestor.all(xid=3)), 2)
        requestor.close()
        self.end_clean()

    def test_the_queries_themselves(self):
        """Inbound: the server answers another query than was asked."""
        self.serve(config(more=TCP + driver(self.place("streamedit"), Directions=2,
                                            Find="\x0a\x01", Replace="\x0a\x02")))
        first, second = self.clients(2)
        requestor = self.connect()
        answer, = requestor.all(xid=4, mac=mac_bytes(MAC.format(1)))
        self.assertEqual(answer.ciaddr, second)
        self.assertNotEqual(first, second)
        requestor.close()
        self.end_clean()

    def test_unloading_and_loading_in_the_middle(self):
        """Nothing is lost or doubled on a connection that lives through it."""
        with_it = config(more=TCP + driver(self.place("streamedit"), Find="before",
                                           Replace="behind", OutOfBand=1))
        self.serve(with_it)
        addresses = self.clients(3)
        requestor = self.connect()
        requestor.ask(kind=ACTIVE_QUERY, xid=3)
        self.assertEqual(requestor.next().status, CONNECTION_ACTIVE)
        for number in range(3):
            self.assertIn("streamedit unloaded", self.reconfigure(config(more=TCP)))
            self.assertIn("streamedit loaded", self.reconfigure(with_it))
            address, = self.clients(1, first=20 + number)
            update = requestor.next()
            self.assertEqual((update.type, update.ciaddr), (ACTIVE, address))
        requestor.close()
        again = self.connect()
        self.assertEqual(len(again.all(xid=9)), len(addresses) + 3)
        again.close()
        self.end_clean()

    def test_stopping_the_server_with_connections_open(self):
        self.serve(config(more=TCP + driver(self.place("streamedit"), Find="before",
                                            Replace="behind", OutOfBand=1)))
        self.clients(1)
        requestor = self.connect()
        requestor.ask(kind=ACTIVE_QUERY, xid=3)
        self.assertEqual(requestor.next().status, CONNECTION_ACTIVE)
        self.end_clean()
        requestor.close()


class Negative(StreamTest):
    """Each breaks one rule; it is named, and the stream goes on as if it had not."""

    RULES = {
        "sets_no_action": r"in=.*classifyFn.*did not set actionType",
        "keeps_stream_clones": r"in=Fwps.*clone.* left",
        "mixes_ways": r"in=.*classifyFn.*in line and out of band in one stream",
        "mixes_calls": r"in=.*FwpsStreamInjectAsync0 and FwpsStreamContinue0 for one stream",
        "wants_ever_more": r"in=.*classifyFn.*NEED_MORE_DATA although there is no more",
        "enforces_too_much": r"in=.*classifyFn.*countBytesEnforced is more",
        "injects_another_length":
            r"in=FwpsStreamInjectAsync0 .*dataLength is not that of the chain",
        "discards_twice": r"in=FwpsDiscardClonedStreamData0 .*freed before",
        "continues_nothing": r"in=.*FwpsStreamContinue0 of a stream that it has not deferred",
        "injects_without_completion": r"in=FwpsStreamInjectAsync0 .*no completionFn",
    }

    def check(self, name):
        sources = [NEGATIVE + "streams.c", f"{NEGATIVE}{name}.c"]
        self.serve(config(more=TCP + driver(self.place(name, sources))))
        self.clients(3)
        requestor = self.connect()
        if name == "wants_ever_more":
            # Its bytes come with the end of the connection.
            requestor.ask(xid=3)
            requestor.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(len(requestor.until_done()[0]), 3)
        else:
            for xid in range(3, 6):
                self.assertEqual(len(requestor.all(xid=xid)), 3)
        requestor.close()
        self.assertIn(f"{name} unloaded", self.reconfigure(config(more=TCP)))
        again = self.connect()
        self.assertEqual(len(again.all(xid=9)), 3)
        again.close()
        self.server.stop()
        found = self.breaches()
        self.assertTrue(found)
        for line in found:
            self.assertIn(f"driver={name} ", line)
            self.assertRegex(line, self.RULES[name])


def add_negative(name):
    setattr(Negative, f"test_{name}", lambda self: self.check(name))


for rule in Negative.RULES:
    add_negative(rule)


class Monitor(StreamTest):
    LINE = struct.Struct("<QLHBBQQQQ")

    def flows(self):
        data = self.ioctl(r"\\.\HooklineMonitor")
        lines = [self.LINE.unpack_from(data, at) for at in range(0, len(data), self.LINE.size)]
        names = "id address port open ended received sent received_hash sent_hash".split()
        return [dict(zip(names, line)) for line in lines if line[0] != 0]

    def test_every_byte_is_seen(self):
        self.serve(config(more=TCP + driver(self.place("monitor"))))
        self.clients(3)
        requestor = self.connect()
        self.assertEqual(len(requestor.all(xid=3)), 3)
        flow, = self.flows()
        self.assertEqual(flow["open"], 1)
        requestor.close()
        wait_for("the context to be back", lambda: not self.flows()[0]["open"])
        flow, = self.flows()
        self.assertEqual(flow["address"], 0x0A4D0002)
        self.assertGreater(flow["sent"], 3 * 100)
        self.assertNotEqual(flow["ended"] & 1, 0)
        rows = self.relay.run(lab.HOOKLINE, "leasequery", "10.77.0.1", "--all", "--quiet")
        self.assertEqual(rows.strip(), "3")
        wait_for("the second", lambda: [f["open"] for f in self.flows()] == [0, 0])
        self.assertGreater(self.flows()[1]["sent"], 3 * 100)
        self.end_clean()

    def test_unloading_while_connections_are_open(self):
        self.serve(config(more=TCP + driver(self.place("monitor"))))
        self.clients(1)
        requestor = self.connect()
        self.assertEqual(len(requestor.all(xid=3)), 1)
        self.assertIn("monitor unloaded", self.reconfigure(config(more=TCP)))
        self.assertEqual(len(requestor.all(xid=4)), 1)
        requestor.close()
        self.end_clean()

    def test_behind_streamedit_it_sees_what_leaves(self):
        self.serve(config(more=TCP + driver(self.place("streamedit"), Find="before",
                                            Replace="behind", OutOfBand=1) +
                          driver(self.place("monitor"))))
        self.clients(3)
        requestor = self.connect()
        self.assertEqual(len(requestor.all(xid=3)), 3)
        requestor.close()
        wait_for("the end", lambda: self.flows() and not self.flows()[0]["open"])
        self.assertGreater(self.flows()[0]["sent"], 300)
        self.end_clean()


if __name__ == "__main__":
    lab.main()
