#!/usr/bin/env -S python3 -B
"""Interfaces that go down, vanish, come back and appear, under traffic."""

import lab
from clients import Udhcpc
from durability_test import Flood
from lab import wait_for
from office import OfficeTest, WIDE, config


class Interfaces(OfficeTest):
    def served(self):
        return {row["name"]: row for row in self.server.ask("status")["interfaces"]}

    def test_down_and_up_under_traffic(self):
        self.serve(WIDE)
        flood = Flood(self.wire(), 11)
        flood.start()
        try:
            for _ in range(3):
                seen = len(flood.granted)
                wait_for("leases", lambda: len(flood.granted) > seen)
                self.server_host.ip("link", "set", "eth0", "down")
                wait_for("down", lambda: not self.served()["eth0"]["up"])
                self.server_host.ip("link", "set", "eth0", "up")
                wait_for("up", lambda: self.served()["eth0"]["up"])
        finally:
            flood.stop()
        self.assertEqual(flood.conflicts, [])
        self.assertTrue(self.server.process.running())

    def test_deleted_and_created_anew_under_traffic(self):
        self.serve(WIDE)
        wire = self.wire()
        for round_number in range(2):
            flood = Flood(wire, 20 + round_number)
            flood.start()
            try:
                wait_for("leases", lambda: len(flood.granted) > 5)
                self.server_host.ip("link", "delete", "eth0")
                wait_for("it to be gone", lambda: not self.served().get("eth0", {}).get("up"))
                self.lab.plug(self.switch, self.server_host)
                self.server_host.address("eth0", "10.77.0.1/24")
                wait_for("it to be served again", lambda: self.served().get("eth0", {}).get("up"))
                seen = len(flood.granted)
                wait_for("leases over the new one", lambda: len(flood.granted) > seen)
            finally:
                flood.stop()
            self.assertEqual(flood.conflicts, [])

    def test_one_that_appears_later(self):
        self.server_host.ip("link", "delete", "eth0")
        self.serve(config().replace('interfaces = ["eth0"]', 'interfaces = ["*"]'))
        self.lab.plug(self.switch, self.server_host)
        self.server_host.address("eth0", "10.77.0.1/24")
        wait_for("it to be served", lambda: self.served().get("eth0", {}).get("up"))
        self.assertTrue(Udhcpc(self.lab, self.host()).address().startswith("10.77.0."))

    def test_an_address_that_comes_later(self):
        self.server_host.ip("address", "flush", "dev", "eth0")
        self.serve()
        client = Udhcpc(self.lab, self.host())
        self.server_host.ip("address", "add", "10.77.0.1/24", "dev", "eth0")
        self.assertTrue(client.address().startswith("10.77.0."))


if __name__ == "__main__":
    lab.main()
