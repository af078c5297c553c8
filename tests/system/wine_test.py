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
from isolated_test import CLIENT, NEW_PACKET, NULL, OPTIONS, SEND
from lab import HOOKLINE, wait_for
from office import OfficeTest, config
from packets import DISCOVER, MESSAGE_TYPE, message, options
from zoo_test import (CONTINUE, CONTROLS, HOOK_NAMES, PAUSE, REGISTRY, STOP, Beasts, control_beast,
                      multi, serve_start_faults)

ROOT = Path(__file__).resolve().parents[2]
COMPILER = "x86_64-w64-mingw32-gcc-posix"
REFUSED, SERVED = "02:00:5e:10:00:08", "02:00:5e:10:00:07"
def why_no_wine():
    """Why Windows DLLs cannot be built and run here; None where they can."""
    if not shutil.which(COMPILER):
        return "no g++-mingw-w64-x86-64-posix: no DLL can be built"
    if not os.path.exists("/usr/lib/wine/wine64"):
        return "no wine64: Windows DLLs cannot be run"
    return None


def build_dll(name, source):
    compiler = COMPILER.replace("gcc", "g++") if str(source).endswith(".cpp") else COMPILER
    command = [compiler, "-w", "-O1", "-shared", "-static", ROOT / source, "-o", name,
               "-lws2_32"]
    subprocess.run([str(word) for word in command], check=True, timeout=120)


class WineTest(OfficeTest):
    built = None

    @classmethod
    def setUpClass(cls):
        reason = why_no_wine()
        if reason:
            raise unittest.SkipTest(reason)
        cls.built = Path(tempfile.mkdtemp(prefix="hlt-wine-"))
        cls.addClassCleanup(shutil.rmtree, cls.built, True)
        build_dll(cls.built / "mac_filter.dll", "sdk/examples/mac_filter/mac_filter.c")
        build_dll(cls.built / "zoo.dll", "tests/zoo/zoo.c")

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
            REGISTRY.format(dlls=multi("C:\\Windows\\System32\\mac_filter.dll"),
                            more='"MacFilterList"="C:\\\\ProgramData\\\\Mac Filter\\\\list.txt"'))
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


