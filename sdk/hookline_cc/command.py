"""The command line of hookline-cc."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from . import definition, elf, library, seh, trace
from .fault import Fault, output_of, run, warn

USAGE = """hookline-cc SOURCES... [FILE.def] -o callout.so [OPTIONS]

Compiles the C and C++ source of a Windows DHCP callout, or of a packet-callout driver, unchanged,
into a library for Hookline.

  FILE.def              its EXPORTS decide what the library exports, renames (a=b) included
  -g -O2 -I -D -W... -l -L    as for any compiler; -DUNICODE -D_UNICODE for wide TCHARs
  --sanitize address    or undefined, thread: the server must run under the same one
  --driver              the sources are a packet-callout driver with DriverEntry: C11, the kernel's
                        headers (ntddk.h, wdf.h, fwpsk.h …) and services, every check of theirs
  --release             with --driver: without the checks, DBG=0
  --windows             cross-build a real DLL with mingw-w64 against its own windows.h
  --sdk-build FOLDER    where the SDK's library is built (default: $XDG_CACHE_HOME/hookline-sdk)
  -v                    show the commands

Exported are: what FILE.def says, what is __declspec(dllexport), DhcpServerCalloutEntry; of a driver
what its loader calls (hookline/driver_entry.h).
"""

ENTRY = "DhcpServerCalloutEntry"
DRIVER_ENTRY = "DriverEntry"
C_SUFFIXES = {".c"}
CPP_SUFFIXES = {".cc", ".cpp", ".cxx", ".c++"}
HEADER_SUFFIXES = {".h", ".hh", ".hpp", ".hxx", ".inl"}
WITH_VALUE = {"-I", "-D", "-U", "-L", "-l", "-include", "-isystem", "-iquote", "-std", "-x"}

# Microsoft's dialect, but with the GNU macros that this platform's headers need.
DIALECT = ["-fms-extensions", "-fms-compatibility", "-fms-compatibility-version=19.20",
           "-fgnuc-version=4.2.1", "-D__STDC__=1", "-D_GNU_SOURCE",
           "-Wno-nonportable-include-path", "-Wno-microsoft-include",
           "-Wno-builtin-macro-redefined", "-Wno-unknown-pragmas", "-Wno-pragma-pack"]
CPP_DIALECT = ["-fno-delayed-template-parsing", "-fexceptions", "-D__EXCEPTIONS=1",
               "-D__STRICT_ANSI__"]

# Words and habits of drivers that clang would warn about: 'Tag1', InterlockedIncrement of a ULONG,
# and `static __inline`, where __inline says static already.
DRIVER_DIALECT = ["-D_WIN64", "-D_AMD64_", "-Wno-multichar", "-Wno-four-char-constants",
                  "-Wno-pointer-sign", "-Wno-duplicate-decl-specifier"]

# The C library's functions with 32-bit wide characters: at run time they would read twice too far.
WIDE = re.compile(r"(__)?(wcs|wmem)\w*|_*(v?[fs]?w(printf|scanf)|vswprintf)\w*|wprintf|"
                  r"(f?(get|put)wc|(get|put)wchar|ungetwc|fgetws|fputws|fwide)\w*|"
                  r"mbs?r?towcs?\w*|mbsn?rtowcs|wcr?s?r?tombs?|wcsn?rtombs|_*isoc99_\w*wscanf")


class Options:
    def __init__(self):
        self.sources, self.link_inputs, self.definition = [], [], None
        self.output, self.windows, self.sanitize = None, False, None
        self.sdk_build, self.verbose = None, False
        self.driver, self.release = False, False
        self.compile_flags, self.link_flags = [], []

    def include_folders(self):
        """The folders of the -I options."""
        flags, folders = self.compile_flags, []
        for index, flag in enumerate(flags):
            if flag == "-I" and index + 1 < len(flags):
                folders.append(flags[index + 1])
            elif flag.startswith("-I"):
                folders.append(flag[2:])
        return folders


def parse(arguments):
    options, rest = Options(), list(arguments)

    def value(flag):
        if not rest:
            raise Fault(f"{flag} needs a value")
        return rest.pop(0)

    while rest:
        word = rest.pop(0)
        if word == "-o":
            options.output = value(word)
        elif word == "--windows":
            options.windows = True
        elif word == "--driver":
            options.driver = True
        elif word == "--release":
            options.release = True
        elif word == "--sanitize" or word.startswith(("--sanitize=", "-fsanitize=")):
            options.sanitize = word.partition("=")[2] or value(word)
        elif word == "--sdk-build" or word.startswith("--sdk-build="):
            options.sdk_build = word.partition("=")[2] or value(word)
        elif word in ("-v", "--verbose"):
            options.verbose = True
        elif word.startswith("-"):
            flag = [word] + ([value(word)] if word in WITH_VALUE else [])
            linking = word.startswith(("-l", "-L", "-Wl,"))
            (options.link_flags if linking else options.compile_flags).extend(flag)
        else:
            take_file(options, word)
    if not options.sources:
        raise Fault("no source files; --help explains")
    if options.output is None:
        raise Fault("-o FILE is missing")
    if options.release and not options.driver:
        raise Fault("--release is for --driver")
    if options.windows and options.driver:
        raise Fault("--windows builds DHCP callouts; a driver for Windows needs its own kit")
    return options


def take_file(options, name):
    suffix = Path(name).suffix.lower()
    if not Path(name).exists():
        raise Fault(f"{name} does not exist")
    if suffix in C_SUFFIXES | CPP_SUFFIXES:
        options.sources.append(name)
    elif suffix == ".def":
        if options.definition is not None:
            raise Fault("two .def files")
        options.definition = name
    elif suffix in (".o", ".a", ".so"):
        options.link_inputs.append(name)
    elif suffix in (".rc", ".res"):
        warn(f"{name}: resources have no equal here; left out")
    else:
        raise Fault(f"{name}: not a kind of file that hookline-cc knows")


def is_cpp(source):
    return Path(source).suffix.lower() in CPP_SUFFIXES


def prepared(source, number, folder, eat_commas=False):
    """The file to compile: the source itself, or its copy without __try; with `eat_commas`, for
    gcc, also without the comma before __VA_ARGS__ that nothing follows."""
    text = Path(source).read_text(encoding="utf-8", errors="surrogateescape")
    changed = text
    if seh.needs_rewriting(text):
        changed = seh.rewrite(text, os.path.abspath(source), is_cpp(source))
    if eat_commas:
        changed = re.sub(r",(\s*)__VA_ARGS__", r",\1##__VA_ARGS__", changed)
    if changed == text:
        return source, []
    copy = folder / f"{number}-{Path(source).name}"
    copy.write_text(changed, encoding="utf-8", errors="surrogateescape")
    return str(copy), ["-iquote", str(Path(source).resolve().parent)]


# --- for Hookline ---------------------------------------------------------------------------


def overlay(folders, target):
    """A view of the folders in which the letter case of headers does not matter."""
    roots = []
    for folder in folders:
        for base, below, names in os.walk(folder):
            if len(Path(base).relative_to(folder).parts) >= 4:
                below.clear()
            below[:] = [b for b in below if not b.startswith(".")]
            headers = [n for n in names if Path(n).suffix.lower() in HEADER_SUFFIXES]
            lowered = [n.lower() for n in headers]
            contents = [{"type": "file", "name": n, "external-contents": os.path.join(base, n)}
                        for n in headers if lowered.count(n.lower()) == 1]
            if contents:
                roots.append({"type": "directory", "name": base, "contents": contents})
    target.write_text(json.dumps({"version": 0, "case-sensitive": "false", "roots": roots}))
    return ["-ivfsoverlay", str(target)]


def compile_all(options, sdk, folder):
    places = {str(Path(s).resolve().parent) for s in options.sources}
    places |= {os.path.abspath(f) for f in options.include_folders() if os.path.isdir(f)}
    own = [str(library.INCLUDE)]
    kind = []
    if options.driver:
        own.insert(0, str(library.INCLUDE / "ddk"))
        kind = [*DRIVER_DIALECT, f"-DDBG={int(not options.release)}",
                *trace.headers(options.sources, places, folder / "trace")]
    view = overlay(sorted(places | set(own)), folder / "headers.json")
    for path in own:
        kind += ["-I", path]
    objects = []
    for number, source in enumerate(options.sources):
        path, here = prepared(source, number, folder)
        language = [library.CLANGXX, "-std=c++17", *CPP_DIALECT, "-isystem", str(sdk / "shield")]
        if not is_cpp(source):
            standard = "gnu11" if options.driver else "gnu17"
            language = [library.CLANG, f"-std={standard}", "-Werror=implicit-function-declaration"]
        target = str(folder / f"{number}.o")
        run([*language, *library.COMMON, *DIALECT, *view, *here, *kind,
             "-include", "hookline/prelude.h", *sanitize(options), *options.compile_flags,
             "-c", path, "-o", target], options.verbose)
        objects.append(target)
    return objects


def sanitize(options):
    return library.sanitize_flags(options.sanitize)


def exports_of(options, objects):
    """{external: internal} of all that the library is to export."""
    defined = [s for path in objects for s in elf.symbols(path) if s.defined]
    names = {s.name for s in defined}
    if options.driver and DRIVER_ENTRY not in names:
        raise Fault(f"no source defines {DRIVER_ENTRY}")
    exports = {} if options.driver else listed_exports(options, names)
    for symbol in defined:
        if symbol.binding == elf.GLOBAL and symbol.visibility == elf.DEFAULT:
            exports.setdefault(symbol.name, symbol.name)
    return exports


def listed_exports(options, names):
    """What the .def says, and the entry point, found among the `names` that the objects define."""
    wanted = {}
    if options.definition:
        text = Path(options.definition).read_text(encoding="utf-8", errors="replace")
        wanted = definition.parse(text, options.definition)
    exports = {}
    for external, internal in wanted.items():
        symbol = find(internal, names)
        if symbol is None:
            raise Fault(f"{options.definition} exports {external}, "
                        f"but no source defines {internal}")
        exports[external] = symbol
    if ENTRY not in exports and find(ENTRY, names):
        exports[ENTRY] = find(ENTRY, names)
    if ENTRY not in exports:
        warn(f"{options.output} exports no {ENTRY}: the server will not load it as a callout")
    return exports


def find(name, names):
    """The symbol of a function, also of a C++ one without extern "C", as Microsoft's linker has."""
    if name in names:
        return name
    mangled = [n for n in names if re.match(rf"_Z{len(name)}{re.escape(name)}", n)]
    if len(mangled) > 1:
        raise Fault(f"{name} is overloaded: declare the one to export extern \"C\"")
    return mangled[0] if mangled else None


