# SPDX-License-Identifier: MIT
"""The day on which everything happens."""

from __future__ import annotations

from datetime import date, datetime

from django.utils import timezone

DAY = date(2030, 5, 6)


def at(hour: int, minute: int = 0) -> datetime:
    return timezone.make_aware(datetime(DAY.year, DAY.month, DAY.day, hour, minute))
