# SPDX-License-Identifier: MIT
"""Eight workers call create_all with the same five enums: some die of it; with berth none."""

import itertools
import subprocess
import sys

import contestants
import documents
import pytest
import sqlalchemy.exc
from racers import APPS, LONG, RACE

WORKERS = 8
XDIST = WORKERS if LONG else 3

# What a drop_all in somebody else's tables looks like to those that use them.
PULLED = (*RACE, "could not open relation", "cache lookup")

runs = map("run{}".format, itertools.count())
both_forms = pytest.mark.parametrize("form", ("sync", "asyncio"))


@pytest.fixture
def shared_enums(daemon):
    with daemon.client() as client:
        for name, labels in documents.ENUMS.items():
            assert client("ENUM", "ENSURE", name, *labels) == "created"


def types_of_that_name(pg) -> list[str]:
    rows = pg.sql(
        "SELECT nspname FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace"
        " WHERE typname = 'document_status' ORDER BY 1"
    )
    return [schema for (schema,) in rows]


def nothing() -> None:
    """For a contestant that races nobody."""


# create_all


@both_forms
def test_without_berth_workers_that_share_a_database_fail(
    form, racers, pg, new_database, fails_without_berth
):
    fails_without_berth(
        lambda: racers.race(WORKERS, "create_all", form, pg.dsn(db=new_database())),
        *RACE,
        must="pg_type_typname_nsp_index",
    )


@both_forms
def test_with_a_lease_each_all_pass(form, racers, daemon, passes_with_berth):
    passes_with_berth(
        lambda: racers.race(WORKERS, "leased_create_all", form, str(daemon.socket), next(runs))
    )


@both_forms
@pytest.mark.parametrize("create_type", (True, False))
def test_with_shared_enums_all_use_the_one_type(
    form, create_type, racers, daemon, pg, shared_enums, passes_with_berth
):
    """With create_type=True the ORM finds the shared type through search_path, makes none."""
    socket = str(daemon.socket)
    passes_with_berth(
        lambda: racers.race(WORKERS, "leased_create_all", form, socket, next(runs), create_type)
    )
    assert types_of_that_name(pg) == ["public"]


def test_shared_enums_alone_do_not_save_shared_tables(
    racers, pg, daemon, shared_enums, fails_without_berth
):
    """CREATE TABLE makes a type too, that of its rows: whoever shares tables needs the gate."""

    def attempt():
        outcomes = racers.race(WORKERS, "create_all", "sync", pg.dsn(), False)
        documents.metadata(create_type=False).drop_all(contestants.sync_engine(pg.dsn()))
        return outcomes

    fails_without_berth(attempt, *RACE)


def test_shared_tables_behind_the_gate_are_made_once(berth, pg, new_database, passes_with_berth):
    def attempt():
        database = new_database()
        env = {"DATABASE_URL": pg.dsn(db=database)}
        command = ["once", f"tables-{next(runs)}", "--", sys.executable, APPS / "make_tables.py"]
        workers = [berth.start(*command, env=env) for _ in range(WORKERS)]
        said = [worker.communicate(timeout=60)[1] for worker in workers]
        assert (
            pg.one("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", db=database) == 12
        )
        return [text for worker, text in zip(workers, said) if worker.returncode]

    passes_with_berth(attempt)


def suite(tmp_path, env, *words) -> subprocess.CompletedProcess:
    """The whole as a person would run it: pytest -n 8."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-n", str(XDIST), "-p", "no:cacheprovider", *words]
        + ["-c", str(APPS / "suite" / "pytest.ini"), str(APPS / "suite")],
        env=env | {"PYTHONPATH": str(APPS)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=110,
    )


@pytest.mark.skipif(not LONG, reason="BERTH_TEST_LONG=1: eight Pythons more often than once")
def test_without_berth_a_suite_of_xdist_workers_fails(
    berth, pg, new_database, tmp_path, fails_without_berth
):
    def attempt():
        done = suite(tmp_path, berth.env | {"DATABASE_URL": pg.dsn(db=new_database())})
        return [done.stdout] if done.returncode else []

    fails_without_berth(attempt, *PULLED)


def test_a_suite_of_xdist_workers_passes(berth, tmp_path):
    done = suite(tmp_path, berth.env, "--berth")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "16 passed" in done.stdout and f"berth: {XDIST} leases" in done.stdout, done.stdout


@pytest.mark.pg_dump
def test_a_template_carries_the_enums_and_each_worker_has_its_own(daemon, pg):
    """Migrated once; what one worker drops, the others keep."""
    client = daemon.client()
    builder = client.acquire("gw0", run="template", template="enums")
    assert builder.state == "building"
    contestants.on_metadata(nothing, "sync", builder.dsn, "create_all")
    client("TEMPLATE", "SEAL", builder.lease)

    leases = [client.acquire(f"gw{n}", run="template", template="enums") for n in range(4)]

    assert {lease.schema for lease in leases} <= set(types_of_that_name(pg))
    contestants.on_metadata(nothing, "sync", leases[0].dsn, "drop_all")
    for lease in leases[1:]:
        contestants.use(lease.dsn)
    assert leases[0].schema not in types_of_that_name(pg)
    for lease in leases:
        client("RELEASE", lease.lease)
    assert client("TEMPLATE", "DROP", "enums") == "OK"


# drop_all


def test_without_berth_one_workers_drop_all_breaks_the_others(
    racers, pg, new_database, fails_without_berth
):
    def attempt():
        return racers.race(4, "drop_and_create_unleased", "sync", pg.dsn(db=new_database()), 3)

    fails_without_berth(attempt, *PULLED)


@both_forms
def test_with_a_lease_each_drop_all_concerns_nobody_else(form, racers, daemon, passes_with_berth):
    """Each has enums of its own in its schema, and drops these."""
    socket = str(daemon.socket)
    passes_with_berth(
        lambda: racers.race(4, "drop_and_create", form, socket, next(runs), True, 2), 1
    )


@both_forms
def test_drop_all_with_create_type_false_leaves_the_shared_types(
    form, racers, daemon, pg, shared_enums, passes_with_berth
):
    socket = str(daemon.socket)
    passes_with_berth(
        lambda: racers.race(4, "drop_and_create", form, socket, next(runs), False, 2), 1
    )
    assert types_of_that_name(pg) == ["public"]


@both_forms
def test_drop_all_that_wants_to_drop_a_shared_type_is_refused_and_breaks_nobody(
    form, daemon, pg, shared_enums
):
    client = daemon.client()
    one, other = client.acquire("gw0", run="drop"), client.acquire("gw1", run="drop")
    for lease in (one, other):
        contestants.on_metadata(nothing, form, lease.dsn, "create_all")

    with pytest.raises(sqlalchemy.exc.DBAPIError, match="must be owner of type"):
        contestants.on_metadata(nothing, form, one.dsn, "drop_all")

    contestants.use(other.dsn)
    contestants.use(one.dsn)  # the refusal has undone all of it
    contestants.on_metadata(nothing, form, one.dsn, "drop_all", create_type=False)
    contestants.use_again(other.dsn)
    assert types_of_that_name(pg) == ["public"]
