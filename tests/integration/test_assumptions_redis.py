# SPDX-License-Identifier: MIT
"""What the design relies on in Redis, shown on the version that is here."""

import threading
import time

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from harness import eventually


@pytest.fixture
def kv(redis_server):
    yield redis_server
    redis_server.scrub()


def user_client(kv, db: int, name: str) -> redis.Redis:
    """Does not try again (redis-py 8 would, for seconds)."""
    return redis.Redis(
        unix_socket_path=str(kv.socket),
        db=db,
        username=name,
        password="pw",
        retry=Retry(NoBackoff(), 0),
    )


def make_user(kv, name: str, *rules: str) -> None:
    kv.db(0).execute_command("ACL", "SETUSER", name, "reset", "on", ">pw", "~*", "&*", "+@all", *rules)


def test_select_inside_eval_ends_with_it(kv):
    client = kv.db(3)
    client.eval("redis.call('SELECT', 5) redis.call('SET', 'there', '1')", 0)
    client.set("here", "1")
    assert kv.db(3).keys() == ["here"]
    assert kv.db(5).keys() == ["there"]


def test_select_inside_eval_inside_multi_ends_with_the_script(kv):
    with kv.db(3).pipeline(transaction=True) as pipe:
        pipe.eval("redis.call('SELECT', 5) redis.call('SET', 'there', '1')", 0)
        pipe.set("here", "1")
        pipe.execute()
    assert kv.db(3).keys() == ["here"]


def test_the_time_inside_a_script_is_microseconds(kv):
    seconds, us = kv.db(0).eval("return redis.call('TIME')", 0)
    assert abs(int(seconds) - time.time()) < 60 and 0 <= int(us) < 1_000_000


def test_a_fence_of_microseconds_is_exact_in_lua(kv):
    assert kv.db(0).eval("return string.format('%.0f', 1795254835318382 + 1)", 0) == "1795254835318383"


def test_a_script_may_write_after_it_asked_the_time(kv):
    kv.db(3).eval("redis.call('TIME') redis.call('SET', 'k', '1')", 0)
    assert kv.db(3).get("k") == "1"


def test_acl_cannot_be_called_by_a_script(kv):
    """Hence MULTI around ACL DELUSER and the script that releases."""
    with pytest.raises(redis.ResponseError):
        kv.db(0).eval("return redis.call('ACL', 'WHOAMI')", 0)


def test_a_deleted_users_connections_are_closed(kv):
    make_user(kv, "berth_x")
    client = user_client(kv, 3, "berth_x")
    assert client.ping()
    kv.db(0).acl_deluser("berth_x")
    with pytest.raises(redis.ConnectionError):
        client.ping()
    client.close()


def test_a_deleted_users_blocked_clients_are_gone(kv):
    make_user(kv, "berth_x")
    ended = threading.Event()

    def wait():
        client = user_client(kv, 3, "berth_x")
        with pytest.raises(redis.RedisError):
            client.blpop("nothing", timeout=0)
        client.close()
        ended.set()

    thread = threading.Thread(target=wait)
    thread.start()
    eventually(lambda: [c for c in kv.db(0).client_list() if c["cmd"] == "blpop"])
    kv.db(0).acl_deluser("berth_x")
    thread.join(10)
    assert ended.is_set()
    assert not [c for c in kv.db(0).client_list() if c["user"] == "berth_x"]


def test_nothing_comes_between_deleting_a_user_and_the_flush(kv):
    """A storm of writers: after MULTI, ACL DELUSER, script that flushes, EXEC no key of theirs is left."""
    flush = "redis.call('SELECT', 3) redis.call('FLUSHDB', 'ASYNC') redis.call('SELECT', 0) return 'freed'"
    for round_ in range(20):
        name = f"berth_x{round_}"
        make_user(kv, name, "-select", "+select|3")
        writing = threading.Barrier(3)

        def storm(name=name, writing=writing):
            client = user_client(kv, 3, name)
            writing.wait()
            with pytest.raises(redis.RedisError):
                for i in range(10**9):
                    with client.pipeline(transaction=False) as pipe:
                        for j in range(20):
                            pipe.set(f"{i}:{j}", "x")
                        pipe.execute()
            client.close()

        threads = [threading.Thread(target=storm) for _ in range(2)]
        for thread in threads:
            thread.start()
        writing.wait()
        eventually(lambda: kv.db(3).dbsize())
        with kv.db(0).pipeline(transaction=True) as pipe:
            pipe.execute_command("ACL", "DELUSER", name)
            pipe.eval(flush, 0)
            assert pipe.execute() == [1, "freed"]
        for thread in threads:
            thread.join(10)
        assert kv.db(3).dbsize() == 0


def test_a_claim_that_changes_discards_what_was_watched(kv):
    """What keeps a user from being made again for a claim that somebody took."""
    with kv.db(3).pipeline(transaction=True) as pipe:
        pipe.watch("berth:claims")
        kv.db(3).hset("berth:claims", "1", "other")
        pipe.multi()
        pipe.set("k", "1")
        with pytest.raises(redis.WatchError):
            pipe.execute()
    assert kv.db(3).get("k") is None


def test_an_expired_key_does_not_exist_for_a_script(kv):
    kv.db(3).set("k", "1", px=5)
    eventually(lambda: kv.db(3).eval("return redis.call('EXISTS', 'k')", 0) == 0)


def test_flushing_everything_keeps_the_users(kv):
    make_user(kv, "berth_x")
    kv.db(0).flushall()
    assert "berth_x" in kv.users()


def test_a_restart_forgets_users_and_has_another_run_id(own_redis):
    own_redis.db(0).execute_command("ACL", "SETUSER", "berth_x", "on", ">pw")
    before = own_redis.db(0).info("server")["run_id"]
    own_redis.restart()
    assert own_redis.users() == []
    assert own_redis.db(0).info("server")["run_id"] != before


def test_a_user_is_held_to_its_database_in_scripts_and_transactions_too(kv):
    make_user(kv, "berth_x", "-select", "+select|3")
    client = user_client(kv, 3, "berth_x")
    with pytest.raises(redis.ResponseError, match="(?i)permission|can't run"):
        client.eval("return redis.call('SELECT', 5)", 0)
    with client.pipeline(transaction=True) as pipe:
        pipe.execute_command("SELECT", "5")
        with pytest.raises(redis.ResponseError):
            pipe.execute()
    client.close()


def test_a_user_that_never_selects_works_in_database_0(kv):
    """The known limit of ACLs: keys cannot be forbidden by database."""
    make_user(kv, "berth_x", "-select", "+select|3")
    client = user_client(kv, 0, "berth_x")
    client.set("k", "1")
    assert kv.db(0).get("k") == "1"
    client.close()


def test_the_error_names_the_token_that_a_server_does_not_know(kv):
    with pytest.raises(redis.ResponseError, match="modifier '\\+nonsense': Unknown command"):
        kv.db(0).execute_command("ACL", "SETUSER", "berth_x", "reset", "+nonsense")
