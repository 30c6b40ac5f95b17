"""Programs that a home is in through somebody else, as its owner declares: they may exclude ours."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext

from accounts.models import User
from foundation.refusals import Refusal
from grid.models import Enrollment, Program, ProgramElsewhere


class UnableToDeclare(Refusal):
    """What was declared stays as it was."""


@transaction.atomic
def declare_program(*, owner: User, program: Program, now: datetime) -> ProgramElsewhere:
    """Note that the owner's home is in the program through somebody else, and return the note; twice changes nothing.

    Raises UnableToDeclare for a program that a car of the owner's is in through us.
    """
    if Enrollment.objects.filter(vehicle__owner=owner, program=program, ended_at__isnull=True).exists():
        raise UnableToDeclare(
            gettext("A car of yours is in {program} through us.").format(program=program.name), code="enrolled_here"
        )
    return ProgramElsewhere.objects.get_or_create(
        owner=owner, program=program, ended_at=None, defaults={"declared_at": now}
    )[0]


def end_declaration(*, declared: ProgramElsewhere, now: datetime) -> None:
    """Note that the home is no longer in the program; twice changes nothing."""
    ProgramElsewhere.objects.filter(pk=declared.pk, ended_at__isnull=True).update(ended_at=now)
