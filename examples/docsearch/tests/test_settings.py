# SPDX-License-Identifier: MIT
"""Any usual form of address leads to psycopg 3."""

import pytest
from sqlalchemy import make_url

from docsearch.settings import DEFAULT_REDIS_URL, Settings, with_driver


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgresql://u:p@db/app", "postgresql+psycopg://u:p@db/app"),
        ("postgres://u:p@db/app", "postgresql+psycopg://u:p@db/app"),
        ("postgresql+psycopg://u:p@db/app", "postgresql+psycopg://u:p@db/app"),
        ("postgresql+asyncpg://u:p@db/app", "postgresql+asyncpg://u:p@db/app"),
    ],
)
def test_the_driver_is_named_where_the_url_names_none(given: str, used: str) -> None:
    assert with_driver(given) == used


def test_a_unix_socket_is_an_address_too() -> None:
    url = make_url(with_driver("postgresql://u:p@/app?host=%2Frun%2Fpg&port=5433"))

    assert (url.drivername, url.database) == ("postgresql+psycopg", "app")
    assert dict(url.query) == {"host": "/run/pg", "port": "5433"}


def test_an_empty_environment_means_the_local_servers() -> None:
    settings = Settings.from_environment({})

    assert make_url(settings.database_url).host == "localhost"
    assert settings.redis_url == DEFAULT_REDIS_URL


def test_numbers_come_from_the_environment() -> None:
    settings = Settings.from_environment({"DOCSEARCH_CHUNK_WORDS": "7"})

    assert settings.chunk_words == 7
