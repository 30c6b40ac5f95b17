"""Events as their utility reads them: what was asked, who took part, what was delivered and how that is known.

Cars are told by the public id of their part in the event: a number that is another one in every event and leads to no
owner, car or place. Of groups smaller than `UTILITY_SMALLEST_GROUP` nothing but rounded sums is told.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db.models import Count, OuterRef, QuerySet, Subquery

from grid.flows.operators.reporting import group_told
from grid.metering.settlement import SERIES_STEP
from grid.models import EventParticipation, GridEvent, GroupSettlement, Program, Settlement, Utility

HOUR = timedelta(hours=1)
MOST_SERIES_CARS = 5000  # each car's evidence is read; of larger groups the sums are told
MOST_CARS = 20_000
REMEMBERED_SECONDS = 600
STRAGGLES_BELOW = 0.5  # of what it had been counted on for
KWH = 1000
State = EventParticipation.State


@dataclass(frozen=True)
class IntervalRow:
    """A quarter of an hour of the whole group, W at the AC side; None = not known."""

    starts_at: datetime
    ends_at: datetime
    baseline_w: int | None
    net_w: int | None
    grade: str

    @property
    def delivered_w(self) -> int | None:
        """Baseline less net; the event's kind says which sign helps."""
        return None if self.net_w is None or self.baseline_w is None else self.baseline_w - self.net_w


@dataclass(frozen=True)
class CarRow:
    """One car's part, by a number that stands for nothing else.

    `state` is the part's, or `gave_way` where the car serves another program's event meanwhile.
    """

    number: str
    state: str
    grade: str
    committed_wh: int
    baseline_wh: int | None
    net_wh: int | None
    delivered_wh: int | None

    @property
    def is_straggler(self) -> bool:
        """Whether it took part, is measured, and delivered less than half of what it was counted on for."""
        if self.state != State.IN or self.delivered_wh is None or not self.committed_wh:
            return False
        return self.delivered_wh < STRAGGLES_BELOW * self.committed_wh


@dataclass(frozen=True)
class EventLine:
    """One event in a list. Counts are None for a small group; power is the mean over the event."""

    event: GridEvent
    phase: str  # upcoming, running, past, cancelled
    cars_in: int
    opted_out: int
    unable: int
    control: int
    group: GroupSettlement | None
    delivered_wh: int | None

    @property
    def cars(self) -> int:
        """How many the result is made of."""
        return self.cars_in + self.control

    @property
    def is_small(self) -> bool:
        """Whether so few took part that only rounded sums are told."""
        return bool(self.cars < settings.UTILITY_SMALLEST_GROUP)

    @property
    def shown_wh(self) -> int | None:
        """What was delivered; to whole kWh for a small group."""
        if self.delivered_wh is None:
            return None
        return round(self.delivered_wh / KWH) * KWH if self.is_small else self.delivered_wh

    @property
    def delivered_w(self) -> int | None:
        """The mean power delivered."""
        hours = (self.event.ends_at - self.event.starts_at) / HOUR
        return None if self.shown_wh is None else round(self.shown_wh / hours)

    @property
    def delivered_percent(self) -> float | None:
        """Delivered of what was asked."""
        if self.delivered_w is None or not self.event.target_w:
            return None
        return 100 * self.delivered_w / self.event.target_w

    @property
    def opt_out_percent(self) -> float | None:
        """Of those asked, so many said no; None for a small group."""
        asked = self.cars_in + self.opted_out + self.unable + self.control
        return None if not asked or self.is_small else 100 * self.opted_out / asked


def events_of(utility: Utility) -> "QuerySet[GridEvent]":
    """Return the utility's events, newest first; drafts that staff has not approved are not the utility's yet."""
    rows = GridEvent.objects.filter(terms__program__utility=utility).exclude(state=GridEvent.State.DRAFT)
    return rows.select_related("terms__program__utility").order_by("-starts_at", "-pk")


def event_lines(events: Iterable[GridEvent], *, now: datetime) -> list[EventLine]:
    """Return events with their counts and newest results, in three queries."""
    chosen = list(events)
    keys = [event.pk for event in chosen]
    states = _states(keys)
    groups = {one.event_id: one for one in newest_groups(keys)}
    alone = _delivered_alone([key for key in keys if key not in groups])
    return [
        EventLine(
            event=event,
            phase=phase_of(event, now),
            cars_in=states.get((event.pk, State.IN), 0),
            opted_out=states.get((event.pk, State.OPTED_OUT), 0),
            unable=states.get((event.pk, State.UNABLE), 0),
            control=states.get((event.pk, State.CONTROL), 0),
            group=groups.get(event.pk),
            delivered_wh=groups[event.pk].delivered_wh if event.pk in groups else alone.get(event.pk),
        )
        for event in chosen
    ]


