# SPDX-License-Identifier: MIT
"""Writes a text file as a C array: embed.py OUT.h NAME FILE."""

import sys
from pathlib import Path

out, name, source = sys.argv[1:]
data = Path(source).read_bytes() + b"\0"
rows = (data[i : i + 20] for i in range(0, len(data), 20))
body = ",\n\t".join(", ".join(map(str, row)) for row in rows)
Path(out).write_text(f"static const char {name}[] = {{\n\t{body}\n}};\n")
