# SPDX-License-Identifier: MIT
"""Fixtures of every suite here: private servers, a real berthd, and the count of what is left."""

from __future__ import annotations

import os
import signal
from contextlib import closing

import pytest

# Who runs us in the background, or with nohup, has us ignore these, and what we start would, too; a
# handler that does nothing is not inherited.
for _signal in (signal.SIGHUP, signal.SIGQUIT, signal.SIGINT):
    if signal.getsignal(_signal) is signal.SIG_IGN:
        signal.signal(_signal, lambda number, frame: None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failing scenario shows the end of its daemons' logs."""
    report = yield
    if report.failed:
        for daemon in getattr(item, "berth_daemons", []):
            report.sections.append((f"log of {daemon.socket}", daemon.log.tail()))
    return report


def pytest_collection_modifyitems(items):
    from harness.pg_server import GRANTS, LEASE_ROLE
    from harness.places import has_pg_dump

    for item in items:
        if item.get_closest_marker("root") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root"))
        superuser = item.get_closest_marker("superuser")
        if superuser and (GRANTS or LEASE_ROLE):
            item.add_marker(pytest.mark.skip(reason=f"berthd is no superuser: {superuser.args[0]}"))
        if item.get_closest_marker("pg_dump") and not has_pg_dump():
            item.add_marker(pytest.mark.skip(reason="needs a pg_dump as new as the server"))


@pytest.fixture(scope="session")
def pg():
    """One PostgreSQL for the whole session; stories that hurt it take `own_pg`."""
    from harness.pg_server import PgServer

    with closing(PgServer()) as server:
        yield server


@pytest.fixture(scope="session")
def plain_pg():
    """The same for the files that have it as their `pg`: berthd's role has what `berth grants` says, and no more."""
    from harness.pg_server import PgServer

    with closing(PgServer(superuser=False)) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server():
    """One Redis of 64 databases for the whole session; stories that hurt it take `own_redis`."""
    from harness.redis_server import RedisServer

    with closing(RedisServer()) as server:
        yield server


@pytest.fixture
def make_pg():
    """make_pg(superuser=, max_connections=, **settings): a PostgreSQL for this test alone."""
    from harness.pg_server import PgServer

    servers = []

    def make(*args, **kw):
        servers.append(PgServer(*args, **kw))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture
def own_pg(make_pg):
    return make_pg()


@pytest.fixture
def tap(pg):
    """A wire-tap on the session's PostgreSQL; name it before make_daemon, which it must outlive."""
    from harness.pg_proxy import PgProxy

    proxy = PgProxy(pg)
    yield proxy
    proxy.close()


@pytest.fixture
def make_redis():
    """make_redis(databases=, password=, acl=, *options): a Redis for this test alone."""
    from harness.redis_server import RedisServer

    servers = []

    def make(*args, **kw):
        servers.append(RedisServer(*args, **kw))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture
def own_redis(make_redis):
    return make_redis()


@pytest.fixture
def make_daemon(request, pg, redis_server, make_pg, make_redis):
    """make_daemon(pg=, redis=, start=True, **settings): a berthd; at the end nothing may be left.

    Without pg= or redis= it uses the session's servers; redis=None starts it without Redis.
    It asks for make_pg and make_redis so that their servers outlive the count.
    """
    from harness.daemon import Daemon, left

    daemons = request.node.berth_daemons = []

    def make(start=True, **kw):
        daemon = Daemon(kw.pop("pg", pg), kw.pop("redis", redis_server), **kw)
        daemons.append(daemon)
        return daemon.start() if start else daemon

    yield make

    wrong = []
    for daemon in daemons:
        wrong += [f"{daemon.socket.parent.name}: {w}" for w in daemon.finish()]
    wrong += [f"left: {file}" for daemon in daemons for file in daemon.files()]
    for server in {id(d.pg): d.pg for d in daemons if d.pg}.values():
        wrong += _left(left, server, None)
    for server in {id(d.redis): d.redis for d in daemons if d.redis}.values():
        wrong += _left(left, None, server)
    if wrong:
        pytest.fail("not as it should be at the end:\n  " + "\n  ".join(wrong), pytrace=False)


def _left(left, pg, redis_server) -> list[str]:
    """What is left in a server, having removed it by force, so that the next test starts clean."""
    found = left(pg, redis_server, timeout=3)
    if found:
        (pg or redis_server).scrub()
    return [f"left: {x}" for x in found]


@pytest.fixture
def daemon(request, make_daemon):
    """A berthd on the session's servers; `@pytest.mark.berthd(key=value)` gives its settings."""
    marker = request.node.get_closest_marker("berthd")
    return make_daemon(**(marker.kwargs if marker else {}))
