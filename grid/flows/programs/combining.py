"""Whether a car may be in one program beside those that it is in: as the terms of each say, and never paid twice."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext

from grid.flows.programs.fitting import Membership, UnableToEnroll
from grid.models import Program, ProgramTerms
from grid.rules.combining import goes_with, pay_the_same_hours
from rewards.models import PayTerms
from vehicles.models import Vehicle

Forms = Mapping[int, Sequence[Mapping[str, Any]]]


def pay_in(terms: Iterable[ProgramTerms]) -> Forms:
    """Return what versions of terms pay besides their rate per kWh, by program key."""
    found = {(one.program.slug, one.version): one.program_id for one in terms}
    rows = PayTerms.objects.filter(program__in={slug for slug, _ in found})
    return {found[one.program, one.version]: one.forms for one in rows if (one.program, one.version) in found}


def not_beside(
    program: Program,
    *,
    vehicle: Vehicle,
    memberships: Iterable[Membership],
    terms_of: Mapping[int, ProgramTerms],
    pay_of: Forms,
) -> UnableToEnroll | None:
    """Return the refusal where the program may not be joined beside one that the car is in through us, or None.

    Both programs' terms in force have to permit it, and they may not both pay for what the car charges in some hour.
    `terms_of` and `pay_of` are by program key.
    """
    for one in memberships:
        other = one.program
        if one.vehicle_id != vehicle.pk or other.pk == program.pk:
            continue
        if not may_combine(program, other, terms_of):
            return _alone(program, other)
        if pay_the_same_hours(pay_of.get(program.pk, ()), pay_of.get(other.pk, ())):
            return UnableToEnroll(
                gettext(
                    "{program} and {other} both pay for what a car charges in the same hours. Nobody is paid twice for "
                    "them: leave {other} first."
                ).format(program=program.name, other=other.name),
                code="paid_twice",
            )
    return None


def may_combine(program: Program, other: Program, terms_of: Mapping[int, ProgramTerms]) -> bool:
    """Say whether both programs' terms let a car be in the other one at the same time."""
    sides = ((program, other), (other, program))
    terms = [(terms_of.get(ours.pk), theirs) for ours, theirs in sides]
    return all(one is not None and goes_with(one.goes_with, theirs.names) for one, theirs in terms)


def _alone(program: Program, other: Program) -> UnableToEnroll:
    return UnableToEnroll(
        gettext("This car is in {program}, and {other} does not go beside it. Leave {program} first.").format(
            program=other.name, other=program.name
        ),
        code="enrolled_elsewhere",
    )
