# SPDX-License-Identifier: MIT
"""The two ways of `pip install`, each done once."""

from __future__ import annotations

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from environment import CLAIMED, Environment, interpreter


@pytest.fixture(scope="session")
def interpreters() -> list[str]:
    """Those of CLAIMED that are here, the oldest first; there is one, for it runs this."""
    return [p for p in map(interpreter, CLAIMED) if p] or [sys.executable]


@pytest.fixture(scope="session")
def environments(interpreters, tmp_path_factory):
    """Everything, on the newest Python here; the pure client, on the oldest, without a compiler."""
    root = tmp_path_factory.mktemp("environments")
    with ThreadPoolExecutor() as pool:
        made = [
            pool.submit(Environment, interpreters[-1], root / "all", ".", "/usr/bin", "/bin"),
            pool.submit(Environment, interpreters[0], root / "pure", "client/python"),
        ]
    yield [m.result() for m in made]
    shutil.rmtree(root)


@pytest.fixture
def everything(environments) -> Environment:
    return environments[0]


@pytest.fixture
def pure(environments) -> Environment:
    return environments[1]
