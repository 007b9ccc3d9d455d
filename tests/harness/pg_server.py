# SPDX-License-Identifier: MIT
"""A private PostgreSQL: started in a moment, restarted, paused and asked what is left in it."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

import psycopg

from harness import places, process
from harness.wait import eventually

DATABASE = "app"
DAEMON = "berthd"  # the role berthd logs in as
DAEMON_PASSWORD = "pg-secret-of-the-daemon"
LEASE_PASSWORD = "p@ss of all/leases"  # where they share a role
GRANTS = os.environ.get("BERTH_TEST_GRANTS") == "1"
LEASE_ROLE = os.environ.get("BERTH_TEST_LEASE_ROLE")

_CONF = """
listen_addresses = '127.0.0.1'
max_connections = {max_connections}
shared_buffers = 64MB
fsync = {fsync}
synchronous_commit = {fsync}
full_page_writes = {fsync}
wal_level = minimal
max_wal_size = 64MB  # in memory, mostly
min_wal_size = 32MB
max_wal_senders = 0
dynamic_shared_memory_type = mmap  # in the data directory: goes with it, however the server ends
autovacuum_naptime = 5s
jit = on
password_encryption = 'scram-sha-256'  # before 14 it is md5
log_line_prefix = '%m [%p] %q%u@%d '
{more}
"""

# The administrator is let in as he is; everybody else must know a password, as on a real server.
_HBA = """
local all postgres               trust
host  all postgres 127.0.0.1/32  trust
local all all                    scram-sha-256
host  all all      127.0.0.1/32  scram-sha-256
"""


@functools.cache
def _initialised() -> Path:
    """A data directory made once per test process; servers get copies."""
    path = places.new_dir("initdb")
    data = path / "data"
    if os.geteuid() == 0:
        shutil.chown(path, "postgres", "postgres")
    argv = [places.pg_bindir() / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"]
    argv += ["-E", "UTF8", "--locale", "C"]
    subprocess.run(
        process.tied(argv, user="postgres"), check=True, cwd=path, stdout=subprocess.DEVNULL
    )
    return data


class PgServer:
    """One postmaster with the database `app` and the role `berthd`; on a socket and a port.

    settings are postgresql.conf lines by name. superuser=False gives berthd's role what `berth grants`
    says and no more; so does BERTH_TEST_GRANTS=1, for every server. A lease_role is there, too, which all
    leases share, and then berthd's role may make none; BERTH_TEST_LEASE_ROLE is one for every server.
    """

    def __init__(
        self,
        superuser: bool = not GRANTS,
        max_connections: int = 300,
        lease_role: str | None = LEASE_ROLE,
        **settings,
    ):
        self.dir = places.new_dir("pg")
        self.data = self.dir / "data"
        self.log = self.dir / "log"
        self.port = process.free_port()
        self.superuser = superuser and lease_role is None
        self.lease_role = lease_role
        self.process: subprocess.Popen | None = None
        self._admin: dict[str, psycopg.Connection] = {}
        fsync = "on" if os.environ.get("BERTH_TEST_PG_FSYNC") == "1" else "off"
        subprocess.run(["cp", "-a", str(_initialised()), str(self.data)], check=True)
        more = "\n".join(f"{k} = '{v}'" for k, v in settings.items())
        conf = self.data / "postgresql.conf"
        conf.write_text(_CONF.format(max_connections=max_connections, fsync=fsync, more=more))
        (self.data / "pg_hba.conf").write_text(_HBA)
        if os.geteuid() == 0:
            shutil.chown(self.dir, "postgres", "postgres")
        self.start()
        self._furnish()

    def _furnish(self) -> None:
        self.sql(f"CREATE DATABASE {DATABASE}", db="postgres")
        if self.superuser:
            self.sql(f"CREATE ROLE {DAEMON} SUPERUSER LOGIN")
        else:
            self.sql(self.grants())
        self.sql(f"ALTER ROLE {DAEMON} PASSWORD '{DAEMON_PASSWORD}'")
        if self.lease_role:
            self.sql(f"ALTER ROLE \"{self.lease_role}\" PASSWORD '{LEASE_PASSWORD}'")

    def grants(self) -> str:
        """What `berth grants` says for a server of this version."""
        major = self.one("SHOW server_version_num", db="postgres")[:-4]
        argv = [places.BERTH, "grants", "--pg-version", major, "--role", DAEMON]
        if self.lease_role:
            argv += ["--lease-role", self.lease_role]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    # Life.

    def start(self) -> None:
        argv = [places.pg_bindir() / "postgres", "-D", self.data, "-p", self.port, "-k", self.dir]
        with self.log.open("ab") as log:
            self.process = process.spawn(
                argv, "QUIT", "postgres", cwd=self.dir, stderr=log, stdout=log
            )
        eventually(self._answers, 30, "PostgreSQL starts")

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"PostgreSQL died:\n{self.log.read_text()[-2000:]}")
        try:
            psycopg.connect(self.dsn("postgres", "postgres"), connect_timeout=5).close()
            return True
        except psycopg.OperationalError:
            return False

    def stop(self, mode: int = signal.SIGINT) -> None:
        """SIGINT: fast, SIGQUIT: immediate (as after a crash)."""
        for connection in self._admin.values():
            connection.close()
        self._admin.clear()
        process.stop(self.process, mode, 60)

    def restart(self, mode: int = signal.SIGINT) -> None:
        self.stop(mode)
        self.start()

    def pause(self) -> None:
        """Everything of the server stops, as on a machine that swaps."""
        for pid in [self.process.pid, *process.children(self.process.pid)]:
            os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        for pid in [*process.children(self.process.pid), self.process.pid]:
            os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.dir, ignore_errors=True)

    # Ways in.

    def dsn(
        self, user: str = DAEMON, db: str = DATABASE, password: str | None = None, tcp: bool = False
    ) -> str:
        if password is None and user == DAEMON:
            password = DAEMON_PASSWORD
        who = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
        if tcp:
            return f"postgresql://{who}@127.0.0.1:{self.port}/{db}"
        return f"postgresql://{who}@/{db}?host={quote(str(self.dir), safe='')}&port={self.port}"

    def connect(self, dsn: str | None = None, **kw) -> psycopg.Connection:
        """A connection of the administrator's (or dsn's), in autocommit; the caller closes it."""
        return psycopg.connect(dsn or self.dsn("postgres"), autocommit=True, **kw)

    def sql(self, text: str, *params, db: str = DATABASE) -> list[tuple]:
        """Runs text as the administrator; its rows, if it has any."""
        connection = self._admin.get(db)
        if connection is None or connection.closed:
            connection = self._admin[db] = self.connect(self.dsn("postgres", db))
        try:
            cursor = connection.execute(text, params or None)
            has_rows = cursor.pgresult.status == psycopg.pq.ExecStatus.TUPLES_OK  # without columns, too
            return cursor.fetchall() if has_rows else []
        except psycopg.OperationalError:
            connection.close()
            raise

    def one(self, text: str, *params, db: str = DATABASE):
        return self.sql(text, *params, db=db)[0][0]

    # What is in it.

    def schema_exists(self, name: str) -> bool:
        return self.one("SELECT count(*) FROM pg_namespace WHERE nspname = %s", name) > 0

    def role_exists(self, name: str) -> bool:
        return self.one("SELECT count(*) FROM pg_authid WHERE rolname = %s", name) > 0

    def database_exists(self, name: str) -> bool:
        return self.one("SELECT count(*) FROM pg_database WHERE datname = %s", name) > 0

    def sessions(self, role: str) -> int:
        return self.one("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", role)

    def made(self, prefix: str = "test_") -> list[str]:
        """Everything in the cluster that only berthd can have made: "kind name"."""
        like = prefix.replace("_", r"\_") + "%"
        rows = self.sql(
            """
            SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname LIKE %(like)s
            UNION ALL SELECT 'role ' || rolname FROM pg_authid WHERE rolname LIKE %(like)s
            UNION ALL SELECT 'database ' || datname FROM pg_database WHERE datname LIKE %(like)s
            UNION ALL SELECT 'large object ' || oid FROM pg_largeobject_metadata
            UNION ALL SELECT 'prepared transaction ' || gid FROM pg_prepared_xacts
            UNION ALL SELECT 'session of ' || coalesce(usename, 'a dropped role') || ': '
                             || coalesce(state, '?') || ' ' || left(query, 60)
                FROM pg_stat_activity WHERE backend_type = 'client backend'
                AND (usename LIKE %(like)s OR usename IS NULL AND usesysid IS NOT NULL)
            """.replace("%(like)s", f"'{like}'")
        )
        return [r[0] for r in rows]

    def registry(self) -> list[str]:
        """The rows of the registry: "table row"."""
        found = []
        for table in ("runner", "slot", "lease"):
            if self.one(f"SELECT to_regclass('berth.{table}') IS NOT NULL"):
                found += [
                    f"berth.{table} {r[0]}"
                    for r in self.sql(f"SELECT t::text FROM berth.{table} t")
                ]
        return found

    def scrub(self) -> None:
        """Removes by force what a failed test left, so that the next one starts clean."""
        self.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type ="
            " 'client backend' AND usename IS DISTINCT FROM 'postgres'"
        )
        self.sql("DROP SCHEMA IF EXISTS berth CASCADE")
        self.sql("SELECT lo_unlink(oid) FROM pg_largeobject_metadata")
        for (gid,) in self.sql("SELECT gid FROM pg_prepared_xacts"):
            self.sql(f"ROLLBACK PREPARED '{gid}'")
        for (name,) in self.sql(
            "SELECT quote_ident(datname) FROM pg_database WHERE datname LIKE 'test\\_%'"
        ):
            self.sql(f"DROP DATABASE {name} WITH (FORCE)")
        for (name,) in self.sql(
            "SELECT quote_ident(nspname) FROM pg_namespace WHERE nspname LIKE 'test\\_%'"
        ):
            self.sql(f"DROP SCHEMA {name} CASCADE")
        for (name,) in self.sql(
            "SELECT quote_ident(rolname) FROM pg_authid WHERE rolname LIKE 'test\\_%'"
        ):
            self.sql(f"DROP OWNED BY {name} CASCADE")
            self.sql(f"DROP ROLE {name}")
