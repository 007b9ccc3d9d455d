# SPDX-License-Identifier: MIT
"""``load=``: what fills a database, as pytest-postgresql takes it."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterable, Mapping
from os import PathLike, fspath
from typing import Any, Callable, Union

Load = Union[Callable[..., object], str, "PathLike[str]"]
"""A function of host, port, user, dbname and password, where it is imported from, or SQL's file."""


def load_all(loads: Iterable[Load], where: Mapping[str, Any], autocommit: bool) -> None:
    for one in loads:
        _loader(one)(where, autocommit)


def _loader(load: Load) -> Callable[[Mapping[str, Any], bool], object]:
    if callable(load):
        return lambda where, autocommit: _call(load, where, autocommit)
    if not isinstance(load, str) or load.endswith(".sql"):
        return lambda where, autocommit: _run_file(fspath(load), where, autocommit)
    module, _, name = re.sub("[.:]([^.:]*)$", r" \1", load).partition(" ")
    return _loader(getattr(importlib.import_module(module.replace(":", ".")), name))


def _call(load: Callable[..., object], where: Mapping[str, Any], autocommit: bool) -> object:
    """Newer releases of theirs pass `autocommit`, which functions for older ones do not take."""
    given = {**where, "autocommit": autocommit}
    taken = inspect.signature(load).parameters.values()
    if not any(one.kind is one.VAR_KEYWORD for one in taken):
        given = {name: value for name, value in given.items() if name in {p.name for p in taken}}
    return load(**given)


def _run_file(path: str, where: Mapping[str, Any], autocommit: bool) -> None:
    import psycopg

    with open(path, encoding="utf-8") as file:
        text = file.read()
    with psycopg.connect(**where, autocommit=autocommit) as connection:
        connection.execute(text.encode())
