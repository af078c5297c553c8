#!/usr/bin/env -S python3 -B
"""Callouts that behave as badly as callouts can (tests/zoo), while clients come and go."""

import os
import re
import shutil
import time
import unittest

import lab
from crowd import ROOMY, Crowd
from isolated_test import (ADDRESS_OFFER, CLIENT, DROP, NEW_PACKET, OPTIONS, SEND, IsolatedTest,
                           beast)
from lab import wait_for

# The words of tests/zoo/zoo.h.
ACTS = {name: number for number, name in enumerate(
    """NOTHING NULL STACK ABORT EXIT DIVIDE HANG SLEEP SCRIBBLE FORK MEMORY CLOSE THREAD KILL FREE
    TRY FLOOD PRINT TRAP THROW FAIL_FAST HEAP EXEC OPEN CONNECT LATE CPP UNCAUGHT
    SPIN_THREAD FREE_PACKET""".split())}
HOOK_NAMES = {NEW_PACKET: "DhcpNewPktHook", OPTIONS: "DhcpHandleOptionsHook",
              ADDRESS_OFFER: "DhcpAddressOfferHook", SEND: "DhcpPktSendHook",
              DROP: "DhcpPktDropHook"}
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
budget = "150ms"
memory-max = "64M"
restart = { first = "2ms", longest = "10ms", faults-max = 100000 }
"""


class ZooTest(IsolatedTest):
    def serve_zoo(self, more="", names=("zoo.so",)):
        text = ROOMY + HOSTING + "".join(f'[[callouts.dll]]\npath = "{name}"\n{more}'
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


class UnderLoad(ZooTest):
    def setUp(self):
        super().setUp()
        self.others = 0

    def dora(self, raw, hook, act):
        raw.dora(beast(hook, ACTS[act]))
        self.others += 1

    def test_what_ends_the_helper(self):
        self.serve_zoo()
        crowd, raw = Crowd(self, 35, 300), self.wire()
        for act, text in ENDS.items():
            for hook in (NEW_PACKET, OPTIONS, ADDRESS_OFFER, SEND, DROP):
                if hook not in (NEW_PACKET, SEND) and act not in ("NULL", "KILL"):
                    continue
                before = len(self.reports())
                self.dora(raw, hook, act)
                wait_for(f"the report of {act} in {HOOK_NAMES[hook]}", lambda: any(
                    (dll, where) == ("zoo.so", HOOK_NAMES[hook]) and text in what
                    for dll, where, what in self.reports()[before:]))
                self.settle()
        crowd.check(self.others)

    def test_what_ends_it_at_another_time(self):
        self.serve_zoo('readable = ["/proc"]\n')
        crowd, raw = Crowd(self, 6, 300), self.wire()
        for act, text in ENDS_LATER.items():
            before = len(self.reports())
            self.dora(raw, NEW_PACKET, act)
            wait_for(f"the report of {act}", lambda: any(
                dll == "zoo.so" and text in what for dll, _, what in self.reports()[before:]))
            self.settle()
        crowd.check(self.others)

    def test_what_is_not_allowed_or_harms_nobody(self):
        self.serve_zoo()
        helpers = self.helpers()
        crowd, raw = Crowd(self, 6, 300), self.wire()
        for act in GOES_ON:
            self.dora(raw, SEND, act)
        rows = self.server.ask("callouts")
        self.assertEqual(sum(row["faults"] for row in rows), 2, rows)  # the exceptions: two replies
        self.assertEqual(self.helpers(), helpers)
        self.assertEqual(self.reports(), [])
        self.assertGreater(self.log().count(": refused"), 40)
        self.assertNotIn("ALLOWED", self.log())
        crowd.check(self.others)

    def test_the_callout_beside_it_notices_nothing(self):
        self.serve_zoo(names=("zoo.so", "bad.so"))
        good = self.helpers()[0]
        crowd, raw = Crowd(self, 4, 300), self.wire()
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
