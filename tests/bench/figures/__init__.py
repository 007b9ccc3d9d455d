# SPDX-License-Identifier: MIT
"""One module a figure: TITLE, ABOUT (what is held against what), measure(stage, sizes) → rows."""

from __future__ import annotations

from types import ModuleType

from bench.figures import (
    buried,
    crowd,
    enums,
    fill,
    gate,
    hostile,
    idle,
    killed,
    leak,
    memory,
    metrics,
    orphans,
    ping,
    plugin,
    reset,
    start,
    suite,
    sustained,
    warm,
)

FIGURES: dict[str, ModuleType] = {
    "ping": ping,
    "warm": warm,
    "crowd": crowd,
    "sustained": sustained,
    "memory": memory,
    "metrics": metrics,
    "start": start,
    "killed": killed,
    "buried": buried,
    "leak": leak,
    "orphans": orphans,
    "enums": enums,
    "gate": gate,
    "reset": reset,
    "fill": fill,
    "suite": suite,
    "hostile": hostile,
    "idle": idle,
    "plugin": plugin,
}

# Those that `run GROUP` takes; without a word, the first group.
GROUPS: dict[str, list[str]] = {
    "leases": ["ping", "warm", "crowd", "sustained", "memory", "metrics", "start", "killed", "orphans", "plugin"],
    "runners": ["buried"],
    "leak": ["leak"],
    "enums": ["enums", "gate"],
    "templates": ["reset", "fill", "suite"],
    "service": ["idle", "hostile"],
}
