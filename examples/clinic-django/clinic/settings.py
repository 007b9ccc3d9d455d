# SPDX-License-Identifier: MIT
"""Settings, from the environment; see the README for what is read."""

from __future__ import annotations

import os

SECRET_KEY = os.environ.get("SECRET_KEY", "not a secret: nothing here is signed for anybody")
DEBUG = os.environ.get("DEBUG") == "1"
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost").split(",")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin",
    "appointments",
    "audit",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

ROOT_URLCONF = "clinic.urls"
STATIC_URL = "static/"


def database(name: str) -> dict[str, object]:
    """One of ours on the server that CLINIC_DB_… name."""
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": os.environ.get("CLINIC_DB_USER", "clinic"),
        "PASSWORD": os.environ.get("CLINIC_DB_PASSWORD", "clinic"),
        "HOST": os.environ.get("CLINIC_DB_HOST", "localhost"),
        "PORT": os.environ.get("CLINIC_DB_PORT", "5432"),
    }


# The audit trail is kept apart: what is written there stays, whatever becomes of the transaction
# in which it happened. The reports read from a replica of the first.
DATABASES = {
    "default": database("clinic"),
    "reports": database("clinic") | {"TEST": {"MIRROR": "default"}},
    "audit": database("clinic_audit"),
}
DATABASE_ROUTERS = ["clinic.routers.AuditRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": os.environ.get("REDIS_URL", "redis://localhost:6379/0"),
    }
}

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "Europe/London"
USE_TZ = True
