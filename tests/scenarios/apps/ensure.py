# SPDX-License-Identifier: MIT
"""One call for all enums of an application, instead of a helper with a lock of its own."""

from __future__ import annotations

import berth


def ensure(enums: dict[str, list[str]]) -> None:
    with berth.connect() as client:
        for name, labels in enums.items():
            client.command("ENUM", "ENSURE", name, *labels, wait=60)
