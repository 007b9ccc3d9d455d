# SPDX-License-Identifier: MIT
"""Random days of several runners on one server: two never hold one database, and no foreign key is lost."""

import os
import random
import time

import pytest
import redis

from harness import eventually
from harness.wait import LONG

QUICK = {"grace": 900, "heartbeat": 250, "deadline": 3000}
FOREIGN = {2: "they", 5: "were", 9: "here"}
SECONDS = float(os.environ.get("BERTH_TEST_SECONDS", "30" if LONG else "5"))

# Atomically: nobody's keys are here, and now mine are.
SIGN = "if redis.call('DBSIZE') > 0 then return redis.call('GET', 'owner') or 'foreign' end redis.call('SET', 'owner', ARGV[1]) return ARGV[1]"


class World:
    """The model: who holds which database, as the runners said, and who may have lost it unheard."""

    def __init__(self, kv, make_runner, rng, foreign, restarts):
        self.kv, self.make_runner, self.rng = kv, make_runner, rng
        self.foreign, self.restarts = foreign, restarts
        self.runners = [make_runner(kv, **QUICK) for _ in range(4)]
        self.held: dict[str, dict[str, dict]] = {r.id: {} for r in self.runners}
        self.asked: dict[str, set] = {r.id: set() for r in self.runners}
        self.paused: dict[str, float] = {}  # id → when it goes on
        self.resumed: dict[str, float] = {}
        self.tags = 0
        self.counts = {"claimed": 0, "failed": 0, "lost": 0, "ended": 0, "killed": 0, "paused": 0, "restarts": 0}
        self.trace: list[str] = []

    def note(self, *words):
        self.trace.append(f"{time.monotonic():.3f} " + " ".join(map(str, words)))

    # What may happen.

    def claim(self, runner):
        if len(self.asked[runner.id]) >= 4:
            return
        tag = f"t{self.tags}"
        self.tags += 1
        self.asked[runner.id].add(tag)
        runner.say(self.rng.choice(["claim", "claim", "index"]), tag)

    def end(self, runner):
        if self.held[runner.id] and (runner.id not in self.paused or self.rng.random() < 0.02):
            tag = self.rng.choice(sorted(self.held[runner.id]))
            slot = self.held[runner.id].pop(tag)
            if not slot.get("unsure"):
                self.check_owner(slot)
            self.note("end", runner.id, slot["db"], slot["fence"])
            runner.say("end", tag)
            self.counts["ended"] += 1

    def kill(self, runner):
        self.note("kill", runner.id)
        runner.kill()
        self.runners.remove(runner)
        self.held.pop(runner.id)
        self.paused.pop(runner.id, None)
        fresh = self.make_runner(self.kv, **QUICK)
        self.runners.append(fresh)
        self.held[fresh.id], self.asked[fresh.id] = {}, set()
        self.counts["killed"] += 1

    def pause(self, runner):
        if runner.id not in self.paused and len(self.paused) < 2:
            self.note("pause", runner.id)
            runner.pause()
            self.paused[runner.id] = time.monotonic() + self.rng.choice([0.1, 0.5, 1.5, 2.0])
            for slot in self.held[runner.id].values():
                slot["unsure"] = True
            self.counts["paused"] += 1

    def restart(self, _):
        """Redis comes back empty: what was signed is not signed any more, but held as before."""
        if self.counts["restarts"] >= self.restarts:
            return
        self.note("restart")
        self.kv.restart()
        for slots in self.held.values():
            for slot in slots.values():
                slot["signed"] = False
        self.counts["restarts"] += 1

    def resume(self, runner):
        self.note("resume", runner.id)
        self.resumed[runner.id] = time.monotonic()
        self.paused.pop(runner.id)
        runner.resume()

    def resume_due(self):
        for runner in self.runners:
            if self.paused.get(runner.id, time.monotonic() + 1) < time.monotonic():
                self.resume(runner)

    def resume_all(self):
        for runner in self.runners:
            if runner.id in self.paused:
                self.resume(runner)

    # What is heard of it.

    def hear(self, runner):
        with runner.changed:
            events, runner.events = runner.events, []
        for e in events:
            if e["event"] in ("claimed", "failed"):
                self.counts[e["event"]] += 1
                self.asked[runner.id].discard(e["tag"])
            if e["event"] == "claimed":
                self.on_claimed(runner, e)
            elif e["event"] == "failed":
                assert e["code"] in ("LIMIT", "UNAVAILABLE"), e
            elif e["event"] == "lost":
                self.on_lost(runner, e)

    def on_claimed(self, runner, slot):
        self.note("claimed", runner.id, slot["db"], slot["fence"], slot["mode"])
        assert slot["db"] not in self.foreign and slot["db"] not in (0, self.kv.meta_db)
        # An answer that waited in a paused runner may be out of date: nothing is known then.
        if runner.id in self.paused or time.monotonic() - self.resumed.get(runner.id, 0) < 2:
            slot["unsure"] = True
        else:
            self.must_be_alone(runner, slot)
        self.held[runner.id][slot["tag"]] = slot

    def must_be_alone(self, runner, slot):
        for other, slots in self.held.items():
            for theirs in slots.values():
                if theirs["db"] == slot["db"] and not theirs.get("unsure"):
                    raise AssertionError(f"{runner.id} and {other} both hold {slot['db']}: {slot} {theirs}")
        signed = self.kv.db(slot["db"]).eval(SIGN, 0, slot["fence"])
        assert signed == str(slot["fence"]), f"{slot} is signed by {signed}"
        slot["signed"] = True

    def on_lost(self, runner, e):
        self.counts["lost"] += 1
        self.note("lost", runner.id, e["db"], e["fence"])
        slot = self.held[runner.id].pop(e["tag"], None)
        if slot:
            assert slot.get("unsure"), f"lost without a pause: {e}"
            runner.say("end", e["tag"])

    def check_owner(self, slot):
        if not slot.get("signed"):
            return
        owner = self.kv.db(slot["db"]).get("owner")
        assert owner == str(slot["fence"]), f"{slot['db']} of {slot['fence']} is signed by {owner}"

    # What must be true.

    def check(self):
        for runner in self.runners:
            if runner.id in self.paused:
                continue
            for slot in self.held[runner.id].values():
                if not slot.get("unsure"):
                    self.check_owner(slot)

    def step(self):
        runner = self.rng.choice(self.runners)
        act = self.rng.choices(
            [self.claim, self.end, self.pause, self.kill, self.restart],
            weights=[500, 450, 10, 3 if self.counts["killed"] < 20 else 0, 2],
        )[0]
        if act in (self.claim, self.end, self.restart) or runner.id not in self.paused:
            act(runner)
        self.resume_due()
        for each in self.runners:
            self.hear(each)
        time.sleep(0.002)  # a pace, not a wait


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("foreign", "restarts"), [(FOREIGN, 0), ({}, 12)], ids=["foreign", "restarts"])
def test_two_runners_never_hold_one_database(foreign, restarts, make_redis, make_runner):
    seed = int(os.environ.get("BERTH_TEST_SEED", random.SystemRandom().randrange(2**32)))
    print(f"BERTH_TEST_SEED={seed}")
    kv = make_redis(databases=12)
    for db, word in foreign.items():
        kv.db(db).mset({"foreign": word, "owner": "foreign"})
    world = World(kv, make_runner, random.Random(seed), foreign, restarts)
    end = time.monotonic() + SECONDS
    steps = 0
    try:
        while time.monotonic() < end:
            world.step()
            steps += 1
            if steps % 20 == 0:
                world.check()
    except (AssertionError, redis.RedisError) as e:
        raise AssertionError(f"{e}\n" + "\n".join(world.trace[-40:])) from e
    print(steps, world.counts)
    assert world.counts["claimed"] > 25 and world.counts["ended"] > 10

    world.resume_all()
    while any(world.asked.get(r.id) for r in world.runners):  # not eventually(): what is wrong must be heard
        for runner in world.runners:
            world.hear(runner)
        time.sleep(0.01)
    for runner in world.runners:
        for tag in world.held[runner.id]:
            runner.say("end", tag)
        runner.ended(20)
    left = lambda: [*kv.db(kv.meta_db).hgetall("berth:claims").items(), *kv.users()]  # noqa: E731
    eventually(lambda: left() == [], 20)
    assert kv.keyspace().keys() <= {*foreign, kv.meta_db}
    for db, word in foreign.items():
        assert kv.db(db).get("foreign") == word and kv.db(db).get("owner") == "foreign"
