# SPDX-License-Identifier: MIT
"""Drives the chaos: keeps so many workers alive, lets misfortunes happen, counts, and looks around."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import sys
import time
from collections import Counter
from multiprocessing.connection import Connection, wait
from pathlib import Path

from chaos import worker
from chaos.world import World

WORKERS = 24
#: Seconds between two misfortunes of workers, and of everything else.
WORKER_HURT, HURT = 0.3, 1.5
OVERLAPS = (" finds ", " is new and has ", " template's rows are ")

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["chaos.worker"])


class Hand:
    """One worker's process and what it reports."""

    def __init__(self, sockets: list[str], name: str, seed: int):
        self.reports, theirs = _processes.Pipe(duplex=False)
        self.process = _processes.Process(target=worker.main, args=(sockets, name, seed, theirs))
        self.process.start()
        theirs.close()

    def heard(self, count: Counter[str], wrong: list[str], refused: Counter[str]) -> bool:
        """Everything that it has said by now; False when it is gone."""
        try:
            while self.reports.poll():
                what, detail = self.reports.recv()
                if what == "wrong":
                    wrong.append(detail)
                elif what == "refused":
                    refused[" ".join(detail.split()[:12])] += 1
                else:
                    count[what] += detail
        except EOFError:
            return False
        return True

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.reports.close()


class Chaos:
    def __init__(self, seed: int, workers: int = WORKERS):
        self.seed = seed
        self.dice = random.Random(seed)
        self.world = World(random.Random(self.dice.getrandbits(32)))
        self.count, self.wrong = self.world.count, self.world.wrong
        self.refused: Counter[str] = Counter()
        self.hired = 0
        self.frozen: dict[Hand, float] = {}
        self.hands = [self.hire() for _ in range(workers)]

    def hire(self) -> Hand:
        self.hired += 1
        sockets = [str(one.socket) for one in self.world.runners]
        return Hand(sockets, f"w{self.hired}", self.dice.getrandbits(32))

    def run(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        next_worker = next_other = time.monotonic() + 1.0  # all shall have begun
        while (now := time.monotonic()) < until and not self.wrong:
            if now >= next_worker:
                self.hurt_worker()
                next_worker = now + self.dice.uniform(0, 2 * WORKER_HURT)
            if now >= next_other:
                self.world.hurt()
                next_other = time.monotonic() + self.dice.uniform(0, 2 * HURT)
            self.world.thaw()
            self.world.tend()
            self.thaw(now)
            self.listen(min(next_worker, next_other) - now)
        self.settle()

    def listen(self, seconds: float) -> None:
        ready: list[Connection] = wait(
            [h.reports for h in self.hands], max(0.0, min(seconds, 0.05))
        )
        for hand in [h for h in self.hands if h.reports in ready]:
            if not self.hear(hand):
                self.replace(hand)

    def hear(self, hand: Hand) -> bool:
        """What it has said by now; False, which is wrong, when it is gone without our doing."""
        there = hand.heard(self.count, self.wrong, self.refused)
        if not there:
            self.wrong.append(f"a worker ended by itself: {hand.process.exitcode}")
        return there

    def hurt_worker(self) -> None:
        hand = self.dice.choice(self.hands)
        if hand in self.frozen:
            return
        if self.dice.random() < 0.7:
            self.hear(hand)
            self.replace(hand)
            self.count["workers killed"] += 1
        else:
            os.kill(hand.process.pid, signal.SIGSTOP)
            self.frozen[hand] = time.monotonic() + self.dice.uniform(0.1, 3)
            self.count["workers frozen"] += 1

    def thaw(self, now: float) -> None:
        for hand in [h for h, until in self.frozen.items() if until <= now]:
            del self.frozen[hand]
            os.kill(hand.process.pid, signal.SIGCONT)

    def replace(self, hand: Hand) -> None:
        hand.end()
        self.hands[self.hands.index(hand)] = self.hire()

    def settle(self) -> None:
        for hand in self.hands:
            self.hear(hand)
            hand.end()
        self.hands, self.frozen = [], {}
        self.world.settle()

    def close(self) -> None:
        for hand in self.hands:
            hand.end()
        self.world.close()

    def figures(self) -> dict[str, int]:
        kills = ("killed", "crashed", "restarted", "ended", "frozen", "cut off")
        overlaps = sum(any(sign in x for sign in OVERLAPS) for x in self.wrong)
        leftovers = sum(x.startswith("leftover") for x in self.wrong)
        return {
            "leases granted": self.count["leases granted"],
            "looks": self.count["looks into schemas"] + self.count["looks into Redis"],
            "kills survived": sum(n for what, n in self.count.items() if what.endswith(kills)),
            "overlaps": overlaps,
            "leftovers": leftovers,
            "otherwise wrong": len(self.wrong) - overlaps - leftovers,
        }


def show(chaos: Chaos) -> None:
    for what, how_often in sorted(chaos.count.items()):
        print(f"{how_often:8} {what}")
    for what, how_often in chaos.refused.most_common(15):
        print(f"{how_often:8} times refused: {what} …")
    if chaos.wrong:
        print("\n".join(chaos.wrong), chaos.world.logs(), sep="\n")
    print(", ".join(f"{what}: {n}" for what, n in chaos.figures().items()), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev chaos", description=__doc__)
    parser.add_argument("minutes", nargs="?", type=float, default=5)
    parser.add_argument(
        "--seed", type=int, default=int(os.environ.get("BERTH_TEST_SEED", random.getrandbits(32)))
    )
    parser.add_argument("--json", type=Path, help="the figures, for the benchmarks")
    said = parser.parse_args()
    print(f"{said.minutes:g} minutes, seed {said.seed}", flush=True)
    chaos = Chaos(said.seed)
    try:
        chaos.run(said.minutes * 60)
    finally:
        chaos.close()
    show(chaos)
    if said.json:
        said.json.write_text(json.dumps({"seed": said.seed, **chaos.figures()}))
    return bool(chaos.wrong)


if __name__ == "__main__":
    sys.exit(main())
