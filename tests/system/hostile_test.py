#!/usr/bin/env -S python3 -B
"""Malformed and hostile packets: each is counted under its reason, and the server goes on."""

import random
import struct

import lab
from lab import wait_for
from office import OfficeTest, config
from packets import (BROADCAST_MAC, CLIENT_ID, DISCOVER, MESSAGE_TYPE, OFFER, RELEASE, REQUEST,
                     REQUESTED, SERVER_ID, frame, mac_bytes, message, options)

MAC = bytes([2, 0, 0, 0, 8, 1])
DISCOVERY = options((MESSAGE_TYPE, DISCOVER))


def ask(opts=DISCOVERY, **how):
    return message(MAC, opts, **how)


# Reason in `hookline drops`, and the frames that it counts.
HOSTILE = {
    "not_a_request": [frame(MAC, ask(op=2)), frame(MAC, ask(op=0)), frame(MAC, ask(op=255))],
    "bad_hardware": [frame(MAC, ask(hlen=17)), frame(MAC, ask(hlen=255)), frame(MAC, ask(htype=0))],
    "bad_cookie": [frame(MAC, ask(cookie=b"abcd"))],
    "too_short": [frame(MAC, b"\1"), frame(MAC, ask()[:235])],
    "bad_options": [frame(MAC, ask(pad=0)[:240] + b"\x35"),
                    frame(MAC, ask(pad=0)[:240] + b"\x35\xc8\1"),
                    frame(MAC, ask(b"\x35\1\1" + b"\x0c\xff" + b"a" * 20, pad=0))],
    "bad_message_type": [frame(MAC, ask(options((MESSAGE_TYPE, number))))
                         for number in (0, 2, 5, 6, 100, 255)],
    "no_requested_address": [frame(MAC, ask(options((MESSAGE_TYPE, REQUEST))))],
    "no_scope_matches": [frame(MAC, ask(giaddr="203.0.113.9"), source="10.77.0.30",
                               source_port=67)],
    "not_the_bindings_client": [frame(MAC, ask(options((MESSAGE_TYPE, RELEASE),
                                                       (SERVER_ID, "10.77.0.1")),
                                               ciaddr="10.77.0.150"))],
    "bad_udp_checksum": [frame(MAC, ask(), udp_checksum=0x1234)],
    "bad_udp_length": [frame(MAC, ask(), udp_length=9999), frame(MAC, ask(), udp_length=3)],
    "bad_ip_header": [frame(MAC, ask(), ip_checksum=0x1234)],
    "fragment": [frame(MAC, ask(), fragment=0x2000)],
}


