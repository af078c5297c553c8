#!/usr/bin/env -S python3 -B
"""The headers of packet-callout drivers, by compilers alone.

    ddk_header_test.py [SEED]

The core (hookline/fwp.h and what it joins) compiles without a word in every standard, with gcc and
clang, with wide characters of either size, and beside the headers of Linux. Each header of ddk/
compiles alone, and all in shuffled orders, as drivers are compiled. Every word of ddk_surface.txt
is declared. A wrong layout and a missing word are noticed.
"""

import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TESTS = Path(__file__).resolve().parent
INCLUDE = TESTS.parent / "include"
CORE = ["address.h", "driver_host.h", "fwp.h", "fwp_callout.h", "fwp_fields.h", "fwp_functions.h",
        "fwp_guids.h", "fwp_management.h", "fwp_types.h", "guid.h", "mdl.h", "netbuffer.h",
        "ntdef.h", "ntstatus.h"]
DDK = sorted(path.name for path in (INCLUDE / "ddk").glob("*.h"))
WARNINGS = ["-Wall", "-Wextra", "-pedantic", "-Wshadow", "-Werror"]
C_STANDARDS = ["c11", "c17"]
CPP_STANDARDS = ["c++11", "c++14", "c++17", "c++20"]
# As hookline-cc does: see hookline_cc/command.py.
DRIVER = ["-fshort-wchar", "-include", "hookline/prelude.h", "-I", str(INCLUDE / "ddk")]
MICROSOFT = ["-fms-extensions", "-fms-compatibility", "-fms-compatibility-version=19.20",
             "-fgnuc-version=4.2.1", "-D__STDC__=1", "-D_GNU_SOURCE",
             "-Wno-builtin-macro-redefined", "-Wno-microsoft-include", "-Wno-pragma-pack"]
LINUX = ["algorithm", "netinet/in.h", "sys/socket.h", "netinet/ip.h", "netinet/ip6.h",
         "linux/if_packet.h", "net/if.h"]


def languages():
    for standard in C_STANDARDS:
        yield ["gcc", "-x", "c", f"-std={standard}"]
        yield ["clang", "-x", "c", f"-std={standard}"]
    for standard in CPP_STANDARDS:
        yield ["g++", "-x", "c++", f"-std={standard}"]
        yield ["clang++", "-x", "c++", f"-std={standard}"]


def including(headers):
    return "".join(f"#include <{header}>\n" for header in headers)


def compile_text(command, text):
    """What the compiler says, or None."""
    done = subprocess.run([*command, "-I", str(INCLUDE), "-fsyntax-only", "-"], input=text,
                          capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stderr


class Jobs:
    """Compilations, two at a time, and those that should have worked."""

    def __init__(self):
        self.pool, self.waiting = ThreadPoolExecutor(2), []

    def add(self, name, command, text):
        self.waiting.append((name, self.pool.submit(compile_text, command, text)))

    def failures(self):
        found = [(name, job.result()) for name, job in self.waiting]
        return [(name, text) for name, text in found if text is not None], len(found)


def core(jobs):
    everything = [f"hookline/{name}" for name in CORE]
    for language in languages():
        for wide in ("-fshort-wchar", "-fno-short-wchar"):
            command = [*language, wide, *WARNINGS, "-Wconversion"]
            jobs.add(f"core {' '.join(command)}", command, including(everything))
    for header in everything:
        for language in (["gcc", "-x", "c", "-std=c11"], ["g++", "-x", "c++", "-std=c++20"]):
            jobs.add(f"{header} alone, {language[0]}", [*language, *WARNINGS], including([header]))
    server = ["g++", "-x", "c++", "-std=c++20", "-Wconversion", *WARNINGS]
    use = "in_addr a{}; sockaddr_in6 b{}; int c = std::min(int(a.s_addr), AF_INET6);\n"
    jobs.add("core before Linux", server, including(everything + LINUX) + use)
    jobs.add("core after Linux", server, including(LINUX + everything) + use)


def ddk(jobs, random_source):
    plain = ["-Wall", "-Wextra", "-Werror", *DRIVER]
    c11 = ["clang", "-x", "c", "-std=gnu11", *MICROSOFT, *plain]
    for header in DDK:
        jobs.add(f"{header} alone, hookline-cc's C", c11, including([header]))
        jobs.add(f"{header} twice, gcc", ["gcc", "-x", "c", "-std=gnu11", *plain],
                 including([header, header]))
        jobs.add(f"{header} alone, C++17", ["clang++", "-x", "c++", "-std=c++17", *plain],
                 including([header]))
    for language in languages():
        gnu = [word.replace("std=c", "std=gnu") for word in language]
        order = random_source.sample(DDK, len(DDK))
        jobs.add(f"{' '.join(order)}: {' '.join(gnu)}", [*gnu, *plain], including(order))
    for _ in range(12):
        order = random_source.sample(DDK, len(DDK))
        jobs.add(f"{' '.join(order)}: hookline-cc's C", c11, including(order))


def surface_words():
    text = (TESTS / "ddk_surface.txt").read_text()
    return [word for line in text.splitlines() if not line.startswith("#") for word in line.split()]


def surface_text(words):
    """A program that compiles if each word is a macro, or something that has a size."""
    checks = "".join(f"#ifndef {word}\nenum {{ check_{i} = sizeof({word}) }};\n#endif\n"
                     for i, word in enumerate(words))
    headers = ["initguid.h", "ntddk.h", "fwpsk.h", "fwpmk.h", "wdf.h", "ip2string.h"]
    return including(headers) + checks


def surface(jobs):
    for version in ("", "-DNTDDI_VERSION=0x06010000", "-DNTDDI_VERSION=0x06020000",
                    "-DNTDDI_VERSION=0x06000000"):
        command = ["clang", "-x", "c", "-std=gnu11", *MICROSOFT, *DRIVER, "-Wno-pointer-arith"]
        jobs.add(f"the surface {version}", command + ([version] if version else []),
                 surface_text(surface_words()))


def notices():
    """What must fail, and what was not noticed."""
    clang = ["clang", "-x", "c", "-std=gnu11", *MICROSOFT, *DRIVER]
    wrong = {
        "a shorter NET_BUFFER": (["gcc", "-x", "c", "-DMiniportReserved=MiniportReserved[0+0]"],
                                 including(["hookline/netbuffer.h"])),
        "a word that nobody declares": (clang, surface_text(["FwpsNoSuchThing"])),
    }
    return [(name, "it compiles") for name, (command, text) in wrong.items()
            if compile_text(command, text) is None]


def main(arguments):
    seed = int(arguments[0]) if arguments else random.randrange(1 << 32)
    print(f"seed {seed}")
    jobs = Jobs()
    core(jobs)
    ddk(jobs, random.Random(seed))
    surface(jobs)
    failed, count = jobs.failures()
    failed += notices()
    for name, text in failed:
        print(f"FAILED: {name}\n{text[:3000]}")
    print(f"{count - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
