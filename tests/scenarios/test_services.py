# SPDX-License-Identifier: MIT
"""Five services migrate one database when they start: they crash; behind the gate all come up."""

import contextlib
import os
import re
import signal
from pathlib import Path

import pytest
from harness import eventually, process
from racers import APPS, RACE
from supervisor import NAMES, Supervisor

VERSIONS = APPS / "clinic"
UPGRADE = "alembic -c $INI -n {migrations} upgrade head"

# The files of the migrations make the key: new ones run again. $RAN counts the runs.
GATED = "berth once clinic --key-from {files} -- sh -euc 'echo $$ >>$RAN; exec " + UPGRADE + "'"
TYPES = (
    "SELECT count(*) FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace"
    " WHERE nspname = 'public' AND typtype = 'e'"
)


def files(migrations: str) -> str:
    folders = ["naive"] if migrations == "naive" else ["naive", migrations]
    return " ".join(str(VERSIONS / folder / "*.py") for folder in folders)


def gated(migrations: str) -> str:
    return GATED.format(migrations=migrations, files=files(migrations))


@pytest.fixture
def database(new_database):
    return new_database()


@pytest.fixture
def supervise(berth, pg, database, tmp_path):
    """supervise(migrate, database=…): a Supervisor of five services, ended with the test."""
    made = []

    def supervisor(migrate: str, on: str = database) -> Supervisor:
        env = berth.env | {"DATABASE_URL": pg.dsn(db=on)}
        made.append(Supervisor(migrate, env, tmp_path / f"supervisor{len(made)}"))
        return made[-1]

    yield supervisor
    for one in made:
        one.stop()


@contextlib.contextmanager
def slow_disk(pg, database: str):
    """Whoever wants to make a table waits until the end; looking is as fast as ever."""
    with pg.connect(pg.dsn("postgres", database)) as connection, connection.transaction():
        connection.execute("LOCK pg_catalog.pg_class IN SHARE MODE")
        yield


def waiting(pg, database: str) -> int:
    """Clients: autovacuum may have come, too, and waits beside them."""
    return pg.one(
        "SELECT count(DISTINCT l.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
        " WHERE NOT granted AND backend_type = 'client backend'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = %s)",
        database,
    )


def revision(pg, database: str) -> str:
    return pg.one("SELECT version_num FROM alembic_version", db=database)


# Without berth


def test_without_berth_services_that_start_together_crash(
    supervise, pg, new_database, fails_without_berth
):
    """All have seen an empty database before the first has made anything."""

    def attempt():
        database = new_database()
        services = supervise(UPGRADE.format(migrations="naive"), database)
        with slow_disk(pg, database):
            services.start()
            eventually(lambda: waiting(pg, database) == len(NAMES), 60)
        services.wait_up()
        services.stop()
        return services.crashes()

    errors = fails_without_berth(attempt, *RACE)
    assert len(errors) >= len(NAMES) - 1


# With berth


def test_services_that_start_together_migrate_once_and_all_come_up(
    supervise, pg, new_database, passes_with_berth
):
    def attempt():
        database = new_database()
        pg.sql("DELETE FROM berth.gate")
        services = supervise(gated("naive"), database)
        with slow_disk(pg, database):
            services.start()
            eventually(lambda: waiting(pg, database), 60)
        services.wait_up()
        assert services.ran() == 1 and revision(pg, database) == "0001"
        services.stop()
        return services.crashes()

    passes_with_berth(attempt)


def test_a_restart_runs_nothing(supervise):
    services = supervise(gated("naive")).start().wait_up()
    services.stop()

    services.start().wait_up()

    assert services.ran() == 1 and services.crashes() == []


def test_new_migrations_run_once_when_the_services_are_deployed_again(supervise, pg, database):
    supervise(gated("naive")).start().wait_up().stop()

    services = supervise(gated("invoices")).start().wait_up()

    assert services.ran() == 1 and revision(pg, database) == "0002"


@pytest.mark.parametrize("victim", ("alembic", "berth"))
def test_a_migrator_that_is_killed_half_way_is_replaced(supervise, pg, database, victim):
    """It has made a type and a table, and waits for `users`, when it is killed with -9."""
    supervise(gated("naive")).start().wait_up().stop()
    services = supervise(gated("invoices"))
    with pg.connect(pg.dsn("postgres", database)) as reader, reader.transaction():
        reader.execute("SELECT FROM users")
        services.start()
        eventually(lambda: waiting(pg, database), 60)
        os.kill(migrator(services, victim), signal.SIGKILL)
        eventually(lambda: services.look() or services.crashes(), 60)
    services.wait_up()

    assert services.ran() == 2 and revision(pg, database) == "0002"
    assert len(services.crashes()) == 1, services.crashes()


def migrator(services: Supervisor, victim: str) -> int:
    """The pid of the alembic that runs, or of the `berth once` that has started it."""
    pid = int(services.ran_file.read_text())
    if victim == "alembic":
        return pid
    status = Path(f"/proc/{pid}/status").read_text()
    pid = int(re.search(r"^PPid:\s+(\d+)", status, re.M)[1])
    assert "berth" in process.cmdline(pid)
    return pid


def test_a_migration_that_fails_is_run_once_and_all_are_told_why(supervise, pg, database):
    supervise(gated("naive")).start().wait_up().stop()
    services = supervise(gated("broken"))

    with slow_disk_of_version(pg, database):
        services.start()
        eventually(lambda: waiting(pg, database), 60)
    said = services.wait_ended()

    assert len(said) == len(NAMES) and services.ran() == 1 and services.up() == []
    assert all('relation "patients" does not exist' in text for text in said), said
    assert sum("berth: " in text and " failed " in text for text in said) == len(NAMES) - 1
    supervise(gated("invoices")).start().wait_up()
    assert revision(pg, database) == "0002"


@contextlib.contextmanager
def slow_disk_of_version(pg, database: str):
    """Alembic waits at its very first look."""
    with pg.connect(pg.dsn("postgres", database)) as connection, connection.transaction():
        connection.execute("LOCK alembic_version IN ACCESS EXCLUSIVE MODE")
        yield


def test_down_to_base_and_up_again_leaves_no_type_behind(supervise, berth, pg, database):
    services = supervise(gated("invoices")).start().wait_up()
    services.stop()
    assert pg.one(TYPES, db=database) == 4

    berth.env["DATABASE_URL"] = pg.dsn(db=database)
    down = berth.sh(
        f"alembic -c {VERSIONS / 'alembic.ini'} -n invoices downgrade base"
        f" && berth once --forget clinic --key-from {files('invoices')}",
    )
    assert down.returncode == 0, down.stderr
    assert pg.one(TYPES, db=database) == 0

    services.start().wait_up()
    assert services.ran() == 2 and pg.one(TYPES, db=database) == 4
