# SPDX-License-Identifier: MIT
"""A published suite on Django and PostgreSQL passes on four workers, as it is, with a schema each.

Its settings name a server and a database called modelutils; neither is there. All of its tests are
content with a schema, and none needs a setting of ours.
"""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.timeout(900)

TESTS = 350


def test_it_passes_with_a_schema_for_each_worker(published):
    ini = "DJANGO_SETTINGS_MODULE = tests.settings\ndjango_find_project = false\n"

    run = published("django-model-utils").run_with_berth(ini, 4)

    assert (run.passed, run.wrong, run.status) == (TESTS, 0, 0), run
