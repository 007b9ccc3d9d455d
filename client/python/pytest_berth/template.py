# SPDX-License-Identifier: MIT
"""The template that the ini file describes: its key, and how one worker builds it for all."""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

import berth
from berth.fingerprint import is_byte_code
from pytest_berth import command

_KEY = re.compile(r"[!-~]{1,255}")
_CALL = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True)
class Template:
    """The template of this session, as the fixture ``berth_template`` tells of it."""

    key: str
    built: bool
    """Whether this worker built it in this session; else it was there, or another one did."""
    seconds: float
    """What this worker spent on it: building, or waiting for its lease."""


@dataclass(frozen=True)
class Recipe:
    """The settings ``berth_template_*``."""

    files: tuple[str, ...]
    command: str
    call: str
    key: str
    kind: str | None
    directory: str
    """Where files are looked for and commands run: that of the ini file."""
    python_path: tuple[str, ...]

    @property
    def title(self) -> str:
        return self.command or self.call

    def make_key(self) -> str:
        """The key in force. Raises pytest.UsageError when files are missing or it cannot be one."""
        if self.key:
            key = self.key.format(files=self._of_files() if self.files else "")
        else:
            key = self._of_files(self._how())
        if not _KEY.fullmatch(key):
            raise pytest.UsageError(
                f"berth: the key of the template is {key!r}; it is 1 to 255 characters of ASCII "
                "without blanks"
            )
        return key

    def _how(self) -> tuple[str, ...]:
        """What the outcome depends on besides the files."""
        return (self.kind or "schema", "command" if self.command else "call", self.title)

    def _of_files(self, extra: tuple[str, ...] = ()) -> str:
        files = [file for pattern in self.files for file in self._matches(pattern)]
        try:
            return berth.template_key(*files, extra=extra)
        except (OSError, ValueError) as e:
            raise pytest.UsageError(f"berth: berth_template_files: {e}") from None

    def _matches(self, pattern: str) -> list[str]:
        found = glob.glob(os.path.join(glob.escape(self.directory), pattern), recursive=True)
        found = [path for path in found if not is_byte_code(path)]
        if not found:
            raise pytest.UsageError(
                f"berth: berth_template_files: nothing matches {pattern!r} in {self.directory}"
            )
        return found

    def run(self, env: Mapping[str, str]) -> None:
        """Migrates the slot that `env` leads to, in a process of its own. Raises CommandFailed."""
        if self.command:
            return command.shell(self.command, env, self.directory)
        path = [*self.python_path, self.directory, env.get("PYTHONPATH", "")]
        env = {**env, "PYTHONPATH": os.pathsep.join(filter(None, path))}
        argv = [sys.executable, "-m", "pytest_berth.call", self.call]
        return command.run(self.title, argv, env, self.directory)


def recipe_of(config: pytest.Config, kind: str | None) -> Recipe | None:
    """None where the ini file describes no template; pytest.UsageError where it does so badly."""
    recipe = Recipe(
        files=tuple(config.getini("berth_template_files")),
        command=str(config.getini("berth_template_command")).strip(),
        call=str(config.getini("berth_template_call")).strip(),
        key=str(config.getini("berth_template_key")).strip(),
        kind=kind,
        directory=directory_of(config),
        python_path=tuple(map(str, config.getini("pythonpath"))),
    )
    if not (recipe.files or recipe.title or recipe.key):
        return None
    wrong = _wrong(recipe)
    if wrong:
        raise pytest.UsageError(f"berth: {wrong}")
    return recipe


def directory_of(config: pytest.Config) -> str:
    return str(config.inipath.parent if config.inipath else config.rootpath)


def _wrong(recipe: Recipe) -> str:
    """What keeps it from being followed, or nothing."""
    if bool(recipe.command) == bool(recipe.call):
        return (
            "a template is built by berth_template_command (alembic upgrade head) or by "
            "berth_template_call (package.module:function); set one of them"
        )
    if recipe.call and not _CALL.fullmatch(recipe.call):
        return f"berth_template_call is {recipe.call!r}; it is package.module:function"
    if not (recipe.files or recipe.key):
        return (
            "berth_template_files is missing: the files on which the template depends "
            "(migrations/*.py); when they change it is built anew"
        )
    return _wrong_key(recipe)


def _wrong_key(recipe: Recipe) -> str:
    try:
        counts = recipe.key.format(files="f") != recipe.key.format(files="g")
    except (KeyError, IndexError, ValueError, AttributeError):
        return f"berth_template_key is {recipe.key!r}; it may hold {{files}}, as app-{{files}}"
    if recipe.key and recipe.files and not counts:
        return (
            f"berth_template_files would not count: write berth_template_key = "
            f"{recipe.key}-{{files}}"
        )
    if counts and not recipe.files:
        return f"berth_template_key is {recipe.key!r}, and berth_template_files is missing"
    return ""


def shown(key: str) -> str:
    """A key for people: of a fingerprint the beginning will do."""
    return key if len(key) <= 40 else key[:12]
