# SPDX-License-Identifier: MIT
"""The gate: exactly one runs; the others wait for its outcome; a runner that dies is replaced."""

import threading
import time

import pytest

from harness import eventually
from harness.resp import ReplyError, as_map
from harness.wait import SLOW

QUICK = {"runner_grace_ms": 1000, "heartbeat_ms": 200}


@pytest.fixture(autouse=True)
def no_gates_afterwards(pg):
    yield
    if pg.one("SELECT to_regclass('berth.gate') IS NOT NULL"):
        pg.sql("DELETE FROM berth.gate")


def enter(client, key, *words, wait=None):
    return as_map(client("ONCE", "ENTER", key, *words, *(["WAIT", wait] if wait else [])))


def refused(client, *words) -> ReplyError:
    with pytest.raises(ReplyError) as e:
        client(*words)
    return e.value


def test_one_runs_and_the_next_waits_with_the_holder_named(daemon):
    one, other = daemon.ready().client(), daemon.client()
    mine = enter(one, "migrate")
    assert mine.state == "run" and mine.fence > 0
    theirs = enter(other, "migrate")
    assert theirs.state == "wait" and theirs.fence == mine.fence
    assert " pid " in theirs.holder and theirs.age_ms >= 0


def test_entering_again_on_the_same_connection_is_the_same_run(daemon):
    client = daemon.ready().client()
    assert enter(client, "migrate").fence == enter(client, "migrate").fence
    assert enter(client, "migrate").state == "run"


def test_those_that_wait_hear_that_it_is_done(daemon):
    one, other = daemon.ready().client(), daemon.client()
    fence = enter(one, "migrate").fence
    other.send("ONCE", "ENTER", "migrate", "WAIT", 20000)
    assert one("ONCE", "DONE", "migrate", fence) == "OK"
    assert as_map(other.read()).state == "done"
    assert enter(other, "migrate").state == "done"


def test_a_failure_reaches_all_that_waited_and_those_that_come_later(daemon):
    one = daemon.ready().client()
    others = [daemon.client() for _ in range(3)]
    fence = enter(one, "migrate").fence
    for other in others:
        other.send("ONCE", "ENTER", "migrate", "WAIT", 20000)
    assert one("ONCE", "FAIL", "migrate", fence, "no such\ntable", "STATUS", 3) == "OK"
    for answer in [as_map(other.read()) for other in others] + [enter(daemon.client(), "migrate")]:
        assert (answer.state, answer.message, answer.status) == ("failed", "no such table", 3)


def test_retry_lets_the_next_one_try(daemon):
    client = daemon.ready().client()
    client("ONCE", "FAIL", "migrate", enter(client, "migrate").fence, "broken")
    again = enter(client, "migrate", "RETRY")
    assert again.state == "run" and again.message is None
    client("ONCE", "DONE", "migrate", again.fence)
    assert enter(client, "migrate", "RETRY").state == "done"


def test_a_closed_connection_frees_it_for_the_next(daemon):
    one, other = daemon.ready().client(), daemon.client()
    first = enter(one, "migrate")
    other.send("ONCE", "ENTER", "migrate", "WAIT", 20000)
    one.close()
    second = as_map(other.read())
    assert second.state == "run" and second.fence > first.fence


def test_an_old_run_cannot_declare_itself_done(daemon):
    one, other = daemon.ready().client(), daemon.client()
    old = enter(one, "migrate").fence
    one.close()
    new = enter(other, "migrate", wait=20000)
    late = daemon.client()
    assert refused(late, "ONCE", "DONE", "migrate", old).code == "STALE"
    assert refused(late, "ONCE", "FAIL", "migrate", old, "late").code == "STALE"
    assert other("ONCE", "DONE", "migrate", new.fence) == "OK"
    assert other("ONCE", "DONE", "migrate", new.fence) == "OK"  # sent twice is said once


def test_forget_starts_over_but_not_under_a_running_one(daemon):
    one, other = daemon.ready().client(), daemon.client()
    fence = enter(one, "migrate").fence
    e = refused(other, "ONCE", "FORGET", "migrate")
    assert e.code == "BUSY" and "pid" in str(e)
    one("ONCE", "DONE", "migrate", fence)
    assert other("ONCE", "FORGET", "migrate") == "OK"
    assert enter(other, "migrate").state == "run"
    assert other("ONCE", "FORGET", "unknown") == "OK"


def test_wait_is_over_when_its_time_is_over(daemon):
    one, other = daemon.ready().client(), daemon.client()
    enter(one, "migrate")
    began = time.monotonic()
    assert enter(other, "migrate", wait=300).state == "wait"
    assert 0.29 <= time.monotonic() - began < 3 * SLOW


def test_done_is_remembered_across_a_restart(make_daemon):
    first = make_daemon()
    client = first.ready().client()
    client("ONCE", "DONE", "migrate", enter(client, "migrate").fence)
    first.leave()
    assert enter(make_daemon().ready().client(), "migrate").state == "done"


