#!/usr/bin/env -S python3 -B
"""Packet-callout drivers that each break a rule, in the live server."""

import os
import re
import signal

import lab
from clients import Udhcpc
from drivers_test import MAC, OTHER, DriverTest, discover, driver, negative
from lab import wait_for
from office import config
from packets import DISCOVER, MESSAGE_TYPE, message, options


class Negative(DriverTest):
    """One broken rule each: it is named in the log and counted, and clients are served all along,
    or once the driver is unloaded."""

    # What the log says, each once or more, and nothing else.
    RULES = {
        "keeps_clone": [r"in=FwpsAllocateCloneNetBufferList0 .*3 clones are left"],
        "frees_twice": [r"in=FwpsFreeCloneNetBufferList0 .*freed before"],
        "forgets_advance": [r"in=.*classifyFn.*left the NET_BUFFER's data"],
        "holds_lock": [r"in=FwpsInjectMacSendAsync0 .*1 spin lock held"],
        "destroys_in_completion": [
            r"in=FwpsInjectionHandleDestroy0 .*called at DISPATCH_LEVEL",
            r"in=FwpsInjectionHandleDestroy0 .*inside a completion"],
        "frees_in_flight": [r"in=FwpsFreeCloneNetBufferList0 .*injection is pending"],
        "injects_twice": [r"in=FwpsInjectMacSendAsync0 .*under way already"],
        "injects_original": [r"in=FwpsInjectMacSendAsync0 "],
        "returns_raised": [r"in=notifyFn .*returned at DISPATCH_LEVEL"],
    }

    def check(self, name):
        self.serve(config(more=driver(self.place(name, negative(name)))))
        wire = self.wire()
        if name == "keeps_clone":
            for number in range(3):
                self.assertTrue(wire.is_silent(message(
                    bytes([2, 0, 0, 0, 14, number]), options((MESSAGE_TYPE, DISCOVER))), 0.3))
        wire.dora(MAC)
        said = self.reconfigure(config())
        self.assertIn(f"{name} unloaded", said)
        wire.dora(OTHER)
        Udhcpc(self.lab, self.host()).address()
        self.server.stop()
        self.expect(name)

    def expect(self, name):
        found = self.breaches()
        for line in found:
            self.assertIn(f"driver={name} ", line)
            self.assertTrue(any(re.search(like, line) for like in self.RULES[name]), line)
        for like in self.RULES[name]:
            self.assertRegex("\n".join(found), like)
        self.assertRegex(self.server.process.log(),
                         rf"driver unloaded driver={name} breaches=[1-9]")

    def test_blocks_at_unload(self):
        self.serve(config(more=driver(self.place("blocks_at_unload",
                                                 negative("blocks_at_unload")))))
        wire = self.wire()
        wire.dora(MAC)
        self.server.config.write_text(config())
        self.server.process.signal(signal.SIGHUP)
        # It is served all the while.
        served = 0
        while not self.rows("driver", state="stuck"):
            wire.dora(bytes([2, 0, 0, 0, 13, served % 50]))
            served += 1
        self.assertGreater(served, 0)
        self.assertIn("unload", self.row("driver")["why"])
        wire.dora(OTHER)
        self.server.process.terminate()
        self.assertRegex(self.server.process.log(), r"driver not unloaded.*blocks_at_unload")

    def test_an_entry_that_waits_for_its_completion(self):
        made = self.place("waits_in_entry", ["tests/drivers/waits_in_entry.c"])
        self.serve(config(more=driver(made)))
        self.assertEqual(self.row("driver")["state"], "running")
        self.wire().dora(MAC)
        self.end_clean()

    def test_hangs_in_classify(self):
        """It has the packet thread: nobody is served any more, but it is said who it is, and the
        server still ends when it is told to."""
        self.serve(config(more=driver(self.place("hangs_in_classify",
                                                 negative("hangs_in_classify")))))
        wire = self.wire()
        wire.send(discover(MAC))
        wait_for("the driver to hang", lambda: self.row("driver")["inside"])
        status, _, error = self.server.try_ask("status")
        self.assertEqual(status, 1)
        self.assertIn("inside of the packet callout hangs_in_classify", error)
        self.server.process.signal(signal.SIGTERM)
        self.assertEqual(self.server.process.wait(), 1)
        self.assertRegex(self.server.process.log(),
                         r"packet thread hangs.*inside=hangs_in_classify")

    def test_two_that_answer_each_other(self):
        names = [self.place(f"loops{number}", negative("loops", number)) for number in (1, 2)]
        self.serve(config(more="".join(driver(name) for name in names)))
        wire = self.wire()
        wire.send(discover(MAC, 1))
        cut = wait_for("the loop to be cut", lambda: sum(
            row["loops_cut"] for row in self.rows("injection")))
        self.assertEqual(cut, 1)
        wait_for("everything to end", lambda: not any(
            row["in_flight"] for row in self.rows("injection")))
        injected = sum(row["injected"] for row in self.rows("injection")
                       if row["driver"] != "hookline")
        self.assertLessEqual(injected, 17)
        self.reconfigure(config())
        wire.dora(OTHER)
        self.server.stop()
        self.assertTrue(self.breaches())
        for line in self.breaches():
            self.assertRegex(line, r"driver=loops[12] in=FwpsInjectMacSendAsync0 ")


def _case(name):
    return lambda self: self.check(name)


for _name in Negative.RULES:
    setattr(Negative, f"test_{_name}", _case(_name))


if __name__ == "__main__":
    os.umask(0o022)
    lab.main()
