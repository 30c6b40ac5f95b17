"""Nominations: what each program's cars can be counted on for tomorrow, hour by hour, told to the utility ahead."""

import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import Q

from grid.arrays.capability import FEWEST_DAYS, METHOD, QUANTILE_PERCENT, VERSION, StayPast, hours_of, low_quantile
from grid.models import Enrollment, Nomination, Program
from vehicles.models import PlugSession

logger = logging.getLogger(__name__)

TOLD_AT = time(10)  # local time of the utility, the day before: before day-ahead markets close
LOOK_BACK_DAYS = 28
WEEKEND = {5, 6}
HOUR = timedelta(hours=1)
MOST_STAYS = 500_000


def nominate_due(*, now: datetime, limit: int) -> int:
    """Nominate tomorrow for up to `limit` programs that have cars and are not nominated; return how many were."""
    made = 0
    enrolled = Enrollment.objects.filter(ended_at__isnull=True).values("program")
    for program in Program.objects.filter(pk__in=enrolled).select_related("utility").order_by("pk"):
        local = now.astimezone(program.utility.zone)
        if local.time() < TOLD_AT or made >= limit:
            continue
        try:
            made += bool(nominate(program=program, day=local.date() + timedelta(days=1), now=now))
        except Exception:
            logger.exception("nothing was nominated for %s", program.slug)
    return made


def nominate(*, program: Program, day: date, now: datetime) -> list[Nomination]:
    """Nominate each hour of a day of the utility's, once, and return the rows; none where too little is recorded.

    Each hour is the value that nine of ten recorded days of the same kind (workdays or weekends) reached with the cars
    enrolled today. Fewer than FEWEST_DAYS such days: any days; fewer of those, too: nothing is nominated.
    """
    begins_at, hours = _day(program, day)
    if Nomination.objects.filter(program=program, starts_at=begins_at).exists():
        return []
    cars = _cars(program)
    days = _recorded_days(cars, program, now)
    alike = [one for one in days if (one.weekday() in WEEKEND) == (day.weekday() in WEEKEND)]
    chosen = alike if len(alike) >= FEWEST_DAYS else days
    if len(chosen) < FEWEST_DAYS or not cars:
        return []
    stays = _stays(cars, program, min(chosen), now)
    hold, give = zip(*(_of_day(stays, program, one, len(hours)) for one in chosen), strict=True)
    rows = [
        Nomination(
            program=program,
            starts_at=at,
            hold_w=round(low_quantile([one[place] for one in hold])),
            discharge_w=round(low_quantile([one[place] for one in give])),
            cars=len(cars),
            method=METHOD,
            method_version=VERSION,
            inputs={
                "quantile_percent": QUANTILE_PERCENT,
                "days": [one.isoformat() for one in chosen],
                "hold_w": [round(one[place], 3) for one in hold],
                "discharge_w": [round(one[place], 3) for one in give],
            },
            made_at=now,
        )
        for place, at in enumerate(hours)
    ]
    Nomination.objects.bulk_create(rows, ignore_conflicts=True)
    return rows


def _day(program: Program, day: date) -> tuple[datetime, list[datetime]]:
    """Return the day's start and the start of each of its 23 to 25 hours, UTC."""
    zone = program.utility.zone
    begins_at, ends_at = (datetime.combine(one, time(), zone).astimezone(UTC) for one in (day, day + timedelta(days=1)))
    return begins_at, [begins_at + HOUR * place for place in range((ends_at - begins_at) // HOUR)]


def _cars(program: Program) -> dict[int, dict[str, Any]]:
    """Return what each enrolled car could do, by its key; one in several programs counts in the first alone."""
    rows = Enrollment.once_a_car().filter(program=program).values_list(
        "vehicle", "vehicle__capacity_wh", "vehicle__charge_efficiency", "vehicle__max_charge_w",
        "site__evse_max_charge_w", "vehicle__max_discharge_w", "site__export_limit_w", "site__has_export_permission",
        "vehicle__preference__is_v2g_allowed", "vehicle__preference__reserve_soc_percent",
    )  # fmt: skip
    return {
        key: {
            "capacity_wh": capacity,
            "charge_efficiency": float(efficiency),
            "charge_w": min(charge_w, evse_w),
            "discharge_w": min(discharge_w, export_w) if may_export and is_allowed else 0,
            "reserve_percent": float(reserve or 0),
        }
        for key, capacity, efficiency, charge_w, evse_w, discharge_w, export_w, may_export, is_allowed, reserve in rows
    }


def _recorded_days(cars: dict[int, dict[str, Any]], program: Program, now: datetime) -> list[date]:
    """Return the finished days of the last four weeks from the first on which one of the cars was seen."""
    today = now.astimezone(program.utility.zone).date()
    first = PlugSession.objects.filter(vehicle__in=list(cars), is_at_home=True).order_by("plugged_in_at").first()
    if first is None:
        return []
    begins = max(first.plugged_in_at.astimezone(program.utility.zone).date() + timedelta(days=1),
                 today - timedelta(days=LOOK_BACK_DAYS))  # fmt: skip
    return [begins + timedelta(days=number) for number in range((today - begins).days)]


def _stays(cars: dict[int, dict[str, Any]], program: Program, first: date, now: datetime) -> list[StayPast]:
    since = datetime.combine(first, time(), program.utility.zone)
    rows = PlugSession.objects.filter(
        Q(unplugged_at__isnull=True) | Q(unplugged_at__gt=since),
        vehicle__in=list(cars),
        is_at_home=True,
        plugged_in_at__lte=now,
    ).order_by("pk")
    names = ("vehicle", "plugged_in_at", "unplugged_at", "soc_percent", "limit_percent")
    return [
        StayPast(came, left or now, float(soc), float(limit if limit is not None else 100), **cars[key])
        for key, came, left, soc, limit in rows.values_list(*names)[:MOST_STAYS]
        if soc is not None and cars[key]["charge_w"] > 0
    ]


def _of_day(stays: Sequence[StayPast], program: Program, day: date, hours: int) -> tuple[list[float], list[float]]:
    """Return what could have been held and given back in each hour of one day; a short day repeats its last hour."""
    begins_at, own = _day(program, day)
    hold, give = hours_of(stays, starts_at=begins_at, hours=len(own))
    return _stretched(hold.tolist(), hours), _stretched(give.tolist(), hours)


def _stretched(values: list[float], hours: int) -> list[float]:
    return (values + [values[-1]] * hours)[:hours]
