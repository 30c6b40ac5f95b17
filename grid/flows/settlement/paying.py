"""What programs pay besides their rate per kWh: who has earned it is gathered here, from enrolments and events."""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from foundation.windows import Span, Window, parse_windows
from grid.flows.settlement.charged import Charged, charged_in
from grid.flows.settlement.correcting import CORRECTED_FOR
from grid.flows.settlement.pay_periods import (
    DAY,
    Period,
    finished_months,
    finished_parts,
    finished_season,
    local_day,
)
from grid.flows.settlement.pay_terms import terms_by_now
from grid.models import TAKES_PART, Enrollment, EventParticipation, GridEvent, GroupSettlement, Settlement
from rewards.flows import earnings
from rewards.flows.earnings import Due
from rewards.models import Earning, PayTerms
from rewards.payforms import split

logger = logging.getLogger(__name__)

WAITED_FOR = timedelta(days=45)  # for results under review; what cannot be told by then is not counted


def pay_due_earnings(*, now: datetime, limit: int) -> int:
    """Credit what is due by the programs' forms of pay, up to `limit` of each, and return how many were written.

    Each is written once, the ones that earned nothing too. A form that fails holds up no other.
    """
    written = 0
    for terms in terms_by_now(now):
        for form in terms.forms:
            try:
                written += sum(
                    len(earnings.credit(terms=terms, form=form, due=due, now=now))
                    for due in _GATHERERS[form["form"]](terms, form, now, limit)
                    if due
                )
            except Exception:
                logger.exception("%s of %s was not paid", form["form"], terms)
    return written


