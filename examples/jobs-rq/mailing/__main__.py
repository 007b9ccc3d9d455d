# SPDX-License-Identifier: MIT
"""python -m mailing migrate | subscribe ADDRESS… | send SUBJECT | work [--burst]"""

from __future__ import annotations

import argparse
from pathlib import Path

from rq import Worker

from mailing import tasks
from mailing.servers import database, queue

SCHEMA = Path(__file__).with_name("schema.sql")


def main() -> None:
    parser = argparse.ArgumentParser(prog="mailing", description=tasks.__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("migrate", help="create the tables")
    subscribe = commands.add_parser("subscribe", help="add subscribers")
    subscribe.add_argument("address", nargs="+")
    send = commands.add_parser("send", help="publish an issue and queue its mails")
    send.add_argument("subject")
    work = commands.add_parser("work", help="run jobs, each in a process forked for it")
    work.add_argument("--burst", action="store_true", help="until there are no more")
    arguments = parser.parse_args()

    if arguments.command == "migrate":
        with database() as db:
            db.execute(SCHEMA.read_text())
    elif arguments.command == "subscribe":
        tasks.subscribe(*arguments.address)
    elif arguments.command == "send":
        tasks.send(tasks.publish(arguments.subject))
    else:
        jobs = queue()
        Worker([jobs], connection=jobs.connection).work(
            burst=arguments.burst, logging_level="WARNING"
        )


if __name__ == "__main__":
    main()
