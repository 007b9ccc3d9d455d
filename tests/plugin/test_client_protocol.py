# SPDX-License-Identifier: MIT
"""The Python client against the tables and vectors of proto/, and against hostile replies."""

from __future__ import annotations

import json
import re
import resource

import berth
import pytest
from berth import resp

from harness import headers, places

# -- the tables of proto/


def test_there_is_one_exception_for_each_error_code():
    ours = {code: cls.retry for code, cls in berth.BY_CODE.items()}

    assert ours == {code: retry for code, (_, retry) in headers.errors().items()}


def test_an_error_reply_raises_the_exception_of_its_code():
    for code, cls in berth.BY_CODE.items():
        error = read(f"-{code} what was wanted, what stands in the way\r\n".encode())

        assert type(error) is cls
        assert error.code == code
        assert str(error) == "what was wanted, what stands in the way"


def test_a_code_that_is_not_known_yet_is_a_plain_error_that_keeps_it():
    error = read(b"-TOONEW come back later\r\n")

    assert type(error) is berth.BerthError
    assert (error.code, error.retry, str(error)) == ("TOONEW", False, "come back later")


# -- golden vectors


def unescape(source: str) -> bytes:
    """BYTES as proto/vectors/requests.txt defines them."""
    plain = {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\", "s": b" "}
    out = b""
    for part in re.findall(r"\\x..|\\\(\d+ .\)|\\.|[^\\]+", source, re.DOTALL):
        if part.startswith("\\x"):
            out += bytes.fromhex(part[2:])
        elif part.startswith("\\("):
            count, char = re.fullmatch(r"\\\((\d+) (.)\)", part).groups()
            out += int(count) * char.encode()
        else:
            out += plain[part[1]] if part[0] == "\\" else part.encode()
    return out


def cases(file: str) -> list[dict[str, list[str]]]:
    """Each case as word → the rests of its lines."""
    found: list[dict[str, list[str]]] = []
    for line in (places.REPO / "proto" / "vectors" / file).read_text().splitlines():
        word, _, rest = line.partition(" ")
        if word == "case":
            found.append({"case": [rest]})
        elif line and not line.startswith("#"):
            found[-1].setdefault(word, []).append(rest)
    return found


def name(case) -> str:
    return case["case"][0]


def comparable(value):
    """A reply as the vectors' JSON writes it."""
    if isinstance(value, berth.BerthError):
        return {"-": f"{value.code} {value}"}
    if isinstance(value, list):
        return [comparable(v) for v in value]
    if isinstance(value, dict):
        return {k: comparable(v) for k, v in value.items()}
    return value


def read(data: bytes):
    return reader_of(data).read()


def reader_of(data: bytes, step: int = 0) -> resp.ReplyReader:
    """A reader of these bytes, `step` at a time (0: all that it asks for)."""
    chunks = [data[i : i + step] for i in range(0, len(data), step)] if step else [data]
    return resp.ReplyReader(lambda size: chunks.pop(0) if chunks else b"")


REPLIES = [
    pytest.param(unescape(case[version][0]), json.loads(value[0]), id=f"{version}: {name(case)}")
    for case in cases("replies.txt")
    for version, value in (
        ("resp2", case.get("value2")),
        ("resp3", case.get("value3") or case.get("value2")),
    )
    if version in case and value
]


@pytest.mark.parametrize("data, value", REPLIES)
@pytest.mark.parametrize("step", [0, 1])
def test_a_golden_reply_is_understood(data, value, step):
    if isinstance(value, dict) and ">" in value:  # a push: passed over, the reply comes after it
        assert reader_of(data + b"+PONG\r\n", step).read() == "PONG"
    else:
        assert comparable(reader_of(data, step).read()) == value


def test_the_vectors_were_found():
    assert len(REPLIES) > 20


CANONICAL = [case for case in cases("requests.txt") if name(case).startswith("canonical:")]


@pytest.mark.parametrize("case", CANONICAL, ids=name)
def test_a_golden_request_is_written(case):
    (request,) = case["req"]
    args = [b"" if arg == '""' else unescape(arg) for arg in request.split(" ")]

    assert resp.encode(*args) == b"".join(map(unescape, case["in"]))


# -- RESP3 beyond what berthd writes today


@pytest.mark.parametrize(
    "data, value",
    [
        (b"_\r\n", None),
        (b"#t\r\n", True),
        (b",2.5\r\n", 2.5),
        (b"(123456789012345678901234567890\r\n", 123456789012345678901234567890),
        (b"=7\r\ntxt:abc\r\n", "abc"),
        (b"~2\r\n:1\r\n:2\r\n", [1, 2]),
        (b"%1\r\n+a\r\n%1\r\n+b\r\n_\r\n", {"a": {"b": None}}),
        (b"|1\r\n+ttl\r\n:3600\r\n*1\r\n|1\r\n+x\r\n:1\r\n:7\r\n", [7]),
        (b"*2\r\n>1\r\n+news\r\n:1\r\n:2\r\n", [1, 2]),
        (b"$4\r\nab\xff\r\r\n", "ab\udcff\r"),
    ],
)
def test_a_reply_of_resp3_is_understood(data, value):
    assert read(data) == value
    assert reader_of(data, step=1).read() == value


# -- whoever answers


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"*2147483647\r\n",
        b"%2147483647\r\n",
        b"$2147483647\r\n",
        b"$-2\r\n",
        b"$ 1\r\na\r\n",
        b"$99999999999999999999\r\n",
        b"$1\r\nabc\r\n",
        b":1.5\r\n",
        b":" + b"9" * 30 + b"\r\n",
        b"(" + b"9" * 5000 + b"\r\n",
        b",nonsense\r\n",
        b"#x\r\n",
        b"_0\r\n",
        b"=2\r\nab\r\n",
        b"%1\r\n*0\r\n:1\r\n",
        b"*1\r\n" * 100,
        b"|1\r\n+a\r\n" * 100,
        b"+" + b"x" * 70000,
        b"\r\n",
    ],
)
def test_what_is_no_reply_or_too_large_is_refused(data):
    with pytest.raises(berth.ProtocolError):
        read(data)


def test_a_reply_without_end_is_refused_before_it_fills_the_memory():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    endless = {
        "bulks": (b"*400000\r\n", b"$1000\r\n" + b"x" * 1000 + b"\r\n"),
        "values": (b"", b"*100\r\n"),
        "pushes": (b"", b">1\r\n+x\r\n"),
    }

    for begin, again in endless.values():
        begun = iter([begin]) if begin else iter(())
        with pytest.raises(berth.ProtocolError):
            resp.ReplyReader(lambda size, b=begun, a=again: next(b, a * 50)).read()

    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200_000  # KiB; a bulk of 400 MB and endless pushes were offered


def test_the_end_of_the_stream_in_the_middle_of_a_reply_is_told():
    for data in (b"", b"$5\r\nab", b"*2\r\n:1\r\n", b"+OK"):
        with pytest.raises(berth.UnreachableError, match="closed the connection"):
            read(data)