def test_a_killed_runner_is_replaced_within_the_grace(make_daemon):
    doomed, other = make_daemon(**QUICK), make_daemon(**QUICK)
    enter(doomed.ready().client(), "migrate")
    runner = doomed.client().info()["runner"]
    client = other.ready().client()
    assert enter(client, "migrate").state == "wait"
    doomed.expected_exit = -9
    doomed.kill()
    assert enter(client, "migrate", wait=20000).state == "run"
    eventually(lambda: not [x for x in other.redis.left() if runner in x], 20)


def test_a_paused_runner_that_wakes_up_cannot_declare_its_old_run_done(make_daemon, pg):
    """As a laptop that sleeps for longer than the grace, until its connections are given up."""
    paused, other = make_daemon(**QUICK).ready(), make_daemon(**QUICK).ready()
    old = paused.client()
    fence = enter(old, "migrate").fence
    runner = paused.client().info()["runner"]
    paused.pause()
    pg.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE %s",
        f"berthd {runner} %",
    )
    client = other.client()
    new = enter(client, "migrate", wait=20000)
    assert new.state == "run" and new.fence > fence

    old.send("ONCE", "DONE", "migrate", fence)
    paused.expected_exit = 75  # it finds that it was declared dead
    paused.resume()

    assert old.read_or_eof(20) in ("STALE", "UNAVAILABLE", None)
    assert enter(other.client(), "migrate").state == "wait"
    assert refused(other.client(), "ONCE", "DONE", "migrate", fence).code == "STALE"
    assert client("ONCE", "DONE", "migrate", new.fence) == "OK"
    assert paused.process.wait(20) == 75
    eventually(lambda: not [x for x in other.redis.left() if runner in x], 20)


# PostgreSQL does what it was told, and the answer is lost


@pytest.mark.parametrize("who_is_next", ["its own runner's", "another runner's"])
def test_an_entry_whose_answer_is_lost_is_none(tap, make_daemon, who_is_next):
    daemon = make_daemon(pg_dsn=tap.dsn()).ready()
    other = daemon if who_is_next.startswith("its") else make_daemon().ready()
    tap.lose_answer_to("INSERT INTO berth.gate")
    assert refused(daemon.client(), "ONCE", "ENTER", "migrate").code == "UNAVAILABLE"

    assert enter(other.client(), "migrate", wait=20000).state == "run"


def test_who_waits_enters_although_the_answer_to_its_first_try_is_lost(tap, make_daemon):
    client = make_daemon(pg_dsn=tap.dsn()).ready().client()
    tap.lose_answer_to("INSERT INTO berth.gate")

    mine = enter(client, "migrate", wait=20000)

    assert mine.state == "run"
    assert client("ONCE", "DONE", "migrate", mine.fence) == "OK"


def test_a_run_that_goes_on_survives_that_the_answer_is_lost(tap, make_daemon):
    first, second = make_daemon().ready(), make_daemon(pg_dsn=tap.dsn(), **QUICK).ready()
    mine = enter(first.client(), "migrate")
    tap.lose_answer_to("UPDATE berth.gate g SET state = 'running', runner = us.id")
    holder = second.client()
    assert refused(holder, "ONCE", "ENTER", "migrate", "FENCE", mine.fence).code == "UNAVAILABLE"

    assert enter(holder, "migrate", "FENCE", mine.fence, wait=20000).state == "run"
    assert enter(second.client(), "migrate", wait=2000).state == "wait"
    assert holder("ONCE", "DONE", "migrate", mine.fence) == "OK"


# A runner that leaves while something of its clients runs


def test_a_runner_that_leaves_gives_the_holder_its_grace_to_come_back(make_daemon):
    first, second = make_daemon(), make_daemon(runner_grace_ms=1000, heartbeat_ms=200)
    mine = enter(first.ready().client(), "migrate")
    first.leave()
    holder, other = second.ready().client(), second.client()
    assert enter(other, "migrate").state == "wait"
    assert refused(other, "ONCE", "FORGET", "migrate").code == "BUSY"
    assert as_map(other("ONCE", "LIST")[0]).state == "running"

    back = enter(holder, "migrate", "FENCE", mine.fence)

    assert (back.state, back.fence, back.holder) == ("run", mine.fence, mine.holder)
    assert enter(other, "migrate", wait=2000).state == "wait"
    assert holder("ONCE", "DONE", "migrate", mine.fence) == "OK"
    assert enter(other, "migrate").state == "done"


def is_blocked(pg, statement: str) -> bool:
    return pg.one(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND starts_with(ltrim(query), %s)",
        statement,
    )


