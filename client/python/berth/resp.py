# SPDX-License-Identifier: MIT
"""RESP2 and RESP3, as little as a client needs: write a request, read one reply of bounded size.

Whoever sits at the other end, a reply can cost this process no more than the limits below: nothing
is reserved because a header announces it, and what exceeds a limit is refused before it is read.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Union

from berth.errors import BerthError, ProtocolError, UnreachableError, error_from_reply

#: One reply, in bytes; ``LEASES`` of the 4096 leases a daemon allows is about 4 MiB.
REPLY_BYTES_MAX = 16 * 1024 * 1024
#: Values in one reply, nested ones included; ``LEASES`` in RESP2 is about 150,000.
REPLY_ITEMS_MAX = 1 << 19
#: Arrays in arrays.
REPLY_DEPTH_MAX = 8
#: A header, a simple string, an error.
LINE_BYTES_MAX = 64 * 1024

_RECV_BYTES = 64 * 1024
_INTEGER = re.compile(rb"[+-]?[0-9]{1,20}")
_BIG_INTEGER = re.compile(rb"[+-]?[0-9]{1,1000}")

#: What a request is made of.
Argument = Union[str, bytes, int]


def encode(*args: Argument) -> bytes:
    """One request: an array of bulk strings."""
    out = [b"*%d\r\n" % len(args)]
    for arg in args:
        data = arg if isinstance(arg, bytes) else str(arg).encode("utf-8", "surrogateescape")
        out.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(out)


def text(data: bytes | bytearray) -> str:
    """What came over the wire, as text; bytes that are no UTF-8 survive a round trip."""
    return data.decode("utf-8", "surrogateescape")


class _Skipped:
    """Something that is no reply: a push or an attribute."""


_SKIPPED = _Skipped()


class ReplyReader:
    """Reads replies, one by one, from ``recv`` (which returns ``b""`` at the end)."""

    def __init__(self, recv: Callable[[int], bytes]) -> None:
        self._recv = recv
        self._buffer = bytearray()
        self._bytes_left = 0
        self._items_left = 0

    def read(self) -> Any:
        """The next reply; an error reply is *returned*, as a BerthError.

        Maps are dicts, arrays and sets lists, strings ``str``. Pushes are passed over. Raises
        ProtocolError (the stream cannot be followed any further) and UnreachableError.
        """
        self._bytes_left = REPLY_BYTES_MAX
        self._items_left = REPLY_ITEMS_MAX
        while True:
            value = self._value(0)
            if value is not _SKIPPED:
                return value

    # -- bytes -------------------------------------------------------------------------------

    def _spend(self, count: int) -> None:
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise ProtocolError(f"a reply of more than {REPLY_BYTES_MAX} bytes is refused")

    def _more(self) -> None:
        data = self._recv(_RECV_BYTES)
        if not data:
            raise UnreachableError("berthd closed the connection")
        self._buffer += data

    def _line(self) -> bytes:
        searched = 0
        while True:
            end = self._buffer.find(b"\r\n", searched)
            if end > LINE_BYTES_MAX or (end < 0 and len(self._buffer) > LINE_BYTES_MAX):
                raise ProtocolError(f"a line of more than {LINE_BYTES_MAX} bytes is refused")
            if end >= 0:
                break
            searched = max(0, len(self._buffer) - 1)
            self._more()
        self._spend(end + 2)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _bulk(self, header: bytes) -> bytes:
        length = self._count(header)
        self._spend(length + 2)
        while len(self._buffer) < length + 2:
            self._more()
        if self._buffer[length : length + 2] != b"\r\n":
            raise ProtocolError("a bulk string is longer than its header says")
        data = bytes(self._buffer[:length])
        del self._buffer[: length + 2]
        return data

    # -- values ------------------------------------------------------------------------------

    def _count(self, digits: bytes) -> int:
        if not digits.isdigit() or len(digits) > 10:
            raise ProtocolError(f"{digits[:20]!r} is no length")
        return int(digits)

    def _items(self, header: bytes, each: int) -> int:
        count = self._count(header) * each
        if count > self._items_left:
            raise ProtocolError(f"a reply of more than {REPLY_ITEMS_MAX} values is refused")
        return count

    def _value(self, depth: int) -> Any:
        if depth > REPLY_DEPTH_MAX:
            raise ProtocolError(f"a reply nested deeper than {REPLY_DEPTH_MAX} is refused")
        self._items_left -= 1
        if self._items_left < 0:
            raise ProtocolError(f"a reply of more than {REPLY_ITEMS_MAX} values is refused")
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind in _SCALARS:
            return _SCALARS[kind](rest)
        if kind in (b"$", b"*") and rest == b"-1":
            return None
        if kind in (b"$", b"=", b"!"):
            return _BULKS[kind](self._bulk(rest))
        if kind in (b"*", b"~"):
            return self._array(self._items(rest, 1), depth)
        if kind == b"%":
            return self._map(self._items(rest, 2), depth)
        if kind == b">":
            self._array(self._items(rest, 1), depth)
            return _SKIPPED
        if kind == b"|":
            self._map(self._items(rest, 2), depth)
            return _SKIPPED
        raise ProtocolError(f"a reply cannot begin with {kind!r}")

    def _inner(self, depth: int) -> Any:
        while True:
            value = self._value(depth + 1)
            if value is not _SKIPPED:
                return value

    def _array(self, count: int, depth: int) -> list[Any]:
        return [self._inner(depth) for _ in range(count)]

    def _map(self, count: int, depth: int) -> dict[Any, Any]:
        result = {}
        for _ in range(count // 2):
            key = self._inner(depth)
            if isinstance(key, (list, dict, BerthError)):
                raise ProtocolError("a map's field must be a plain value")
            result[key] = self._inner(depth)
        return result


def _simple(rest: bytes) -> str:
    return text(rest)


def _error(rest: bytes) -> BerthError:
    return error_from_reply(text(rest))


def _number(form: re.Pattern[bytes]) -> Callable[[bytes], int]:
    def number(rest: bytes) -> int:
        if not form.fullmatch(rest):
            raise ProtocolError(f"{rest[:20]!r} is no integer")
        return int(rest)

    return number


def _double(rest: bytes) -> float:
    try:
        return float(rest)
    except ValueError:
        raise ProtocolError(f"{rest[:20]!r} is no number") from None


def _null(rest: bytes) -> None:
    if rest:
        raise ProtocolError("null has no value")


def _boolean(rest: bytes) -> bool:
    if rest not in (b"t", b"f"):
        raise ProtocolError(f"{rest[:20]!r} is neither true nor false")
    return rest == b"t"


def _verbatim(data: bytes) -> str:
    if data[3:4] != b":":
        raise ProtocolError("a verbatim string begins with its format")
    return text(data[4:])


_SCALARS: dict[bytes, Callable[[bytes], Any]] = {
    b"+": _simple,
    b"-": _error,
    b":": _number(_INTEGER),
    b"(": _number(_BIG_INTEGER),
    b",": _double,
    b"_": _null,
    b"#": _boolean,
}

_BULKS: dict[bytes, Callable[[bytes], Any]] = {
    b"$": text,
    b"=": _verbatim,
    b"!": _error,
}
