# SPDX-License-Identifier: MIT
"""Fixtures that ask for another one whose name is only known when they are made."""

from __future__ import annotations

import importlib
import inspect
from typing import Any, Callable

import pytest


def asks_for(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which takes (request, server), as one whose second parameter is called *name*.

    So pytest knows what it needs, and sets it up with the other fixtures of the session.
    """
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(one, kind) for one in ("request", name)]
    if inspect.isasyncgenfunction(function):

        async def fixture_async(**given: Any) -> Any:
            async for value in function(given["request"], given[name]):
                yield value

        chosen: Callable[..., Any] = fixture_async
    else:

        def fixture(**given: Any) -> Any:
            yield from function(given["request"], given[name])

        chosen = fixture
    chosen.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    chosen.__doc__ = function.__doc__
    return chosen


def asynchronous(function: Callable[..., Any]) -> Any:
    """As a fixture of pytest-asyncio's, or one that says that it is missing."""
    try:
        pytest_asyncio = importlib.import_module("pytest_asyncio")
    except ImportError:

        @pytest.fixture
        def missing() -> None:
            """Needs pytest-asyncio."""
            raise pytest.UsageError("berth: this fixture is asynchronous: install pytest-asyncio")

        return missing
    return pytest_asyncio.fixture(function)


def option(config: pytest.Config, name: str) -> Any:
    """What the command line or the ini file says; None where nobody has declared it."""
    try:
        return config.getoption(name, None) or config.getini(name)
    except (KeyError, ValueError):
        return None
