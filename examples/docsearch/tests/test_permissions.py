# SPDX-License-Identifier: MIT
"""Each level includes those below it; owners and administrators need none."""

import pytest
from sqlalchemy.orm import Session

from docsearch.enums import PermissionType
from docsearch.errors import PermissionDeniedError
from docsearch.models import Collection, User
from docsearch.services import accounts, collections, permissions

READ, WRITE, ADMIN = PermissionType


@pytest.mark.parametrize("level", PermissionType)
def test_the_owner_may_do_everything(
    session: Session, ada: User, library: Collection, level: PermissionType
) -> None:
    assert permissions.allowed(session, library, ada, level)


@pytest.mark.parametrize("level", PermissionType)
def test_a_stranger_may_do_nothing(
    session: Session, bob: User, library: Collection, level: PermissionType
) -> None:
    assert not permissions.allowed(session, library, bob, level)


@pytest.mark.parametrize(
    ("granted", "may"),
    [(READ, [READ]), (WRITE, [READ, WRITE]), (ADMIN, [READ, WRITE, ADMIN])],
)
def test_a_level_includes_those_below_it(
    session: Session,
    bob: User,
    library: Collection,
    granted: PermissionType,
    may: list[PermissionType],
) -> None:
    permissions.grant(session, library, bob, granted)

    assert [p for p in PermissionType if permissions.allowed(session, library, bob, p)] == may


def test_a_second_grant_replaces_the_first(
    session: Session, bob: User, library: Collection
) -> None:
    permissions.grant(session, library, bob, ADMIN)
    permissions.grant(session, library, bob, READ)
    session.commit()

    assert not permissions.allowed(session, library, bob, WRITE)


def test_what_is_revoked_is_gone(session: Session, bob: User, library: Collection) -> None:
    permissions.grant(session, library, bob, WRITE)
    permissions.revoke(session, library, bob)

    assert not permissions.allowed(session, library, bob, READ)


def test_the_refusal_says_who_may_not_do_what(
    session: Session, bob: User, library: Collection
) -> None:
    with pytest.raises(PermissionDeniedError, match=r"bob@example\.org may not write .* library"):
        permissions.require(session, library, bob, WRITE)


def test_an_administrator_reads_every_collection(
    session: Session, bob: User, library: Collection
) -> None:
    root = accounts.sign_up(session, "root@example.org", "Root", is_admin=True)
    other = collections.create(session, bob, "other")

    assert permissions.readable_ids(session, root) == [library.id, other.id]


def test_others_read_what_they_own_or_were_granted(
    session: Session, ada: User, bob: User, library: Collection
) -> None:
    own = collections.create(session, bob, "own")
    collections.create(session, ada, "secret")
    permissions.grant(session, library, bob, READ)

    assert permissions.readable_ids(session, bob) == [library.id, own.id]
