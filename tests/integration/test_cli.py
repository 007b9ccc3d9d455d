# SPDX-License-Identifier: MIT
"""The command line: what each command prints, for people and for programs, and its exit status."""

import json
import os
import re
import shlex
import signal
import subprocess

import pytest
from harness import eventually, places
from harness.cli import BERTH, Cli, Terminal
from harness.resp import Map
from test_acquire import FIELDS, LISTED

COMMANDS = """
    run exec acquire renew release attach detach reset baseline template lint ls top once enum
    orphans doctor grants info ping reload shutdown completions help
""".split()
USUAL = """
    BERTH_SOCKET BERTH_LEASE BERTH_FENCE BERTH_STATE BERTH_SCHEMA BERTH_RUN BERTH_WORKER
    BERTH_REDIS_DB BERTH_REDIS_LEVEL DATABASE_URL REDIS_URL PGHOST PGPORT PGDATABASE PGUSER PGPASSWORD
""".split()
NASTY = "it's \"$HOME\" `id` \\ !\t*\n{{}} é"


def says(done: subprocess.CompletedProcess, status: int, code: str) -> str:
    """The message of a refusal: its status, its code in front, nothing on stdout."""
    assert (done.returncode, done.stdout) == (status, ""), done
    assert done.stderr.startswith(f"berth: {code} "), done.stderr
    return done.stderr


# acquire


def test_acquire_prints_the_whole_map_as_one_object(daemon, berth):
    lease = berth.json("acquire", "--run", "r1", "--worker", "gw3", "--label", "mine")

    assert list(lease) == FIELDS
    assert (lease["run"], lease["worker"], lease["state"]) == ("r1", "gw3", "held")
    same = daemon.client().lease(lease["lease"])
    assert {k: lease[k] for k in FIELDS if k != "expires_ms"} == {
        k: same[k] for k in FIELDS if k != "expires_ms"
    }
    session = daemon.sql(Map(lease))
    assert session.execute("SELECT current_schema").fetchone() == (lease["schema"],)


def test_an_acquired_lease_outlives_berth_until_its_time_is_over(daemon, berth):
    lease = berth.json("acquire", "--ttl", "300ms")

    assert 0 < lease["expires_ms"] <= 300
    eventually(lambda: not daemon.pg.schema_exists(lease["schema"]))
    assert daemon.log.has(event="lease.end", lease=lease["lease"], why="ttl expired")


def test_without_run_every_acquire_is_a_lease_of_its_own(berth):
    one, two = berth.json("acquire"), berth.json("acquire")
    assert one["run"] != two["run"] and one["schema"] != two["schema"]
    assert one["worker"] == two["worker"] == "master"


def test_with_run_and_worker_acquire_gives_the_same_lease_again(berth):
    one, two = [berth.json("acquire", "--run", "r1", "--worker", "gw0") for _ in range(2)]
    assert one["lease"] == two["lease"] and one["password"] == two["password"]


def test_acquire_for_people_is_a_table_with_everything_needed(berth):
    lines = berth.ok("acquire", "--run", "r1", "--env", "MINE={schema}!").splitlines()
    rows = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in lines)
    assert rows["run"] == "r1" and rows["expires"] in ("5m", "4m59s")
    assert rows["password"] in rows["dsn"] and rows["MINE"] == rows["schema"] + "!"


def test_a_shell_can_take_the_lease_into_its_environment(berth):
    done = berth.sh(
        'eval "$(berth acquire --shell)"; psql -qAtc "SELECT current_schema"; echo "$BERTH_SCHEMA";'
        ' env | grep -oE "^(BERTH|PG|DATABASE_URL|REDIS_URL)[A-Z_]*"; berth release'
    )
    assert done.returncode == 0, done
    one, two, *names = done.stdout.split()
    assert one == two and set(USUAL) <= set(names)


def test_whatever_a_variable_holds_a_shell_gets_it_as_it_is(berth):
    done = berth.sh(
        f"eval \"$(berth acquire --shell --env X={shlex.quote(NASTY)})\"; printf %s \"$X\""
    )
    assert (done.returncode, done.stdout) == (0, NASTY.replace("{{}}", "{}")), done


def test_env_adds_variables_to_the_object(berth):
    lease = berth.json("acquire", "--env", "A={user}@{host}:{port}/{dbname}", "--env", "B=")
    assert lease["env"] == {
        "A": "{user}@{host}:{port}/{dbname}".format(**lease),
        "B": "",
    }


