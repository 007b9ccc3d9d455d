# SPDX-License-Identifier: MIT
"""A doctor, two patients, and a cache that is empty."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time

import pytest
from django.core.cache import cache

from appointments.models import Doctor, Patient, Specialty


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    yield
    cache.clear()


@pytest.fixture(autouse=True)
def quick_passwords(settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def doctor(db: None) -> Doctor:
    """Sees four patients, between nine and ten."""
    specialty = Specialty.objects.get(name="General practice")
    return Doctor.objects.create(
        name="Dr Okafor", specialty=specialty, opens=time(9), closes=time(10)
    )


@pytest.fixture
def ada(db: None) -> Patient:
    return Patient.objects.create(name="Ada", insurance_number="A 1")


@pytest.fixture
def bob(db: None) -> Patient:
    return Patient.objects.create(name="Bob", insurance_number="B 2")
