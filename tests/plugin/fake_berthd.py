# SPDX-License-Identifier: MIT
"""A berthd without servers: leases that lead nowhere, and refusals on demand, for the plugin alone.

What a real daemon can be brought to do is tested with the real one; this one says what a test wants
to hear, answers at once, and runs under every Python and pytest that the plugin supports.
"""

from __future__ import annotations

import socket
import threading
from pathlib import Path

LEASE_FIELDS = (
    "lease run worker state position kind template builder schema role dsn host port dbname user password options redis "
    "redis_url redis_host redis_port redis_socket redis_db redis_user redis_password fence "
    "expires_ms why"
).split()

ROW_FIELDS = (
    "lease run worker state position kind template builder schema role dbname redis redis_db fence uid pid label "
    "age_ms expires_ms connections"
).split()


class Refusal(Exception):
    """An error reply."""


def encode(value) -> bytes:
    """A reply in RESP2."""
    if isinstance(value, Refusal):
        return f"-{value}\r\n".encode()
    if value in ("OK", "PONG"):
        return f"+{value}\r\n".encode()
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, int):
        return f":{value}\r\n".encode()
    if isinstance(value, dict):
        value = [x for pair in value.items() for x in pair]
    if isinstance(value, list):
        return b"*%d\r\n" % len(value) + b"".join(map(encode, value))
    data = str(value).encode()
    return b"$%d\r\n%b\r\n" % (len(data), data)


