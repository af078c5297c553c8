#!/usr/bin/env -S python3 -B
"""Clients behind ISC's relay agent, with option 82."""

import lab
from clients import Relay, Udhcpc
from office import OfficeTest, config
from packets import (DISCOVER, MESSAGE_TYPE, OFFER, RELAY_INFO, frame, mac_bytes, message, options)

FAR = """
[[scope]]
id = "far"
subnet = "10.90.0.0/24"
ranges = ["10.90.0.50-10.90.0.60"]
[scope.options]
routers = ["10.90.0.1"]
[[scope]]
id = "farther"
subnet = "10.91.0.0/24"
ranges = ["10.91.0.50-10.91.0.60"]
"""


class Relayed(OfficeTest):
    def setUp(self):
        super().setUp()
        self.relay = self.host("relay")
        self.relay.address("eth0", "10.77.0.20/24")
        self.relay.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        for network in ("10.90.0.0/24", "10.91.0.0/24"):
            self.server_host.ip("route", "add", network, "via", "10.77.0.20")
        for name, interface, address in (("one", "eth1", "10.90.0.1/24"),
                                         ("two", "eth2", "10.91.0.1/24")):
            self.lab.wire(self.relay, interface, self.lab.namespace(name), "eth0")
            self.relay.address(interface, address)

    def test_each_wire_has_its_scope(self):
        self.serve(config(more=FAR))
        Relay(self.lab, self.relay, "10.77.0.1", ["eth1", "eth2"], "eth0")
        one = Udhcpc(self.lab, self.lab.namespace("one"))
        two = Udhcpc(self.lab, self.lab.namespace("two"))
        near = Udhcpc(self.lab, self.host())
        self.assertTrue(one.address().startswith("10.90.0."))
        self.assertTrue(two.address().startswith("10.91.0."))
        self.assertTrue(near.address().startswith("10.77.0."))
        self.assertEqual(one.lease()["router"].strip(), "10.90.0.1")
        rows = self.server.leases()
        self.assertEqual(rows[one.address()]["scope"], "far")
        self.assertTrue(rows[one.address()]["circuit_id"])
        self.assertNotEqual(rows[one.address()]["circuit_id"], rows[two.address()]["circuit_id"])
        self.assertIsNone(rows[near.address()]["circuit_id"])

    def test_renew_and_release_go_past_the_relay(self):
        self.serve(config(more=FAR))
        Relay(self.lab, self.relay, "10.77.0.1", ["eth1", "eth2"], "eth0")
        host = self.lab.namespace("one")
        client = Udhcpc(self.lab, host)
        address = client.address()
        host.ip("route", "add", "default", "via", "10.90.0.1")
        client.renew()
        self.assertEqual(client.address(), address)
        client.release()
        lab.wait_for("the release",
                     lambda: self.server.leases()[address]["state"] == "released")

    def test_a_relay_of_no_scope(self):
        self.serve(config())
        Relay(self.lab, self.relay, "10.77.0.1", ["eth1", "eth2"], "eth0")
        client = Udhcpc(self.lab, self.lab.namespace("one"))
        lab.wait_for("the drop", lambda: self.server.drops()["no_scope_matches"] > 0)
        self.assertEqual(client.count("bound"), 0)

    def test_option_82_comes_back_whole_and_last(self):
        self.serve(config(more=FAR))
        wire = self.wire()
        raw_host = self.lab.namespace("raw")
        raw_host.address("eth0", "10.77.0.30/24")
        # The relay's own address is on this host, so that the reply can be routed to it.
        raw_host.ip("address", "add", "10.90.0.9/32", "dev", "lo")
        self.server_host.ip("route", "add", "10.90.0.9/32", "via", "10.77.0.30")
        info = bytes([1, 250]) + bytes(range(250)) + bytes([9, 1, 7])
        payload = message(mac_bytes("02:00:00:00:06:01"), options(
            (MESSAGE_TYPE, DISCOVER), (RELAY_INFO, info)), giaddr="10.90.0.9", xid=9, hops=1)
        wire.send(frame(wire.mac, payload, source="10.90.0.9", to="10.77.0.1", source_port=67,
                        to_mac=mac_bytes(self.server_host.mac("eth0"))))
        offer = wire.reply_to(9)
        self.assertEqual(offer.type, OFFER)
        self.assertEqual((offer.to, offer.giaddr), ("10.90.0.9", "10.90.0.9"))
        self.assertTrue(offer.yiaddr.startswith("10.90.0."))
        self.assertEqual(offer.options[RELAY_INFO], info)
        self.assertEqual(list(offer.options)[-1], RELAY_INFO)


if __name__ == "__main__":
    lab.main()
