#!/usr/bin/env -S python3 -B
"""Windows DLLs on Linux: cross-built here, run by Wine, in front of stock clients."""

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
from crowd import ROOMY, Crowd
from isolated_test import beast
from lab import HOOKLINE, wait_for
from office import OfficeTest, config
from packets import DISCOVER, MESSAGE_TYPE, message, options
from zoo_test import ACTS

ROOT = Path(__file__).resolve().parents[2]
COMPILER = "x86_64-w64-mingw32-gcc-posix"
REFUSED, SERVED = "02:00:5e:10:00:08", "02:00:5e:10:00:07"
NEW_PACKET, OPTIONS = 1, 6
NULL, KILL = 1, 13
REGISTRY = """Windows Registry Editor Version 5.00

[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\DHCPServer\\Parameters]
"CalloutEnabled"=dword:00000001
"CalloutDlls"=hex(7):{dlls}
"MacFilterList"="C:\\\\ProgramData\\\\Mac Filter\\\\list.txt"
"""


def multi(text):
    return ",".join(f"{byte:02x}" for byte in (text + "\0\0").encode("utf-16-le"))


def build(name, source):
    compiler = COMPILER.replace("gcc", "g++") if str(source).endswith(".cpp") else COMPILER
    command = [compiler, "-w", "-O1", "-shared", "-static", ROOT / source, "-o", name,
               "-lws2_32"]
    subprocess.run([str(word) for word in command], check=True, timeout=120)


class WineTest(OfficeTest):
    built = None

    @classmethod
    def setUpClass(cls):
        if not shutil.which(COMPILER):
            raise unittest.SkipTest("no g++-mingw-w64-x86-64-posix: no DLL can be built")
        if not os.path.exists("/usr/lib/wine/wine64"):
            raise unittest.SkipTest("no wine64: Windows DLLs cannot be run")
        cls.built = Path(tempfile.mkdtemp(prefix="hlt-wine-"))
        cls.addClassCleanup(shutil.rmtree, cls.built, True)
        build(cls.built / "mac_filter.dll", "sdk/examples/mac_filter/mac_filter.c")
        build(cls.built / "zoo.dll", "tests/zoo/zoo.c")

    def setUp(self):
        super().setUp()
        self.lab.dir.chmod(0o755)  # callouts run as somebody else
        for file in self.built.iterdir():
            shutil.copy(file, self.lab.dir / file.name)
            (self.lab.dir / file.name).chmod(0o755)

    def log(self):
        return self.server.process.log()

    def helpers(self):
        def children(pid):
            path = Path(f"/proc/{pid}/task/{pid}/children")
            return [int(word) for word in path.read_text().split()]
        return [helper for spawner in children(self.server.process.pid)
                for helper in children(spawner)]

    def processes(self):
        """Everything that the helpers are: Wine's process and its wineserver."""
        return [pid for helper in self.helpers()
                for pid in [helper, *(int(word) for word in Path(
                    f"/proc/{helper}/task/{helper}/children").read_text().split())]]


class MacFilter(WineTest):
    def test_an_unmodified_windows_dll_refuses_a_client(self):
        (self.lab.dir / "list.txt").write_text(f"allow {SERVED}\r\nnonsense\r\ndeny 02:00:5e:*\r\n")
        (self.lab.dir / "exported.reg").write_text(
            REGISTRY.format(dlls=multi("C:\\Windows\\System32\\mac_filter.dll")))
        self.serve(config(more="""
[callouts]
registry = "exported.reg"
user = "nobody"
host = "wine"
[callouts.map]
"C:\\\\Windows\\\\System32\\\\mac_filter.dll" = "mac_filter.dll"
"C:\\\\ProgramData\\\\Mac Filter\\\\list.txt" = "list.txt"
"""))
        served = Udhcpc(self.lab, self.host("served", mac=SERVED))
        self.assertTrue(served.address())
        Udhcpc(self.lab, self.host("refused", mac=REFUSED))
        wait_for("refusals", lambda: self.server.drops().get("refused_by_callout", 0) >= 2)
        self.assertNotIn(REFUSED, str(self.server.leases()))
        rows = self.server.ask("callouts")
        self.assertEqual({row["host"] for row in rows}, {"wine"})
        self.assertIn("DhcpNewPktHook", {row["hook"] for row in rows})
        self.assertGreaterEqual(sum(row["refused"] for row in rows), 2)
        self.assertIn("wine", self.server.tell("callouts"))
        # What it reports to the event log.
        self.assertRegex(self.log(), r"warning .*source=mac_filter .*line 2 is not understood")
        self.server.stop()
        self.assertRegex(self.log(), r"packets refused")
        self.assertNotIn("callout printed", self.log(), "nothing of Wine's own")