class ZooUnderLoad(Beasts, WineTest):
    """What bad callouts do, in hooks that are waited for and in others, while new clients come."""

    # What the host catches: the same process serves on.
    CAUGHT = {"NULL": "0xC0000005 (access violation): address 0x10, at zoo.dll+0x",
              "DIVIDE": "0xC0000094", "TRAP": "0xC000001D", "THROW": "0xE06D7363",
              "CPP": "0xE06D7363"}
    # What ends the helper, in the hook that does it.
    ENDS = {"STACK": "", "ABORT": "", "EXIT": "exited with status 3", "FAIL_FAST": "", "MEMORY": "",
            "KILL": "exited with status 9", "HANG": "longer than its budget",
            "SLEEP": "longer than its budget", "LATE": "longer than its budget"}
    # What ends it at some other time.
    ENDS_LATER = {"THREAD": "on a thread of its own", "UNCAUGHT": "on a thread of its own",
                  "CLOSE": "", "SCRIBBLE": ""}
    # What Wine's heap may bear, or faults over some time later.
    MAY_END = ("HEAP", "FREE", "FREE_PACKET")
    # What it is not allowed, or does no harm.
    GOES_ON = ("FORK", "EXEC", "OPEN", "CONNECT", "TRY", "PRINT", "SPIN_THREAD", "FLOOD")

    def serve_zoo(self):
        self.serve(ROOMY + '[callouts]\nuser = "nobody"\nbudget = "300ms"\nmemory-max = "128M"\n'
                   'restart = { first = "2ms", longest = "10ms", faults-max = 1000 }\n'
                   '[[callouts.dll]]\npath = "zoo.dll"\n')
        wait_for("the helper", self.helpers)

    def reports(self):
        return self.server.ask("callouts", "faults")

    def wait_for_report(self, before, hook, text):
        def new(rows):
            return [row for row in rows if rows.count(row) > before.count(row)]
        wait_for(f"the report of {text} in {hook}", lambda: any(
            row["callout"] == "zoo.dll" and (row["hook"] == hook or hook is None)
            and text in row["what"] for row in new(self.reports())))

    def wait_until_it_serves(self):
        wait_for("a callout that serves", lambda: {
            (row["host"], row["state"]) for row in self.server.ask("callouts")
        } == {("wine", "serving")})

    def test_what_is_caught(self):
        self.serve_zoo()
        helpers = self.helpers()
        crowd, raw = Crowd(self, 2, 200), self.wire()
        for act, text in self.CAUGHT.items():
            for hook in HOOK_NAMES if act == "NULL" else (NEW_PACKET, SEND):
                before = self.reports()
                self.act(raw, hook, act)
                self.wait_for_report(before, HOOK_NAMES[hook], text)
        self.assertEqual(self.helpers(), helpers, "the same process")
        self.assertEqual(self.log().count("event=1031"), 1, "said once")
        crowd.check(self.others)

    def test_what_is_caught_in_control_hooks(self):
        self.serve_zoo()
        crowd, raw = Crowd(self, 3, 200, again="1s"), self.wire()
        for code in (PAUSE, CONTINUE):
            before = self.reports()
            raw.dora(control_beast(code))
            for words in CONTROLS[code]:
                self.server.tell(*words)
            self.wait_for_report(before, "DhcpControlHook", self.CAUGHT["NULL"])
            self.server.tell("continue")
        self.server.tell("callouts", "reload", "zoo.dll")
        raw.dora(control_beast(STOP))
        self.server.tell("callouts", "reload", "zoo.dll")
        said = r"event=1031 dll=zoo\.dll hook=DhcpControlHook what=.*0xC0000005"
        wait_for("the report", lambda: len(re.findall(said, self.log())) == 2)
        raw.dora(CLIENT)
        crowd.check(4)

    def test_what_is_caught_in_start(self):
        serve_start_faults(self, "zoo.dll")
        crowd, raw = Crowd(self, 1, 200), self.wire()
        self.wait_for_report([], "DhcpControlHook", self.CAUGHT["NULL"])
        raw.dora(CLIENT)
        self.assertEqual(len(self.helpers()), 1)
        self.assertEqual(self.log().count("event=1031"), 1)
        crowd.check(1)

    def test_what_ends_the_helper(self):
        self.serve_zoo()
        crowd, raw = Crowd(self, 5, 200), self.wire()
        for act, text in {**self.ENDS, **self.ENDS_LATER}.items():
            for hook in HOOK_NAMES if act == "KILL" else (NEW_PACKET,):
                before = self.reports()
                self.act(raw, hook, act)
                at_once = act not in self.ENDS_LATER
                self.wait_for_report(before, HOOK_NAMES[hook] if at_once else None, text)
                self.wait_until_it_serves()
        for act in self.MAY_END:
            self.act(raw, NEW_PACKET, act)
            self.wait_until_it_serves()
        self.assertEqual({row["callout"] for row in self.reports()}, {"zoo.dll"})
        crowd.check(self.others)

    def test_what_is_not_allowed_or_harms_nobody(self):
        self.serve_zoo()
        helpers = self.helpers()
        crowd, raw = Crowd(self, 3, 200), self.wire()
        for act in self.GOES_ON:
            self.act(raw, SEND, act)
        self.assertEqual(self.helpers(), helpers)
        self.assertEqual(self.reports(), [])
        self.assertGreater(self.log().count(": refused"), 150)
        self.assertIn("the control socket: refused", self.log())
        self.assertNotIn("ALLOWED", self.log())
        crowd.check(self.others)


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
        build_dll(self.lab.dir / (name + ".dll"), source)

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
        build_dll(self.lab.dir / "bad.dll", source)
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
