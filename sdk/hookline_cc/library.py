"""What every callout is linked with, built on first use: the SDK's library, and the shield.

The shield is a folder of small headers in front of libstdc++'s own. Some of those use the words of
Microsoft's old annotations (__in, __out) as names; their wrappers take the macros away for as long.
"""

import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path

from .fault import Fault, output_of, run

SDK = Path(__file__).resolve().parent.parent
INCLUDE = SDK / "include"
CLANG = os.environ.get("HOOKLINE_CLANG", "clang")
CLANGXX = os.environ.get("HOOKLINE_CLANGXX", CLANG + "++")

COMMON = ["-fPIC", "-fshort-wchar", "-fvisibility=hidden", "-fno-strict-aliasing"]


def default_build_folder():
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(cache) / "hookline-sdk"


def build(folder, verbose=False):
    """The folder with libhookline-sdk.a and shield/, made if this source and clang have none."""
    def make(making):
        compile_library(making, verbose)
        shield_libstdcxx(making / "shield")
    return made(Path(folder), Path(folder) / key(), make)


def build_ddk(folder, release=False, sanitize=None, verbose=False):
    """The folder with libhookline-ddk.a of that kind: kernel services, and the engine's calls."""
    kind = "-".join(["ddk", "release" if release else "checked", *(sanitize or "").split(",")])
    flags = [f"-DHOOKLINE_DDK_CHECKS={int(not release)}", "-I", str(INCLUDE / "ddk"),
             *sanitize_flags(sanitize)]
    return made(Path(folder), Path(folder) / f"{key()}-{kind.strip('-')}",
                lambda making: compile_ddk(making, flags, verbose))


def sanitize_flags(sanitize):
    return [f"-fsanitize={sanitize}", "-fno-omit-frame-pointer", "-g"] if sanitize else []


def made(folder, final, make):
    """The folder `final`, which `make` fills in another place if it is not there."""
    if final.exists():
        return final
    folder.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix="making-", dir=folder))
    try:
        make(making)
        try:
            making.rename(final)
        except OSError:
            if not final.exists():  # otherwise somebody else was as quick
                raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return final


def key():
    """Changes with everything that goes into the library."""
    digest = hashlib.sha256(output_of([CLANG, "--version"]).encode())
    sources = [*SDK.glob("lib/**/*.[ch]"), *INCLUDE.glob("**/*.h"), *INCLUDE.glob("**/*.def"),
               *SDK.glob("hookline_cc/*.py")]
    for path in sorted(sources):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def driver_symbols():
    """What the loader of a driver finds in it."""
    text = "".join((INCLUDE / "hookline" / name).read_text()
                   for name in ("driver_entry.h", "driver_host.h"))
    return re.findall(r'_SYMBOL "(\w+)"', text)


# What both libraries need; the drivers' has nothing else of the other one.
SHARED = ("format.c", "text_a.c", "text_w.c", "utf.c", "wide.c")


def compile_library(folder, verbose):
    archive(folder, "libhookline-sdk.a", SDK.glob("lib/*.c"), [], verbose)


def compile_ddk(folder, flags, verbose):
    sources = [*SDK.glob("lib/ddk/*.c"), *(SDK / "lib" / name for name in SHARED)]
    archive(folder, "libhookline-ddk.a", sources, [*flags, "-Wno-multichar",
                                                   "-Wno-four-char-constants"], verbose)


def archive(folder, name, sources, flags, verbose):
    objects = []
    for source in sorted(sources):
        target = folder / f"{source.parent.name}-{source.stem}.o"
        run([CLANG, "-std=gnu11", "-O2", "-g1", "-Wall", "-Wextra", "-fno-builtin", *COMMON,
             "-I", str(INCLUDE), *flags, "-include", "hookline/prelude.h", "-c", str(source),
             "-o", str(target)], verbose)
        objects.append(str(target))
    run(["ar", "rcs", str(folder / name), *objects], verbose)
    for path in objects:
        os.unlink(path)


def old_annotations():
    text = (INCLUDE / "hookline" / "sal.h").read_text()
    return set(re.findall(r"^#define (__[a-z]\w*)", text, re.M))


def libstdcxx_folders(compiler):
    text = output_of([compiler, "-x", "c++", "-E", "-v", "-"], text="")
    listed = re.search(r"#include <\.\.\.> search starts here:\n(.*?)\nEnd of search", text, re.S)
    if listed is None:
        raise Fault(f"{compiler} -v names no folders of headers")
    folders = [Path(line.strip()).resolve() for line in listed[1].splitlines()]
    return [f for f in folders if "c++" in f.parts]


def shield_libstdcxx(shield, compiler=CLANGXX):
    words = old_annotations()
    any_word = re.compile(r"\b(" + "|".join(sorted(words)) + r")\b")
    shield.mkdir()
    # The ready-made std::wstring in libstdc++.so is for 32 bits: the callout gets its own, which
    # its export list keeps to itself. Wide streams have no such way and are refused after linking.
    always = {Path("bits/basic_string.tcc"): "_GLIBCXX_USE_WCHAR_T"}
    for folder in libstdcxx_folders(compiler):
        for path in folder.rglob("*"):
            relative = path.relative_to(folder)
            parts = relative.parts
            if path.is_dir() or parts[0] in ("tr1", "tr2", "parallel", "pstl", "debug"):
                continue
            used = set(any_word.findall(path.read_text(errors="replace")))
            used |= {always[relative]} if relative in always else set()
            if used and not (shield / relative).exists():
                wrap(shield / relative, relative, sorted(used))


def wrap(target, relative, words):
    target.parent.mkdir(parents=True, exist_ok=True)
    before = "".join(f'#pragma push_macro("{w}")\n#undef {w}\n' for w in words)
    after = "".join(f'#pragma pop_macro("{w}")\n' for w in words)
    target.write_text(f"#pragma GCC system_header\n{before}#include_next <{relative}>\n{after}")
