# SPDX-License-Identifier: MIT
"""Settings come from file, environment and command line, and a mistake in them is named."""

import re
import subprocess

import pytest

from harness import places
from harness.pg_server import DAEMON_PASSWORD
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
        ("[pool]\nschemas = 3\n", ["line 2", "pool"]),
        ("builds = 3\n\nbuilds = 3\n", ["line 3", "builds", "line 1"]),
        ("builds = 3\n  drops = 4\n", ["line 2", "indented", "builds"]),
        (f"socket_group = {'x' * 300}\n", ["line 1", "197 bytes"]),
        ("pg_dsn = host=a\npg_dsn_file = /x\n", ["line 2", "line 1"]),
        ("[enums]\nmood = a, a\n", ["line 2", "twice"]),
        ("[enums]\nredis_url = unix:///x\n", ["line 2", "redis_url", "before [enums]"]),
        ("[enums]\nmood = a\n  hue = b\n", ["line 3", "indented", "mood"]),
        ("[enums]\nmood = a,\n  b,\n  b\n", ["line 2", "twice"]),
        ("redis_default = cluster\n", ["line 1", "redis_default", "cluster", "private"]),
        ("log_level = loud\n", ["line 1", "log_level", "loud"]),
        ("prefix = Bad-Prefix\n", ["line 1", "prefix", "Bad-Prefix"]),
        ("prefix =\n", ["line 1", "prefix"]),
        ("prefix = pg_\n", ["line 1", "prefix", "pg_"]),
        ("redis_url = http://x\n", ["line 1", "redis_url", "redis://"]),
        ("pg_dsn = postgresql://[\n", ["line 1", "pg_dsn"]),
        ("redis_meta_db = 0\n", ["line 1", "redis_meta_db"]),
        ("heartbeat_ms = 9000\n", ["runner_grace_ms", "heartbeat_ms"]),
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
        ([], {"BERTH_PG_DSN_FILE": "/nonexistent/dsn"}, "/nonexistent/dsn"),
        ([], {"BERTH_REDIS_URL_FILE": "/dev/null"}, "/dev/null"),
    ],
)
def test_a_mistake_elsewhere_is_named_too(args, env, wanted):
    done = run(*args, env=env)
    assert done.returncode == 2
    assert wanted in done.stderr + done.stdout


def test_a_bad_value_does_not_show_a_secret(conf):
    bad = "postgresql://u:hunter2@[bad/x\n"
    inside = run("--config", conf(f"pg_dsn = {bad}"), "--check")
    beside = run("--pg-dsn-file", conf(bad), "--check")
    for done in inside, beside:
        assert done.returncode == 2
        assert "hunter2" not in done.stdout + done.stderr


def test_help_and_version_are_for_people():
    done = run("--help")
    assert done.returncode == 0
    for word in ("--socket", "--pg-dsn", "--redis-url", "--pool-schemas", "--config", "BERTH_"):
        assert word in done.stdout
    done = run("--version")
    assert done.returncode == 0 and done.stdout.strip()


@pytest.fixture(scope="module")
def sample() -> dict[str, tuple[str, str, bool]]:
    """What `berthd --sample` says of each key: default, range, and whether a reload takes it."""
    rows = re.findall(r"^# (.*)\n#(\w+) =(?: (.*))?$", run("--sample").stdout, re.M)
    found = {}
    for words, key, default in rows:
        allowed = re.search(r"\((-?\d+ to \d+|[a-z]+(?:\|[a-z]+)+)\)(?:; reload)?$", words)
        found[key] = default, allowed[1] if allowed else "", words.endswith("; reload")
    return found


def test_every_key_of_the_table_is_shown_everywhere(daemon, sample):
    header = (places.REPO / "daemon" / "settings.h").read_text()
    keys = re.findall(r"^\t(?:TEXT|WORD|NUMBER|SECRET)\((\w+),", header, re.M)
    keys += [f"{key}_file" for key in re.findall(r"^\tSECRET\((\w+),", header, re.M)]
    assert len(keys) > 20
    assert set(sample) == set(keys)
    assert set(as_map(daemon.client()("CONFIG", "GET", "*"))) == set(keys)
    text = run("--help").stdout
    assert [k for k in keys if "--" + k.replace("_", "-") not in text] == []


