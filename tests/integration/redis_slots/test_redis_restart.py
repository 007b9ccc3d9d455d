# SPDX-License-Identifier: MIT
"""Redis goes away, comes back empty or full, hangs: claims and users stand, and nothing is lost to it."""

import socket
import threading

import pytest
import redis

from harness import eventually, process
from harness.wait import stays


def claims(kv) -> dict:
    return kv.db(kv.meta_db).hgetall("berth:claims")


def test_after_a_restart_the_same_url_works_again(make_redis, make_runner):
    kv = make_redis(databases=16)
    runner = make_runner(kv)
    slots = [runner.claim(f"t{i}") for i in range(5)] + [runner.claim("i", "index")]
    before = claims(kv)
    kv.restart()
    runner.take("down")
    runner.up()
    assert claims(kv) == before
    for slot in slots:
        client = slot.client()
        client.set("k", "v")
        assert kv.db(slot.db).get("k") == "v"
        client.close()
    assert not runner.has("lost")
    runner.end("t0")
    runner.ended()
    assert kv.db(slots[0].db).dbsize() == 0 and slots[0].user not in kv.users()
    assert runner.claim("again").fence > max(s.fence for s in slots)


def test_claims_under_way_fail_when_redis_goes_and_work_when_it_is_back(make_redis, make_runner):
    kv = make_redis(databases=64)
    runner = make_runner(kv)
    kv.pause()
    for i in range(30):
        runner.say("claim", f"t{i}")
    kv.resume()
    kv.restart()
    answers = []
    for i in range(30):
        try:
            answers.append(runner.answer(f"t{i}").db)
        except AssertionError as e:
            assert "Redis at" in str(e), e
    runner.up()
    slot = runner.claim("after")
    assert slot.db not in answers and len(set(answers)) == len(answers)
    # What was claimed and not answered is nobody's, and is given back.
    eventually(lambda: len(claims(kv)) == len(answers) + 1 and runner.status()["ending"] == 0)


def test_other_runners_claims_are_waited_for_after_a_restart(make_redis, make_runner):
    """In index mode nothing but the claim keeps two apart."""
    kv = make_redis(databases=3)
    holder, other = make_runner(kv, heartbeat=1000), make_runner(kv, heartbeat=1000)
    slot = holder.claim(how="index")
    holder.pause()
    kv.restart()
    other.take("down")
    assert other.refused(how="index")["code"] == "UNAVAILABLE"  # down, or settling
    holder.resume()
    other.up()
    assert other.refused(how="index")["code"] == "LIMIT"
    assert claims(kv)[str(slot.db)].split()[0] == holder.id
    assert not holder.has("lost")


def test_a_flushed_registry_is_written_again(kv, make_runner):
    runner = make_runner(kv)
    slot = runner.claim()
    before = claims(kv)
    client = slot.client()
    client.set("k", "v")
    kv.db(kv.meta_db).flushdb()
    runner.take("down")
    runner.up()
    assert claims(kv) == before
    assert client.get("k") == "v"  # its connection has not noticed
    client.close()
    runner.end()
    runner.ended()
    assert kv.db(slot.db).dbsize() == 0 and kv.users() == []


def test_an_end_goes_on_when_redis_is_back(make_redis, make_runner):
    kv = make_redis(databases=16)
    runner = make_runner(kv)
    runner.claim("a"), runner.claim("i", "index")
    kv.stop()
    runner.take("down")
    runner.end("a")
    runner.end("i")
    assert runner.status()["ending"] == 2
    kv.start()
    runner.ended()
    assert claims(kv) == {} and kv.users() == []


def test_ends_while_redis_restarts_leave_nothing(make_redis, make_runner):
    kv = make_redis(databases=64)
    runner = make_runner(kv)
    slots = [runner.claim(f"t{i}", ("claim", "index")[i % 2]) for i in range(20)]
    for i in range(20):
        runner.end(f"t{i}")
        if i == 10:
            kv.restart()
    runner.ended(20)
    eventually(lambda: claims(kv) == {} and kv.users() == [])
    assert all(kv.db(s.db).dbsize() == 0 for s in slots)


