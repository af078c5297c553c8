#!/usr/bin/env -S python3 -B
"""Bad callouts for as long as you like: members of the zoo act up, are killed and reloaded, one
alone or all of them, in random order and under load; then everything that must hold is checked.
Where there is wine64, one of them is a Windows DLL.

    tests/system/soak.py                         20 s, as ./test does
    tests/system/soak.py --minutes 10 --seed 7
"""

import argparse
import collections
import os
import random
import shutil
import signal
import sys
import time
import unittest

import lab
from crowd import Crowd, release
from isolated_test import beast
from lab import wait_for
from wine_test import build_dll, why_no_wine
from zoo_test import ACTS, BY_RELEASE, ENDS, ENDS_LATER, GOES_ON, HOOK_NAMES, ZooTest

NAMES = ("zoo.so", "zoo2.so", "zoo3.so")
DLL = "zoo.dll"
RATE = 300
options = argparse.Namespace(seconds=20, seed=None, log=None)


class Soak(ZooTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.names = NAMES
        reason = why_no_wine()
        if reason:
            print(f"SKIPPED: the Windows DLL of the soak: {reason}", file=sys.stderr, flush=True)
        else:
            build_dll(cls.built / DLL, "tests/zoo/zoo.c")
            cls.names = (*NAMES, DLL)

    def setUp(self):
        super().setUp()
        if DLL in self.names:
            shutil.copy(self.built / DLL, self.lab.dir / DLL)
            (self.lab.dir / DLL).chmod(0o755)

    def act_up(self):
        """Every callout does what this client wants."""
        act = self.random.choice([*ENDS, *ENDS_LATER, *GOES_ON])
        if act in ("HANG", "SLEEP", "LATE") and self.random.random() < 0.7:
            return "nothing"  # they take their time
        hook = self.random.choice([*HOOK_NAMES])
        mac = beast(hook, ACTS[act])[:4] + self.random.randbytes(2)
        ack = self.raw.dora(mac)
        self.clients.add(mac)
        if hook in BY_RELEASE:
            release(self.raw, self.server, mac, ack)
            self.clients.remove(mac)
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
        name = self.random.choice(self.names)
        self.assertEqual(self.server.tell("callouts", "reload", name), f"reloaded: {name}\n")
        self.reloads += 1
        return "reload one"

    def reload_all(self):
        self.assertEqual(self.server.tell("callouts", "reload"),
                         "loaded: " + ", ".join(self.names) + "\n")
        self.reloads += 1
        return "reload all"

    def test_soak(self):
        seed = options.seed if options.seed is not None else random.getrandbits(32)
        print(f"seed {seed}", flush=True)
        self.random = random.Random(seed)
        self.clients, self.reloads, done = set(), 0, collections.Counter()
        # However long a packet waits for them all, it is not too old to be answered.
        self.serve_zoo(names=self.names, server='max-packet-age = "0s"')
        crowd, self.raw = Crowd(self, 5, RATE, seed=seed % 1000 + 1), self.wire()
        deeds = [self.act_up] * 6 + [self.kill] * 3 + [self.reload_one] * 3 + [self.reload_all]
        until = time.monotonic() + options.seconds
        while time.monotonic() < until:
            done[self.random.choice(deeds)()] += 1
        reports = self.reports()
        print(f"{sum(done.values())} deeds, {len(reports)} faults: "
              + ", ".join(f"{count} {deed}" for deed, count in sorted(done.items())), flush=True)
        # The culprits are named, and no callout was told of a packet that is not its own.
        self.assertGreater(len(reports), 0)
        self.assertLessEqual({dll for dll, *_ in reports}, set(self.names))
        if not (done["SCRIBBLE"] or done["HEAP"]):  # who scribbles has garbage to read itself
            self.assertNotIn("PktContext is wrong", self.log())
        self.assertNotIn("ALLOWED", self.log())
        # All of them come to serve again, and there is a helper for each and no other.
        hosts = {"isolated", "wine"} if DLL in self.names else {"isolated"}
        wait_for("all callouts to serve", lambda: {
            (row["host"], row["state"]) for row in self.server.ask("callouts")
        } == {(host, "serving") for host in hosts} and len(self.helpers()) == len(self.names))
        for _ in range(5):
            mac = bytes([2, 0, 0, 0, 8]) + self.random.randbytes(1)
            self.raw.dora(mac)
            self.clients.add(mac)
        if options.log:
            shutil.copy(self.server.process.log_path, options.log)
        report = crowd.check(len(self.clients))
        print(f"{report['completed']} clients got their lease, the slowest after "
              f"{report['slowest_ms']:.0f} ms", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, help="instead of 20 s")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--log", help="where to leave the server's log")
    given = parser.parse_args()
    if given.minutes:
        options.seconds = int(given.minutes * 60)
    options.seed, options.log = given.seed, given.log
    os.umask(0o022)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    lab.need_system_lab()
    unittest.main(argv=[sys.argv[0]], verbosity=2, defaultTest="Soak")
