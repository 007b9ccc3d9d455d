# SPDX-License-Identifier: MIT
"""Texts are cut between paragraphs where that can be, and between words where it must be."""

import pytest

from docsearch.chunking import split_into_chunks


def test_a_short_text_is_one_chunk() -> None:
    assert split_into_chunks("just a few words", 10) == ["just a few words"]


def test_an_empty_text_has_no_chunks() -> None:
    assert split_into_chunks(" \n\n ", 10) == []


def test_paragraphs_stay_whole() -> None:
    assert split_into_chunks("one two three\n\nfour five", 4) == ["one two three", "four five"]


def test_small_paragraphs_share_a_chunk() -> None:
    assert split_into_chunks("one\n\ntwo\n\nthree four", 4) == ["one two three four"]


def test_a_long_paragraph_is_cut() -> None:
    assert split_into_chunks("a b c d e", 2) == ["a b", "c d", "e"]


@pytest.mark.parametrize("size", [1, 3, 50])
def test_no_word_is_lost_whatever_the_size(size: int) -> None:
    text = "\n\n".join(" ".join(f"w{i}" for i in range(n)) for n in (1, 7, 3, 20))

    chunks = split_into_chunks(text, size)

    assert " ".join(chunks).split() == text.split()
    assert max(len(chunk.split()) for chunk in chunks) <= size


def test_a_chunk_of_no_words_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        split_into_chunks("text", 0)
