# SPDX-License-Identifier: MIT
"""One module a figure: TITLE, ABOUT (what is held against what), measure(stage, sizes) → rows."""

from __future__ import annotations

from types import ModuleType

from bench.figures import crowd, enums, gate, killed, memory, orphans, ping, start, sustained, warm

FIGURES: dict[str, ModuleType] = {
    "ping": ping,
    "warm": warm,
    "crowd": crowd,
    "sustained": sustained,
    "memory": memory,
    "start": start,
    "killed": killed,
    "orphans": orphans,
    "enums": enums,
    "gate": gate,
}