def test_a_hanging_server_is_given_up_and_found_again(make_redis, make_runner):
    kv = make_redis(databases=16)
    runner = make_runner(kv, deadline=300, heartbeat=100)
    slot = runner.claim()
    kv.pause()
    assert "no answer within 300 ms" in runner.take("down")["message"]
    assert runner.refused("b")["code"] == "UNAVAILABLE"
    kv.resume()
    runner.up()
    assert runner.claim("c").db != slot.db
    client = slot.client()
    assert client.ping()
    client.close()


def test_claims_in_a_snapshot_are_not_taken_for_the_dead_ones(make_redis, make_runner):
    """Redis restarts with its data, but the runners' signs of life have expired meanwhile."""
    kv = make_redis(databases=16)
    holder, other = make_runner(kv, grace=1500), make_runner(kv, grace=1500)
    slot = holder.claim(how="index")
    client = kv.db(slot.db)
    client.set("k", "v")
    client.save()
    kv.stop()
    holder.take("down"), other.take("down")
    holder.pause()
    stays(lambda: True, 2)  # longer than the grace period: the story
    kv.start()
    other.up()
    holder.resume()
    holder.up()
    assert kv.db(slot.db).get("k") == "v"
    stays(lambda: claims(kv)[str(slot.db)].split()[0] == holder.id, 2)
    assert not holder.has("lost") and "redis.reap" not in other.log()


def test_the_registry_of_a_snapshot_gives_way_to_what_was_claimed_since(make_redis, make_runner):
    kv = make_redis(databases=3)
    one, two = make_runner(kv, grace=60000), make_runner(kv, grace=60000)
    old = one.claim(how="index")
    snapshot = kv.db(kv.meta_db).hgetall("berth:claims")
    one.end()
    one.ended()
    new = two.claim(how="index")
    assert new.db == old.db
    kv.stop()
    two.take("down")
    kv.start()
    meta = kv.db(kv.meta_db)
    with meta.pipeline(transaction=True) as pipe:  # as an older snapshot would have it
        pipe.delete("berth:claims", "berth:meta")
        pipe.hset("berth:claims", mapping=snapshot)
        pipe.execute()
    eventually(lambda: claims(kv).get(str(new.db), "").split()[:2] == [two.id, str(new.fence)], 20)
    assert not two.has("lost")


def test_a_read_only_replica_is_said_to_be_one(make_redis, make_runner):
    primary, replica = make_redis(databases=16), make_redis(databases=16)
    replica.db(0).replicaof("127.0.0.1", primary.port)
    runner = make_runner(replica, up=False)
    eventually(lambda: "READONLY" in runner.status()["message"])
    replica.db(0).replicaof("NO", "ONE")
    runner.up()


def test_redis_restarts_many_times_under_load(make_redis, make_runner):
    kv = make_redis(databases=32)
    runners = [make_runner(kv, heartbeat=100) for _ in range(2)]
    held: dict[str, list] = {r.id: [] for r in runners}
    for round_ in range(6):
        for runner in runners:
            for i in range(4):
                runner.say("claim", f"{round_}.{i}")
        if round_ % 2:
            kv.restart()
        for runner in runners:
            for i in range(4):
                try:
                    held[runner.id].append(runner.answer(f"{round_}.{i}"))
                except AssertionError as e:
                    assert "Redis" in str(e) or "registry" in str(e), e
            eventually(lambda r=runner: r.status()["up"])
            while len(held[runner.id]) > 4:
                runner.end(held[runner.id].pop()["tag"])
    for runner in runners:
        runner.ended(20)
    # Restarts drop claims that were being made; in the end every runner has just what it was told it has.
    everything = [s for slots in held.values() for s in slots if not lost(runners, s)]
    assert len({s.db for s in everything}) == len(everything)
    eventually(lambda: sorted(claims(kv)) == sorted(str(s.db) for s in everything))
    for slot in everything:
        client = slot.client()
        client.set("owner", slot.fence)
        client.close()
        assert kv.db(slot.db).keys() == ["owner"]


