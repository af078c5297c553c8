#!/usr/bin/env -S python3 -B
"""The rules of the house that a machine can check. CONTRIBUTING.md says why.

    tests/tidy/tidy.py [ROOT]

Every rule is a function `rule_…` that takes the tree and yields findings. What is wrong today and
may stay for now stands in ratchet.txt, one `rule key` a line: an entry that is needed no more is an
error too, so that the list only becomes shorter.
"""

import ast
import os
import re
import sys
from pathlib import Path

LAYERS = {"base": 0, "io": 1, "line": 2, "config": 4, "load": 4, "query": 4, "hosted": 4,
          "driver": 5, "control": 5, "server": 6}
STAGES = ["receive", "filter", "wire", "callout", "lease", "store", "inject"]
LAYERS.update({stage: 3 for stage in STAGES})

# Where the operating system's headers may be included; everywhere else only the language's own.
SYSTEM_HEADERS_IN = ("src/io/linux/", "src/io/windows/", "src/load/wire_linux.cc",
                     "src/driver/testing/", "bench/", "tests/", "sdk/")
THIRD_PARTY = ("fmt/", "tl/", "boost/", "gtest/", "gmock/", "rapidcheck", "benchmark/")
THIRD_PARTY_OF = {"toml++/": "src/config/", "CLI/": "src/server/"}
# Who may include what callout authors see; dhcpssdk.h and its host are the callout stage's alone.
SDK_IN = ("src/callout/", "src/filter/", "src/inject/", "src/driver/", "src/line/net_buffers.h")
SDK_OF_CALLOUT = {"dhcpssdk.h", "hookline/host.h"}
# Where time may be read and randomness made.
WORLD_IN = ("src/io/linux/", "src/io/windows/", "src/base/log.cc", "src/load/", "src/server/")

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 100
FILE_BYTES_MAX = 256 * 1024
CODE = {".cc", ".h", ".c"}
SCRIPT = {".py", ".sh", ".cmake"}
# Joined here so that this file does not find itself.
MARKERS = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b|\bst" r"ub\b")
HOSTS = re.compile(r"\b(deb|security)\.debian" r"\.org|\bpypi" r"\.org|artif" r"actory", re.I)


class Finding:
    def __init__(self, path, line, text, key=None):
        self.path, self.line, self.text = path, line, text
        self.key = key or path


class Tree:
    """The checkout's text files by their relative path."""

    SKIP = {".git", "build", ".cache", "__pycache__"}

    def __init__(self, root):
        self.root = Path(root).resolve()
        self.files, self.binaries = {}, []
        for folder, folders, names in os.walk(self.root):
            folders[:] = sorted(f for f in folders if f not in self.SKIP)
            for name in sorted(names):
                self.take(Path(folder) / name)

    def take(self, path):
        name = path.relative_to(self.root).as_posix()
        if name.startswith("tests/fuzz/corpus/") or not path.is_file() or name.endswith(".swp"):
            return
        raw = path.read_bytes()
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text or len(raw) > FILE_BYTES_MAX:
            self.binaries.append(name)
        else:
            self.files[name] = text

    def code(self, *prefixes):
        prefixes = prefixes or ("src/", "tests/", "bench/")
        for name, text in self.files.items():
            if Path(name).suffix in CODE and name.startswith(prefixes):
                yield name, text


def lines(text):
    return enumerate(text.split("\n"), 1)


def includes(text):
    """(line, name, is system) of every #include."""
    for number, line in lines(text):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if match:
            yield number, match[2], match[1] == "<"


def strip_code(text):
    """The same lines without comments and without what stands in quotes."""

    def blank(match):
        found = match[0]
        if found.startswith("/"):
            return re.sub(r"[^\n]", " ", found)
        return '""' + "\n" * found.count("\n")

    raw, comment = r'R"(\w*)\((?:.|\n)*?\)\1"', r"//[^\n]*|/\*(?:.|\n)*?\*/"
    # A quote behind a digit separates thousands.
    quoted = r'"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\''
    text = re.sub(f"{raw}|{comment}|{quoted}", blank, text)
    directive = r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*"
    return re.sub(directive, lambda m: "\n" * m[0].count("\n"), text, flags=re.M)


