# SPDX-License-Identifier: MIT
"""Settings come from file, environment and command line, and a mistake in them is named."""

import subprocess

import pytest

from harness import places
from harness.resp import as_map
from harness.wait import SLOW


def setting(daemon, key) -> str:
    return as_map(daemon.client()("CONFIG", "GET", key))[key]


def run(*args, env=None) -> subprocess.CompletedProcess:
    """berthd with these arguments, which must end by itself."""
    return subprocess.run(
        [places.BERTHD, *map(str, args)],
        env={"PATH": "/usr/bin:/bin", "BERTH_CONFIG": "/dev/null"} | (env or {}),
        capture_output=True,
        text=True,
        timeout=30 * SLOW,
    )


@pytest.fixture
def conf():
    path = places.new_dir("conf") / "berth.conf"

    def write(text):
        path.write_text(text)
        return path

    return write


def test_the_command_line_goes_over_the_environment_over_the_file_over_the_default(
    make_daemon, conf
):
    path = conf(
        "# comment\nbuilds = 3\ndrops = 3\nprefix = test_f_\n; another\n\nheartbeat_ms = 777\n"
    )
    daemon = make_daemon(
        env={"BERTH_CONFIG": str(path), "BERTH_BUILDS": "5", "BERTH_DROPS": "5"}, builds=7
    )
    assert setting(daemon, "builds") == "7"
    assert setting(daemon, "drops") == "5"
    assert setting(daemon, "heartbeat_ms") == "777"
    assert setting(daemon, "prefix") == "test_f_"
    assert setting(daemon, "scram_iterations") == "1"
    assert daemon.client().acquire("gw0").schema.startswith("test_f_")


def test_the_file_can_be_named_on_the_command_line(make_daemon, conf):
    daemon = make_daemon(args=["--config", conf("builds = 9\n")])
    assert setting(daemon, "builds") == "9"


def test_secrets_in_the_file_are_not_shown(make_daemon, conf, pg):
    path = conf(f"pg_dsn = {pg.dsn()}\n")
    daemon = make_daemon(pg_dsn=None, env={"BERTH_CONFIG": str(path)})
    assert daemon.client().acquire("gw0").state == "held"
    assert setting(daemon, "pg_dsn") == "***"


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("builds = 3\nnosuch = 1\n", ["line 2", "nosuch"]),
        ("\n\nbuilds = many\n", ["line 3", "builds", "many"]),
        ("builds = 0\n", ["line 1", "builds", "0"]),
        ("builds = 65\n", ["line 1", "builds", "64"]),
        ("builds = 4x\n", ["line 1", "builds"]),
        ("builds\n", ["line 1"]),
        ("[pool]\nschemas = 3\n", ["line", "pool"]),
        ("redis_default = cluster\n", ["redis_default", "cluster"]),
        ("log_level = loud\n", ["log_level", "loud"]),
        ("prefix = Bad-Prefix\n", ["prefix", "Bad-Prefix"]),
        ("prefix =\n", ["prefix"]),
        ("prefix = pg_\n", ["prefix", "pg_"]),
        ("redis_url = http://x\n", ["redis_url", "redis://"]),
        ("pg_dsn = postgresql://[\n", ["pg_dsn"]),
        ("redis_meta_db = 0\n", ["redis_meta_db"]),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place(conf, text, wanted):
    path = conf(text)
    done = run("--config", path, "--check")
    assert done.returncode == 2, done
    said = done.stdout + done.stderr
    for word in [*wanted, str(path)] if "line" in wanted[0] else wanted:
        assert word in said


def test_check_is_content_with_a_good_file(conf):
    done = run("--config", conf("builds = 3\npool_schemas = 1\n"), "--check")
    assert done.returncode == 0, done.stderr


def test_a_file_that_is_not_there_is_named():
    done = run("--config", "/nonexistent/berth.conf")
    assert done.returncode == 2 and "/nonexistent/berth.conf" in done.stderr