class Faults(WineTest):
    def zoo(self):
        return config(more='[callouts]\nuser = "nobody"\nbudget = "500ms"\n'
                           'restart = { first = "10ms", longest = "10ms", faults-max = 100 }\n'
                           '[[callouts.dll]]\npath = "zoo.dll"\n')

    def test_a_fault_is_caught_and_serving_goes_on(self):
        self.serve(self.zoo())
        raw = self.wire()
        wait_for("the helper", self.helpers)
        before = self.helpers()
        for hook in (NEW_PACKET, OPTIONS):
            raw.dora(bytes([2, 0x5A, hook, NULL, 0, 1]))
        raw.dora(bytes([2, 0, 0, 0, 9, 1]))
        self.assertEqual(self.helpers(), before, "the same process")
        rows = self.server.ask("callouts", "faults")
        self.assertEqual(rows[0]["hook"], "DhcpNewPktHook")
        self.assertRegex(rows[0]["what"], r"0xC0000005 \(access violation\): address 0x10, "
                                          r"at zoo\.dll\+0x")
        self.assertIn("025a01", rows[0]["request"])
        self.assertEqual(self.log().count("event=1031"), 1, "said once")

    def test_a_killed_helper_is_replaced_and_takes_its_wineserver_along(self):
        self.serve(self.zoo())
        wait_for("the helper and its wineserver", lambda: len(self.processes()) == 2)
        before = self.processes()
        os.kill(before[0], signal.SIGKILL)
        client = Udhcpc(self.lab, self.host())
        self.assertTrue(client.address())
        wait_for("another helper", lambda: self.helpers() and self.helpers()[0] not in before)
        wait_for("the end of the first", lambda: not any(
            Path(f"/proc/{pid}").exists() for pid in before))
        self.assertRegex(self.log(), r"event=1031 .*SIGKILL")
        self.wire().dora(bytes([2, 0, 0, 0, 9, 1]))

    def test_all_of_it_ends_with_a_killed_server(self):
        self.serve(self.zoo())
        wait_for("the helper and its wineserver", lambda: len(self.processes()) == 2)
        all_of_it = self.processes()
        self.server.process.kill()
        wait_for("their end", lambda: not any(
            Path(f"/proc/{pid}").exists() for pid in all_of_it))


class ZooUnderLoad(WineTest):
    """Each bad act, once in a hook that is waited for, while new clients come."""

    # Caught, or the end of the helper: reported either way.
    REPORTED = ("NULL", "DIVIDE", "TRAP", "THROW", "CPP", "STACK", "ABORT", "EXIT", "FAIL_FAST",
                "KILL", "HANG", "SLEEP", "LATE", "THREAD", "UNCAUGHT")
    GOES_ON = ("FORK", "EXEC", "OPEN", "CONNECT", "TRY", "PRINT", "SPIN_THREAD", "HEAP")

    def reports(self):
        return self.server.ask("callouts", "faults")

    def test_no_client_is_left_without_its_lease(self):
        self.serve(ROOMY + '[callouts]\nuser = "nobody"\nbudget = "300ms"\n'
                   'restart = { first = "2ms", longest = "10ms", faults-max = 1000 }\n'
                   '[[callouts.dll]]\npath = "zoo.dll"\n')
        wait_for("the helper", self.helpers)
        crowd, raw = Crowd(self, 20, 200), self.wire()
        for act in self.REPORTED:
            before = len(self.reports())
            raw.dora(beast(NEW_PACKET, ACTS[act]))
            wait_for(f"the report of {act}", lambda: len(self.reports()) > before)
            self.assertEqual(self.reports()[0]["callout"], "zoo.dll")
            wait_for("a callout that serves", lambda: {
                row["host"] for row in self.server.ask("callouts")} == {"wine"})
        for act in self.GOES_ON:
            raw.dora(beast(NEW_PACKET, ACTS[act]))
        crowd.check(len(self.REPORTED) + len(self.GOES_ON))


