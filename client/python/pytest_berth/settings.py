# SPDX-License-Identifier: MIT
"""What the command line and the ini file say about berth, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from pytest_berth import enums, environment
from pytest_berth.role import word

_KINDS = ("schema", "database")
_REDIS = ("acl", "index", "private", "none")


@dataclass(frozen=True)
class Settings:
    socket: str | None
    kind: str | None
    redis: str | None
    name: str
    wait: float
    env: Mapping[str, str]
    enums: Mapping[str, tuple[str, ...]]
    label: str

    def name_for(self, run: str, worker: str) -> str | None:
        """The exact schema name to ask for, or None to let the daemon make one up."""
        return self.name.format(run=run, worker=worker) or None


def settings_of(config: pytest.Config) -> Settings:
    """Raises pytest.UsageError for what cannot be followed."""
    options = config.known_args_namespace
    return Settings(
        socket=_socket(options.berth_socket),
        kind=_one_of(config, "berth_kind", _KINDS),
        redis=_one_of(config, "berth_redis", _REDIS),
        name=_name(options.berth_name or config.getini("berth_name")),
        wait=_seconds(config.getini("berth_wait")),
        env=_env(config),
        enums=enums.parse(config.getini("berth_enums")),
        label="pytest " + word(config.rootpath.name, 200),
    )


def _socket(given: str | None) -> str | None:
    return os.path.abspath(given) if given else None


def _one_of(config: pytest.Config, key: str, words: tuple[str, ...]) -> str | None:
    value = str(config.getini(key)).strip()
    if value and value not in words:
        raise pytest.UsageError(f"berth: {key} is {value!r}; it may be {', '.join(words)}")
    return value or None


def _name(form: str) -> str:
    try:
        form.format(run="r", worker="w")
    except (KeyError, IndexError, ValueError, AttributeError):
        raise pytest.UsageError(
            f"berth: berth_name is {form!r}; it may hold {{worker}} and {{run}}, as test_{{worker}}"
        ) from None
    return form


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < 1e6:
        raise pytest.UsageError(f"berth: berth_wait is {text!r}; it is a number of seconds")
    return seconds


def _env(config: pytest.Config) -> dict[str, str]:
    try:
        return environment.parse(config.getini("berth_env"))
    except environment.FormatError as e:
        raise pytest.UsageError(str(e)) from None