@pytest.mark.parametrize(
    "args, env, wanted",
    [
        (["--nosuch", "1"], {}, "nosuch"),
        (["--builds"], {}, "builds"),
        (["--builds", "x"], {}, "builds"),
        (["--builds", "-1"], {}, "builds"),
        (["extra"], {}, "extra"),
        ([], {"BERTH_BUILDS": "x"}, "BERTH_BUILDS"),
        ([], {"BERTH_TTL_MS": "99999999999"}, "BERTH_TTL_MS"),
    ],
)
def test_a_mistake_elsewhere_is_named_too(args, env, wanted):
    done = run(*args, env=env)
    assert done.returncode == 2
    assert wanted in done.stderr + done.stdout


def test_a_bad_value_does_not_show_a_secret(conf):
    done = run("--config", conf("pg_dsn = postgresql://u:hunter2@[bad/x\n"), "--check")
    assert "hunter2" not in done.stdout + done.stderr


def test_help_and_version_are_for_people():
    done = run("--help")
    assert done.returncode == 0
    for word in ("--socket", "--pg-dsn", "--redis-url", "--pool-schemas", "--config", "BERTH_"):
        assert word in done.stdout
    done = run("--version")
    assert done.returncode == 0 and done.stdout.strip()


def test_every_key_of_the_table_is_in_help_and_in_config_get(daemon):
    import re

    header = (places.REPO / "daemon" / "config.h").read_text()
    keys = re.findall(r"^\s*(?:TEXT|NUMBER)\((\w+),", header, re.M)
    assert len(keys) > 20
    shown = as_map(daemon.client()("CONFIG", "GET", "*"))
    assert set(shown) == set(keys)
    text = run("--help").stdout
    assert [k for k in keys if "--" + k.replace("_", "-") not in text] == []


def test_libpq_s_own_environment_is_enough(make_daemon, pg):
    env = {
        "PGHOST": str(pg.dir), "PGPORT": str(pg.port), "PGDATABASE": "app",
        "PGUSER": "berthd", "PGPASSWORD": "pg-secret-of-the-daemon",
    }  # fmt: skip
    daemon = make_daemon(pg_dsn=None, env=env)
    lease = daemon.client().acquire("gw0")
    assert lease.dbname == "app"
    assert daemon.sql(lease).execute("SELECT current_user").fetchone() == (lease.user,)


@pytest.mark.parametrize("iterations", [1, 4096])
def test_scram_iterations_are_a_setting(make_daemon, iterations):
    daemon = make_daemon(scram_iterations=iterations)
    lease = daemon.client().acquire("gw0")
    verifier = daemon.pg.one("SELECT rolpassword FROM pg_authid WHERE rolname = %s", lease.role)
    assert verifier.startswith(f"SCRAM-SHA-256${iterations}:")
    daemon.sql(lease).execute("SELECT 1")


def test_a_daemon_without_superuser_does_the_main_job(make_daemon, make_pg):
    pg = make_pg(superuser=False)
    daemon = make_daemon(pg=pg)
    client = daemon.client()
    lease, base = client.acquire("gw0"), client.acquire("gw1", kind="database")
    for each in (lease, base):
        session = daemon.sql(each)
        session.execute("CREATE TABLE t (a int)")
        session.execute("SELECT lo_create(0)")
        session.execute("BEGIN")
    client.close()
    from harness import eventually

    eventually(lambda: not pg.role_exists(lease.role) and not pg.role_exists(base.role), 20)
    assert daemon.log.find(level="error") == []


def test_another_template_for_databases(make_daemon, own_pg):
    own_pg.sql("CREATE DATABASE golden")
    own_pg.sql("CREATE TABLE seed AS SELECT 7 AS a", db="golden")
    own_pg.sql("GRANT SELECT ON seed TO PUBLIC", db="golden")
    own_pg._admin.pop("golden").close()
    daemon = make_daemon(pg=own_pg, database_template="golden")
    lease = daemon.client().acquire("gw0", kind="database")
    assert daemon.sql(lease).execute("SELECT a FROM seed").fetchone() == (7,)
