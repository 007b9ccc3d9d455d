# SPDX-License-Identifier: MIT
"""A small Redis protocol client, so that tests see the bytes and nothing resends them."""

from __future__ import annotations

import socket
import time

from harness.wait import eventually


class ReplyError(Exception):
    """An error reply: its code (the first word) and the message after it."""

    def __init__(self, line: str):
        super().__init__(line)
        self.code, _, self.message = line.partition(" ")


class Simple(str):
    """A simple string, told apart from a bulk."""


class Push(list):
    """A RESP3 push."""


class Map(dict):
    """A map whose fields are attributes: lease.schema."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def as_map(reply) -> Map:
    """A RESP3 map, or the flat array that stands for it in RESP2."""
    if isinstance(reply, dict):
        return Map(reply)
    assert isinstance(reply, list) and len(reply) % 2 == 0, f"no map: {reply!r}"
    return Map(zip(reply[::2], reply[1::2]))


def encode(*args) -> bytes:
    out = [b"*%d\r\n" % len(args)]
    for arg in args:
        data = arg if isinstance(arg, bytes) else str(arg).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(out)


class Client:
    """One connection. Call it with a command; it returns the reply or raises ReplyError."""

    def __init__(self, path, timeout: float = 30.0):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        try:
            self._connect(str(path), timeout)
        except OSError:
            self.sock.close()
            raise
        self.buffer = b""
        self.raw = b""  # the bytes of the last reply

    def _connect(self, path: str, timeout: float) -> None:
        """A full backlog is EAGAIN on a socket with a timeout, and only trying again helps."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                return self.sock.connect(path)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.005)

    def close(self) -> None:
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def __call__(self, *args):
        self.send(*args)
        return self.read()

    def send(self, *args) -> None:
        self.sock.sendall(encode(*args))

    def send_raw(self, data: bytes) -> None:
        self.sock.sendall(data)

    def read(self):
        """The next reply; raises ReplyError for an error, EOFError when the daemon has closed."""
        reply = self.read_any()
        if isinstance(reply, ReplyError):
            raise reply
        return reply

    def read_any(self):
        """The next reply, an error being a value."""
        self.raw = b""
        return self._value()

    def at_eof(self, timeout: float = 10.0) -> bool:
        """Whether the daemon closed the connection and nothing was left unread."""
        if self.buffer:
            return False
        self.sock.settimeout(timeout)
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def read_or_eof(self, timeout: float):
        """The code of the error that the daemon says before it closes, None if it just closes."""
        self.sock.settimeout(timeout)
        try:
            said = self.read_any()
        except (EOFError, ConnectionResetError):
            return None
        assert isinstance(said, ReplyError) and self.at_eof(), said
        return said.code

    def _more(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise EOFError("the daemon closed the connection")
        self.buffer += data

    def _line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            self._more()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        self.raw += line + b"\r\n"
        return line

    def _bytes(self, n: int) -> bytes:
        while len(self.buffer) < n + 2:
            self._more()
        data, end, self.buffer = self.buffer[:n], self.buffer[n : n + 2], self.buffer[n + 2 :]
        assert end == b"\r\n", f"a bulk of {n} bytes does not end with CRLF"
        self.raw += data + end
        return data

    def _value(self):
        line = self._line()
        kind, rest = line[:1], line[1:]
        text = rest.decode("utf-8", "surrogateescape")
        if kind == b"+":
            return Simple(text)
        if kind == b"-":
            return ReplyError(text)
        if kind == b":":
            return int(rest)
        if kind == b"_":
            return None
        if kind == b"#":
            return rest == b"t"
        if kind == b",":
            return float(rest)
        if kind in b"$=":
            return (
                None if rest == b"-1" else self._bytes(int(rest)).decode("utf-8", "surrogateescape")
            )
        if kind in b"*~":
            return None if rest == b"-1" else [self._value() for _ in range(int(rest))]
        if kind == b">":
            return Push(self._value() for _ in range(int(rest)))
        if kind == b"%":
            return Map((self._value(), self._value()) for _ in range(int(rest)))
        raise AssertionError(f"not RESP: {line!r}")

    # The verbs that nearly every story needs.

    def acquire(self, worker: str, *words, wait: int | None = 20000, **options) -> Map:
        """ACQUIRE; options are its words in lower case (run=, kind=, ttl=, …), detach=True."""
        return as_map(self(*acquire_words(worker, *words, wait=wait, **options)))

    def lease(self, lease: str, wait: int | None = None) -> Map:
        return as_map(self("LEASE", lease, *(() if wait is None else ("WAIT", wait))))

    def attach(self, lease: Map) -> Map:
        """As a holder does: again and again until a berthd that was started again has taken over."""

        def come_back() -> Map:
            try:
                return as_map(self("ATTACH", lease.lease, lease.fence))
            except ReplyError as e:
                assert e.code != "UNAVAILABLE"
                raise

        return eventually(come_back)

    def leases(self, *words) -> list[Map]:
        return [as_map(m) for m in self("LEASES", *words)]

    def info(self, *section) -> dict[str, str]:
        """INFO as a flat dictionary."""
        lines = self("INFO", *section).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line and line[0] != "#")


def acquire_words(worker: str, *words, wait: int | None = None, **options) -> list:
    out = ["ACQUIRE", worker, *words]
    for name, value in options.items():
        if name == "detach":
            out += ["DETACH"] if value else []
        elif value is not None:
            out += [name.upper(), value]
    return out + ([] if wait is None else ["WAIT", wait])
