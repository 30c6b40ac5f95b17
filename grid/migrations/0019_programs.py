"""Programs have a status in place of open or not, exclude each other, and may want the utility's word on who joins."""

import uuid
from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import foundation.fields


def keep_who_was_closed(apps: Any, _schema_editor: object) -> None:
    apps.get_model("grid", "Program").objects.filter(is_open=False).update(status="closed")


class Migration(migrations.Migration):
    dependencies = [
        ("grid", "0018_openadr2b"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="program",
            name="status",
            field=models.CharField(
                choices=[
                    ("open", "takes new cars"),
                    ("pilot", "a trial: takes the cars that the utility chooses"),
                    ("closed", "takes no new cars"),
                ],
                default="open",
                max_length=8,
            ),
        ),
        migrations.RunPython(keep_who_was_closed, migrations.RunPython.noop),
        migrations.RemoveField(model_name="program", name="is_open"),
        migrations.AddField(
            model_name="program",
            name="groups",
            field=models.JSONField(blank=True, default=list, help_text="Names by which other programs exclude it."),
        ),
        migrations.AddField(
            model_name="program",
            name="is_served",
            field=models.BooleanField(default=True, help_text="The utility has an agreement with us to bring cars in."),
        ),
        migrations.AddField(
            model_name="program",
            name="status_note",
            field=models.TextField(blank=True, help_text="What owners should know about the status."),
        ),
        migrations.AddField(
            model_name="programterms",
            name="excludes",
            field=models.JSONField(
                blank=True, default=list, help_text="Programs beside which it does not go; see docs."
            ),
        ),
        migrations.AddField(
            model_name="programterms",
            name="needs_confirmation",
            field=models.BooleanField(
                default=False, help_text="A car takes part once the utility has confirmed the customer's account."
            ),
        ),
        migrations.CreateModel(
            name="EnrollmentConfirmation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waits for the utility"),
                            ("confirmed", "confirmed by the utility"),
                            ("refused", "refused by the utility"),
                        ],
                        default="waiting",
                        max_length=12,
                    ),
                ),
                ("asked_at", models.DateTimeField()),
                (
                    "shared_at",
                    models.DateTimeField(
                        blank=True, help_text="When the owner agreed to share name and address.", null=True
                    ),
                ),
                ("account_name", foundation.fields.EncryptedTextField(blank=True)),
                ("service_account", foundation.fields.EncryptedTextField(blank=True)),
                (
                    "handed_out_at",
                    models.DateTimeField(blank=True, help_text="When the utility first got it in a file.", null=True),
                ),
                ("confirmed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "decided_at",
                    models.DateTimeField(blank=True, help_text="When the utility last said something.", null=True),
                ),
                (
                    "rate",
                    models.CharField(
                        blank=True, help_text="The account's rate, as the utility calls it.", max_length=60
                    ),
                ),
                (
                    "dual_enrollment",
                    models.CharField(blank=True, help_text="The program that it found besides.", max_length=120),
                ),
                ("reason", models.CharField(blank=True, help_text="Why the utility refused.", max_length=200)),
                (
                    "enrollment",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="confirmation", to="grid.enrollment"
                    ),
                ),
                (
                    "taken_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["asked_at", "pk"],
                "indexes": [models.Index(fields=["state"], name="confirmation_state")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "confirmed"), _negated=True),
                            ("confirmed_at__isnull", False),
                            _connector="OR",
                        ),
                        name="confirmed_has_its_moment",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ProgramElsewhere",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("declared_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="programs_elsewhere",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "program",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="declared_elsewhere",
                        to="grid.program",
                    ),
                ),
            ],
            options={
                "ordering": ["declared_at", "pk"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at__isnull", True)),
                        fields=("owner", "program"),
                        name="one_open_declaration_per_program",
                    )
                ],
            },
        ),
    ]