def functions(text):
    """(name, first line, lines) of every outermost function body in C++ that clang-format wrote."""
    stack, statement, line, start = [], "", 1, 1
    for char in strip_code(text):
        if char == "\n":
            line += 1
        if char == "{":
            head = re.sub(r"\s+", " ", statement).strip()
            name = function_name(head) if "function" not in [kind for kind, *_ in stack] else None
            stack.append(("function" if name else "other", name, start, statement))
            statement = ""
        elif char == "}" and stack:
            kind, name, first, before = stack.pop()
            if kind == "function":
                yield name, first, line - first + 1
            # A braced initializer does not end its statement.
            statement = before + "{}" if kind == "other" and is_initializer(before) else ""
        elif char == ";" or statement in ("public", "private", "protected"):
            statement = ""
        else:
            if not statement.strip():
                start, statement = line, ""
            statement += char


def is_initializer(head):
    if re.match(r"\s*(class|struct|namespace|enum|union)\b", head):
        return False
    return bool(re.search(r"[:,]\s*[\w:]+$|[=(,]\s*$|return\s*$", head.rstrip()))


def function_name(head):
    """The name of the function whose body opens after `head`, or None."""
    head = re.sub(r"^((public|private|protected) ?: ?)+", "", head)
    if re.match(r"(if|for|while|switch|catch|else|do)\b", head):
        return None
    if re.match(r"(namespace|class|struct|enum|union|extern)\b", head):
        return None
    if "(" not in head or re.search(r"[=,(] ?$|\breturn$", head) or is_initializer(head):
        return None
    match = re.search(r"([~\w:]+|operator\W+) ?\(", head)
    return match[1].strip() if match else None


# --- rules ----------------------------------------------------------------------------------


def rule_layers(tree):
    """A folder includes only what stands above it; no stage includes another stage."""
    for name, text in tree.code("src/"):
        folder = name.split("/")[1]
        if folder not in LAYERS:
            yield Finding(name, 1, f"{folder} has no place in the layers (ARCHITECTURE.md)")
            continue
        for number, target, system in includes(text):
            other = target.split("/")[0]
            if system or other == folder or other not in LAYERS:
                continue
            if LAYERS[other] >= LAYERS[folder]:
                yield Finding(name, number, f"{folder} must not include {target}: {other} does not "
                              "stand above it", f"{name}:{target}")


def rule_includes_resolve(tree):
    """Quoted includes are paths from src/ (or from the test's own folder)."""
    for name, text in tree.code("src/", "tests/"):
        here = Path(name).parent.as_posix()
        places = [""] + [p + "/" for p in ("src", "sdk/include", "sdk", "tests", here)]
        for number, target, system in includes(text):
            found = (os.path.normpath(p + target) in tree.files for p in places)
            if not system and not any(found):
                yield Finding(name, number, f'"{target}" is no file from src/')


def rule_system_headers(tree):
    """The operating system stands behind src/io/: nobody else includes its headers."""
    for name, text in tree.code("src/"):
        if name.startswith(SYSTEM_HEADERS_IN) or name.endswith("_test.cc"):
            continue
        for number, target, system in includes(text):
            owner = next((o for p, o in THIRD_PARTY_OF.items() if target.startswith(p)), None)
            if owner and name.startswith(owner):
                continue
            plain = "/" not in target and not target.endswith(".h")
            known = plain or target.startswith(THIRD_PARTY) or "intrin" in target
            if system and not known:
                yield Finding(name, number, f"<{target}> belongs into src/io/linux",
                              f"{name}:{target}")


