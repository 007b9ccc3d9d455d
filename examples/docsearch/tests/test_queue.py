# SPDX-License-Identifier: MIT
"""The queue is first in, first out, and loses nothing when a worker dies."""

from docsearch import queue


def test_an_empty_queue_gives_nothing() -> None:
    assert queue.length() == 0
    assert queue.take() is None


def test_first_in_first_out() -> None:
    for number in (3, 1, 2):
        queue.push(number)

    assert [queue.take() for _ in range(3)] == [3, 1, 2]


def test_what_was_taken_does_not_wait_any_more() -> None:
    queue.push(1)
    queue.take()

    assert queue.length() == 0


def test_what_a_dead_worker_had_taken_comes_back_in_front() -> None:
    for number in (1, 2, 3):
        queue.push(number)
    queue.take()
    queue.take()

    assert queue.recover() == 2
    assert [queue.take() for _ in range(3)] == [1, 2, 3]


def test_what_is_done_does_not_come_back() -> None:
    queue.push(1)
    queue.take()
    queue.done(1)

    assert queue.recover() == 0


def test_what_is_put_back_goes_to_the_end() -> None:
    for number in (1, 2):
        queue.push(number)
    queue.take()
    queue.put_back(1)

    assert [queue.take(), queue.take(), queue.take()] == [2, 1, None]
    assert queue.recover() == 2
