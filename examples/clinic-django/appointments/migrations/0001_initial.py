# SPDX-License-Identifier: MIT
import django.db.models.deletion
from django.db import migrations, models

ID = models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Specialty",
            fields=[
                ("id", ID.clone()),
                ("name", models.CharField(max_length=80, unique=True)),
                ("minutes", models.PositiveSmallIntegerField()),
            ],
            options={"verbose_name_plural": "specialties"},
        ),
        migrations.CreateModel(
            name="Doctor",
            fields=[
                ("id", ID.clone()),
                ("name", models.CharField(max_length=120)),
                (
                    "specialty",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="doctors",
                        to="appointments.specialty",
                    ),
                ),
                ("opens", models.TimeField()),
                ("closes", models.TimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Patient",
            fields=[
                ("id", ID.clone()),
                ("name", models.CharField(max_length=120)),
                ("insurance_number", models.CharField(max_length=20, unique=True)),
            ],
        ),
        migrations.CreateModel(
            name="Appointment",
            fields=[
                ("id", ID.clone()),
                (
                    "doctor",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="appointments",
                        to="appointments.doctor",
                    ),
                ),
                (
                    "patient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="appointments",
                        to="appointments.patient",
                    ),
                ),
                ("starts", models.DateTimeField()),
                ("cancelled", models.BooleanField(default=False)),
            ],
            options={
                "ordering": ["starts"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("cancelled", False)),
                        fields=("doctor", "starts"),
                        name="one_patient_at_a_time",
                    )
                ],
            },
        ),
    ]
