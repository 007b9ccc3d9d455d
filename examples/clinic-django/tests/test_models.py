# SPDX-License-Identifier: MIT
"""The models; a TestCase is in one transaction from setUpTestData to its last test."""

from __future__ import annotations

import pytest
from calendar_day import at
from django.core.management import call_command
from django.db.models import ProtectedError
from django.test import TestCase

from appointments.models import Appointment, Doctor, Patient, Specialty


class VisitTest(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.specialty = Specialty.objects.get(name="Dermatology")
        cls.doctor = Doctor.objects.create(
            name="Dr Silva", specialty=cls.specialty, opens="08:00", closes="12:00"
        )
        patient = Patient.objects.create(name="Ada", insurance_number="A 1")
        for hour in (10, 8, 9):
            Appointment.objects.create(doctor=cls.doctor, patient=patient, starts=at(hour))

    def test_visits_are_in_the_order_of_the_day(self) -> None:
        assert [visit.starts for visit in self.doctor.appointments.all()] == [at(8), at(9), at(10)]

    def test_they_say_who_sees_whom(self) -> None:
        assert str(self.doctor.appointments.first()).startswith("Ada to Dr Silva, 06 May")

    def test_visits_end_with_their_doctor(self) -> None:
        self.doctor.delete()

        assert not Appointment.objects.exists()

    def test_a_field_of_medicine_stays_as_long_as_it_is_practised(self) -> None:
        with pytest.raises(ProtectedError):
            self.specialty.delete()


@pytest.mark.django_db(databases="__all__")
def test_no_migration_is_missing():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
