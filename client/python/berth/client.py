# SPDX-License-Identifier: MIT
"""A blocking client of berthd on the standard library alone."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Mapping
from typing import Callable, Union

from berth.connection import Connection
from berth.errors import (
    BerthError,
    ProtocolError,
    UnavailableError,
    UnreachableError,
    WaitTimeoutError,
)
from berth.gate import Gate, GateRow, SharedEnum, enum_from, gate_from, run_once, shortened
from berth.lease import Lease, LeaseRow, Waiting, as_list, as_map, lease_from, row_from
from berth.resp import Argument, encode
from berth.template import Leak, Reset, SealedTemplate, TableDiff, TemplateRow, build

#: A lease, or its id, or ``run/worker``.
LeaseId = Union[Lease, Waiting, str]

#: Seconds that one WAIT is given; longer waits are several (the protocol's maximum is 600 s).
_POLL = 60.0
#: Seconds that the daemon may wait for the lock under which enums are made: the most of enum_wait_ms.
_ENUM_WAIT = 3600.0
#: Seconds that sealing, resetting and noting a baseline may take.
_SLOT_WAIT = 3600.0
#: Seconds before a server that is away is asked for again.
_RETRY = 0.25


def socket_paths(given: str | os.PathLike[str] | None = None) -> list[str]:
    """Where berthd is looked for: `given`, else $BERTH_SOCKET, else where it listens by default."""
    named = os.fspath(given) if given else os.environ.get("BERTH_SOCKET")
    if named:
        return [named]
    system = "/run/berth/berth.sock"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if not runtime:
        return [system]
    own = os.path.join(runtime, "berth", "berth.sock")
    return [system, own] if os.geteuid() == 0 else [own, system]


def connect(
    socket: str | os.PathLike[str] | None = None,
    *,
    timeout: float = 10.0,
    resp: int = 3,
    reattach: float = 30.0,
) -> Client:
    """Connects to berthd.

    `socket` is the path of its Unix socket; without it $BERTH_SOCKET, else the default places
    are tried in turn. `timeout` is the seconds that an answer may take beyond what the request
    itself waits for; `reattach` the seconds for which a daemon that went away is looked for again.
    Raises UnreachableError, which names each path and what was wrong with it.
    """
    tried = []
    for path in socket_paths(socket):
        try:
            return Client(path, timeout, resp, reattach)
        except OSError as e:
            tried.append(f"{path}: {e.strerror or e}")
    raise UnreachableError("no daemon answers (" + "; ".join(tried) + ")")


class Client(Connection):
    """One connection to berthd; what it acquired or attached lives as long as it is open.

    A context manager: leaving it closes the connection. Threads may share a client; they take
    turns. A child that was forked may not use it: UnreachableError.

    When the daemon is started again the client comes back by itself, within `reattach` seconds,
    also when nobody asks it for anything: it attaches its leases to the new daemon, by their
    fences, and makes the request that was interrupted again. What is `lost` then is told to
    `on_lost`.
    """

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<berth.Client of {self.path}{', closed' if self._closed else ''}>"

    # -- leases --------------------------------------------------------------------------------

    def request(
        self,
        worker: str,
        *,
        run: str | None = None,
        template: str | None = None,
        kind: str | None = None,
        name: str | None = None,
        redis: str | None = None,
        ttl: float | None = None,
        wait: float | None = None,
        detach: bool = False,
        label: str | None = None,
    ) -> Lease | Waiting:
        """One ACQUIRE: the lease of (run, worker), held, to be built in, or still waited for.

        Without `wait` it answers at once. The place in the queue is kept while this client is
        open; ask again with get(). Everything else is as in acquire().
        """
        args: list[Argument] = ["ACQUIRE", worker]
        for word, value in (
            ("RUN", run),
            ("TEMPLATE", template),
            ("KIND", kind),
            ("NAME", name),
            ("REDIS", redis),
            ("TTL", _ms(ttl)),
            ("WAIT", _ms(wait)),
            ("LABEL", label),
        ):
            if value is not None:
                args += [word, value]
        if detach:
            args.append("DETACH")
        with self._turn():
            lease = lease_from(self.command(*args, wait=wait or 0.0))
            if not detach:
                self._hold(lease)
        return lease

    def acquire(
        self,
        worker: str,
        *,
        run: str | None = None,
        template: str | None = None,
        kind: str | None = None,
        name: str | None = None,
        redis: str | None = None,
        ttl: float | None = None,
        wait: float | None = None,
        detach: bool = False,
        label: str | None = None,
        on_wait: Callable[[str], None] | None = None,
        build: Callable[[Lease], object] | None = None,
    ) -> Lease:
        """The lease of (run, worker), taken or, if it is already held, the same one again.

        worker    who asks, such as "gw0"
        run       the test session it belongs to ("default" if not given)
        template  the key (see template_key()) of what the slot is to hold. Of all that ask for one
                  that is not there yet, one gets a lease that ``is_builder``; BuildFailedError when
                  the builder that was waited for has failed
        kind      "schema" (default) or "database"
        name      exactly this schema (or database) name; InUseError if it is somebody else's
        redis     "acl", "index", "private" or "none"; the daemon's default if not given
        ttl       seconds a detached lease lives without being renewed
        wait      seconds until it must be held (then WaitTimeoutError, or UnavailableError if a
                  server is still away); without end if not given
        detach    it outlives this client, until its ttl
        label     a text for ``berth ls``
        on_wait   called with what it waits for: after a second, and ever more seldom, each minute at last
        build     called with the lease if it is the builder, as in template_build()
        """
        until = _deadline(wait)
        poll = 1.0 if on_wait else _POLL
        while True:
            turn, last = _turn(until, poll)
            try:
                lease = self.request(
                    worker,
                    run=run,
                    template=template,
                    kind=kind,
                    name=name,
                    redis=redis,
                    ttl=ttl,
                    wait=turn,
                    detach=detach,
                    label=label,
                )
            except UnavailableError as e:
                if last:
                    raise
                why = str(e)
                time.sleep(_RETRY)
            else:
                if isinstance(lease, Lease):
                    if build is not None and lease.is_builder:
                        return self.template_build(lease, build, wait=wait)
                    return lease
                if last:
                    raise _not_in_time(lease, wait)
                why = lease.why or lease.state
            if on_wait:
                on_wait(why)
            poll = min(poll * 2, _POLL)

    def get(self, lease: LeaseId, *, wait: float = 0.0) -> Lease | Waiting:
        """The lease as it is now; `wait` is the seconds that may pass until it is held."""
        until = _deadline(wait)
        while True:
            turn, last = _turn(until, _POLL)
            words: tuple[Argument, ...] = ("WAIT", _ms(turn) or 0) if turn else ()
            with self._turn():
                found = lease_from(self.command("LEASE", _id(lease), *words, wait=turn))
                if found.id in self._held:
                    self._hold(found)
            if last or isinstance(found, Lease):
                return found

    def renew(self, lease: LeaseId, ttl: float | None = None) -> float:
        """Starts the lease's time again; the seconds left."""
        words: tuple[Argument, ...] = () if ttl is None else ("TTL", _ms(ttl) or 0)
        left = self.command("RENEW", _id(lease), *words)
        if not isinstance(left, int):
            raise ProtocolError(f"RENEW answers an integer, not {left!r:.40}")
        return left / 1000

    def release(self, lease: LeaseId, keep: float | None = None) -> None:
        """Gives the lease back; `keep` pins its state for so many seconds, for a look."""
        words: tuple[Argument, ...] = () if keep is None else ("KEEP", _ms(keep) or 0)
        with self._turn():
            self.command("RELEASE", _id(lease), *words)
            self._let_go(_id(lease))

    def detach(self, lease: LeaseId) -> None:
        """Lets the lease outlive its connections, until its ttl."""
        with self._turn():
            self.command("DETACH", _id(lease))
            self._let_go(_id(lease))

    def attach(self, lease: LeaseId, fence: int | None = None) -> Lease:
        """Binds the lease to this connection too; `fence` may be left out for a Lease.

        Raises StaleError if the slot has another holder by now.
        """
        if fence is None:
            if not isinstance(lease, Lease):
                raise TypeError("attach() needs the fence of a lease that is named by its id")
            fence = lease.fence
        with self._turn():
            attached = row_from(Lease, self.command("ATTACH", _id(lease), fence))
            self._hold(attached)
        return attached

    def leases(self, run: str | None = None, uid: int | None = None) -> list[LeaseRow]:
        """Who holds or waits for what, of one run or one uid if given."""
        args: list[Argument] = ["LEASES"]
        if run is not None:
            args += ["RUN", run]
        if uid is not None:
            args += ["UID", uid]
        return [row_from(LeaseRow, row) for row in as_list(self.command(*args))]

    # -- a clean slot --------------------------------------------------------------------------

    def reset(self, lease: LeaseId, *, force: bool = False) -> Reset:
        """Brings the slot back to its template, to what baseline() declared, or to nothing.

        Its Redis database is emptied. BusyError, with pid and query, when another session of the
        lease is in a transaction or at work; `force` ends those. Idle ones stay (not in a database,
        which is copied anew).
        """
        words: tuple[Argument, ...] = ("FORCE",) if force else ()
        return row_from(Reset, self.command("RESET", _id(lease), *words, wait=_SLOT_WAIT))

    def baseline(self, lease: LeaseId) -> None:
        """From now on reset() brings back what is in the schema now. Not for databases."""
        self.command("BASELINE", _id(lease), wait=_SLOT_WAIT)

    def diff(self, lease: LeaseId) -> list[TableDiff]:
        """The tables of the schema that hold something else than its baseline; what is committed."""
        rows = self.command("DIFF", _id(lease), wait=_SLOT_WAIT)
        return [row_from(TableDiff, row) for row in as_list(rows)]

    def leaks(self, lease: LeaseId) -> list[Leak]:
        """What the lease's role has outside of its schema, and its sessions and locks."""
        return [row_from(Leak, row) for row in as_list(self.command("LEAKS", _id(lease)))]

    def copy(self, lease: LeaseId, to: LeaseId) -> None:
        """Fills the schema of `to`, a lease without a template, with what is committed in this one."""
        self.command("COPY", _id(lease), _id(to), wait=_SLOT_WAIT)

    # -- templates -----------------------------------------------------------------------------

    def template_build(
        self, lease: Lease, fn: Callable[[Lease], object], *, wait: float | None = None
    ) -> Lease:
        """Builds the template: calls `fn` with the lease, seals, returns the lease as it is then.

        That has another schema, DSN, password and fence. What `fn` raises is raised, and an
        Exception is told to everybody who waits for the template: BuildFailedError. After a
        KeyboardInterrupt or the death of this process the next one builds it. `wait` is the seconds
        until the lease must be held once the template is sealed.
        """
        build(self, lease, fn)
        held = self.get(lease, wait=math.inf if wait is None else wait)
        if not isinstance(held, Lease):
            raise _not_in_time(held, wait)
        return held

    def template_seal(self, lease: LeaseId) -> SealedTemplate:
        """What is in the builder's slot now is the template; may be said again.

        Ends the sessions in the slot first. get() tells what the lease is afterwards. Raises
        DeniedError when the lease does not build one, BuildFailedError for what cannot be carried.
        """
        reply = self.command("TEMPLATE", "SEAL", _id(lease), wait=_SLOT_WAIT)
        return row_from(SealedTemplate, reply)

    def template_abort(self, lease: LeaseId, message: str | None = None) -> None:
        """Gives building up; the lease ends.

        With a message everybody who waits for the template is told that it failed; without one the
        next of them builds it.
        """
        words = () if message is None else (shortened(message),)
        self.command("TEMPLATE", "ABORT", _id(lease), *words)

    def template_list(self) -> list[TemplateRow]:
        """Every template that is known."""
        return [row_from(TemplateRow, row) for row in as_list(self.command("TEMPLATE", "LIST"))]

    def template_drop(self, key: str) -> None:
        """Removes it. InUseError while a lease of it is held or it is being built."""
        self.command("TEMPLATE", "DROP", key, wait=_SLOT_WAIT)

    # -- shared enums --------------------------------------------------------------------------

    def enum_ensure(self, name: str, labels: Iterable[str]) -> str:
        """Makes the shared enum type if it is not there: "created" or "exists".

        Name and labels are taken as they are. Raises DriftError, with the difference, when it is
        there with other labels; WaitTimeoutError when somebody else holds the lock under which
        enums are made for longer than the daemon's ``enum_wait_ms``.
        """
        return self._enum("ENSURE", name, labels)

    def enums_ensure(self, enums: Mapping[str, Iterable[str]]) -> dict[str, str]:
        """enum_ensure() for each name with its labels, all together: one round trip to PostgreSQL.

        Returns what each came to. Raises for the first that failed; the others are made all the
        same.
        """
        requests = [
            encode("ENUM", "ENSURE", name, *_texts(labels)) for name, labels in enums.items()
        ]
        replies = self._pipeline(requests, _ENUM_WAIT)
        for reply in replies:
            if isinstance(reply, BerthError):
                raise reply
        return dict(zip(enums, map(str, replies)))

    def enum_append(self, name: str, labels: Iterable[str]) -> str:
        """The same; labels that are missing are added at the end: "appended"."""
        return self._enum("APPEND", name, labels)

    def _enum(self, verb: str, name: str, labels: Iterable[str]) -> str:
        return str(self.command("ENUM", verb, name, *_texts(labels), wait=_ENUM_WAIT))

    def enums(self) -> list[SharedEnum]:
        """All enum types in the shared schema."""
        return [enum_from(row) for row in as_list(self.command("ENUM", "LIST"))]

    # -- the gate ------------------------------------------------------------------------------

    def once(
        self, key: str, fn: Callable[[], object], *, retry: bool = False, wait: float | None = None
    ) -> bool:
        """Calls `fn` unless another one has done so: of all that say `key`, on any host, one does.

        key    visible ASCII without spaces, 255 bytes at most
        fn     called without arguments, at most once. What it raises is raised; an Exception is
               the failure that everybody else is told; after a KeyboardInterrupt or the death of
               this process the next one calls its own
        retry  an earlier failure does not count (that of a run waited for does)
        wait   seconds to wait for another one's run, then WaitTimeoutError; without end if not given

        Returns whether it was called here. Raises OnceFailedError when it failed elsewhere,
        StaleError when the connection was lost while it ran and with it the claim: another one may
        have run it meanwhile. It uses a connection of its own, so `fn` may use this client.
        """
        with connect(self.path, timeout=self.timeout, reattach=self.reattach) as own:
            return run_once(own, key, fn, retry, wait)

    def once_enter(self, key: str, *, retry: bool = False, wait: float | None = 0.0) -> Gate:
        """Comes in, or says how it stands: the state is "run", "wait", "done" or "failed".

        "run" holds until once_done(), once_fail() or the end of this client: then the next one
        comes in. `wait` is the seconds to wait while another one runs it, None without end: then
        WaitTimeoutError when it is over. Without it the state may be "wait". With `retry` an
        earlier failure does not count, but that of a run that was waited for does.
        """
        until = _deadline(wait)
        turn = 0.0
        while True:
            words: tuple[Argument, ...] = ("RETRY",) if retry else ("WAIT", _ms(turn) or 0)
            try:
                gate = gate_from(self.command("ONCE", "ENTER", key, *words, wait=turn))
            except UnavailableError:
                if time.monotonic() >= until:
                    raise
                time.sleep(_RETRY)
            else:
                if gate.state != "wait" or wait == 0:
                    return gate
                if time.monotonic() >= until:
                    raise _still_running(key, gate, wait)
                retry = False  # from now on a failure is that of a run we waited for
            turn, _ = _turn(until, _POLL)

    def once_done(self, key: str, fence: int) -> None:
        """It was run, and well. StaleError when the fence is not that of the run under way."""
        self.command("ONCE", "DONE", key, fence)

    def once_fail(self, key: str, fence: int, message: str, status: int = 1) -> None:
        """It was run and failed; everybody else is told the message and the status (1 to 255)."""
        self.command("ONCE", "FAIL", key, fence, shortened(message), "STATUS", status)

    def once_forget(self, key: str) -> None:
        """Forgets how it went, so that the next one runs it. BusyError while it runs."""
        self.command("ONCE", "FORGET", key)

    def once_list(self) -> list[GateRow]:
        """Every key that was entered and not forgotten."""
        return [row_from(GateRow, row) for row in as_list(self.command("ONCE", "LIST"))]

    # -- the daemon ----------------------------------------------------------------------------

    def ping(self) -> None:
        """Returns if the daemon answers."""
        if self.command("PING") != "PONG":
            raise ProtocolError("PING was not answered by PONG")

    def info(self, section: str | None = None) -> dict[str, str]:
        """The daemon's counters and states, of one section if given."""
        reply = self.command("INFO", *(() if section is None else (section,)))
        if not isinstance(reply, str):
            raise ProtocolError("INFO answers text")
        lines = (line.partition(":") for line in reply.splitlines() if not line.startswith("#"))
        return {key: value for key, colon, value in lines if colon}

    def config(self, pattern: str = "*") -> dict[str, str]:
        """The settings in force whose names match the pattern; secrets read ``***``."""
        found = as_map(self.command("CONFIG", "GET", pattern))
        return {key: str(value) for key, value in found.items()}


