"""Module definition files: what a .def exports, under which name."""

import re

from .fault import Fault

SECTIONS = {"EXPORTS", "LIBRARY", "NAME", "DESCRIPTION", "VERSION", "HEAPSIZE", "STACKSIZE",
            "SECTIONS"}
ATTRIBUTES = {"NONAME", "PRIVATE", "DATA", "CONSTANT"}


def parse(text, name):
    """{external name: internal name} of the section EXPORTS."""
    exports, section = {}, None
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split(";")[0].split()
        if words and words[0].upper() in SECTIONS:
            section = words.pop(0).upper()
        if section == "EXPORTS" and words:
            external, internal = entry(words, f"{name}:{number}")
            exports[external] = internal
    return exports


def entry(words, where):
    """One export: name[=internal] [@ordinal [NONAME]] [PRIVATE] [DATA]."""
    joined = re.sub(r"\s*=\s*", "=", " ".join(words))
    first, *rest = joined.split()
    for word in rest:
        if not re.fullmatch(r"@\d+", word) and word.upper() not in ATTRIBUTES:
            raise Fault(f"{where}: {word!r} is not understood")
    external, _, internal = first.partition("=")
    internal = internal or external
    if "." in internal:
        raise Fault(f"{where}: {internal} forwards to another DLL, which has no equal here")
    for symbol in (external, internal):
        if not re.fullmatch(r"[A-Za-z_?$][\w?@$]*", symbol):
            raise Fault(f"{where}: {symbol!r} is no symbol")
    return external, internal
