#!/usr/bin/env -S python3 -B
"""Callouts that behave as badly as callouts can (tests/zoo), while clients come and go."""

import os
import re
import shutil
import time
import unittest

import lab
from crowd import ROOMY, Crowd, release, roomy
from isolated_test import (ADDRESS_OFFER, CLIENT, DROP, NEW_PACKET, OPTIONS, SEND, IsolatedTest,
                           beast)
from lab import wait_for

# The words of tests/zoo/zoo.h.
ACTS = {name: number for number, name in enumerate(
    """NOTHING NULL STACK ABORT EXIT DIVIDE HANG SLEEP SCRIBBLE FORK MEMORY CLOSE THREAD KILL FREE
    TRY FLOOD PRINT TRAP THROW FAIL_FAST HEAP EXEC OPEN CONNECT LATE CPP UNCAUGHT
    SPIN_THREAD FREE_PACKET""".split())}
CONTROL, ADDRESS_DEL, DELETE_CLIENT = 0, 4, 7
HOOK_NAMES = {NEW_PACKET: "DhcpNewPktHook", OPTIONS: "DhcpHandleOptionsHook",
              ADDRESS_OFFER: "DhcpAddressOfferHook", SEND: "DhcpPktSendHook",
              DROP: "DhcpPktDropHook", ADDRESS_DEL: "DhcpAddressDelHook",
              DELETE_CLIENT: "DhcpDeleteClientHook"}
BY_RELEASE = (ADDRESS_DEL, DELETE_CLIENT)
# Codes of DhcpControlHook, and what makes the server send them.
START, STOP, PAUSE, CONTINUE = 1, 2, 3, 4
CONTROLS = {PAUSE: [["pause"]], CONTINUE: [["pause"], ["continue"]],
            STOP: [["callouts", "reload", "{dll}"]]}
# What ends the helper, in the hook that does it: what the report says.
ENDS = {"NULL": "SIGSEGV: address 0x10, at zoo.so", "STACK": "SIGSEGV", "ABORT": "SIGABRT",
        "EXIT": "exited with status 3", "DIVIDE": "SIGFPE", "TRAP": "SIGILL", "KILL": "SIGKILL",
        "FREE": "SIGABRT", "FREE_PACKET": "SIG", "HEAP": "SIG", "MEMORY": "SIG",
        "HANG": "longer than its budget",
        "SLEEP": "longer than its budget", "LATE": "longer than its budget"}
# What ends it at some other time.
ENDS_LATER = {"THREAD": "on a thread of its own", "UNCAUGHT": "on a thread of its own",
              "CLOSE": "exited", "SCRIBBLE": ""}
# What it is not allowed, or does no harm.
GOES_ON = ("FORK", "EXEC", "OPEN", "CONNECT", "TRY", "CPP", "PRINT", "SPIN_THREAD")
HOSTING = """
[callouts]
user = "nobody"
budget = "150ms"
memory-max = "64M"
restart = { first = "2ms", longest = "10ms", faults-max = 100000 }
"""


REGISTRY = """Windows Registry Editor Version 5.00

[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\DHCPServer\\Parameters]
"CalloutEnabled"=dword:00000001
"CalloutDlls"=hex(7):{dlls}
{more}
"""
START_FAULTS = """
[callouts]
user = "nobody"
registry = "zoo.reg"
restart = { first = "2ms", longest = "10ms", faults-max = 3 }
"""


def multi(text):
    """As a registry export has it."""
    return ",".join(f"{byte:02x}" for byte in (text + "\0\0").encode("utf-16-le"))


def control_beast(code):
    """The client of a zoo that faults at the next such code of its Control hook."""
    return bytes([2, 0x5A, CONTROL, ACTS["NULL"], code, 1])


def serve_start_faults(test, dll):
    """A server whose callout faults in each START."""
    (test.lab.dir / "zoo.reg").write_text(REGISTRY.format(
        dlls=multi(dll), more=f'"ZooControl"=dword:{ACTS["NULL"] << 8 | START:08x}'))
    test.serve(ROOMY + START_FAULTS)


