#!/usr/bin/env -S python3 -B
"""A disk whose sync fails (EIO): granting stops for good and says so, what needs no disk is still
answered, and after a restart every acknowledged lease is there.

strace makes the system call fail, in the server's process alone: that needs ptrace, and strace.
"""

import shutil
import signal
import subprocess
import sys

import durability_test
import lab
from lab import wait_for
from office import OfficeTest, WIDE
from packets import (ACK, DISCOVER, INFORM, MESSAGE_TYPE, NAK, REQUEST, REQUESTED, message,
                     options)


def why_no_injection():
    """None where strace can make a system call of another process fail; else the reason."""
    if not shutil.which("strace"):
        return "there is no strace"
    run = subprocess.run(["strace", "-qq", "-o", "/dev/null", "-e", "inject=fdatasync:error=EIO",
                          sys.executable, "-c", "import os; os.fdatasync(1)"],
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if "Input/output error" in run.stderr:
        return None
    return f"ptrace is not permitted here: {run.stderr.strip()[-200:]}"


class FailingSync(OfficeTest):
    def syncs_fail(self):
        """From now on, every fdatasync of the server's fails with EIO."""
        log = self.lab.dir / "strace.out"
        strace = self.lab.process(None, "strace", "-f", "-p", self.server.process.pid, "-o", log,
                                  "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO")
        wait_for("strace to attach", lambda: "attached" in strace.log())
        return strace, log

    def test_granting_stops_for_good_and_nothing_is_lost(self):
        self.serve(WIDE)
        raw = self.wire()
        known = bytes([2, 0, 0, 0, 9, 1])
        address = raw.dora(known).yiaddr
        flood = durability_test.Flood(self.wire("crowd"), 1)
        flood.start()
        try:
            wait_for("leases", lambda: len(flood.granted) >= 100)
            strace, log = self.syncs_fail()
            wait_for("the server to stop granting", lambda: self.state() == "not-granting")
        finally:
            flood.stop()
        self.assertIn("(INJECTED)", log.read_text())
        self.says_so()
        self.answers_what_needs_no_disk(raw, known)
        # The disk is sound again; what it holds is not known, so that nothing follows.
        strace.signal(signal.SIGINT)  # it detaches
        strace.wait()
        self.grants_nothing(raw)
        self.assertEqual(self.state(), "not-granting")

        self.server.stop()
        self.server.start()
        self.assertEqual(self.state(), "serving")
        self.assertEqual(flood.conflicts, [])
        durability_test.Restart.every_ack_is_there(self, flood)
        self.assertEqual(raw.dora(known).yiaddr, address)
        raw.dora(bytes([2, 0, 0, 0, 9, 3]))

    def state(self):
        return self.server.ask("status")["state"]

    def says_so(self):
        status = self.server.tell("status")
        for text in (status, self.server.process.log()):
            self.assertRegex(text, r"(?i)lease journal")
            self.assertRegex(text, r"(?i)restart")
        self.assertIn("Input/output error", self.server.process.log())

    def answers_what_needs_no_disk(self, raw, known):
        self.lab.namespace("raw").address("eth0", "10.77.0.50/24")  # it answers ARP
        inform = raw.ask(message(known, options((MESSAGE_TYPE, INFORM)), xid=71,
                                 ciaddr="10.77.0.50"), source="10.77.0.50")
        self.assertEqual(inform.type, ACK)
        foreign = message(bytes([2, 0, 0, 0, 9, 2]), options(
            (MESSAGE_TYPE, REQUEST), (REQUESTED, "192.0.2.1")), xid=72)
        self.assertEqual(raw.ask(foreign).type, NAK)

    def grants_nothing(self, raw):
        before = self.server.drops()["not_granting"]
        mac = bytes([2, 0, 0, 0, 9, 3])
        self.assertTrue(raw.is_silent(message(mac, options((MESSAGE_TYPE, DISCOVER)), xid=73)))
        self.assertGreater(self.server.drops()["not_granting"], before)


if __name__ == "__main__":
    if reason := why_no_injection():
        print(f"SKIPPED: {reason}", file=sys.stderr)
        sys.exit(lab.SKIP)
    lab.main()
