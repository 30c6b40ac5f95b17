"""When to read a car next: often where a reading helps a decision, seldom elsewhere, and within what its maker allows.

`vehicles.meter` refuses a call beyond a budget; this module spreads what is left of the day, so that it seldom has to.
A quarter of the readings is kept for those that are asked for by name: at the edges of events, after a command.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from vehicles import meter
from vehicles.flows.preferences import departures_of
from vehicles.models import CallCount, Vehicle
from vehicles.schedule import next_departure_at

ONE_DAY = timedelta(days=1)
KEPT_FOR_ASKED = 0.25
BEFORE_DEPARTURE = timedelta(minutes=45)


class Need(StrEnum):
    """How much a reading helps now."""

    OFTEN = "often"  # the car is being commanded
    USUAL = "usual"  # at its home plug
    SELDOM = "seldom"  # away, or nothing known


PAUSES = {
    Need.OFTEN: timedelta(minutes=5),
    Need.USUAL: timedelta(minutes=15),
    Need.SELDOM: timedelta(minutes=30),
}
# Of what is left of the day, so much more seldom than evenly.
WEIGHTS = {Need.OFTEN: 0.4, Need.USUAL: 1.0, Need.SELDOM: 2.0}


def next_read_at(*, vehicle: Vehicle, need: Need, now: datetime) -> datetime:
    """Return when to read the car next: after the usual pause, or later where its day's budget must last.

    Half an hour or so before it leaves a car at home is looked at in any case, as far as the budget goes.
    """
    own = vehicle.own
    pause = max(PAUSES[need], timedelta(seconds=vehicle.can.min_poll_seconds))
    if own.daily_budget is None:
        return now + pause
    ends_at = meter.day_of(now) + ONE_DAY
    left = readings_left(vehicle, now=now)
    if left <= 0:
        return ends_at
    kept = (
        0.0
        if need == Need.OFTEN
        else KEPT_FOR_ASKED * meter.readable(own.daily_budget, own) * ((ends_at - now) / ONE_DAY)
    )
    pause = max(pause, (ends_at - now) * WEIGHTS[need] * _sharers(vehicle) / max(1.0, left - kept))
    at = min(now + pause, ends_at) if pause < ONE_DAY else ends_at
    return min(at, _before_departure(vehicle, now=now) or at) if need != Need.SELDOM else at


def _sharers(vehicle: Vehicle) -> int:
    """Return how many cars draw on the same budget."""
    if vehicle.own.budget_scope != "user":
        return 1
    return max(1, Vehicle.objects.filter(link=vehicle.link_id, state=Vehicle.State.ACTIVE).count())


def readings_left(vehicle: Vehicle, *, now: datetime) -> int:
    """Return how many readings the maker still allows today; many where it sets no budget."""
    own = vehicle.own
    if own.daily_budget is None:
        return 1_000_000
    used = meter.calls_today(link=vehicle.link_id, car=vehicle.pk, now=now)
    spent = used["link" if own.budget_scope == "user" else "car"]
    return max(0, meter.readable(own.daily_budget, own) - spent)


def _before_departure(vehicle: Vehicle, *, now: datetime) -> datetime | None:
    departure_at = next_departure_at(departures_of(vehicle), vehicle.owner.zone, now)
    earliest = now + timedelta(seconds=vehicle.own.min_poll_seconds)
    if departure_at is None or departure_at - BEFORE_DEPARTURE <= earliest:
        return None
    return departure_at - BEFORE_DEPARTURE


def forget_old_counts(*, now: datetime, limit: int) -> int:
    """Delete counts that nobody needs any more and return how many: hours and account days after a month.

    A car's days stay: they are its bill.
    """
    old = CallCount.objects.filter(
        scope__in=(CallCount.Scope.MAKER, CallCount.Scope.LINK), starts_at__lt=now - timedelta(days=31)
    )
    keys = list(old.values_list("pk", flat=True)[:limit])
    return CallCount.objects.filter(pk__in=keys).delete()[0]
