# SPDX-License-Identifier: MIT
"""Tests that would see each other's rows in a shared table."""

import pytest
from sqlalchemy import text


@pytest.mark.parametrize("number", range(16))
def test_there_is_one_user_and_its_collection(engine, number):
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM collections"))
        connection.execute(text("DELETE FROM users"))
        connection.execute(text("INSERT INTO users (id) VALUES (1)"))
        connection.execute(
            text("INSERT INTO collections (users_id, collection_status) VALUES (1, 'ready')")
        )
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM collections")) == 1
