# SPDX-License-Identifier: MIT
"""Servers and daemons that the tests of templates share."""

from __future__ import annotations

from contextlib import closing

import pytest

from harness.pg_server import PgServer
from harness.redis_server import RedisServer
from harness.wait import LONG
from templates import everything
from templates.desk import Desk
from templates.house import House

# What berthd's role may be: with a superuser, and with no more than it needs.
MODES = ("superuser", "plain")


def pytest_collection_modifyitems(config, items):
    """Resets by the hundred are done with the lesser rights; with both by BERTH_TEST_LONG=1."""
    left_out = [
        item for item in items if item.path.name.startswith("test_reset") and "[superuser" in item.name and not LONG
    ]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def templates_redis():
    with closing(RedisServer()) as server:
        yield server


@pytest.fixture(scope="session")
def server_of():
    """server_of(mode): one PostgreSQL for each mode, with what slots may share in it."""
    servers = {}

    def server(mode: str) -> PgServer:
        if mode not in servers:
            servers[mode] = PgServer(mode == "superuser", max_prepared_transactions=10)
            everything.share(servers[mode])
        return servers[mode]

    yield server
    for one in servers.values():
        one.close()


def _house(request, pg, redis_server, **settings):
    marker = request.node.get_closest_marker("berthd")
    house = House(pg, redis_server, **(settings | (marker.kwargs if marker else {})))
    yield house
    wrong = house.close()
    if wrong:
        pg.scrub()
        redis_server.scrub()
        pytest.fail("not as it should be at the end:\n  " + "\n  ".join(wrong), pytrace=False)


@pytest.fixture(scope="module", params=MODES)
def shared_house(request, server_of, templates_redis):
    yield from _house(request, server_of(request.param), templates_redis)


@pytest.fixture
def house(request, shared_house):
    """A daemon in either mode, which the tests of a module share."""
    request.node.berth_daemons = [shared_house.daemon]
    assert shared_house.daemon.running(), "berthd ended in an earlier test"
    return shared_house


@pytest.fixture
def client(house):
    """A connection; when it closes, the test's leases end."""
    connection = house.daemon.client()
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def desks(shared_house):
    """desks(shape): the lease of that template which the tests of a module share."""
    kept: dict[str, Desk] = {}

    def desk(shape: str) -> Desk:
        kept[shape] = kept[shape].as_new() if shape in kept else Desk(shared_house, shape)
        return kept[shape]

    yield desk
    for one in kept.values():
        one.close()
