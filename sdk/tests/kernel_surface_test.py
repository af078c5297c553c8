#!/usr/bin/env -S python3 -B
"""The breadth of the kernel's and the framework's headers for drivers.

    kernel_surface_test.py SDK_BUILD_FOLDER

Every word of kernel_surface.txt is declared; every function that the headers declare is linked,
in both builds; headers are found in any letter case; what is not there fails by its name; trace
headers are made, with the functions that a driver's comments declare.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TESTS = Path(__file__).resolve().parent
SDK = TESTS.parent
INCLUDE = SDK / "include"
BUILD = None

HEADERS = "".join(f"#include <{name}>\n" for name in (
    "NTDDK.h", "Wdm.H", "ntifs.h", "WDF.h", "FwpsK.h", "fwpmk.h", "ndis.h", "guiddef.h",
    "initguid.h", "IN6ADDR.H", "Ip2String.h", "ws2ipdef.h", "WS2DEF.h", "ntstrsafe.h", "IntSafe.h",
    "ntintsafe.h", "wdmsec.h", "Limits.h"))
ENTRY = """
DRIVER_INITIALIZE DriverEntry;
NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path) {
  UNREFERENCED_PARAMETER(driver);
  UNREFERENCED_PARAMETER(path);
  %s
  return STATUS_SUCCESS;
}
"""
TRACE = """
#define WPP_CONTROL_GUIDS WPP_DEFINE_CONTROL_GUID(Any, (1, 2, 3, 4, 5), \\
    WPP_DEFINE_BIT(TRACE_DRIVER) WPP_DEFINE_BIT(TRACE_ALL_TRAFFIC))
/* begin_wpp config
   FUNC TraceAnything(LEVEL, FLAGS, MSG, ...);
   end_wpp */
#include "made.tmh"
"""


def words():
    text = (TESTS / "kernel_surface.txt").read_text()
    return [word for line in text.splitlines() if not line.startswith("#") for word in line.split()]


def functions():
    """Every function that the headers of the kernel and the framework declare."""
    command = ["clang", "-x", "c", "-std=gnu11", "-E", "-fms-extensions", "-fshort-wchar",
               "-include", "hookline/prelude.h", "-I", str(INCLUDE / "ddk"), "-I", str(INCLUDE),
               "-"]
    text = subprocess.run(command, input=HEADERS.lower(), capture_output=True, text=True,
                          check=True).stdout
    ours, own = [], False
    for line in text.splitlines():
        mark = re.match(r'# \d+ "([^"]*)"', line)
        if mark:
            own = str(INCLUDE) in mark[1] and "/fwp" not in mark[1]
        elif own:
            ours.append(line)
    body = re.sub(r"\{[^{}]*\}", ";", re.sub(r"\{[^{}]*\}", ";", " ".join(ours)))
    found = set()
    for statement in body.split(";"):
        match = re.match(r"\s*[\w\s*]*?[\s*](\w+)\s*\([^=]*\)(\s*__attribute__.*)?\s*$",
                         statement)
        if match and not re.search(r"\btypedef\b|\bstatic\b", statement):
            found.add(match[1])
    return sorted(found - {"DriverEntry"})


class Surface(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="hookline-surface-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def cc(self, text, *flags):
        source = self.folder / "driver.c"
        source.write_text(text)
        done = subprocess.run([str(SDK / "hookline-cc"), "--driver", str(source), "-o",
                               str(self.folder / "driver.so"), "--sdk-build", BUILD, *flags],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def good(self, text, *flags):
        status, said = self.cc(text, *flags)
        self.assertEqual(status, 0, said)

    def bad(self, text, *flags):
        status, said = self.cc(text, *flags)
        self.assertEqual(status, 1, said)
        self.assertNotIn("Traceback", said)
        return said

    def test_every_word_is_declared(self):
        language = {"__int64", "__inline", "__forceinline"}
        checks = "".join(f"#ifndef {word}\nenum {{ check_{i} = sizeof({word}) }};\n#endif\n"
                         for i, word in enumerate(words()) if word not in language)
        use = ("static __inline __int64 a(void) { return 1; }\n"
               "__forceinline int b(void) { return 2; }\n")
        self.assertGreater(len(words()), 225)
        self.good(HEADERS + TRACE + checks + use + ENTRY % "return (NTSTATUS)a() + b() - 3;",
                  "-Wno-pointer-arith", "-Wall", "-Wextra", "-Werror")

    def test_every_function_is_there(self):
        names = functions()
        self.assertGreater(len(names), 190, names)
        for name in ("KeSetEvent", "WdfRequestComplete", "RtlStringCbPrintfW", "IoAllocateMdl",
                     "ExFreePool", "_snwprintf"):
            self.assertIn(name, names)
        table = "void* const all[] = {" + "".join(f"(void*)&{name}, " for name in names) + "};\n"
        text = HEADERS + table + ENTRY % "return all[0] == NULL;"
        self.good(text)
        self.good(text, "--release")

    def test_what_is_not_there_fails_by_its_name(self):
        for name, call in (("IoCreateDevice", "IoCreateDevice(driver, 0)"),
                           ("ZwCreateFile", "ZwCreateFile(0)"),
                           ("WdfUsbTargetDeviceCreate", "WdfUsbTargetDeviceCreate(0)"),
                           ("CreateThread", "CreateThread(0, 0)")):
            self.assertIn(name, self.bad("#include <ntddk.h>\n#include <wdf.h>\n"
                                         + ENTRY % f"{call};"))
        self.assertIn("MajorFunction", self.bad("#include <ntddk.h>\n"
                                                + ENTRY % "driver->MajorFunction[0] = NULL;"))

    def test_a_driver_needs_its_entry(self):
        self.assertIn("no source defines DriverEntry", self.bad("int a;\n"))
        self.assertIn("no source defines DriverEntry", self.bad("int a;\n", "--sanitize=address"))

    def test_trace_headers_have_the_functions_of_the_comments(self):
        call = 'TraceAnything(1, 2, "%d", undeclared_anywhere); DoTraceMessage(TRACE_DRIVER, "x");'
        self.good("#include <ntddk.h>\n" + TRACE + ENTRY % call)
        self.assertIn("TraceNothing", self.bad(
            "#include <ntddk.h>\n" + TRACE + ENTRY % 'TraceNothing(1, "x");'))

    def test_assertions_and_levels_know_the_build(self):
        check = "#include <ntddk.h>\n_Static_assert(DBG == %d, \"DBG\");\n"
        self.good(check % 1 + ENTRY % "")
        self.good(check % 0 + ENTRY % "", "--release")

    def test_options_that_do_not_go_together(self):
        text = "#include <ntddk.h>\n" + ENTRY % ""
        self.assertIn("--windows builds DHCP callouts", self.bad(text, "--windows"))
        self.good(text, "-fsanitize=address")


if __name__ == "__main__":
    BUILD = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
