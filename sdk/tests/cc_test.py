#!/usr/bin/env -S python3 -B
"""hookline-cc on small sources: what it accepts, what it refuses, and with which words.

    cc_test.py native|windows SDK_BUILD_FOLDER
"""

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SDK = Path(__file__).resolve().parent.parent
BUILD = None
SKIPPED = 77

ENTRY = "DWORD CALLBACK DhcpServerCalloutEntry(LPWSTR c, DWORD v, LPDHCP_CALLOUT_TABLE t)"
HEADERS = "#include <windows.h>\n#include <dhcpssdk.h>\n"


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="hookline-cc-test-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    def cc(self, *arguments):
        """(status, what it said)"""
        output = str(self.folder / "out.so")
        command = [str(SDK / "hookline-cc"), *arguments, "-o", output, "--sdk-build", BUILD]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def good(self, *arguments):
        status, said = self.cc(*arguments)
        self.assertEqual(status, 0, said)
        return said

    def bad(self, *arguments):
        status, said = self.cc(*arguments)
        self.assertEqual(status, 1, said)
        self.assertNotIn("Traceback", said)
        return said

    def library(self):
        return ctypes.CDLL(str(self.folder / "out.so"))


class Native(Case):
    def test_an_absent_windows_function_is_refused_by_its_name(self):
        for name, call in (("CreateFileW", 'CreateFileW(L"x")'), ("WinExec", 'WinExec("x", 0)'),
                           ("RegSetValueExA", "RegSetValueExA(0)")):
            source = f"{HEADERS}{ENTRY} {{ return (DWORD)(ULONG_PTR){call}; }}\n"
            self.assertIn(name, self.bad(self.write("a.c", source)))
            self.assertIn(name, self.bad(self.write("a.cpp", 'extern "C" ' + source)))

    def test_a_wide_function_of_the_c_library_is_refused_by_its_name(self):
        source = self.write("a.c", HEADERS + "#include <time.h>\n" + ENTRY +
                            '{ WCHAR b[9]; return (DWORD)wcsftime(b, 9, L"%Y", 0); }\n')
        self.assertIn("wcsftime", self.bad(source))
        source = self.write("b.cpp", HEADERS + "#include <iostream>\n" + ENTRY +
                            '{ std::wcout << L"x"; return 0; }\n')
        self.assertIn("wchar_t", self.bad(source))

    def test_only_what_is_exported_is_exported(self):
        source = self.write("a.c", HEADERS + ENTRY + "{ return 0; }\n"
                            "__declspec(dllexport) int Shown(void) { return 5; }\n"
                            "int Hidden(void) { return 6; }\n")
        self.good(source)
        library = self.library()
        self.assertEqual(library.Shown(), 5)
        for name in ("Hidden", "wcslen", "LoadLibraryA"):
            inner = subprocess.run(["nm", "-D", "--defined-only", str(self.folder / "out.so")],
                                   capture_output=True, text=True, check=True).stdout
            self.assertNotIn(f" {name}\n", inner)
        self.assertIsNotNone(library.DhcpServerCalloutEntry)
        self.assertIsNotNone(library.hookline_attach)

    def test_a_definition_file_renames_and_complains(self):
        source = self.write("a.cpp", HEADERS + "DWORD CALLBACK Mine(LPWSTR, DWORD, "
                            "LPDHCP_CALLOUT_TABLE) { return 7; }\nint Twice(int) { return 1; }\n"
                            "int Twice(char) { return 2; }\n")
        self.good(source, self.write("a.def", "LIBRARY x\nEXPORTS DhcpServerCalloutEntry = Mine\n"
                                              "  Other = Mine @2 NONAME ; why not\n"))
        self.assertEqual(self.library().Other(None, 0, None), 7)
        self.assertEqual(self.library().DhcpServerCalloutEntry(None, 0, None), 7)
        for text, words in (("EXPORTS\n Absent\n", "no source defines Absent"),
                            ("EXPORTS\n Twice\n", "overloaded"),
                            ("EXPORTS\n a=other.b\n", "forwards"),
                            ("EXPORTS\n Mine what\n", "a.def:2")):
            self.assertIn(words, self.bad(source, self.write("a.def", text)))

    def test_headers_in_any_case_also_ones_own(self):
        self.write("Include/MyTypes.h", "#define ANSWER 42\n")
        source = self.write("a.c", '#include <WINDOWS.H>\n#include <WinSock2.h>\n#include <Tchar.h>'
                            '\n#include <DHCPSSDK.H>\n#include "include\\mytypes.h"\n'
                            '#include "MYTYPES.H"\n' + ENTRY + "{ return ANSWER; }\n")
        self.good(source, "-I", str(self.folder / "Include"))
        self.assertEqual(self.library().DhcpServerCalloutEntry(None, 0, None), 42)

    def test_finally_runs_on_every_way_out(self):
        body = HEADERS + """
            static int tally;
            static int work(int x) {
                int i;
                __try {
                    if (x == 1) return tally;
                    if (x == 2) __leave;
                    for (i = 0; i < 9; i++) { if (i == 3) break; tally += 1; }
                    __try { if (x == 3) return tally + 1; } __finally { tally += 1000; }
                } __finally { /* } */ tally += 10; }
                return -1;
            }
            EXTERN __declspec(dllexport) int Work(int x, int *seen) {
                int result; tally = 0; result = work(x); *seen = tally; return result; }
        """
        for name, extern in (("a.c", ""), ("a.cpp", 'extern "C"')):
            self.good(self.write(name, body.replace("EXTERN", extern)))
            library = ctypes.CDLL(shutil.copy(self.folder / "out.so", self.folder / (name + ".so")))
            seen = ctypes.c_int()
            wanted = {0: (-1, 1013), 1: (0, 10), 2: (-1, 10), 3: (4, 1013)}
            for x, (result, log) in wanted.items():
                self.assertEqual((library.Work(x, ctypes.byref(seen)), seen.value), (result, log))

    def test_what_cannot_be_mapped_is_refused_with_its_line(self):
        jump = "void f(void) {\n  while (1) {\n    __try { break; } __finally { }\n  }\n}\n"
        self.assertIn("a.c:3: break", self.bad(self.write("a.c", jump)))
        self.assertIn("a.c:2: __try without",
                      self.bad(self.write("a.c", "void f(void) {\n __try { } \n}\n")))
        wrong = "int f(int x) {\n __try { x = 1; }\n __finally { x = 2; }\n return nothing;\n}\n"
        self.assertIn("a.c:4:", self.bad(self.write("a.c", wrong)))

    def test_except_is_kept_out_with_a_warning(self):
        source = self.write("a.c", HEADERS + ENTRY + "{ DWORD r = 1;\n __try { r = 2; }\n"
                            " __except(EXCEPTION_EXECUTE_HANDLER) { r = GetExceptionCode(); }\n"
                            " return r; }\n")
        self.assertIn("a.c:5: the block of __except never runs", self.good(source))
        self.assertEqual(self.library().DhcpServerCalloutEntry(None, 0, None), 2)

    def test_microsofts_habits(self):
        source = self.write("a.c", HEADERS + "#define DEBUG(f, ...) sprintf(b, f, __VA_ARGS__)\n"
                            "static char b[32]; static __declspec(thread) __int64 n;\n"
                            "__declspec(align(16)) static int aligned[4];\n" + ENTRY +
                            "{ DEBUG(\"no arguments\"); n++; aligned[0] = 1;\n"
                            "  return __FUNCTION__[0] + (DWORD)n - 1; }\n")
        self.good(source)
        self.assertEqual(self.library().DhcpServerCalloutEntry(None, 0, None), ord("D"))

    def test_mistakes_on_the_command_line(self):
        self.assertIn("no source files", self.bad())
        self.assertIn("does not exist", self.bad("absent.c"))
        self.assertIn("not a kind of file", self.bad(self.write("a.txt", "")))
        self.assertIn("exports no DhcpServerCalloutEntry",
                      self.good(self.write("a.c", "int f(void) { return 0; }\n")))

    def test_sanitize_address_links(self):
        source = self.write("a.c", HEADERS + ENTRY + "{ t->DhcpControlHook = 0; return 0; }\n")
        self.good(source, "--sanitize", "address")
        symbols = subprocess.run(["nm", "-D", str(self.folder / "out.so")], capture_output=True,
                                 text=True, check=True).stdout
        self.assertIn("__asan_", symbols)


