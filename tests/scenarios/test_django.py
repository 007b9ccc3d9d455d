# SPDX-License-Identifier: MIT
"""Django makes no enum types: shared ones do not disturb it; the gate is for its migrations, too."""

import itertools
import subprocess
import sys

import documents
import pytest
from racers import APPS, RACE

N = 4

runs = map("django{}".format, itertools.count())


@pytest.fixture
def shared_enums(daemon):
    with daemon.client() as client:
        for name, labels in documents.ENUMS.items():
            assert client("ENUM", "ENSURE", name, *labels) == "created"
        assert client("ENUM", "ENSURE", "status", "pending") == "created"  # as the column's name


def enums(pg) -> set[str]:
    return {name for (name,) in pg.sql("SELECT typname FROM pg_type WHERE typtype = 'e'")}


def test_workers_with_a_lease_each_do_not_notice_the_shared_enums(
    racers, daemon, pg, shared_enums, passes_with_berth
):
    before = enums(pg)

    passes_with_berth(
        lambda: racers.race(N, "leased_django", str(daemon.socket), next(runs)), times=1
    )

    assert enums(pg) == before


def test_without_berth_migrations_that_start_together_collide(
    racers, pg, new_database, fails_without_berth
):
    fails_without_berth(lambda: racers.race(N, "django_migrate", pg.dsn(db=new_database())), *RACE)


def test_behind_the_gate_one_migrates(berth, pg, new_database, passes_with_berth):
    def attempt():
        env, key = {"DATABASE_URL": pg.dsn(db=new_database())}, next(runs)
        command = [sys.executable, APPS / "library" / "manage.py", "migrate", "--verbosity", "0"]
        ones = [berth.start("once", key, "--", *command, env=env) for _ in range(N)]
        said = [one.communicate(timeout=60)[1] for one in ones]
        check = subprocess.run([*command, "--check"], env=berth.env | env, capture_output=True)
        assert check.returncode == 0, check.stderr
        return [text for one, text in zip(ones, said) if one.returncode]

    passes_with_berth(attempt, times=1)
