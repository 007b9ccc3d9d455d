#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks berth.pml with spin: the protocol holds, and each seeded mistake is found.

check.py [--short]: --short leaves out two misfortunes of any kind, and three runners.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

MODEL = Path(__file__).resolve().parent / "berth.pml"
CRASH, PAUSE, CUT, CUT_WORK, RESTART, FREEZE = KINDS = (1, 2, 4, 8, 16, 32)
NAMES = dict(zip(KINDS, ("crash", "pause", "cut", "cut while working", "restart", "freeze")))
ALL = sum(KINDS)

# Which misfortunes show a mistake: (how many, of which kinds).
SHOWN_BY = {
    1: (1, CUT),
    2: (1, PAUSE),
    3: (1, RESTART),
    4: (0, 0),
    5: (0, 0),
    6: (1, CRASH),
    7: (0, 0),
    8: (2, PAUSE | CUT),
    9: (2, PAUSE | CUT),
    10: (1, FREEZE),
    11: (1, CUT_WORK),
    12: (1, CUT_WORK),
    13: (2, CRASH | CUT),
    14: (2, CUT_WORK),
    15: (1, CUT_WORK),
}

# What an assertion of the model says to a person.
MEANINGS = {
    "row[i_]": "taken from its holder while its runner lives",
    "lock[q_]": "declared dead though its session is there",
    "blame[q_]": "declared dead, and had no chance to speak",
    "(foreign)": "what berth did not make was dropped",
    "ghost": "handed out, and somebody else can open it",
    "calm": "something abandoned stays for ever",
    "yes_": "held by two",
}


@dataclass
class Case:
    mistake: int = 0
    faults: int = 1
    kinds: int = ALL
    runners: int = 2

    def flags(self) -> list[str]:
        named = {"MISTAKE": self.mistake, "FAULTS": self.faults, "KINDS": self.kinds}
        return [f"-D{k}={v}" for k, v in (named | {"RUNNERS": self.runners}).items()]

    def misfortunes(self) -> str:
        if not self.faults:
            return "none"
        kinds = [name for kind, name in NAMES.items() if kind & self.kinds]
        which = "any" if self.kinds == ALL else " / ".join(kinds)
        return which if self.faults == 1 else f"{self.faults} of {which}"


@dataclass
class Outcome:
    case: Case
    states: int
    seconds: float
    found: str  # what was violated, "" for nothing
    complete: bool

    def as_expected(self) -> bool:
        return bool(self.found) if self.case.mistake else self.complete and not self.found


def mistakes() -> dict[int, str]:
    """Number → what it is, from the model itself."""
    row = re.compile(r"#define \w+ +\(MISTAKE == (\d+)\) +/\* (.+) \*/")
    return {int(n): text for n, text in row.findall(MODEL.read_text())}


def meaning(assertion: str) -> str:
    return next((text for sign, text in MEANINGS.items() if sign in assertion), assertion)


def run(argv: list[str], cwd: str) -> str:
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True)
    if done.returncode != 0 and argv[0] != "./pan":
        raise RuntimeError(f"{' '.join(argv)}:\n{done.stdout}{done.stderr}")
    return done.stdout


def check(case: Case) -> Outcome:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="berth-model-") as work:
        run(["spin", *case.flags(), "-a", str(MODEL)], work)
        optimize = "-O1" if case.mistake or case.faults < 2 else "-O3"
        # Hash-compaction: 64 bits stand for a state.
        options = ["-w", "-DSAFETY", "-DHC4", "-DNOBOUNDCHECK", "-DMEMLIM=8000"]
        run(["gcc", optimize, *options, "-o", "pan", "pan.c"], work)
        said = run(["./pan", "-m100000"], work)
    error = re.search(r"pan:\d+: (.+) \(at depth", said)
    states = re.search(r"(\d+) states, stored", said)
    whole = "errors: 0" in said and "Search not completed" not in said
    if not states or "max search depth too small" in said:
        raise RuntimeError(f"{case}: {said}")
    found = meaning(error[1]) if error else ""
    return Outcome(case, int(states[1]), time.monotonic() - began, found, whole)


def cases(short: bool) -> Iterator[Case]:
    yield Case(faults=0)
    yield Case()
    if not short:
        yield Case(faults=0, runners=3)
        yield from (Case(kinds=kind, runners=3) for kind in KINDS)
        yield Case(faults=2, kinds=CRASH, runners=3)
        yield Case(faults=2)
        yield Case(faults=3, kinds=CRASH | PAUSE | RESTART)
    yield from (Case(n, *SHOWN_BY[n]) for n in sorted(SHOWN_BY))


def title(case: Case, known: dict[int, str]) -> str:
    what = f"{case.mistake}. {known[case.mistake]}" if case.mistake else "the protocol"
    return what if case.runners == 2 else f"{what}, {case.runners} runners"


def verdict(outcome: Outcome) -> str:
    if outcome.case.mistake:
        return f"found: {outcome.found}" if outcome.found else "NOT FOUND"
    if outcome.found:
        return f"VIOLATED: {outcome.found}"
    return "holds" if outcome.complete else "NOT COMPLETE: there was not enough memory"


def row(outcome: Outcome, known: dict[int, str]) -> str:
    return (
        f"{title(outcome.case, known):76}  {outcome.case.misfortunes():22}"
        f"  {outcome.states:>10,}  {outcome.seconds:5.0f} s  {verdict(outcome)}"
    )


def junit(outcomes: list[Outcome], known: dict[int, str]) -> str:
    suite = xml.Element("testsuite", name="model", tests=str(len(outcomes)))
    for outcome in outcomes:
        name = f"{title(outcome.case, known)} ({outcome.case.misfortunes()})"
        case = xml.SubElement(suite, "testcase", classname="model", name=name)
        case.set("time", f"{outcome.seconds:.1f}")
        if not outcome.as_expected():
            xml.SubElement(case, "failure", message=verdict(outcome))
    return xml.tostring(suite, encoding="unicode")


def main() -> int:
    parser = argparse.ArgumentParser(prog="check.py", description=__doc__)
    parser.add_argument("--short", action="store_true", help="what takes seconds")
    parser.add_argument("--junit", type=Path, help="write the results there too")
    said = parser.parse_args()
    known = mistakes()
    assert sorted(known) == sorted(SHOWN_BY), "each mistake needs what shows it"
    print(f"{'':76}  {'misfortunes':22}  {'states':>10}  {'time':>7}")
    outcomes = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for outcome in pool.map(check, cases(said.short)):
            print(row(outcome, known), flush=True)
            outcomes.append(outcome)
    if said.junit:
        said.junit.write_text(junit(outcomes, known))
    wrong = sum(not outcome.as_expected() for outcome in outcomes)
    print(f"{wrong} not as expected" if wrong else "all as expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
