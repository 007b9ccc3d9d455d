# SPDX-License-Identifier: MIT
"""A claim is a database that nobody else holds and that nobody else's keys are in."""

import threading

import redis

from harness import eventually


def test_a_claim_is_an_empty_database_with_a_user_of_its_own(kv, runner):
    slot = runner.claim()
    assert slot.mode == "acl" and slot.db not in (0, kv.meta_db)
    assert slot.user == f"berth_{runner.id}_{slot.db}_{slot.fence}" and slot.user in kv.users()
    client = slot.client()
    client.set("k", "v")
    assert kv.db(slot.db).get("k") == "v" and client.client_info()["db"] == slot.db
    client.close()


def test_many_claims_at_once_are_all_different(kv, runner):
    tags = [f"t{i}" for i in range(20)]
    for tag in tags:
        runner.say("claim", tag)
    slots = [runner.answer(tag) for tag in tags]
    assert len({s.db for s in slots}) == 20
    fences = [s.fence for s in slots]
    assert fences == sorted(set(fences))


def test_two_runners_share_a_server_without_meeting(kv, make_runner):
    one, two = make_runner(kv), make_runner(kv)
    for i in range(10):
        one.say("claim", f"t{i}")
        two.say("claim", f"t{i}")
    slots = [r.answer(f"t{i}") for i in range(10) for r in (one, two)]
    assert len({s.db for s in slots}) == 20
    assert len({s.fence for s in slots}) == 20


def test_an_ended_database_is_empty_and_free_and_its_user_gone(kv, runner):
    slot = runner.claim()
    client = slot.client()
    client.mset({f"k{i}": "v" for i in range(100)})
    runner.end()
    runner.ended()
    assert runner.take("freed")
    assert kv.db(slot.db).dbsize() == 0 and slot.user not in kv.users()
    assert kv.db(kv.meta_db).hget("berth:claims", slot.db) is None
    try:
        client.get("k1")
    except redis.RedisError:
        pass
    else:
        raise AssertionError("the connection outlived its user")
    client.close()


def test_a_database_with_foreign_keys_is_never_claimed_nor_flushed(make_redis, make_runner):
    kv = make_redis(databases=6)
    for db in (1, 3):
        kv.db(db).set("foreign", db)
    runner = make_runner(kv)
    assert {runner.claim(t).db for t in "ab"} == {2, 4}
    refused = runner.refused("c")
    assert refused["code"] == "LIMIT"
    assert "all 4 Redis databases are taken: 2 leased, 2 with keys that are not berth's (1 3)" in refused["message"]
    runner.refused("d")
    assert runner.log().count("redis.quarantine") == 2
    for tag in "ab":
        runner.end(tag)
    runner.ended()
    assert kv.db(1).get("foreign") == "1" and kv.db(3).get("foreign") == "3"


def test_a_database_is_reused_as_late_as_possible(make_redis, make_runner):
    kv = make_redis(databases=6)
    runner = make_runner(kv)
    seen = []
    for _ in range(5):
        seen.append(runner.claim().db)
        runner.end()
        runner.ended()
    assert seen == [1, 2, 3, 4, 1]


def test_whoever_found_nothing_hears_of_what_another_runner_freed(make_redis, make_runner):
    kv = make_redis(databases=3)
    one, two = make_runner(kv), make_runner(kv)
    one.claim()
    assert two.refused()["code"] == "LIMIT"
    one.end()
    assert two.take("freed")
    assert two.claim().db == 1


def test_whoever_found_nothing_hears_of_foreign_keys_that_went(make_redis, make_runner):
    kv = make_redis(databases=3)
    kv.db(1).set("foreign", "1")
    runner = make_runner(kv)
    assert runner.refused()["code"] == "LIMIT"
    kv.db(1).delete("foreign")
    assert runner.take("freed")
    assert runner.claim().db == 1


def test_without_permission_for_users_it_is_an_index(make_redis, make_runner):
    kv = make_redis(databases=8, acl=False)
    runner = make_runner(kv)
    assert runner.first_up["acl"] == 0
    slot = runner.claim()
    assert slot.mode == "index" and slot.user == kv.user
    client = slot.client()  # the URL holds the daemon's own credentials: there are no others
    client.set("k", "v")
    assert kv.db(slot.db).get("k") == "v"
    client.close()


def test_an_index_can_be_asked_for_where_users_are_allowed(kv, runner):
    slot = runner.claim(how="index")
    assert slot.mode == "index" and slot.user == "" and kv.users() == []
    client = slot.client()
    client.set("k", "v")
    assert kv.db(slot.db).get("k") == "v"
    client.close()


