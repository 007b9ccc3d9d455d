# SPDX-License-Identifier: MIT
"""As small as Django's settings can be."""

import os
from urllib.parse import parse_qs, unquote, urlsplit

SECRET_KEY = "none"
INSTALLED_APPS = ["django.contrib.contenttypes", "shelf"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

_url = urlsplit(os.environ["DATABASE_URL"])
_options = parse_qs(_url.query)
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _url.path[1:],
        "USER": unquote(_url.username),
        "PASSWORD": unquote(_url.password or ""),
        "HOST": _options["host"][0] if "host" in _options else _url.hostname,
        "PORT": _options["port"][0] if "port" in _options else _url.port,
    }
}
