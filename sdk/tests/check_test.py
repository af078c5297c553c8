#!/usr/bin/env -S python3 -B
"""`hookline callout check` on good callouts, on one for each breach, and on what is no callout.

    check_test.py HOOKLINE SDK_BUILD_FOLDER CALLOUTS_FOLDER
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SDK = Path(__file__).resolve().parent.parent
HOOKLINE = SDK_BUILD = CALLOUTS = None

HEADERS = ("#include <windows.h>\n#include <dhcpssdk.h>\n"
           "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n")
NEW_PKT = ("DWORD CALLBACK NewPkt(LPBYTE *Packet, DWORD *Size, DWORD Ip, LPVOID Reserved, "
           "LPVOID *Context, LPBOOL ProcessIt)")
DROP = ("DWORD CALLBACK Drop(LPBYTE *Packet, DWORD *Size, DWORD Code, DWORD Ip, LPVOID Reserved, "
        "LPVOID Context)")
SEND = DROP.replace("Drop(", "Send(")
DELETE = ("DWORD CALLBACK Delete(DWORD Ip, LPBYTE HwAddress, ULONG Length, DWORD Reserved, "
          "DWORD Type)")
CONTROL = "DWORD CALLBACK Control(DWORD Code, LPVOID Reserved)"
ENTRY = "DWORD CALLBACK DhcpServerCalloutEntry(LPWSTR c, DWORD v, LPDHCP_CALLOUT_TABLE t)"
FIELDS = {NEW_PKT: "DhcpNewPktHook = NewPkt", DROP: "DhcpPktDropHook = Drop",
          SEND: "DhcpPktSendHook = Send", DELETE: "DhcpDeleteClientHook = Delete",
          CONTROL: "DhcpControlHook = Control"}


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="hookline-check-test-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def made(self, hooks, entry="", name="bad.c", flags=()):
        """A callout of these hooks: (signature, body) each."""
        code = "".join(f"static {signature} {{ {body} return 0; }}\n" for signature, body in hooks)
        fields = "".join(f"t->{FIELDS[signature]};" for signature, _ in hooks)
        extern = 'extern "C" ' if name.endswith(".cpp") else ""
        source = self.folder / name
        source.write_text(f"{HEADERS}{code}{extern}{ENTRY} {{ {entry} {fields} return 0; }}\n")
        library = str(self.folder / "bad.so")
        done = subprocess.run([str(SDK / "hookline-cc"), str(source), *flags, "-o", library,
                               "--sdk-build", SDK_BUILD], capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return library

    def check(self, file, *arguments):
        """(status, what it says, what it says about errors)"""
        done = subprocess.run([HOOKLINE, "callout", "check", str(file), "--packets", "20",
                               *arguments], capture_output=True, text=True, check=False,
                              cwd=self.folder, timeout=250)
        return done.returncode, done.stdout, done.stderr

    def assert_breach(self, file, hook, what, *arguments):
        status, out, err = self.check(file, *arguments)
        self.assertEqual(status, 1, out + err)
        lines = [line for line in out.splitlines() if line.startswith(f"BREACH {hook}: ")]
        self.assertTrue(any(what in line for line in lines), out + err)
        self.assertFalse(list(self.folder.glob("core*")))
        return out


class Good(Case):
    # A machine that is busy with other things is not the callout's fault.
    PATIENT = ("--budget", "60s", "--timeout", "120s")

    def test_the_examples_are_clean(self):
        for name in ("audit", "mac_filter", "option82", "fingerprint"):
            with self.subTest(name):
                status, out, err = self.check(f"{CALLOUTS}/{name}.so", *self.PATIENT)
                self.assertEqual(status, 0, out + err)
                self.assertIn("clean", out.splitlines()[-1])

    def test_a_callout_that_does_nothing_sees_every_exchange(self):
        library = self.made([(NEW_PKT, ""), (DROP, ""), (SEND, ""), (DELETE, ""), (CONTROL, "")])
        status, out, err = self.check(library, "--format", "json", *self.PATIENT)
        self.assertEqual(status, 0, out + err)
        report = json.loads(out)
        self.assertEqual(report["not_reached"], [])
        self.assertEqual(report["not_tried"], [])
        self.assertEqual(report["exchanges_reached"], report["exchanges"])
        self.assertEqual(report["rounds"], 20)
        self.assertEqual(report["breaches"], [])
        calls = {hook["hook"]: hook["calls"] for hook in report["hooks"]}
        self.assertEqual(set(calls), {"DhcpNewPktHook", "DhcpPktDropHook", "DhcpPktSendHook",
                                      "DhcpDeleteClientHook", "DhcpControlHook"})
        self.assertGreaterEqual(calls["DhcpDeleteClientHook"], 20)
        self.assertEqual(calls["DhcpControlHook"], 10)

    def test_what_it_prints_is_not_the_report(self):
        library = self.made([(NEW_PKT, "puts(\"noise\");")])
        status, out, _ = self.check(library, "--format", "json", *self.PATIENT)
        self.assertEqual(status, 0)
        json.loads(out)

    def test_refusing_everything_is_said_and_is_no_breach(self):
        status, out, err = self.check(self.made([(NEW_PKT, "*ProcessIt = FALSE;")]), *self.PATIENT)
        self.assertEqual(status, 0, out + err)
        self.assertIn("it refuses every packet", out)
        self.assertIn("not reached: NOADDRESS", out)


class Bad(Case):
    def test_a_crash(self):
        out = self.assert_breach(self.made([(NEW_PKT, "*(volatile int *)8 = 1;")]),
                                 "DhcpNewPktHook", "crashed: SIGSEGV, in DISCOVER → OFFER")
        self.assertIn("not tried: NOADDRESS", out)

    def test_a_crash_in_one_exchange_leaves_the_others(self):
        out = self.assert_breach(self.made([(DELETE, "if (Length == 16) abort();")]),
                                 "DhcpDeleteClientHook",
                                 "crashed: SIGABRT, in a hardware address of 16 bytes")
        self.assertNotIn("not tried", out)

    def test_a_crash_in_the_entry_point(self):
        self.assert_breach(self.made([], entry="*(volatile int *)0 = 1;"),
                           "DhcpServerCalloutEntry", "crashed: SIGSEGV")

    def test_a_crash_when_it_is_unloaded(self):
        source = "__attribute__((destructor)) static void gone(void) { abort(); }"
        library = self.made([(CONTROL, "")], flags=(self.source("gone.c", source),))
        self.assert_breach(library, "DllMain, or what else runs when it is unloaded",
                           "crashed: SIGABRT")

    def source(self, name, text):
        (self.folder / name).write_text("#include <stdlib.h>\n" + text + "\n")
        return str(self.folder / name)

    def test_an_exit(self):
        self.assert_breach(self.made([(SEND, "exit(0);")]), "DhcpPktSendHook",
                           "ended the process, with exit status 0")

    def test_a_loop_without_end(self):
        loop = "for (volatile int i = 0;; ++i) { }"
        self.assert_breach(self.made([(CONTROL, f"if (Code == 3) {loop}")]), "DhcpControlHook",
                           "did not return within 5 s, in PAUSE", "--timeout", "5s")

    def test_a_cxx_exception(self):
        self.assert_breach(self.made([(DROP, "throw 7;")], name="bad.cpp"), "DhcpPktDropHook",
                           "a C++ exception left it")

    def test_a_write_outside(self):
        self.assert_breach(self.made([(NEW_PKT, "memset(*Packet + 4090, 0, 10);")]),
                           "DhcpNewPktHook", "wrote outside the packet's 4096 bytes")

    def test_appending_to_a_full_packet(self):
        self.assert_breach(self.made([(NEW_PKT, "memset(*Packet + *Size, 1, 8);")]),
                           "DhcpNewPktHook", "4096 bytes, in DISCOVER of 4096 bytes")

    def test_a_size_too_large(self):
        self.assert_breach(self.made([(SEND, "*Size = 5000;")]), "DhcpPktSendHook",
                           "set PacketSize to 0 or to more than 4096")

    def test_a_pointer_to_nothing(self):
        self.assert_breach(self.made([(NEW_PKT, "*Packet = (LPBYTE)16;")]), "DhcpNewPktHook",
                           "swapped in a packet that can't be read")

    def test_sleep(self):
        self.assert_breach(self.made([(SEND, "Sleep(2);")]), "DhcpPktSendHook", "is slow: p99 is")

    def test_a_context_that_nobody_frees(self):
        self.assert_breach(self.made([(NEW_PKT, "*Context = malloc(1);")]), "DhcpNewPktHook",
                           "no DhcpPktDropHook")

    def test_breaches_as_json(self):
        status, out, _ = self.check(self.made([(SEND, "*Size = 5000;")]), "--format", "json")
        self.assertEqual(status, 1)
        breach = json.loads(out)["breaches"][0]
        self.assertEqual(breach["hook"], "DhcpPktSendHook")
        self.assertEqual(breach["exchange"], "DISCOVER → OFFER")


class Wild(Case):
    """It writes over all memory that its process shares with the one that reads what it did."""

    SCRIBBLE = """FILE *maps = fopen("/proc/self/maps", "r");
        char line[512], rights[8];
        unsigned long long begin, end;
        while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
            if (sscanf(line, "%llx-%llx %4s", &begin, &end, rights) == 3 &&
                rights[1] == 'w' && rights[3] == 's') {
                for (char *at = (char *)begin; at < (char *)end; at++) *at = FILL;
                Scribbled = 1;
            }
        }
        if (maps != NULL) fclose(maps);
        """
    ONCE = "static int Scribbled; if (!Scribbled) {"

    def assert_survives(self, hook, fill, after=""):
        body = f"{self.ONCE}{self.SCRIBBLE}}}\n{after}".replace("FILL", fill)
        library = self.made([(hook, body)])
        for how in ((), ("--format", "json")):
            status, out, err = self.check(library, "--timeout", "5s", *how)
            self.assertIn(status, (0, 1, 2), out + err)  # and no signal
            if status != 2:
                self.assertIn("bad.so", json.loads(out)["file"] if how else out.splitlines()[-1])
        return status, out + err

    def test_with_ones(self):
        status, said = self.assert_survives(NEW_PKT, "(char)0xFF")
        self.assertNotEqual(status, 0, said)

    def test_with_zeros(self):
        self.assert_survives(NEW_PKT, "0")

    def test_with_noise(self):
        self.assert_survives(SEND, "(char)((at - (char *)begin) * 31 + 7)")

    def test_and_then_a_crash(self):
        status, said = self.assert_survives(NEW_PKT, "(char)0x7F", "abort();")
        self.assertNotEqual(status, 0, said)

    def test_when_it_is_told_to_stop(self):
        self.assert_survives(CONTROL, "(char)0xFE")


class NoCallout(Case):
    def assert_not_loaded(self, file, why, *arguments):
        status, out, err = self.check(file, *arguments)
        self.assertEqual(status, 2, out + err)
        self.assertIn(why, err)

    def test_files_that_are_none(self):
        text = self.folder / "text.so"
        text.write_text("a text file, and not a short one: " * 20)
        self.assert_not_loaded(text, "text.so")
        self.assert_not_loaded(self.folder / "absent.so", "absent.so")
        self.assert_not_loaded(self.folder, str(self.folder))
        pe = self.folder / "mac.dll"
        pe.write_bytes(b"MZ" + bytes(58) + (64).to_bytes(4, "little") + b"PE\0\0\x64\x86" +
                       bytes(400))
        self.assert_not_loaded(pe, "mac.dll")

    def test_an_entry_point_that_refuses(self):
        self.assert_not_loaded(self.made([], entry="return 50;"), "ERROR_NOT_SUPPORTED")

    def test_a_wrong_command_line(self):
        status, _, err = self.check(self.folder / "absent.so", "--budget", "soon")
        self.assertEqual(status, 2)
        self.assertIn("is not a duration", err)
        self.assert_not_loaded(f"{CALLOUTS}/audit.so", "absent.toml", "--config",
                               str(self.folder / "absent.toml"))


def main():
    global HOOKLINE, SDK_BUILD, CALLOUTS
    HOOKLINE, SDK_BUILD, CALLOUTS = (os.path.abspath(path) for path in sys.argv[1:4])
    return unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)


if __name__ == "__main__":
    sys.exit(main())