def _bonuses(terms: PayTerms, form: Mapping[str, Any], now: datetime, limit: int) -> Iterator[list[Due]]:
    """Yield the enrolments under these terms that have lasted long enough or ended; a car earns one a program."""
    due_at = now - form.get("after_days", 0) * DAY
    rows = _without(_enrollments(terms), form).filter(
        Q(enrolled_at__lte=due_at) | Q(ended_at__lte=now), _within(terms, "enrolled_at")
    )
    earlier = Enrollment.objects.filter(
        TAKES_PART, program=OuterRef("program"), vehicle=OuterRef("vehicle"), enrolled_at__lt=OuterRef("enrolled_at")
    )
    yield [
        _due(one, date=local_day(one.enrolled_at, terms), title="Enrolment bonus",
             inputs={"days_enrolled": ((one.ended_at or now) - one.enrolled_at) // DAY})
        for one in rows.filter(~Exists(earlier)).order_by("pk")[:limit]
    ]  # fmt: skip


def _months(terms: PayTerms, form: Mapping[str, Any], now: datetime, limit: int) -> Iterator[list[Due]]:
    """Yield each finished month's enrolments with how often they were asked and took part."""
    for month in finished_months(terms, form, now):
        title = f"Monthly pay, {month.first:%B %Y}"
        yield [
            _due(one, date=month.first, title=title, inputs=inputs | {"is_whole_month": is_whole})
            for one, inputs, is_whole in _joined(terms, form, month, limit)
        ]


def _season_bonuses(terms: PayTerms, form: Mapping[str, Any], now: datetime, limit: int) -> Iterator[list[Due]]:
    """Yield the enrolments of the season that has ended last with how often they were asked and took part."""
    season = finished_season(terms, form, now)
    if season is not None:
        yield [
            _due(one, date=season[0], title=f"Season bonus, {season[0]:%B %Y} on",
                 inputs=inputs | {"is_whole_season": is_whole})
            for one, inputs, is_whole in _joined(terms, form, season, limit)
        ]  # fmt: skip


def _joined(
    terms: PayTerms, form: Mapping[str, Any], period: Period, limit: int
) -> Iterator[tuple[Enrollment, dict[str, Any], bool]]:
    """Yield a period's enrolments, how often they were asked and took part, and whether they were in all along."""
    first, begins_at, ends_at = period
    rows = _without(_enrollments(terms), form, first).filter(_overlaps(begins_at, ends_at))
    asked = Q(
        participations__event__starts_at__gte=begins_at,
        participations__event__starts_at__lt=ends_at,
        participations__event__cancelled_at__isnull=True,
    )
    asked &= Q(participations__yields_to=None)  # an event that gave way to another program's asked nothing of the car
    counted = rows.annotate(
        events=Count("participations", filter=asked),
        joined=Count("participations", filter=asked & Q(participations__state__in=("in", "control"))),
        opted_out=Count("participations", filter=asked & Q(participations__state="opted_out")),
    )
    for one in counted.order_by("pk")[:limit]:
        is_whole = one.enrolled_at <= begins_at and not (one.ended_at is not None and one.ended_at < ends_at)
        yield one, {"events": one.events, "joined": one.joined, "opted_out": one.opted_out}, is_whole


def _hours(terms: PayTerms, form: Mapping[str, Any], now: datetime, limit: int) -> Iterator[list[Due]]:
    """Yield each finished month's cars with what they charged at home in the form's hours.

    A rate by the kWh pays for the part of a month in which its version held; a fixed amount for the whole month.
    """
    windows, zone = parse_windows(form["windows"]), ZoneInfo(terms.time_zone)
    periods = finished_parts if form["form"] == "charging_rate" else finished_months
    for first, begins_at, ends_at in periods(terms, form, now):
        rows = _once_a_car(_without(_enrollments(terms), form, first), begins_at, ends_at)
        yield [
            _due(one, date=first, title=f"Charging in the program's hours, {first:%B %Y}",
                 inputs=_charged(terms, one, Span(begins_at, ends_at), windows, zone)._asdict())
            for one in rows.order_by("pk")[:limit]
        ]  # fmt: skip


def _charged(terms: PayTerms, of: Enrollment, span: Span, windows: Sequence[Window], zone: ZoneInfo) -> Charged:
    """Return what the car charged in the span by all its enrolments in the program."""
    every = _enrollments(terms).filter(_overlaps(span.starts_at, span.ends_at), vehicle=of.vehicle_id)
    told = [charged_in(one, span, windows, zone=zone) for one in every.select_related("site").order_by("pk")]
    return Charged(*map(sum, zip(*told, strict=True)))


def _events(terms: PayTerms, form: Mapping[str, Any], now: datetime, limit: int) -> Iterator[list[Due]]:
    """Yield the settled parts under these terms."""
    within = _within(terms, "participation__event__starts_at")
    settled = _settled(terms.program, within).filter(posted_at__isnull=False, posted_at__lte=now)
    settled = settled.exclude(grade=Settlement.Grade.MISSING, created_at__gt=now - CORRECTED_FOR)  # it may speak yet
    known = _known(form).filter(about=OuterRef("participation__public_id"))
    rows = settled.filter(~Exists(known)).order_by("pk")[:limit]
    yield [
        _due(
            one.participation.enrollment,
            about=one.participation.public_id,
            date=local_day(one.participation.event.starts_at, terms),
            title=f"Event of {local_day(one.participation.event.starts_at, terms):%Y-%m-%d}",
            inputs={"settlement": str(one.public_id), "credited_wh": one.credited_wh},
        )
        for one in rows.select_related("participation__event")
    ]


def _seasons(terms: PayTerms, form: Mapping[str, Any], now: datetime, limit: int) -> Iterator[list[Due]]:
    """Yield the enrolments of the season that has ended last, with what they delivered in its events."""
    season = finished_season(terms, form, now)
    if season is None or _is_waited_for(terms, season, now):
        return
    first, begins_at, ends_at = season
    rows = _once_a_car(_without(_enrollments(terms), form, first), begins_at, ends_at)
    chosen = list(rows.order_by("pk")[:limit])
    delivered = _delivered(terms, begins_at, ends_at, {one.vehicle_id for one in chosen})
    yield [
        _due(one, date=first, title=f"Seasonal capacity, {first:%B %Y} on",
             inputs=delivered.get(one.vehicle_id, {"events": 0, "credited_wh": 0, "event_seconds": 0}))
        for one in chosen
    ]  # fmt: skip


def _pools(terms: PayTerms, form: Mapping[str, Any], now: datetime, _limit: int) -> Iterator[list[Due]]:
    """Yield each finished month's whole pool: it is split among all at once, or the cents would not add up."""
    for month in finished_months(terms, form, now):
        first, begins_at, ends_at = month
        is_done = _known(form).filter(terms__program=terms.program, period_date=first).exists()
        if is_done or _is_waited_for(terms, month, now):
            continue
        delivered = _delivered(terms, begins_at, ends_at)
        joined = _enrollments(terms).filter(vehicle__in=delivered, enrolled_at__lt=ends_at).order_by("pk")
        last = {one.vehicle_id: one for one in joined}
        members = {one.pk: one for one in last.values()}
        own = {pk: delivered[one.vehicle_id]["credited_wh"] for pk, one in sorted(members.items())}
        weights = {pk: credited_wh for pk, credited_wh in own.items() if credited_wh > 0}
        shares = split(form["pool_minor"], weights)
        yield [
            _due(members[pk], date=first, title=f"Pooled dividend, {first:%B %Y}",
                 inputs={"own_wh": weights[pk], "total_wh": sum(weights.values()), "members": len(weights),
                         "place": share.place, "cents_left": share.cents_left})
            for pk, share in shares.items()
        ]  # fmt: skip


_GATHERERS = {
    "enrollment_bonus": _bonuses,
    "monthly": _months,
    "per_event": _events,
    "seasonal_capacity": _seasons,
    "season_bonus": _season_bonuses,
    "charging_rate": _hours,
    "charging_share": _hours,
    "pool": _pools,
}


def _due(of: Enrollment, *, date: date, title: str, inputs: Mapping[str, Any], about: Any = None) -> Due:
    owner = of.vehicle.owner
    return Due(owner.pk, str(owner.public_id), about or of.public_id, date, title, inputs)


def _enrollments(terms: PayTerms) -> QuerySet[Enrollment]:
    rows = Enrollment.objects.filter(TAKES_PART, program__slug=terms.program)
    return rows.select_related("vehicle__owner")


def _known(form: Mapping[str, Any]) -> QuerySet[Earning]:
    return Earning.objects.filter(form=form["form"], position=form["position"])


def _without(rows: QuerySet[Enrollment], form: Mapping[str, Any], first: date | None = None) -> QuerySet[Enrollment]:
    known = _known(form).filter(about=OuterRef("public_id"))
    return rows.filter(~Exists(known if first is None else known.filter(period_date=first)))


def _within(terms: PayTerms, name: str) -> Q:
    since = Q(**{f"{name}__gte": terms.valid_from_at})
    return since & Q(**{f"{name}__lt": terms.valid_until_at}) if terms.valid_until_at else since


def _overlaps(begins_at: datetime, ends_at: datetime) -> Q:
    return Q(enrolled_at__lt=ends_at) & (Q(ended_at__isnull=True) | Q(ended_at__gt=begins_at))


def _once_a_car(rows: QuerySet[Enrollment], begins_at: datetime, ends_at: datetime) -> QuerySet[Enrollment]:
    """Return of each car in a period the enrolment that it made last: who leaves and joins again is paid once."""
    later = Enrollment.objects.filter(
        TAKES_PART, _overlaps(begins_at, ends_at), program=OuterRef("program"), vehicle=OuterRef("vehicle"),
        pk__gt=OuterRef("pk"),
    )  # fmt: skip
    return rows.filter(~Exists(later), _overlaps(begins_at, ends_at))


def _is_waited_for(terms: PayTerms, period: Period, now: datetime) -> bool:
    """Say whether results of the period's events may still change: not there yet, or looked at by the utility."""
    events = GridEvent.objects.filter(
        Q(state=GridEvent.State.ANNOUNCED) | Q(group_settlements__review__in=GroupSettlement.UNDER_REVIEW),
        terms__program__slug=terms.program, starts_at__gte=period.begins_at, starts_at__lt=period.ends_at,
    )  # fmt: skip
    return now < period.ends_at + WAITED_FOR and events.exists()


def _settled(program: str, *conditions: Q) -> QuerySet[Settlement]:
    """Return the newest settlements of a program's events."""
    newer = Settlement.objects.filter(participation=OuterRef("participation"), revision__gt=OuterRef("revision"))
    rows = Settlement.objects.filter(~Exists(newer), *conditions, participation__event__terms__program__slug=program)
    return rows.select_related("participation__enrollment__vehicle__owner")


def _delivered(
    terms: PayTerms, begins_at: datetime, ends_at: datetime, only: Collection[int] | None = None
) -> dict[int, dict[str, int]]:
    """Return by car the program's events that asked for it in a period, how long they lasted and what it delivered."""
    event = "participation__event__"
    rows = _settled(terms.program).filter(**{f"{event}starts_at__gte": begins_at, f"{event}starts_at__lt": ends_at})
    parts = EventParticipation.objects.filter(
        event__terms__program__slug=terms.program, event__cancelled_at__isnull=True,
        event__starts_at__gte=begins_at, event__starts_at__lt=ends_at,
    ).exclude(state=EventParticipation.State.UNABLE)  # fmt: skip
    if only is not None:
        rows = rows.filter(participation__enrollment__vehicle__in=only)
        parts = parts.filter(enrollment__vehicle__in=only)
    found: dict[int, dict[str, int]] = {}
    for vehicle_id, from_at, until_at in parts.values_list("enrollment__vehicle", "event__starts_at", "event__ends_at"):
        one = found.setdefault(vehicle_id, {"events": 0, "credited_wh": 0, "event_seconds": 0})
        one["events"] += 1
        one["event_seconds"] += (until_at - from_at) // timedelta(seconds=1)
    for vehicle_id, credited_wh in rows.values_list("participation__enrollment__vehicle", "credited_wh"):
        if vehicle_id in found:
            found[vehicle_id]["credited_wh"] += credited_wh
    return found
