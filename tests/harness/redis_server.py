# SPDX-License-Identifier: MIT
"""A private redis-server, and the question what is left in it."""

from __future__ import annotations

import shutil
import signal
import subprocess
from urllib.parse import quote

import redis

from harness import places, process
from harness.wait import eventually


class RedisServer:
    """One redis-server on a Unix socket and a loopback port.

    password: the default user's. acl=False: berthd logs in as a user that may not use ACL.
    """

    def __init__(self, databases: int = 64, password: str = "", acl: bool = True, *options):
        self.dir = places.new_dir("redis")
        self.dir.chmod(0o755)
        self.socket = self.dir / "r.sock"
        self.port = process.free_port()
        self.databases = databases
        self.meta_db = min(15, databases - 1)
        self.password = password
        self.user, self.user_password = "", password
        self.options = options
        if not acl:
            self.user, self.user_password = "berthd", "redis-secret-of-the-daemon"
        self.process: subprocess.Popen | None = None
        self._admin: dict[int, redis.Redis] = {}
        self.start()

    def start(self) -> None:
        argv = ["redis-server", "--bind", "127.0.0.1", "--port", self.port, "--save", ""]
        argv += ["--unixsocket", self.socket, "--unixsocketperm", "777", "--dir", self.dir]
        argv += ["--databases", self.databases, "--appendonly", "no"]
        if self.password:
            argv += ["--requirepass", self.password]
        if self.user:
            argv += [
                "--user",
                self.user,
                "on",
                f">{self.user_password}",
                "~*",
                "&*",
                "+@all",
                "-acl",
            ]
        with (self.dir / "log").open("ab") as log:
            self.process = process.spawn([*argv, *self.options], cwd=self.dir, stdout=log)
        eventually(self._answers, 15, "Redis starts")

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"redis-server died:\n{(self.dir / 'log').read_text()[-2000:]}")
        try:
            return self.db(0).ping()
        except redis.RedisError:
            return False

    def stop(self, sig: int = signal.SIGTERM) -> None:
        for client in self._admin.values():
            client.close()
        self._admin.clear()
        process.stop(self.process, sig)

    def restart(self, sig: int = signal.SIGTERM) -> None:
        """Comes back empty: nothing is saved, as on the servers that tests use."""
        self.stop(sig)
        self.start()

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)

    def url(self, tcp: bool = False) -> str:
        """What berthd is given."""
        who = (
            f"{quote(self.user, safe='')}:{quote(self.user_password, safe='')}@"
            if self.user_password
            else ""
        )
        return f"redis://{who}127.0.0.1:{self.port}" if tcp else f"unix://{who}{self.socket}"

    def db(self, number: int) -> redis.Redis:
        """The administrator's client of one database."""
        if number not in self._admin:
            self._admin[number] = redis.Redis(
                unix_socket_path=str(self.socket),
                db=number,
                password=self.password or None,
                decode_responses=True,
            )
        return self._admin[number]

    def change_password(self, password: str) -> None:
        self.db(0).config_set("requirepass", password)
        for client in self._admin.values():
            client.close()
        self._admin.clear()
        self.password = self.user_password = password

    def keyspace(self) -> dict[int, int]:
        """db → keys, of those that have any."""
        info = self.db(0).info("keyspace")
        return {int(name[2:]): what["keys"] for name, what in info.items()}

    def users(self) -> list[str]:
        return sorted(u for u in self.db(0).acl_users() if u.startswith("berth_"))

    def left(self) -> list[str]:
        """Everything that only berthd or its leases can have left: "kind name"."""
        found = [f"user {name}" for name in self.users()]
        found += [
            f"client of {c['user']}"
            for c in self.db(0).client_list()
            if c["user"].startswith("berth_")
        ]
        for number, keys in self.keyspace().items():
            if number != self.meta_db:
                found.append(f"db {number}: {keys} keys, such as {self.db(number).randomkey()}")
        return found + [f"meta {line}" for line in self.meta()]

    def meta(self) -> list[str]:
        """The claims and runners in META; its counters (berth:meta) stay, fences rise for ever."""
        meta = self.db(self.meta_db)
        found = []
        for key in sorted(set(meta.scan_iter()) - {"berth:meta"}):
            kind = meta.type(key)
            if kind == "hash":
                found += [f"{key}: {f}={v}" for f, v in meta.hgetall(key).items()]
            elif kind in ("set", "zset", "list"):
                members = {"set": meta.smembers, "zset": lambda k: meta.zrange(k, 0, -1)}
                found += [
                    f"{key}: {m}" for m in members.get(kind, lambda k: meta.lrange(k, 0, -1))(key)
                ]
            else:
                found.append(f"{key}={meta.get(key)}")
        return found

    def scrub(self) -> None:
        self.db(0).flushall()
        for name in self.users():
            self.db(0).acl_deluser(name)
