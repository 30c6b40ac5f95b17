"""What programs pay besides their rate per kWh: who has earned it is gathered here, from enrolments and events."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from foundation.windows import Span, parse_windows
from grid.flows.settlement.charged import charged_in
from grid.flows.settlement.pay_terms import terms_by_now
from grid.models import TAKES_PART, Enrollment, EventParticipation, Settlement
from rewards.flows import earnings
from rewards.flows.earnings import Due
from rewards.models import Earning, PayTerms
from rewards.payforms import split

logger = logging.getLogger(__name__)

# By then every event of a month is settled, with readings or without them.
SETTLED_AFTER = timedelta(days=2)
DECEMBER = 12
MONTHS_BACK = 3  # what an outage delayed is paid afterwards
DAY = timedelta(days=1)
Period = tuple[date, datetime, datetime]  # its first day, and [from, until)


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
        _due(one, date=_local(one.enrolled_at, terms), title="Enrolment bonus",
             inputs={"days_enrolled": ((one.ended_at or now) - one.enrolled_at) // DAY})
        for one in rows.filter(~Exists(earlier)).order_by("pk")[:limit]
    ]  # fmt: skip


def _months(terms: PayTerms, form: Mapping[str, Any], now: datetime, limit: int) -> Iterator[list[Due]]:
    """Yield each finished month's enrolments with how often they were asked and took part."""
    for first, begins_at, ends_at in _finished_months(terms, form, now):
        yield [
            _due(one, date=first, title=f"Monthly pay, {first:%B %Y}", inputs=inputs | {"is_whole_month": is_whole})
            for one, inputs, is_whole in _joined(terms, form, (first, begins_at, ends_at), limit)
        ]


def _season_bonuses(terms: PayTerms, form: Mapping[str, Any], now: datetime, limit: int) -> Iterator[list[Due]]:
    """Yield the enrolments of the season that has ended last with how often they were asked and took part."""
    season = _finished_season(terms, form, now)
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
    """Yield each finished month's enrolments with what they charged at home in the form's hours."""
    windows, zone = parse_windows(form["windows"]), ZoneInfo(terms.time_zone)
    for first, begins_at, ends_at in _finished_months(terms, form, now):
        rows = _without(_enrollments(terms), form, first).filter(_overlaps(begins_at, ends_at))
        yield [
            _due(one, date=first, title=f"Charging in the program's hours, {first:%B %Y}",
                 inputs=charged_in(one, Span(begins_at, ends_at), windows, zone=zone)._asdict())
            for one in rows.select_related("site").order_by("pk")[:limit]
        ]  # fmt: skip


def _events(terms: PayTerms, form: Mapping[str, Any], now: datetime, limit: int) -> Iterator[list[Due]]:
    """Yield the settled parts under these terms."""
    settled = _settled(terms).filter(posted_at__isnull=False, posted_at__lte=now)
    known = _known(form).filter(about=OuterRef("participation__public_id"))
    rows = settled.filter(~Exists(known)).order_by("pk")[:limit]
    yield [
        _due(
            one.participation.enrollment,
            about=one.participation.public_id,
            date=_local(one.participation.event.starts_at, terms),
            title=f"Event of {_local(one.participation.event.starts_at, terms):%Y-%m-%d}",
            inputs={"settlement": str(one.public_id), "credited_wh": one.credited_wh},
        )
        for one in rows.select_related("participation__event")
    ]


def _seasons(terms: PayTerms, form: Mapping[str, Any], now: datetime, limit: int) -> Iterator[list[Due]]:
    """Yield the enrolments of the season that has ended last, with what they delivered in its events."""
    season = _finished_season(terms, form, now)
    if season is None:
        return
    first, begins_at, ends_at = season
    rows = _without(_enrollments(terms), form, first).filter(_overlaps(begins_at, ends_at))
    chosen = list(rows.order_by("pk")[:limit])
    delivered = _delivered(terms, begins_at, ends_at, {one.pk for one in chosen})
    yield [
        _due(one, date=first, title=f"Seasonal capacity, {first:%B %Y} on",
             inputs=delivered.get(one.pk, {"events": 0, "credited_wh": 0, "event_seconds": 0}))
        for one in chosen
    ]  # fmt: skip


