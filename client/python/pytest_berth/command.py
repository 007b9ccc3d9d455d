# SPDX-License-Identifier: MIT
"""Running a command that migrates: quietly, and with its last words at hand when it fails."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import IO

import berth

#: What is kept of a command's output: this much is read, this many lines are shown ...
_TAIL_BYTES = 8192
_TAIL_LINES = 20
#: ... and this many, and so much of them, go to whoever waits for the template.
_WORDS_LINES = 3
_WORDS_CHARS = 200
#: Seconds that a command gets to end by itself when pytest is interrupted.
_MERCY = 5.0


class Failed(berth.BuildFailedError):
    """A command that failed; ``output`` is the end of what it wrote."""

    def __init__(self, message: str, output: list[str]) -> None:
        super().__init__(message)
        self.output = output


def shell(command: str, env: Mapping[str, str], directory: str) -> None:
    """Runs a shell command as run() does."""
    run(command, ["/bin/sh", "-c", command], env, directory)


def run(title: str, argv: list[str], env: Mapping[str, str], directory: str) -> None:
    """Runs it to its end and shows nothing. Raises Failed with its last words.

    The scripts of the Python that runs pytest come first in its PATH (alembic, django-admin).
    """
    scripts = os.path.dirname(sys.executable)
    env = {**env, "PATH": os.pathsep.join([scripts, env.get("PATH", os.defpath)])}
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            argv,
            cwd=directory,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait()
        except BaseException:
            _end(process)
            raise
        if status:
            raise _failure(title, status, _tail(output))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends it and what it has started."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.wait(_MERCY)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _tail(output: IO[bytes]) -> list[str]:
    """The last lines that say something."""
    output.seek(max(0, output.seek(0, os.SEEK_END) - _TAIL_BYTES))
    lines = output.read().decode("utf-8", "replace").splitlines()
    return [line.rstrip() for line in lines if line.strip()][-_TAIL_LINES:]


def _failure(title: str, status: int, output: list[str]) -> Failed:
    how = f"exited with status {status}" if status > 0 else f"was ended by signal {-status}"
    words = " | ".join(line.strip() for line in output[-_WORDS_LINES:])[-_WORDS_CHARS:]
    host = socket.gethostname()[:64]
    title = title if len(title) <= 80 else title[:77] + "..."
    return Failed(f"'{title}' {how} on {host}" + (f": {words}" if words else ""), output)
