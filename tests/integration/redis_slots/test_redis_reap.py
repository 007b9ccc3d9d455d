# SPDX-License-Identifier: MIT
"""Runners die, pause and come back: what they held is ended once, and they cannot harm who has it now."""

import redis

from harness import eventually
from harness.wait import stays

QUICK = {"grace": 900, "heartbeat": 150}


def claims(kv) -> dict:
    return kv.db(kv.meta_db).hgetall("berth:claims")


def test_what_a_killed_runner_held_is_ended_by_one_other(kv, make_runner):
    dead = make_runner(kv, **QUICK)
    slots = [dead.claim("a"), dead.claim("b"), dead.claim("i", "index")]
    others = [make_runner(kv, **QUICK) for _ in range(3)]
    for slot in slots:
        client = slot.client()
        client.set("k", "v")
        client.close()
    dead.kill()
    eventually(lambda: claims(kv) == {})
    assert kv.users() == [] and all(kv.db(s.db).dbsize() == 0 for s in slots)
    reaped = [line for o in others for line in o.log().splitlines() if line.startswith("redis.reap")]
    assert len(reaped) == 3


def test_a_living_runner_is_left_alone(kv, make_runner):
    one, two = make_runner(kv, **QUICK), make_runner(kv, **QUICK)
    one.claim("a"), two.claim("a")
    before = claims(kv)
    stays(lambda: claims(kv) == before, 2.5)
    assert not one.has("lost") and not two.has("lost")


def test_a_paused_runner_that_comes_back_hears_that_it_lost(make_redis, make_runner):
    kv = make_redis(databases=3)
    paused, other = make_runner(kv, **QUICK), make_runner(kv, **QUICK)
    old = paused.claim()
    client = old.client()
    client.set("k", "old")
    paused.pause()
    assert other.refused()["code"] == "LIMIT"
    other.take("freed")
    new = other.claim("b")
    assert new.db == old.db and new.fence > old.fence
    new.client().set("k", "new")
    paused.resume()
    paused.take("lost", "a")
    assert kv.db(new.db).get("k") == "new"
    try:
        client.get("k")
    except redis.RedisError:
        pass
    else:
        raise AssertionError("the old user's connection still works")
    paused.end()
    paused.ended()
    stays(lambda: kv.db(new.db).get("k") == "new", 0.5)
    assert claims(kv)[str(new.db)].split()[:2] == [other.id, str(new.fence)]
    assert kv.users() == [new.user]
    client.close()


def test_an_end_that_a_paused_runner_sends_too_late_does_no_harm(make_redis, make_runner):
    kv = make_redis(databases=3)
    paused, other = make_runner(kv, **QUICK), make_runner(kv, **QUICK)
    paused.claim(how="index")
    paused.pause()
    paused.end()  # lies in its pipe
    other.refused()
    other.take("freed")
    new = other.claim("b", "index")
    kv.db(new.db).set("k", "new")
    paused.resume()
    paused.ended()
    stays(lambda: kv.db(new.db).get("k") == "new", 0.5)


def test_a_claim_that_a_paused_runner_sends_too_late_is_a_good_one(kv, make_runner):
    paused = make_runner(kv, **QUICK)
    other = make_runner(kv, **QUICK)
    paused.pause()
    paused.say("claim", "a")
    eventually(lambda: not kv.db(kv.meta_db).exists(f"berth:runner:{paused.id}"))
    paused.resume()
    slot = paused.answer("a")
    stays(lambda: claims(kv)[str(slot.db)].split()[0] == paused.id, 1.5)
    assert "redis.reap" not in other.log()


def test_a_reaper_that_dies_is_reaped_itself(kv, make_runner):
    """The user's name stays in the claim, whoever ends it."""
    meta = kv.db(kv.meta_db)
    dead = make_runner(kv, **QUICK)
    slot = dead.claim()
    dead.kill()
    meta.hset("berth:claims", slot.db, f"ffffff {slot.fence + 1} ending {slot.user}")
    make_runner(kv, **QUICK)
    eventually(lambda: claims(kv) == {} and kv.users() == [])


def test_a_user_that_no_claim_names_is_swept(kv, make_runner):
    kv.db(0).execute_command("ACL", "SETUSER", "berth_abcdef_3_123", "on", "nopass")
    kv.db(0).execute_command("ACL", "SETUSER", "berth_unlike", "on", "nopass")
    runner = make_runner(kv, **QUICK)
    slot = runner.claim()
    eventually(lambda: kv.users() == sorted([slot.user, "berth_unlike"]), 15)
    assert runner.log().count("redis.sweep") == 1


def test_no_user_but_ours_is_deleted_for_a_claim(kv, make_runner):
    """Whoever can write into META cannot make us delete the default user."""
    meta = kv.db(kv.meta_db)
    kv.db(0).execute_command("ACL", "SETUSER", "important", "on", "nopass")
    runner = make_runner(kv, **QUICK)
    for db, user in ((3, "default"), (4, "important"), (5, "berth_x);drop")):
        meta.hset("berth:claims", db, f"ffffff 1 held {user}")
    meta.hset("berth:claims", 6, "nonsense")
    eventually(lambda: list(claims(kv)) == ["6"])
    assert set(kv.db(0).acl_users()) >= {"default", "important"}
    assert runner.status()["up"] == 1
    kv.db(0).acl_deluser("important")


def test_a_runner_that_left_is_not_waited_for(kv, make_runner):
    leaver, other = make_runner(kv, grace=60000), make_runner(kv, grace=900, heartbeat=150)
    slot = leaver.claim()
    leaver.end()
    leaver.say("leave")
    leaver.take("left")
    assert slot.user not in kv.users()
    assert other.claim("b")


def test_a_stray_claim_of_our_own_name_is_given_back(kv, make_runner):
    """The answer to a claim got lost with a connection: nobody here knows of it."""
    runner = make_runner(kv, **QUICK)
    slot = runner.claim()
    kv.db(kv.meta_db).hset("berth:claims", "9", f"{runner.id} 77 held -")
    eventually(lambda: "9" not in claims(kv))
    assert str(slot.db) in claims(kv)
