# SPDX-License-Identifier: MIT
"""The daemon is started again: the Python client comes back with its leases, or says which are lost."""

from __future__ import annotations

import subprocess
import sys
import threading

import berth
import pytest
from fake_berthd import Refusal

from harness import eventually


@pytest.fixture
def client(fake):
    with berth.connect(fake.path) as client:
        yield client


def attached(fake, lease) -> bool:
    return bool(fake.holders[f"{lease.run}/{lease.worker}"])


def said(fake, verb: str) -> list[list[str]]:
    return [request[1:] for request in fake.requests if request[0] == verb]


def test_what_was_interrupted_is_asked_again_once_the_leases_are_attached(fake, client):
    lease = client.acquire("gw0")
    asked = threading.Event()

    def slow(args):
        if not asked.is_set():
            asked.set()
            fake._lock.wait(10)  # never answered: the connection breaks first
        return {"tables": 1, "rows": 2, "sequences": 0, "rebuilt": 0, "us": 900}

    fake.on["RESET"] = slow
    threading.Thread(target=lambda: (asked.wait(), fake.restart())).start()

    assert client.reset(lease).rows == 2
    assert fake.verbs()[-3:] == ["HELLO", "ATTACH", "RESET"]
    assert said(fake, "ATTACH") == [[lease.id, str(lease.fence)]]
    assert client.get(lease) == lease and client.lost == {}


def test_a_holder_that_asks_for_nothing_comes_back_again_and_again(fake, client):
    lease = client.acquire("gw0")
    for _ in range(3):
        fake.restart()
        eventually(lambda: attached(fake, lease))
    assert client.get(lease) == lease


def test_a_client_without_leases_comes_back_when_it_asks(fake, client):
    client.release(client.acquire("gw0"))
    fake.restart()
    client.ping()
    assert fake.verbs()[-2:] == ["HELLO", "PING"] and said(fake, "ATTACH") == []


def test_a_daemon_that_is_not_ready_yet_is_asked_again(fake, client):
    lease = client.acquire("gw0")
    refusals = iter(range(3))

    def attach(args):
        if next(refusals, None) is None:
            del fake.on["ATTACH"]
        raise Refusal("UNAVAILABLE the leases of the berthd before this one are being taken over")

    fake.on["ATTACH"] = attach
    fake.restart()
    client.ping()
    assert attached(fake, lease) and len(said(fake, "ATTACH")) > 3 and client.lost == {}


def test_a_lease_that_the_next_daemon_does_not_know_is_told_once_and_named(fake, client):
    lost = []
    client.on_lost = lambda *what: lost.append(what)
    gone, kept = client.acquire("gw0"), client.acquire("gw1")
    del fake.leases["default/gw0"]
    fake.restart()

    with pytest.raises(berth.NoLeaseError, match="started again, and the lease did not outlive it"):
        client.get(gone)
    fake.restart()
    assert client.get(kept) == kept
    assert [(lease, type(error)) for lease, error in lost] == [(gone.id, berth.NoLeaseError)]
    assert client.lost.keys() == {gone.id}


def test_a_slot_that_changed_hands_is_lost(fake, client):
    lease = client.acquire("gw0")
    fake.leases["default/gw0"]["fence"] += 1
    fake.restart()
    eventually(lambda: isinstance(client.lost.get(lease.id), berth.StaleError))


def test_a_fence_that_has_changed_is_the_one_that_counts(fake, client):
    """Sealing gives a builder another slot."""
    lease = client.acquire("gw0")
    fake.leases["default/gw0"]["fence"] += 1
    assert client.get(lease).fence == lease.fence + 1
    fake.restart()
    eventually(lambda: attached(fake, lease))


def test_when_no_daemon_comes_the_leases_are_lost_and_the_client_is_closed(fake):
    lost = []
    with berth.connect(fake.path, reattach=0.3) as client:
        client.on_lost = lambda *what: lost.append(what)
        lease = client.acquire("gw0")
        away = fake.path.rename(fake.path.with_suffix(".away"))
        try:
            fake.restart()
            with pytest.raises(berth.UnreachableError, match=r"within 0\.3 s: No such file"):
                client.ping()
        finally:
            away.rename(fake.path)
        with pytest.raises(berth.UnreachableError):
            client.ping()  # and stays so
    assert [(lease, type(e)) for lease, e in lost] == [(lease.id, berth.UnreachableError)]


def test_a_process_that_forks_has_one_thread_and_comes_back_afterwards(fake):
    """Of more, Python 3.12 and later warn."""
    code = """
        import os, sys, threading
        alone = []
        os.register_at_fork(before=lambda: alone.append(threading.active_count()))
        import berth
        client = berth.connect(sys.argv[1])
        client.acquire("gw0")
        assert threading.active_count() == 2
        if os.fork() == 0:
            os._exit(0)
        os.wait()
        assert alone == [1] and threading.active_count() == 2, alone
        print("forked", flush=True)
        sys.stdin.read()
    """
    lines = "\n".join(line[8:] for line in code.splitlines())
    argv = [sys.executable, "-W", "error", "-c", lines, str(fake.path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(argv, text=True, **pipes) as process:
        assert process.stdout.readline() == "forked\n"
        fake.restart()
        eventually(lambda: fake.holders["default/gw0"])
        process.stdin.close()
        assert process.wait(30) == 0
