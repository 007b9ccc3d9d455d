# SPDX-License-Identifier: MIT
"""Keys of templates: a fingerprint of files, the same on every machine that has the same ones."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator

_READ_BYTES = 64 * 1024
#: What Python leaves beside its sources; it differs though they do not.
_BYTE_CODE = ("__pycache__", ".pyc")


def template_key(*paths: str | os.PathLike[str], extra: str | Iterable[str] = ()) -> str:
    """The key of what these files build: 64 hexadecimal digits.

    paths  files, and directories with all that is in them but for hidden files and byte code. Their
           contents count and their names, from the directory on that holds all of them; neither
           where that is counts nor the order in which they are given
    extra  texts on which the outcome depends, too: a command, a version

    Without `extra` it is what ``berth template key FILES…`` prints for the same files. Raises
    OSError for what cannot be read, and ValueError when there is nothing to make a key of.
    """
    texts = [extra] if isinstance(extra, str) else list(extra)
    files = sorted({_absolute(file) for path in paths for file in _files(os.fspath(path))})
    if not files and not texts:
        raise ValueError("nothing to make a key of: no file is in " + _list(paths))
    key = _of_files(files)
    if not texts:
        return key
    return _sha256([line.encode() + b"\n" for line in (key, *map(_of_text, texts))])


def is_byte_code(name: str) -> bool:
    """Whether a file or directory of this name is something that Python has made."""
    return name.endswith(_BYTE_CODE)


def _list(paths: Iterable[str | os.PathLike[str]]) -> str:
    return ", ".join(os.fspath(path) for path in paths) or "no path"


def _files(path: str, above: tuple[str, ...] = ()) -> Iterator[str]:
    """The file, or the files in the directory; one that links lead back to counts once."""
    if not os.path.isdir(path):
        yield path
        return
    real = os.path.realpath(path)
    if real in above:
        return
    for name in os.listdir(path):
        if not name.startswith(".") and not is_byte_code(name):
            yield from _files(os.path.join(path, name), (*above, real))


def _absolute(path: str) -> bytes:
    """From the root on, without "//", "." and ".."; links are not followed."""
    return b"/" + os.fsencode(os.path.abspath(path)).lstrip(b"/")


def _of_files(files: list[bytes]) -> str:
    """SHA-256 of what sha256sum prints for them in the directory that holds all of them."""
    start = _common(files)
    return _sha256([_line(path, path[start:]) for path in files])


def _common(files: list[bytes]) -> int:
    """The length of the directory that holds all of them, its "/" included. They are sorted."""
    if not files:
        return 0
    first, last = files[0], files[-1]
    same = next((i for i, (a, b) in enumerate(zip(first, last)) if a != b), len(first))
    return first.rfind(b"/", 0, same) + 1


def _line(path: bytes, name: bytes) -> bytes:
    if b"\n" in path or b"\\" in path:
        raise ValueError(f"{os.fsdecode(path)!r}: no backslash or newline in a name")
    digest = hashlib.sha256()
    with open(os.fsdecode(path), "rb") as file:
        while data := file.read(_READ_BYTES):
            digest.update(data)
    return digest.hexdigest().encode() + b"  " + name + b"\n"


def _of_text(text: str) -> str:
    return _sha256([text.encode("utf-8", "surrogateescape")])


def _sha256(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
