# SPDX-License-Identifier: MIT
"""A moment of it; `./dev chaos MINUTES` does the same for longer."""

import json
import os
import subprocess
import sys

from harness import places
from harness.wait import LONG


def test_whatever_is_killed_nobody_sees_anothers_and_nothing_is_left(tmp_path):
    figures = tmp_path / "figures.json"
    argv = [sys.executable, "-m", "chaos.run", "2" if LONG else "0.2", "--json", str(figures)]

    done = subprocess.run(
        argv, env=os.environ | {"PYTHONPATH": str(places.TESTS)}, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    found = json.loads(figures.read_text())
    assert found["leases granted"] > 9 and found["looks"] > 9 and found["kills survived"] > 9, found