def link(options, objects, sdk, folder):
    exports = exports_of(options, objects)
    for path in objects:
        elf.make_visible(path, set(exports.values()))
    archive, attach = sdk / "libhookline-sdk.a", ["hookline_attach"]
    if options.driver:
        place = options.sdk_build or library.default_build_folder()
        archive = library.build_ddk(place, options.release, options.sanitize,
                                    options.verbose) / "libhookline-ddk.a"
        attach = library.driver_symbols()
    script = folder / "exports.map"
    listed = "".join(f"    {name};\n" for name in sorted({*exports, *attach}))
    script.write_text(f"{{\n  global:\n{listed}  local:\n    *;\n}};\n")
    renames = [f"-Wl,--defsym={external}={internal}"
               for external, internal in exports.items() if external != internal]
    linker = library.CLANGXX if any(map(is_cpp, options.sources)) else library.CLANG
    whole = [] if options.sanitize else ["-Wl,-z,defs"]
    unchecked = str(folder / "unchecked.so")
    run([linker, "-shared", "-o", unchecked, *objects, *options.link_inputs, *renames,
         "-Wl,-Bsymbolic", *(f"-Wl,--undefined={name}" for name in attach),
         f"-Wl,--version-script={script}", *whole, *sanitize(options), str(archive),
         *options.link_flags, "-pthread", "-ldl"], options.verbose)
    check_wide(unchecked)
    shutil.copy(unchecked, options.output)


