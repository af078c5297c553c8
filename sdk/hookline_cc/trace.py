"""The trace headers (x.tmh) that Microsoft's trace preprocessor would generate for a driver.

Each is the SDK's own wpp.h, and a macro of nothing for every function that a source or header
declares in a comment:

    // begin_wpp config
    // FUNC TraceEvents(LEVEL, FLAGS, MSG, ...);
    // end_wpp
"""

import re
from pathlib import Path

CONFIG = re.compile(r"begin_wpp\s+config(.*?)end_wpp", re.S)
FUNCTION = re.compile(r"\bFUNC\s+(\w+)")
INCLUDED = re.compile(r'^\s*#\s*include\s*[<"]([^">]*\.tmh)[">]', re.M | re.I)


def headers(sources, places, folder):
    """Makes them in `folder`, for what the sources and the headers in `places` include; the flags
    with which they are found."""
    files = {Path(s) for s in sources}
    for place in places:
        files |= {p for p in Path(place).iterdir() if p.suffix.lower() in (".h", ".hpp", ".ini")}
    texts = [path.read_text(errors="replace") for path in sorted(files)]
    wanted = {name.replace("\\", "/") for text in texts for name in INCLUDED.findall(text)}
    functions = {name for text in texts for config in CONFIG.findall(text)
                 for name in FUNCTION.findall(config)}
    made = "#include <hookline/ddk/wpp.h>\n" + "".join(
        f"#undef {name}\n#define {name}(...) ((void)0)\n" for name in sorted(functions))
    for name in wanted:
        path = folder / Path(name).name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made)
    return ["-I", str(folder)] if wanted else []
