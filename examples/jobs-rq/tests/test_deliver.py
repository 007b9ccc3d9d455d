# SPDX-License-Identifier: MIT
"""The jobs as functions, in this process."""

from __future__ import annotations

import pytest
from rq import Queue

from mailing import post, tasks
from mailing.servers import database


def bounced() -> list[str]:
    with database() as db:
        return [a for (a,) in db.execute("SELECT address FROM subscribers WHERE bounced")]


def test_a_mail_is_sent() -> None:
    tasks.subscribe("ada@example.org")

    assert tasks.deliver(tasks.publish("Hello"), 1) == "sent"
    assert tasks.delivered(1) == ["ada@example.org"]


def test_a_mail_is_sent_once() -> None:
    tasks.subscribe("ada@example.org")
    issue = tasks.publish("Hello")
    tasks.deliver(issue, 1)

    assert tasks.deliver(issue, 1) == "sent before"
    assert tasks.delivered(issue) == ["ada@example.org"]


def test_who_is_not_there_is_not_written_to_again(jobs: Queue) -> None:
    tasks.subscribe("ada@example.org", "eve@nowhere.example")
    issue = tasks.publish("Hello")

    assert tasks.deliver(issue, 2) == "bounced"
    assert bounced() == ["eve@nowhere.example"]
    assert tasks.delivered(issue) == []
    assert [list(job.args) for job in tasks.send(tasks.publish("Again"))] == [[2, 1]]


def test_what_fails_leaves_no_trace() -> None:
    tasks.subscribe("bob@closed.example")

    with pytest.raises(post.ClosedError):
        tasks.deliver(tasks.publish("Hello"), 1)

    assert tasks.delivered(1) == []
    assert bounced() == []


def test_there_is_a_job_for_each_who_has_not_got_it(jobs: Queue) -> None:
    tasks.subscribe("ada@example.org", "bob@example.org", "cyd@example.org")
    issue = tasks.publish("Hello")
    tasks.deliver(issue, 2)

    assert [list(job.args) for job in tasks.send(issue)] == [[issue, 1], [issue, 3]]
    assert jobs.count == 2


@pytest.mark.parametrize("n", range(8))
def test_the_queue_is_nobody_elses(jobs: Queue, n: int) -> None:
    assert jobs.count == 0
    tasks.subscribe(*[f"{i}@example.org" for i in range(n)])
    assert tasks.publish("Hello") == 1

    tasks.send(1)

    assert jobs.count == n
