# SPDX-License-Identifier: MIT
"""The process behind harness.worker.Worker: one JSON line in, one out."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from harness.resp import Client


class Main:
    def __init__(self, socket: str):
        self.client = Client(socket, 120)
        self.lease: dict = {}
        self.pg = None
        self.kv = None
        self.pipes = []

    def acquire(self, worker, **options):
        self.lease = self.client.acquire(worker, **options)
        return self.lease

    def command(self, *words):
        return self.client(*words)

    def sql(self, text):
        import psycopg

        if self.pg is None:
            self.pg = psycopg.connect(self.lease["dsn"], autocommit=True)
        cursor = self.pg.execute(text)
        return [list(map(str, row)) for row in cursor.fetchall()] if cursor.description else None

    def redis(self, *words):
        import redis

        if self.kv is None:
            self.kv = redis.Redis.from_url(self.lease["redis_url"], decode_responses=True)
        return self.kv.execute_command(*words)

    def child(self, argv, stdin):
        """The child holds the other end of its input itself, and so never sees it end."""
        read, write = os.pipe()
        os.set_inheritable(write, True)
        env = os.environ | {"PGHOST": str(self.lease["host"]), "PGPORT": str(self.lease["port"])}
        env |= {"PGUSER": self.lease["user"], "PGPASSWORD": self.lease["password"]}
        env |= {"PGDATABASE": self.lease["dbname"], "REDIS_URL": self.lease["redis_url"] or ""}
        env |= {"BERTH_DSN": self.lease["dsn"]}
        process = subprocess.Popen(
            argv,
            stdin=read,
            pass_fds=[write],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=env,
        )
        os.write(write, stdin.encode() + b"\n")
        os.close(read)
        os.close(write)
        self.pipes.append(process)
        return process.pid

    def child_with_connection(self):
        """A forked child that does nothing but hold the descriptor of our connection."""
        fd = self.client.sock.fileno()
        process = subprocess.Popen(["sleep", "60"], pass_fds=[fd], start_new_session=True)
        self.pipes.append(process)
        return process.pid


def main() -> None:
    worker = Main(sys.argv[1])
    for line in sys.stdin:
        what, args, kw = json.loads(line)
        try:
            answer = [True, getattr(worker, what)(*args, **kw)]
        except Exception as e:  # noqa: BLE001 (reported to the test, which decides)
            answer = [False, f"{type(e).__name__}: {e}"]
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
