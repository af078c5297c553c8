#!/usr/bin/env -S python3 -B
"""clang-tidy 14 over every source in src/ but tests, again only for what has changed.

    tests/tidy/clang_tidy.py BUILD-DIRECTORY [--quick] [WORD …]

With words only files whose path holds one. --quick leaves out what takes most of the time and finds
the least: the path-sensitive analyzer (half of all) and the check of reserved names (a sixth of the
rest); and it reads the files of a folder together, some at a time, so that the headers of others
are read once for all of them (using-declarations that nobody needs then go unnoticed).
What is read together is clean as long as its text, its command, .clang-tidy and every header of
ours that it includes stay the same: a stamp in BUILD-DIRECTORY/clang-tidy says so.
"""

import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOL = "clang-tidy-14"
QUICK = ["--checks=-clang-analyzer-*,-bugprone-reserved-identifier,-bugprone-suspicious-include"]
TOGETHER = 8
# What g++ knows and clang does not is no finding.
EXTRA = ["--extra-arg=-Wno-unknown-warning-option", "--extra-arg=-Wno-everything"]


def closure(path, seen):
    """`path` and all headers of ours that it includes, directly or not."""
    if path in seen or not path.is_file():
        return
    seen.add(path)
    for target in re.findall(r'^\s*#\s*include\s*"([^"]+)"', path.read_text(), flags=re.M):
        for place in (ROOT / "src", path.parent):
            closure(place / target, seen)


def flags_of(entry):
    """The compiler's arguments, without what differs from file to file."""
    words = shlex.split(entry["command"])
    start = next(i for i, word in enumerate(words) if word.startswith("-"))
    out = []
    for word, before in zip(words[start:], [""] + words[start:]):
        if word not in ("-o", "-c") and before not in ("-o", "-c"):
            out.append(word)
    return out


def sources_of(build):
    """Each source to check, and its flags."""
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = Path(entry["directory"], entry["file"]).resolve()
        name = source.relative_to(ROOT).as_posix() if source.is_relative_to(ROOT) else ""
        if name.startswith("src/") and not name.endswith(("_test.cc", "_fuzz.cc")):
            yield source, tuple(flags_of(entry))


def units(sources, together):
    """What is read at once: files of one folder that are compiled alike, and their flags."""
    alike = {}
    for source, flags in sorted(sources):
        alike.setdefault((source.parent, flags), []).append(source)
    for (_, flags), files in alike.items():
        for i in range(0, len(files), together):
            yield files[i:i + together], list(flags)


def fingerprint(sources, flags):
    files = set()
    for source in sources:
        closure(source, files)
    digest = hashlib.sha256(repr((sources, flags)).encode())
    for path in [ROOT / ".clang-tidy"] + sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def check(which, sources, flags, stamp):
    stamp.parent.mkdir(parents=True, exist_ok=True)
    what = sources[0]
    if len(sources) > 1:
        what = stamp.with_suffix(".cc")
        what.write_text("".join(f'#include "{source}"\n' for source in sources))
    command = [TOOL, "--quiet", *EXTRA, *which, what, "--", *flags]
    run = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, timeout=600)
    if what != sources[0]:
        what.unlink()
    if run.returncode == 0:
        stamp.write_text("")
    return sources, run


def main():
    build, words = Path(sys.argv[1]).resolve(), sys.argv[2:]
    which = QUICK if "--quick" in words else []
    words = [word for word in words if word != "--quick"]
    pending, total = [], 0
    stamps = build / ("clang-tidy-quick" if which else "clang-tidy")
    for sources, flags in units(sources_of(build), TOGETHER if which else 1):
        if words and not any(word in str(source) for word in words for source in sources):
            continue
        total += len(sources)
        stamp = stamps / fingerprint(sources, flags)
        if not stamp.exists():
            pending.append((sources, flags, stamp))
    print(f"{total} files, {sum(len(job[0]) for job in pending)} to check", flush=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for sources, run in pool.map(lambda job: check(which, *job), pending):
            if run.returncode != 0:
                failed += 1
                print(re.sub(r"^\d+ warnings.*\n", "", run.stdout, flags=re.M), flush=True)
                print("found in", *(s.relative_to(ROOT).as_posix() for s in sources), flush=True)
    print(f"findings in {failed} of {total} files" if not which else
          f"findings in {failed} groups of {total} files")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
