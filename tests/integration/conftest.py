# SPDX-License-Identifier: MIT
"""The command line, with a daemon and without one."""

from __future__ import annotations

import pytest

from harness.cli import Cli


@pytest.fixture
def berth(daemon):
    """`berth` on the daemon of the test."""
    cli = Cli(daemon.socket)
    yield cli
    cli.close()


@pytest.fixture
def alone():
    """`berth` on a machine without a daemon."""
    return Cli("/nowhere/b.sock")


@pytest.fixture
def terminals():
    """Those that a test puts in are closed at its end."""
    made: list = []
    yield made
    for terminal in made:
        terminal.close()
