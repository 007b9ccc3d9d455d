# SPDX-License-Identifier: MIT
"""--berth=private: PostgreSQL, Redis and berthd for this session alone, by way of ``berth run``.

What ``berth run`` runs here says where the daemon listens and waits for the end of its input. That
comes with the end of this process, whichever it is; then all of it goes and leaves nothing.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_berth.report import Tally
    from pytest_berth.settings import Settings

#: Says where, and waits; then stays for as many seconds as it was told, or none.
_HOLD = 'printf "%s\\n" "$BERTH_SOCKET"; exec >&-; read -r stay; exec sleep "${stay:-0}"'
#: Seconds after which somebody in front of a terminal is told what takes so long.
_PATIENCE = 0.5

_INSTALL = """\
Ways out:
  pip install .                 in a checkout of berth: brings berth, berthd and this plugin
  PATH=/path/to/berth/bin:$PATH if it is installed elsewhere"""


class Servers:
    """Owns the process of ``berth run`` and sets BERTH_SOCKET, which workers inherit."""

    def __init__(self) -> None:
        self._before = os.environ.get("BERTH_SOCKET")
        self._words = tempfile.TemporaryFile()
        began = time.monotonic()
        self._process = subprocess.Popen(
            [_program(), "run", "--", "/bin/sh", "-c", _HOLD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            start_new_session=True,  # Ctrl-C is for pytest, which ends this
        )
        os.register_at_fork(after_in_child=self._drop_copy)
        self._stay = 0.0
        try:
            self.socket = self._said()
        except BaseException:
            self.close()
            raise
        self._heard = os.fstat(self._words.fileno()).st_size
        self.theirs = self.socket == self._before
        """Whether a daemon was there already and nothing was started."""
        self._took = time.monotonic() - began
        os.environ["BERTH_SOCKET"] = self.socket

    @property
    def pid(self) -> int:
        """Of the process whose end is theirs."""
        return self._process.pid

    def stay(self, seconds: float) -> None:
        """When the session ends they stay for so long."""
        self._stay = max(self._stay, seconds)

    def pytest_report_header(self) -> str:
        if self.theirs:
            return "berth: BERTH_SOCKET names a daemon that answers, so none is started"
        return f"berth: private servers, started in {self._took:.1f} s"

    def close(self) -> None:
        """Ends them, and waits for that. May be repeated."""
        process = self._process
        if process.stdin is None or process.stdin.closed:
            return
        if hasattr(self, "socket"):
            self._restore()
        stays = self._stay > 0 and process.poll() is None
        with contextlib.suppress(BrokenPipeError):
            if stays:
                process.stdin.write(b"%d\n" % self._stay)
            process.stdin.close()
        if process.stdout is not None:
            process.stdout.close()
        if stays:
            process.returncode = 0  # it outlives us, and nobody is to be warned of that
        process.wait()
        if hasattr(self, "_heard") and sys.__stderr__ is not None:
            sys.__stderr__.write(self._text(self._heard))
        self._words.close()

    def _restore(self) -> None:
        if self._before is None:
            os.environ.pop("BERTH_SOCKET", None)
        else:
            os.environ["BERTH_SOCKET"] = self._before

    def _said(self) -> str:
        out = self._process.stdout
        assert out is not None
        if not select.select([out], [], [], _PATIENCE)[0] and sys.__stderr__ is not None:
            print("berth: starting PostgreSQL, Redis and berthd", file=sys.__stderr__, flush=True)
        line = out.readline().decode().strip()
        if line:
            return line
        status = self._process.wait()
        why = self._text(0).replace("berth run: ", "").strip()
        raise pytest.UsageError(
            f"berth: no private servers: {why or f'`berth run` ended with status {status}'}"
        )

    def _text(self, start: int) -> str:
        """What it has said on stderr; it goes on writing behind that."""
        fd = self._words.fileno()
        return os.pread(fd, os.fstat(fd).st_size, start).decode("utf-8", "replace")

    def _drop_copy(self) -> None:
        """A forked child would keep it from seeing our end."""
        if self._process.stdin is not None:
            self._process.stdin.close()


def stay_for(tally: Tally, settings: Settings, reporter: pytest.TerminalReporter) -> None:
    """Servers of this session's own stay as long as a state that is kept in them."""
    servers: object | None = reporter.config.pluginmanager.get_plugin("berth-servers")
    if isinstance(servers, Servers) and tally.has_kept and settings.keep and not servers.theirs:
        servers.stay(settings.keep)
        reporter.write_line(
            f"berth: the private servers stay for {settings.keep:g} s with what is kept; "
            f"kill {servers.pid} ends them sooner"
        )


def _program() -> str:
    scripts = os.path.dirname(sys.executable)
    found = shutil.which("berth", path=os.pathsep.join([scripts, os.environ.get("PATH", "")]))
    if found is None:
        raise pytest.UsageError(
            "berth: --berth=private starts its servers with the program berth, which is neither "
            f"beside this Python ({scripts}) nor in PATH\n{_INSTALL}"
        )
    return found
