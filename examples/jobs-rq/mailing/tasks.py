# SPDX-License-Identifier: MIT
"""Subscribers, issues, and the jobs that send them. A job is one transaction; it may run again."""

from __future__ import annotations

from rq import Queue, Retry
from rq.job import Job

from mailing import post
from mailing.servers import database, queue


def subscribe(*addresses: str) -> None:
    with database() as db, db.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO subscribers (address) VALUES (%s)", [[address] for address in addresses]
        )


def publish(subject: str) -> int:
    """The number of a new issue."""
    with database() as db:
        row = db.execute("INSERT INTO issues (subject) VALUES (%s) RETURNING id", [subject])
        return int((row.fetchone() or ())[0])


def send(issue: int) -> list[Job]:
    """Puts a job into the queue for each subscriber who has not got the issue yet."""
    with database() as db:
        rows = db.execute(
            "SELECT id FROM subscribers s WHERE NOT bounced AND NOT EXISTS ("
            " SELECT FROM deliveries WHERE subscriber = s.id AND issue = %s) ORDER BY id",
            [issue],
        ).fetchall()
    return queue().enqueue_many(
        Queue.prepare_data(deliver, [issue, subscriber], retry=Retry(max=2))
        for (subscriber,) in rows
    )


def deliver(issue: int, subscriber: int) -> str:
    """One mail: "sent", "bounced" or "sent before". What else goes wrong leaves no trace."""
    with database() as db:
        mine = db.execute(
            "INSERT INTO deliveries VALUES (%s, %s) ON CONFLICT DO NOTHING", [issue, subscriber]
        )
        if mine.rowcount == 0:
            return "sent before"
        row = db.execute(
            "SELECT address, subject FROM subscribers s, issues i WHERE (s.id, i.id) = (%s, %s)",
            [subscriber, issue],
        )
        try:
            post.hand_in(*row.fetchone() or ())
        except post.BouncedError:
            db.rollback()
            db.execute("UPDATE subscribers SET bounced = true WHERE id = %s", [subscriber])
            return "bounced"
    return "sent"


def delivered(issue: int) -> list[str]:
    """Who has got it."""
    with database() as db:
        rows = db.execute(
            "SELECT address FROM deliveries JOIN subscribers ON subscriber = id WHERE issue = %s"
            " ORDER BY id",
            [issue],
        )
        return [address for (address,) in rows]