def rule_sdk_headers(tree):
    """The SDK's types stay in the stages that host callouts."""
    for name, text in tree.code("src/"):
        for number, target, _ in includes(text):
            if "sdk/include/" + target not in tree.files or "src/" + target in tree.files:
                continue
            if name.startswith("src/io/windows/"):  # where <windows.h> is Windows' own
                continue
            own = target not in SDK_OF_CALLOUT or name.startswith("src/callout/")
            if not name.startswith(SDK_IN) or not own:
                yield Finding(name, number, f"{target} belongs to the SDK: only its stage sees it",
                              f"{name}:{target}")


def rule_no_clock(tree):
    """Pure code gets time and randomness as arguments."""
    world = re.compile(r"_clock::now|clock_gettime|random_device|\bs?rand\(|\btime\((0|nullptr)\)")
    for name, text in tree.code("src/"):
        if name.startswith(WORLD_IN) or name.endswith(("_test.cc", "_fuzz.cc")):
            continue
        for number, line in lines(strip_code(text)):
            if world.search(line):
                yield Finding(name, number, "time and randomness come in as arguments")


def rule_file_length(tree):
    for name, text in tree.files.items():
        if Path(name).suffix in CODE | SCRIPT and text.count("\n") > FILE_LINES_MAX:
            yield Finding(name, 1, f"{text.count(chr(10))} lines, the limit is {FILE_LINES_MAX}")


def rule_function_length(tree):
    for name, text in tree.files.items():
        found = []
        if Path(name).suffix in CODE:
            found = functions(text)
        elif name.endswith(".py"):
            nodes = (n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef))
            found = ((n.name, n.lineno, n.end_lineno - n.lineno + 1) for n in nodes)
        for function, first, length in found:
            if length > FUNCTION_LINES_MAX:
                yield Finding(name, first, f"{function}() has {length} lines, the limit is "
                              f"{FUNCTION_LINES_MAX}", f"{name}:{function}")


def rule_columns(tree):
    for name, text in tree.files.items():
        if Path(name).suffix in CODE | SCRIPT or name in ("run", "test"):
            for number, line in lines(text):
                if len(line) > COLUMNS_MAX and "http" not in line and 'R"' not in line:
                    yield Finding(name, number, f"{len(line)} columns, the limit is {COLUMNS_MAX}")


def rule_whitespace(tree):
    for name, text in tree.files.items():
        if text and not text.endswith("\n"):
            yield Finding(name, text.count("\n") + 1, "the last line has no end")
        for number, line in lines(text):
            if line != line.rstrip() and not name.endswith(".md"):
                yield Finding(name, number, "white space at the end of the line")


def rule_words(tree):
    """No markers of unfinished work, no paths of a build machine, no package hosts."""
    first = tree.root.parts[1] if len(tree.root.parts) > 1 else ""
    usual = {"usr", "etc", "var", "run", "tmp", "dev", "proc", "sys", "opt", "srv", "mnt", "bin"}
    machine = [] if first in usual else [first]
    paths = re.compile(r"(?<![\w.])/(%s)/" % "|".join(map(re.escape, machine + ["home"])))
    for name, text in tree.files.items():
        kinds = (("a marker", MARKERS), ("a package host", HOSTS), ("a path", paths))
        for number, line in lines(text):
            for what, pattern in kinds:
                match = pattern.search(line)
                if match:
                    yield Finding(name, number, f"{what} that must not stay: {match[0]}")


def rule_pragma_once(tree):
    for name, text in tree.code("src/", "tests/"):
        if name.endswith(".h") and "#pragma once" not in text:
            yield Finding(name, 1, "a header without #pragma once")


def rule_no_binaries(tree):
    for name in tree.binaries:
        yield Finding(name, 1, f"a binary, or larger than {FILE_BYTES_MAX} bytes")


def documents(tree):
    return [(n, t) for n, t in tree.files.items() if n.endswith(".md")]


