# SPDX-License-Identifier: MIT
"""What a scenario needs: private servers, a real berthd, real workers, and the final count."""

from harness.wait import eventually

__all__ = ["eventually"]
