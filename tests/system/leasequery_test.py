#!/usr/bin/env -S python3 -B
"""LEASEQUERY (RFC 4388): a relay asks for what it has forgotten."""

import struct

import lab
from clients import Udhcpc
from office import OfficeTest, config
from packets import (LEASE_TIME, MESSAGE_TYPE, SERVER_ID, Wire, frame, mac_bytes, message,
                     options)

LEASEQUERY, UNASSIGNED, UNKNOWN, ACTIVE = 10, 11, 12, 13
PARAMETERS, LAST_TRANSACTION, BASE_TIME, STATE = 55, 91, 152, 156
RELAY = "10.77.0.2"
ALLOW = f'\n[leasequery]\nallow = ["{RELAY}"]\n'
NOBODY = bytes(6)


class LeaseQuery(OfficeTest):
    def setUp(self):
        super().setUp()
        self.relay = self.host("relay")
        self.relay.address("eth0", f"{RELAY}/24")
        self.wire = Wire(self.lab, self.relay)
        self.xid = 0

    def query(self, more=(), hardware=NOBODY, **fields):
        """As the relay sends it: from its address, by unicast. None: no answer came."""
        self.xid += 1
        named = any(hardware)
        payload = message(hardware, options((MESSAGE_TYPE, LEASEQUERY), *more), giaddr=RELAY,
                          htype=int(named), hlen=6 * named, xid=self.xid, **fields)
        self.wire.send(frame(self.wire.mac, payload, source=RELAY, to="10.77.0.1", source_port=67,
                             to_mac=mac_bytes(self.server_host.mac("eth0"))))
        return self.wire.reply_to(self.xid)

    def test_a_relay_learns_of_a_lease_in_each_way(self):
        self.serve(config(more=ALLOW))
        host = self.host(mac="02:00:00:00:0a:01")
        client = Udhcpc(self.lab, host)
        address = client.address()
        wanted = (PARAMETERS, bytes([LEASE_TIME, LAST_TRANSACTION, BASE_TIME, STATE]))
        for reply in (self.query([wanted], ciaddr=address),
                      self.query([wanted], hardware=mac_bytes("02:00:00:00:0a:01"))):
            self.assertEqual((reply.type, reply.ciaddr, reply.to), (ACTIVE, address, RELAY))
            self.assertEqual(reply.chaddr, mac_bytes("02:00:00:00:0a:01"))
            left, = struct.unpack("!I", reply.options[LEASE_TIME])
            self.assertTrue(3500 < left <= 3600, left)
            self.assertEqual(reply.options[STATE], bytes([2]))
            self.assertEqual(reply.options[SERVER_ID], bytes([10, 77, 0, 1]))

    def test_what_nobody_has(self):
        self.serve(config(more=ALLOW))
        self.assertEqual(self.query(ciaddr="10.77.0.101").type, UNASSIGNED)
        self.assertEqual(self.query(ciaddr="10.99.0.1").type, UNKNOWN)
        self.assertEqual(self.query(hardware=mac_bytes("02:00:00:00:0a:77")).type, UNKNOWN)

    def test_only_who_may_ask_is_answered(self):
        self.serve(config())
        self.assertIsNone(self.query(ciaddr="10.77.0.101"))
        lab.wait_for("the drop", lambda: self.server.drops()["leasequery_not_allowed"] == 1)


if __name__ == "__main__":
    lab.main()
