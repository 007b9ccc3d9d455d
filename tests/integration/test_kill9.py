# SPDX-License-Identifier: MIT
"""Half a minute of SIGKILL at random points, daemons included; chaos/kill9.py does it for hours."""

import os
import random


def test_kill_9_at_random_points_leaves_nothing():
    from chaos.kill9 import Chaos

    seed = int(os.environ.get("BERTH_TEST_SEED", random.getrandbits(32)))
    print("seed", seed)
    chaos = Chaos(seed)
    try:
        assert chaos.run(12) == []
        assert chaos.count["leases"] > 5, chaos.count
    finally:
        chaos.close()
