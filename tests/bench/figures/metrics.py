# SPDX-License-Identifier: MIT
"""What it costs that somebody looks: metrics on and scraped, against metrics off."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.probe import probe
from bench.sizes import Sizes
from bench.stage import Stage
from bench.stats import of_durations

TITLE = "Metrics"
ABOUT = (
    "A daemon after another, one whose metrics are scraped ten times a second (Prometheus asks every "
    "ten seconds or so), one without the setting. Counting itself is never off."
)
EVERY_S = 0.1
STEPS = ("ping", "acquire", "release")


@contextmanager
def scraped(address: str) -> Iterator[None]:
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(EVERY_S):
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
                answer.read()

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def ask(socket: Path, sizes: Sizes) -> dict[str, list[int]]:
    pairs = probe(socket, "quiet", sizes.quiet, redis="none")
    return {"ping": probe(socket, "ping", sizes.pings).ns["ping"]} | {
        step: pairs.ns[step] for step in STEPS[1:]
    }


def measure(stage: Stage, sizes: Sizes) -> list[dict]:
    rounds = []
    for _ in sizes.warm:
        with stage.daemon(metrics="127.0.0.1:0") as daemon:
            with daemon.client() as client:
                address = client.info("Server")["metrics"]
            with scraped(address):
                ours = ask(daemon.socket, sizes)
        with stage.daemon() as daemon:
            rounds.append((ours, ask(daemon.socket, sizes)))
    return [
        row
        for step in STEPS
        for row in of_durations(
            f"{step.upper()}, scraped",
            "without metrics",
            [(ours[step], base[step]) for ours, base in rounds],
        )
    ]
