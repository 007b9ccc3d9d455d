# SPDX-License-Identifier: MIT
"""The engine, sessions, and what is to happen only after a commit."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import create_engine, event
from sqlalchemy.orm import Session, sessionmaker

from docsearch.settings import settings

engine = create_engine(settings.database_url, pool_pre_ping=True)
SessionLocal = sessionmaker(engine, expire_on_commit=False)

_AFTER_COMMIT = "docsearch.after_commit"


def after_commit(session: Session, action: Callable[[], object]) -> None:
    """Run *action* once *session* has committed; forget it if it rolls back.

    Redis hears of a change only when PostgreSQL has it: a worker that pops the id of an
    operation from the queue must find its row.
    """
    session.info.setdefault(_AFTER_COMMIT, []).append(action)


@event.listens_for(SessionLocal, "after_commit")
def _run_actions(session: Session) -> None:
    for action in session.info.pop(_AFTER_COMMIT, []):
        action()


@event.listens_for(SessionLocal, "after_rollback")
def _forget_actions(session: Session) -> None:
    session.info.pop(_AFTER_COMMIT, None)
