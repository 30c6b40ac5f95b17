from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("grid", "0011_lighter_plan_rows")]

    operations = [
        migrations.AddIndex(
            model_name="planningstate",
            index=models.Index(fields=["due_at", "id"], name="plan_due_first"),
        ),
        migrations.AddIndex(
            model_name="planningstate",
            index=models.Index(fields=["dispatch_at", "id"], name="dispatch_due_first"),
        ),
        migrations.RemoveIndex(model_name="planningstate", name="plan_due"),
        migrations.RemoveIndex(model_name="planningstate", name="dispatch_due"),
    ]
