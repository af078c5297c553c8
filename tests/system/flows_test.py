#!/usr/bin/env -S python3 -B
"""Flows in the live server: the ALE layers, and the example driver that pends them."""

import json
import re
import struct

import lab
from bulk_queries import Requestor
from clients import Relay, Udhcpc
from drivers_test import DriverTest, driver
from lab import wait_for
from office import config
from packets import DISCOVER, MESSAGE_TYPE, Wire, frame, mac_bytes, message, options

GATE = ["examples/gate/gate.c", "examples/gate/control.c"]
COUNTS = "held allowed refused injected lost waiting".split()
GET_COUNTS = 0x122000
MAC = bytes([2, 0, 0, 0, 13, 1])
RELAY, STRANGER = "10.77.0.20", "10.77.0.30"
FAR = """
[[scope]]
id = "far"
subnet = "10.90.0.0/24"
ranges = ["10.90.0.50-10.90.0.60"]
"""
TCP = '\n[leasequery]\nallow = ["10.77.0.0/24"]\nlisten = "10.77.0.1:67"\n'


class Flows(DriverTest):
    def flows(self):
        return self.row("flows")

    def pended(self):
        """There is a row once there was a flow."""
        return sum(row["pended"] for row in self.rows("flows"))


class Gate(Flows):
    def serve_gate(self, more="", **parameters):
        self.serve(config(more=more + driver(self.place("gate", GATE), **parameters)))

    def counts(self):
        return dict(zip(COUNTS, struct.unpack("<6Q", self.ioctl("HooklineGate", GET_COUNTS))))

    def machine(self, name, address):
        host = self.host(name)
        host.address("eth0", f"{address}/24")
        return host

    def test_stock_clients_are_held_and_then_served(self):
        self.serve_gate(Allow="10.77.0.0/24", DelayMs=300)
        one, two = Udhcpc(self.lab, self.host("one")), Udhcpc(self.lab, self.host("two"))
        wait_for("one to be held", lambda: self.pended() > 0)
        self.assertNotEqual(one.address(), two.address())
        # Renewed from its address to the server's: of the flow that the answer to it has begun.
        before = self.counts()["held"]
        one.renew()
        counts = self.counts()
        self.assertEqual(counts["held"], before)
        self.assertEqual((counts["refused"], counts["lost"]), (0, 0))
        wait_for("the completions", lambda: self.counts()["injected"] == self.counts()["allowed"])
        flows = self.flows()
        self.assertGreaterEqual(flows["udp"], 2)
        self.assertGreaterEqual(flows["pended_in_all"], 2)
        self.assertEqual(flows["pended"], 0)
        layers = {row["name"]: row for row in self.rows("layer")}
        self.assertGreater(layers["ALE_AUTH_RECV_ACCEPT_V4"]["absorbed"], 0)
        self.assertIn('hookline_filter_flows{protocol="udp"}', self.server.tell("metrics"))
        self.assertEqual(self.sniffer.bad, 0)
        self.end_clean()

    def test_clients_without_an_address_are_refused(self):
        self.serve_gate(Allow="10.77.0.0/24", RefuseUnconfigured=1)
        wire = self.wire()
        asked = message(MAC, options((MESSAGE_TYPE, DISCOVER)))
        self.assertTrue(wire.is_silent(asked))
        wait_for("the decision", lambda: self.counts()["refused"] == 1)
        # Refused once for all of them: the next one is not held any more.
        self.assertTrue(wire.is_silent(asked))
        self.assertEqual(self.counts()["held"], 1)
        self.assertEqual(self.server.drops()["blocked_by_filter"], 1)
        self.assertEqual(self.server.drops()["absorbed_by_filter"], 1)
        self.assertEqual(self.flows()["refused_flows"], 1)
        self.end_clean()

    def test_a_stock_relay_that_is_allowed_and_one_that_is_not(self):
        relay, stranger = self.machine("relay", RELAY), self.machine("stranger", STRANGER)
        relay.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        stranger.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.server_host.ip("route", "add", "10.90.0.0/24", "via", RELAY)
        for host, name in ((relay, "near"), (stranger, "lost")):
            self.lab.wire(host, "eth1", self.lab.namespace(name), "eth0")
            host.address("eth1", "10.90.0.1/24")
        self.serve_gate(more=FAR, Allow=f"{RELAY}, 10.90.0.1")
        Relay(self.lab, relay, "10.77.0.1", ["eth1"], "eth0")
        self.assertTrue(Udhcpc(self.lab, self.lab.namespace("near")).address()
                        .startswith("10.90.0."))
        self.server.stop()
        self.server = None
        self.serve_gate(more=FAR, Allow=RELAY.replace("20", "99"))
        client = Udhcpc(self.lab, self.lab.namespace("lost"))
        Relay(self.lab, stranger, "10.77.0.1", ["eth1"], "eth0")
        wait_for("it to be refused", lambda: self.counts()["refused"] > 0)
        wait_for("more of it to be dropped",
                 lambda: self.server.drops().get("blocked_by_filter", 0) > 1)
        self.assertEqual(client.count("bound"), 0)
        self.end_clean()

    def test_what_is_refused_does_not_hinder_others(self):
        self.serve_gate(Allow=RELAY)
        stranger = Wire(self.lab, self.machine("stranger", STRANGER))
        asked = message(MAC, options((MESSAGE_TYPE, DISCOVER)), ciaddr=STRANGER, xid=9)
        server_mac = mac_bytes(self.server_host.mac("eth0"))
        for _ in range(3):
            stranger.send(frame(stranger.mac, asked, source=STRANGER, to="10.77.0.1",
                                to_mac=server_mac))
        wait_for("the refusal", lambda: self.counts()["refused"] >= 1)
        self.wire().dora(MAC)
        self.end_clean()

    def test_unloading_while_it_holds_packets(self):
        self.serve_gate(Allow="10.77.0.0/24", DelayMs=500)
        wire = self.wire()
        for number in range(20):
            wire.send(frame(MAC, message(MAC, options((MESSAGE_TYPE, DISCOVER)), xid=number + 1)))
        wait_for("them to be held", lambda: self.pended() > 5)
        self.assertIn("gate unloaded", self.reconfigure(config()))
        self.assertEqual(self.flows()["pended"], 0)
        wire.dora(MAC)
        self.end_clean()

    def test_stopping_the_server_while_it_holds_packets(self):
        self.serve_gate(Allow="10.77.0.0/24", DelayMs=500)
        wire = self.wire()
        for number in range(5):
            wire.send(frame(MAC, message(MAC, options((MESSAGE_TYPE, DISCOVER)), xid=number + 1)))
        wait_for("them to be held", lambda: self.pended() > 0)
        self.end_clean()

    def test_connections_are_held_and_decided(self):
        self.serve_gate(more=TCP, Allow=RELAY, DelayMs=300)
        relay, stranger = self.machine("relay", RELAY), self.machine("stranger", STRANGER)
        Udhcpc(self.lab, self.host()).address()
        before = self.counts()
        rows = relay.run(lab.HOOKLINE, "leasequery", "10.77.0.1", "--all", "--json")
        self.assertEqual(json.loads(rows)["state"], "active")
        self.assertEqual(self.counts()["allowed"], before["allowed"] + 1)
        # Refused: closed without an answer.
        stranger.run(lab.HOOKLINE, "leasequery", "10.77.0.1", "--all", check=False)
        self.assertEqual(self.counts()["refused"], before["refused"] + 1)
        wait_for("the connections to end", lambda: self.flows()["tcp"] == 0)
        requestor = Requestor(self.lab, relay)
        self.assertEqual(len(requestor.all(xid=5)), 1)
        self.assertEqual(self.flows()["tcp"], 1)
        requestor.close()
        self.end_clean()


