"""A load of clients beside a test, and what must hold of it and of the server afterwards."""

import json

import lab
from lab import wait_for
from office import config

# Room for minutes of new clients.
ROOMY = config(ranges="10.78.0.0-10.111.255.254").replace("10.77.0.0/24", "10.64.0.0/10")


class Crowd:
    """New clients, `rate` a second, of which none may be left without its lease."""

    def __init__(self, test, seconds, rate, seed=1):
        self.test = test
        self.seed = seed
        self.process = test.lab.process(
            test.host("crowd"), lab.HOOKLINE, "load", "-i", "eth0", "--rate", rate, "--duration",
            f"{seconds}s", "--tries", "1", "--timeout", "120s", "--client-id", "--seed", seed,
            "--json")

    def running(self):
        return self.process.running()

    def check(self, others=0):
        """Waits for the end of it. `others`: leases that clients of the test have besides."""
        test, server = self.test, self.test.server
        self.process.wait(240)
        report = json.loads(self.process.log())
        wrong = ("failed", "abandoned", "naks", "unexpected", "malformed", "duplicate_addresses",
                 "duplicate_replies")
        test.assertEqual([report.get(name, 0) for name in wrong], [0] * len(wrong),
                         (report, server.drops()))
        test.assertGreater(report["completed"], 0)
        # No packet without its end.
        wait_for("the last packet to end",
                 lambda: server.ask("status")["packets_in_flight"] == 0)
        # No lease lost that a client was told of: neither now, nor on disk.
        expected = report["completed"] + report["drained"] + others
        test.assertEqual(server.ask("status")["leases"]["active"], expected)
        server.stop()
        test.assertEqual(server.journal("verify")[0], 0)
        server.start()
        test.assertEqual(server.ask("status")["leases"]["active"], expected)
        return report