def test_who_enters_while_its_runner_leaves_is_inside_for_all(make_daemon, pg):
    """The entry is on its way when berthd is told to leave: it leaves behind that."""
    first, second = make_daemon().ready(), make_daemon().ready()
    enter(second.client(), "migrate")
    second.hang_up()
    eventually(lambda: second.log.has(event="gate.free"))
    client = first.client()
    with pg.connect() as slow:
        slow.execute("BEGIN")
        slow.execute("SELECT FROM berth.gate FOR UPDATE")
        client.send("ONCE", "ENTER", "migrate")
        eventually(lambda: is_blocked(pg, "INSERT INTO berth.gate"))
        first.process.terminate()
        eventually(lambda: is_blocked(pg, "SELECT FROM berth.runner"))
        slow.execute("COMMIT")

    assert as_map(client.read()).state == "run"
    assert enter(second.client(), "migrate").state == "wait"


def test_after_that_grace_the_next_one_runs_it_and_the_holder_comes_too_late(make_daemon):
    first, second = make_daemon(), make_daemon(runner_grace_ms=600, heartbeat_ms=200)
    mine = enter(first.ready().client(), "migrate")
    first.leave()
    client = second.ready().client()

    new = enter(client, "migrate", wait=20000)

    assert new.state == "run" and new.fence > mine.fence
    late = second.client()
    assert enter(late, "migrate", "FENCE", mine.fence).state == "wait"
    assert refused(late, "ONCE", "DONE", "migrate", mine.fence).code == "STALE"
    client("ONCE", "DONE", "migrate", new.fence)
    assert enter(late, "migrate", "FENCE", mine.fence).state == "done"
    late("ONCE", "FORGET", "migrate")
    assert refused(late, "ONCE", "ENTER", "migrate", "FENCE", mine.fence).code == "STALE"


def test_a_run_may_go_on_over_another_connection_and_then_lives_with_that(make_daemon):
    """Of the same runner, or of another one."""
    first, second = make_daemon().ready(), make_daemon().ready()
    probe, one = first.client(), first.client()
    mine = enter(one, "migrate")
    for daemon in [first, second]:
        next_one = daemon.client()
        assert enter(next_one, "migrate", "FENCE", mine.fence).state == "run"
        one.close()
        left = 2 if daemon is first else 1
        eventually(lambda n=left: int(probe.info()["connected_clients"]) == n)
        assert enter(second.client(), "migrate", wait=300).state == "wait"
        one = next_one
    one.close()
    assert enter(first.client(), "migrate", wait=20000).state == "run"


# Many


def test_news_of_this_runners_clients_are_heard_at_once(daemon):
    """Of a hundred that wait each looks every two seconds: they are told."""
    one = daemon.ready().client()
    others = [daemon.client() for _ in range(100)]

    def seconds_to_hear() -> float:
        fence = enter(one, "migrate").fence
        for other in others:
            other.send("ONCE", "ENTER", "migrate", "WAIT", 60000)
        daemon.client()  # it has been served: so have those before it
        began = time.monotonic()
        one("ONCE", "DONE", "migrate", fence)
        assert {as_map(other.read()).state for other in others} == {"done"}
        one("ONCE", "FORGET", "migrate")
        return time.monotonic() - began

    assert any(seconds_to_hear() < 1 for _ in range(6))


def test_64_callers_on_two_runners_run_it_once(make_daemon):
    daemons = [make_daemon().ready() for _ in range(2)]
    ran, outcomes, lock = [], [], threading.Lock()

    def service(i):
        with daemons[i % 2].client() as client:
            answer = enter(client, "migrate", wait=60000)
            if answer.state == "run":
                with lock:
                    ran.append(i)
                client("ONCE", "DONE", "migrate", answer.fence)
            with lock:
                outcomes.append(answer.state)

    services = [threading.Thread(target=service, args=(i,)) for i in range(64)]
    for s in services:
        s.start()
    for s in services:
        s.join()
    assert len(ran) == 1
    assert sorted(outcomes) == ["done"] * 63 + ["run"]


def test_list_shows_every_key_and_its_state(daemon):
    client = daemon.ready().client()
    enter(client, "a")
    client("ONCE", "DONE", "b", enter(client, "b").fence)
    client("ONCE", "FAIL", "c", enter(client, "c").fence, "broken")
    rows = {r.key: r for r in map(as_map, client("ONCE", "LIST"))}
    assert {k: r.state for k, r in rows.items()} == {"a": "running", "b": "done", "c": "failed"}
    assert rows["c"].message == "broken"


@pytest.mark.parametrize(
    "words, code",
    [
        (("ENTER",), "USAGE"),
        (("ENTER", "x" * 256), "USAGE"),
        (("ENTER", "a b"), "USAGE"),
        (("ENTER", "k", "WAIT", -1), "LIMIT"),
        (("DONE", "k", "x"), "USAGE"),
        (("DONE", "k", 1), "STALE"),
        (("FAIL", "k", 1), "USAGE"),
        (("FAIL", "k", 1, "m", "STATUS", 256), "LIMIT"),
        (("NONSENSE", "k"), "USAGE"),
    ],
)
def test_bad_words_are_refused_and_the_session_goes_on(daemon, words, code):
    client = daemon.ready().client()
    assert refused(client, "ONCE", *words).code == code
    assert client("PING") == "PONG"
    eventually(lambda: client("ONCE", "LIST") == [])
