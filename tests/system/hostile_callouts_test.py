#!/usr/bin/env -S python3 -B
"""Isolated callouts that go for their host: its time, its log, its wake-ups, its processors."""

import os
import subprocess
import time
from pathlib import Path

import lab
from isolated_test import CLIENT, ROOT, IsolatedTest
from lab import wait_for
from office import config
from packets import DISCOVER, MESSAGE_TYPE, message, options

# What a callout does to whoever hosts it, by what stands in its memory and by its descriptors: the
# ring is 3, and it hears and answers by 4 and 5 and prints into 6. Of a client 02:5e:act.
HOSTILE = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "dhcpssdk.h"
static void* print(void* unused) {
  static char lines[4096];
  for (size_t i = 0; i < sizeof lines; ++i) lines[i] = i % 8 == 7 ? 10 : 'x';
  for (;;) write(1, lines, sizeof lines);
}
static void* drip(void* unused) {
  for (;;) write(1, "x", 1);
}
static void* call_back(void* unused) {
  const uint64_t one = 1;
  for (;;) write(5, &one, sizeof one);
}
static void fill_and_sleep(void) {
  struct stat facts;
  fstat(3, &facts);
  char* const ring = mmap(0, facts.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, 3, 0);
  const uint64_t most = ~(uint64_t)0 - 1;
  write(4, &most, sizeof most);
  *(volatile uint32_t*)(ring + HELPER_SLEEPS) = 1;
  for (;;) pause();
}
static void* spin(void* unused) {
  for (volatile long n = 0;; ++n) {
  }
}
static void start(void* (*body)(void*)) {
  pthread_t thread;
  pthread_create(&thread, 0, body, 0);
}
static void act(int what) {
  switch (what) {
    case 1: print(0);
    case 2: start(print); break;
    case 3: start(drip); for (;;) pause();
    case 4: start(call_back); for (;;) pause();
    case 5: fill_and_sleep();
    case 6: close(1); close(2); close(6); break;
    case 7: close(5); break;
    case 8: close(4); break;
    case 9: for (int i = 0; i < 8; ++i) start(spin); break;
  }
}
static DWORD CALLBACK new_packet(LPBYTE* packet, DWORD* size, DWORD ip, LPVOID reserved,
                                 LPVOID* context, LPBOOL process_it) {
  const unsigned char* hardware = *packet + 28;
  if (hardware[0] == 2 && hardware[1] == 0x5e) act(hardware[2]);
  return 0;
}
static DWORD CALLBACK drop(LPBYTE* packet, DWORD* size, DWORD code, DWORD ip, LPVOID reserved,
                           LPVOID context) {
  const unsigned char* hardware = *packet + 28;
  if (hardware[0] == 2 && hardware[1] == 0x5f && code == 0xB) act(hardware[2]);
  return 0;
}
DWORD CALLBACK DhcpServerCalloutEntry(LPWSTR chain, DWORD version, LPDHCP_CALLOUT_TABLE table) {
  table->DhcpNewPktHook = new_packet;
  table->DhcpPktDropHook = drop;
  return 0;
}
"""
PRINT, PRINT_BESIDE, DRIP, CALL_BACK, FILL, CLOSE_OUTPUT, CLOSE_CALL_BACK, CLOSE_WORK, \
    SPIN_BESIDE = range(1, 10)
# Of ring::Header in src/callout/ring.h: the server wakes who says that it sleeps.
HELPER_SLEEPS = 132
LOG_BYTES_MAX = 400_000  # kCalloutLinesMax lines of a burst, and what else is said


class Hostile(IsolatedTest):
    """Its helper is the callout's own; the server's time, its log and its other clients are not."""

    def setUp(self):
        super().setUp()
        source = self.lab.dir / "hostile.c"
        source.write_text(HOSTILE)
        subprocess.run(["cc", "-w", "-O1", "-shared", "-fPIC", f"-DHELPER_SLEEPS={HELPER_SLEEPS}",
                        f"-I{ROOT}/sdk/include", source, "-o", self.lab.dir / "hostile.so",
                        "-pthread"], check=True, timeout=120)
        (self.lab.dir / "hostile.so").chmod(0o755)
        self.serve(config(more='[callouts]\nbudget = "20ms"\nrestart = { first = "1ms", '
                               'longest = "1ms", faults-max = 100 }\n'
                               '[[callouts.dll]]\npath = "hostile.so"\n'))
        self.raw = self.wire()

    def act(self, act, kind=0x5E):
        self.raw.dora(bytes([2, kind, act, 0, 0, 1]))

    def used_s(self):
        """Seconds of a processor that the server's process has had."""
        stat = Path(f"/proc/{self.server.process.pid}/stat").read_text()
        fields = stat.rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def idle_share(self):
        used, since = self.used_s(), time.monotonic()
        time.sleep(1)
        return 1 - (self.used_s() - used) / (time.monotonic() - since)

    def test_a_hook_that_hangs_whatever_else_it_does_is_over_its_budget(self):
        number = 0
        for kind in (0x5E, 0x5F):
            for act in (PRINT, DRIP, CALL_BACK):
                self.act(act, kind)
                number += 1
                wait_for("the report", lambda: len(self.faults()) >= number)
                wait_for("the next helper",
                         lambda: self.log().count("callout restarted") >= number)
        self.raw.dora(CLIENT)
        self.assertEqual(len(self.faults()), number)
        self.assertLess(len(self.log()), LOG_BYTES_MAX)
        self.assertRegex(self.log(), "says too much; lines of it are left out callout=hostile.so")

    def test_a_thread_that_prints_without_end_fills_no_disk(self):
        self.act(PRINT_BESIDE)
        wait_for("its lines", lambda: "left out" in self.log())
        for last in range(20):
            self.raw.dora(bytes([2, 0, 0, 0, 9, last]))
        self.assertLess(len(self.log()), LOG_BYTES_MAX)
        self.assertEqual(self.faults(), [])

    def test_one_that_closes_its_output_costs_no_processor(self):
        self.act(CLOSE_OUTPUT)
        self.raw.dora(CLIENT)
        self.assertGreater(self.idle_share(), 0.5)
        self.assertEqual(self.faults(), [])

    def test_what_wakes_it_can_not_be_filled(self):
        filler = bytes([2, 0x5F, FILL, 0, 0, 1])
        self.assertTrue(self.raw.ask(message(filler, options((MESSAGE_TYPE, DISCOVER)))))
        time.sleep(0.1)  # until it is done
        self.raw.dora(CLIENT)
        wait_for("the report", self.faults)
        self.server.stop()

    def test_threads_that_spin_get_what_is_left_over(self):
        self.act(SPIN_BESIDE)
        helper = self.helpers()[0]

        def priorities():
            """Its first thread's, and those of the others."""
            found = {}
            for stat in Path(f"/proc/{helper}/task").glob("*/stat"):
                found[int(stat.parent.name)] = int(stat.read_text().rsplit(") ", 1)[1].split()[16])
            return [found.pop(helper), *found.values()]

        wait_for("its threads", lambda: len(priorities()) > 8)
        wait_for("all of them", lambda: priorities() == [0] + [19] * (len(priorities()) - 1))
        self.raw.dora(CLIENT)

    def test_one_that_can_not_be_talked_to_any_more_is_replaced(self):
        for number, (act, what) in enumerate([(CLOSE_CALL_BACK, "closed what it answers by"),
                                              (CLOSE_WORK, "it exited with status 1")], 1):
            self.act(act)
            for last in range(100):
                if len(self.faults()) == number:
                    break
                self.raw.dora(bytes([2, 0, 0, 0, 9, last]))
            wait_for("the next helper", lambda: self.log().count("callout restarted") >= number)
            self.assertIn(what, self.log())


if __name__ == "__main__":
    os.umask(0o022)
    lab.main()
