# SPDX-License-Identifier: MIT
"""The Python client's way through the gate, against a real berthd."""

from __future__ import annotations

import subprocess
import sys
import time

import berth
import pytest

from conftest import Thread
from harness import eventually
from harness.cli import Cli

SOON = {"runner_grace_ms": 6000, "heartbeat_ms": 500}


@pytest.fixture(autouse=True)
def no_gates_afterwards(pg):
    yield
    if pg.one("SELECT to_regclass('berth.gate') IS NOT NULL"):
        pg.sql("DELETE FROM berth.gate")


@pytest.fixture
def client(daemon):
    with berth.connect(daemon.ready().socket) as client:
        yield client


@pytest.fixture
def other(daemon, client):
    with berth.connect(daemon.socket) as other:
        yield other


# The verbs


@pytest.mark.parametrize("version", [2, 3])
def test_one_runs_and_the_other_learns_how_it_went(daemon, client, version):
    with berth.connect(daemon.socket, resp=version) as other:
        mine, theirs = client.once_enter("k"), other.once_enter("k")
        assert (mine.state, theirs.state, theirs.fence) == ("run", "wait", mine.fence)
        assert " pid " in theirs.holder and theirs.message is None
        assert client.once_enter("k").fence == mine.fence
        rows = {row.key: row.state for row in other.once_list()}
        assert rows == {"k": "running"}
        with pytest.raises(berth.BusyError):
            other.once_forget("k")

        client.once_fail("k", mine.fence, "why", status=3)

        found = other.once_enter("k")
        assert (found.state, found.message, found.status) == ("failed", "why", 3)
        assert other.once_list()[0].message == "why"
        again = other.once_enter("k", retry=True)
        with pytest.raises(berth.StaleError):
            client.once_done("k", mine.fence)
        other.once_done("k", again.fence)
        assert client.once_enter("k", wait=None).state == "done"
        client.once_forget("k")
        assert client.once_list() == []


def test_waiting_ends_with_the_run(client, other):
    fence = client.once_enter("k").fence
    waiting = Thread(other.once_enter, "k", wait=None)

    client.once_done("k", fence)

    assert waiting.result().state == "done"


def test_waiting_too_long_is_an_error_that_names_the_holder(client, other):
    client.once_enter("k")
    began = time.monotonic()

    with pytest.raises(berth.WaitTimeoutError, match=r"k is still being run by .* pid .* 0\.3 s"):
        other.once_enter("k", wait=0.3)

    assert time.monotonic() - began >= 0.3


def test_retry_does_not_hide_the_failure_that_was_waited_for(client, other):
    client.once_fail("k", client.once_enter("k").fence, "first")
    fence = client.once_enter("k", retry=True).fence
    said, command = [], other.command
    other.command = lambda *words, **kw: said.append(words) or command(*words, **kw)
    waiting = Thread(other.once_enter, "k", retry=True, wait=20)
    eventually(lambda: any("WAIT" in words for words in said))  # RETRY was answered

    client.once_fail("k", fence, "second")

    assert waiting.result().message == "second"


def test_a_long_message_is_cut_between_characters(client):
    client.once_fail("k", client.once_enter("k").fence, "€" * 400)

    assert client.once_enter("k").message.strip("€") == ""


# once()


def test_of_eight_threads_one_calls_its_function(daemon, client):
    calls = []

    def service(i):
        with berth.connect(daemon.socket) as own:
            return own.once("k", lambda: (calls.append(i), time.sleep(0.1)))

    ran = [t.result() for t in [Thread(service, i) for i in range(8)]]

    assert len(calls) == 1
    assert [i for i in range(8) if ran[i]] == calls


def test_what_it_raises_is_raised_and_is_the_others_failure(client, other):
    def fail():
        raise ValueError("no such table")

    with pytest.raises(ValueError, match="no such table"):
        client.once("k", fail)
    with pytest.raises(berth.OnceFailedError, match="ValueError: no such table") as e:
        other.once("k", fail)

    assert (e.value.key, e.value.status, e.value.code) == ("k", 1, "FAILED")
    assert e.value.message == "ValueError: no such table" and " pid " in e.value.holder
    assert client.once("k", lambda: None, retry=True) is True
    assert other.once("k", fail) is False


def test_an_interruption_is_no_failure(client, other):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.once("k", interrupted)

    assert other.once("k", lambda: None) is True


def test_the_function_may_use_the_client(client):
    assert client.once("k", client.ping) is True


def test_a_killed_process_is_replaced(daemon, client):
    code = """
        import sys, time, berth
        berth.connect(sys.argv[1]).once("k", lambda: (print("in", flush=True), time.sleep(600)))
    """
    lines = "\n".join(line[8:] for line in code.splitlines())
    with subprocess.Popen(
        [sys.executable, "-c", lines, str(daemon.socket)], stdout=subprocess.PIPE, text=True
    ) as doomed:
        assert doomed.stdout.readline() == "in\n"
        waiting = Thread(client.once, "k", lambda: None)
        doomed.kill()

    assert waiting.result() is True


@pytest.mark.berthd(**SOON)
def test_a_daemon_that_comes_back_is_told_how_it_went(daemon, make_daemon):
    with berth.connect(daemon.ready().socket) as client:
        runner = client.info()["runner"]

        def survive():
            daemon.kill()
            make_daemon(socket=daemon.socket, **SOON).ready()

        assert client.once("k", survive) is True
    with berth.connect(daemon.socket) as other:
        assert other.once("k", lambda: None) is False
        assert other.info()["runner"] == runner, "it goes on as the one that was killed"


def test_the_command_line_goes_through_the_same_gate(daemon, client):
    command_line = Cli(daemon.socket)

    assert client.once("k", lambda: None) is True

    assert command_line.ok("once", "k", "--", "false") == ""
    assert command_line("once", "l", "--", "sh", "-c", "exit 3").returncode == 3
    with pytest.raises(berth.OnceFailedError) as e:
        client.once("l", lambda: None)
    assert e.value.status == 3