def _texts(labels: Iterable[str]) -> Iterable[str]:
    if isinstance(labels, str):
        raise TypeError("labels are several texts, not one")
    return labels


def _id(lease: LeaseId) -> str:
    return lease if isinstance(lease, str) else lease.id


def _ms(seconds: float | None) -> int | None:
    """Seconds as the wire's milliseconds, rounded up so that little does not become nothing."""
    return None if seconds is None else -int(-seconds * 1000 // 1)


def _deadline(wait: float | None) -> float:
    return math.inf if wait is None else time.monotonic() + wait


def _turn(until: float, poll: float) -> tuple[float, bool]:
    """The seconds to wait in the next request, and whether it is the last one to wait in."""
    left = max(0.0, until - time.monotonic())
    return min(left, poll), left <= poll


def _not_in_time(lease: Waiting, wait: float | None) -> WaitTimeoutError:
    place = f" at position {lease.position}" if lease.position else ""
    return WaitTimeoutError(
        f"lease {lease.run}/{lease.worker} is still {lease.state}{place} after {wait:g} s"
        + (f": {lease.why}" if lease.why else "")
    )


def _still_running(key: str, gate: Gate, wait: float | None) -> WaitTimeoutError:
    return WaitTimeoutError(f"{key} is still being run by {gate.holder} after {wait:g} s")
