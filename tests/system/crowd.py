"""A load of clients beside a test, and what must hold of it and of the server afterwards."""

import json
import threading

import lab
from lab import wait_for
from office import config
from packets import MESSAGE_TYPE, RELEASE, SERVER_ID, frame, message, options


def roomy(server=""):
    """Room for minutes of new clients."""
    return config(server, ranges="10.78.0.0-10.111.255.254").replace("10.77.0.0/24", "10.64.0.0/10")


ROOMY = roomy()
WRONG = ("failed", "abandoned", "naks", "unexpected", "malformed", "duplicate_addresses")


def release(raw, server, mac, ack):
    """The client of this ACK gives its lease back; returns once the server has taken it."""
    raw.send(frame(mac, message(mac, options(
        (MESSAGE_TYPE, RELEASE), (SERVER_ID, ack.options[SERVER_ID])), ciaddr=ack.yiaddr),
        source=ack.yiaddr, to="10.77.0.1"))
    wait_for(f"the end of the lease of {ack.yiaddr}", lambda: ack.yiaddr not in server.leases(
        "--address", ack.yiaddr, "--state", "active"))


class Crowd:
    """New clients, `rate` a second, of which none may be left without its lease, from now until
    check(): rounds of so many seconds, one after the other. They say nothing twice, unless `again`
    says after how long: then a pause of the server costs them time only."""

    def __init__(self, test, seconds, rate, seed=1, again=None):
        self.test = test
        self.seed = seed
        self.again = again
        tries = ("--tries", "60", "--timeout", again) if again else (
            "--tries", "1", "--timeout", "120s")
        host = test.host("crowd")
        self.start = lambda seed: test.lab.process(
            host, lab.HOOKLINE, "load", "-i", "eth0", "--rate", rate, "--duration", f"{seconds}s",
            *tries, "--client-id", "--seed", seed, "--json")
        self.rounds = [self.start(seed)]
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.go_on, daemon=True)
        self.thread.start()

    def go_on(self):
        while True:
            self.rounds[-1].popen.wait()
            if self.over.is_set() or self.rounds[-1].popen.returncode != 0:
                return
            self.rounds.append(self.start(self.seed + len(self.rounds)))

    def report(self):
        """Of all rounds: the sums of what they count, and the slowest of their exchanges."""
        self.over.set()
        self.thread.join(240)
        reports = [json.loads(one.log()) for one in self.rounds]
        total = {name: sum(report.get(name, 0) for report in reports) for name in (
            *WRONG, "duplicate_replies", "completed", "drained")}
        total["slowest_ms"] = max(report["exchange_us"]["max"] for report in reports) / 1000
        return total

    def check(self, others=0):
        """Waits for the end of it. `others`: leases that clients of the test have besides."""
        test, server = self.test, self.test.server
        report = self.report()
        # What was said twice may be answered twice.
        wrong = WRONG if self.again else (*WRONG, "duplicate_replies")
        test.assertEqual([report[name] for name in wrong], [0] * len(wrong),
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
