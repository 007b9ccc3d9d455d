# SPDX-License-Identifier: MIT
"""berth exec: a command under a lease behaves as if it ran alone, and the lease ends with it."""

import json
import os
import signal
import subprocess
import sys

import pytest
from harness import eventually, process
from harness.cli import Cli, Terminal
from test_cli import USUAL, says

# Says what signals it gets, and how often; ends with its input.
COUNTER = """
import signal, sys
def on(sig, frame):
    print(signal.Signals(sig).name, flush=True)
for name in "HUP INT QUIT TERM USR1 USR2 WINCH".split():
    if signal.getsignal(signal.Signals["SIG" + name]) is not signal.SIG_IGN:
        signal.signal(signal.Signals["SIG" + name], on)
print("ready", flush=True)
for line in sys.stdin:
    print(line, end="", flush=True)
print("end", flush=True)
"""
SIGNALS = "HUP INT QUIT TERM USR1 USR2 WINCH".split()


def counter(berth, *options, **kw) -> subprocess.Popen:
    one = berth.start("exec", *options, "--", sys.executable, "-c", COUNTER, **kw)
    assert one.stdout.readline() == "ready\n"
    return one


def heard(one: subprocess.Popen) -> list[str]:
    """Ends a counter by its input; the signals it got."""
    out, err = one.communicate("", timeout=20)
    assert (one.returncode, err) == (0, ""), (one.returncode, out, err)
    return out.splitlines()[:-1]


# The environment


def test_the_command_is_in_the_lease_without_knowing_it(berth):
    done = berth("exec", "--", "psql", "-qAtc", "SELECT current_user = current_schema, 1")
    assert (done.returncode, done.stdout) == (0, "t|1\n"), done
    done = berth("exec", "--", "sh", "-c", 'redis-cli -u "$REDIS_URL" dbsize 2>&1 || env')
    assert done.returncode == 0


def test_every_variable_is_what_the_lease_says(daemon, berth):
    words = ["exec", "--run", "r1", "--worker", "gw7", "--", sys.executable, "-c"]
    done = berth(*words, "import os, json; print(json.dumps(dict(os.environ)))")
    env = json.loads(done.stdout)
    assert set(USUAL) <= set(env)
    assert (env["BERTH_RUN"], env["BERTH_WORKER"]) == ("r1", "gw7")
    assert env["BERTH_SOCKET"] == str(daemon.socket) and env["BERTH_REDIS_LEVEL"] == "acl"
    assert env["PGUSER"] == env["BERTH_SCHEMA"] and env["PGPORT"] == str(daemon.pg.port)
    assert env["PGPASSWORD"] in env["DATABASE_URL"]
    assert env["REDIS_URL"].endswith(f"db={env['BERTH_REDIS_DB']}")


def test_variables_that_would_lead_elsewhere_are_gone(berth):
    astray = {"PGHOSTADDR": "10.0.0.1", "PGSERVICE": "prod", "BERTH_REDIS_DB": "7"}
    script = 'echo "${PGHOSTADDR-} ${PGSERVICE-} ${BERTH_REDIS_DB-} ${REDIS_URL-}"'
    done = berth("exec", "--redis", "none", "--", "sh", "-c", script, env=astray | {"REDIS_URL": "mine"})
    assert done.stdout == "   mine\n"


def test_env_adds_and_replaces_variables(berth):
    url = "postgresql+asyncpg://{user}:{password}@{host}:{port}/{dbname}"
    script = 'echo "$MINE"; test "$DATABASE_URL" = "postgresql+asyncpg://$PGUSER:$PGPASSWORD@$PGHOST:$PGPORT/$PGDATABASE"'
    words = ["--env", f"DATABASE_URL={url}", "--env", "MINE={{{worker}}}", "--env", "MINE=<{worker}>"]
    done = berth("exec", *words, "--", "sh", "-c", script)
    assert (done.returncode, done.stdout) == (0, "<master>\n"), done


def test_the_socket_is_found_from_any_directory(daemon, berth):
    env = {"BERTH_SOCKET": daemon.socket.name}
    done = berth("exec", "--", "sh", "-c", "cd / && berth ping", env=env, cwd=daemon.dir)
    assert done.returncode == 0, done


def test_two_at_once_without_names_have_a_lease_each(berth):
    one, two = counter(berth), counter(berth)
    rows = berth.json("ls")
    assert len({r["run"] for r in rows}) == 2 and len({r["schema"] for r in rows}) == 2
    assert heard(one) == heard(two) == []


# Its end