class ZooTest(IsolatedTest):
    def serve_zoo(self, names=("zoo.so",), server=""):
        text = roomy(server) + HOSTING + "".join(f'[[callouts.dll]]\npath = "{name}"\n'
                                                 for name in names)
        for name in names:
            if not (self.lab.dir / name).exists():
                shutil.copy(self.lab.dir / "zoo.so", self.lab.dir / name)
        self.serve(text)
        wait_for("the helpers", lambda: len(self.helpers()) == len(names))

    def reports(self):
        return re.findall(r'a callout failed;.* event=1031 dll=(\S+) hook=(\S+) what=("[^"]*"|\S+)',
                          self.log())

    def settle(self):
        """Until the helper serves again, and nothing of what came before is still to be reported: a
        client's second packet does it once more."""
        def still():
            seen = len(self.reports()), self.log().count("callout restarted")
            time.sleep(0.3)
            return seen == (len(self.reports()), self.log().count("callout restarted")) and (
                seen[0] <= seen[1])
        wait_for("the next helper", still)


class Beasts:
    """Clients that make the callout act up; `others` have a lease in the end."""

    def setUp(self):
        super().setUp()
        self.others = 0

    def act(self, raw, hook, act):
        """A client that makes the callout do it in this hook."""
        mac = beast(hook, ACTS[act])
        ack = raw.dora(mac)
        if hook in BY_RELEASE:
            release(raw, self.server, mac, ack)
        else:
            self.others += 1


class UnderLoad(Beasts, ZooTest):
    def wait_for_report(self, before, hook, text):
        wait_for(f"the report of {text} in {hook}", lambda: any(
            dll == "zoo.so" and (where == hook or hook is None) and text in what
            for dll, where, what in self.reports()[before:]))

    def test_what_ends_the_helper(self):
        self.serve_zoo()
        crowd, raw = Crowd(self, 5, 300), self.wire()
        for act, text in ENDS.items():
            hooks = HOOK_NAMES if act in ("NULL", "KILL") else (NEW_PACKET, SEND)
            for hook in hooks:
                before = len(self.reports())
                self.act(raw, hook, act)
                self.wait_for_report(before, HOOK_NAMES[hook], text)
                self.settle()
        crowd.check(self.others)

    def test_what_ends_it_at_another_time(self):
        self.serve_zoo()
        crowd, raw = Crowd(self, 3, 300), self.wire()
        for act, text in ENDS_LATER.items():
            before = len(self.reports())
            self.act(raw, NEW_PACKET, act)
            self.wait_for_report(before, None, text)
            self.settle()
        self.assertNotIn("no ring to write over", self.log())
        crowd.check(self.others)

    def test_control_hooks(self):
        self.serve_zoo()
        crowd, raw = Crowd(self, 3, 300, again="1s"), self.wire()
        for code, commands in CONTROLS.items():
            before = len(self.reports())
            raw.dora(control_beast(code))
            self.others += 1
            for words in commands:
                self.server.tell(*(word.format(dll="zoo.so") for word in words))
            self.wait_for_report(before, "DhcpControlHook", ENDS["NULL"])
            self.server.tell("continue")
            if code != STOP:  # that was the end of it, and another one serves already
                self.settle()
        crowd.check(self.others)

    def test_one_that_faults_in_each_start_is_left_alone(self):
        serve_start_faults(self, "zoo.so")
        crowd = Crowd(self, 2, 300)
        wait_for("it to be left alone", lambda: "left alone" in self.log())
        self.wait_for_report(0, "DhcpControlHook", ENDS["NULL"])
        self.assertEqual(len(self.reports()), 3)
        crowd.check()

    def test_what_is_not_allowed_or_harms_nobody(self):
        self.serve_zoo()
        helpers = self.helpers()
        crowd, raw = Crowd(self, 3, 300), self.wire()
        for act in GOES_ON:
            self.act(raw, SEND, act)
        rows = self.server.ask("callouts")
        self.assertEqual(sum(row["faults"] for row in rows), 2, rows)  # the exceptions: two replies
        self.assertEqual(self.helpers(), helpers)
        self.assertEqual(self.reports(), [])
        self.assertGreater(self.log().count(": refused"), 150)
        self.assertNotIn("ALLOWED", self.log())
        crowd.check(self.others)

    def test_the_callout_beside_it_notices_nothing(self):
        self.serve_zoo(names=("zoo.so", "bad.so"))
        good = self.helpers()[0]
        crowd, raw = Crowd(self, 3, 300), self.wire()
        for _ in range(5):
            before = len(self.reports())
            bad = [pid for pid in self.helpers() if pid != good]
            os.kill(bad[0], 11)
            wait_for("the report", lambda: len(self.reports()) > before)
            self.settle()
        self.assertIn(good, self.helpers())
        self.assertEqual(len({dll for dll, *_ in self.reports()}), 1)
        raw.dora(CLIENT)
        crowd.check(1)


if __name__ == "__main__":
    os.umask(0o022)
    lab.main()