def check_wide(path):
    """Refuses what would take 16-bit characters for 32-bit ones."""
    listing = output_of(["nm", "-D", "--undefined-only", path])
    names = [line.split()[-1].split("@")[0] for line in listing.splitlines() if line.strip()]
    plain = [n for n in names if WIDE.fullmatch(n)]
    mangled = [n for n in names if n.startswith("_Z")]
    readable = output_of(["c++filt"], text="\n".join(mangled)).splitlines() if mangled else []
    # An allocator's constructors do the same whatever the width.
    plain += [n for n in readable if "wchar_t" in n and not n.startswith("std::allocator<")]
    if plain:
        raise Fault("not in this SDK, and the C library's own takes 32-bit characters: "
                    + ", ".join(plain[:8]))


def build_native(options, folder):
    place = options.sdk_build or library.default_build_folder()
    sdk = library.build(place, options.verbose)
    link(options, compile_all(options, sdk, folder), sdk, folder)


# --- for Windows ----------------------------------------------------------------------------


def mingw(language):
    for name in (f"x86_64-w64-mingw32-{language}-posix", f"x86_64-w64-mingw32-{language}"):
        if shutil.which(name):
            return name
    raise Fault(f"--windows needs mingw-w64's {language}: on Debian, apt-get install "
                f"{language}-mingw-w64-x86-64-posix")


