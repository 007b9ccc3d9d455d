# SPDX-License-Identifier: MIT
"""The clinic over HTTP, in JSON."""

from __future__ import annotations

import json

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.utils.dateparse import parse_date, parse_datetime
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from appointments import booking
from appointments.models import Appointment, Doctor, Patient


@require_GET
def free(request: HttpRequest, pk: int) -> JsonResponse:
    doctor = get_object_or_404(Doctor.objects.select_related("specialty"), pk=pk)
    day = parse_date(request.GET.get("day", ""))
    if day is None:
        return JsonResponse({"error": "which day?"}, status=400)
    times = booking.free_times(doctor, day)
    return JsonResponse({"doctor": doctor.name, "free": [time.isoformat() for time in times]})


@csrf_exempt
@require_POST
def book(request: HttpRequest) -> JsonResponse:
    wanted = json.loads(request.body)
    doctor = get_object_or_404(Doctor.objects.select_related("specialty"), pk=wanted["doctor"])
    patient = get_object_or_404(Patient, pk=wanted["patient"])
    starts = parse_datetime(wanted["starts"])
    if starts is None:
        return JsonResponse({"error": "when?"}, status=400)
    try:
        appointment = booking.book(doctor, patient, starts)
    except booking.NotFreeError as e:
        return JsonResponse({"error": str(e)}, status=409)
    return JsonResponse({"appointment": appointment.pk}, status=201)


@csrf_exempt
@require_POST
def cancel(request: HttpRequest, pk: int) -> JsonResponse:
    booking.cancel(get_object_or_404(Appointment, pk=pk))
    return JsonResponse({})


@require_GET
@permission_required("appointments.view_appointment", raise_exception=True)
def busy(request: HttpRequest) -> JsonResponse:
    return JsonResponse(booking.busy())
