# SPDX-License-Identifier: MIT
"""A choice is a text to Django, of whatever name: no type of PostgreSQL's."""

from django.db import models


class Status(models.TextChoices):
    PENDING = "pending"
    COMPLETED = "completed"


class Document(models.Model):
    status = models.CharField(max_length=20, choices=Status, default=Status.PENDING)

    class Meta:
        db_table = "document"
