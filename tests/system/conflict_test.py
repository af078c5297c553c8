#!/usr/bin/env -S python3 -B
"""Conflict detection: hosts that sit on addresses of a range, and clients that get others."""

import lab
from clients import Relay, Udhcpc
from lab import wait_for
from office import OfficeTest, config
from packets import DISCOVER, MESSAGE_TYPE, OFFER, Wire, mac_bytes, message, options

DETECT = "\n[leases]\nconflict-detection = true\n"
# A test that must see who asks has all the time of the world.
SLOW = DETECT + 'conflict-wait = "2s"\nconflict-attempts = 5\n'
FAR = """
[[scope]]
id = "far"
subnet = "10.90.0.0/24"
ranges = ["10.90.0.50-10.90.0.60"]
"""


def metric(server, name):
    for line in server.tell("metrics").splitlines():
        if line.startswith(name + " "):
            return int(line.split()[1])
    raise AssertionError(f"no metric {name}")


class OnTheLink(OfficeTest):
    def squat(self, *addresses, mac="02:00:00:00:0b:ad"):
        self.squatter = self.host("squatter", mac=mac)
        self.squatter.address("eth0", *(f"{address}/24" for address in addresses))

    def test_a_client_gets_another_address(self):
        self.serve(config(ranges="10.77.0.100-10.77.0.103", more=DETECT))
        self.squat("10.77.0.100", "10.77.0.101")
        client = Udhcpc(self.lab, self.host())
        self.assertEqual(client.address(), "10.77.0.102")
        rows = self.server.leases()
        for address in ("10.77.0.100", "10.77.0.101"):
            self.assertEqual(rows[address]["state"], "declined")
            self.assertFalse(rows[address]["client_id"] or rows[address]["hw_address"])
        self.assertEqual(metric(self.server, "hookline_leases_conflicted_total"), 2)
        self.assertEqual(metric(self.server, "hookline_leases_declined_total"), 0)
        log = self.server.process.log()
        self.assertIn("address in use", log)
        self.assertIn("02:00:00:00:0b:ad", log)

    def test_the_quarantine_outlives_a_crash(self):
        self.serve(config(ranges="10.77.0.100-10.77.0.103", more=DETECT))
        self.squat("10.77.0.100")
        first = Udhcpc(self.lab, self.host())
        self.assertEqual(first.address(), "10.77.0.101")
        self.server.crash()
        self.assertEqual(self.server.leases()["10.77.0.100"]["state"], "declined")

    def test_three_conflicts_and_the_client_hears_nothing(self):
        self.serve(config(ranges="10.77.0.100-10.77.0.103", more=DETECT))
        self.squat("10.77.0.100", "10.77.0.101", "10.77.0.102")
        raw = self.wire()
        discover = message(mac_bytes("02:00:00:00:06:01"), options((MESSAGE_TYPE, DISCOVER)), xid=5)
        self.assertTrue(raw.is_silent(discover))
        wait_for("the drop", lambda: self.server.drops()["no_address"] == 1)
        offer = raw.ask(discover)
        self.assertEqual((offer.type, offer.yiaddr), (OFFER, "10.77.0.103"))

    def test_a_client_that_still_has_its_old_address_gets_it_back(self):
        self.serve(config(ranges="10.77.0.100-10.77.0.103", more=DETECT))
        host = self.host(mac="02:00:00:00:06:02")
        host.address("eth0", "10.77.0.100/24")
        answer = Wire(self.lab, host).ask(message(
            mac_bytes("02:00:00:00:06:02"), options((MESSAGE_TYPE, DISCOVER)), xid=6))
        self.assertEqual(answer.yiaddr, "10.77.0.100")
        self.assertEqual(metric(self.server, "hookline_leases_conflicted_total"), 0)

    def test_a_retransmission_meanwhile_is_a_duplicate_and_stop_waits_for_nobody(self):
        self.serve(config(more=SLOW))
        raw = self.wire()
        discover = message(mac_bytes("02:00:00:00:06:03"), options((MESSAGE_TYPE, DISCOVER)), xid=7)
        self.assertTrue(raw.is_silent(discover, 0.2))
        self.assertTrue(raw.is_silent(discover, 0.2))
        wait_for("the duplicate", lambda: self.server.drops()["duplicate"] == 1)
        self.assertEqual(self.server.ask("status")["packets_in_flight"], 1)
        self.server.tell("reload")
        self.assertEqual(self.server.ask("status")["packets_in_flight"], 1)
        self.server.stop()

    def test_off_unless_asked_for(self):
        self.serve(config(ranges="10.77.0.100-10.77.0.103"))
        self.squat("10.77.0.100")
        raw = self.wire()
        offer = raw.ask(message(mac_bytes("02:00:00:00:06:04"),
                                options((MESSAGE_TYPE, DISCOVER)), xid=8))
        self.assertEqual(offer.yiaddr, "10.77.0.100")


class BeyondARelay(OfficeTest):
    def test_a_squatter_answers_the_echo(self):
        relay = self.host("relay")
        relay.address("eth0", "10.77.0.20/24")
        relay.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.server_host.ip("route", "add", "10.90.0.0/24", "via", "10.77.0.20")
        far = self.lab.switch("far")
        self.lab.plug(far, relay, "eth1")
        relay.address("eth1", "10.90.0.1/24")
        squatter = self.lab.namespace("squatter")
        self.lab.plug(far, squatter)
        squatter.address("eth0", "10.90.0.50/24")
        squatter.ip("route", "add", "default", "via", "10.90.0.1")
        host = self.lab.namespace("client")
        self.lab.plug(far, host)

        self.serve(config(more=FAR + DETECT))
        Relay(self.lab, relay, "10.77.0.1", ["eth1"], "eth0")
        client = Udhcpc(self.lab, host)
        self.assertEqual(client.address(), "10.90.0.51")
        self.assertEqual(self.server.leases()["10.90.0.50"]["state"], "declined")
        self.assertIn("beyond the relay", self.server.process.log())


if __name__ == "__main__":
    lab.main()