def phase_of(event: GridEvent, now: datetime) -> str:
    """Return upcoming, running, past or cancelled."""
    if event.state == GridEvent.State.CANCELLED:
        return "cancelled"
    if event.starts_at > now:
        return "upcoming"
    return "running" if event.ends_at > now else "past"


def newest_groups(event_keys: Sequence[int]) -> "QuerySet[GroupSettlement]":
    """Return the newest result of each event, without its evidence."""
    newest = GroupSettlement.objects.filter(event=OuterRef("event")).order_by("-revision")
    rows = GroupSettlement.objects.filter(event__in=event_keys, pk=Subquery(newest.values("pk")[:1]))
    return rows.defer("evidence")


def _states(event_keys: Sequence[int]) -> Mapping[tuple[int, str], int]:
    rows = EventParticipation.objects.filter(event__in=event_keys).order_by()
    counted = rows.values_list("event", "state").annotate(Count("pk"))
    return {(event, state): count for event, state, count in counted}


def _delivered_alone(event_keys: Sequence[int]) -> dict[int, int]:
    """Return what the cars of events that are settled car by car delivered, as far as it is known."""
    sums = Counter[int]()
    for event, delivered_wh in newest_settlements(event_keys).values_list("participation__event", "delivered_wh"):
        if delivered_wh is not None:
            sums[event] += delivered_wh
    return dict(sums)


def newest_settlements(event_keys: Sequence[int]) -> "QuerySet[Settlement]":
    """Return the newest settlement of each car in the events."""
    newest = Settlement.objects.filter(participation=OuterRef("participation")).order_by("-revision")
    return Settlement.objects.filter(participation__event__in=event_keys, pk=Subquery(newest.values("pk")[:1]))


def interval_rows(line: EventLine) -> list[IntervalRow]:
    """Return the event in quarter hours; nothing for a small or a very large group, and before it is settled."""
    event = line.event
    if line.is_small or line.cars > MOST_SERIES_CARS or event.state != GridEvent.State.SETTLED:
        return []
    key = f"desk:series:{event.pk}:{event.version}:{line.group.pk if line.group else 0}"
    rows: list[IntervalRow] | None = cache.get(key)
    if rows is None:
        rows = list(_intervals(event))
        cache.set(key, rows, REMEMBERED_SECONDS)
    return rows


def _intervals(event: GridEvent) -> Iterable[IntervalRow]:
    for place, told in enumerate(group_told(event)):
        starts_at = event.starts_at + place * SERIES_STEP
        ends_at = min(starts_at + SERIES_STEP, event.ends_at)
        hours = (ends_at - starts_at) / HOUR
        yield IntervalRow(
            starts_at=starts_at,
            ends_at=ends_at,
            baseline_w=None if told.baseline_wh is None else round(told.baseline_wh / hours),
            net_w=None if told.net_wh is None else round(told.net_wh / hours),
            grade=told.grade,
        )


def car_rows(line: EventLine) -> list[CarRow]:
    """Return each car's part; nothing for a small group."""
    if line.is_small:
        return []
    parts = EventParticipation.objects.filter(event=line.event).order_by("public_id")
    chosen = parts.values_list("pk", "public_id", "state", "yields_to", "committed_wh")[:MOST_CARS]
    names = ("participation", "grade", "baseline_wh", "net_wh", "delivered_wh")
    settled = {row[0]: row[1:] for row in newest_settlements([line.event.pk]).values_list(*names)}
    return [
        CarRow(str(public_id), "gave_way" if other else state, *_measured(settled.get(pk), committed_wh))
        for pk, public_id, state, other, committed_wh in chosen
    ]


def _measured(found: tuple[Any, ...] | None, committed_wh: int) -> tuple[Any, ...]:
    grade, *energies = found or ("", None, None, None)
    return (grade, committed_wh, *energies)


def grades(rows: Iterable[CarRow]) -> dict[str, int]:
    """Return how many cars' energy is known how."""
    return dict(Counter(row.grade for row in rows if row.grade))


def programs_of(utility: Utility) -> "QuerySet[Program]":
    """Return the utility's programs."""
    return Program.objects.filter(utility=utility).select_related("utility").order_by("name")
