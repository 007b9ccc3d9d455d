# SPDX-License-Identifier: MIT
"""A helper that takes an advisory lock becomes one call; whoever still has it does no harm."""

import documents
import pytest
from racers import RACE

WORKERS = 8

pytestmark = pytest.mark.parametrize("form", ("sync", "asyncio"))


def all_there(daemon) -> bool:
    with daemon.client() as client:
        rows = client("ENUM", "LIST")
    return {row[1]: row[5] for row in rows} == documents.ENUMS


def drop_enums(pg) -> None:
    for name in documents.ENUMS:
        pg.sql(f"DROP TYPE IF EXISTS public.{name}")


def test_without_berth_whoever_does_not_take_the_lock_breaks_it(
    form, racers, pg, new_database, fails_without_berth
):
    def attempt():
        dsn = pg.dsn(db=new_database())
        helpers, others = ["old", form, dsn], ["naive", form, dsn]
        return racers.all_of([helpers] * 2 + [others] * (WORKERS - 2))

    fails_without_berth(attempt, *RACE)


def test_the_helper_is_replaced_by_one_call(form, racers, daemon, pg, passes_with_berth):
    def attempt():
        drop_enums(pg)
        outcomes = racers.race(WORKERS, "new", form, str(daemon.socket))
        assert all_there(daemon)
        return outcomes

    passes_with_berth(attempt, 5)


def test_processes_that_still_use_the_helper_run_beside_it(
    form, racers, daemon, pg, passes_with_berth
):
    def attempt():
        drop_enums(pg)
        helpers, others = ["old", form, pg.dsn()], ["new", form, str(daemon.socket)]
        outcomes = racers.all_of([helpers] * 2 + [others] * (WORKERS - 2))
        assert all_there(daemon)
        return outcomes

    passes_with_berth(attempt, 5)