def test_the_sample_is_a_good_file_also_with_every_default_said(conf):
    text = run("--sample").stdout
    assert run("--config", conf(text), "--check").returncode == 0
    said = conf(re.sub(r"^#(\w+ = .|\[)", r"\1", text, flags=re.M))
    done = run("--config", said, "--check")
    assert done.returncode == 0, done.stderr


def test_the_page_has_each_key_as_the_daemon_has_it(sample):
    page = (places.REPO / "docs" / "berth.conf.5").read_text()
    rows = re.findall(r"^\.It Va (\w+) No =(?: Li (\S+))? Pq (?:(.*); )?(reload|restart)$", page, re.M)
    said = [(k, (d.replace("\\", ""), a.replace("\\", ""), e == "reload")) for k, d, a, e in rows]
    assert said == list(sample.items())


def libpq(pg) -> dict[str, str]:
    return {"PGHOST": str(pg.dir), "PGPORT": str(pg.port), "PGDATABASE": "app", "PGUSER": "berthd"}


def private_file(text: str) -> str:
    path = places.new_dir("secret") / "file"
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def by_environment(pg):
    return {"env": libpq(pg) | {"PGPASSWORD": DAEMON_PASSWORD}}


def by_password_file(pg):
    return {"env": libpq(pg) | {"PGPASSFILE": private_file(f"*:*:*:*:{DAEMON_PASSWORD}\n")}}


def by_service_file(pg):
    pairs = {k[2:].lower(): v for k, v in libpq(pg).items()}
    pairs["dbname"] = pairs.pop("database")
    text = "".join(f"{k}={v}\n" for k, v in pairs.items())
    file = private_file(f"[ci]\n{text}password={DAEMON_PASSWORD}\n")
    return {"pg_dsn": "service=ci", "env": {"PGSERVICEFILE": file}}


def by_secret_file(pg):
    return {"pg_dsn_file": private_file(f"{pg.dsn()}\n")}


def by_credential(pg):
    path = places.new_dir("credentials")
    (path / "pg_dsn").write_text(pg.dsn())
    return {"env": {"CREDENTIALS_DIRECTORY": str(path)}}


def by_lines_that_go_on(pg):
    user, at = "user=berthd", f"port={pg.port} dbname=app"
    lines = f"pg_dsn = host={pg.dir}\n  {at} {user}\n\tpassword={DAEMON_PASSWORD}\nbuilds = 3\n"
    return {"args": ["--config", private_file(lines)]}


@pytest.mark.parametrize(
    "way",
    [by_environment, by_password_file, by_service_file, by_secret_file, by_credential,
     by_lines_that_go_on],
)  # fmt: skip
def test_a_way_to_say_where_postgresql_is(make_daemon, pg, way):
    daemon = make_daemon(redis=None, **{"pg_dsn": None, **way(pg)})
    lease = daemon.client().acquire("gw0", wait=30000)
    assert (lease.state, lease.dbname) == ("held", "app")
    assert daemon.sql(lease).execute("SELECT current_user").fetchone() == (lease.user,)
    shown = as_map(daemon.client()("CONFIG", "GET", "*"))
    assert DAEMON_PASSWORD not in str(shown)


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
    own_pg.sql("CREATE DATABASE golden IS_TEMPLATE true")
    own_pg.sql("CREATE TABLE seed AS SELECT 7 AS a", db="golden")
    own_pg.sql("GRANT SELECT ON seed TO PUBLIC", db="golden")
    own_pg._admin.pop("golden").close()
    daemon = make_daemon(pg=own_pg, database_template="golden")
    lease = daemon.client().acquire("gw0", kind="database")
    assert daemon.sql(lease).execute("SELECT a FROM seed").fetchone() == (7,)
