"""A program's source says what it does not state, too, which takes more than 200 characters."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("grid", "0020_owed_reports")]

    operations = [
        migrations.AlterField(
            model_name="program",
            name="source",
            field=models.TextField(blank=True, help_text="Where the terms were read, and what is not stated there."),
        ),
    ]
