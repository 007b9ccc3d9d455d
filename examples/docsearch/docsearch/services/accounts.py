# SPDX-License-Identifier: MIT
"""Signs users up and in."""

from __future__ import annotations

import hashlib
import secrets

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from docsearch.errors import DuplicateError
from docsearch.models import ApiKey, User


def sign_up(session: Session, email: str, name: str, *, is_admin: bool = False) -> User:
    """Create a user; e-mail addresses are unique whatever their case."""
    user = User(email=email.strip().lower(), name=name, is_admin=is_admin)
    try:
        with session.begin_nested():
            session.add(user)
    except IntegrityError:
        raise DuplicateError(f"there is a user {user.email} already") from None
    return user


def issue_key(session: Session, user: User) -> str:
    """Make a key for *user*; it cannot be shown again."""
    secret = secrets.token_urlsafe(24)
    session.add(ApiKey(user_id=user.id, digest=_digest(secret)))
    session.flush()
    return secret


def revoke_key(session: Session, secret: str) -> bool:
    """Make a key worthless; return whether it was worth anything."""
    key = _find(session, secret)
    if key is None:
        return False
    key.revoked_at = func.now()
    session.flush()
    return True


def authenticate(session: Session, secret: str) -> User | None:
    """Return whose key that is, or None."""
    key = _find(session, secret)
    return None if key is None else key.user


def _find(session: Session, secret: str) -> ApiKey | None:
    return session.scalar(
        select(ApiKey).where(ApiKey.digest == _digest(secret), ApiKey.revoked_at.is_(None))
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
