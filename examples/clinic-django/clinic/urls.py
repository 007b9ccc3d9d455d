# SPDX-License-Identifier: MIT
from __future__ import annotations

from django.contrib import admin
from django.urls import path

from appointments import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("doctors/<int:pk>/free", views.free, name="free"),
    path("appointments", views.book, name="book"),
    path("appointments/<int:pk>/cancel", views.cancel, name="cancel"),
    path("reports/busy", views.busy, name="busy"),
]
