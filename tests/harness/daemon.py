# SPDX-License-Identifier: MIT
"""One real berthd with its settings, its clients and workers, and the count of what it left."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path

import psycopg
import redis

from harness import places, process
from harness.log import Log
from harness.pg_server import LEASE_PASSWORD, PgServer
from harness.redis_server import RedisServer
from harness.resp import Client, Map
from harness.wait import SLOW, eventually, ms
from harness.worker import Worker

NOBODY = 65534

# Small and quick, so that stories see pools fill and run dry.
DEFAULTS = {"pool_schemas": 2, "pool_redis": 2, "drain_ms": ms(10000)}

# What may be in the daemon's directory when it is gone; the lock file is never unlinked.
REMAINS = {"log", "b.sock.lock"}

# What must not be seen by other users goes through the environment, not the command line.
SECRET = ("pg_dsn", "redis_url", "lease_role_password")

_SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
}


class Daemon:
    """A berthd of its own directory and socket on servers that may be shared.

    settings are berthd's keys; a value of None leaves the key out. env and args go to the process
    as they are, and so does the descriptor `handed`, as systemd would hand it over.
    """

    def __init__(self, pg: PgServer | None, redis_server: RedisServer | None, **settings):
        self.pg, self.redis = pg, redis_server
        self.dir = places.new_dir("d")
        self.socket = self.dir / "b.sock"
        self.log = Log(self.dir / "log")
        self.env: dict[str, str] = settings.pop("env", {})
        self.args: list = settings.pop("args", [])
        self.handed: int | None = settings.pop("handed", None)
        self.wrapper = shlex.split(os.environ.get("BERTHD_WRAPPER", "")) + settings.pop(
            "wrapper", []
        )
        self.settings = DEFAULTS | {"socket": self.socket}
        if pg:
            self.settings["pg_dsn"] = pg.dsn()
            if pg.lease_role:
                self.settings |= {"lease_role": pg.lease_role, "lease_role_password": LEASE_PASSWORD}
        if redis_server:
            self.settings["redis_url"] = redis_server.url()
            self.settings["redis_meta_db"] = redis_server.meta_db
        self.settings |= settings
        self.socket = Path(self.settings["socket"] or self.socket)
        self.process: subprocess.Popen | None = None
        self.expected_exit = 0
        self.clients: list[Client] = []
        self.workers: list[Worker] = []
        self.connections: list = []

    # Life.

    def spawn(self) -> subprocess.Popen:
        """Starts the process and does not wait for anything."""
        assert places.BERTHD.exists(), f"no {places.BERTHD}: build first, or set BERTHD"
        given = {k: str(v) for k, v in self.settings.items() if v is not None}
        argv = [*self.wrapper, str(places.BERTHD)]
        for key, value in given.items():
            if key not in SECRET:
                argv += ["--" + key.replace("_", "-"), value]
        env = {k: v for k, v in os.environ.items() if not k.startswith(("BERTH_", "PG"))}
        env = (
            _SANITIZERS
            | env
            | {"BERTH_CONFIG": "/dev/null"}
            | {f"BERTH_{k.upper()}": given[k] for k in SECRET if k in given}
        )
        with self.log.path.open("ab") as log:
            self.process = process.spawn(
                argv + [str(a) for a in self.args],
                handed=self.handed,
                env=env | self.env,
                stderr=log,
                stdout=log,
                cwd=self.dir,
            )
        return self.process

    def start(self) -> Daemon:
        self.spawn()
        return self.start_seen()

    def start_seen(self) -> Daemon:
        """Waits until a spawned daemon listens; it may still be connecting to its servers."""
        eventually(self._answers, 15, "berthd answers PING")
        return self

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"berthd ended with {self.process.returncode}:\n{self.log.tail()}")
        try:
            with Client(self.socket) as client:
                return client("PING") == "PONG"
        except (FileNotFoundError, ConnectionRefusedError):
            return False

    @property
    def pid(self) -> int:
        return self.process.pid

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self, sig: int = signal.SIGTERM) -> int:
        """Ends it; the exit status."""
        return process.stop(self.process, sig, 30 * SLOW)

    def leave(self) -> int:
        """SIGTERM, unless it is leaving already (a second one would cut that short)."""
        if not self.log.has(event="berthd.shutdown"):
            return self.stop()
        try:
            return self.process.wait(30 * SLOW)
        except subprocess.TimeoutExpired:
            return self.stop(signal.SIGKILL)

    def kill(self) -> None:
        """SIGKILL: what it made stays, for another runner to clear away."""
        self.expected_exit = -signal.SIGKILL
        self.stop(signal.SIGKILL)

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    # Clients.

    def client(self, timeout: float = 30.0, greet: bool = True) -> Client:
        """A new connection that has said PING; closed at the end of the test if not before.

        greet=False: it has said nothing yet, and must within FIRST_REQUEST_MS.
        """
        client = Client(self.socket, timeout * SLOW)
        self.clients.append(client)
        if greet:
            client("PING")
        return client

    @contextmanager
    def as_uid(self, uid: int = NOBODY):
        """Connections made inside belong to uid (the kernel notes it at connect()); needs root."""
        self.socket.chmod(0o666)
        os.seteuid(uid)
        try:
            yield
        finally:
            os.seteuid(0)

    def client_of(self, uid: int = NOBODY, greet: bool = True) -> Client:
        with self.as_uid(uid):
            return self.client(greet=greet)

    def spawn_worker(self) -> Worker:
        """A process of its own that leases, queries and can be killed."""
        worker = Worker(self.socket)
        self.workers.append(worker)
        return worker

    def redis_cli(self, *words, **kw) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["redis-cli", "-s", str(self.socket), *map(str, words)],
            capture_output=True,
            text=True,
            timeout=30 * SLOW,
            **kw,
        )

    def sql(self, lease: Map) -> psycopg.Connection:
        """A session in the slot, from the DSN and nothing else; closed at the test's end."""
        connection = psycopg.connect(lease.dsn, autocommit=True)
        self.connections.append(connection)
        return connection

    def kv(self, lease: Map) -> redis.Redis:
        """A client of the lease's Redis database, from its URL and nothing else."""
        client = redis.Redis.from_url(lease.redis_url, decode_responses=True)
        self.connections.append(client)
        return client

    def hang_up(self) -> None:
        """Every client and worker of this test goes away."""
        for worker in self.workers:
            worker.close()
        for one in [*self.clients, *self.connections]:
            one.close()
        self.workers.clear()
        self.clients.clear()
        self.connections.clear()

    # What the outside can see of it.

    def descriptors(self) -> int:
        return len(process.descriptors(self.pid))

    def memory(self) -> int:
        """Resident bytes; 0 under a sanitizer or valgrind, whose memory is not ours to judge."""
        if b"__asan_init" in places.BERTHD.read_bytes() or self.wrapper:
            return 0
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGESIZE")

    def private_servers(self) -> list[int]:
        return [p for p in process.children(self.pid) if "redis-server" in process.cmdline(p)]

    def ready(self) -> Daemon:
        """Waits until the first lease could be had: servers connected."""
        probe = self.client()
        lease = probe.acquire("probe", run="harness-probe")
        probe("RELEASE", lease.lease)
        probe.close()
        return self

    # The end.

    def finish(self) -> list[str]:
        """Hangs up, ends berthd, and returns everything that is not as it should be."""
        wrong: list[str] = []
        self.hang_up()
        if self.running():
            wrong += self._idle()
            self.leave()
        if self.process and self.process.returncode != self.expected_exit:
            wrong.append(f"exit status {self.process.returncode}, not {self.expected_exit}")
        if not os.environ.get("BERTHD_WRAPPER"):
            wrong += [f"stray line on stderr: {x}" for x in self._strays()[:40]]
        return wrong

    def files(self) -> list[str]:
        """What a berthd that ended well has not removed; ask when all that share it are gone."""
        if self.expected_exit or not self.process:
            return []
        return [f"file {p}" for p in self.dir.rglob("*") if p.name not in REMAINS]

    def _strays(self) -> list[str]:
        """Lines that are no log; one that did not come to run may say why to a person."""
        return [
            x for x in self.log.strays() if self.expected_exit <= 0 or not x.startswith("berthd: ")
        ]

    def _idle(self) -> list[str]:
        """With nobody connected, no attached lease and no client's descriptor may remain."""
        try:
            eventually(lambda: not process.accepted(self.pid, self.socket), 30)
        except AssertionError:
            return [f"descriptors of gone clients: {process.accepted(self.pid, self.socket)}"]
        return []


def left(pg: PgServer | None, redis_server: RedisServer | None, timeout: float = 10) -> list[str]:
    """What is still there in both servers after `timeout` seconds; empty as soon as nothing is."""
    found: list[str] = []

    def nothing() -> bool:
        found.clear()
        if pg:
            found.extend(pg.made() + pg.registry())
        if redis_server:
            found.extend(redis_server.left())
        return not found

    try:
        eventually(nothing, timeout)
    except AssertionError:
        pass
    return found
