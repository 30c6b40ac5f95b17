from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("vehicles", "0003_link_attempts")]

    operations = [
        migrations.CreateModel(
            name="MakerMessage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("maker", models.CharField(max_length=32)),
                ("event_hash", models.CharField(max_length=64)),
                ("received_at", models.DateTimeField(db_index=True, help_text="Wall time.")),
            ],
        ),
        migrations.AddConstraint(
            model_name="makermessage",
            constraint=models.UniqueConstraint(fields=("maker", "event_hash"), name="one_row_per_pushed_message"),
        ),
    ]
