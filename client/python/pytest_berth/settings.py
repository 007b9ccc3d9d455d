# SPDX-License-Identifier: MIT
"""What the command line and the ini file say about berth, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_berth import enums, environment
from pytest_berth.role import word
from pytest_berth.template import Recipe, recipe_of

_KINDS = ("schema", "database")
_REDIS = ("acl", "index", "private", "none")
_RESETS = ("test", "class", "module", "session", "never")
_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True} | {
    "false": False, "no": False, "off": False, "0": False, "": None
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    private: bool
    socket: str | None
    kind: str | None
    redis: str | None
    name: str
    wait: float
    env: Mapping[str, str]
    enums: Mapping[str, tuple[str, ...]]
    template: Recipe | None
    reset: str
    baseline: bool | None
    """None: where it is of use."""
    label: str

    def name_for(self, run: str, worker: str) -> str | None:
        """The exact schema name to ask for, or None to let the daemon make one up."""
        return self.name.format(run=run, worker=worker) or None


def settings_of(config: pytest.Config) -> Settings:
    """Raises pytest.UsageError for what cannot be followed."""
    options = config.known_args_namespace
    kind = _one_of(config, "berth_kind", _KINDS)
    return Settings(
        private=options.berth_private,
        socket=_socket(options),
        kind=kind,
        redis=_one_of(config, "berth_redis", _REDIS),
        name=_name(options.berth_name or config.getini("berth_name")),
        wait=_seconds(config.getini("berth_wait")),
        env=_env(config),
        enums=enums.parse(config.getini("berth_enums")),
        template=recipe_of(config, kind),
        reset=_one_of(config, "berth_reset", _RESETS) or "never",
        baseline=_baseline(config, kind),
        label="pytest " + word(config.rootpath.name, 200),
    )


def _socket(options: Any) -> str | None:
    given: str | None = options.berth_socket
    if given and options.berth_private:
        raise pytest.UsageError(
            "berth: --berth=private starts a daemon of its own, and --berth-socket names one; "
            "one of them is to go"
        )
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


def _baseline(config: pytest.Config, kind: str | None) -> bool | None:
    text = str(config.getini("berth_baseline")).strip().lower()
    if text not in _BOOLEANS:
        raise pytest.UsageError(f"berth: berth_baseline is {text!r}; it may be true or false")
    if _BOOLEANS[text] and kind == "database":
        raise pytest.UsageError(
            "berth: berth_baseline is for berth_kind = schema; a database is brought back to its "
            "template (berth_template_command)"
        )
    return _BOOLEANS[text]


def _env(config: pytest.Config) -> dict[str, str]:
    try:
        return environment.parse(config.getini("berth_env"))
    except environment.FormatError as e:
        raise pytest.UsageError(str(e)) from None
