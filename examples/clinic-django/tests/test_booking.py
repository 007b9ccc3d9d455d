# SPDX-License-Identifier: MIT
"""Booking and cancelling, each test in a transaction that is rolled back."""

from __future__ import annotations

import pytest
from calendar_day import DAY, at
from django.core.cache import cache
from django.db import IntegrityError

from appointments import booking
from appointments.models import Appointment, Specialty
from audit.models import Entry

pytestmark = pytest.mark.django_db(databases=["default", "audit"])

ALL = [at(9), at(9, 15), at(9, 30), at(9, 45)]


def test_a_day_without_visits_is_free(doctor):
    assert booking.free_times(doctor, DAY) == ALL


@pytest.mark.parametrize("taken", ALL)
def test_a_visit_takes_its_time(doctor, ada, taken):
    booking.book(doctor, ada, taken)

    assert booking.free_times(doctor, DAY) == [time for time in ALL if time != taken]


def test_a_day_may_fill_up(doctor, ada):
    for time in ALL:
        booking.book(doctor, ada, time)

    assert booking.free_times(doctor, DAY) == []
    assert ada.appointments.count() == 4


@pytest.mark.parametrize(("hour", "minute"), [(8, 45), (9, 7), (10, 0), (23, 0)])
def test_only_times_of_the_practice_can_be_booked(doctor, ada, hour, minute):
    with pytest.raises(booking.NotFreeError, match="Dr Okafor is not free"):
        booking.book(doctor, ada, at(hour, minute))

    assert not Appointment.objects.exists()


def test_a_time_is_not_booked_twice(doctor, ada, bob):
    booking.book(doctor, ada, at(9))

    with pytest.raises(booking.NotFreeError):
        booking.book(doctor, bob, at(9))


def test_the_database_would_not_have_it_either(doctor, ada, bob):
    Appointment.objects.create(doctor=doctor, patient=ada, starts=at(9))

    with pytest.raises(IntegrityError, match="one_patient_at_a_time"):
        Appointment.objects.create(doctor=doctor, patient=bob, starts=at(9))


def test_what_is_cancelled_is_free_again(doctor, ada, bob):
    booking.cancel(booking.book(doctor, ada, at(9)))

    assert booking.book(doctor, bob, at(9)).patient == bob


def test_everything_is_in_the_audit_trail(doctor, ada, bob):
    appointment = booking.book(doctor, ada, at(9))
    with pytest.raises(booking.NotFreeError):
        booking.book(doctor, bob, at(9))
    booking.cancel(appointment)

    assert [entry.event for entry in Entry.objects.all()] == ["booked", "refused", "cancelled"]
    assert Entry.objects.get(event="refused").detail["patient"] == bob.pk


def test_free_times_are_kept_in_the_cache(doctor, ada):
    assert booking.free_times(doctor, DAY) == ALL
    Appointment.objects.create(doctor=doctor, patient=ada, starts=at(9))

    assert booking.free_times(doctor, DAY) == ALL


def test_a_commit_makes_the_cache_forget_them(doctor, ada, django_capture_on_commit_callbacks):
    booking.free_times(doctor, DAY)
    with django_capture_on_commit_callbacks() as callbacks:
        booking.book(doctor, ada, at(9))
    assert booking.free_times(doctor, DAY) == ALL

    for callback in callbacks:
        callback()

    assert booking.free_times(doctor, DAY) == ALL[1:]


@pytest.mark.parametrize("n", range(8))
def test_nobody_else_is_in_the_cache(doctor, n):
    key = f"free:{doctor.pk}:{DAY}"
    assert cache.get(key) is None
    cache.set(key, [n])

    assert booking.free_times(doctor, DAY) == [n]


def test_a_longer_visit_leaves_fewer_times(doctor):
    doctor.specialty = Specialty.objects.get(name="Cardiology")
    doctor.save()

    assert booking.free_times(doctor, DAY) == [at(9), at(9, 30)]
