# SPDX-License-Identifier: MIT
"""The command line: ``python -m docsearch add FILE…``, ``work``, ``search WORDS…``, ``report``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from docsearch import worker
from docsearch.database import SessionLocal
from docsearch.errors import DocsearchError
from docsearch.models import Collection, User
from docsearch.services import accounts, collections, documents, reports, search

ME = "me@localhost"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        with SessionLocal.begin() as session:
            options.run(session, options)
    except DocsearchError as error:
        print(f"docsearch: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="docsearch", description=__doc__)
    commands = parser.add_subparsers(required=True)
    add = commands.add_parser("add", help="take files into the collection")
    add.add_argument("files", nargs="+", type=Path)
    add.set_defaults(run=_add)
    find = commands.add_parser("search", help="search for words")
    find.add_argument("words", nargs="+")
    find.set_defaults(run=_search)
    commands.add_parser("work", help="do what waits in the queue").set_defaults(run=_work)
    commands.add_parser("report", help="say how things are").set_defaults(run=_report)
    return parser


def _me(session: Session) -> User:
    user = session.scalar(select(User).where(User.email == ME))
    return user or accounts.sign_up(session, ME, "Me")


def _add(session: Session, options: argparse.Namespace) -> None:
    me = _me(session)
    collection = session.scalar(
        select(Collection).where(Collection.owner_id == me.id)
    ) or collections.create(session, me, "files")
    for file in options.files:
        documents.ingest(
            session, me, collection, file.stem, file.read_text(), source=str(file.parent)
        )


def _search(session: Session, options: argparse.Namespace) -> None:
    for hit in search.search(session, _me(session), " ".join(options.words)):
        print(f"{hit.title}: {hit.passage}")


def _work(session: Session, options: argparse.Namespace) -> None:
    print(f"{worker.drain()} operations done")


def _report(session: Session, options: argparse.Namespace) -> None:
    for row in reports.collections(session):
        print(f"{row.name}: {row.status}, {row.indexed} of {row.documents} documents indexed")


if __name__ == "__main__":
    sys.exit(main())
