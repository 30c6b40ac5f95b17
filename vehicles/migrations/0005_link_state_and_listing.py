from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("vehicles", "0004_maker_messages")]

    operations = [
        migrations.AddField(
            model_name="vehiclelink",
            name="listed_at",
            field=models.DateTimeField(blank=True, help_text="When the account's cars were last listed.", null=True),
        ),
        migrations.AddField(
            model_name="vehiclelink",
            name="state_since_at",
            field=models.DateTimeField(blank=True, help_text="Since when it is in this state.", null=True),
        ),
    ]
