"""Terms that stand already are nobody's news."""

from typing import Any

from django.db import migrations


def note_as_told(apps: Any, _schema_editor: object) -> None:
    notices = apps.get_model("grid", "TermsNotice")
    standing = apps.get_model("grid", "ProgramTerms").objects.values_list("pk", "valid_from_at")
    notices.objects.bulk_create(notices(terms_id=key, told_at=at) for key, at in standing)


class Migration(migrations.Migration):
    dependencies = [("grid", "0009_reminders")]

    operations = [migrations.RunPython(note_as_told, migrations.RunPython.noop)]
