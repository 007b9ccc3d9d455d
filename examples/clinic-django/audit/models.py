# SPDX-License-Identifier: MIT
"""What was done or attempted."""

from __future__ import annotations

from django.db import models


class Entry(models.Model):
    at = models.DateTimeField(auto_now_add=True)
    event = models.CharField(max_length=40)
    detail = models.JSONField(default=dict)

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return f"{self.event} {self.detail}"


def record(event: str, **detail: object) -> None:
    Entry.objects.create(event=event, detail=detail)
