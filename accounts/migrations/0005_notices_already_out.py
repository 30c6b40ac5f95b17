"""Notices that were e-mailed before are on their way no more."""

from typing import Any

from django.db import migrations
from django.db.models import F


def note_what_went_out(apps: Any, _schema_editor: object) -> None:
    apps.get_model("accounts", "Notice").objects.filter(emailed_at__isnull=False).update(routed_at=F("emailed_at"))


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_notice_delivery")]

    operations = [migrations.RunPython(note_what_went_out, migrations.RunPython.noop)]
