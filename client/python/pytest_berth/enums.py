# SPDX-License-Identifier: MIT
"""The lines of ``berth_enums``: shared enum types that are there before a lease is taken."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest

import berth

if TYPE_CHECKING:
    from pytest_berth.settings import Settings

#: Seconds before a server that is away is asked for again.
_RETRY = 0.25

#: A label as berth.conf has it: as it is, or in quotes, where "" is one quote.
_LABEL = re.compile(r'\s*(?:"((?:[^"]|"")*)"\s*|([^",]*))(,|$)')


def parse(lines: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Name → labels. Raises pytest.UsageError for a line that cannot be followed."""
    found: dict[str, tuple[str, ...]] = {}
    for line in lines:
        name, equals, rest = line.partition("=")
        name = name.strip()
        labels = _labels(rest)
        if not name or not equals or not labels or name in found:
            raise pytest.UsageError(
                f"berth: berth_enums has the line {line!r}; each line is NAME = LABEL, LABEL, "
                "with a label that holds a comma or a quote in quotes, and each name stands once"
            )
        found[name] = labels
    return found


def _labels(text: str) -> tuple[str, ...]:
    """The labels, or none when they cannot be read."""
    labels = []
    at, more = 0, ","
    while more:
        match = _LABEL.match(text, at)
        if match is None:
            return ()
        quoted, plain, more = match.groups()
        labels.append(quoted.replace('""', '"') if quoted is not None else plain.strip())
        at = match.end()
    return tuple(labels) if all(labels) else ()


def ensure(client: berth.Client, settings: Settings) -> None:
    """Makes those that are not there; a server that is away is waited for as for a lease.

    Raises pytest.UsageError, with the difference when one is there with other labels.
    """
    until = time.monotonic() + settings.wait
    with contextlib.suppress(berth.BerthError):  # then one by one, to name the one that fails
        client.enums_ensure(settings.enums)
        return
    for name, labels in settings.enums.items():
        try:
            _ensure(client, name, labels, until)
        except berth.BerthError as e:
            raise pytest.UsageError(f"berth: no enum {name}: {e.code} {e}") from None


def _ensure(client: berth.Client, name: str, labels: tuple[str, ...], until: float) -> None:
    while True:
        try:
            client.enum_ensure(name, labels)
            return
        except berth.UnavailableError:
            if time.monotonic() >= until:
                raise
        time.sleep(_RETRY)
