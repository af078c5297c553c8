#!/usr/bin/env -S python3 -B
"""Callouts in processes of their own: whatever they do, the server serves on."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

import lab
from clients import Udhcpc
from lab import wait_for
from office import WIDE, OfficeTest, config
from packets import DISCOVER, MESSAGE_TYPE, message, options

ROOT = Path(__file__).resolve().parents[2]
# The words of tests/zoo/zoo.h: hooks and acts.
NEW_PACKET, DROP, SEND, ADDRESS_OFFER, OPTIONS = 1, 2, 3, 5, 6
NULL, EXIT, HANG, FORK, MEMORY, KILL = 1, 4, 6, 9, 10, 13
CLIENT = bytes([2, 0, 0, 0, 9, 1])


def zoo(more="", hosting=""):
    return config(more=f'[callouts]\n{hosting}\n[[callouts.dll]]\npath = "zoo.so"\n{more}')


def beast(hook, act):
    """The hardware address of a client that makes the callout do it."""
    return bytes([2, 0x5A, hook, act, 0, 1])


class IsolatedTest(OfficeTest):
    built = None

    @classmethod
    def setUpClass(cls):
        if not shutil.which("cc"):
            raise unittest.SkipTest("the callout of this test needs a C compiler")
        cls.built = Path(tempfile.mkdtemp(prefix="hlt-isolated-"))
        cls.addClassCleanup(shutil.rmtree, cls.built, True)
        subprocess.run(["cc", "-w", "-O1", "-shared", "-fPIC", f"-I{ROOT}/sdk/include",
                        ROOT / "tests/zoo/zoo.c", "-o",
                        cls.built / "zoo.so", "-pthread"], check=True, timeout=120)

    def setUp(self):
        super().setUp()
        shutil.copy(self.built / "zoo.so", self.lab.dir / "zoo.so")
        (self.lab.dir / "zoo.so").chmod(0o755)

    def log(self):
        return self.server.process.log()

    def helpers(self):
        """The process ids of this server's helpers, which are the spawner's children."""
        def children(pid):
            path = Path(f"/proc/{pid}/task/{pid}/children")
            return [int(word) for word in path.read_text().split()]
        return [helper for spawner in children(self.server.process.pid)
                for helper in children(spawner)]

    def faults(self):
        return re.findall(r"event=1031 .*hook=(\S+) what=(?:\"(.*?)\"|(\S+))", self.log())


class Faults(IsolatedTest):
    def test_each_fault_costs_its_packets_hook_and_nothing_else(self):
        self.serve(zoo(hosting='budget = "200ms"\nrestart = { first = "10ms", longest = "10ms", '
                               'faults-max = 100 }'))
        raw = self.wire()
        number = 0
        for hook in (NEW_PACKET, OPTIONS, ADDRESS_OFFER, SEND, DROP):
            for act in (NULL, EXIT, HANG, KILL):
                raw.dora(beast(hook, act))
                number += 1
                wait_for("the report", lambda: len(self.faults()) >= number)
                wait_for("the next helper",
                         lambda: self.log().count("callout restarted") >= number)
        self.assertIn("SIGSEGV", self.log())
        self.assertIn("took longer than its budget", self.log())
        rows = self.server.ask("callouts", "faults")
        self.assertEqual(len(rows), number)
        self.assertEqual(rows[0]["hook"], "DhcpNewPktHook")
        self.assertRegex(rows[0]["what"], r"SIGSEGV: address 0x10, at zoo\.so\+0x")
        self.assertIn("025a01", rows[0]["request"])
        self.assertEqual({row["host"] for row in self.server.ask("callouts")}, {"isolated"})
        self.assertEqual(sum(row["faults"] for row in self.server.ask("callouts")), number)
        self.assertIn("DhcpPktSendHook", self.server.tell("callouts", "faults"))
        self.assertEqual(self.server.journal("verify")[0], 0)

    def test_a_stock_client_gets_its_lease_while_the_helper_is_killed(self):
        self.serve(zoo(hosting='restart = { first = "10ms" }'))
        wait_for("the helper", self.helpers)
        before = self.helpers()
        os.kill(before[0], signal.SIGKILL)
        client = Udhcpc(self.lab, self.host())
        self.assertTrue(client.address())
        wait_for("another helper", lambda: self.helpers() and self.helpers() != before)
        wait_for("the report", self.faults)
        self.wire().dora(CLIENT)

    def test_closed_answers_nobody_until_it_is_back(self):
        self.serve(zoo(hosting='on-fault = "closed"\nrestart = { first = "3s" }'))
        raw = self.wire()
        raw.dora(CLIENT)
        wait_for("the helper", self.helpers)
        os.kill(self.helpers()[0], signal.SIGKILL)
        wait_for("the report", self.faults)
        self.assertTrue(raw.is_silent(message(CLIENT, options((MESSAGE_TYPE, DISCOVER)))))
        self.assertGreaterEqual(self.server.drops()["refused_by_callout"], 1)
        wait_for("the next helper", lambda: "callout restarted" in self.log())
        raw.dora(bytes([2, 0, 0, 0, 9, 2]))

    def test_one_that_keeps_failing_is_left_alone_until_a_reload(self):
        self.serve(zoo(hosting='restart = { first = "1ms", longest = "1ms", faults-max = 3 }'))
        raw = self.wire()
        for _ in range(3):
            seen = len(self.faults())
            raw.dora(beast(NEW_PACKET, KILL))
            wait_for("the report", lambda: len(self.faults()) > seen)
            wait_for("what comes of it", lambda: self.log().count("callout restarted") > seen
                     or "left alone" in self.log())
        self.assertIn("left alone", self.log())
        self.assertIn("quarantined", self.server.tell("callouts"))
        raw.dora(CLIENT)
        self.assertEqual(self.helpers(), [])
        self.server.tell("callouts", "reload")
        wait_for("the helper", self.helpers)
        raw.dora(bytes([2, 0, 0, 0, 9, 3]))

    def test_helpers_end_with_the_server(self):
        self.serve(zoo())
        wait_for("the helper", self.helpers)
        helper = self.helpers()[0]
        self.server.process.kill()
        wait_for("its end", lambda: not Path(f"/proc/{helper}").exists())


class UnderLoad(IsolatedTest):
    def test_kill_after_kill_no_client_is_left_without_an_answer(self):
        self.serve(WIDE + '[callouts]\nrestart = { first = "1ms", longest = "20ms", '
                          'faults-max = 100000 }\n[[callouts.dll]]\npath = "zoo.so"\n')
        load = self.lab.process(self.host("crowd"), lab.HOOKLINE, "load", "-i", "eth0", "--window",
                                "8", "--duration", "4s", "--tries", "1", "--timeout", "10s",
                                "--json")
        wait_for("the helper", self.helpers)
        kills = 0
        while load.running():
            for helper in self.helpers():
                try:
                    os.kill(helper, signal.SIGKILL)
                    kills += 1
                except ProcessLookupError:
                    pass
            wait_for("another helper", lambda: self.helpers() or not load.running())
        report = json.loads(load.log())
        self.assertGreater(kills, 3)
        self.assertGreater(report["completed"], 0)
        self.assertEqual([report[name] for name in ("failed", "abandoned", "naks", "unexpected")],
                         [0, 0, 0, 0], report)
        self.server.stop()
        self.assertEqual(self.server.journal("verify")[0], 0)


if __name__ == "__main__":
    os.umask(0o022)
    lab.main()