class Windows(Case):
    def exports(self):
        listing = subprocess.run(["x86_64-w64-mingw32-objdump", "-p", str(self.folder / "out.so")],
                                 capture_output=True, text=True, check=True).stdout
        self.assertIn("pei-x86-64", listing)
        return listing

    def test_the_examples_and_fixtures_build_as_dlls(self):
        tests = SDK / "tests" / "callouts"
        for sources in (["audit/audit.c", "audit/audit.def", "-DUNICODE", "-D_UNICODE"],
                        ["mac_filter/mac_filter.c"], ["option82/option82.cpp"],
                        ["fingerprint/fingerprint.c", "fingerprint/fingerprint.def"],
                        [str(tests / "modern.cpp"), str(tests / "modern.def"), "-DUNICODE",
                         "-D_UNICODE"],
                        [str(tests / "leaf.c")], [str(tests / "loner.c")],
                        [str(tests / "failing.cpp"), "-DUNICODE"]):
            places = [s if s.startswith(("-", "/")) else str(SDK / "examples" / s) for s in sources]
            with self.subTest(sources[0]):
                self.good("--windows", *places)
                self.assertIn("DhcpServerCalloutEntry", self.exports())

    def test_the_headers_agree_on_the_layout(self):
        ours = subprocess.run(
            ["clang", "-E", "-dM", "-fshort-wchar", "-I", str(SDK / "include"), "-include",
             "dhcpssdk.h", "-x", "c", "-"], input="", capture_output=True, text=True, check=True)
        names = [line.split()[1] for line in ours.stdout.splitlines()
                 if line.startswith("#define DHCP_") and len(line.split()) == 3]
        self.assertGreater(len(names), 25)
        values = {line.split()[1]: line.split()[2] for line in ours.stdout.splitlines()
                  if len(line.split()) == 3}
        checks = "".join(f"_Static_assert({n} == {values[n]}, \"{n}\");\n" for n in names
                         if values[n].startswith("0x"))
        checks += "_Static_assert(sizeof(DHCP_SERVER_OPTIONS) == 176, \"\");\n"
        checks += "_Static_assert(sizeof(DHCP_CALLOUT_TABLE) == 80, \"\");\n"
        self.good("--windows", self.write("a.c", HEADERS + checks + ENTRY + "{ return 0; }\n"))


def main():
    global BUILD
    mode, BUILD = sys.argv[1], os.path.abspath(sys.argv[2])
    if mode == "windows" and not (shutil.which("x86_64-w64-mingw32-gcc-posix")
                                  or shutil.which("x86_64-w64-mingw32-gcc")):
        print("SKIPPED: mingw-w64 is not installed, so hookline-cc --windows was NOT tested\n"
              "         (apt-get install gcc-mingw-w64-x86-64-posix g++-mingw-w64-x86-64-posix)")
        return SKIPPED
    suite = unittest.defaultTestLoader.loadTestsFromTestCase({"native": Native,
                                                              "windows": Windows}[mode])
    return 0 if unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
