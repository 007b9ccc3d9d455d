# SPDX-License-Identifier: MIT
"""Writes Lua files as C string macros: embed.py OUT.h FILE.lua… gives LUA_FILE for each, without comments."""

import sys
from pathlib import Path


def macro(path: Path) -> str:
    lines = [line.strip() for line in path.read_text().splitlines()]
    lines = [line.replace("\\", "\\\\").replace('"', '\\"') for line in lines if line and not line.startswith("--")]
    body = "".join(f' \\\n\t"{line}\\n"' for line in lines)
    return f"#define LUA_{path.stem.upper()}{body}\n"


Path(sys.argv[1]).write_text("\n".join(macro(Path(name)) for name in sys.argv[2:]))
