"""The symbols of x86-64 object files, and their visibility."""

import struct
from dataclasses import dataclass
from pathlib import Path

LOCAL, GLOBAL, WEAK = 0, 1, 2
DEFAULT, HIDDEN = 0, 2
SHT_SYMTAB = 2


@dataclass
class Symbol:
    name: str
    binding: int
    kind: int  # 1 object, 2 function
    visibility: int
    defined: bool
    other_at: int  # where in the file its st_other stands


def symbols(path):
    """The symbols of one object file that are not local."""
    data = Path(path).read_bytes()
    if data[:5] != b"\x7fELF\x02":
        return []
    at, = struct.unpack_from("<Q", data, 0x28)
    size, count = struct.unpack_from("<HH", data, 0x3A)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, at + i * size) for i in range(count)]
    found = []
    for _, kind, _, _, offset, length, link, *_ in sections:
        if kind != SHT_SYMTAB:
            continue
        names = sections[link][4]
        for position in range(offset, offset + length, 24):
            name, info, other, section = struct.unpack_from("<IBBH", data, position)
            if info >> 4 != LOCAL:
                end = data.index(b"\0", names + name)
                found.append(Symbol(data[names + name:end].decode(), info >> 4, info & 15,
                                    other & 3, section != 0, position + 5))
    return found


def make_visible(path, names):
    """Gives the hidden definitions of `names` in an object file the visibility of an export."""
    wanted = [s for s in symbols(path) if s.defined and s.name in names and s.visibility != DEFAULT]
    if not wanted:
        return
    data = bytearray(Path(path).read_bytes())
    for symbol in wanted:
        data[symbol.other_at] &= 0xFC
    Path(path).write_bytes(data)
