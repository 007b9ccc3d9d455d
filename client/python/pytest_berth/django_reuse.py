# SPDX-License-Identifier: MIT
"""What pytest-django's --reuse-db reuses: a template, migrated by whoever comes first.

It is another one as soon as a migration or a model has changed. Run as ``python -m
pytest_berth.django_reuse`` it prints the key of the project that DJANGO_SETTINGS_MODULE names, in a
process of its own: the lease is taken before Django is loaded, and its key belongs to the request.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import pytest

import berth
from pytest_berth import environment, report
from pytest_berth.django import Loan, heir, point, postgresql_aliases
from pytest_berth.settings import Settings
from pytest_berth.template import Recipe, directory_of, shown

#: What pytest-django reads: the option's dest, and the variable that is also the ini file's key.
_NAMES = (("ds", "DJANGO_SETTINGS_MODULE"), ("dc", "DJANGO_CONFIGURATION"))

#: What stands before the key; settings modules print things, too.
_SAYS = "pytest-berth key: "


@dataclass(frozen=True)
class DjangoRecipe(Recipe):
    """Migrates as Django would migrate its test database."""

    env: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        return f"migrate ({dict(self.env)['DJANGO_SETTINGS_MODULE']}), for --reuse-db"

    def run(self, env: Mapping[str, str]) -> None:
        super().run({**env, **dict(self.env)})


def adopt(config: pytest.Config, settings: Settings, given: Mapping[str, Any] | None) -> Settings:
    """Takes up --reuse-db and --create-db. `given` is what the xdist controller told a worker."""
    options = config.known_args_namespace
    if settings.template is None and getattr(options, "reuse_db", False):
        settings = replace(settings, template=_recipe(config, settings, given))
    create = getattr(options, "create_db", False)
    if settings.template is not None and create and given is None:
        _drop(settings, settings.template.make_key())
    return settings


# -- the recipe ----------------------------------------------------------------------------------


def _recipe(
    config: pytest.Config, settings: Settings, given: Mapping[str, Any] | None
) -> Recipe | None:
    """None where Django has no settings module, or it cannot be loaded in a process of its own."""
    env = dict(_names(config))
    if "DJANGO_SETTINGS_MODULE" not in env:
        return None
    recipe = DjangoRecipe(
        files=(),
        command="",
        call="pytest_berth.django_reuse:"
        + ("synchronize" if config.known_args_namespace.nomigrations else "migrate"),
        key="",
        kind=settings.kind,
        directory=directory_of(config),
        python_path=(*map(str, config.getini("pythonpath")), *_project(config)),
        env=tuple(env.items()),
    )
    if given is not None and "berth_environment" in given:  # the controller has made the key
        key = given["berth_template_key"] or ""
    else:
        key = _ask_for_key(recipe, settings)
    return replace(recipe, key=key) if key else None


def _names(config: pytest.Config) -> Iterator[tuple[str, str]]:
    """The variables for Django, as pytest-django will set them."""
    for dest, name in _NAMES:
        option = getattr(config.known_args_namespace, dest, None)
        value = option or os.environ.get(name) or config.getini(name)
        if value:
            yield name, str(value)


def _project(config: pytest.Config) -> Iterator[str]:
    """The directory of manage.py, found where pytest-django will find it."""
    named = [arg.partition("::")[0] for arg in config.known_args_namespace.file_or_dir or ()]
    for start in (*named, os.curdir):
        directory, above = os.path.abspath(start), ""
        while directory != above:
            if os.path.exists(os.path.join(directory, "manage.py")):
                yield directory
                return
            directory, above = os.path.dirname(directory), directory


def _ask_for_key(recipe: DjangoRecipe, settings: Settings) -> str:
    """The key, or "" and a line that says why there is none."""
    socket = settings.socket or berth.socket_paths()[0]
    fields = environment.fields_of(environment.NOWHERE, socket)
    env = {**os.environ, **environment.changes(settings.env, fields), **dict(recipe.env)}
    path = (*recipe.python_path, recipe.directory, os.environ.get("PYTHONPATH"))
    env["PYTHONPATH"] = os.pathsep.join(filter(None, path))
    done = subprocess.run(
        [sys.executable, "-m", "pytest_berth.django_reuse", recipe.kind or "schema", recipe.call],
        cwd=recipe.directory,
        env={name: value for name, value in env.items() if value is not None},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
    )
    if done.returncode == 0:
        return done.stdout.partition(_SAYS)[2].strip()
    why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    print(
        f"berth: --reuse-db: each worker migrates by itself, for {recipe.title} cannot be prepared "
        f"outside of pytest ({why}); berth_template_command says how to migrate",
        file=sys.__stderr__,
    )
    return ""


def _drop(settings: Settings, key: str) -> None:
    """--create-db: what would be reused is made anew."""
    with report.connect(settings) as client:
        for row in client.template_list():
            if row.key == key or row.key.startswith(key[:190] + "/"):
                _drop_one(client, row.key)


def _drop_one(client: berth.Client, key: str) -> None:
    try:
        client.template_drop(key)
    except berth.NoTemplateError:
        pass
    except berth.InUseError as e:
        raise pytest.UsageError(
            f"berth: --create-db: the template {shown(key)} cannot be made anew now: {e}"
        ) from None


# -- in a process of its own ---------------------------------------------------------------------


def migrate(lease: berth.Lease) -> None:
    """What Django does to a test database that it has just created, in the lease's slot.

    Other databases lead nowhere meanwhile, so that a migration that writes into one finds out.
    """
    _set_up()
    connections: Any = import_module("django.db").connections
    aliases = postgresql_aliases(connections)
    ours = heir(connections, aliases, lease.user)
    for alias in aliases:
        point(connections[alias].settings_dict, environment.NOWHERE)
    creation = Loan(connections[ours], lambda alias, migrate: lease).creation
    creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    connections.close_all()


def synchronize(lease: berth.Lease) -> None:
    """The same from the models, without migrations (--no-migrations)."""
    _set_up()
    apps = import_module("django.apps").apps
    modules = {app.label: None for app in apps.get_app_configs()}
    import_module("django.conf").settings.MIGRATION_MODULES = modules
    migrate(lease)


def _set_up() -> None:
    if os.environ.get("DJANGO_CONFIGURATION"):
        import_module("configurations").setup()
    import_module("django").setup()


def _key(kind: str, call: str) -> str:
    """Of everything that Django's migrations are made of, wherever it is installed."""
    settings = import_module("django.conf").settings
    texts = [f"{kind} {call} {import_module('django').get_version()}"]
    texts.append(berth.template_key(*_sources(settings.SETTINGS_MODULE)))
    for app in import_module("django.apps").apps.get_app_configs():
        files = list(_files_of(app))
        texts.append(f"{app.label} {berth.template_key(*files) if files else ''}")
    return berth.template_key(extra=texts)


def _files_of(app: Any) -> Iterator[str]:
    loader: Any = import_module("django.db.migrations.loader").MigrationLoader
    module, _ = loader.migrations_module(app.label)
    yield from _sources(module)
    if app.models_module is not None:
        yield from _sources(app.models_module.__name__)


def _sources(name: str | None) -> Iterator[str]:
    """A module's file, or the directories of a package; nothing if there is no such module."""
    try:
        module: Any = import_module(name) if name else None
    except ModuleNotFoundError:
        return
    if hasattr(module, "__path__"):
        yield from module.__path__
    elif getattr(module, "__file__", None):
        yield module.__file__


if __name__ == "__main__":
    _set_up()
    if postgresql_aliases(import_module("django.db").connections):
        print(_SAYS + _key(*sys.argv[1:]))
