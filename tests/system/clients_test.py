#!/usr/bin/env -S python3 -B
"""Debian's stock clients get, renew and release leases, and are given what is configured."""

import lab
from clients import Dhclient, Dhcpcd, Udhcpc
from lab import wait_for
from office import OfficeTest, config
from packets import (ACK, DISCOVER, MESSAGE_TYPE, NAK, REQUEST, REQUESTED, SERVER_ID, ip4,
                     mac_bytes, message, options)

PRINTER = "02:00:00:00:00:07"


class Life(OfficeTest):
    def state(self, address):
        return self.server.leases().get(address, {}).get("state")

    def released(self, address):
        wait_for(f"{address} to be released", lambda: self.state(address) == "released")

    def test_udhcpc(self):
        self.serve()
        host = self.host()
        client = Udhcpc(self.lab, host, "-x", "hostname:desk", "-O", "search", "-O", "ntpsrv",
                        "-O", "staticroutes", "-O", "224")
        lease = client.lease()
        self.assertEqual(self.state(client.address()), "active")
        self.assertEqual(self.server.leases()[client.address()]["hw_address"], host.mac("eth0"))
        self.assertEqual(self.server.leases()[client.address()]["hostname"], "desk")
        expected = {"subnet": "255.255.255.0", "router": "10.77.0.1",
                    "dns": "10.77.0.53 10.77.0.54",
                    "domain": "example.org", "search": "example.org corp.example.org",
                    "ntpsrv": "10.77.0.123", "staticroutes": "10.80.0.0/16 10.77.0.2",
                    "opt224": "0102ff", "lease": "3600", "serverid": "10.77.0.1",
                    "opt58": f"{1800:08x}", "opt59": f"{3150:08x}", "siaddr": "10.77.0.9",
                    "boot_file": "undionly.kpxe", "sname": "boot.example.org"}
        self.assertEqual({key: lease.get(key, "").strip() for key in expected}, expected)
        address = client.address()
        client.renew()
        self.assertEqual(client.address(), address)
        client.release()
        self.released(address)

    def test_dhclient(self):
        self.serve(config(scope='renew-time = "2s"'))
        client = Dhclient(self.lab, self.host(), config="send host-name \"desk\";\n")
        lease, address = client.lease(), client.address()
        self.assertEqual(lease["new_routers"], "10.77.0.1")
        self.assertEqual(lease["new_domain_name_servers"], "10.77.0.53 10.77.0.54")
        self.assertEqual(lease["new_domain_name"], "example.org")
        self.assertEqual(lease["new_dhcp_lease_time"], "3600")
        self.assertEqual(lease["new_dhcp_renewal_time"], "2")
        client.after(lambda: None, "RENEW")
        self.assertEqual(client.address(), address)
        client.release()
        self.released(address)

    def test_dhcpcd(self):
        self.serve()
        client = Dhcpcd(self.lab, self.host(), config="hostname desk\nclientid\n")
        lease, address = client.lease(), client.address()
        self.assertEqual(lease["new_routers"], "10.77.0.1")
        self.assertEqual(lease["new_domain_name_servers"], "10.77.0.53 10.77.0.54")
        self.assertEqual(lease["new_dhcp_lease_time"], "3600")
        self.assertTrue(self.server.leases()[address]["client_id"])
        client.renew()
        self.assertEqual(client.address(), address)
        client.release()
        self.released(address)

    def test_a_reservation_and_its_options(self):
        self.serve()
        client = Udhcpc(self.lab, self.host(mac=PRINTER), "-O", "hostname")
        self.assertEqual(client.address(), "10.77.0.7")
        self.assertEqual(client.lease()["router"].strip(), "10.77.0.2")
        self.assertEqual(client.lease()["hostname"], "printer")
        self.assertEqual(client.lease()["domain"], "example.org")

    def test_a_released_address_is_remembered(self):
        self.serve()
        host = self.host()
        first = Udhcpc(self.lab, host)
        address = first.address()
        first.release()
        first.kill()
        self.released(address)
        raw = self.wire()
        others = [raw.dora(bytes([2, 0, 0, 0, 9, i])).yiaddr for i in range(5)]
        self.assertNotIn(address, others)
        self.assertEqual(Udhcpc(self.lab, host).address(), address)

    def test_two_scopes(self):
        """Two interfaces, a scope each: every client gets an address of its own wire."""
        other = self.lab.switch("switch2")
        self.lab.plug(other, self.server_host, "eth1")
        self.server_host.address("eth1", "10.78.0.1/24")
        text = config().replace('interfaces = ["eth0"]', 'interfaces = ["eth0", "eth1"]')
        self.serve(text + '[[scope]]\nid = "lab"\nsubnet = "10.78.0.0/24"\n'
                   'ranges = ["10.78.0.20-10.78.0.30"]\n')
        far = self.lab.namespace("far")
        self.lab.plug(other, far)
        near_client, far_client = Udhcpc(self.lab, self.host()), Udhcpc(self.lab, far)
        self.assertTrue(near_client.address().startswith("10.77.0."))
        self.assertTrue(far_client.address().startswith("10.78.0."))
        self.assertEqual(list(self.server.leases("--scope", "lab")), [far_client.address()])


