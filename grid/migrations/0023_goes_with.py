"""Terms say beside which programs a car may be in theirs; those that are here say nothing, so that it may not."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("grid", "0022_private_key_words")]

    operations = [
        migrations.AddField(
            model_name="programterms",
            name="goes_with",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text="Programs and groups in which a car may be besides; theirs must say so too.",
            ),
        ),
    ]
