# SPDX-License-Identifier: MIT
"""berthd's logfmt log as a list of events that a scenario can ask about."""

from __future__ import annotations

import re
from pathlib import Path

from harness.wait import eventually

_FIELD = re.compile(r'([A-Za-z_][\w.]*)=("(?:[^"\\]|\\.)*"|[^\s"=]*)(?: |$)')
_EVENT = re.compile(r"[a-z][a-z0-9_.]*(?= |$)")


def parse_line(line: str) -> dict[str, str] | None:
    """{"event": …, field: …}, or None for a line that is not logfmt."""
    match = _EVENT.match(line)
    if not match:
        return None
    fields = {"event": match[0]}
    at = match.end() + 1
    while at < len(line):
        field = _FIELD.match(line, at)
        if not field:
            return None
        value = field[2]
        if value.startswith('"'):
            value = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], value[1:-1])
        fields[field[1]] = value
        at = field.end()
    return fields if "level" in fields else None


class Log:
    """The log file of one berthd; read again at each question."""

    def __init__(self, path: Path):
        self.path = path

    def text(self) -> str:
        return self.path.read_text(errors="replace") if self.path.exists() else ""

    def events(self) -> list[dict[str, str]]:
        return [e for e in map(parse_line, self.text().splitlines()) if e]

    def strays(self) -> list[str]:
        """Lines that no log_*() wrote: sanitizer reports, libraries that print, assertions."""
        return [x for x in self.text().splitlines() if x.strip() and parse_line(x) is None]

    def find(self, **wanted) -> list[dict[str, str]]:
        """Events whose fields have these values; a compiled regular expression is searched for."""

        def fits(event, key, value) -> bool:
            have = event.get(key)
            if have is None:
                return False
            return bool(value.search(have)) if isinstance(value, re.Pattern) else have == str(value)

        return [e for e in self.events() if all(fits(e, k, v) for k, v in wanted.items())]

    def has(self, **wanted) -> bool:
        return bool(self.find(**wanted))

    def wait(self, timeout: float = 10.0, **wanted) -> dict[str, str]:
        return eventually(lambda: self.find(**wanted), timeout, f"log line {wanted}")[0]

    def tail(self, lines: int = 60) -> str:
        return "\n".join(self.text().splitlines()[-lines:])