CHAINER = """#include <windows.h>
#include <dhcpssdk.h>
static DHCP_CALLOUT_TABLE Next;
static DWORD CALLBACK NewPkt(LPBYTE *p, DWORD *s, DWORD i, LPVOID r, LPVOID *c, LPBOOL x) {
  return Next.DhcpNewPktHook(p, s, i, r, c, x);
}
static DWORD CALLBACK Control(DWORD code, LPVOID reserved) {
  return Next.DhcpControlHook(code, reserved);
}
__declspec(dllexport) DWORD CALLBACK DhcpServerCalloutEntry(LPWSTR chain, DWORD v,
                                                            LPDHCP_CALLOUT_TABLE t) {
  HMODULE next = LoadLibraryW(chain);
  LPDHCP_ENTRY_POINT_FUNC entry;
  if (next == NULL) return GetLastError();
  entry = (LPDHCP_ENTRY_POINT_FUNC)GetProcAddress(next, DHCP_CALLOUT_ENTRY_POINT);
  t->DhcpNewPktHook = NewPkt;
  t->DhcpControlHook = Control;
  return entry(chain + lstrlenW(chain) + 1, v, &Next);
}
"""
THROWER = """#include <windows.h>
#include <dhcpssdk.h>
#include <stdexcept>
static DWORD CALLBACK NewPkt(LPBYTE *p, DWORD *s, DWORD i, LPVOID r, LPVOID *c, LPBOOL x) {
  if ((*p)[29] == 0x5a) throw std::runtime_error("not my day");
  return 0;
}
extern "C" __declspec(dllexport) DWORD CALLBACK DhcpServerCalloutEntry(LPWSTR chain, DWORD v,
                                                                       LPDHCP_CALLOUT_TABLE t) {
  t->DhcpNewPktHook = NewPkt;
  return 0;
}
"""


class Others(WineTest):
    def made(self, name, text, suffix=".c"):
        source = self.lab.dir / (name + suffix)
        source.write_text(text)
        build(self.lab.dir / (name + ".dll"), source)

    def test_dlls_chain_each_other(self):
        self.made("a_chainer", CHAINER)
        (self.lab.dir / "mac_filter.txt").write_text("deny 02:00:5e:*\n")
        self.serve(config(more='[callouts]\nuser = "nobody"\nhost = "wine"\n'
                               'dlls = ["a_chainer.dll", "mac_filter.dll"]\n'))
        raw = self.wire()
        raw.dora(bytes([2, 0, 0, 0, 9, 1]))
        self.assertTrue(raw.is_silent(message(bytes([2, 0, 0x5E, 0, 9, 1]),
                                              options((MESSAGE_TYPE, DISCOVER)))))
        self.assertEqual({row["callout"] for row in self.server.ask("callouts")},
                         {"a_chainer.dll"})
        self.assertGreaterEqual(self.server.drops()["refused_by_callout"], 1)

    def test_a_cpp_exception_is_caught(self):
        self.made("thrower", THROWER, ".cpp")
        self.serve(config(more='[callouts]\nuser = "nobody"\n'
                               '[[callouts.dll]]\npath = "thrower.dll"\n'))
        raw = self.wire()
        wait_for("the helper", self.helpers)
        before = self.helpers()
        raw.dora(bytes([2, 0x5A, 0, 0, 0, 1]))
        raw.dora(bytes([2, 0, 0, 0, 9, 1]))
        self.assertEqual(self.helpers(), before, "the same process")
        self.assertRegex(self.log(), r"event=1031 .*not my day")