@pytest.mark.parametrize("script, status", [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -15 $$", 143)])
def test_the_exit_status_is_the_commands(berth, script, status):
    assert berth("exec", "--", "sh", "-c", script).returncode == status


def test_a_command_that_is_not_there_is_127_and_one_that_is_no_program_126(daemon, berth):
    done = berth("exec", "--", "/no/such/program")
    assert done.returncode == 127 and "/no/such/program" in done.stderr
    assert berth("exec", "/etc/passwd").returncode == 126
    assert berth.json("ls") == []


def test_options_of_the_command_are_its_own(berth):
    done = berth("exec", "--worker", "gw0", "printf", "%s ", "--worker", "--", "--json", "-h")
    assert done.stdout == "--worker -- --json -h "


def test_the_lease_is_given_back_at_the_end(daemon, berth):
    berth.ok("exec", "--run", "r1", "true")
    assert berth.json("ls") == []
    ended = eventually(lambda: daemon.log.find(event="lease.end"))
    assert [e["why"] for e in ended] == ["released"]


def test_a_command_may_give_its_lease_back_itself(berth):
    done = berth("exec", "--", "berth", "release")
    assert done.returncode == 0 and "berth: NOLEASE" in done.stderr


def test_who_stays_behind_does_not_keep_the_lease(daemon, berth):
    one = berth.start("exec", "--", "sh", "-c", "sleep 100 </dev/null >/dev/null 2>&1 & echo $! $BERTH_SCHEMA")
    pid, schema = one.stdout.readline().split()
    assert one.wait(20) == 0
    eventually(lambda: not daemon.pg.schema_exists(schema))
    assert process.alive(int(pid))
    os.kill(int(pid), signal.SIGKILL)


def test_a_killed_berth_ends_the_lease_and_asks_the_command_to_end(daemon, berth):
    script = 'trap "echo asked to end; exit" TERM; echo $$ $BERTH_SCHEMA; while :; do sleep 0.05; done'
    one = berth.start("exec", "--", "sh", "-c", script)
    pid, schema = one.stdout.readline().split()
    one.kill()
    assert one.stdout.readline() == "asked to end\n"
    eventually(lambda: not process.alive(int(pid)) and not daemon.pg.schema_exists(schema))
    assert daemon.log.has(event="lease.end", why="holder gone")


def test_the_command_goes_on_when_the_daemon_goes(daemon, berth):
    one = counter(berth)
    daemon.stop()
    assert "UNAVAILABLE" in one.stderr.readline()
    assert one.poll() is None
    out, _ = one.communicate("", timeout=20)
    assert (one.returncode, out) == (0, "end\n")


def test_attach_runs_a_command_in_a_lease_and_only_lets_go_of_it(daemon, berth):
    lease = berth.json("acquire")
    held = {"BERTH_LEASE": lease["lease"], "BERTH_FENCE": str(lease["fence"])}
    done = berth("attach", "--env", "X={fence}", "--", "sh", "-c", "psql -qAtc 'SELECT current_schema'; echo $X; exit 3", env=held)
    assert (done.returncode, done.stdout) == (3, f"{lease['schema']}\n{lease['fence']}\n"), done
    eventually(lambda: [r["connections"] for r in berth.json("ls")] == [0])


# Signals


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_to_berth_alone_reaches_the_command_once(berth, name):
    one = counter(berth)
    one.send_signal(getattr(signal, f"SIG{name}"))
    assert one.stdout.readline() == f"SIG{name}\n"
    assert heard(one) == []


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_to_the_whole_group_reaches_the_command_once(berth, name):
    one = counter(berth)
    os.killpg(one.pid, getattr(signal, f"SIG{name}"))
    assert one.stdout.readline() == f"SIG{name}\n"
    # Were it passed on as well, it would come before another one that is sent later.
    other = "USR1" if name != "USR1" else "USR2"
    one.send_signal(getattr(signal, f"SIG{other}"))
    assert one.stdout.readline() == f"SIG{other}\n"
    assert heard(one) == []


def test_nohup_is_still_nohup(berth):
    ignoring = "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execvp(sys.argv[1], sys.argv[1:])"
    words = [sys.executable, "-c", ignoring, *berth.argv("exec", "--", sys.executable, "-c", COUNTER)]
    one = subprocess.Popen(words, env=berth.env, text=True, process_group=0, stdin=-1, stdout=-1, stderr=-1)
    berth.started.append(one)
    assert one.stdout.readline() == "ready\n"
    one.send_signal(signal.SIGHUP)
    one.send_signal(signal.SIGTERM)
    assert one.stdout.readline() == "SIGTERM\n"
    assert heard(one) == []


def test_ctrl_c_on_a_terminal_reaches_the_command_once(berth, terminals):
    terminal = Terminal(berth.argv("exec", "--", sys.executable, "-c", COUNTER), berth.env)
    terminals.append(terminal)
    terminal.until("ready\r\n")
    terminal.send("\x03")
    terminal.until("SIGINT\r\n")
    terminal.send("echo\n")
    assert "SIGINT" not in terminal.until("echo\r\necho\r\n")
    terminal.send("\x04")
    assert terminal.rest().startswith("end\r\n")


def shell(berth, terminals) -> Terminal:
    """An interactive shell with job control, as a person has it."""
    terminal = Terminal(["bash", "--norc", "--noprofile", "-i"], berth.env, PS1="$ ")
    terminals.append(terminal)
    terminal.until("$ ")
    return terminal


def test_ctrl_z_stops_the_command_and_fg_goes_on(berth, terminals):
    bash = shell(berth, terminals)
    bash.send("berth exec -- cat\n")
    eventually(lambda: [r["state"] for r in berth.json("ls")] == ["held"])
    bash.send("one\n")
    bash.until("one\r\none\r\n")
    bash.send("\x1a")
    bash.until("Stopped")
    bash.until("$ ")
    assert len(berth.json("ls")) == 1
    bash.send("fg\n")
    bash.until("berth exec -- cat\r\n")
    bash.send("two\n")
    bash.until("two\r\ntwo\r\n")
    bash.send("\x04")
    bash.send("echo status=$?\n")
    bash.until("status=0")


def test_a_command_that_stops_itself_gives_the_shell_back(berth, terminals):
    bash = shell(berth, terminals)
    bash.send("berth exec -- sh -c 'kill -TSTP $$; echo went on; exit 5'\n")
    bash.until("Stopped")
    bash.until("$ ")
    bash.send("fg\n")
    bash.until("\r\nwent on\r\n")
    bash.send("echo status=$?\n")
    bash.until("status=5")


def test_the_last_of_a_pipeline_keeps_the_terminal(berth, terminals):
    bash = shell(berth, terminals)
    bash.send("berth exec -- echo through | { cat; read -r line </dev/tty; echo got $line; }\n")
    bash.until("\rthrough\r\n")
    bash.send("typed\n")
    bash.until("got typed")


# Waiting


@pytest.fixture
def full(make_daemon, make_redis):
    """A berthd with two Redis databases to lease, both of them taken; and who holds them."""
    daemon = make_daemon(redis=make_redis(databases=4))
    holder = daemon.client()
    leases = [holder.acquire(f"holder{i}", run="old") for i in range(2)]
    cli = Cli(daemon.socket)
    yield cli, holder, leases
    cli.close()


def test_it_waits_until_a_lease_is_free_and_says_so_once(full):
    berth, holder, leases = full
    one = berth.start("exec", "--", "echo", "in")
    line = one.stderr.readline()
    assert line.startswith("berth: waiting for a lease, up to 30s: position 1 in the queue"), line
    holder("RELEASE", leases[0].lease)
    assert one.communicate("", timeout=20) == ("in\n", "")


def test_a_wait_that_is_over_is_75_and_leaves_the_queue(full):
    berth, holder, _ = full
    for command in (["exec", "--wait", "100ms", "true"], ["acquire", "--wait", "0"]):
        message = says(berth(*command), 75, "TIMEOUT")
        assert "position 1" in message and "edis" in message
        eventually(lambda: len(holder.leases()) == 2)


def test_a_terminal_shows_the_wait_in_place(full, terminals):
    berth, holder, leases = full
    terminal = Terminal(berth.argv("exec", "--", "echo", "in"), berth.env, columns=40)
    terminals.append(terminal)
    terminal.until("\r\033[Kwaiting for a lease")
    shown = terminal.until("\r\033[Kwaiting for a lease")
    assert len("waiting for a lease" + shown) < 40 and "\n" not in shown
    holder("RELEASE", leases[0].lease)
    assert terminal.rest().endswith("\r\033[Kin\r\n")


def test_a_wait_can_be_interrupted(full):
    berth, holder, _ = full
    one = berth.start("acquire")
    eventually(lambda: len(holder.leases()) == 3)
    one.send_signal(signal.SIGINT)
    assert one.wait(20) == -signal.SIGINT
    eventually(lambda: len(holder.leases()) == 2)


@pytest.fixture
def own(make_daemon, own_pg):
    """A berthd with a PostgreSQL of its own, which a test may stop."""
    daemon = make_daemon(pg=own_pg).ready()
    cli = Cli(daemon.socket)
    yield cli, daemon, own_pg
    cli.close()


def test_a_server_that_is_away_for_too_long_is_75_and_not_69(own):
    berth, daemon, pg = own
    pg.stop()
    eventually(lambda: daemon.log.has(event="pg.down"))
    message = says(berth("exec", "--wait", "0", "true"), 75, "UNAVAILABLE")
    assert "PostgreSQL" in message and "berth run" not in message
    pg.start()


def test_a_server_that_comes_back_in_time_is_waited_for(own):
    berth, daemon, pg = own
    pg.stop()
    eventually(lambda: daemon.log.has(event="pg.down"))
    one = berth.start("exec", "--wait", "60s", "--", "echo", "in")
    line = one.stderr.readline()
    assert line.startswith("berth: waiting for a lease, up to 1m") and "PostgreSQL" in line
    pg.start()
    assert one.communicate("", timeout=60) == ("in\n", "")