class Hostile(OfficeTest):
    def count(self, reason):
        return self.server.drops()[reason]

    def still_serves(self, wire):
        mac = bytes([2, 0]) + random.randbytes(4)
        self.assertTrue(wire.dora(mac).yiaddr.startswith("10.77.0."))

    def test_each_has_its_reason(self):
        self.serve()
        wire = self.wire()
        for reason, frames in HOSTILE.items():
            before = self.count(reason)
            for raw in frames:
                wire.send(raw)
            with self.subTest(reason):
                wait_for(f"{len(frames)} drops as {reason}, of {self.server.drops()}",
                         lambda: self.count(reason) - before == len(frames), 5)
        self.still_serves(wire)

    def test_a_payload_of_more_than_4096_bytes(self):
        for host, interface in ((self.server_host, "eth0"), (self.switch, "br0")):
            host.ip("link", "set", interface, "mtu", "9000")
        wire = self.wire("jumbo")
        self.lab.namespace("jumbo").ip("link", "set", "eth0", "mtu", "9000")
        self.switch.run("sh", "-c", "for i in /sys/class/net/*; do "
                        "ip link set ${i##*/} mtu 9000 2>/dev/null; done; true")
        self.serve()
        wire.send(frame(MAC, ask(pad=4097)))
        wait_for("the drop", lambda: self.count("too_large") == 1)
        self.assertEqual(wire.ask(ask(pad=4096, xid=8)).type, OFFER)
        self.still_serves(wire)

    def test_identifiers_of_0_and_255_bytes(self):
        self.serve()
        wire = self.wire()
        whole = bytes(range(255))
        offer = wire.ask(ask(options((MESSAGE_TYPE, DISCOVER), (CLIENT_ID, whole)), xid=3, pad=800))
        self.assertEqual(offer.options[CLIENT_ID], whole)
        wire.dora(bytes([2, 0, 0, 0, 8, 3]), (CLIENT_ID, b""))

    def test_ciaddr_in_a_discover_is_ignored(self):
        self.serve()
        offer = self.wire().ask(ask(ciaddr="10.77.0.66", xid=4))
        self.assertEqual((offer.type, offer.to_mac), (OFFER, MAC))
        self.assertNotEqual(offer.to, "10.77.0.66")

    def test_our_own_replies_reflected(self):
        self.serve()
        wire = self.wire()
        before = self.server.ask("status")["counters"]["packets_completed"]
        offer = wire.ask(ask(xid=5))
        server_mac = mac_bytes(self.server_host.mac("eth0"))
        payload = offer.payload
        wire.send(frame(server_mac, payload, source="10.77.0.1", source_port=67, port=67,
                        to_mac=BROADCAST_MAC))
        wire.send(frame(MAC, payload, source_port=67))
        wait_for("two drops", lambda: self.count("own_reply") + self.count("not_a_request") == 2)
        self.assertEqual(self.server.ask("status")["counters"]["packets_completed"], before + 1)

    def test_a_flood_of_random_hardware_addresses(self):
        """Nothing grows without bound, and a client that asks is served as soon as it is over."""
        self.serve(config(ranges="10.77.0.100-10.77.0.110", server="").replace(
            "lease-time", "# lease-time"))
        wire, source = self.wire(), random.Random(7)
        for _ in range(20000):
            mac = bytes([2]) + source.randbytes(5)
            wire.send(frame(mac, message(mac, DISCOVERY, xid=source.getrandbits(32))))
        self.assertTrue(self.server.process.running())
        held = self.server.ask("status")["offers"]
        self.assertLessEqual(held, 11)
        self.assertEqual(wire.dora(mac_bytes("02:00:00:00:00:07")).yiaddr, "10.77.0.7")

    def test_random_bytes(self):
        seed = random.getrandbits(32)
        print(f"seed {seed}", flush=True)
        self.serve()
        wire, source = self.wire(), random.Random(seed)
        valid = ask(options((MESSAGE_TYPE, REQUEST), (REQUESTED, "10.77.0.120"), (52, 3),
                            (82, b"x"), (55, bytes([1, 3, 6])), (61, b"\1abc")), pad=400)
        for _ in range(3000):
            payload = bytearray(valid[:source.randrange(1, len(valid))])
            for _ in range(source.randrange(8)):
                payload[source.randrange(len(payload))] = source.randrange(256)
            wire.send(frame(MAC, bytes(payload)))
            if source.random() < 0.1:
                raw = bytearray(frame(MAC, bytes(payload)))
                raw[source.randrange(14, 42)] = source.randrange(256)
                wire.send(bytes(raw[:source.randrange(14, len(raw) + 1)]))
        self.still_serves(wire)
        self.counters_add_up()

    def counters_add_up(self):
        def balanced():
            status = self.server.ask("status")
            counters = status["counters"]
            dropped = sum(row["count"] for row in self.server.ask("drops")
                          if row["dhcp_code"] is not None)
            return (counters["packets_entered"] ==
                    counters["packets_completed"] + dropped + status["packets_in_flight"])
        wait_for("entered == completed + dropped + in flight", balanced)

    def test_option_82_from_a_client_is_no_relay(self):
        """A truncated option 82 and an odd one neither crash nor confuse."""
        self.serve()
        wire = self.wire()
        for info in (b"", b"\1", b"\1\xff", struct.pack("BB", 1, 200) + b"x"):
            wire.send(frame(MAC, ask(options((MESSAGE_TYPE, DISCOVER), (82, info)), xid=66)))
        self.still_serves(wire)


if __name__ == "__main__":
    lab.main()
