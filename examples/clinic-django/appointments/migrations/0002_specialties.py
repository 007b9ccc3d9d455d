# SPDX-License-Identifier: MIT
"""The fields of medicine of the house."""

from django.db import migrations

MINUTES = {"General practice": 15, "Dermatology": 20, "Cardiology": 30, "Psychiatry": 50}


def add(apps, schema_editor):
    specialty = apps.get_model("appointments", "Specialty")
    specialty.objects.using(schema_editor.connection.alias).bulk_create(
        specialty(name=name, minutes=minutes) for name, minutes in MINUTES.items()
    )


class Migration(migrations.Migration):
    dependencies = [("appointments", "0001_initial")]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