class Refused(WineTest):
    def test_root_is_told_to_name_somebody(self):
        self.serve(config(more='[callouts]\nuser = "root"\n[[callouts.dll]]\npath = "zoo.dll"\n'))
        self.assertRegex(self.log(), r"event=1034 .*cannot be root")
        self.wire().dora(bytes([2, 0, 0, 0, 9, 1]))

    def test_what_is_no_windows_dll_is_named(self):
        (self.lab.dir / "zoo.dll").write_text("just text")
        self.serve(config(more='[callouts]\nuser = "nobody"\nhost = "wine"\n'
                               '[[callouts.dll]]\npath = "zoo.dll"\n'))
        self.assertRegex(self.log(), r"event=1034 .*zoo\.dll: not a Windows DLL")


class Check(WineTest):
    def check(self, name):
        run = subprocess.run([HOOKLINE, "callout", "check", str(self.lab.dir / name), "--packets",
                              "20", "--budget", "10s", "--timeout", "60s"], text=True, check=False,
                             capture_output=True, timeout=300)
        return run.returncode, run.stdout + run.stderr

    def test_the_check_works_as_for_linux(self):
        status, said = self.check("mac_filter.dll")
        self.assertEqual(status, 0, said)
        self.assertIn("clean", said)
        source = self.lab.dir / "bad.c"
        source.write_text("""#include <windows.h>
#include <dhcpssdk.h>
static DWORD CALLBACK Drop(LPBYTE *p, DWORD *s, DWORD c, DWORD i, LPVOID r, LPVOID x) {
  if (c == DHCP_DROP_NOADDRESS) *(volatile int *)8 = 1;
  return 0;
}
__declspec(dllexport) DWORD CALLBACK DhcpServerCalloutEntry(LPWSTR c, DWORD v,
                                                            LPDHCP_CALLOUT_TABLE t) {
  t->DhcpPktDropHook = Drop;
  return 0;
}
""")
        build(self.lab.dir / "bad.dll", source)
        status, said = self.check("bad.dll")
        self.assertEqual(status, 1, said)
        self.assertRegex(said, r"BREACH DhcpPktDropHook: crashed: exception 0xC0000005 \(access "
                               r"violation\): address 0x8, at bad\.dll\+0x[0-9a-f]+, in NOADDRESS")

    def test_what_wine_lacks_is_named_before_anything_runs(self):
        library = self.lab.dir / "lacking.def"
        library.write_text("LIBRARY dhcpsapi.dll\nEXPORTS\nDhcpEnumSubnets\n")
        subprocess.run(["x86_64-w64-mingw32-dlltool", "-d", library, "-l",
                        self.lab.dir / "lacking.a"], check=True, timeout=60)
        source = self.lab.dir / "lacking.c"
        source.write_text("int DhcpEnumSubnets(void);\n__declspec(dllexport) unsigned "
                          "DhcpServerCalloutEntry(void) { return DhcpEnumSubnets(); }\n")
        subprocess.run([COMPILER, "-w", "-shared", "-static", source, "-o",
                        self.lab.dir / "lacking.dll", self.lab.dir / "lacking.a"], check=True,
                       timeout=120)
        status, said = self.check("lacking.dll")
        self.assertEqual(status, 2, said)
        self.assertIn("UNMET import dhcpsapi.dll", said)
        self.assertTrue(re.search(r"it needs dhcpsapi\.dll, which neither", said), said)


if __name__ == "__main__":
    os.umask(0o022)
    lab.main()
