# SPDX-License-Identifier: MIT
"""What the command line and the ini file say about berth, checked."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_berth import enums, environment
from pytest_berth.role import word
from pytest_berth.template import Recipe, recipe_of

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
_KINDS = ("schema", "database")
_REDIS = ("acl", "index", "private", "none")
_LEAKS = ("test", "session", "never")
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
    leaks: str
    keep: float | None
    """Seconds, or None: what a test has failed with is not kept."""
    report: str | None
    label: str

    def name_for(self, run: str, worker: str) -> str | None:
        """The exact schema name to ask for, or None to let the daemon make one up."""
        return self.name.format(run=run, worker=worker) or None


def settings_of(config: pytest.Config, args: list[str]) -> Settings:
    """Raises pytest.UsageError for what cannot be followed."""
    options = config.known_args_namespace
    _refuse_to_swallow(args)
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
        leaks=_one_of(config, "berth_leaks", _LEAKS)
        or ("test" if options.berth_report else "session"),
        keep=_duration(options.berth_keep),
        report=options.berth_report,
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


def _refuse_to_swallow(args: list[str]) -> None:
    """An option whose value may be left out takes the next word for it: a path, most likely."""
    for option, word in zip(args, args[1:]):
        if option in ("--berth-keep", "--berth-report") and not word.startswith("-"):
            raise pytest.UsageError(
                f"berth: does {word} belong to {option}? Write {option}={word}, or put {option} "
                "behind it"
            )


def _duration(text: str | None) -> float | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h|)", text)
    seconds = float(match[1]) * _SECONDS[match[2]] if match else 0
    if not seconds:
        raise pytest.UsageError(
            f"berth: --berth-keep={text}: it is a duration such as 90s, 10m or 2h"
        )
    return seconds


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
