#!/usr/bin/env -S python3 -B
"""clang-tidy 14 over every source in src/ but tests, again only for what has changed.

    tests/tidy/clang_tidy.py BUILD-DIRECTORY [--quick] [WORD …]

With words only files whose path holds one. --quick leaves out what takes most of the time and finds
the least: the path-sensitive analyzer (half of all) and the check of reserved names (a sixth of the
rest).
A file is clean as long as its text, its command, .clang-tidy and every header of ours that it
includes stay the same: a stamp in BUILD-DIRECTORY/clang-tidy says so.
"""

import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOL = "clang-tidy-14"
QUICK = ["--checks=-clang-analyzer-*,-bugprone-reserved-identifier"]
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


def fingerprint(source, command):
    files = set()
    closure(source, files)
    digest = hashlib.sha256(command.encode())
    for path in [ROOT / ".clang-tidy"] + sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def check(build, which, source, stamp):
    command = [TOOL, "-p", build, "--quiet", *EXTRA, *which, source]
    run = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, timeout=600)
    if run.returncode == 0:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text("")
    return source, run


def main():
    build, words = Path(sys.argv[1]).resolve(), sys.argv[2:]
    which = QUICK if "--quick" in words else []
    words = [word for word in words if word != "--quick"]
    pending, total = [], 0
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = Path(entry["directory"], entry["file"]).resolve()
        name = source.relative_to(ROOT).as_posix() if source.is_relative_to(ROOT) else ""
        if not name.startswith("src/") or name.endswith(("_test.cc", "_fuzz.cc")):
            continue
        if words and not any(word in name for word in words):
            continue
        total += 1
        print_of_it = fingerprint(source, entry["command"])
        stamp = build / ("clang-tidy-quick" if which else "clang-tidy") / print_of_it
        # What is clean of everything is clean of less.
        if not stamp.exists() and not (build / "clang-tidy" / print_of_it).exists():
            pending.append((source, stamp))
    print(f"{total} files, {len(pending)} to check", flush=True)
    failed = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for source, run in pool.map(lambda job: check(build, which, *job), pending):
            if run.returncode != 0:
                failed.append(source.relative_to(ROOT).as_posix())
                print(re.sub(r"^\d+ warnings.*\n", "", run.stdout, flags=re.M), flush=True)
    print(f"{len(failed)} of {total} files have findings", *failed, sep="\n  ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
