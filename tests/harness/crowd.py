# SPDX-License-Identifier: MIT
"""Many processes that acquire at the same moment: forked from one small parent, told by pipes."""

from __future__ import annotations

import json
import os
import sys

from harness.resp import Client


def member(socket: str, worker: str, run: str, ready: int, go: int, out: int, leave: int) -> None:
    client = Client(socket, 120)
    client("PING")
    os.write(ready, b"x")
    os.read(go, 1)
    try:
        lease = client.acquire(worker, run=run, wait=90000)
    except Exception as e:  # noqa: BLE001 (the parent reports it)
        lease = {"state": f"{type(e).__name__}: {e}"}
    line = (json.dumps(lease) + "\n").encode()
    assert len(line) < 4096, "one atomic write to the pipe"
    os.write(out, line)
    os.read(leave, 1)  # end of file: the parent has seen enough
    os._exit(0)


def main() -> None:
    """argv: socket, processes, runs. Prints one lease a line; holds all until its input ends."""
    socket, count, runs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    ready, go, leave = os.pipe(), os.pipe(), os.pipe()
    for n in range(count):
        if os.fork() == 0:
            os.close(go[1])
            os.close(leave[1])
            member(socket, f"gw{n}", f"run{n % runs}", ready[1], go[0], 1, leave[0])
    seen = 0
    while seen < count:
        seen += len(os.read(ready[0], count))
    os.write(go[1], b"x" * count)
    sys.stdin.read()
    os.close(leave[1])
    for _ in range(count):
        os.wait()


if __name__ == "__main__":
    main()
