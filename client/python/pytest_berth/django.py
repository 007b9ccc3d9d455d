# SPDX-License-Identifier: MIT
"""Lends this worker's lease to pytest-django; loaded with a lease, and where pytest-django is.

Where Django would CREATE DATABASE test_…, it finds the lease's slot instead, and what it does there
stays as it is: migrate, serialize, flush, roll back. An alias that is a database of its own gets a
slot of its own; mirrors, and aliases of the same database, share one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, MutableMapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

import berth
from pytest_berth import report

if TYPE_CHECKING:
    from pytest_berth.holder import Holder

Settings = MutableMapping[str, Any]
"""The settings of one database, which the connections of all threads read when they connect."""

#: Keys of OPTIONS that would lead past the lease: to another server, or into another role.
_ELSEWHERE = (
    *("host", "hostaddr", "port", "dbname", "user", "password"),
    *("service", "servicefile", "passfile", "assume_role"),
)
_SEARCH_PATH = re.compile(r"(-c\s*|--)search[_-]path=(\\.|\S)*\s*", re.IGNORECASE)


class Lender:
    """Puts a Loan before every PostgreSQL database, in time for Django to create it."""

    def __init__(self, holder: Holder) -> None:
        self._holder = holder
        self._main = ""
        """The alias that gets the lease which the environment leads to."""
        self._lent: list[berth.Lease] = []
        self._loans: list[Loan] = []
        self._prepared = False

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any]
    ) -> Generator[None, Any, None]:
        """After what modifies the settings; also where conftest files override that, or this.

        What has been migrated, and what an overriding fixture adds to it, is what resets leave.
        """
        creates = fixturedef.argname == "django_db_setup"
        if creates and not self._prepared:
            self._prepared = True
            self._prepare()
        outcome = yield
        if creates and outcome.excinfo is None:
            self._holder.resets.settle(self._lent)

    def _prepare(self) -> None:
        if not import_module("django.conf").settings.configured:
            return
        connections: Any = import_module("django.db").connections
        ours = postgresql_aliases(connections)
        self._main = heir(connections, ours, self._holder.lease.user)
        self._loans = [Loan(connections[alias], self._lend) for alias in ours]
        if self._holder.lease.kind == "database":  # made anew by a reset, and sessions end with it
            self._holder.resets.prepare = self._close

    def _lend(self, alias: str, migrate: Callable[[berth.Lease], object]) -> berth.Lease:
        try:
            main = alias == self._main
            lease = self._holder.lease if main else self._holder.further(alias, migrate)
            self._lent.append(lease)
            return lease
        except berth.BerthError as e:
            text = f"berth: no lease for the database {alias!r}: {e.code} {e}"
            raise pytest.fail.Exception(text, pytrace=False) from None

    def _close(self) -> None:
        for loan in self._loans:
            loan.close()


class Loan:
    """Stands before what Django does to create and to drop one alias' test database.

    lend  called with the alias, and with what migrates a lease: returns the one to take
    """

    def __init__(
        self,
        connection: Any,
        lend: Callable[[str, Callable[[berth.Lease], object]], berth.Lease],
    ) -> None:
        self._connection = connection
        self._settings: Settings = connection.settings_dict
        self._before = dict(self._settings)
        self._lend = lend
        self._lease: berth.Lease | None = None
        self.creation = creation = connection.creation
        self._create = creation.create_test_db
        self._mirror = creation.set_as_test_mirror
        self._name = creation._get_test_db_name
        creation.create_test_db = self.create_test_db
        creation.set_as_test_mirror = self.set_as_test_mirror
        creation._get_test_db_name = self._get_test_db_name
        creation._get_database_display_str = self._get_database_display_str
        creation._create_test_db = self._create_test_db
        creation._destroy_test_db = self._destroy_test_db

    # -- what Django's runner calls ------------------------------------------------------------

    def create_test_db(self, *args: Any, **kw: Any) -> str:
        def migrate(lease: berth.Lease) -> str:
            self._take(lease)
            name: str = self._create(*args, **kw)
            return name

        if self._lease is None:
            self._lease = self._lend(self._connection.alias, migrate)
        return migrate(self._lease)

    def set_as_test_mirror(self, primary: Settings) -> None:
        """The same place as the primary's, not only the same name."""
        self.close()
        self._mirror(primary)
        self._settings.update({key: primary[key] for key in ("HOST", "PORT", "USER", "PASSWORD")})
        self._settings["OPTIONS"] = {
            **here(self._settings["OPTIONS"], primary["OPTIONS"].get("options")),
            **{key: value for key, value in primary["OPTIONS"].items() if key in _ELSEWHERE},
        }

    # -- what is left of creating and dropping -------------------------------------------------

    def _get_test_db_name(self) -> str:
        """Until there is a lease, Django's own: by it the runner tells databases apart."""
        name: str = self._lease.dbname if self._lease else self._name()
        return name

    def _get_database_display_str(self, verbosity: int, name: str) -> str:
        alias = self._connection.alias
        return f"'{alias}' ({report.slot(self._lease)})" if self._lease else f"'{alias}'"

    def _create_test_db(self, *args: Any, **kw: Any) -> str:
        return self._get_test_db_name()

    def _destroy_test_db(self, *args: Any, **kw: Any) -> None:
        """The lease ends with the session; until then a test database may be created again."""
        self.close()
        self._settings.update(self._before)

    def _take(self, lease: berth.Lease) -> None:
        self.close()
        self._lease = lease
        point(self._settings, lease)

    def close(self) -> None:
        """The connection of this thread, and the pool if there is one."""
        self._connection.close()
        if hasattr(self._connection, "close_pool"):
            self._connection.close_pool()


def postgresql_aliases(connections: Any) -> list[str]:
    return [alias for alias in connections if connections[alias].vendor == "postgresql"]


def heir(connections: Any, aliases: Iterable[str], user: str) -> str:
    """The alias that is this user's already, else ``default``, else the first; "" if there is none."""

    def distance(alias: str) -> tuple[bool, bool]:
        return connections[alias].settings_dict["USER"] != user, alias != "default"

    return min(aliases, key=distance, default="")


def point(settings: Settings, lease: berth.Lease) -> None:
    """Makes the settings of a database lead into the lease's slot."""
    settings.update(
        NAME=lease.dbname,
        USER=lease.user,
        PASSWORD=lease.password,
        HOST=lease.host,
        PORT=str(lease.port),
        OPTIONS=here(settings["OPTIONS"], lease.options),
    )


def here(options: Settings, ours: str | None = None) -> dict[str, Any]:
    """OPTIONS without what would lead elsewhere, and with the lease's own."""
    kept = {key: value for key, value in options.items() if key not in _ELSEWHERE}
    theirs = _SEARCH_PATH.sub("", kept.pop("options", ""))
    both = " ".join(text for text in (theirs.strip(), ours) if text)
    return {**kept, "options": both} if both else kept
