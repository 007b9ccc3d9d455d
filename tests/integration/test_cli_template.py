# SPDX-License-Identifier: MIT
"""berth template, and leases from templates: one builds, the others wait for it and are told."""

import hashlib
import os
import shlex
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from harness import eventually
from harness.cli import Cli, Terminal
from harness.resp import Map
from test_cli import says

HOST = socket.gethostname()

#: Migrates, says in a file that it did, and ends with the status that it finds in its input.
MIGRATE = """
    psql -qc "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY); INSERT INTO t DEFAULT VALUES"
    echo ran >> "$RUNS"; read status; exit "$status"
"""
#: The same for one that builds without being watched.
MIGRATE_AT_ONCE = MIGRATE.partition("read")[0]
COUNT = "SELECT count(*) FROM t"


@pytest.fixture
def berth(daemon, tmp_path):
    cli = Cli(daemon.ready().socket)
    cli.env["RUNS"] = str(tmp_path / "runs")
    yield cli
    cli.close()
    eventually(lambda: no_templates(cli))


def no_templates(berth) -> bool:
    """Drops them all; whether they are gone, which takes as long as their slots take."""
    rows = berth.json("template", "ls")
    for row in rows:
        berth("template", "drop", row["key"])
    return not rows


def runs(berth) -> int:
    path = Path(berth.env["RUNS"])
    return path.read_text().count("ran\n") if path.exists() else 0


def builds(berth, key, script=MIGRATE) -> subprocess.Popen:
    """A `berth template build` whose command has migrated and waits to be told its status."""
    before = runs(berth)
    one = berth.start("template", "build", key, "--", "sh", "-c", script)
    eventually(lambda: runs(berth) > before or one.poll() is not None)
    assert one.poll() is None, one.communicate()
    return one


def waits(berth, *words) -> subprocess.Popen:
    """One that waits for another's build by now, and says whose."""
    one = berth.start(*words)
    line = one.stderr.readline()
    assert "waiting" in line and f"on host {HOST}" in line, line
    return one


def end(one: subprocess.Popen, status: object = 0) -> tuple[int, str, str]:
    out, err = one.communicate(f"{status}\n", timeout=30)
    return one.returncode, out, err


def template(berth, key) -> dict:
    return next((row for row in berth.json("template", "ls") if row["key"] == key), {})


# build


def test_build_seals_what_the_command_made_and_never_builds_it_again(daemon, berth):
    status, out, err = end(builds(berth, "k"))

    assert (status, out) == (0, "")
    assert err.startswith("berth: building the template k\n")
    assert "berth: the template k is sealed: 1 table, 1 row, " in err
    again = berth("template", "build", "k", "--", "false")
    assert (again.returncode, again.stderr) == (0, "berth: the template k is sealed already\n")
    row = template(berth, "k")
    assert (row["kind"], row["state"], row["tables"], row["rows"]) == ("schema", "sealed", 1, 1)
    lease = berth.json("acquire", "--template", "k")
    assert (lease["state"], lease["template"], lease["builder"]) == ("held", "k", None)
    assert daemon.sql(Map(lease)).execute(COUNT).fetchone() == (1,)
    berth.ok("release", lease["lease"])


def test_a_failed_build_has_the_commands_status_and_reaches_who_waits_with_its_last_words(berth):
    one = builds(berth, "k", MIGRATE.replace("exit", "echo 'no such column' >&2; exit"))
    two = waits(berth, "exec", "--template", "k", "--build", "false", "--", "echo", "ran")

    status, _, err = end(one, 3)

    assert status == 3
    assert f"exited with status 3 on {HOST}: no such column\n" in err
    message = end(two)
    assert message[:2] == (1, "")
    assert "berth: BUILDFAILED " in message[2] and "no such column" in message[2]
    assert template(berth, "k").get("state") != "sealed"
    assert end(builds(berth, "k"))[0] == 0  # whoever asks again may build


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_when_a_builder_is_stopped_the_next_one_builds(berth, sig):
    one = builds(berth, "k")
    two = waits(berth, "template", "build", "k", "--", "sh", "-c", MIGRATE_AT_ONCE)

    os.kill(one.pid, sig)

    assert end(two)[0] == 0
    assert one.wait(30) in (143, -sig)
    assert runs(berth) == 2 and template(berth, "k")["state"] == "sealed"


def test_ls_on_a_terminal_is_a_table_and_drop_spares_what_is_in_use(berth):
    end(builds(berth, "k"))
    lease = berth.json("acquire", "--template", "k")
    terminal = Terminal(berth.argv("template", "ls"), berth.env, columns=120)
    title, row = terminal.rest().splitlines()[:2]
    terminal.close()
    assert title.split()[:4] == ["KEY", "KIND", "STATE", "TABLES"]
    assert row.split()[:5] == ["k", "schema", "sealed", "1", "1"]

    says(berth("template", "drop", "k"), 1, "INUSE")
    berth.ok("release", lease["lease"])
    assert berth.json("template", "drop", "k") == {"key": "k", "dropped": True}
    says(berth("template", "drop", "k"), 1, "NOTEMPLATE")
    eventually(lambda: berth.ok("template", "ls") == "")