class FakeBerthd:
    """Listens on `path` until close(). `on[verb]` may be set to a function(args) -> reply."""

    def __init__(self, path: Path, host: str = "db.example", redis: str = "acl"):
        self.path = path
        self.host = host
        self.redis = redis
        self.options: str | None = None  # where leases share a role
        self.requests: list[list[str]] = []
        self.leases: dict[str, dict] = {}
        self.holders: dict[str, set] = {}
        self.released: list[str] = []
        self.templates: dict[str, dict] = {}
        self.on: dict = {}
        self._lock = threading.Condition()
        self._made = 0
        self._sockets: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        for sock in self._sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join()
        self.path.unlink()

    def restart(self, forget: bool = False) -> None:
        """As if another took over: every connection breaks; its leases live on, or it knows none."""
        with self._lock:
            for holders in self.holders.values():
                holders.clear()
            if forget:
                self.leases.clear()
            broken, self._sockets = self._sockets, []
        for sock in broken:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def verbs(self) -> list[str]:
        return [request[0] for request in self.requests]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, sock.makefile("rb") as stream:
            try:
                while header := stream.readline():
                    if header.startswith(b"*"):
                        words = [self._word(stream) for _ in range(int(header[1:]))]
                    else:
                        words = header.decode().split()  # inline, as `berth run` asks
                    sock.sendall(encode(self._answer(words, sock)))
            except OSError:
                pass
            with self._lock:
                for key, holders in self.holders.items():
                    if sock in holders:
                        holders.discard(sock)
                        if not holders and key in self.leases:
                            self._end(key)

    def _word(self, stream) -> str:
        length = int(stream.readline()[1:])
        return stream.read(length + 2)[:-2].decode()

    def _answer(self, words: list[str], sock: socket.socket):
        verb, args = words[0].upper(), words[1:]
        with self._lock:
            self.requests.append(words)
            handler = self.on.get(verb) or getattr(self, f"_{verb.lower()}", None)
            if not handler:
                return Refusal(f"ERR unknown verb {verb}")
            try:
                return handler(args) if verb in self.on else handler(args, sock)
            except Refusal as e:
                return e

    # -- verbs

    def _hello(self, args, sock):
        return {"server": "berth", "version": "0.0-fake", "proto": 2}

    def _ping(self, args, sock):
        return "PONG"

    def _acquire(self, args, sock):
        worker, options = args[0], dict(zip(args[1::2], args[2::2]))
        key = f"{options.get('RUN', 'default')}/{worker}"
        if key not in self.leases:
            self._made += 1
            self.leases[key] = self._new(self._made, worker, options)
            self.holders[key] = set()
            if "TEMPLATE" in options:
                self.leases[key] |= {"template": options["TEMPLATE"], "state": "queued"}
        self.holders[key].add(sock)
        if self.leases[key]["state"] == "queued":
            self._queue(key, int(options.get("WAIT", 0)) / 1000)
        return self._seen(self.leases[key])

    def _queue(self, key: str, wait: float) -> None:
        """Until it is held, or builds, or the time is over. Raises what its builder failed with."""
        lease = self.leases[key]
        template = lease.setdefault(
            "waits for", self.templates.setdefault(lease["template"], {"state": "free"})
        )
        self._lock.wait_for(lambda: template["state"] != "building", wait)
        if template["state"] == "failed":
            self._end(key)
            raise Refusal(f"BUILDFAILED {template['message']}")
        if template["state"] == "free":
            template |= {"state": "building", "builder": key}
        if template["state"] == "sealed" or template["builder"] == key:
            lease["state"] = "held" if template["state"] == "sealed" else "building"

    def _seen(self, lease: dict) -> dict:
        """The lease's map: without a slot and with its builder as long as it is queued."""
        if lease["state"] != "queued":
            return {name: lease[name] for name in LEASE_FIELDS}
        run, _, worker = lease["waits for"]["builder"].rpartition("/")
        builder = f"run {run} worker {worker}, pid 1 on host fake"
        known = ("lease", "run", "worker", "state", "kind", "template")
        seen = dict.fromkeys(LEASE_FIELDS) | {name: lease[name] for name in known}
        why = f"template {lease['template']} is being built by {builder}"
        return seen | {"position": 1, "builder": builder, "why": why}

    def _end(self, key: str, message: str | None = None) -> None:
        """The lease is over, and with it what it builds; with a message that has failed."""
        lease = self.leases.pop(key)
        template = self.templates.get(lease["template"], {})
        if template.get("state") == "building" and template["builder"] == key:
            template |= {"state": "failed" if message else "free", "message": message}
            if message:
                del self.templates[lease["template"]]
        self._lock.notify_all()

    def _new(self, n: int, worker: str, options: dict) -> dict:
        name = options.get("NAME", f"test_fake_{n}")
        password = "s3cret"
        redis = options.get("REDIS", self.redis)
        directory = self.host.startswith("/")
        tail = "/app?host={}&port=5432" if directory else "{}:5432/app"
        lease = dict.fromkeys(LEASE_FIELDS)
        lease |= {
            "lease": f"fake-{n}",
            "run": options.get("RUN", "default"),
            "worker": worker,
            "state": "held",
            "position": 0,
            "kind": options.get("KIND", "schema"),
            "schema": name,
            "role": name,
            "dsn": f"postgresql://{name}:{password}@" + tail.format(self.host.replace("/", "%2F")),
            "host": self.host,
            "port": 5432,
            "dbname": "app",
            "user": name,
            "password": password,
            "options": self.options,
            "redis": redis,
            "fence": n,
            "expires_ms": 1000,
        }
        if redis != "none":
            lease |= {
                "redis_url": f"redis://{name}:{password}@cache.example:6379/{n}",
                "redis_host": "cache.example",
                "redis_port": 6379,
                "redis_db": n,
                "redis_user": name,
                "redis_password": password,
            }
        return lease

    def _find(self, name: str) -> str:
        for key, lease in self.leases.items():
            if name in (key, lease["lease"]):
                return key
        raise Refusal(f"NOLEASE no lease {name}")

    def _lease(self, args, sock):
        return self._seen(self.leases[self._find(args[0])])

    def _attach(self, args, sock):
        key = self._find(args[0])
        if self.leases[key]["fence"] != int(args[1]):
            raise Refusal(f"STALE lease {args[0]} has another fence")
        self.holders[key].add(sock)
        return self._seen(self.leases[key])

    def _release(self, args, sock):
        key = self._find(args[0])
        self.released.append(self.leases[key]["worker"])
        self._end(key)
        return "OK"

    def _template(self, args, sock):
        return getattr(self, f"_template_{args[0].lower()}")(*args[1:])

    def _template_seal(self, name):
        lease = self.leases[self._find(name)]
        if lease["state"] != "building":
            raise Refusal(f"DENIED lease {name} does not build a template")
        self._made += 1
        slot = self._new(self._made, lease["worker"], {"KIND": lease["kind"]})
        kept = {name: lease[name] for name in ("lease", "run", "template")}
        lease |= slot | kept
        self.templates[lease["template"]]["state"] = "sealed"
        self._lock.notify_all()
        sizes = {"tables": 1, "rows": 2, "bytes": 8192, "us": 3}
        return {"key": lease["template"], "kind": lease["kind"], **sizes}

    def _template_abort(self, name, message=None):
        self._end(self._find(name), message)
        return "OK"

    def _reset(self, args, sock):
        self._find(args[0])
        return {"tables": 1, "rows": 2, "sequences": 0, "rebuilt": 0, "us": 900}

    def _baseline(self, args, sock):
        self._find(args[0])
        return "OK"

    def _leases(self, args, sock):
        rows = []
        for key, lease in self.leases.items():
            if len(args) < 2 or lease["run"] == args[1]:
                row = {field: lease.get(field) for field in ROW_FIELDS}
                row |= {"uid": 0, "pid": 1, "age_ms": 1, "connections": len(self.holders[key])}
                rows.append(row)
        return rows
