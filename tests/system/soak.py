#!/usr/bin/env -S python3 -B
"""Bad callouts for as long as you like: members of the zoo act up, are killed and reloaded, one
alone or all of them, in random order and under load; then everything that must hold is checked.

    tests/system/soak.py                         20 s, as ./test does
    tests/system/soak.py --minutes 10 --seed 7
"""

import argparse
import collections
import os
import random
import re
import signal
import sys
import time
import unittest

import lab
from crowd import Crowd
from isolated_test import NEW_PACKET, ADDRESS_OFFER, DROP, OPTIONS, SEND, beast
from lab import wait_for
from zoo_test import ACTS, ENDS, ENDS_LATER, GOES_ON, ZooTest

NAMES = ("zoo.so", "zoo2.so", "zoo3.so")
HOOKS = (NEW_PACKET, OPTIONS, ADDRESS_OFFER, SEND, DROP)
RATE = 300
options = argparse.Namespace(seconds=20, seed=None)


class Soak(ZooTest):
    def act_up(self):
        """Every callout does what this client wants."""
        act = self.random.choice([*ENDS, *ENDS_LATER, *GOES_ON])
        if act in ("HANG", "SLEEP", "LATE") and self.random.random() < 0.7:
            return "nothing"  # they take their time
        hook = self.random.choice(HOOKS)
        mac = beast(hook, ACTS[act])[:4] + self.random.randbytes(2)
        self.raw.dora(mac)
        self.clients.add(mac)
        return act

    def kill(self):
        helpers = self.helpers()
        if helpers:
            number = self.random.choice([signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP])
            try:
                os.kill(self.random.choice(helpers), number)
            except ProcessLookupError:
                pass
        return "signal"

    def reload_one(self):
        name = self.random.choice(NAMES)
        self.assertEqual(self.server.tell("callouts", "reload", name), f"reloaded: {name}\n")
        self.reloads += 1
        return "reload one"

    def reload_all(self):
        self.assertEqual(self.server.tell("callouts", "reload"),
                         "loaded: " + ", ".join(NAMES) + "\n")
        self.reloads += 1
        return "reload all"

    def test_soak(self):
        seed = options.seed if options.seed is not None else random.getrandbits(32)
        print(f"seed {seed}", flush=True)
        self.random = random.Random(seed)
        self.clients, self.reloads, done = set(), 0, collections.Counter()
        self.serve_zoo('readable = ["/proc"]\n', NAMES)
        crowd, self.raw = Crowd(self, options.seconds, RATE, seed=seed % 1000 + 1), self.wire()
        deeds = [self.act_up] * 6 + [self.kill] * 3 + [self.reload_one] * 3 + [self.reload_all]
        until = time.monotonic() + options.seconds
        while time.monotonic() < until:
            done[self.random.choice(deeds)()] += 1
        reports = self.reports()
        print(f"{sum(done.values())} deeds, {len(reports)} faults: "
              + ", ".join(f"{count} {deed}" for deed, count in sorted(done.items())), flush=True)
        self.assertTrue(crowd.running() or crowd.process.popen.returncode == 0)
        # The culprits are named, and no callout was told of a packet that is not its own.
        self.assertGreater(len(reports), 0)
        self.assertLessEqual({dll for dll, *_ in reports}, set(NAMES))
        if not (done["SCRIBBLE"] or done["HEAP"]):  # who scribbles has garbage to read itself
            self.assertNotIn("PktContext is wrong", self.log())
        allowed = re.findall(r"text=\"(\S+): ALLOWED", self.log())
        self.assertLessEqual(set(allowed), {"/proc/1/environ", "/proc/self/mem"})  # as configured
        # All of them come to serve again, and there is a helper for each and no other.
        wait_for("all callouts to serve", lambda: {row["host"] for row in self.server.ask(
            "callouts")} == {"isolated"} and len(self.helpers()) == len(NAMES))
        for _ in range(5):
            mac = bytes([2, 0, 0, 0, 8]) + self.random.randbytes(1)
            self.raw.dora(mac)
            self.clients.add(mac)
        report = crowd.check(len(self.clients))
        print(f"{report['completed']} clients got their lease, the slowest after "
              f"{report['exchange_us']['max'] / 1000:.0f} ms", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, help="instead of 20 s")
    parser.add_argument("--seed", type=int)
    given = parser.parse_args()
    if given.minutes:
        options.seconds = int(given.minutes * 60)
    options.seed = given.seed
    os.umask(0o022)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    lab.need_system_lab()
    unittest.main(argv=[sys.argv[0]], verbosity=2, defaultTest="Soak")
