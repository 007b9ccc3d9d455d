# SPDX-License-Identifier: MIT
"""From durations to the rows of a table: berth's figure, that of something named, the ratio."""

from __future__ import annotations

from math import ceil
from statistics import median


def percentile(values: list[float], q: float) -> float:
    """The smallest value that at least q of all do not exceed; q from 0 to 1."""
    return sorted(values)[max(0, ceil(q * len(values)) - 1)]


def row(
    what: str, against: str, measure: str, unit: str, berth: float, base: float, **more
) -> dict:
    """One figure. more: ratio (where it is not that of the two), low, high (of rounds), rounds, n.

    base 0: there is nothing to hold it against.
    """
    return {
        "what": what,
        "against": against,
        "measure": measure,
        "unit": unit,
        "berth": berth,
        "base": base,
        "ratio": berth / base if base else None,
        **more,
    }


def of_rounds(
    what: str, against: str, measure: str, unit: str, rounds: list[tuple[float, float]]
) -> dict:
    """One (berth, base) a round: the medians of each and of the ratios, and the ratios' range."""
    ratios = [berth / base for berth, base in rounds]
    return row(
        what,
        against,
        measure,
        unit,
        median(berth for berth, _ in rounds),
        median(base for _, base in rounds),
        ratio=median(ratios),
        low=min(ratios),
        high=max(ratios),
        rounds=len(rounds),
    )


def of_durations(what: str, against: str, rounds: list[tuple[list[int], list[int]]]) -> list[dict]:
    """Durations in ns, (berth's, the base's) a round → rows in µs.

    p50: medians over the rounds, as of_rounds(). p99: over the durations of all rounds together,
    because one round is too short for it.
    """
    halves = [(median(ours) / 1e3, median(base) / 1e3) for ours, base in rounds]
    ours = [ns for one, _ in rounds for ns in one]
    base = [ns for _, one in rounds for ns in one]
    return [
        of_rounds(what, against, "p50", "µs", halves) | {"n": len(ours)},
        row(
            what,
            against,
            "p99",
            "µs",
            percentile(ours, 0.99) / 1e3,
            percentile(base, 0.99) / 1e3,
            n=len(ours),
        ),
    ]