def lost(runners, slot) -> bool:
    return any(r.has("lost", slot.tag) and slot.user.startswith(f"berth_{r.id}_") for r in runners)


class BadServer:
    """Accepts, and then does what a server should not."""

    def __init__(self, answer: bytes | None):
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections: list[socket.socket] = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            if self.answer is not None:
                try:
                    connection.recv(65536)
                    connection.sendall(self.answer)
                    connection.shutdown(socket.SHUT_WR)
                except OSError:
                    pass

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
        for connection in self.connections:
            connection.close()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "no answer within 300 ms"),
        (b"", "Server closed the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "Protocol error"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "LOADING"),
        (b"-NOAUTH Authentication required.\r\n", "NOAUTH"),
        (b"+PONG\r\n", "Server closed the connection"),
        (b"+PONG\r\n*0\r\n*-1\r\n$-1\r\n:1\r\n", ""),
        (b"+PONG\r\n$5\r\nhello\r\n*2\r\n$9\r\ndatabases\r\n$-1\r\n", ""),
        (b"+PONG\r\n$5\r\nhello\r\n*2\r\n$9\r\ndatabases\r\n$2\r\n16\r\n+OK\r\n:1\r\n", "registry"),
        (b"+PONG\r\n$5\r\nhello\r\n*2\r\n$9\r\ndatabases\r\n$2\r\n16\r\n+OK\r\n$3\r\na 1\r\n*3\r\n:1\r\n:1\r\n:1\r\n", ""),
    ],
)
def test_a_server_that_is_none_does_no_harm(answer, words, make_runner):
    server = BadServer(answer)
    runner = make_runner(f"redis://127.0.0.1:{server.port}", up=False, deadline=300)
    eventually(lambda: words in runner.status()["message"] and "connected to" not in runner.status()["message"])
    assert runner.refused()["code"] == "UNAVAILABLE"
    stays(lambda: runner.status()["up"] == 0, 0.5)
    server.close()


def test_a_port_where_nobody_listens_is_said_to_be_one(make_runner):
    runner = make_runner(f"redis://127.0.0.1:{process.free_port()}", up=False)
    eventually(lambda: "Connection refused" in runner.status()["message"])
    assert runner.log().count("redis.down") == 1  # and not once a try


def test_a_changed_password_keeps_the_runner_out_until_it_is_right_again(make_redis, make_runner):
    kv = make_redis(databases=16, password="one")
    runner = make_runner(kv, heartbeat=100)
    runner.claim()
    kv.change_password("two")
    kv.db(0).client_kill_filter(_type="normal", skipme=True)
    assert "WRONGPASS" in eventually(lambda: "WRONGPASS" in runner.status()["message"] and runner.status()["message"])
    kv.change_password("one")
    eventually(lambda: runner.status()["up"])
    runner.end()
    runner.ended()


def test_a_database_that_others_fill_while_redis_is_away_is_not_flushed(make_redis, make_runner):
    """Ended, the answer lost, the registry lost, and somebody's keys in it by now: they stay."""
    kv = make_redis(databases=3)
    runner = make_runner(kv)
    slot = runner.claim()
    runner.end()
    runner.ended()
    kv.restart()
    kv.db(slot.db).set("foreign", "1")
    eventually(lambda: runner.status()["up"])
    assert runner.refused("b")["code"] == "LIMIT"
    assert kv.db(slot.db).get("foreign") == "1"


def test_redis_py_and_the_url_agree(kv, runner):
    slot = runner.claim()
    client = redis.Redis.from_url(slot.url)
    assert client.connection_pool.connection_kwargs["db"] == slot.db
    assert client.ping()
    client.close()