def _pools(terms: PayTerms, form: Mapping[str, Any], now: datetime, _limit: int) -> Iterator[list[Due]]:
    """Yield each finished month's whole pool: it is split among all at once, or the cents would not add up."""
    for first, begins_at, ends_at in _finished_months(terms, form, now):
        if _known(form).filter(terms__program=terms.program, period_date=first).exists():
            continue
        delivered = _delivered(terms, begins_at, ends_at)
        members = _enrollments(terms).filter(pk__in=delivered).in_bulk()
        weights = {pk: one["credited_wh"] for pk, one in sorted(delivered.items()) if one["credited_wh"] > 0}
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


def _settled(terms: PayTerms) -> QuerySet[Settlement]:
    """Return the newest settlements of the events under these terms."""
    newer = Settlement.objects.filter(participation=OuterRef("participation"), revision__gt=OuterRef("revision"))
    rows = Settlement.objects.filter(
        ~Exists(newer), _within(terms, "participation__event__starts_at"),
        participation__event__terms__program__slug=terms.program,
    )  # fmt: skip
    return rows.select_related("participation__enrollment__vehicle__owner")


def _delivered(
    terms: PayTerms, begins_at: datetime, ends_at: datetime, only: Iterable[int] | None = None
) -> dict[int, dict[str, int]]:
    """Return by enrolment the events that asked for it in a period, how long they lasted and what it delivered."""
    event = "participation__event__"
    rows = _settled(terms).filter(**{f"{event}starts_at__gte": begins_at, f"{event}starts_at__lt": ends_at})
    parts = EventParticipation.objects.filter(
        _within(terms, "event__starts_at"), event__terms__program__slug=terms.program,
        event__cancelled_at__isnull=True, event__starts_at__gte=begins_at, event__starts_at__lt=ends_at,
    ).exclude(state=EventParticipation.State.UNABLE)  # fmt: skip
    if only is not None:
        rows = rows.filter(participation__enrollment__in=only)
        parts = parts.filter(enrollment__in=only)
    found: dict[int, dict[str, int]] = {}
    for enrollment_id, from_at, until_at in parts.values_list("enrollment", "event__starts_at", "event__ends_at"):
        one = found.setdefault(enrollment_id, {"events": 0, "credited_wh": 0, "event_seconds": 0})
        one["events"] += 1
        one["event_seconds"] += (until_at - from_at) // timedelta(seconds=1)
    for enrollment_id, credited_wh in rows.values_list("participation__enrollment", "credited_wh"):
        if enrollment_id in found:
            found[enrollment_id]["credited_wh"] += credited_wh
    return found


def _local(at: datetime, terms: PayTerms) -> date:
    return at.astimezone(ZoneInfo(terms.time_zone)).date()


def _finished_months(terms: PayTerms, form: Mapping[str, Any], now: datetime) -> list[Period]:
    """Return the last finished months that these terms and the form's `months` cover from begin to end."""
    first, periods = _local(now, terms).replace(day=1), list[Period]()
    for _ in range(MONTHS_BACK):
        last, first = first, (first - DAY).replace(day=1)
        period = _period(first, last, terms)
        if first.month in form.get("months", [first.month]) and _is_payable(period, terms, now):
            periods.append(period)
    return periods


def _finished_season(terms: PayTerms, form: Mapping[str, Any], now: datetime) -> Period | None:
    """Return the season (the months without a gap between them) that has ended last, where these terms cover it."""
    months, after = form["months"], _local(now, terms).replace(day=1)
    if len(set(months)) == DECEMBER:  # a season of every month is the calendar year
        period = _period(after.replace(year=after.year - 1, month=1), after.replace(month=1), terms)
        return period if _is_payable(period, terms, now) else None
    for _ in range(12):
        first = (after - DAY).replace(day=1)
        if first.month in months and after.month not in months:
            break
        after = first
    else:
        return None
    ends = after
    while (first - DAY).month in months and (after - first).days < 366:
        first = (first - DAY).replace(day=1)
    period = _period(first, ends, terms)
    return period if _is_payable(period, terms, now) else None


def _period(first: date, after: date, terms: PayTerms) -> Period:
    zone = ZoneInfo(terms.time_zone)
    begins_at, ends_at = (datetime(day.year, day.month, 1, tzinfo=zone).astimezone(UTC) for day in (first, after))
    return first, begins_at, ends_at


def _is_payable(period: Period, terms: PayTerms, now: datetime) -> bool:
    _, begins_at, ends_at = period
    is_covered = terms.valid_from_at <= begins_at and (terms.valid_until_at is None or terms.valid_until_at >= ends_at)
    return is_covered and now >= ends_at + SETTLED_AFTER
