"""Makes an admin who can sign in at once."""

import os
from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from accounts.models import User


class Command(BaseCommand):
    help = "Makes an admin. The password is read from ADMIN_PASSWORD; an admin who exists is left as they are."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", default="")
        parser.add_argument("--role", default="", help="A group's name; without it the admin may do everything.")

    def handle(self, *_args: Any, **options: Any) -> None:
        email = options["email"].lower()
        if User.objects.filter(email=email).exists():
            self.stdout.write("That admin exists already.")
            return
        password = os.environ.get("ADMIN_PASSWORD", "")
        try:
            validate_password(password)
        except ValidationError as error:
            raise CommandError("Set ADMIN_PASSWORD to a good password: " + " ".join(error.messages)) from error
        role = Group.objects.filter(name=options["role"]).first()
        if options["role"] and role is None:
            known = ", ".join(Group.objects.order_by("name").values_list("name", flat=True))
            raise CommandError(
                f"There is no role {options['role']!r}. Roles: {known or 'none yet; run manage.py prepare'}"
            )
        with transaction.atomic():
            admin = _make(email, password, name=options["name"], role=role)
            # Whoever may run this command vouches for the address; allauth asks for nothing more.
            EmailAddress.objects.create(user=admin, email=email, verified=True, primary=True)
        self.stdout.write("The admin can sign in.")


def _make(email: str, password: str, *, name: str, role: Group | None) -> User:
    if role is None:
        return User.objects.create_superuser(email, password, name=name)
    admin = User.objects.create_user(email, password, name=name, is_staff=True)
    admin.groups.add(role)
    return admin
