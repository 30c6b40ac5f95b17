"""How many events an owner may leave out this month before it costs them something."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Q

from grid.models import Enrollment, EventParticipation
from rewards.models import PayTerms


@dataclass(frozen=True)
class Allowance:
    """The program's monthly pay and how often the car may leave an event out and still get it."""

    program: str
    month_date: date
    most: int
    used: int
    pay_minor: int
    currency: str

    @property
    def left(self) -> int:
        """How many events may still be left out."""
        return max(0, self.most - self.used)

    @property
    def is_spent(self) -> bool:
        """Whether leaving one more out costs the month's pay."""
        return self.left == 0

    @property
    def is_lost(self) -> bool:
        """Whether the month's pay is gone already."""
        return self.used > self.most


def allowance_of(*, vehicle_id: int, at: datetime, program: int | None = None) -> Allowance | None:
    """Return what the car's program allows in the month of `at`; None where leaving out never costs anything.

    Of a car in several programs: what `program` (its key) allows; without one, as `allowances_of` does.
    """
    return allowances_of(vehicle_ids=[vehicle_id], at=at, program=program).get(vehicle_id)


def allowances_of(*, vehicle_ids: Collection[int], at: datetime, program: int | None = None) -> dict[int, Allowance]:
    """Return the same of several cars, by vehicle key, in three queries; cars whose programs ask nothing are left out.

    Counted as the monthly pay is: events of the program's month that were not cancelled and that the owner left out.
    Of several programs that count, the one that is nearest to costing something is told, and of those the dearest.
    """
    joined = Enrollment.objects.filter(vehicle__in=vehicle_ids, ended_at__isnull=True).select_related("program")
    enrolled = list((joined if program is None else joined.filter(program=program)).order_by("pk"))
    terms = _terms({one.program.slug for one in enrolled}, at)
    asking = [one for one in enrolled if one.program.slug in terms]
    left_out = _left_out([one.pk for one in asking])
    found: dict[int, Allowance] = {}
    for one in asking:
        allowance = _allowance(one, *terms[one.program.slug], left_out.get(one.pk, []), at)
        found[one.vehicle_id] = min(found.get(one.vehicle_id, allowance), allowance, key=_nearness)
    return found


def _nearness(allowance: Allowance) -> tuple[bool, int, int]:
    """Return what allowances are sorted by: first those that can still be lost, by what is left and what it costs."""
    return allowance.is_lost, allowance.left, -allowance.pay_minor


def _allowance(
    enrolled: Enrollment, terms: PayTerms, form: dict[str, Any], left_out: list[datetime], at: datetime
) -> Allowance:
    zone = ZoneInfo(terms.time_zone)
    first = at.astimezone(zone).date().replace(day=1)
    months = [starts_at.astimezone(zone).date().replace(day=1) for starts_at in left_out]
    return Allowance(
        program=enrolled.program.name,
        month_date=first,
        most=form["max_opt_outs"],
        used=months.count(first),
        pay_minor=form.get("amount_minor", 0),
        currency=terms.currency,
    )


def _terms(programs: Collection[str], at: datetime) -> dict[str, tuple[PayTerms, dict[str, Any]]]:
    """Return the terms in force, and the form that counts what is left out, by program; others are left out."""
    in_force = PayTerms.objects.filter(valid_from_at__lte=at, program__in=programs).filter(
        Q(valid_until_at__isnull=True) | Q(valid_until_at__gt=at)
    )
    newest = {terms.program: terms for terms in in_force.order_by("version")}
    forms = {
        slug: next((one for one in terms.forms if _counts(one, terms, at)), None) for slug, terms in newest.items()
    }
    return {slug: (newest[slug], form) for slug, form in forms.items() if form}


def _counts(form: dict[str, Any], terms: PayTerms, at: datetime) -> bool:
    """Say whether the form pays for the month of `at` by how often an owner leaves an event out."""
    month = at.astimezone(ZoneInfo(terms.time_zone)).month
    return form["form"] == "monthly" and "max_opt_outs" in form and month in form.get("months", [month])


def _left_out(enrollment_ids: Collection[int]) -> dict[int, list[datetime]]:
    """Return when the events that owners left out began, by enrollment."""
    rows = EventParticipation.objects.filter(
        enrollment__in=enrollment_ids, state=EventParticipation.State.OPTED_OUT, event__cancelled_at__isnull=True
    )
    found: dict[int, list[datetime]] = {}
    for enrollment_id, starts_at in rows.order_by().values_list("enrollment", "event__starts_at"):
        found.setdefault(enrollment_id, []).append(starts_at)
    return found
