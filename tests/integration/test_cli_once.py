# SPDX-License-Identifier: MIT
"""berth once: of all that are told to run a command one does, and the others learn how it went."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from harness import eventually, process
from harness.cli import Cli, Terminal
from harness.resp import as_map
from test_cli import says

HOST = socket.gethostname()

#: A killed runner is buried within a test, but not before its client could tell how it went.
SOON = {"runner_grace_ms": 6000, "heartbeat_ms": 500}

#: The same for one that has nothing more to tell.
QUICK = {"runner_grace_ms": 1000, "heartbeat_ms": 200}

#: Says in a file that it runs, and ends with the status that it finds in its standard input.
RUN = 'echo run >> "$1"; read status; exit "$status"'


@pytest.fixture
def berth(berth, daemon):
    daemon.ready()
    return berth


@pytest.fixture(autouse=True)
def no_gates_afterwards(pg):
    yield
    if pg.one("SELECT to_regclass('berth.gate') IS NOT NULL"):
        pg.sql("DELETE FROM berth.gate")


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


def started(berth, key, runs, *options, script=RUN, **kw) -> subprocess.Popen:
    """A `berth once` whose command has begun."""
    before = count(runs)
    one = berth.start("once", *options, key, "--", "sh", "-c", script, "sh", runs, **kw)
    eventually(lambda: count(runs) > before or one.poll() is not None)
    assert one.poll() is None, one.communicate()
    return one


def count(runs) -> int:
    return runs.read_text().count("run\n") if runs.exists() else 0


def end(one: subprocess.Popen, status: object = 0) -> tuple[int, str, str]:
    """Lets the command end with this status; what `berth once` came to."""
    out, err = one.communicate(f"{status}\n", timeout=30)
    return one.returncode, out, err


def waits(berth, key, *options) -> subprocess.Popen:
    """Another one, which waits by now and must not run anything."""
    one = berth.start("once", *options, key, "--", "false")
    assert "waiting" in one.stderr.readline()
    return one


def state(berth, key) -> dict:
    return next((row for row in berth.json("once", "--ls") if row["key"] == key), {})


# One runs


def test_the_first_runs_it_and_those_that_come_later_go_on_at_once_and_say_nothing(berth, runs):
    words = ["once", "k", "--", "sh", "-c", 'echo run >> "$1"; echo out; echo err >&2', "sh", runs]

    first, second = berth(*words), berth(*words)

    assert (first.returncode, first.stdout, first.stderr) == (0, "out\n", "err\n")
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert count(runs) == 1
    told = berth("once", "--verbose", "k", "--", "false")
    assert told.returncode == 0
    assert told.stderr.startswith("berth: k was done ") and f"ago by {HOST} pid " in told.stderr


def test_of_twelve_at_once_exactly_one_runs_and_all_succeed(berth, runs):
    ones = [
        berth.start("once", "k", "--", "sh", "-c", 'echo run >> "$1"; sleep 0.3', "sh", runs)
        for _ in range(12)
    ]

    assert [end(one)[0] for one in ones] == [0] * 12
    assert count(runs) == 1


def test_other_keys_do_not_wait(berth, runs):
    one = started(berth, "a", runs)

    assert berth.ok("once", "b", "--", "echo", "b") == "b\n"
    assert end(one)[0] == 0


def test_who_waits_is_told_who_runs_it_in_one_line_after_half_a_second(berth, runs):
    one = started(berth, "k", runs)
    began = time.monotonic()

    two = waits(berth, "k")

    assert time.monotonic() - began > 0.5
    assert end(one) == (0, "", "")
    assert end(two) == (0, "", "")
    three = started(berth, "other", runs)
    four = berth.start("once", "other", "--", "false")
    line = four.stderr.readline()
    assert line.startswith(f"berth: waiting: other is being run by {HOST} pid {three.pid}, for "), (
        line
    )
    assert line.rstrip().endswith("s") and not line.rstrip().endswith("ms"), line
    assert (end(three)[0], end(four)[0]) == (0, 0)


def test_on_a_terminal_the_wait_is_redrawn_and_gone_at_its_end(berth, runs, terminals):
    one = started(berth, "k", runs)
    terminal = Terminal(berth.argv("once", "k", "--", "false"), berth.env)
    terminals.append(terminal)

    for seconds in (1, 2):
        terminal.until(f"\r\033[Kwaiting {seconds}s: k is being run by {HOST} pid {one.pid}, for ")
    end(one)

    said = terminal.rest()
    assert said.rpartition("\r\033[K")[2].startswith("berth: k was done "), said


# A failure


def test_a_failure_reaches_who_waits_and_who_comes_later(berth, runs):
    script = RUN.replace("exit", "echo 'type \"mood\" already exists' >&2; exit")
    one = started(berth, "k", runs, script=script)
    two = waits(berth, "k")

    status, out, err = end(one, 3)
    assert (status, out, err) == (3, "", 'type "mood" already exists\n')
    for status, out, err in (end(two), end(berth.start("once", "k", "--", "false"))):
        assert (status, out) == (3, "")
        assert "berth: k failed " in err and f"({HOST} pid {one.pid})" in err, err
        assert f'exited with status 3 on {HOST}: type "mood" already exists\n' in err, err
        assert "hint: --retry" in err
    assert count(runs) == 1
    assert state(berth, "k")["state"] == "failed"


def test_retry_runs_it_again_and_then_it_is_done(berth, runs):
    assert berth("once", "k", "--", "false").returncode == 1

    assert end(started(berth, "k", runs, "--retry"))[0] == 0

    assert berth.ok("once", "k", "--", "false") == ""
    assert berth.ok("once", "--retry", "k", "--", "false") == ""


def test_of_those_with_retry_one_runs_it_again_and_its_failure_is_theirs(berth, runs):
    berth("once", "k", "--", "sh", "-c", "exit 3")
    one = started(berth, "k", runs, "--retry")
    others = [waits(berth, "k", "--retry") for _ in range(3)]

    assert end(one, 4)[0] == 4

    assert [end(other)[0] for other in others] == [4, 4, 4]
    assert count(runs) == 1


def test_the_message_has_the_last_lines_without_colours_and_never_too_many(berth):
    script = """
        import sys
        print("\\n".join(f"noise {i}" for i in range(2000)), file=sys.stderr)
        print("\\033[31mred é" + "x" * 500 + "\\033[0m", "", "last", "  ", sep="\\n", file=sys.stderr)
        sys.stderr.buffer.write(b"\\xff\\n")
        sys.exit(7)
    """
    lines = "\n".join(line[8:] for line in script.splitlines())
    words = ["once", "k", "--", sys.executable, "-c", lines]
    assert berth.start(*words, stderr=subprocess.DEVNULL).wait(20) == 7

    message = state(berth, "k")["message"]

    assert message.startswith("'" + sys.executable) and "... exited" not in message
    assert f"exited with status 7 on {HOST}: noise" in message
    assert " | red éxxx" in message and message.endswith("x… | last | ?")
    assert len(message.partition(f"on {HOST}: ")[2].encode()) <= 400


def test_a_command_that_is_not_there_is_a_failure_with_127(berth):
    first, second = berth("once", "k", "--", "no-such"), berth("once", "k", "--", "true")

    assert (first.returncode, second.returncode) == (127, 127)
    assert "'no-such' exited with status 127" in second.stderr


# Waiting no longer


def test_a_timeout_ends_the_wait_with_75_and_says_who_runs_it(berth, runs):
    one = started(berth, "k", runs)

    for time_ in ("0", "700ms"):
        done = berth("once", "--timeout", time_, "k", "--", "false")
        assert done.returncode == 75
        assert f"berth: TIMEOUT k is still being run by {HOST} pid {one.pid}" in done.stderr
    assert end(one)[0] == 0


# An interruption is no failure


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_command_and_the_next_one_runs_it(berth, runs, sig):
    one = started(berth, "k", runs)
    two = berth.start("once", "k", "--", "sh", "-c", RUN, "sh", runs)

    one.send_signal(sig)

    assert one.wait(20) == 128 + sig
    assert "k was interrupted: the next one may run it" in one.stderr.read()
    eventually(lambda: count(runs) == 2)
    assert end(two)[0] == 0


def test_a_command_that_is_killed_is_run_by_the_next_one(berth, runs):
    one = started(berth, "k", runs)
    two = berth.start("once", "k", "--", "sh", "-c", RUN, "sh", runs)

    os.kill(command_of(one), signal.SIGKILL)

    eventually(lambda: count(runs) == 2)
    assert end(one)[0] == 137 and end(two)[0] == 0


def test_a_command_that_cleans_up_after_a_signal_and_succeeds_is_done(berth, runs):
    one = started(berth, "k", runs, script="trap 'exit 0' TERM; echo run >> \"$1\"; read x; exit 1")

    one.send_signal(signal.SIGTERM)

    assert one.wait(20) == 0
    assert state(berth, "k")["state"] == "done"


def command_of(one: subprocess.Popen) -> int:
    """The command's pid, not the witness'."""
    return next(p for p in process.children(one.pid) if "witness" not in process.cmdline(p))


def test_when_berth_is_killed_the_next_one_waits_until_the_command_has_ended(berth, runs):
    """A command that does not heed SIGTERM goes on; two at once are what must not be."""
    one = started(berth, "k", runs, script="trap '' TERM; " + RUN)
    two = berth.start("once", "k", "--", "sh", "-c", RUN, "sh", runs)
    pid = command_of(one)

    one.kill()
    one.wait()
    assert "waiting" in two.stderr.readline()
    assert count(runs) == 1 and process.alive(pid)
    one.stdin.close()

    eventually(lambda: count(runs) == 2)
    assert not process.alive(pid)
    assert end(two)[0] == 0


def test_a_process_that_the_command_leaves_behind_keeps_no_connection(daemon, berth, tmp_path):
    left = tmp_path / "pid"
    script = f"sleep 300 </dev/null >/dev/null 2>&1 & echo $! > {left}"
    try:
        berth.ok("once", "k", "--", "sh", "-c", script)

        eventually(lambda: not process.accepted(daemon.pid, daemon.socket))
    finally:
        os.kill(int(left.read_text()), signal.SIGKILL)


# The daemon goes away


@pytest.mark.berthd(**SOON)
@pytest.mark.parametrize("end_of_daemon", ["stop", "kill"])
def test_a_daemon_that_is_started_again_lets_nobody_in_while_the_command_runs(
    daemon, make_daemon, berth, runs, end_of_daemon
):
    one = started(berth, "k", runs)
    two = waits(berth, "k")
    runner = daemon.client().info()["runner"]

    getattr(daemon, end_of_daemon)()
    assert "the command goes on" in one.stderr.readline()
    again = make_daemon(socket=daemon.socket, **SOON).ready()
    assert one.stderr.readline() == "berth: the daemon is back, and k is still ours\n"
    if end_of_daemon == "kill":
        assert again.client().info()["runner"] == runner, "it goes on as the one that was killed"
    three = waits(berth, "k")

    assert count(runs) == 1 and state(berth, "k")["holder"] == f"{HOST} pid {one.pid}"
    assert end(one)[0] == 0
    assert (end(two)[0], end(three)[0]) == (0, 0)


def test_the_next_one_runs_it_when_the_holder_dies_behind_a_daemon_that_came_back(
    daemon, make_daemon, berth, runs
):
    one = started(berth, "k", runs)
    daemon.stop()
    assert "the command goes on" in one.stderr.readline()
    make_daemon(socket=daemon.socket).ready()
    assert "still ours" in one.stderr.readline()

    one.kill()

    assert end(started(berth, "k", runs))[0] == 0


@pytest.mark.berthd(**SOON)
def test_when_another_one_has_run_it_meanwhile_it_is_not_declared_done(
    daemon, make_daemon, berth, runs
):
    """It is stopped for longer than the grace, so that it cannot say that it still runs."""
    one = started(berth, "k", runs)
    os.kill(one.pid, signal.SIGSTOP)
    daemon.stop()
    make_daemon(socket=daemon.socket, **QUICK).ready()
    assert berth("once", "k", "--", "true").returncode == 0
    fence = state(berth, "k")["fence"]

    os.kill(one.pid, signal.SIGCONT)

    assert "the command goes on" in one.stderr.readline()
    assert "k is not ours any more (another one has run it meanwhile: " in one.stderr.readline()
    status, out, err = end(one)
    assert (status, out) == (75, "")
    assert "STALE the connection was lost while the command ran" in err
    assert f"another one has run it meanwhile: {HOST} pid " in err
    assert state(berth, "k")["fence"] == fence


def test_how_it_went_while_the_daemon_was_away_is_told_when_it_is_back(
    daemon, make_daemon, berth, runs
):
    one = started(berth, "k", runs)
    daemon.stop()
    assert "the command goes on" in one.stderr.readline()
    one.stdin.write("0\n")
    one.stdin.flush()
    eventually(lambda: not process.children(one.pid))  # it is past the command, witness and all
    again = make_daemon(socket=daemon.socket).ready()

    assert end(one)[0] == 0

    assert as_map(again.client()("ONCE", "ENTER", "k")).state == "done"


def test_a_signal_ends_the_trying_when_the_daemon_does_not_come_back(daemon, berth, runs):
    one = started(berth, "k", runs)
    pid = command_of(one)
    daemon.stop()
    one.stdin.write("0\n")
    one.stdin.flush()
    eventually(lambda: not process.alive(pid))
    eventually(lambda: not process.children(one.pid))  # it is past the command, witness and all

    one.send_signal(signal.SIGTERM)

    assert one.wait(5) == -signal.SIGTERM


# What CMD sees


def test_without_a_terminal_the_order_of_both_outputs_stays(berth, tmp_path):
    script = "for i in 1 2 3 4 5 6 7 8 9; do echo o$i; echo e$i >&2; done"
    out = tmp_path / "log"
    with out.open("w") as log:
        one = berth.start("once", "k", "--", "sh", "-c", script, stdout=log, stderr=log)
        assert one.wait(20) == 0

    assert out.read_text() == "".join(f"o{i}\ne{i}\n" for i in range(1, 10))


def test_on_a_terminal_the_command_has_it(berth, terminals):
    terminals.append(
        Terminal(
            berth.argv("once", "k", "--", "sh", "-c", "test -t 2 && echo mine; exit 5"), berth.env
        )
    )

    assert "mine" in terminals[0].rest()
    assert state(berth, "k")["message"].endswith(f"exited with status 5 on {HOST}")


def test_much_on_stderr_comes_through_whole_however_slowly_it_is_read(berth):
    one = berth.start(
        "once", "k", "--", sys.executable, "-c", "import sys; sys.stderr.write('x' * 300000 + 'y')"
    )
    time.sleep(0.2)  # the pipes fill meanwhile

    status, _, err = end(one)

    assert (status, len(err), err[-1]) == (0, 300001, "y")


def test_who_closes_our_stderr_ends_the_command_as_without_us(berth):
    one = berth.start("once", "k", "--", "sh", "-c", "while echo x >&2; do :; done; exit 3")
    one.stderr.readline()
    one.stderr.close()

    assert one.wait(20) in (3, 128 + signal.SIGPIPE)
    one.stderr = None


# Keys


def test_a_key_from_files_changes_with_what_they_hold_and_not_with_where_they_are(berth, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "versions").mkdir(parents=True)
        (tmp_path / name / "alembic.ini").write_text("[alembic]\n")
        (tmp_path / name / "versions" / "1.py").write_text("upgrade\n")
    files = ["alembic.ini", "versions/1.py"]

    def key(words, cwd):
        before = {row["key"] for row in berth.json("once", "--ls")}
        berth.ok("once", "k", "--key-from", *words, "--", "true", cwd=cwd)
        return ({row["key"] for row in berth.json("once", "--ls")} - before or {""}).pop()

    first = key(files, tmp_path / "one")
    shell = "sha256sum alembic.ini versions/1.py | LC_ALL=C sort -k 2 | sha256sum"
    said = subprocess.run(shell, shell=True, cwd=tmp_path / "one", capture_output=True, text=True)
    assert first == "k@" + said.stdout.split()[0]
    lines = "".join(
        f"{hashlib.sha256((tmp_path / 'one' / f).read_bytes()).hexdigest()}  {f}\n" for f in files
    )
    assert first == "k@" + hashlib.sha256(lines.encode()).hexdigest()

    again = [str(tmp_path / "two" / "." / name) for name in reversed(files)] + ["x/../alembic.ini"]
    assert key(again, tmp_path / "two") == ""
    (tmp_path / "two" / "versions" / "1.py").write_text("upgrade more\n")
    assert key(files, tmp_path / "two") not in ("", first)
    (tmp_path / "one" / "versions" / "1.py").rename(tmp_path / "one" / "versions" / "2.py")
    assert key(["alembic.ini", "versions/2.py"], tmp_path / "one") not in ("", first)


@pytest.mark.parametrize(
    "words, complaint",
    [
        ([], "one of these: KEY -- CMD, --forget KEY, --ls"),
        (["k"], "one of these"),
        (["--", "true"], "which key?"),
        (["--forget"], "which key?"),
        (["--key-from", "a", "k", "--", "true"], "which key? It comes before --key-from"),
        (["k", "l", "--", "true"], "'l' is one word too many"),
        (["--ls", "k"], "'k' is one word too many"),
        (["--ls", "--forget", "k"], "one of these"),
        (["--forget", "k", "--", "true"], "one of these"),
        (["k" * 256, "--", "true"], "the key has 256 bytes; 255 is the most"),
        (["k k", "--", "true"], "the key must be visible ASCII without spaces"),
        (["k", "--timeout", "5", "--", "true"], "a duration is a number and"),
        (["k", "--key-from", "/", "--", "true"], "/ is a directory"),
    ],
)
def test_wrong_usage_is_told(berth, words, complaint):
    assert complaint in says(berth("once", *words), 2, "USAGE")


def test_a_file_that_is_not_there_is_told_and_nothing_is_run(berth):
    done = berth("once", "k", "--key-from", "no-such", "--", "echo", "ran")

    assert "--key-from" in says(done, 1, "ERR") and "No such file" in done.stderr


def test_without_a_daemon_it_is_unreachable():
    done = Cli("/nowhere/b.sock")("once", "k", "--", "true")
    assert "/nowhere/b.sock" in says(done, 69, "UNAVAILABLE")


# Afterwards


def test_forget_lets_it_run_again_but_not_while_it_runs(berth, runs):
    one = started(berth, "k", runs)
    assert f"{HOST} pid {one.pid}" in says(berth("once", "--forget", "k"), 75, "BUSY")
    assert end(one)[0] == 0

    assert berth.ok("once", "--forget", "k") == ""

    assert end(started(berth, "k", runs))[0] == 0
    assert count(runs) == 2


def test_ls_shows_every_key(berth, runs, terminals):
    berth("once", "bad", "--", "sh", "-c", "echo why >&2; exit 3")
    one = started(berth, "k", runs)

    rows = {row["key"]: row for row in berth.json("once", "--ls")}
    assert list(rows["k"]) == "key state fence holder uid age_ms message".split()
    assert (rows["k"]["state"], rows["bad"]["state"]) == ("running", "failed")
    assert rows["k"]["holder"] == f"{HOST} pid {one.pid}"
    lines = {x.split("\t")[0]: x.split("\t") for x in berth.ok("once", "--ls").splitlines()}
    assert [len(fields) for fields in lines.values()] == [7, 7]
    assert lines["k"][6] == "-" and lines["bad"][6].endswith(": why")
    terminals.append(Terminal(berth.argv("once", "--ls"), berth.env))
    said = [line.split() for line in terminals[0].rest().splitlines()]
    assert said[0] == ["KEY", "STATE", "HOLDER", "AGE", "MESSAGE"]
    assert ["bad", "failed"] in [line[:2] for line in said]
    end(one)


def test_ls_of_nothing_is_empty(berth):
    assert berth.ok("once", "--ls") == ""
    assert json.loads(berth.ok("once", "--ls", "--json")) == []
