# SPDX-License-Identifier: MIT
"""Collections have one name for each owner, and do not exist for strangers."""

import pytest
from sqlalchemy.orm import Session

from docsearch.enums import CollectionStatus, PermissionType
from docsearch.errors import DuplicateError, NotFoundError, PermissionDeniedError
from docsearch.models import Collection, User
from docsearch.services import collections, permissions


def test_a_new_collection_waits_for_documents(library: Collection) -> None:
    assert library.status is CollectionStatus.PENDING


def test_an_owner_has_one_collection_of_a_name(
    session: Session, ada: User, library: Collection
) -> None:
    with pytest.raises(DuplicateError, match="library"):
        collections.create(session, ada, "library")


def test_two_owners_may_use_the_same_name(session: Session, bob: User, library: Collection) -> None:
    assert collections.create(session, bob, "library").id != library.id


def test_a_stranger_is_told_that_there_is_no_such_collection(
    session: Session, bob: User, library: Collection
) -> None:
    with pytest.raises(NotFoundError):
        collections.get(session, bob, library.id)


def test_a_reader_can_get_it(session: Session, bob: User, library: Collection) -> None:
    permissions.grant(session, library, bob, PermissionType.READ)

    assert collections.get(session, bob, library.id) is library


def test_renaming_takes_more_than_writing(session: Session, bob: User, library: Collection) -> None:
    permissions.grant(session, library, bob, PermissionType.WRITE)

    with pytest.raises(PermissionDeniedError):
        collections.rename(session, bob, library, "mine now")


def test_a_name_that_is_taken_cannot_be_given(
    session: Session, ada: User, library: Collection
) -> None:
    attic = collections.create(session, ada, "attic")
    session.commit()

    with pytest.raises(DuplicateError):
        collections.rename(session, ada, attic, "library")

    session.expire_all()
    assert attic.name == "attic"


def test_a_source_is_made_once(session: Session, library: Collection) -> None:
    first = collections.source(session, library, "https://facts.example")

    assert collections.source(session, library, "https://facts.example") is first