def test_acquire_takes_every_option(daemon, berth):
    lease = berth.json(
        *["acquire", "--kind", "database", "--name", "test_exact", "--redis", "none"],
        *["--ttl", "1h", "--wait", "20s", "--label", "a label"],
    )
    assert (lease["kind"], lease["dbname"], lease["redis"]) == ("database", "test_exact", "none")
    assert lease["redis_url"] is None and 3500_000 < lease["expires_ms"] <= 3600_000
    assert daemon.client().leases()[0].label == "a label"


def test_a_name_in_use_a_bad_level_and_a_bad_ttl_have_their_own_codes(berth):
    berth.ok("acquire", "--name", "test_exact")
    says(berth("acquire", "--name", "test_exact"), 1, "INUSE")
    says(berth("acquire", "--redis", "frog"), 2, "USAGE")
    says(berth("acquire", "--name", "bad name"), 2, "USAGE")
    says(berth("acquire", "--ttl", "0"), 1, "LIMIT")
    says(berth("acquire", "--ttl", "3650d"), 1, "LIMIT")
    assert len(berth.json("ls")) == 1


# renew, release, detach, attach


def test_renew_starts_the_time_again(berth):
    lease = berth.json("acquire", "--ttl", "1m")
    held = {"BERTH_LEASE": lease["lease"]}
    assert berth.ok("renew", "--ttl", "2h", env=held) == f"{lease['lease']} expires in 2h\n"
    answer = berth.json("renew", "--ttl", "90s", lease["lease"])
    assert answer == {"lease": lease["lease"], "expires_ms": 90_000}
    says(berth("renew", "--ttl", "0", env=held), 1, "LIMIT")


@pytest.mark.parametrize("how", ["id", "run/worker", "environment"])
def test_release_gives_back_the_lease_that_is_meant(daemon, berth, how):
    lease = berth.json("acquire", "--run", "r1", "--worker", "gw0")
    word = {"id": [lease["lease"]], "run/worker": ["r1/gw0"], "environment": []}[how]

    assert berth.ok("release", *word, env={"BERTH_LEASE": lease["lease"]}) == ""

    eventually(lambda: not daemon.pg.schema_exists(lease["schema"]))
    says(berth("release", lease["lease"]), 1, "NOLEASE")


def test_a_kept_lease_can_be_looked_into_with_the_line_that_is_printed(daemon, berth):
    lease = berth.json("acquire", "--ttl", "5s")
    daemon.sql(Map(lease)).execute("CREATE TABLE seen AS SELECT 42 AS answer")

    line = berth.ok("release", "--keep", "10m", lease["lease"])

    assert line.startswith("kept for 10m: psql 'postgresql://")
    psql = line.partition(": ")[2].strip()
    assert berth.sh(f"{psql} -qAtc 'SELECT answer FROM seen'").stdout == "42\n"
    assert berth.json("release", "--keep", "1h", lease["lease"]) == {
        "lease": lease["lease"],
        "kept_ms": 3600_000,
        "dsn": lease["dsn"],
    }
    berth.ok("release", lease["lease"])


def test_detach_lets_a_lease_outlive_its_holder(daemon, berth):
    client = daemon.client()
    lease = client.acquire("gw0", ttl=60_000)
    berth.ok("detach", lease.lease)
    client.close()
    row = eventually(lambda: [r for r in berth.json("ls") if r["connections"] == 0])[0]
    assert row["lease"] == lease.lease and 0 < row["expires_ms"] <= 60_000


def test_attach_holds_a_lease_until_its_input_ends(daemon, berth):
    lease = berth.json("acquire", "--ttl", "1m")
    holder = berth.start("attach", lease["lease"], lease["fence"], "--json")

    eventually(lambda: berth.json("ls")[0]["connections"] == 1)
    assert berth.json("ls")[0]["expires_ms"] > 60_000  # no TTL while it is held
    out, err = holder.communicate("", timeout=20)

    assert (holder.returncode, err) == (0, "")
    assert json.loads(out)["password"] == lease["password"]
    after = eventually(lambda: [r for r in berth.json("ls") if r["connections"] == 0])[0]
    assert after["expires_ms"] <= 60_000


