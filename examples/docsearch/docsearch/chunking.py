# SPDX-License-Identifier: MIT
"""Cuts a text into passages of a bounded number of words."""

from __future__ import annotations

import re
from collections.abc import Iterator

_BLANK_LINE = re.compile(r"\n\s*\n")


def split_into_chunks(text: str, max_words: int) -> list[str]:
    """Return the passages of *text*, none longer than *max_words* words.

    Paragraphs stay together where they fit; a paragraph that is too long is cut.
    """
    if max_words < 1:
        raise ValueError(f"max_words must be at least 1, not {max_words}")
    chunks: list[str] = []
    words: list[str] = []
    for piece in _pieces(text, max_words):
        if words and len(words) + len(piece) > max_words:
            chunks.append(" ".join(words))
            words = []
        words += piece
    if words:
        chunks.append(" ".join(words))
    return chunks


def _pieces(text: str, max_words: int) -> Iterator[list[str]]:
    for paragraph in _BLANK_LINE.split(text):
        words = paragraph.split()
        for start in range(0, len(words), max_words):
            yield words[start : start + max_words]
