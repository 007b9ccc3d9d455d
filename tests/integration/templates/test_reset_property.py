# SPDX-License-Identifier: MIT
"""Random deeds of the role, then RESET, then everything is compared: a single difference is a defect.

BERTH_TEST_SEED=n does the same again; BERTH_TEST_ROUNDS=n rounds a shape (./dev property n).
"""

import os
import random
import time

import pytest

from harness.resp import as_map
from templates.deeds import Deeds
from templates.desk import Desk
from templates.shapes import SHAPES
from templates.state import difference, dump

ROUNDS = int(os.environ.get("BERTH_TEST_ROUNDS", "12"))
SEED = int(os.environ.get("BERTH_TEST_SEED", random.SystemRandom().randrange(2**32)))


@pytest.mark.timeout(60 + ROUNDS * 3)
@pytest.mark.parametrize("ddl", [False, True], ids=["rows", "definitions"])
@pytest.mark.parametrize("shape", [s for s in SHAPES if s != "empty" and (s != "everything" or ROUNDS > 50)])
def test_whatever_the_role_does_reset_undoes(request, house, shape, ddl):
    print(f"BERTH_TEST_SEED={SEED}")
    rng = random.Random(f"{SEED} {request.node.callspec.id}")
    desk = Desk(house, shape)
    template = dump(house.slot(desk.lease))
    counts = {"rounds": 0, "deeds": 0, "failed": 0, "forced": 0, "looked": 0, "dirty": 0, "rebuilt": 0, "reset_s": 0.0}
    try:
        for number in range(ROUNDS):
            play(desk, template, rng, ddl, number, counts)
    finally:
        print(counts)
        desk.close()
    assert counts["dirty"] > 0 or ROUNDS < 50  # a few rounds may all be idle ones
    if not ddl and shape in ("shop", "plain") and ROUNDS >= 50:  # what makes new files may be rebuilt, rows alone not
        assert counts["rebuilt"] < ROUNDS / 2


def play(desk: Desk, template, rng: random.Random, ddl: bool, number: int, counts: dict) -> None:
    deeds = Deeds(rng, desk.lease.dsn, desk.lease.schema, desk.house.observer.connection, ddl)
    try:
        deeds.run(rng.choice([1, 3, 8, 20]))
        counts["rounds"] += 1
        counts["deeds"] += len(deeds.done)
        counts["failed"] += sum("  -- " in deed for deed in deeds.done)
        if number % 4 == 0 and not deeds.busy:  # or the look waits for what they have locked
            counts["looked"] += 1
            counts["dirty"] += desk.is_dirty()
        counts["forced"] += deeds.busy
        words = ["FORCE"] if deeds.busy else rng.choice([[], [], ["FORCE"]])
        began = time.monotonic()
        said = as_map(desk.client("RESET", desk.lease.lease, *words))
        counts["reset_s"] += time.monotonic() - began
        counts["rebuilt"] += said.rebuilt
        different = difference(desk.before, desk.house.state(desk.lease))
        if not different and number % 10 == 0:
            different = difference(template, dump(desk.house.slot(desk.lease)))
        assert not different, story(deeds, number, said, different)
    except Exception as e:
        e.add_note(story(deeds, number, None, []))
        raise
    finally:
        deeds.close()


def story(deeds: Deeds, number: int, said, different: list[str]) -> str:
    """What somebody needs to see what happened."""
    lines = [f"round {number} of BERTH_TEST_SEED={SEED} BERTH_TEST_ROUNDS={ROUNDS}", *deeds.done, f"RESET said {said}"]
    return "\n".join(lines + [line[:1000] for line in different[:30]])
