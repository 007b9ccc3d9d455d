# SPDX-License-Identifier: MIT
"""Who comes to whom, and when."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class Specialty(models.Model):
    """A field of medicine. A migration brings those that there are, with how long a visit takes."""

    name = models.CharField(max_length=80, unique=True)
    minutes = models.PositiveSmallIntegerField()

    class Meta:
        verbose_name_plural = "specialties"

    def __str__(self) -> str:
        return self.name


class Doctor(models.Model):
    name = models.CharField(max_length=120)
    specialty = models.ForeignKey(Specialty, on_delete=models.PROTECT, related_name="doctors")
    opens = models.TimeField()
    closes = models.TimeField()

    def __str__(self) -> str:
        return self.name


class Patient(models.Model):
    name = models.CharField(max_length=120)
    insurance_number = models.CharField(max_length=20, unique=True)

    def __str__(self) -> str:
        return self.name


class Appointment(models.Model):
    doctor = models.ForeignKey(Doctor, on_delete=models.CASCADE, related_name="appointments")
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="appointments")
    starts = models.DateTimeField()
    cancelled = models.BooleanField(default=False)

    class Meta:
        ordering = ["starts"]
        constraints = [
            models.UniqueConstraint(
                name="one_patient_at_a_time",
                fields=["doctor", "starts"],
                condition=Q(cancelled=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.patient} to {self.doctor}, {self.starts:%d %b %H:%M}"
