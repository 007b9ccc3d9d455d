# SPDX-License-Identifier: MIT
"""People sign up once, and sign in with keys that can be revoked."""

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from docsearch.errors import DuplicateError
from docsearch.models import ApiKey, User
from docsearch.services import accounts


def test_the_first_user_has_number_one(ada: User) -> None:
    assert ada.id == 1


def test_an_address_is_kept_in_lower_case(session: Session) -> None:
    assert accounts.sign_up(session, " Eve@Example.ORG", "Eve").email == "eve@example.org"


def test_an_address_cannot_sign_up_twice(session: Session, ada: User) -> None:
    with pytest.raises(DuplicateError, match=r"ada@example\.org"):
        accounts.sign_up(session, "ADA@example.org", "Another Ada")


def test_a_refused_sign_up_leaves_the_session_usable(session: Session, ada: User) -> None:
    with pytest.raises(DuplicateError):
        accounts.sign_up(session, ada.email, "Another Ada")

    accounts.sign_up(session, "eve@example.org", "Eve")
    session.commit()

    assert session.scalar(select(func.count()).select_from(User)) == 2


def test_a_key_signs_its_user_in(session: Session, ada: User, bob: User) -> None:
    key = accounts.issue_key(session, bob)

    assert accounts.authenticate(session, key) is bob


def test_an_unknown_key_signs_nobody_in(session: Session, ada: User) -> None:
    assert accounts.authenticate(session, "guessed") is None


def test_a_revoked_key_signs_nobody_in(session: Session, ada: User) -> None:
    key = accounts.issue_key(session, ada)

    assert accounts.revoke_key(session, key)

    assert accounts.authenticate(session, key) is None
    assert not accounts.revoke_key(session, key)


def test_the_key_itself_is_not_stored(session: Session, ada: User) -> None:
    key = accounts.issue_key(session, ada)

    assert key not in session.scalars(select(ApiKey.digest)).one()


def test_keys_go_with_their_user(session: Session, ada: User) -> None:
    accounts.issue_key(session, ada)
    session.commit()

    session.delete(ada)
    session.commit()

    assert session.scalar(select(func.count()).select_from(ApiKey)) == 0