class Conflict(OfficeTest):
    """A second host has the address: the client declines it, the server puts it in quarantine."""

    def squat(self, address):
        squatter = self.host("squatter")
        squatter.address("eth0", f"{address}/24")

    def quarantined(self, client, address):
        wait_for(f"another address than {address}", lambda: client.address() != address)
        lease = self.server.leases()[address]
        self.assertEqual(lease["state"], "declined")
        self.assertIn(client.address(), self.host_addresses)

    @property
    def host_addresses(self):
        return self.lab.namespace("client").addresses("eth0")

    def test_udhcpc_finds_it_by_arp(self):
        self.serve(config(ranges="10.77.0.100-10.77.0.101"))
        self.squat("10.77.0.100")
        self.quarantined(Udhcpc(self.lab, self.host(), "-a"), "10.77.0.100")

    def test_dhcpcd_finds_it_by_arp(self):
        self.serve(config(ranges="10.77.0.100-10.77.0.101"))
        self.squat("10.77.0.100")
        self.quarantined(Dhcpcd(self.lab, self.host()), "10.77.0.100")

    def test_dhclient_is_told_by_its_script(self):
        self.serve(config(ranges="10.77.0.100-10.77.0.101"))
        client = Dhclient(self.lab, self.host(), refuse="10.77.0.100")
        self.quarantined(client, "10.77.0.100")


class WrongNetwork(OfficeTest):
    LEASES = """lease {
  interface "eth0";
  fixed-address 192.168.55.5;
  option subnet-mask 255.255.255.0;
  option dhcp-lease-time 86400;
  option dhcp-message-type 5;
  option dhcp-server-identifier 192.168.55.1;
  renew 5 2037/11/20 12:00:00;
  rebind 5 2037/11/20 13:00:00;
  expire 5 2037/11/20 14:00:00;
}
"""

    def reboot_into(self, address, mac="02:00:00:00:05:01"):
        return message(mac_bytes(mac), options((MESSAGE_TYPE, REQUEST), (REQUESTED, address)),
                       xid=77)

    def test_dhclient_with_a_lease_of_another_network(self):
        self.serve()
        client = Dhclient(self.lab, self.host(), leases=self.LEASES)
        self.assertTrue(client.address().startswith("10.77.0."))
        self.assertIn("DHCPNAK", client.process.log())

    def test_a_foreign_address_gets_a_nak(self):
        self.serve()
        nak = self.wire().ask(self.reboot_into("192.168.55.5"))
        self.assertEqual(nak.type, NAK)
        self.assertEqual((nak.yiaddr, nak.ciaddr, nak.siaddr), ("0.0.0.0",) * 3)
        self.assertEqual(nak.to, "255.255.255.255")
        self.assertEqual(nak.options[SERVER_ID], ip4("10.77.0.1"))

    def test_silence_where_not_authoritative(self):
        self.serve(config(server="authoritative = false"))
        self.assertTrue(self.wire().is_silent(self.reboot_into("192.168.55.5")))
        self.assertGreater(self.server.drops()["not_authoritative"], 0)

    def test_another_clients_address_is_refused(self):
        self.serve()
        raw = self.wire()
        taken = raw.dora(mac_bytes("02:00:00:00:05:02")).yiaddr
        self.assertEqual(raw.ask(self.reboot_into(taken)).type, NAK)
        again = raw.ask(self.reboot_into(taken, "02:00:00:00:05:02"))
        self.assertEqual((again.type, again.yiaddr), (ACK, taken))

    def test_another_server_was_selected(self):
        self.serve()
        raw = self.wire()
        request = message(mac_bytes("02:00:00:00:05:03"), options(
            (MESSAGE_TYPE, REQUEST), (REQUESTED, "10.77.0.150"), (SERVER_ID, "10.77.0.250")), xid=5)
        self.assertTrue(raw.is_silent(request))
        self.assertEqual(self.server.drops()["wrong_server"], 1)
        offer = raw.ask(message(mac_bytes("02:00:00:00:05:03"),
                                options((MESSAGE_TYPE, DISCOVER)), xid=6))
        self.assertEqual(offer.to_mac, mac_bytes("02:00:00:00:05:03"))


if __name__ == "__main__":
    lab.main()
