# SPDX-License-Identifier: MIT
"""The tables of proto/*.h, read from the headers, so that tests cannot forget a row."""

from __future__ import annotations

import re

from harness.places import REPO


def _rows(header: str, macro: str) -> str:
    """The text of one X-macro table, its continuation lines joined."""
    text = (REPO / "proto" / header).read_text()
    start = text.index(f"#define {macro}(X)")
    end = re.compile(r"[^\\]\n").search(text, start).start() + 1
    return text[start:end].replace("\\\n", " ")


def _string(source: str) -> str:
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', source))


def verbs() -> dict[str, tuple[int, int, str]]:
    """Word → (min, max, usage)."""
    row = re.compile(
        r'X\(\w+,\s*"(\w+)",\s*(\d+),\s*(\d+),\s*[A-Z_ |]+,\s*((?:"(?:[^"\\]|\\.)*"\s*)+),'
    )
    return {
        w: (int(a), int(b), _string(u))
        for w, a, b, u in row.findall(_rows("verbs.h", "BERTH_VERBS"))
    }


def errors() -> dict[str, tuple[int, bool]]:
    """Code → (exit status, retry)."""
    row = re.compile(r"X\((\w+),\s*(\d+),\s*(true|false)")
    return {c: (int(e), r == "true") for c, e, r in row.findall(_rows("errors.h", "BERTH_ERRORS"))}


def limits() -> dict[str, int]:
    row = re.compile(r"X\((\w+),\s*(\d+),")
    return {name: int(value) for name, value in row.findall(_rows("limits.h", "BERTH_LIMITS"))}
