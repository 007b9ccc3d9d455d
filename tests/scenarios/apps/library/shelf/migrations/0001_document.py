# SPDX-License-Identifier: MIT
"""One table."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel(
            name="Document",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "status",
                    models.CharField(
                        max_length=20,
                        default="pending",
                        choices=[("pending", "Pending"), ("completed", "Completed")],
                    ),
                ),
            ],
            options={"db_table": "document"},
        ),
    ]
