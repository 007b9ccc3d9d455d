# SPDX-License-Identifier: MIT
"""What shows only when transactions are committed, and other connections look."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from calendar_day import DAY, at
from django.db import connections, transaction

from appointments import booking
from appointments.models import Doctor, Specialty
from audit.models import Entry

# What migrations brought comes back with each test, for at the end of each all tables are emptied.
pytestmark = pytest.mark.django_db(
    transaction=True, databases="__all__", serialized_rollback=True, reset_sequences=True
)


def in_threads(*calls):
    """Calls them at the same time, each on connections of its own; their results or exceptions."""

    def alone(call):
        try:
            return call()
        except booking.NotFreeError as e:
            return e
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(alone, calls))


def test_of_two_who_want_the_same_time_one_gets_it(doctor, ada, bob):
    results = in_threads(
        lambda: booking.book(doctor, ada, at(9)), lambda: booking.book(doctor, bob, at(9))
    )

    (refused,) = [result for result in results if isinstance(result, booking.NotFreeError)]
    (booked,) = [result for result in results if result is not refused]
    assert booked in doctor.appointments.all()
    assert sorted(entry.event for entry in Entry.objects.all()) == ["booked", "refused"]


def test_the_audit_trail_outlives_a_rollback(doctor, ada):
    with transaction.atomic():
        booking.book(doctor, ada, at(9))
        transaction.set_rollback(True)

    assert doctor.appointments.count() == 0
    assert [entry.event for entry in Entry.objects.all()] == ["booked"]


def test_free_times_follow_each_commit(doctor, ada):
    assert booking.free_times(doctor, DAY)[0] == at(9)
    booking.book(doctor, ada, at(9))

    assert booking.free_times(doctor, DAY)[0] == at(9, 15)


def test_reports_read_what_was_committed(doctor, ada, bob):
    booking.book(doctor, ada, at(9))
    booking.cancel(booking.book(doctor, bob, at(9, 15)))

    with transaction.atomic():
        booking.book(doctor, bob, at(9, 30))
        assert booking.busy() == {"General practice": 1}
    assert booking.busy() == {"General practice": 2}


def test_the_replica_is_the_first_database_and_the_audit_trail_is_another(doctor):
    assert Doctor.objects.using("reports").get() == doctor
    assert "audit_entry" not in connections["default"].introspection.table_names()
    assert "audit_entry" in connections["audit"].introspection.table_names()
    assert "appointments_doctor" not in connections["audit"].introspection.table_names()


@pytest.mark.parametrize("n", range(3))
def test_each_test_finds_what_migrations_brought_and_counts_from_one(n, ada):
    assert Specialty.objects.get(name="Psychiatry").minutes == 50
    assert ada.pk == 1

    Specialty.objects.all().delete()
