"""Real-time prices and average carbon as kinds of feeds."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("grid", "0002_habits")]

    operations = [
        migrations.AlterField(
            model_name="feed",
            name="kind",
            field=models.CharField(
                choices=[
                    ("day_ahead_price", "day-ahead energy price"),
                    ("real_time_price", "real-time energy price"),
                    ("marginal_carbon", "marginal carbon intensity"),
                    ("average_carbon", "average carbon intensity"),
                ],
                max_length=20,
            ),
        ),
    ]
