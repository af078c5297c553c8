"""The network that most tests use: a server and clients on one switch, and its configuration."""

import unittest

from lab import Lab, Server
from packets import Wire

SERVER = """
[server]
interfaces = ["eth0"]
user = "root"
{server}
"""
SCOPE = """
[[scope]]
id = "office"
subnet = "10.77.0.0/24"
ranges = ["{ranges}"]
lease-time = "1h"
{scope}
[scope.options]
routers = ["10.77.0.1"]
domain-name-servers = ["10.77.0.53", "10.77.0.54"]
domain-name = "example.org"
domain-search = ["example.org", "corp.example.org"]
ntp-servers = ["10.77.0.123"]
classless-static-route = [{{ to = "10.80.0.0/16", via = "10.77.0.2" }}]
option-224 = "hex:0102ff"
[scope.boot]
next-server = "10.77.0.9"
server-name = "boot.example.org"
file = "undionly.kpxe"
[[scope.reservation]]
hw-address = "02:00:00:00:00:07"
address = "10.77.0.7"
hostname = "printer"
[scope.reservation.options]
routers = ["10.77.0.2"]
"""


def config(server="", scope="", ranges="10.77.0.100-10.77.0.200", more=""):
    return SERVER.format(server=server) + SCOPE.format(scope=scope, ranges=ranges) + more


# Room for a flood of clients.
# Room for all the clients that a flood can be: 131,000 addresses.
WIDE = config(ranges="10.78.0.0-10.79.255.254").replace("10.77.0.0/24", "10.76.0.0/14")


class OfficeTest(unittest.TestCase):
    """Every test has a lab of its own: `self.server_host` on `self.switch`, no server yet."""

    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.end_lab)
        self.switch = self.lab.switch()
        self.server_host = self.lab.namespace("server")
        self.lab.plug(self.switch, self.server_host)
        self.server_host.address("eth0", "10.77.0.1/24")
        self.server = None

    def end_lab(self):
        result = self._outcome.result
        failed = [getattr(test, "test_case", test) for test, _ in result.failures + result.errors]
        if self in failed and self.server:
            print(f"--- the server's log\n{self.server.process.log()[-4000:]}", flush=True)
        self.lab.close()

    def serve(self, text=None, **how):
        self.server = Server(self.lab, self.server_host, text or config(), **how).start()
        return self.server

    def host(self, name="client", mac=None):
        """A machine on the switch, without an address."""
        host = self.lab.namespace(name)
        self.lab.plug(self.switch, host, mac=mac)
        return host

    def wire(self, name="raw"):
        """A machine on the switch that speaks frame by frame."""
        return Wire(self.lab, self.host(name))
