# SPDX-License-Identifier: MIT
"""A moment of SIGKILL at random points, daemons included; chaos/kill9.py does it for hours."""

import os
import random

from harness.wait import LONG


def test_kill_9_at_random_points_leaves_nothing():
    from chaos.kill9 import Chaos

    seed = int(os.environ.get("BERTH_TEST_SEED", random.getrandbits(32)))
    print("seed", seed)
    chaos = Chaos(seed)
    try:
        assert chaos.run(60 if LONG else 6) == []
        assert chaos.count["leases"] > 3, chaos.count
    finally:
        chaos.close()
