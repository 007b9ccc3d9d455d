# SPDX-License-Identifier: MIT
"""Starting programs that die with the test process, and looking at processes through /proc."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path


# What systemd does before it executes the program of a socket's service.
_HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[2], sys.argv[2:])
"""


def tied(argv: list, death: str = "KILL", user: str | None = None) -> list[str]:
    """argv, run as `user`, such that the kernel sends it `death` when this process dies."""
    prefix = ["setpriv", "--pdeathsig", death]
    if user and os.geteuid() == 0:
        prefix += ["--reuid", user, "--regid", user, "--clear-groups"]
    return prefix + ["--"] + [str(a) for a in argv]


def spawn(
    argv: list, death: str = "KILL", user: str | None = None, handed: int | None = None, **kw
) -> subprocess.Popen:
    """Starts argv, tied to us; `handed` is given to it as systemd gives a unit its socket."""
    if handed is not None:
        argv, kw["pass_fds"] = [sys.executable, "-I", "-c", _HAND_OVER, handed, *argv], [handed]
    return subprocess.Popen(tied(argv, death, user), **kw)


def stop(process: subprocess.Popen, sig: int = signal.SIGTERM, timeout: float = 10) -> int:
    """Sends sig, waits, and kills what does not listen; returns the exit status."""
    if process.poll() is None:
        process.send_signal(sig)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def children(pid: int) -> list[int]:
    """The pids whose parent is pid, zombies included."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(c) for t in tasks for c in (t / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def cmdline(pid: int) -> str:
    try:
        return (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid: int) -> bool:
    """Whether pid runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def descriptors(pid: int) -> dict[int, str]:
    """fd → what it leads to."""
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            continue
    return found


def accepted(pid: int, path: Path) -> list[int]:
    """The descriptors of pid that are accepted connections of the Unix socket at `path`."""
    listening = 0x10000
    inodes = set()
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        words = line.split(None, 7)
        if len(words) == 8 and words[7] == str(path) and not int(words[3], 16) & listening:
            inodes.add(f"socket:[{words[6]}]")
    return [fd for fd, target in descriptors(pid).items() if target in inodes]
