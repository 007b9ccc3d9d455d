# SPDX-License-Identifier: MIT
"""The lease of a process that runs tests: taken before conftest files load, given back at the end."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

import pytest

import berth
from pytest_berth import enums, environment, report
from pytest_berth.role import distributes_after_all, own_run, word
from pytest_berth.settings import Settings

#: Seconds that giving back may take; closing the connection ends the lease all the same.
_RELEASE_TIMEOUT = 10.0


class Holder:
    """Owns a connection to berthd, the lease on it and the environment that carries it."""

    def __init__(self, settings: Settings, worker_input: Mapping[str, Any] | None) -> None:
        self.in_xdist = worker_input is not None
        given = worker_input or {}
        self.run = word(given["testrunuid"], 127) if given else own_run()
        self.worker = word(given["workerid"], 63) if given else "master"
        self.tally = report.Tally()
        self._said = ""
        self._spoken_for = "berth_environment" in given  # the controller asks the same daemon
        self._before = environment.apply(given.get("berth_environment", {}))
        self._client: berth.Client | None = None
        try:
            self.lease = self._acquire(settings)
            self._set_environment(settings)
        except BaseException:
            self.close()
            raise

    # -- taking it -----------------------------------------------------------------------------

    def _acquire(self, settings: Settings) -> berth.Lease:
        client = self._client = report.connect(settings)
        if not self._spoken_for:
            enums.ensure(client, settings)
        began = time.monotonic()
        try:
            lease = client.acquire(
                self.worker,
                run=self.run,
                kind=settings.kind,
                name=settings.name_for(self.run, self.worker),
                redis=settings.redis,
                wait=settings.wait,
                label=settings.label,
                on_wait=self._say,
            )
            self._refuse_to_share(client, lease)
        except berth.BerthError as e:
            raise pytest.UsageError(f"berth: {self.worker} got no lease: {e.code} {e}") from None
        self.tally.add(self.worker, (time.monotonic() - began) * 1000)
        return lease

    def _say(self, why: str) -> None:
        """Somebody in front of a terminal that does not move should know why, once for each why."""
        gist = "".join(c for c in why if not c.isdigit())  # "held 58 s" grows older
        if gist != self._said and sys.__stderr__ is not None:
            self._said = gist
            print(f"[Worker {self.worker}] Waiting: {why}", file=sys.__stderr__, flush=True)

    def _refuse_to_share(self, client: berth.Client, lease: berth.Lease) -> None:
        """Asking again gives the same lease, also to another session that calls itself the same."""
        for row in client.leases(run=self.run):
            if row.id == lease.id and row.connections > 1:
                self._client = None
                client.close()  # without releasing: it is the other's, too
                raise pytest.UsageError(
                    f"berth: {self.worker} of run {self.run} is at work in another pytest session "
                    f"(pid {row.pid}); give each session its own --testrunuid"
                )

    def _set_environment(self, settings: Settings) -> None:
        assert self._client is not None
        fields = environment.fields_of(self.lease, os.path.abspath(self._client.path))
        try:
            wanted = environment.changes(settings.env, fields)
        except environment.FormatError as e:
            raise pytest.UsageError(str(e)) from None
        self._before = {**environment.apply(wanted), **self._before}

    # -- what pytest calls ---------------------------------------------------------------------

    def pytest_configure(self, config: pytest.Config) -> None:
        if not self.in_xdist and distributes_after_all(config):
            self.close()  # some plugin turned xdist on: the workers take their own

    def pytest_report_header(self) -> list[str]:
        return [report.line(self.lease)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.tally.lost(self.worker, self._lost())
        output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["berth"] = self.tally.as_dict()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        self.tally.show(terminalreporter)

    def _lost(self) -> str:
        """Why the lease is no longer what it was, or nothing."""
        if self._client is None:
            return ""
        try:
            now = self._client.get(self.lease)
        except berth.BerthError as e:
            return f"{e.code} {e}"
        if isinstance(now, berth.Lease) and now.fence == self.lease.fence:
            return ""
        return "its slot was taken away"

    def close(self) -> None:
        """Gives the lease back and restores the environment. May be repeated."""
        client, self._client = self._client, None
        if client is not None and hasattr(self, "lease"):
            client.timeout = _RELEASE_TIMEOUT
            with contextlib.suppress(berth.BerthError):
                client.release(self.lease)
        if client is not None:
            client.close()
        environment.apply(self._before)
        self._before = {}
