#!/usr/bin/env -S python3 -B
"""Each rule of tidy.py finds what it is there for, and nothing in a clean tree."""

import tempfile
import unittest
from pathlib import Path

import tidy

CLEAN = {
    "README.md": "# Title\n\n    ./run\n\nSee [there](docs/there.md), and `hookline serve`.\n",
    "run": "#!/bin/sh\n",
    "docs/there.md": "# There\n\n- `no_slot`: full\n",
    "src/base/limits.h": "#pragma once\ninline constexpr int kThings = 3;\n",
    "src/base/x_test.cc": "int limit = kThings;\n",
    "src/line/drop.def": 'FRAME_DROP(NoSlot, "no_slot", "full")\n',
    "src/wire/w.h": "#pragma once\n#include <vector>\n#include \"base/limits.h\"\n",
    "src/server/main.cc": 'const char* name = "serve";\n',
}
LONG_FUNCTION = "Thing::Thing(int a)\n    : a_(a), b_{1} {\n" + "  a_++;\n" * 80 + "}\n"


class Tidy(unittest.TestCase):
    def judge(self, **changes):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {**CLEAN, **changes.pop("files", {})}.items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text if isinstance(text, bytes) else text.encode())
            (Path(folder) / "run").chmod(0o755)
            return tidy.judge(folder)

    def finds(self, rule, files):
        verdicts = self.judge(files=files)
        self.assertTrue(any(f"[{rule}]" in v for v in verdicts), f"[{rule}] not in {verdicts}")

    def test_clean(self):
        self.assertEqual(self.judge(), [])

    def test_sdk_headers(self):
        sdk = {"sdk/include/dhcpssdk.h": "#pragma once\n"}
        text = '#pragma once\n#include "dhcpssdk.h"\n'
        self.assertEqual(self.judge(files={**sdk, "src/callout/c.h": text}), [])
        self.finds("sdk-headers", {**sdk, "src/lease/l.h": text})
        self.finds("sdk-headers", {**sdk, "src/filter/f.h": text.replace('"dhcpssdk.h"',
                                                                         "<dhcpssdk.h>")})

    def test_layers(self):
        self.finds("layers", {"src/base/a.cc": '#include "wire/w.h"\n'})
        self.finds("layers", {"src/lease/a.cc": '#include "wire/w.h"\n'})
        self.finds("layers", {"src/oddity/a.cc": "\n"})
        self.finds("includes-resolve", {"src/wire/a.cc": '#include "wire/gone.h"\n'})
        self.assertEqual(self.judge(files={"src/config/a.cc": '#include "wire/w.h"\n'}), [])

    def test_system_headers(self):
        for header in ("sys/socket.h", "unistd.h", "toml++/toml.h", "linux/if.h"):
            self.finds("system-headers", {"src/wire/a.cc": f"#include <{header}>\n"})
            self.finds("system-headers", {"src/wire/b_fuzz.cc": f"#include <{header}>\n"})
        fine = {"src/io/linux/a.cc": "#include <sys/socket.h>\n",
                "src/config/a.cc": "#include <toml++/toml.h>\n"}
        self.assertEqual(self.judge(files=fine), [])

    def test_clock(self):
        self.finds("no-clock", {"src/lease/a.cc": "auto t = std::chrono::steady_clock::now();\n"})
        self.assertEqual(self.judge(files={"src/lease/a.cc": "// not steady_clock::now()\n"}), [])

    def test_lengths(self):
        self.finds("file-length", {"src/wire/a.cc": "\n" * 601})
        self.finds("function-length", {"src/wire/a.cc": LONG_FUNCTION})
        self.finds("function-length", {"a.py": "def f():\n" + "    g()\n" * 80})
        self.finds("columns", {"src/wire/a.cc": "int a;" + "  " * 50 + "\n"})
        many = "".join(f"void f{i}() {{\n  g();\n}}\n\n" for i in range(40))
        self.assertEqual(self.judge(files={"src/wire/a.cc": many}), [])

    def test_functions(self):
        code = ("#define X(a) \\\n  f(a) {\n"
                "namespace a {\nclass B : public C {\n public:\n  int d() const { return 1; }\n};\n"
                "int A::e(int x) {\n  auto f = [](int y) {\n    return y;\n  };\n"
                "  if (x) {\n  }\n  return f('}') + g(\"}\");\n}\n"
                "const int kTable[] = {\n  1,\n};\n}\n")
        self.assertEqual(list(tidy.functions(code)), [("d", 6, 1), ("A::e", 8, 8)])

    def test_text(self):
        self.finds("words", {"src/wire/a.cc": "// TO" "DO later\n"})
        self.finds("words", {"src/wire/a.cc": "// see /ho" "me/me/x\n"})
        self.finds("whitespace", {"src/wire/a.cc": "int a; \n"})
        self.finds("whitespace", {"src/wire/a.cc": "int a;"})
        self.finds("pragma-once", {"src/wire/a.h": "int a;\n"})
        self.finds("no-binaries", {"logo.png": b"\x89PNG\0"})

    def test_documents(self):
        self.finds("documents", {"docs/b.md": "No title\n"})
        self.finds("documents", {"docs/b.md": "# One\n# Two\n"})
        self.finds("documents", {"docs/b.md": "# One\n\n[gone](gone.md)\n"})
        self.finds("drops-documented", {"docs/there.md": "# There\n"})
        self.finds("limits-tested", {"src/base/x_test.cc": "\n"})
        self.finds("readme-commands", {"README.md": "# T\n\n    ./gone\n"})
        self.finds("readme-commands", {"README.md": "# T\n\n`hookline dance`\n"})

    def test_ratchet(self):
        ratchet = {"tests/tidy/ratchet.txt": "# why\nfile-length src/wire/a.cc\n"}
        self.assertEqual(self.judge(files={**ratchet, "src/wire/a.cc": "\n" * 601}), [])
        self.assertIn("needed no more", self.judge(files=ratchet)[0])


if __name__ == "__main__":
    unittest.main()
