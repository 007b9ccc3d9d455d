# SPDX-License-Identifier: MIT
"""Free times, booking and cancelling."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.core.cache import cache
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from appointments.models import Appointment, Doctor, Patient, Specialty
from audit.models import record

#: Seconds for which a day's free times are kept.
_KEEP = 300


class NotFreeError(Exception):
    """The doctor is not there, or sees somebody else."""


def free_times(doctor: Doctor, day: date) -> list[datetime]:
    """When the doctor could still see somebody, kept in the cache until something changes."""
    return cache.get_or_set(_key(doctor, day), lambda: _find_free_times(doctor, day), _KEEP)


def _find_free_times(doctor: Doctor, day: date) -> list[datetime]:
    taken = set(
        Appointment.objects.filter(doctor=doctor, starts__date=day, cancelled=False).values_list(
            "starts", flat=True
        )
    )
    return [start for start in _times(doctor, day) if start not in taken]


def _times(doctor: Doctor, day: date) -> list[datetime]:
    """All the times at which a visit may start on that day."""
    length = timedelta(minutes=doctor.specialty.minutes)
    start = timezone.make_aware(datetime.combine(day, doctor.opens))
    end = timezone.make_aware(datetime.combine(day, doctor.closes))
    return [start + n * length for n in range((end - start) // length)]


def book(doctor: Doctor, patient: Patient, starts: datetime) -> Appointment:
    """Raises NotFreeError. Every attempt is in the audit trail, also one that comes to nothing."""
    try:
        with transaction.atomic():
            # One at a time for a doctor: whoever comes second sees what the first has taken.
            Doctor.objects.select_for_update().get(pk=doctor.pk)
            if starts not in _find_free_times(doctor, timezone.localdate(starts)):
                raise NotFreeError(f"{doctor} is not free at {starts:%H:%M}")
            appointment = Appointment.objects.create(doctor=doctor, patient=patient, starts=starts)
            _changed(appointment)
    except NotFreeError:
        record("refused", doctor=doctor.pk, patient=patient.pk, starts=starts.isoformat())
        raise
    record("booked", appointment=appointment.pk)
    return appointment


def cancel(appointment: Appointment) -> None:
    with transaction.atomic():
        appointment.cancelled = True
        appointment.save(update_fields=["cancelled"])
        _changed(appointment)
    record("cancelled", appointment=appointment.pk)


def busy() -> dict[str, int]:
    """Visits of each field of medicine, as the replica has them."""
    rows = (
        Specialty.objects.using("reports")
        .filter(doctors__appointments__cancelled=False)
        .annotate(visits=Count("doctors__appointments"))
    )
    return {row.name: row.visits for row in rows.order_by("-visits", "name")}


def _key(doctor: Doctor, day: date) -> str:
    return f"free:{doctor.pk}:{day}"


def _changed(appointment: Appointment) -> None:
    """Once it is true for others, too, the cached times are out of date."""
    key = _key(appointment.doctor, timezone.localdate(appointment.starts))
    transaction.on_commit(lambda: cache.delete(key))
