# SPDX-License-Identifier: MIT
"""One exception for each error code of berthd, and three for what the daemon cannot say itself.

The codes, their retry flags and their meanings are those of ``proto/errors.h``; a test compares
the two lists, so that they cannot drift apart.
"""

from __future__ import annotations


class BerthError(Exception):
    """Berthd said no.

    ``code`` is the word on the wire, ``retry`` says whether the same request may succeed later
    without anybody changing anything. The text is the daemon's, for a person. A code that this
    client does not know yet is raised as a plain BerthError.
    """

    code: str = "ERR"
    retry: bool = False

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        if code:
            self.code = code


class RequestError(BerthError):
    """The request is not understood."""

    code = "ERR"


class UsageError(BerthError):
    """An argument is missing, unknown or malformed."""

    code = "USAGE"


class NoLeaseError(BerthError):
    """No such lease."""

    code = "NOLEASE"


class StaleError(BerthError):
    """The fence is not the lease's: somebody else holds it now."""

    code = "STALE"


class BusyError(BerthError):
    """The state does not allow this now."""

    code = "BUSY"
    retry = True


class WaitTimeoutError(BerthError, TimeoutError):
    """It was not done within its time."""

    code = "TIMEOUT"
    retry = True


class DriftError(BerthError):
    """It exists, but with another definition."""

    code = "DRIFT"


class InUseError(BerthError):
    """The name belongs to somebody else."""

    code = "INUSE"


class DeniedError(BerthError):
    """This uid may not do that."""

    code = "DENIED"


class LimitError(BerthError):
    """A limit is reached."""

    code = "LIMIT"


class NoTemplateError(BerthError):
    """No such template."""

    code = "NOTEMPLATE"


class BuildFailedError(BerthError):
    """The template's builder failed."""

    code = "BUILDFAILED"


class UnavailableError(BerthError):
    """A server that is needed cannot be reached."""

    code = "UNAVAILABLE"
    retry = True


class PostgresError(BerthError):
    """PostgreSQL refused."""

    code = "PGERR"


class RedisError(BerthError):
    """Redis refused."""

    code = "REDISERR"


class UnreachableError(BerthError, ConnectionError):
    """No daemon answers, or the connection to it is gone, and with it the leases it held.

    Not in ``proto/errors.h``: a daemon that is away cannot say so.
    """

    code = "UNREACHABLE"
    retry = True


class ProtocolError(BerthError):
    """What answers is not RESP, or more than this client is willing to keep in memory."""

    code = "PROTOCOL"


class OnceFailedError(BerthError):
    """What was to be run once was run by another one, and failed there.

    ``key`` is what was run, ``status`` the exit status that was told, ``holder`` who ran it. Not in
    ``proto/errors.h``: for the daemon it is an answer like any other.
    """

    code = "FAILED"

    def __init__(self, key: str, message: str, status: int, holder: str) -> None:
        super().__init__(f"{key} failed ({holder}): {message}")
        self.key = key
        self.message = message
        self.status = status
        self.holder = holder


#: The exception of each code that berthd sends.
BY_CODE: dict[str, type[BerthError]] = {
    cls.code: cls
    for cls in (
        RequestError,
        UsageError,
        NoLeaseError,
        StaleError,
        BusyError,
        WaitTimeoutError,
        DriftError,
        InUseError,
        DeniedError,
        LimitError,
        NoTemplateError,
        BuildFailedError,
        UnavailableError,
        PostgresError,
        RedisError,
    )
}


def error_from_reply(text: str) -> BerthError:
    """The exception for an error reply, ``CODE message``."""
    code, _, message = text.partition(" ")
    return BY_CODE.get(code, BerthError)(message, code)
