"""How many events an owner may leave out this month before it costs them something."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Count, Q, Subquery

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


def allowance_of(*, vehicle_id: int, at: datetime) -> Allowance | None:
    """Return what the car's program allows in the month of `at`; None where leaving out never costs anything.

    Counted as the monthly pay is: events of the program's month that were not cancelled and that the owner left out.
    """
    terms = _terms(vehicle_id, at)
    form = next((one for one in terms.forms if "max_opt_outs" in one), None) if terms else None
    if terms is None or form is None:
        return None
    zone = ZoneInfo(terms.time_zone)
    first = at.astimezone(zone).date().replace(day=1)
    after = (first + timedelta(days=31)).replace(day=1)
    begins_at, ends_at = (datetime(day.year, day.month, 1, tzinfo=zone).astimezone(UTC) for day in (first, after))
    left_out = Q(
        participations__state=EventParticipation.State.OPTED_OUT,
        participations__event__cancelled_at__isnull=True,
        participations__event__starts_at__gte=begins_at,
        participations__event__starts_at__lt=ends_at,
    )
    counted = Enrollment.objects.filter(vehicle=vehicle_id, ended_at__isnull=True).annotate(
        used=Count("participations", filter=left_out)
    )
    found = counted.select_related("program").first()
    if found is None:
        return None
    return Allowance(
        program=found.program.name,
        month_date=first,
        most=form["max_opt_outs"],
        used=found.used,
        pay_minor=form.get("amount_minor", 0),
        currency=terms.currency,
    )


def _terms(vehicle_id: int, at: datetime) -> PayTerms | None:
    enrolled = Enrollment.objects.filter(vehicle=vehicle_id, ended_at__isnull=True)
    in_force = PayTerms.objects.filter(valid_from_at__lte=at).filter(
        Q(valid_until_at__isnull=True) | Q(valid_until_at__gt=at)
    )
    return in_force.filter(program=Subquery(enrolled.values("program__slug")[:1])).order_by("-version").first()