def test_ending_an_index_ends_the_clients_in_it_and_no_others(kv, runner):
    slot, other = runner.claim("a", "index"), runner.claim("b", "index")
    client, bystander = slot.client(), other.client()
    client.set("k", "v")
    bystander.set("k", "v")
    runner.end("a")
    runner.ended()
    assert kv.db(slot.db).dbsize() == 0
    assert not [c for c in kv.db(0).client_list() if c["db"] == str(slot.db) and c["cmd"] == "set"]
    assert bystander.get("k") == "v"
    client.close()
    bystander.close()


def test_an_index_is_not_given_back_while_a_client_keeps_writing_to_it(kv, runner):
    slot = runner.claim(how="index")
    stop = threading.Event()

    def write():
        client = redis.Redis(unix_socket_path=str(kv.socket), db=slot.db)  # comes back by itself
        while not stop.is_set():
            client.set("k", "v")
        client.close()

    writer = threading.Thread(target=write)
    writer.start()
    eventually(lambda: kv.db(slot.db).dbsize())
    runner.end()
    eventually(lambda: "redis.busy" in runner.log())
    assert runner.status()["ending"] == 1
    assert kv.db(kv.meta_db).hget("berth:claims", slot.db)
    stop.set()
    writer.join()
    runner.ended()
    assert kv.db(slot.db).dbsize() == 0


def test_the_number_of_databases_is_found_without_config(make_redis, make_runner):
    kv = make_redis(23, "", True, "--rename-command", "CONFIG", "")
    assert make_runner(kv).first_up["leasable"] == 21


def test_the_daemon_logs_in_as_a_user_and_over_tcp_as_well(make_redis, make_runner):
    kv = make_redis(databases=8, password="p@ss:w?rd%")
    for tcp in (False, True):
        runner = make_runner(kv, tcp=tcp)
        slot = runner.claim()
        assert (slot.port == kv.port, slot.host == "127.0.0.1", slot.socket == "") == (tcp, tcp, tcp)
        client = slot.client()
        assert client.ping()
        client.close()
        index = runner.claim("i", "index").client()
        assert index.ping()
        index.close()


def test_a_host_is_looked_up(kv, make_runner):
    assert make_runner(f"redis://localhost:{kv.port}").claim().host == "localhost"


def test_a_host_that_does_not_exist_is_said_to(make_runner):
    runner = make_runner("redis://no-such-host.invalid", up=False, deadline=2000)
    eventually(lambda: "no-such-host.invalid" in runner.status()["message"])
    assert runner.status()["code"] == "UNAVAILABLE"


def test_a_server_without_room_for_the_registry_is_said_to(make_redis, make_runner):
    kv = make_redis(databases=8)
    runner = make_runner(kv, up=False, meta=15)
    eventually(lambda: "redis_meta_db" in runner.status()["message"])
    assert runner.refused()["code"] == "UNAVAILABLE"


def test_a_wrong_password_is_said_without_the_password(make_redis, make_runner):
    kv = make_redis(databases=8, password="right")
    runner = make_runner(kv.url().replace("right", "wrongwrong"), up=False)
    eventually(lambda: "WRONGPASS" in runner.status()["message"])
    refused = runner.refused()
    assert refused["code"] == "UNAVAILABLE"
    assert "wrongwrong" not in refused["message"] + runner.log()


def test_a_url_that_is_none_is_refused_without_repeating_it(make_runner):
    runner = make_runner("rediss://:s3cret@host", up=False)
    refused = runner.refused()
    assert refused["code"] == "USAGE" and "TLS" in refused["message"]
    assert "s3cret" not in refused["message"]


def test_leaving_takes_the_runners_name_out_of_the_registry(kv, runner):
    runner.claim("a"), runner.claim("b")
    assert kv.db(kv.meta_db).exists(f"berth:runner:{runner.id}")
    runner.end("a")
    runner.end("b")
    runner.say("leave")
    runner.take("left")
    assert kv.db(kv.meta_db).keys() == ["berth:meta"]
    assert kv.users() == []


def test_no_secret_is_logged(kv, runner):
    slots = [runner.claim("a"), runner.claim("i", "index"), runner.claim("p", "private")]
    for tag in "aip":
        runner.end(tag)
    runner.ended()
    assert not [s for s in slots if s.password and s.password in runner.log()]
