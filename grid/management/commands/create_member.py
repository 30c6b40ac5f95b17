"""Makes one of a utility's people who can sign in at once."""

import os
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from foundation import clock
from grid.flows.desk.membership import invite_member
from grid.models import Utility, UtilityMember


class Command(BaseCommand):
    help = "Makes a person of a utility. The password is read from MEMBER_PASSWORD; who exists is left as they are."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("utility", help="The utility's slug.")
        parser.add_argument("--name", default="")
        parser.add_argument("--role", default=UtilityMember.Role.READER, choices=UtilityMember.Role.values)

    def handle(self, *_args: Any, **options: Any) -> None:
        email = options["email"].lower()
        if User.objects.filter(email=email).exists():
            self.stdout.write("That person has an account already.")
            return
        utility = Utility.objects.filter(slug=options["utility"]).first()
        if utility is None:
            raise CommandError(f"There is no utility {options['utility']!r}.")
        password = os.environ.get("MEMBER_PASSWORD", "")
        try:
            validate_password(password)
        except ValidationError as error:
            raise CommandError("Set MEMBER_PASSWORD to a good password: " + " ".join(error.messages)) from error
        member = invite_member(
            email=email, name=options["name"], utility=utility, role=options["role"], invited_by=None, now=clock.now()
        )
        member.user.set_password(password)
        member.user.save(update_fields=["password"])
        self.stdout.write("They can sign in.")
