# SPDX-License-Identifier: MIT
"""Takes up a fixture ``berth_template`` that a suite has overridden; loaded with a lease only.

Its lease was taken before conftest files were loaded, so it has an empty schema: each worker
migrates its own, and that is then what resets bring back.
"""

from __future__ import annotations

import os
import time

import pytest

import berth
from pytest_berth import call, command
from pytest_berth.plugin import holder_of
from pytest_berth.template import Template, directory_of


@pytest.fixture(scope="session", autouse=True)
def _berth_migration(berth_template: object, pytestconfig: pytest.Config) -> None:
    """Before other session-scoped fixtures: the schema is migrated."""
    if berth_template is None or isinstance(berth_template, Template):
        return
    holder = holder_of(pytestconfig)
    if holder.template is not None:
        raise pytest.UsageError(
            "berth: the ini file says how to migrate (berth_template_...), and so does a fixture "
            "berth_template in a conftest file; one of them is to go"
        )
    holder.resets.want_baseline()
    began = time.monotonic()
    _migrate(berth_template, holder.lease, directory_of(pytestconfig))
    holder.tally.migrated(holder.worker, "own", time.monotonic() - began)


def _migrate(how: object, lease: berth.Lease, directory: str) -> None:
    if callable(how):
        return call.call(how, lease)
    if not isinstance(how, str):
        raise pytest.UsageError(
            f"berth: the fixture berth_template returns {how!r:.60}; it may be a shell command, or "
            "a function that takes the lease"
        )
    try:
        command.shell(how, os.environ, directory)
    except command.Failed as e:
        text = "\n    ".join([f"berth: {e}", *e.output])
        raise pytest.fail.Exception(text, pytrace=False) from None