def rule_drops_documented(tree):
    """Every drop reason of line/drop.def is explained to operators."""
    text = tree.files.get("src/line/drop.def", "")
    docs = "\n".join(t for n, t in documents(tree) if n.startswith("docs/"))
    for number, line in lines(text):
        match = re.match(r'(?:FRAME|PACKET)_DROP\(\w+, "(\w+)"', line)
        if match and f"`{match[1]}`" not in docs:
            yield Finding("src/line/drop.def", number,
                          f"no document under docs/ explains `{match[1]}`", match[1])


def rule_limits_tested(tree):
    """Every limit of base/limits.h is reached by a test, which names it."""
    tests = "\n".join(t for n, t in tree.code() if n.endswith("_test.cc") or n.startswith("tests/"))
    for number, line in lines(tree.files.get("src/base/limits.h", "")):
        match = re.match(r"inline constexpr \w+ (k\w+)", line)
        if match and not re.search(rf"\b{match[1]}\b", tests):
            yield Finding("src/base/limits.h", number, f"no test names {match[1]}", match[1])


def rule_documents(tree):
    """One title a document, on its first line; links lead somewhere."""
    for name, text in documents(tree):
        prose = re.sub(r"^```.*?^```", lambda m: "\n" * m[0].count("\n"), text, flags=re.S | re.M)
        titles = re.findall(r"^# .+", prose, flags=re.M)
        if len(titles) != 1 or not text.startswith("# "):
            yield Finding(name, 1, f"{len(titles)} titles: a document has one `# Title`, first")
        for number, line in lines(prose):
            for target in re.findall(r"\]\(([^)#\s]+)", line):
                if "://" not in target and not (tree.root / Path(name).parent / target).exists():
                    yield Finding(name, number, f"the link to {target} leads nowhere")


def rule_readme_commands(tree):
    """What README tells people to type exists."""
    text = tree.files.get("README.md", "")
    programs = "\n".join(t for n, t in tree.code("src/server/", "src/control/", "src/load/"))
    for number, line in lines(text):
        for command in re.findall(r"(?:^|[\s`(])((?:\./|bench/|scripts/)[\w./-]+)", line):
            path = tree.root / command
            if not path.exists():
                yield Finding("README.md", number, f"{command} does not exist")
            elif command.startswith("./") and path.is_file() and not os.access(path, os.X_OK):
                yield Finding("README.md", number, f"{command} is not executable")
        for word in re.findall(r"`(?:[\w/.]*/)?hookline ([a-z]+)", line):
            if f'"{word}"' not in programs:
                yield Finding("README.md", number, f"hookline has no subcommand {word}")


# --- the judgement --------------------------------------------------------------------------


def read_ratchet(tree):
    entries = []
    for number, line in lines(tree.files.get("tests/tidy/ratchet.txt", "")):
        if line.strip() and not line.startswith("#"):
            rule, _, key = line.strip().partition(" ")
            entries.append((rule, key, number))
    return entries


def judge(root):
    """Everything that speaks against the tree at `root`."""
    tree = Tree(root)
    ratchet = {(rule, key): number for rule, key, number in read_ratchet(tree)}
    used, verdicts = set(), []
    rules = [(n[5:].replace("_", "-"), f) for n, f in globals().items() if n.startswith("rule_")]
    for rule, function in rules:
        for finding in function(tree):
            if (rule, finding.key) in ratchet:
                used.add((rule, finding.key))
            else:
                verdicts.append(f"{finding.path}:{finding.line}: [{rule}] {finding.text}")
    for entry, number in ratchet.items():
        if entry not in used:
            what = " ".join(entry)
            verdicts.append(f"tests/tidy/ratchet.txt:{number}: `{what}` is needed no more")
    return verdicts


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2]
    verdicts = judge(root)
    print("\n".join(verdicts) if verdicts else "tidy")
    return 1 if verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
