# SPDX-License-Identifier: MIT
"""`berth top` on a real terminal (tmux's), as people have it over ssh."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess

import pytest
from harness import eventually, places
from harness.cli import Cli, Terminal
from harness.wait import SLOW


class Tmux:
    """One window of a tmux server of its own; `argv` runs in it, and a shell waits behind it."""

    def __init__(self, argv: list[str], env: dict[str, str], columns: int = 110, rows: int = 40):
        self.env = {k: v for k, v in env.items() if k != "TMUX"} | {"LC_ALL": "C.UTF-8"}
        self.env["TMUX_TMPDIR"] = str(places.new_dir("tmux"))
        size = ["-x", str(columns), "-y", str(rows)]
        self("-f", "/dev/null", "new-session", "-d", *size, "sh")
        self("set-option", "-g", "window-size", "manual")
        self.type(" ".join(argv), "Enter")

    def __call__(self, *words: str) -> str:
        argv = ["tmux", "-L", "berth", *words]
        done = subprocess.run(
            argv, env=self.env, capture_output=True, text=True, timeout=30 * SLOW
        )
        assert done.returncode == 0, done
        return done.stdout

    def type(self, *keys: str) -> None:
        self("send-keys", *keys)

    def screen(self) -> list[str]:
        return self("capture-pane", "-p").rstrip("\n").split("\n")

    def shows(self, pattern: str) -> bool:
        return re.search(pattern, "\n".join(self.screen()), re.M) is not None

    def until(self, pattern: str) -> None:
        try:
            eventually(lambda: self.shows(pattern), 30)
        except AssertionError:
            raise AssertionError(f"no {pattern!r} in\n" + "\n".join(self.screen())) from None

    def close(self) -> None:
        self("kill-server")


@pytest.fixture
def open_tmux():
    if not shutil.which("tmux"):
        pytest.skip("no tmux here")
    opened = []

    def make(*args, **kw) -> Tmux:
        opened.append(Tmux(*args, **kw))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def test_it_shows_what_happens_resizes_and_quits(daemon, open_tmux):
    client = daemon.client()
    lease = client.acquire("gw0", run="seen", label="nightly")
    client("RESET", lease.lease)
    cli = Cli(daemon.socket)
    top = open_tmux(cli.argv("top", "--every", "100ms"), cli.env)

    top.until(rf"^seen +gw0 +held +{lease.schema} +\d+ +\d+ +\S+  nightly$")
    top.until(r"^leases held +1  [▁-█]*█$")
    top.until(r"^ +\S+  test_\S+ +gw0 +\d+ tables.* ago$")
    top.until(r"^reset +1 +\S+ +\S+ +\S+$")
    for n in range(1, 30):
        client.acquire(f"gw{n}", run="seen", redis="none")
    top.until(r"^leases held +30  ")
    top("resize-window", "-x", "60", "-y", "30")
    top.until(r"^\.\.\. and \d+ more$")
    assert len(top.screen()) == 30 and max(map(len, top.screen())) <= 60
    top("resize-window", "-x", "120", "-y", "60")
    top.until(r"^seen +gw29 +held .*")

    top.type("q")
    top.until(r"\$ *$|# *$")
    top.type("echo status=$?", "Enter")
    top.until(r"^status=0$")
    assert not top.shows("leases held"), "the screen of before is back"


def test_it_goes_on_when_the_daemon_is_away(make_daemon, open_tmux):
    daemon = make_daemon().ready()
    cli = Cli(daemon.socket)
    top = open_tmux(cli.argv("top", "--every", "100ms"), cli.env)
    top.until(r"^leases held +0  ")
    daemon.stop()
    top.until(r"^UNAVAILABLE ")
    daemon.start()
    eventually(lambda: not top.shows("^UNAVAILABLE"), 30, "it is back")
    top.type("C-c")
    top.until(r"\$ *$|# *$")
    daemon.stop()


def test_the_terminal_is_given_back_however_it_ends(daemon):
    cli = Cli(daemon.socket)
    terminal = Terminal(cli.argv("top"), cli.env)
    terminal.until("leases held")
    os.kill(terminal.pid, signal.SIGTERM)
    assert terminal.rest().endswith("\x1b[?7h\x1b[?25h\x1b[?1049l")
    terminal.close()


def test_in_a_pipe_it_is_one_look_as_text(daemon):
    said = Cli(daemon.socket).ok("top")
    assert "\x1b" not in said and re.search(r"^leases held +0  ", said, re.M)
    assert Cli("/nowhere/b.sock")("top").returncode == 69
