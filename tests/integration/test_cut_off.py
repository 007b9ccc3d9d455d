# SPDX-License-Identifier: MIT
"""A runner is frozen, cut off by the network, or has a wrong clock: what is its own is never taken for
another's, and what is another's by now is left alone.
"""

import os
import subprocess
from pathlib import Path

import pytest

from harness import eventually, places, process
from harness.resp import ReplyError, as_map
from harness.wait import ms, stays

QUICK = {"runner_grace_ms": ms(1500), "heartbeat_ms": 200}
LOCK_CLASS = 0x6265
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


def runner_of(lease) -> str:
    return lease.lease.split("-")[0]


def lock_held(pg, runner: str) -> bool:
    found = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objid = %s"
    return bool(pg.sql(found, LOCK_CLASS, int(runner, 16)))


def buried(pg, runner: str) -> bool:
    return not pg.sql("SELECT 1 FROM berth.runner WHERE id = %s", runner)


def cleared(pg, redis_server, runner: str) -> bool:
    """Nobody has anything of that runner any more."""
    found = [x for x in pg.made() + pg.registry() + redis_server.left() if runner in x]
    assert found == []
    return True


# A network of its own, which can be cut.


class Network:
    """A network namespace with one cable to ours; programs are started `inside` of it."""

    def __init__(self):
        self.holder = process.spawn(["unshare", "--net", "sleep", "infinity"])
        self.end = f"berth{self.holder.pid}"
        net = f"10.{self.holder.pid % 200 + 20}.{os.getpid() % 250}"
        self.here, self.there = f"{net}.1", f"{net}.2"
        self.inside = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net"]
        eventually(lambda: self._ns(self.holder.pid) != self._ns(os.getpid()))
        run(
            "ip",
            "link",
            "add",
            self.end,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            self.holder.pid,
        )
        run("ip", "addr", "add", f"{self.here}/30", "dev", self.end)
        run("ip", "link", "set", self.end, "up")
        run(*self.inside, "ip", "addr", "add", f"{self.there}/30", "dev", "eth0")
        run(*self.inside, "ip", "link", "set", "eth0", "up")

    def _ns(self, pid: int) -> str:
        return os.readlink(f"/proc/{pid}/ns/net")

    def cut(self) -> None:
        """Nobody is told: packets just do not arrive any more."""
        run("tc", "qdisc", "add", "dev", self.end, "root", "blackhole")
        run(*self.inside, "tc", "qdisc", "add", "dev", "eth0", "root", "blackhole")

    def mend(self) -> None:
        run("tc", "qdisc", "del", "dev", self.end, "root")
        run(*self.inside, "tc", "qdisc", "del", "dev", "eth0", "root")

    def close(self) -> None:
        """The cable goes with its other end."""
        self.holder.kill()
        self.holder.wait()


def run(*words) -> None:
    subprocess.run([str(w) for w in words], check=True, capture_output=True, text=True)


@pytest.fixture
def network():
    try:
        net = Network()
    except (subprocess.CalledProcessError, OSError, AssertionError) as e:
        said = getattr(e, "stderr", "") or e
        pytest.skip(f"no network of its own can be made here: {said}")
    yield net
    net.close()


@pytest.fixture
def far_pg(network, make_pg):
    """A PostgreSQL that listens on this end of the cable, too."""
    server = make_pg(listen_addresses=f"127.0.0.1,{network.here}")
    with (server.data / "pg_hba.conf").open("a") as hba:
        hba.write(f"host all all {network.there}/32 scram-sha-256\n")
    server.sql("SELECT pg_reload_conf()")
    return server


@pytest.mark.root
def test_a_runner_behind_a_cut_network_is_buried_and_comes_back_to_nothing(
    make_daemon, far_pg, network
):
    """Neither end is told; both give the connection up within the grace, by themselves."""
    far = far_pg.dsn(tcp=True).replace("127.0.0.1", network.here)
    one = make_daemon(pg=far_pg, pg_dsn=far, wrapper=network.inside, **QUICK).ready()
    other = make_daemon(pg=far_pg, **QUICK).ready()
    client = one.client()
    old = client.acquire("gw0", name="test_exact", redis="none")
    runner = runner_of(old)
    assert lock_held(far_pg, runner)

    network.cut()

    eventually(lambda: buried(far_pg, runner), 30)
    assert not lock_held(far_pg, runner)
    new = eventually(lambda: _named(other.client()), 20)
    other.sql(new).execute("CREATE TABLE t AS SELECT 'new' AS who")
    with pytest.raises(ReplyError) as e:  # it remembers free slots, and that it cannot know
        client("ACQUIRE", "gw1", "REDIS", "none")
    assert e.value.code == "UNAVAILABLE"

    network.mend()

    one.expected_exit = 75
    assert one.process.wait(30) == 75
    assert one.log.has(event="runner.fenced")
    eventually(lambda: cleared(far_pg, other.redis, runner), 20)
    assert other.sql(new).execute("SELECT who FROM t").fetchone() == ("new",)


def _named(client):
    lease = as_map(client("ACQUIRE", "gw0", "NAME", "test_exact", "REDIS", "none", "WAIT", "10000"))
    return lease if lease.state == "held" else None


def test_a_runner_that_wakes_up_grants_nothing_before_it_has_asked(make_daemon):
    """Its free slots are others' by now; it hears that its connections are gone, and of a request."""
    one, other = make_daemon(**QUICK), make_daemon(**QUICK)
    one.ready(), other.ready()
    client = one.client()
    runner = client.info()["runner"]
    one.pause()
    try:
        other.pg.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE %s",
            f"berthd {runner}%",
        )
        eventually(lambda: buried(other.pg, runner), 20)
        for i in range(4):
            client.send("ACQUIRE", f"gw{i}", "REDIS", "none")
    finally:
        one.resume()
    one.expected_exit = 75
    assert one.process.wait(30) == 75
    try:
        answers = [client.read_any() for _ in range(4)]
    except (EOFError, ConnectionResetError):
        answers = []
    assert not [x for x in answers if not isinstance(x, ReplyError)], answers
    eventually(lambda: cleared(other.pg, other.redis, runner), 20)


@pytest.mark.skipif(not FAKETIME, reason="needs libfaketime")
def test_the_clocks_of_the_runners_do_not_matter(make_daemon):
    """One is a day early, the other a day late; only the database's clock counts."""
    if b"__asan_init" in places.BERTHD.read_bytes():
        pytest.skip("ASan and libfaketime both want to be loaded first")
    early, late = (
        make_daemon(
            env={"LD_PRELOAD": str(FAKETIME), "FAKETIME": by, "DONT_FAKE_MONOTONIC": "1"}, **QUICK
        )
        for by in ("-1d", "+1d")
    )
    leases = [one.client().acquire("gw0") for one in (early, late)]
    for one in (early, late):
        assert str(FAKETIME) in Path(f"/proc/{one.pid}/maps").read_text()
    stays(
        lambda: not any(buried(early.pg, runner_of(x)) for x in leases),
        1.5 * QUICK["runner_grace_ms"] / 1000,
    )
    late.kill()
    eventually(lambda: cleared(early.pg, early.redis, runner_of(leases[1])), 20)
    assert early.sql(leases[0]).execute("SELECT current_schema").fetchone() == (leases[0].schema,)
