# SPDX-License-Identifier: MIT
"""When a lease is brought back to its baseline, and when what is there becomes the baseline.

A reset comes before anything of its test is set up. The baseline, where there is one, is declared
when the session-scoped fixtures of a test are done and before the first fixture of a lesser scope:
so what the former have made stays, and what the latter and the tests make goes. A session-scoped
fixture that a later test is the first to ask for moves the baseline, if that test began clean.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any, Callable

import pytest

import berth
from pytest_berth.report import Tally
from pytest_berth.settings import Settings

#: Seconds that a session of an earlier test may take to end its transaction; the second is for one
#: that has stood in the way of another test before.
_PATIENCE, _LESS = 1.0, 0.1
_AGAIN = 0.02

#: Session-scoped fixtures from here write nothing into a database.
_NOT_THE_SUITES = ("_pytest.", "pytest_berth.", "xdist.")


class Resets:
    """Borrows the connection and the leases of a Holder."""

    def __init__(
        self, client: berth.Client, lease: berth.Lease, settings: Settings, tally: Tally
    ) -> None:
        self._client = client
        self._leases = [lease]
        self.prepare: Callable[[], object] = lambda: None
        """Called before each reset."""
        self._every = settings.reset
        self._resets = False
        self._baseline = settings.baseline
        self._may_declare = lease.kind == "schema"
        self._noted = settings.report is not None
        """Whether each test's resets are noted in its properties."""
        self._tally = tally
        self._clean: pytest.Item | None = None
        """The test at hand, if it has begun clean."""
        self._unit: pytest.Item | pytest.Collector | None = None
        """The class, module or session that did, if those do."""
        self._untouched = True
        """Whether nothing but session-scoped fixtures has run since the last reset."""
        self._wanted = False
        self._declared = False
        self._pending = True
        """Whether the baseline, if it is wanted, is to be declared (again)."""
        self._busy = False
        self._before = ""

    # -- what is asked for ---------------------------------------------------------------------

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._resets = self._every != "never" or _asked(session, "berth_clean")
        if self._baseline is None:
            bare = self._leases[0].template is None and self._may_declare
            self._wanted = _asked(session, "berth_baseline") or (self._resets and bare)
        else:
            self._wanted = self._baseline

    def want_baseline(self) -> None:
        """What is there once the session-scoped fixtures are done is the baseline."""
        if not self._may_declare and self._resets:
            raise pytest.UsageError(
                "berth: only a schema has a baseline; a database is brought back to its template "
                "(berth_template_command, berth_template_call) or to nothing"
            )
        self._pending |= not self._wanted
        self._wanted = self._may_declare

    def settle(self, leases: Iterable[berth.Lease]) -> None:
        """These, some of them new here, are migrated: what is in them now is their baseline."""
        self._leases += [lease for lease in leases if lease not in self._leases]
        self._pending = True
        self._declare()

    def origin(self, lease: berth.Lease) -> str:
        """What a reset would bring back, for people."""
        if self._declared:
            return "the baseline"
        return "the template" if lease.template else "an empty schema"

    # -- what pytest calls ---------------------------------------------------------------------

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if self._declared and self._untouched:
            self._declare()  # a test before this one got no further than its session's fixtures
        self._clean = None
        unit = _unit(item, self._every)
        if unit is not self._unit or "berth_clean" in _fixtures(item):
            self._unit = None  # if this fails, the next test tries again
            self._begin_clean(item)
            self._unit = unit if unit is not item else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        if not self._untouched:
            return
        if fixturedef.scope == "session":
            module = getattr(fixturedef.func, "__module__", None) or ""
            self._pending |= not module.startswith(_NOT_THE_SUITES)
        else:
            self._touch()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        self._touch()
        self._before = item.nodeid

    # -- what is done --------------------------------------------------------------------------

    def clean(self, item: pytest.Item) -> None:
        """For a fixture: resets, unless this test has begun so, before its fixtures."""
        if self._clean is not item:
            self._begin_clean(item)
            self._untouched = False

    def _begin_clean(self, item: pytest.Item) -> None:
        if self._declared or not self._wanted:
            self._reset(item)
        self._untouched = True
        self._clean = item

    def _touch(self) -> None:
        if self._untouched:
            self._declare()
        self._untouched = False

    def _declare(self) -> None:
        if not (self._wanted and self._pending):
            return
        try:
            for lease in self._leases:
                self._client.baseline(lease)
        except berth.BerthError as e:
            raise _failure(f"berth: no baseline: {e.code} {e}") from None
        self._pending = False
        self._declared = True

    def _reset(self, item: pytest.Item) -> None:
        self.prepare()
        began = time.monotonic()
        until = began + (_LESS if self._busy else _PATIENCE)
        done = [self._reset_one(lease, item.nodeid, until) for lease in self._leases]
        self._tally.count_resets(done)
        if self._noted:
            item.user_properties += [
                ("berth_reset_ms", round((time.monotonic() - began) * 1000, 3)),
                ("berth_reset_rows", sum(one.rows for one in done)),
                ("berth_rebuilt", sum(one.rebuilt for one in done)),
            ]
        self._busy = False

    def _reset_one(self, lease: berth.Lease, test: str, until: float) -> berth.Reset:
        while True:
            try:
                return self._client.reset(lease)
            except berth.BusyError as e:
                self._busy = time.monotonic() >= until
                if self._busy:
                    raise _failure(self._why_busy(test, e)) from None
            except berth.BerthError as e:
                raise _failure(f"berth: no reset before {test}: {e.code} {e}") from None
            time.sleep(_AGAIN)

    def _why_busy(self, test: str, e: berth.BerthError) -> str:
        before = f" ({self._before} was the last one)" if self._before else ""
        return (
            f"berth: no reset before {test}: {e.code} {e}\n"
            f"A test or fixture before it{before} has left this transaction open or this query "
            "running; commit or roll back and close the connection where it ends."
        )


def _failure(text: str) -> BaseException:
    """Of the test at hand; where it comes from here is of no use to anybody."""
    return pytest.fail.Exception(text, pytrace=False)


def _fixtures(item: pytest.Item) -> list[str]:
    names: list[str] = getattr(item, "fixturenames", [])
    return names


def _asked(session: pytest.Session, name: str) -> bool:
    return any(name in _fixtures(item) for item in session.items)


def _unit(item: pytest.Item, scope: str) -> pytest.Item | pytest.Collector | None:
    """What begins clean with this test."""
    if scope == "never":
        return None
    if scope == "session":
        return item.session
    if scope == "class" or (scope == "test" and in_one_transaction(item)):
        return item.getparent(pytest.Class) or item
    return (item.getparent(pytest.Module) if scope == "module" else None) or item


def in_one_transaction(item: pytest.Item) -> bool:
    """Whether its class is one from its first test to its last: it cannot be reset in between."""
    django, cls = sys.modules.get("django.test"), getattr(item, "cls", None)
    return django is not None and cls is not None and issubclass(cls, django.TestCase)