# exec


def test_of_many_that_exec_at_once_one_builds_and_all_run_in_what_it_made(berth):
    words = ["exec", "--template", "k", "--build", MIGRATE_AT_ONCE, "--"]
    many = [berth.start(*words, "psql", "-qAtc", COUNT) for _ in range(4)]

    done = [end(one) for one in many]

    assert [(status, out) for status, out, _ in done] == [(0, "1\n")] * 4, done
    assert runs(berth) == 1
    assert sum("is sealed: 1 table" in err for *_, err in done) == 1


def test_the_build_and_the_command_each_get_signals_and_end_with_their_own_status(berth):
    build = MIGRATE_AT_ONCE + "trap 'exit 5' USR1; kill -USR1 $$; exit 6"
    assert berth("exec", "--template", "k", "--build", build, "--", "echo").returncode == 5
    words = ["exec", "--template", "k", "--build", MIGRATE_AT_ONCE, "--", "sh", "-c"]
    one = berth.start(*words, "trap 'echo told; exit 7' TERM; echo ready; read never")
    assert one.stdout.readline() == "ready\n"

    one.terminate()

    assert one.stdout.readline() == "told\n"
    assert end(one)[0] == 7
    assert template(berth, "k")["state"] == "sealed"


def test_without_build_exec_says_that_there_is_no_such_template(berth):
    done = berth("exec", "--template", "k", "--", "echo", "ran")
    assert "\nhint: --build" in says(done, 1, "NOTEMPLATE")


# Scripts


def test_a_script_builds_in_its_own_lease_and_goes_on_in_it(berth):
    script = """
        eval "$(berth acquire --template k --shell 2>/dev/null)"
        echo "$BERTH_STATE"
        psql -qc "CREATE TABLE t (id int)"
        eval "$(berth template seal --shell)"
        echo "$BERTH_STATE"; psql -qAtc "SELECT count(*) FROM t"
        berth template seal; berth release
    """
    done = berth.sh(script)
    assert done.returncode == 0, done
    assert done.stdout.startswith("building\nheld\n0\nsealed: 1 table, 0 rows, "), done
    lease = berth.json("acquire")
    says(berth("template", "seal", lease["lease"]), 1, "DENIED")
    berth.ok("release", lease["lease"])


def test_a_script_that_gives_up_tells_why(berth):
    done = berth("acquire", "--template", "k", "--run", "r", "--json")
    assert '"state": "building"' in done.stdout
    assert "hint: migrate in it, then `berth template seal" in done.stderr
    two = waits(berth, "exec", "--template", "k", "--", "echo", "ran")

    berth.ok("template", "abort", "r/master", "it's no use")

    status, out, err = end(two)
    assert (status, out) == (1, "")
    assert "berth: BUILDFAILED " in err and "it's no use" in err, err


# key, and what is wrong


def test_key_is_the_fingerprint_of_once_and_needs_no_daemon(tmp_path):
    (tmp_path / "1.sql").write_text("one")
    alone = Cli("/nowhere/b.sock")
    digest = hashlib.sha256(b"one").hexdigest()

    key = alone.ok("template", "key", "1.sql", cwd=tmp_path)

    assert key == hashlib.sha256(f"{digest}  1.sql\n".encode()).hexdigest() + "\n"
    assert alone.json("template", "key", tmp_path / "1.sql") == {"key": key.strip()}
    assert "no-such: No such file" in says(alone("template", "key", "no-such"), 1, "ERR")
    says(alone("template", "key", tmp_path), 2, "USAGE")


@pytest.mark.parametrize(
    "words, complaint",
    [
        ("template", "build, key, ls, drop, seal or abort?"),
        ("template make k", "'make': build, key, ls, drop, seal or abort?"),
        ("template build k", "it is: berth template build KEY -- CMD"),
        ("template build -- true", "it is: berth template build KEY -- CMD"),
        ("template build k --env A -- true", "NAME=FORMAT"),
        ("template key", "it is: berth template key FILE..."),
        ("template ls k", "it is: berth template ls"),
        ("template ls -- true", "it is: berth template ls"),
        ("template drop", "it is: berth template drop KEY"),
        ("template seal", "which lease?"),
        ("template seal a-1 --shell --json", "exclude each other"),
        ("template abort a b c", "it is: berth template abort [LEASE [MESSAGE]]"),
        ("exec --build true -- true", "--template KEY says which"),
    ],
)
def test_wrong_usage_is_told_and_asks_nobody(words, complaint):
    assert complaint in says(Cli("/nowhere/b.sock")(*shlex.split(words)), 2, "USAGE")


@pytest.mark.parametrize("key", ["k" * 256, "a b", "a\tb", "é", ""])
def test_a_key_that_cannot_be_one_is_refused(berth, key):
    says(berth("exec", "--template", key, "--", "true"), 2, "USAGE")
    says(berth("template", "drop", key), 2, "USAGE")
