# SPDX-License-Identifier: MIT
"""The fixtures of pytest-postgresql and pytest-redis, on leases. Opt-in: ``-p pytest_berth.compat``.

Suites that were written against them keep their tests and conftest files:

* their fixtures ``postgresql_proc``, ``postgresql_noproc``, ``postgresql``, ``redis_proc``,
  ``redis_noproc``, ``redisdb`` (and the ``_async`` ones) lead to leases of this worker;
* with ``-p`` (as in ``addopts``), which comes before any conftest file, ``factories`` and
  ``DatabaseJanitor`` of these packages are ours where the packages are installed. Where they are
  not, import ``pytest_berth.compat.factories`` instead.

No server is started: what a process fixture is told of executables and ports is not followed.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys

import pytest

from pytest_berth.compat import factories
from pytest_berth.compat.postgresql import DatabaseJanitor

#: What of theirs is ours, wherever in their packages it is.
_THEIRS: dict[str, dict[str, object]] = {
    "pytest_postgresql.factories": {
        name: getattr(factories, name)
        for name in ("postgresql", "postgresql_async", "postgresql_noproc", "postgresql_proc")
    },
    "pytest_postgresql.janitor": {"DatabaseJanitor": DatabaseJanitor},
    "pytest_redis.factories": {
        name: getattr(factories, name)
        for name in ("redis_noproc", "redis_proc", "redisdb", "redisdb_async")
    },
}


def _take_over() -> None:
    for name, attributes in _THEIRS.items():
        if _is_installed(name):
            module = importlib.import_module(name)
            for attribute, ours in attributes.items():
                _replace(name.partition(".")[0], getattr(module, attribute, None), attribute, ours)


def _replace(package: str, theirs: object, attribute: str, ours: object) -> None:
    for name, module in list(sys.modules.items()):
        inside = name == package or name.startswith(f"{package}.")
        if inside and theirs is not None and getattr(module, attribute, None) is theirs:
            setattr(module, attribute, ours)


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module.partition(".")[0]) is not None


def pytest_addoption(parser: pytest.Parser) -> None:
    """Lines of the ini file that their plugins know where these are installed."""
    if not _is_installed("pytest_postgresql"):
        parser.addini("postgresql_load", "As pytest-postgresql's.", type="linelist", default=[])
    if not _is_installed("pytest_redis"):
        parser.addini("redis_decode", "As pytest-redis'.", type="bool", default=False)


_take_over()

postgresql_proc = factories.postgresql_proc()
postgresql_noproc = factories.postgresql_noproc()
postgresql = factories.postgresql("postgresql_proc")
postgresql_async = factories.postgresql_async("postgresql_proc")

redis_proc = factories.redis_proc()
redis_noproc = factories.redis_noproc()
redisdb = factories.redisdb("redis_proc")
redisdb_async = factories.redisdb_async("redis_proc")