@pytest.mark.parametrize("sig", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_attach_lets_go_when_told_by_a_signal(berth, sig):
    lease = berth.json("acquire")
    holder = berth.start("attach", lease["lease"], lease["fence"])
    eventually(lambda: berth.json("ls")[0]["connections"] == 1)
    holder.send_signal(getattr(signal, sig))
    assert holder.wait(20) == 0
    eventually(lambda: berth.json("ls")[0]["connections"] == 0)


def test_attach_says_so_when_the_daemon_goes(daemon, berth):
    lease = berth.json("acquire")
    holder = berth.start("attach", lease["lease"], lease["fence"])
    eventually(lambda: berth.json("ls")[0]["connections"] == 1)
    daemon.stop()
    assert holder.wait(20) == 69
    assert "berth: UNAVAILABLE" in holder.stderr.read()


def test_attach_refuses_another_fence(berth):
    lease = berth.json("acquire")
    says(berth("attach", lease["lease"], lease["fence"] + 1), 1, "STALE")
    says(berth("attach", lease["lease"]), 2, "USAGE")
    says(berth("attach", lease["lease"], "12x"), 2, "USAGE")
    says(berth("attach", lease["lease"], "-1"), 2, "USAGE")


# ls


def test_ls_is_one_line_with_tabs_for_each_lease(daemon, berth):
    client = daemon.client()
    lease = client.acquire("gw0", run="r1", label="a label")
    line = berth.ok("ls")
    assert line.count("\n") == 1
    row = dict(zip(LISTED, line.rstrip("\n").split("\t"), strict=True))
    assert (row["lease"], row["run"], row["label"]) == (lease.lease, "r1", "a label")
    assert row["connections"] == "1" and row["redis_db"] == str(lease.redis_db)
    assert lease.password not in line and lease.redis_password not in line


def test_ls_as_json_is_what_the_daemon_lists(daemon, berth):
    client = daemon.client()
    client.acquire("gw0", run="r1", redis="none")
    rows = berth.json("ls")
    assert [list(r) for r in rows] == [LISTED]
    listed = client.leases()[0]
    assert {k: v for k, v in rows[0].items() if not k.endswith("_ms")} == {
        k: v for k, v in listed.items() if not k.endswith("_ms")
    }
    assert rows[0]["label"] is None and rows[0]["redis_db"] is None


def test_ls_of_nothing_is_nothing(berth):
    assert berth.ok("ls") == "" and berth.json("ls") == []


def test_ls_shows_one_run(daemon, berth):
    client = daemon.client()
    client.acquire("gw0", run="r1")
    client.acquire("gw0", run="r2")
    assert [r["run"] for r in berth.json("ls", "--run", "r2")] == ["r2"]


@pytest.mark.root
def test_ls_shows_everybody_only_when_asked(daemon, berth):
    other = daemon.client_of()
    other.acquire("gw0", run="theirs")
    daemon.client().acquire("gw0", run="ours")
    assert [r["run"] for r in berth.json("ls")] == ["ours"]
    assert sorted(r["run"] for r in berth.json("ls", "--all")) == ["ours", "theirs"]


@pytest.mark.parametrize("columns", [72, 200])
def test_ls_on_a_terminal_is_a_table_that_fits(daemon, berth, columns):
    lease = daemon.client().acquire("gw0", run="r" * 60, label="l" * 60)
    terminal = Terminal(berth.argv("ls"), berth.env, columns=columns, NO_COLOR="1")
    title, row = terminal.rest().split("\r\n")[:2]
    terminal.close()
    assert title.split()[:3] == ["LEASE", "RUN", "WORKER"]
    assert lease.lease in row and lease.schema in row and len(row.rstrip()) <= columns
    assert ("r" * 60 in row) == (columns == 200)


def test_ls_has_colours_on_a_terminal_alone_and_not_with_NO_COLOR(daemon, berth):
    daemon.client().acquire("gw0")

    def shown(**env):
        terminal = Terminal(berth.argv("ls"), berth.env, **env)
        text = terminal.rest()
        terminal.close()
        return text

    assert "\033[32mheld" in shown()
    assert "\033[" not in shown(NO_COLOR="1") and "\033[" not in shown(TERM="dumb")
    assert "\033" not in berth.ok("ls")


# info, ping, shutdown


def test_info_is_text_or_an_object_of_objects(daemon, berth):
    text = berth.ok("info")
    assert "# Server\n" in text and "\r" not in text
    info = berth.json("info")
    assert info["server"]["process_id"] == daemon.pid and info["leases"]["held"] == 0
    assert list(berth.json("info", "leases")) == ["leases"]


def test_ping_measures_a_round_trip(daemon, berth):
    assert re.fullmatch(f"{daemon.socket} answered in [0-9]+ us\n", berth.ok("ping"))
    answer = berth.json("ping")
    assert answer["socket"] == str(daemon.socket) and 0 < answer["round_trip_us"] < 60_000_000


def test_shutdown_now_ends_the_daemon_and_its_leases(daemon, berth):
    lease = berth.json("acquire")
    assert berth("shutdown", "--now").returncode == 0
    eventually(lambda: not daemon.running())
    assert not daemon.pg.schema_exists(lease["schema"])


# What is wrong


@pytest.mark.parametrize("command", ["exec true", "acquire", "renew x", "release x", "ls", "info", "ping"])
def test_without_a_daemon_every_command_says_where_it_looked_and_what_to_do(command, tmp_path):
    nowhere = tmp_path / "no.sock"
    message = says(Cli(nowhere)(*command.split()), 69, "UNAVAILABLE")
    assert str(nowhere) in message and "berth run -- CMD" in message
    message = says(Cli("/elsewhere")(*command.split()[:1], "--socket", nowhere, *command.split()[1:]), 69, "UNAVAILABLE")
    assert str(nowhere) in message


@pytest.mark.parametrize(
    "words",
    [
        "frobnicate", "--json ls", "ls --frobnicate", "ls too many", "ls --run", "exec", "exec --wait 30 true",
        "exec --wait 5y true", "exec --wait -1s true", "exec --env 1A=x true", "exec --env A true",
        "exec --env A={nothing} true", "exec --env A={user true", "exec --env A=user} true", "release",
        "renew", "attach a-1 1 --", "attach a-1 1 extra -- true", "acquire --shell --json", "help frobnicate", "acquire --ttl 9999999999999d",
    ],
)  # fmt: skip
def test_wrong_usage_is_2_and_asks_nobody(alone, words):
    message = says(alone(*words.split()), 2, "USAGE")
    assert "\nhint: berth" in message


def test_an_unknown_field_is_answered_with_those_there_are(alone):
    message = says(alone("exec", "--env", "A={pasword}", "true"), 2, "USAGE")
    for field in set(FIELDS) - {"builder", "position", "expires_ms", "why"}:
        assert f"{{{field}}}" in message, field


def test_an_answer_that_cannot_be_written_is_no_success(berth):
    berth.ok("acquire")
    done = berth.sh("berth ls --json >/dev/full || exit 7")
    assert done.returncode == 7 and "cannot write" in done.stderr
    done = berth.sh("berth ls --json >/dev/full")
    assert done.returncode == 1 and "cannot write" in done.stderr


# What can be done


def test_berth_alone_shows_every_command(alone):
    text = alone.ok()
    assert text == alone.ok("help") == alone.ok("--help")
    assert re.findall(r"^  ([a-z]+) {3,}[A-Z]", text, re.M) == COMMANDS
    assert re.fullmatch(r"berth \d+\.\d+\.\d+\n", alone.ok("--version"))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_explained_and_in_the_manual(alone, command):
    manual = (places.REPO / "docs" / "berth.1").read_text()
    text = alone.ok("help", command)
    assert text == alone.ok(command, "--help")
    assert text.startswith(f"usage: berth {command}")
    assert f"\n.It Cm {command}\n" in manual
    for option in re.findall(r"^  --([a-z-]+)", text, re.M):
        assert option == "help" or f"Fl -{option}" in manual, option


def test_the_manual_has_no_errors():
    if not os.path.exists("/usr/bin/mandoc"):
        pytest.skip("no mandoc")
    for page in ("berth.1", "libberth.3", "berth.conf.5", "berthd.8", "pytest-berth.7"):
        done = subprocess.run(
            ["mandoc", "-T", "lint", "-W", "warning", places.REPO / "docs" / page],
            capture_output=True, text=True,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, ""), done


def test_berth_under_test_is_the_one_that_was_built():
    assert BERTH.exists(), f"no {BERTH}: build first, or set BERTH"
