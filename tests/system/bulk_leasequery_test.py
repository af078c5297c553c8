#!/usr/bin/env -S python3 -B
"""Leasequery over TCP: bulk (RFC 6926) and active (RFC 7724), asked by a client of its own and by
`hookline leasequery`; hostile peers, and stock DHCP beside them."""

import json
import socket
import struct
import time

import lab
from bulk_queries import (ACTIVE, ACTIVE_QUERY, BULK, CATCH_UP_COMPLETE, CONNECTION_ACTIVE,
                          DATA_MISSING, DONE, LAST_TRANSACTION, MALFORMED, QUERY_END, QUERY_START,
                          QUERY_TERMINATED, RELAY_INFO, STATUS, TLS, UNASSIGNED, UNKNOWN, Requestor,
                          now, query, seconds)
from clients import Udhcpc
from office import OfficeTest, config
from packets import LEASE_TIME, mac_bytes

RELAY = "10.77.0.2"
TCP = f'\n[leasequery]\nallow = ["{RELAY}"]\nlisten = "10.77.0.1:67"\n'


class BulkLeaseQuery(OfficeTest):
    def setUp(self):
        super().setUp()
        self.relay = self.host("relay")
        self.relay.address("eth0", f"{RELAY}/24")

    def connect(self, **how):
        return Requestor(self.lab, self.relay, **how)

    def clients(self, count, first=1):
        """So many stock clients with a lease; their addresses."""
        clients = [Udhcpc(self.lab, self.host(f"client{n}", mac=f"02:00:00:00:0a:{n:02x}"))
                   for n in range(first, first + count)]
        return clients, [client.address() for client in clients]

    def metric(self, name):
        for line in self.server.tell("metrics").splitlines():
            if line.startswith(name + " "):
                return int(line.split()[-1])
        raise AssertionError(f"no metric {name}")

    def command(self, *words, check=0):
        process = self.relay.run(lab.HOOKLINE, "leasequery", "10.77.0.1", *words, check=check == 0)
        return process

    def test_every_kind_of_query(self):
        self.serve(config(more=TCP))
        (one, two), (first, second) = self.clients(2)
        two.release()
        lab.wait_for("the release", lambda: "released" in self.server.tell("leases"))
        requestor = self.connect()
        leases = requestor.all(xid=5)
        self.assertEqual({(a.ciaddr, a.type, a.state) for a in leases},
                         {(first, ACTIVE, "active"), (second, UNASSIGNED, "released")})
        for answer in leases:
            self.assertEqual(answer.xid, 5)
            self.assertTrue(abs(answer.number(152) - now()) < 5)
            self.assertTrue(answer.number(LAST_TRANSACTION) < 60)
        active, = [a for a in leases if a.type == ACTIVE]
        self.assertEqual(active.chaddr, mac_bytes("02:00:00:00:0a:01"))
        self.assertTrue(3500 < active.number(LEASE_TIME) <= 3600)
        # The same connection, one after the other.
        mac = requestor.all(xid=6, mac=mac_bytes("02:00:00:00:0a:02"))
        self.assertEqual([a.ciaddr for a in mac], [second])
        self.assertEqual([a.type for a in requestor.all(xid=7, ciaddr=first)], [ACTIVE])
        self.assertEqual([a.type for a in requestor.all(xid=8, ciaddr="10.77.0.199")], [UNASSIGNED])
        self.assertEqual([a.type for a in requestor.all(xid=9, ciaddr="192.0.2.1")], [UNKNOWN])
        relay = (RELAY_INFO, bytes([12, 1, 65]))
        self.assertEqual(requestor.all(xid=10, options=[relay]), [])
        later = (QUERY_START, seconds(now() + 100))
        self.assertEqual(requestor.all(xid=11, options=[later]), [])
        earlier = (QUERY_END, seconds(now() - 100))
        self.assertEqual(requestor.all(xid=12, options=[earlier]), [])
        self.assertEqual(self.metric("hookline_leasequery_connections"), 1)
        requestor.close()

    def test_the_command(self):
        self.serve(config(more=TCP))
        (client,), (address,) = self.clients(1)
        rows = self.command("--all")
        self.assertIn(address, rows)
        self.assertIn("02:00:00:00:0a:01", rows)
        row = json.loads(self.command("--mac", "02:00:00:00:0a:01", "--json"))
        self.assertEqual((row["address"], row["state"]), (address, "active"))
        self.assertIn("unknown", self.command("--address", "192.0.2.1", check=1))
        self.assertEqual(self.command("--all", "--start", "1h", "--quiet").strip(), "1")
        self.assertEqual(self.command("--all", "--end", "1h", "--quiet").strip(), "0")
        udp = self.command("--udp", "--address", address)
        self.assertIn("active", udp)
        self.assertIn("one of --address", self.command(check=1))

    def test_active(self):
        self.serve(config(more=TCP))
        (client,), (first,) = self.clients(1)
        requestor = self.connect()
        requestor.ask(kind=ACTIVE_QUERY, xid=3)
        self.assertEqual(requestor.next().status, CONNECTION_ACTIVE)
        (late,), (second,) = self.clients(1, first=9)
        update = requestor.next()
        self.assertEqual((update.xid, update.type, update.ciaddr), (3, ACTIVE, second))
        self.assertEqual(update.chaddr, mac_bytes("02:00:00:00:0a:09"))
        late.release()
        update = requestor.next()
        self.assertEqual((update.type, update.ciaddr, update.state),
                         (UNASSIGNED, second, "released"))
        self.server.tell("lease", "delete", second)
        self.assertEqual(requestor.next().state, "available")
        self.assertEqual(self.metric("hookline_leasequery_subscribers"), 1)
        # From before the server started: it does not know what became free since.
        other = self.connect()
        other.ask(kind=ACTIVE_QUERY, xid=4, options=[(QUERY_START, seconds(now() - 3600))])
        self.assertEqual(other.next().status, DATA_MISSING)
        leases, done = other.until_done()
        self.assertEqual([a.ciaddr for a in leases], [first])
        self.assertEqual((done.type, done.status), (STATUS, CATCH_UP_COMPLETE))
        requestor.close()
        other.close()
        lab.wait_for("the end of both",
                     lambda: self.metric("hookline_leasequery_connections") == 0)
        self.assertEqual(self.metric("hookline_leasequery_subscribers"), 0)

    def test_a_reload(self):
        text = config(more=TCP)
        self.serve(text)
        self.clients(1)
        requestor = self.connect()
        requestor.ask(kind=ACTIVE_QUERY, xid=3)
        self.assertEqual(requestor.next().status, CONNECTION_ACTIVE)
        # Another address, and the same peer.
        self.server.config.write_text(text.replace("10.77.0.1:67", "10.77.0.1:6767"))
        self.assertIn("leasequery.listen changed", self.server.tell("reload"))
        self.assertEqual(len(self.connect(port=6767).all()), 1)
        with self.assertRaises(ConnectionError):
            self.connect()
        self.clients(1, first=9)
        self.assertEqual(requestor.next().type, ACTIVE)
        # Nobody may ask any more.
        self.server.config.write_text(text.replace(f'"{RELAY}"', '"10.77.0.99"'))
        self.server.tell("reload")
        self.assertEqual(requestor.next().status, QUERY_TERMINATED)
        self.assertIsNone(requestor.next())
        self.assertTrue(self.connect().ended())
        # An address that is not this machine's: all stays as it was.
        self.server.config.write_text(text.replace("10.77.0.1:67", "10.77.0.250:67"))
        status, _, output = self.server.try_ask("reload")
        self.assertEqual(status, 1, output)
        self.assertIn("10.77.0.250:67", output)
        self.assertTrue(self.connect().ended(), "still listened at, still not allowed")

    def test_stopping(self):
        self.serve(config(more=TCP))
        self.clients(1)
        requestor = self.connect()
        requestor.ask(kind=ACTIVE_QUERY, xid=3)
        self.assertEqual(requestor.next().status, CONNECTION_ACTIVE)
        self.server.stop()
        self.assertEqual(requestor.next().status, QUERY_TERMINATED)
        self.assertIsNone(requestor.next())

    def expect_malformed(self, data):
        requestor = self.connect()
        requestor.socket.sendall(data)
        answer = requestor.next()
        self.assertEqual((answer.type, answer.status), (DONE, MALFORMED))
        self.assertIsNone(requestor.next())
        requestor.close()

    def test_hostile_peers_and_stock_dhcp_beside_them(self):
        self.serve(config(more=TCP))
        self.clients(1)
        for data in (b"\0\0", b"\xff\xff" + bytes(100), struct.pack("!H", 300) + bytes(300),
                     query(kind=1), query(mac=bytes(6), ciaddr="10.77.0.1"),
                     query(options=[(QUERY_START, b"\0")])):
            self.expect_malformed(data)
        self.assertEqual(self.metric("hookline_leasequery_malformed_total"), 6)
        tls = self.connect()
        tls.ask(kind=TLS)
        self.assertEqual((tls.next().type, tls.all() != []), (TLS, True))
        # Slow ones, and more than there is room for.
        slow = [self.connect() for _ in range(20)]
        for requestor in slow:
            requestor.socket.sendall(query()[:40])
        flood = [self.connect() for _ in range(150)]
        lab.wait_for("the flood to be refused", lambda: self.metric(
            'hookline_leasequery_refused_total{reason="too_many"}') >= 107)
        self.clients(2, first=20)
        lab.wait_for("the slow ones to be cut off", lambda: self.metric(
            'hookline_leasequery_refused_total{reason="timed_out"}') == 20)
        self.assertTrue(all(requestor.ended() for requestor in slow))
        for requestor in flood:
            requestor.close()
        lab.wait_for("room", lambda: self.metric("hookline_leasequery_connections") <= 1)
        stranger = self.host("stranger")
        stranger.address("eth0", "10.77.0.3/24")
        self.assertTrue(Requestor(self.lab, stranger).ended())
        self.assertEqual(
            self.metric('hookline_leasequery_refused_total{reason="not_allowed"}'), 1)
        self.assertEqual(len(self.connect().all()), 3)
        self.assertTrue(self.server.process.running())

    def test_who_reads_nothing_holds_nobody_up(self):
        self.serve(config(more=TCP))
        self.clients(1)
        # A million answers that nobody reads: 3000 queries for one lease are 1 MB.
        deaf = self.connect(patience_s=1)
        try:
            for _ in range(100):
                deaf.socket.sendall(query() * 1000)
        except TimeoutError:
            pass
        self.clients(2, first=20)
        self.assertEqual(len(self.connect().all()), 3)
        deaf.close()
        lab.wait_for("its end", lambda: self.metric("hookline_leasequery_connections") <= 1)


if __name__ == "__main__":
    lab.main()
