# SPDX-License-Identifier: MIT
"""The options, the one early hook and the fixtures of --berth; the rest is imported when asked for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import berth
    from pytest_berth.holder import Holder
    from pytest_berth.template import Template


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("berth", "a PostgreSQL schema and a Redis database for each worker")
    group.addoption(
        "--berth",
        action="store_true",
        default=False,
        help="Take a lease from berthd in each worker and set its environment.",
    )
    group.addoption(
        "--berth=private",  # a word of its own, so that --berth does not swallow a path behind it
        dest="berth_private",
        action="store_true",
        default=False,
        help="The same with a PostgreSQL, a Redis and a berthd that are started for this session.",
    )
    group.addoption(
        "--berth-socket",
        metavar="PATH",
        default=None,
        help="The daemon's socket (default: $BERTH_SOCKET, else where berthd listens by default).",
    )
    group.addoption(
        "--berth-name",
        metavar="FORMAT",
        default=None,
        help="Ask for exactly this schema name, as test_{worker} (default: the daemon's choice).",
    )
    group.addoption(
        "--berth-keep",
        metavar="DURATION",
        nargs="?",
        const="10m",
        default=None,
        help="Keep the state in which a test fails for a look, as 90s, 10m (default) or 2h, and "
        "show which tables differ.",
    )
    group.addoption(
        "--berth-report",
        metavar="FILE",
        nargs="?",
        const="berth-report.json",
        default=None,
        help="Write each test's resets, waits and leaks to a file as JSON (default: "
        "berth-report.json), and into the properties of JUnit files.",
    )
    parser.addini("berth", "As --berth.", type="bool", default=False)
    parser.addini("berth_name", "As --berth-name.", default="")
    parser.addini("berth_kind", "What to lease: schema (default) or database.", default="")
    parser.addini(
        "berth_redis",
        "Redis isolation: acl, index, private or none (default: the daemon's choice).",
        default="",
    )
    parser.addini("berth_wait", "Seconds to wait for a lease (default: 120).", default="120")
    parser.addini(
        "berth_env",
        "Lines NAME=FORMAT that add to or replace the variables set; NAME= removes one. Fields: "
        "{dsn} {dsn_tail} {user} {password} {host} {port} {dbname} {schema} {redis_url} ...",
        type="linelist",
        default=[],
    )
    parser.addini(
        "berth_enums",
        "Lines NAME = LABEL, LABEL: shared enum types that are there before a lease is taken.",
        type="linelist",
        default=[],
    )
    parser.addini(
        "berth_template_files",
        "Files, directories and globs: what the migrations are made of. Workers share what one of "
        "them builds, as long as these do not change.",
        type="linelist",
        default=[],
    )
    parser.addini(
        "berth_template_command", "Migrates, as alembic upgrade head, with a lease.", default=""
    )
    parser.addini(
        "berth_template_call", "The same as package.module:function, called with it.", default=""
    )
    parser.addini(
        "berth_template_key", "The template's key; {files} is the fingerprint.", default=""
    )
    parser.addini(
        "berth_reset",
        "When to bring the lease back to its baseline: before each test, class, module, session, "
        "or never (default).",
        default="",
    )
    parser.addini(
        "berth_leaks",
        "When to look for what was left outside of the lease: after each test, once at the end of "
        "the session (default), or never.",
        default="",
    )
    parser.addini(
        "berth_baseline",
        "What session-scoped fixtures make is part of the baseline: true or false (default: where "
        "there are resets and no template).",
        default="",
    )


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, args: list[str]
) -> Generator[None, None, None]:
    """Before any conftest file, and before the plugins that load settings (pytest-django)."""
    options = early_config.known_args_namespace
    if options.berth or options.berth_private or early_config.getini("berth"):
        _start(early_config, args)
    yield


class _Afterwards:
    """Behind the plugins that set variables of their own at that time (pytest-env)."""

    def pytest_load_initial_conftests(self, early_config: pytest.Config) -> None:
        part: Any = early_config.pluginmanager.get_plugin("berth-part")
        if part is not None:
            part.set_environment()


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.register(_Afterwards(), "berth-afterwards")


def _start(config: pytest.Config, args: list[str]) -> None:
    from pytest_berth.start import start

    part = start(config, args)
    config.add_cleanup(part.close)
    config.pluginmanager.register(part, "berth-part")


def holder_of(config: pytest.Config) -> Holder:
    from pytest_berth.holder import Holder

    part: object | None = config.pluginmanager.get_plugin("berth-part")
    if not isinstance(part, Holder):
        raise pytest.UsageError("berth's fixtures need --berth, or berth = true in the ini file")
    return part


@pytest.fixture(scope="session")
def berth_lease(pytestconfig: pytest.Config) -> berth.Lease:
    """The lease of this worker: a schema and role (or database) and a Redis database of its own."""
    return holder_of(pytestconfig).lease


@pytest.fixture(scope="session")
def berth_dsn(berth_lease: berth.Lease) -> str:
    """The libpq URI of this worker's lease."""
    return berth_lease.dsn


