# SPDX-License-Identifier: MIT
"""The client and the plugin are typed, and so is what people write with them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.places import REPO

SOURCE = REPO / "client" / "python"

USES = """
import berth
from pytest_berth.template import Template

def test_types(
    berth_lease: berth.Lease, berth_dsn: str, berth_redis_url: str, berth_template: Template | None
) -> None:
    built: bool = berth_template is not None and berth_template.built
    dsn: str = berth_lease.dsn
    port: int = berth_lease.port
    url: str | None = berth_lease.redis_url
    with berth.connect() as client:
        found = client.get(berth_lease)
        if isinstance(found, berth.Waiting):
            why: str | None = found.why
        left: float = client.renew("run/gw0", ttl=1.5)
        outcome: str = client.enum_ensure("mood", ("sad", "ok"))
        labels: tuple[str, ...] = client.enums()[0].labels
        ran: bool = client.once("migrate", lambda: None, wait=10)
        gate: berth.Gate = client.once_enter("migrate")
        rows: list[berth.GateRow] = client.once_list()
        key: str = berth.template_key("migrations", extra=["a", "b"])
        own: berth.Lease = client.acquire("gw1", template=key, build=lambda lease: lease.dsn)
        done: berth.Reset = client.reset(own, force=True)
        rebuilt: bool = done.rebuilt
        client.baseline(own)
        sealed: berth.SealedTemplate = client.template_seal(own)
        templates: list[berth.TemplateRow] = client.template_list()
        rows_then: int | None = client.diff(own)[0].rows_then
        leaks: list[berth.Leak] = client.leaks(own)
        client.copy(own, berth_lease)
"""


def test_mypy_is_content_with_the_sources_and_their_use(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "test_use.py").write_text(USES)
    files = ["berth", "pytest_berth", str(tmp_path / "test_use.py")]

    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir=/dev/null", *files],
        cwd=SOURCE, capture_output=True, text=True,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
