# SPDX-License-Identifier: MIT
"""Many run `alembic upgrade head` on one empty database: they collide; behind the gate one runs."""

import itertools
import subprocess
import sys

import pytest
from racers import APPS, LONG, RACE, losers

N = 6

# Each migrates well alone. `naive` lets the tables make the enums; `guarded` looks into pg_type
# first; `caught` survives duplicate_object, but not the 23505 of a race, nor that of the tables.
ALONE_WELL = ("naive", "guarded", "caught")

INI = APPS / "clinic" / "alembic.ini"
keys = map("migrate-{}".format, itertools.count())


@pytest.fixture
def shared(daemon):
    with daemon.client() as client:
        client("ENUM", "ENSURE", "userrole", "patient", "doctor", "admin")
        client("ENUM", "ENSURE", "subscriptionstatus", "active", "paused", "ended")
        client("ENUM", "ENSURE", "appointmentstatus", "booked", "kept", "missed")


def alembic(berth, migrations: str, *words: str, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "alembic", "-c", str(INI), "-n", migrations, *words],
        env=berth.env | env,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def offline():
    """The SQL of `alembic upgrade head --sql`, by the way the migration is written."""
    made = {}

    def sql(berth, migrations: str, dsn: str) -> str:
        if migrations not in made:
            done = alembic(berth, migrations, "upgrade", "head", "--sql", DATABASE_URL=dsn)
            assert done.returncode == 0, done.stderr
            made[migrations] = done.stdout
        return made[migrations]

    return sql


def all_at_once(berth, key: str, script: str, dsn: str, runs) -> tuple[list[str], int]:
    """N × `berth once key -- script`: the errors, and how many have run the script."""
    runs.write_text("")
    env = {"DATABASE_URL": dsn, "INI": str(INI), "RUNS": str(runs)}
    script = 'echo run >>"$RUNS"; ' + script
    ones = [berth.start("once", key, "--", "sh", "-euc", script, env=env) for _ in range(N)]
    said = [one.communicate(timeout=60)[1] for one in ones]
    wrong = [text or f"status {one.returncode}" for one, text in zip(ones, said) if one.returncode]
    return wrong, runs.read_text().count("run")


def is_migrated(pg, database: str) -> bool:
    names = pg.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", db=database)
    return {"users", "subscriptions", "appointments", "alembic_version"} == {n for (n,) in names}


# Without berth


@pytest.mark.parametrize("migrations", ALONE_WELL)
def test_without_berth_online_migrations_collide(
    migrations, racers, pg, new_database, fails_without_berth
):
    def attempt():
        return racers.race(N, "upgrade", migrations, pg.dsn(db=new_database()))

    fails_without_berth(attempt, *RACE)


@pytest.mark.parametrize("migrations", ("naive", "caught"))
def test_without_berth_offline_migrations_collide(
    migrations, racers, berth, pg, new_database, offline, fails_without_berth
):
    def attempt():
        dsn = pg.dsn(db=new_database())
        return racers.race(N, "psql", dsn, offline(berth, migrations, dsn))

    fails_without_berth(attempt, *RACE)


# With berth


@pytest.mark.parametrize("migrations", ALONE_WELL if LONG else ("naive", "caught"))
def test_behind_the_gate_one_migrates_online(
    migrations, berth, pg, new_database, tmp_path, passes_with_berth
):
    def attempt():
        database = new_database()
        script = f'exec alembic -c "$INI" -n {migrations} upgrade head'
        wrong, ran = all_at_once(berth, next(keys), script, pg.dsn(db=database), tmp_path / "runs")
        assert ran == 1 and is_migrated(pg, database), (ran, wrong)
        return wrong

    passes_with_berth(attempt)


@pytest.mark.parametrize("migrations", ("naive", "caught"))
def test_behind_the_gate_one_migrates_offline(
    migrations, berth, pg, new_database, tmp_path, offline, passes_with_berth
):
    def attempt():
        database = new_database()
        dsn = pg.dsn(db=database)
        (tmp_path / "up.sql").write_text(offline(berth, migrations, dsn))
        script = f'psql -qv ON_ERROR_STOP=1 "$DATABASE_URL" -f {tmp_path / "up.sql"}'
        wrong, ran = all_at_once(berth, next(keys), script, dsn, tmp_path / "runs")
        assert ran == 1 and is_migrated(pg, database), (ran, wrong)
        return wrong

    passes_with_berth(attempt)


@pytest.mark.parametrize("migrations", ("naive", "caught"))
def test_workers_that_migrate_their_leases_need_no_gate(
    migrations, racers, daemon, passes_with_berth
):
    passes_with_berth(
        lambda: racers.race(N, "leased_upgrade", migrations, str(daemon.socket), f"m{next(keys)}")
    )


# A look into pg_type by name alone finds the types of all schemas, another worker's too


def test_a_guard_that_looks_into_all_schemas_mistakes_anothers_type_for_its_own(
    racers, daemon, fails_without_berth
):
    """No race: once one worker has the type, the others do without. A lease cannot cure it."""
    first = daemon.client().acquire("first")
    assert losers(racers.race(1, "upgrade", "guarded", first.dsn)) == []

    def attempt():
        return racers.race(2, "leased_upgrade", "guarded", str(daemon.socket), f"m{next(keys)}")

    fails_without_berth(attempt, 'type "userrole" does not exist')


def test_a_guard_that_looks_through_search_path_is_right_in_leases(
    racers, daemon, passes_with_berth
):
    first = daemon.client().acquire("first")
    assert losers(racers.race(1, "upgrade", "scoped", first.dsn)) == []

    passes_with_berth(
        lambda: racers.race(N, "leased_upgrade", "scoped", str(daemon.socket), f"m{next(keys)}")
    )


def test_such_a_guard_is_right_where_the_enums_are_shared(
    racers, daemon, shared, passes_with_berth
):
    passes_with_berth(
        lambda: racers.race(N, "leased_upgrade", "guarded", str(daemon.socket), f"m{next(keys)}")
    )


def test_such_a_guard_is_right_in_a_database_of_its_own(racers, daemon, passes_with_berth):
    passes_with_berth(
        lambda: racers.race(
            3, "leased_upgrade", "guarded", str(daemon.socket), f"m{next(keys)}", "database"
        ),
        1,
    )


# A migration that makes an enum explicitly, and once more by the table that uses it


def test_a_migration_that_creates_its_enum_twice_fails_alone(berth, pg, new_database, offline):
    """Online at the table; offline Alembic is content, and psql fails."""
    dsn = pg.dsn(db=new_database())

    online = alembic(berth, "twice", "upgrade", "head", DATABASE_URL=dsn)
    sql = offline(berth, "twice", dsn)

    assert online.returncode and 'type "userrole" already exists' in online.stderr
    assert sql.count("CREATE TYPE userrole") == 2


def test_a_migration_that_creates_its_enum_twice_is_run_once_and_all_hear_why_it_fails(
    berth, pg, new_database, tmp_path
):
    script = 'exec alembic -c "$INI" -n twice upgrade head'
    dsn = pg.dsn(db=new_database())
    wrong, ran = all_at_once(berth, next(keys), script, dsn, tmp_path / "runs")

    assert ran == 1 and len(wrong) == N
    assert all('type "userrole" already exists' in text for text in wrong), wrong


def test_a_migration_that_creates_its_enum_twice_passes_where_the_enum_is_shared(
    racers, daemon, shared
):
    """The explicit one finds the shared type, the table makes its own in the lease's schema."""
    outcomes = racers.race(N, "leased_upgrade", "twice", str(daemon.socket), "twice")
    assert losers(outcomes) == []
