"""A car is in a program once; in how many programs is up to their terms."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("grid", "0024_yields_to")]

    operations = [
        migrations.AddConstraint(
            model_name="enrollment",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at__isnull", True)),
                fields=("vehicle", "program"),
                name="one_open_enrollment_per_vehicle_and_program",
            ),
        ),
        migrations.RemoveConstraint(model_name="enrollment", name="one_open_enrollment_per_vehicle"),
    ]
