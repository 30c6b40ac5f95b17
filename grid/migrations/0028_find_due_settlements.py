from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("grid", "0027_utility_holidays")]

    operations = [
        migrations.AddIndex(
            model_name="settlement",
            index=models.Index(
                condition=models.Q(
                    ("posted_at__isnull", True), ("reserved_at__isnull", True), ("voided_at__isnull", True)
                ),
                fields=["created_at", "id"],
                name="settlement_not_in_ledger",
            ),
        ),
        migrations.AddIndex(
            model_name="settlement",
            index=models.Index(
                condition=models.Q(
                    ("posted_at__isnull", True), ("reserved_at__isnull", False), ("voided_at__isnull", True)
                ),
                fields=["group", "created_at", "id"],
                name="settlement_pending",
            ),
        ),
        migrations.AddIndex(
            model_name="settlement",
            index=models.Index(
                condition=models.Q(("grade", "missing"), ("group__isnull", True)),
                fields=["created_at", "id"],
                name="settlement_not_known",
            ),
        ),
    ]
