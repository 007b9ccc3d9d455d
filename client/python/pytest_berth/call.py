# SPDX-License-Identifier: MIT
"""Run as ``python -m pytest_berth.call package.module:function``: calls it with the lease.

In a process of its own, because what it imports reads the environment when it is imported, and the
schema in which a template is built is not the one in which the tests then run.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Coroutine
from functools import reduce
from typing import Any, Callable

import berth


def call(fn: Callable[[berth.Lease], object], lease: berth.Lease) -> None:
    """Calls a function with the lease, also one that is ``async``."""
    result = fn(lease)
    if inspect.iscoroutine(result):
        _finish(result)


def _finish(coroutine: Coroutine[Any, Any, object]) -> None:
    import asyncio

    asyncio.run(coroutine)


def main(name: str) -> None:
    with berth.connect() as client:
        lease = client.get(os.environ["BERTH_LEASE"])
    assert isinstance(lease, berth.Lease)
    module, _, path = name.partition(":")
    fn: Any = reduce(getattr, path.split("."), importlib.import_module(module))
    call(fn, lease)


if __name__ == "__main__":
    main(sys.argv[1])
