"""A car's part in an event keeps which other event has precedence on it."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("grid", "0023_goes_with")]

    operations = [
        migrations.AddField(
            model_name="eventparticipation",
            name="yields_to",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                help_text="The event that has precedence on this car meanwhile; empty: none.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="grid.gridevent",
            ),
        ),
    ]