class Rules(Flows):
    """One broken rule each: it is named in the log and counted, and clients are served all along,
    or once the driver is unloaded."""

    # What the log says, each once or more, and nothing else.
    RULES = {
        "pends_without_absorbing": [r"in=.*classifyFn.*did not absorb: absorbed"],
        "completes_twice": [r"in=FwpsCompleteOperation0 .*completed before"],
        "keeps_pended": [r"in=DriverUnload .*left 1 pended operation; completed"],
        "pends_elsewhere": [r"in=FwpsPendOperation0 .*outside the classifyFn"],
        "context_of_zero": [r"in=FwpsFlowAssociateContext0 .*context of 0"],
        "context_without_delete": [r"in=FwpsFlowAssociateContext0 .*no flowDeleteFn"],
        "keeps_contexts": [r"in=DriverUnload .*left 1 registered callout",
                           r"in=DriverUnload .*left \d flow contexts?; removed"],
        "blocks_established": [r"in=.*classifyFn.*blocked at ALE_FLOW_ESTABLISHED"],
        "keeps_classify_handle": [r"in=DriverUnload .*left \d classify handles?; removed"],
    }

    def check(self, name):
        folder = "tests/drivers/negative/"
        made = self.place(name, [folder + "flows.c", f"{folder}{name}.c"])
        self.serve(config(more=driver(made)))
        wire = self.wire()
        asked = message(MAC, options((MESSAGE_TYPE, DISCOVER)))
        wire.send(frame(MAC, asked))
        wait_for("it to be asked", lambda: self.row("callout")["calls"] > 0)
        if name != "blocks_established":
            wire.dora(MAC)
        said = self.reconfigure(config())
        self.assertIn(f"{name} unloaded", said)
        Udhcpc(self.lab, self.host()).address()
        flows = self.flows()
        self.assertEqual((flows["contexts"], flows["pended"]), (0, 0))
        self.server.stop()
        found = self.breaches()
        for line in found:
            self.assertIn(f"driver={name} ", line)
            self.assertTrue(any(re.search(like, line) for like in self.RULES[name]), line)
        for like in self.RULES[name]:
            self.assertRegex("\n".join(found), like)


for rule in Rules.RULES:
    setattr(Rules, f"test_{rule}", lambda self, rule=rule: self.check(rule))


if __name__ == "__main__":
    lab.main()
