# SPDX-License-Identifier: MIT
"""The processes that take no lease: the xdist controller, and a pytest that only shows something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

import berth
from pytest_berth import enums, environment, private, record, report
from pytest_berth.role import distributes_after_all, word
from pytest_berth.settings import Settings

#: How a worker's refusal looks at the end of the traceback that xdist passes on.
_REFUSAL = "UsageError: berth"


class Nowhere:
    """Owns an environment that leads nowhere, so that conftest files find the variables they read."""

    def __init__(self, settings: Settings) -> None:
        table = {k: v for k, v in settings.env.items() if k not in environment.OF_A_LEASE}
        socket = settings.socket or berth.socket_paths()[0]
        fields = environment.fields_of(environment.NOWHERE, socket)
        self._variables = environment.changes(table, fields)
        self.before: Mapping[str, str | None] = environment.apply(self._variables)

    def set_environment(self) -> None:
        """Once more, for others may have set the same."""
        environment.apply(self._variables)

    def close(self) -> None:
        """Restores the environment. May be repeated."""
        environment.apply(self.before)
        self.before = {}


class Controller(Nowhere):
    """Speaks for the workers: makes sure of the daemon, and shows what they hold and held."""

    def __init__(self, settings: Settings) -> None:
        self.tally = report.Tally()
        with report.connect(settings) as client:
            self.daemon = f"berthd {client.server.get('version', '?')} at {client.path}"
            self.settings = replace(settings, socket=client.path)
            enums.ensure(client, settings)
        self.key = settings.template.make_key() if settings.template else None
        super().__init__(self.settings)

    def pytest_configure(self, config: pytest.Config) -> None:
        if not distributes_after_all(config):
            raise pytest.UsageError(
                "berth: xdist was to distribute, and after the conftest files were loaded it was "
                "not any more; say -n 0, for now there is no lease that they could have seen"
            )
        if self.settings.report:
            config.pluginmanager.register(
                record.Recorder(self.settings.report, self.tally), "berth-recorder"
            )

    def pytest_report_header(self) -> list[str]:
        return [f"berth: {self.daemon}"]

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        if node.gateway.spec.popen:  # it inherits our environment, which leads nowhere
            node.workerinput["berth_environment"] = dict(self.before)
            node.workerinput["berth_template_key"] = self.key

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodeready(self, node: Any) -> None:
        lease = self._lease_of(node)
        if lease is not None:
            self.tally.add(lease.worker)
            report.write_line(node.config, report.line(lease))

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_testnodedown(self, node: Any, error: Any) -> None:
        if _REFUSAL in str(error or ""):
            message = str(error).rpartition("UsageError: ")[2].strip()
            raise pytest.UsageError(message)
        output: dict[str, Any] = getattr(node, "workeroutput", None) or {}
        self.tally.merge(output.get("berth"))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        self.tally.show(terminalreporter)
        private.stay_for(self.tally, self.settings, terminalreporter)

    def _lease_of(self, node: Any) -> berth.Lease | None:
        """The worker's lease, from the daemon: a worker has no words of its own this early."""
        run = word(node.workerinput["testrunuid"], 127)
        try:
            with report.connect(self.settings) as client:
                lease = client.get(f"{run}/{word(node.gateway.id, 63)}")
        except (berth.BerthError, pytest.UsageError):
            return None  # a worker on another host has its lease from another daemon
        return lease if isinstance(lease, berth.Lease) else None
