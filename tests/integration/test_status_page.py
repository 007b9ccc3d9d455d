# SPDX-License-Identifier: MIT
"""The status page in a real browser, and what Prometheus' own tool says: BERTH_TEST_LONG=1 (./dev page)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
import urllib.request
import zlib
from functools import partial
from pathlib import Path

import pytest
from harness import places
from harness.wait import SLOW

pytestmark = pytest.mark.skipif(
    os.environ.get("BERTH_TEST_LONG") != "1", reason="BERTH_TEST_LONG=1: needs Chromium, promtool"
)
MONITORING = places.REPO / "docs" / "monitoring"
SCHEMES = {"dark": 0, "light": 1}  # as Blink numbers them
EVIL = "<img src=x onerror=document.title=1>"


def browse(address: str, *options: str) -> str:
    """What Chromium prints after half a minute of the page's own time."""
    argv = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    argv += [f"--user-data-dir={places.new_dir('chromium')}", "--window-size=1200,1040"]
    argv += ["--virtual-time-budget=30000", *options, f"http://{address}/"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=90 * SLOW)
    assert done.returncode == 0, done.stderr
    return done.stdout


def corner(png: Path) -> tuple[int, ...]:
    """Red, green and blue of the first pixel, which no filter of PNG changes."""
    data = png.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    pixels, at = b"", 8
    while at < len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        pixels += data[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += length + 12
    return tuple(zlib.decompress(pixels)[1:4])


@pytest.fixture
def busy(make_daemon):
    """busy(label) makes a daemon with something to show; where its metrics are."""
    return partial(make_busy, make_daemon)


def make_busy(make_daemon, label: str = "nightly") -> str:
    daemon = make_daemon(metrics="127.0.0.1:0", pool_schemas=6, pool_redis=6).ready()
    client = daemon.client()
    for n in range(7):
        lease = client.acquire(f"gw{n}", run=f"ci-{4711 + n // 4}", label=label)
        session = daemon.sql(lease)
        session.execute("CREATE TABLE seen (a int)")
        client("BASELINE", lease.lease)
        for _ in range(n + 1):
            session.execute("INSERT INTO seen VALUES (1)")
            client("RESET", lease.lease)
    time.sleep(1)  # so that ages are to be seen
    return client.info("Server")["metrics"]


def test_it_shows_the_leases_and_takes_no_orders_from_them(busy):
    page = browse(busy(EVIL), "--dump-dom")
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.S)
    leases = [r for r in rows if ">held<" in r and "ci-471" in r]
    assert len(leases) == 7 and all("&lt;img src=x" in r for r in leases)
    assert "<title>berth: 7 held, 0 waiting</title>" in page
    assert len(re.findall(r"<polyline points=\"[\d.,]+ [\d.,]+ ", page)) == 5
    assert "Slowest resets" in page and 'class="up">PostgreSQL' in page
    assert '<body class="lost"' not in page


@pytest.mark.parametrize("scheme", SCHEMES)
def test_it_follows_the_room(busy, scheme):
    picture = places.new_dir("shot") / f"{scheme}.png"
    blink = f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}"
    browse(busy(), blink, f"--screenshot={picture}")
    dark = max(corner(picture)) < 64
    assert dark == (scheme == "dark") and picture.stat().st_size > 30000
    if scheme == "light" and os.environ.get("BERTH_TEST_KEEP_SCREENSHOT"):
        shutil.copy(picture, places.REPO / "docs" / "status-page.png")


def promtool(*words, **kw) -> None:
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, **kw)
    assert done.returncode == 0 and "error" not in (done.stdout + done.stderr).lower(), done


def test_promtool_finds_nothing_to_say(busy):
    with urllib.request.urlopen(f"http://{busy()}/metrics") as answer:
        promtool("check", "metrics", input=answer.read().decode())
    promtool("check", "rules", MONITORING / "berth-alerts.yml")
    promtool("check", "config", MONITORING / "prometheus.yml")
