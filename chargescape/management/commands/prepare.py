"""Brings an installation up to date in one go, so that a start takes one process instead of five."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from chargescape.staff.roles import make_roles
from foundation.catalogues import compile_changed


class Command(BaseCommand):
    help = (
        "Compiles translations, migrates, collects static files, loads utilities and programs, "
        "and makes roles and the people that are named."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--admin", action="append", default=[], metavar="EMAIL=NAME", help="needs ADMIN_PASSWORD")
        parser.add_argument(
            "--member", action="append", default=[], metavar="EMAIL=NAME=UTILITY=ROLE", help="needs MEMBER_PASSWORD"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        compile_changed()
        call_command("migrate", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        call_command("load_programs", stdout=self.stdout)
        make_roles()
        for admin in options["admin"]:
            email, _, name = admin.partition("=")
            call_command("create_admin", email, name=name, stdout=self.stdout)
        for member in options["member"]:
            email, name, utility, role = member.split("=")
            call_command("create_member", email, utility, name=name, role=role, stdout=self.stdout)
