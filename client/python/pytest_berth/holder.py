# SPDX-License-Identifier: MIT
"""The lease of a process that runs tests: taken before conftest files load, given back at the end."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Callable

import pytest

import berth
from pytest_berth import command, enums, environment, private, report
from pytest_berth.resets import Resets
from pytest_berth.role import distributes_after_all, own_run, word
from pytest_berth.settings import Settings
from pytest_berth.template import Recipe, Template, shown

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
        self.template: Template | None = None
        self._further: list[berth.Lease] = []
        self._said = ""
        self._spoken_for = "berth_environment" in given  # the controller asks the same daemon
        self._before = environment.apply(given.get("berth_environment", {}))
        self._settings = settings
        self._client: berth.Client | None = None
        self._voice = report.Voice(self.worker)
        try:
            client = self._client = report.connect(settings)
            client.on_lost = self._say_lost
            self.lease = self._acquire(client, given.get("berth_template_key"))
            self._variables = self._variables_of(client, self.lease)
            before = environment.apply(self._variables)
            self._before = {**before, **self._before}
            self.resets = Resets(client, self.lease, settings, self.tally)
        except BaseException:
            self.close()
            raise

    @property
    def leases(self) -> list[berth.Lease]:
        """The worker's own, and those for further databases."""
        return [self.lease, *self._further]

    # -- taking it -----------------------------------------------------------------------------

    def _acquire(self, client: berth.Client, key: str | None) -> berth.Lease:
        if not self._spoken_for:
            enums.ensure(client, self._settings)
        recipe = self._settings.template
        if recipe is not None:
            key = key or recipe.make_key()
        try:
            began = time.monotonic()
            lease = self._wait_for(client, self.worker, key, self._settings.redis)
            self._refuse_to_share(client, lease)
            waited = time.monotonic() - began
            self.tally.add(self.worker, waited * 1000)
            if recipe is not None and key is not None:
                lease = self._of_template(client, lease, recipe, key, waited)
        except berth.BerthError as e:
            raise pytest.UsageError(f"berth: {self.worker} got no lease: {e.code} {e}") from None
        return lease

    def enums_ensure(self, wanted: Mapping[str, Iterable[str]]) -> dict[str, str]:
        """For the fixture berth_enums."""
        return self.client.enums_ensure(wanted)

    def _wait_for(
        self, client: berth.Client, worker: str, key: str | None, redis: str | None
    ) -> berth.Lease:
        """While somebody else builds the template no time passes; the daemon limits that."""
        settings = self._settings
        wait = settings.wait
        while True:
            try:
                return client.acquire(
                    worker,
                    run=self.run,
                    template=key,
                    kind=settings.kind,
                    name=settings.name_for(self.run, worker),
                    redis=redis,
                    wait=wait,
                    label=settings.label,
                    on_wait=partial(self._say, key),
                )
            except berth.WaitTimeoutError:
                now = client.get(f"{self.run}/{worker}") if key else None
                if now is None or (isinstance(now, berth.Waiting) and now.builder is None):
                    raise
                wait = max(wait, 1.0)

    def _say(self, key: str | None, why: str) -> None:
        """Once for each why: what changes in it is that "held 58 s" grows older."""
        why = why.replace(key, shown(key)) if key else why
        gist = "".join(c for c in why if not c.isdigit())
        if gist != self._said:
            self._said = gist
            self._voice.say(f"Waiting: {why}")

    def _say_lost(self, lease: str, error: berth.BerthError) -> None:
        """berthd was started again, or ended; each lease is told of once."""
        if self._client is not None:
            self._voice.say(f"Lost its lease {lease}: {error.code} {error}")

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

    def set_environment(self) -> None:
        """Once more, for others may have set the same."""
        environment.apply(self._variables)

    def _variables_of(self, client: berth.Client, lease: berth.Lease) -> dict[str, str | None]:
        fields = environment.fields_of(lease, os.path.abspath(client.path))
        try:
            return environment.changes(self._settings.env, fields)
        except environment.FormatError as e:
            raise pytest.UsageError(str(e)) from None

    # -- migrating it --------------------------------------------------------------------------

    def _of_template(
        self, client: berth.Client, lease: berth.Lease, recipe: Recipe, key: str, waited: float
    ) -> berth.Lease:
        """The lease as it is when its template is there: built here, if that is its part."""
        built = lease.is_builder
        if built:
            self._voice.say(f"Building the template {shown(key)}: {recipe.title}")
            began = time.monotonic()
            migrate = partial(self._migrate, client, recipe)
            lease = client.template_build(lease, migrate, wait=self._settings.wait)
            waited = time.monotonic() - began
            self._voice.say(f"Built the template {shown(key)} in {waited:.1f} s")
        self.template = Template(key, built, waited)
        self.tally.migrated(self.worker, "built" if built else "reused", waited)
        return lease

    def _migrate(self, client: berth.Client, recipe: Recipe, lease: berth.Lease) -> None:
        """Nothing in this process may see a slot that is not the lease's for good."""
        env = {**os.environ, **self._variables_of(client, lease)}
        env |= {"BERTH_SOCKET": os.path.abspath(client.path), "BERTH_LEASE": lease.id}
        try:
            recipe.run({name: value for name, value in env.items() if value is not None})
        except command.Failed as e:
            failure = [f"This has failed: {recipe.title}", *e.output]
            self._voice.say("\n    ".join(failure))
            raise

    # -- one more of them ----------------------------------------------------------------------

    @property
    def client(self) -> berth.Client:
        """The connection that the leases live on."""
        if self._client is None:
            raise berth.UnreachableError("the lease was given back already")
        return self._client

    def further(
        self, name: str, migrate: Callable[[berth.Lease], object] | None = None, redis: bool = False
    ) -> berth.Lease:
        """Another slot for this worker until the session ends; without Redis, if not asked for.

        Where there is a template this one has its own, if `migrate` builds it; else it is empty.
        """
        client = self.client
        worker = word(f"{self.worker}_{name}", 63)
        templated = self.template if migrate else None
        key = f"{templated.key[:190]}/{word(name, 63)}" if templated else None
        began = time.monotonic()
        level = self._settings.redis if redis else "none"
        lease = self._wait_for(client, worker, key, level)
        if migrate and lease.is_builder:
            lease = client.template_build(lease, migrate, wait=self._settings.wait)
        self._further.append(lease)
        self.tally.add(worker, (time.monotonic() - began) * 1000)
        self._voice.say(f"Using {report.slot(lease)} for {name}")
        return lease

    # -- what pytest calls ---------------------------------------------------------------------

    def pytest_configure(self, config: pytest.Config) -> None:
        if not self.in_xdist and distributes_after_all(config):
            self.close()  # some plugin turned xdist on: the workers take their own
            return
        self._register_reporters(config)
        from pytest_berth import migration

        config.pluginmanager.register(self.resets, "berth-resets")
        config.pluginmanager.register(migration, "berth-migration")
        if config.pluginmanager.hasplugin("django"):
            from pytest_berth import django

            config.pluginmanager.register(django.Lender(self), "berth-django")

    def _register_reporters(self, config: pytest.Config) -> None:
        """Those that were asked for."""
        assert self._client is not None
        settings, plugins = self._settings, config.pluginmanager
        if settings.leaks != "never":
            from pytest_berth.leaks import Leaks

            plugins.register(Leaks(self, self._client, settings.leaks), "berth-leaks")
        if settings.keep is not None:
            from pytest_berth.keep import Keeper

            plugins.register(Keeper(self, self._client, settings.keep), "berth-keeper")
        if settings.report and not self.in_xdist:
            from pytest_berth.record import Recorder

            plugins.register(Recorder(settings.report, self.tally), "berth-recorder")

    def pytest_report_header(self) -> list[str]:
        return [report.line(self.lease)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.tally.lost(self.worker, self._lost())
        self.publish(session.config)

    def publish(self, config: pytest.Config) -> None:
        """What the controller is told when this worker ends."""
        output: dict[str, Any] | None = getattr(config, "workeroutput", None)
        if output is not None:
            output["berth"] = self.tally.as_dict()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        self.tally.show(terminalreporter)
        private.stay_for(self.tally, self._settings, terminalreporter)

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
            client.timeout, client.reattach = _RELEASE_TIMEOUT, 0.0
            with contextlib.suppress(berth.BerthError):
                for lease in self.leases:
                    client.release(lease)
        if client is not None:
            client.close()
        self._voice.close()
        environment.apply(self._before)
        self._before = {}
