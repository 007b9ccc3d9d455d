# SPDX-License-Identifier: MIT
from __future__ import annotations

from django.contrib import admin

from appointments.models import Appointment, Doctor, Patient, Specialty

admin.site.register([Doctor, Patient, Specialty])


@admin.register(Appointment)
class AppointmentAdmin(admin.ModelAdmin):
    list_display = ["starts", "doctor", "patient", "cancelled"]
    list_filter = ["doctor", "cancelled"]
    date_hierarchy = "starts"