def windows_headers(options, compiler, folder):
    """Headers in the spelling of the sources that lead to mingw's, whose names are lower case."""
    made = folder / "include"
    (made / "hookline").mkdir(parents=True)
    for name in ("packet.h", "prelude.h"):
        shutil.copy(library.INCLUDE / "hookline" / name, made / "hookline" / name)
    texts = [Path(s) for s in options.sources]
    for place in {Path(s).resolve().parent for s in options.sources}:
        texts += [p for p in place.iterdir() if p.suffix.lower() in HEADER_SUFFIXES]
    for path in texts:
        text = path.read_text(errors="replace")
        for name in re.findall(r'^\s*#\s*include\s*[<"]([\w.]+)[>"]', text, re.M):
            lower = name.lower()
            if name != lower and not (path.parent / name).exists() and exists(compiler, lower):
                (made / name).write_text(f"#include <{lower}>\n")
    old = "".join(re.findall(r"^#define __[a-z].*\n", (library.INCLUDE / "hookline" / "sal.h")
                             .read_text(), re.M))
    (made / "hookline" / "old_sal.h").write_text(f"#pragma GCC system_header\n{old}")
    flags = ["-I", str(made), "-include", "sal.h", "-include", "hookline/old_sal.h"]
    if any(map(is_cpp, options.sources)):
        library.shield_libstdcxx(folder / "shield", mingw("g++"))
        flags += ["-isystem", str(folder / "shield")]
    return flags


def exists(compiler, header):
    done = subprocess.run([compiler, "-E", "-include", header, "-x", "c", "-"], input="",
                          capture_output=True, text=True, check=False)
    missing = re.compile(rf"{re.escape(header)}: No such file")
    return not missing.search(done.stderr)


def build_windows(options, folder):
    if options.sanitize:
        raise Fault("--windows and --sanitize exclude each other")
    headers, objects, any_cpp = None, [], any(map(is_cpp, options.sources))
    for number, source in enumerate(options.sources):
        compiler = mingw("g++" if is_cpp(source) else "gcc")
        headers = headers or windows_headers(options, compiler, folder)
        path, here = prepared(source, number, folder, eat_commas=True)
        target = str(folder / f"{number}.o")
        run([compiler, "-include", "hookline/prelude.h", *headers, *here, *options.compile_flags,
             "-c", path, "-o", target], options.verbose)
        objects.append(target)
    listing = output_of(["nm", "-g", "--defined-only", *objects])
    names = {line.split()[-1] for line in listing.splitlines() if len(line.split()) == 3}
    exporting = folder / "exports.def"
    exporting.write_text("EXPORTS\n" + "".join(
        f"    {external} = {internal}\n"
        for external, internal in listed_exports(options, names).items()))
    # libstdc++ and the threads library go into the DLL: it must not need files of mingw's.
    run([mingw("g++" if any_cpp else "gcc"), "-shared", "-static", "-o", options.output, *objects,
         *options.link_inputs, str(exporting), *options.link_flags, "-lws2_32", "-ladvapi32"],
        options.verbose)


def main(arguments):
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, end="", file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    try:
        options = parse(arguments)
        with tempfile.TemporaryDirectory(prefix="hookline-cc-") as folder:
            (build_windows if options.windows else build_native)(options, Path(folder))
        return 0
    except Fault as fault:
        print(f"hookline-cc: {fault}", file=sys.stderr)
        return 1
