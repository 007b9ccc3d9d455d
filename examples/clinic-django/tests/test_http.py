# SPDX-License-Identifier: MIT
"""The clinic over HTTP."""

from __future__ import annotations

import json
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from calendar_day import at
from django.contrib.auth.models import Permission
from django.urls import reverse

from appointments.models import Appointment

both = pytest.mark.django_db(databases=["default", "audit"])


def order(doctor, patient, starts):
    return {"doctor": doctor.pk, "patient": patient.pk, "starts": starts.isoformat()}


@both
def test_a_visit_is_booked_and_cancelled(client, doctor, ada):
    free = reverse("free", args=[doctor.pk]) + "?day=2030-05-06"
    assert len(client.get(free).json()["free"]) == 4

    booked = client.post(reverse("book"), order(doctor, ada, at(9)), "application/json")
    assert booked.status_code == 201
    cancelled = client.post(reverse("cancel", args=[booked.json()["appointment"]]))
    assert cancelled.status_code == 200

    assert Appointment.objects.get().cancelled


@both
def test_a_time_that_is_taken_is_a_conflict(client, doctor, ada, bob):
    client.post(reverse("book"), order(doctor, ada, at(9)), "application/json")

    refused = client.post(reverse("book"), order(doctor, bob, at(9)), "application/json")

    assert refused.status_code == 409
    assert refused.json() == {"error": "Dr Okafor is not free at 09:00"}


def test_a_day_has_to_be_named(client, doctor):
    assert client.get(reverse("free", args=[doctor.pk])).status_code == 400


def test_nobody_has_an_appointment_with_nobody(client, db):
    assert client.get(reverse("free", args=[1]) + "?day=2030-05-06").status_code == 404


def test_reports_are_for_those_who_may(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("nurse"))

    assert client.get(reverse("busy")).status_code == 403


@pytest.mark.django_db(databases=["default", "reports"])
def test_who_may_sees_them(client, django_user_model):
    head = django_user_model.objects.create_user("head")
    head.user_permissions.add(Permission.objects.get(codename="view_appointment"))
    client.force_login(head)

    assert client.get(reverse("busy")).json() == {}


def test_the_office_works_in_the_admin(admin_client, doctor, ada):
    Appointment.objects.create(doctor=doctor, patient=ada, starts=at(9))

    page = admin_client.get(reverse("admin:appointments_appointment_changelist"))

    assert b"Dr Okafor" in page.content


@pytest.mark.django_db(transaction=True, databases=["default", "audit"], serialized_rollback=True)
def test_a_server_in_a_thread_has_the_same_database(live_server, doctor, ada, bob):
    def post(patient):
        body = json.dumps(order(doctor, patient, at(9))).encode()
        with urlopen(Request(live_server.url + reverse("book"), body)) as answer:
            return answer.status

    assert post(ada) == 201
    with pytest.raises(HTTPError, match="409") as refused:
        post(bob)
    refused.value.close()

    assert Appointment.objects.get().patient == ada
