# SPDX-License-Identifier: MIT
"""One lease of one template, dirtied and reset again and again, as a worker's is by its tests."""

from __future__ import annotations

import psycopg

from harness.resp import Client, Map, as_map
from templates.house import House, same
from templates.shapes import SHAPES
from templates.state import difference


class Desk:
    """A held lease, what its slot was like when it was new, and a session in it."""

    def __init__(self, house: House, shape: str, **options):
        self.house, self.shape, self.options = house, shape, options
        self.client: Client = house.daemon.client()
        self.lease: Map = Map()
        self.sessions: list[psycopg.Connection] = []
        self.broken = False  # nobody knows what its slot is like
        self._open()

    def _open(self) -> None:
        self.lease = self.house.lease(self.client, self.shape, *SHAPES[self.shape], **self.options)
        self.before = self.house.state(self.lease)

    def close(self) -> None:
        self.hang_up()
        self.client.close()

    def hang_up(self) -> None:
        for session in self.sessions:
            session.close()
        self.sessions.clear()

    def as_new(self) -> Desk:
        """The desk when all is as it was, or another with a lease of its own in its place."""
        self.hang_up()
        held_back = self.admin("SELECT gid FROM pg_prepared_xacts WHERE owner = '@schema@'")
        for (gid,) in held_back:
            self.admin(f"ROLLBACK PREPARED '{gid}'")
        if not self.broken and not held_back and not self.is_dirty() and self.lets_in():
            return self
        self.close()
        return Desk(self.house, self.shape, **self.options)

    def lets_in(self) -> bool:
        """Whether the lease's DSN works."""
        try:
            psycopg.connect(self.lease.dsn).close()
            return True
        except psycopg.OperationalError:
            return False

    # What a test does.

    def connect(self) -> psycopg.Connection:
        """One more session of the role; closed when the desk is used the next time."""
        self.sessions.append(psycopg.connect(self.lease.dsn, autocommit=True))
        return self.sessions[-1]

    def sql(self, *texts: str) -> list[tuple]:
        """Each text a transaction, in one session that is closed again; the rows of the last."""
        with psycopg.connect(self.lease.dsn, autocommit=True) as session:
            for text in texts:
                cursor = session.execute(text.replace("@schema@", self.lease.schema))
            return cursor.fetchall() if texts and cursor.description else []

    def admin(self, text: str) -> list[tuple]:
        return self.house.pg.sql(text.replace("@schema@", self.lease.schema))

    def reset(self, *words: str) -> Map:
        try:
            return as_map(self.client("RESET", self.lease.lease, *words))
        except TimeoutError:
            self.broken = True
            raise

    def is_dirty(self) -> bool:
        return bool(difference(self.before, self.house.state(self.lease)))

    def is_clean(self) -> None:
        """Asserts that all is as it was."""
        same(self.before, self.house.state(self.lease))

    def comes_back(self, *texts: str, rebuilt: bool | None = None) -> Map:
        """Does what texts say, asserts that it shows, resets, asserts that it does not show any more."""
        self.sql(*texts)
        assert self.is_dirty(), "the test does nothing that shows"
        said = self.reset()
        self.is_clean()
        if rebuilt is not None:
            assert said.rebuilt == rebuilt, said
        return said
