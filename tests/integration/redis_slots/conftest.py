# SPDX-License-Identifier: MIT
"""Runners that are only daemon/redis/, and what must be true of each at its end."""

import pytest
from slot_runner import SlotRunner


@pytest.fixture
def make_runner(request):
    """make_runner(shared, **settings): a runner that is up (unless up=False) and must quit cleanly."""
    runners = []

    def make(shared, up=True, **kw):
        url = shared if isinstance(shared, str) else shared.url(tcp=kw.pop("tcp", False))
        if not isinstance(shared, str):
            kw.setdefault("meta", shared.meta_db)
        runners.append(SlotRunner(url, **kw))
        if up:
            runners[-1].first_up = runners[-1].up()
        return runners[-1]

    yield make
    wrong = []
    for runner in runners:
        if runner.finish() != 0 and not runner.killed:
            wrong.append(f"runner {runner.id} exited {runner.process.returncode}: {runner.log()[-3000:]}")
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def kv(redis_server):
    """The session's Redis, clean afterwards."""
    yield redis_server
    redis_server.scrub()


@pytest.fixture
def runner(kv, make_runner):
    return make_runner(kv)