@pytest.fixture(scope="session")
def berth_redis_url(berth_lease: berth.Lease) -> str:
    """The URL of this worker's Redis database."""
    if berth_lease.redis_url is None:
        raise pytest.UsageError(
            "this lease has no Redis: set berth_redis, and give berthd a redis_url"
        )
    return berth_lease.redis_url


@pytest.fixture(scope="session")
def berth_template(pytestconfig: pytest.Config) -> Template | None:
    """The template of this worker's lease: its key, whether it was built here, the seconds taken.

    Override it in the conftest file of the root directory to migrate each worker's own schema: let
    it return a shell command or a function that takes the lease.
    """
    return holder_of(pytestconfig).template


@pytest.fixture(scope="session")
def berth_baseline(pytestconfig: pytest.Config) -> None:
    """Resets bring back what is there when the session-scoped fixtures are done."""
    holder_of(pytestconfig).resets.want_baseline()


@pytest.fixture(scope="session")
def berth_enums(
    pytestconfig: pytest.Config,
) -> Callable[[Mapping[str, Iterable[str]]], dict[str, str]]:
    """Makes shared enum types that are not there: call it with their names and labels.

    For a suite whose enums stand in its code; otherwise list them in the ini file (berth_enums).
    """
    return holder_of(pytestconfig).enums_ensure


@pytest.fixture
def berth_clean(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> None:
    """This test begins with its lease as it was when it was new, or as the baseline has it."""
    holder_of(pytestconfig).resets.clean(request.node)


@pytest.fixture
def berth_psycopg(berth_lease: berth.Lease) -> Generator[Any, None, None]:
    """A psycopg connection in a transaction that is rolled back when the test ends."""
    from pytest_berth import rollback

    with rollback.psycopg(berth_lease) as connection:
        yield connection


@pytest.fixture
async def berth_async_psycopg(berth_lease: berth.Lease) -> AsyncGenerator[Any, None]:
    """An async psycopg connection in a transaction that is rolled back when the test ends."""
    from pytest_berth import rollback

    async with rollback.async_psycopg(berth_lease) as connection:
        yield connection


@pytest.fixture(scope="session")
def berth_engine(berth_lease: berth.Lease) -> Any:
    """The SQLAlchemy Engine of berth_session; override it to return the application's own."""
    from pytest_berth import rollback

    return rollback.engine(berth_lease)


@pytest.fixture
def berth_session(berth_engine: Any) -> Generator[Any, None, None]:
    """A SQLAlchemy Session, all of whose commits are rolled back when the test ends."""
    from pytest_berth import rollback

    with rollback.session(berth_engine) as session:
        yield session


@pytest.fixture(scope="session")
def berth_async_engine(berth_lease: berth.Lease) -> Any:
    """The AsyncEngine of berth_async_session; override it to return the application's own."""
    from pytest_berth import rollback

    return rollback.async_engine(berth_lease)


@pytest.fixture
async def berth_async_session(berth_async_engine: Any) -> AsyncGenerator[Any, None]:
    """A SQLAlchemy AsyncSession, all of whose commits are rolled back when the test ends."""
    from pytest_berth import rollback

    async with rollback.async_session(berth_async_engine) as session:
        yield session
