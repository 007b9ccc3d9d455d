# SPDX-License-Identifier: MIT
"""Which part this process plays, chosen once, before conftest files are loaded."""

from __future__ import annotations

import pytest

from pytest_berth.controller import Controller, Nowhere
from pytest_berth.holder import Holder
from pytest_berth.role import Role, role_of, worker_input
from pytest_berth.settings import settings_of


def start(config: pytest.Config, args: list[str]) -> Holder | Nowhere:
    """Takes the lease, or says who takes it. Raises pytest.UsageError."""
    settings = settings_of(config, args)
    role = role_of(config)
    if role is Role.SHOWS:
        return Nowhere(settings)
    plugins = config.pluginmanager
    if settings.private and role is not Role.WORKER:
        from pytest_berth.private import Servers

        servers = Servers()
        config.add_cleanup(servers.close)
        plugins.register(servers, "berth-servers")
    if plugins.hasplugin("django") and not plugins.is_blocked("berth-django"):
        from pytest_berth import django_reuse

        settings = django_reuse.adopt(config, settings, worker_input())
    if role is Role.CONTROLLER:
        return Controller(settings)
    return Holder(settings, worker_input())
