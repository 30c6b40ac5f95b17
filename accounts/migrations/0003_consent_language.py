from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_user_language")]

    operations = [
        migrations.AddField(
            model_name="consent",
            name="language",
            field=models.CharField(default="en", help_text="In which the text was read.", max_length=8),
        ),
    ]
