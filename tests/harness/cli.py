# SPDX-License-Identifier: MIT
"""The `berth` program against a daemon of a test: run to its end, in the background, on a terminal."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from pathlib import Path

from harness import places, process
from harness.wait import SLOW

BERTH = places.BERTH
_WRAPPER = os.environ.get("BERTH_WRAPPER", "").split()


class Cli:
    """`berth` with BERTH_SOCKET set to a daemon's socket and nothing else of ours in its way."""

    def __init__(self, socket: Path | str):
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("BERTH_", "PG"))}
        self.env = inherited | {"BERTH_SOCKET": str(socket), "PATH": self._path()}
        self.started: list[subprocess.Popen] = []

    def _path(self) -> str:
        """Where scripts find `berth` and psql."""
        return os.pathsep.join([str(BERTH.parent), str(places.pg_bindir()), os.environ["PATH"]])

    def argv(self, *words) -> list[str]:
        return [*_WRAPPER, str(BERTH), *map(str, words)]

    def __call__(self, *words, env: dict | None = None, stdin="", **kw):
        """Runs it to its end; what it printed is text in .stdout and .stderr."""
        return subprocess.run(
            self.argv(*words),
            env=self.env | (env or {}),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60 * SLOW,
            **kw,
        )

    def ok(self, *words, **kw) -> str:
        """Runs it; it must succeed and say nothing on stderr. What it printed.

        On a busy machine it waits long enough to say so.
        """
        done = self(*words, **kw)
        said = [x for x in done.stderr.splitlines() if not x.startswith("berth: waiting for ")]
        assert (done.returncode, said) == (0, []), done
        return done.stdout

    def json(self, *words, **kw):
        return json.loads(self.ok(*words, "--json", **kw))

    def sh(self, script: str, **kw) -> subprocess.CompletedProcess:
        """A shell script that may say `berth`."""
        return subprocess.run(
            ["sh", "-euc", script],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=100 * SLOW,
            **kw,
        )

    def start(self, *words, env: dict | None = None, **kw) -> subprocess.Popen:
        """Starts it with pipes for input and outputs; the fixture ends it, by its process group."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        one = subprocess.Popen(
            self.argv(*words),
            env=self.env | (env or {}),
            text=True,
            process_group=0,
            **pipes | kw,
        )
        self.started.append(one)
        return one

    def close(self) -> None:
        for one in self.started:
            if one.poll() is None:
                os.killpg(one.pid, signal.SIGKILL)
            one.wait()
            for pipe in (one.stdin, one.stdout, one.stderr):
                if pipe:
                    pipe.close()


class Terminal:
    """A program on a pseudo-terminal of its own, which it controls."""

    def __init__(self, argv: list, env: dict, columns: int = 100, **changes: str):
        self.said = ""
        self.pid, self.fd = os.forkpty()
        if self.pid == 0:
            os.environ.clear()
            os.environ.update(env | {"TERM": "xterm"} | changes)
            subprocess.run(["stty", "cols", str(columns)], check=True)
            os.execvp(str(argv[0]), [str(a) for a in argv])

    def send(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def until(self, text: str, timeout: float = 20) -> str:
        """Reads on until `text` has come; everything before it, which is then forgotten."""
        deadline = time.monotonic() + timeout * SLOW
        while text not in self.said:
            left = deadline - time.monotonic()
            assert left > 0 and self._read(left), f"no {text!r} in {self.said!r}"
        before, _, self.said = self.said.partition(text)
        return before

    def rest(self) -> str:
        """Everything until the program has ended."""
        while self._read(20 * SLOW):
            pass
        return self.said

    def _read(self, timeout: float) -> bool:
        if not select.select([self.fd], [], [], timeout)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # how Linux says that nobody has the terminal open any more
            return False
        self.said += data.decode(errors="replace")
        return bool(data)

    def close(self) -> None:
        """Hangs up, as closing the window does."""
        os.close(self.fd)
        for pid in [self.pid, *process.children(self.pid)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        os.waitpid(self.pid, 0)
