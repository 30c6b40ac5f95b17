"""One car serves one event at a time: where events of several programs overlap on it, one has precedence.

The rules are `grid.rules.precedence`. The part that gives way is unable for that reason, which its owner, its utility
and staff read; it is neither planned, measured nor paid. Where the other event no longer stands in its way, it gets the
car back as long as the terms' notice can still be kept.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Q, QuerySet

from grid.flows.events.abilities import decide
from grid.flows.events.telling import owners_told, tell
from grid.flows.plans.cars import load_cars
from grid.flows.plans.nudges import pull_forward
from grid.models import Enrollment, EventApproval, EventParticipation, GridEvent, OperatorAsk
from grid.rules import precedence as rules
from grid.rules.precedence import Claim, Loss
from vehicles.models import Vehicle

logger = logging.getLogger(__name__)

State = EventParticipation.State
SERVES = (State.IN, State.CONTROL)
OPEN = (GridEvent.State.SCHEDULED, GridEvent.State.ANNOUNCED)


@dataclass
class Changes:
    """The parts that gave way to another event just now, and those that got their car back."""

    gave_way: list[EventParticipation] = field(default_factory=list)
    came_back: list[EventParticipation] = field(default_factory=list)

    def lost_by(self, event: GridEvent) -> set[int]:
        """Return the cars that the event gave up, by vehicle key."""
        return {part.enrollment.vehicle_id for part in self.gave_way if part.event_id == event.pk}


def has_rivals(event: GridEvent, *, now: datetime) -> bool:
    """Say whether events of other programs overlap this one: without any, no car is asked twice by it."""
    others = GridEvent.objects.filter(state__in=OPEN, ends_at__gt=now)
    overlapping = others.filter(starts_at__lt=event.ends_at, ends_at__gt=event.starts_at)
    return overlapping.exclude(terms__program=event.terms.program_id).exists()


def keep_apart_in(event: GridEvent, *, now: datetime) -> Changes:
    """Look again at every car that the event and another one of the utility's ask, or asked until now."""
    others = GridEvent.objects.filter(
        state__in=OPEN, ends_at__gt=now, terms__program__utility=event.terms.program.utility_id
    ).exclude(terms__program=event.terms.program_id)
    rivals = list(others.values_list("pk", flat=True))
    if not rivals:
        return Changes()
    theirs = EventParticipation.objects.filter(event__in=rivals).values("enrollment__vehicle")
    shared = EventParticipation.objects.filter(event=event, enrollment__vehicle__in=theirs)
    return keep_apart(shared.values_list("enrollment__vehicle", flat=True), now=now)


@transaction.atomic
def keep_apart(vehicle_ids: Iterable[int], *, now: datetime, inviting: GridEvent | None = None) -> Changes:
    """Let each of these cars serve the events that have precedence, and no two at once; return what changed.

    Owners are told where an event that they know of gives way, and where one gets their car back. The cars' parts in
    the event that is `inviting` them are new, so that nobody has heard of them yet.
    """
    changes = Changes()
    asked = _asked(vehicle_ids, now)
    events = {part.event_id: part.event for parts in asked.values() for part in parts}
    ranks = _ranks(events)
    returning = _may_return([part for parts in asked.values() for part in parts if part.state == State.UNABLE], now)
    for parts in asked.values():
        standing = [part for part in parts if part.state in SERVES or part.pk in returning]
        lost = rules.losses(_claim(part, ranks, now) for part in standing)
        for part in standing:
            _bring_in_line(part, lost.get(part.event_id), returning.get(part.pk, ""), changes, now)
    _tell_who_lost(changes, events, inviting, now)
    _tell_who_came_back(changes, events, now)
    moved = [part.enrollment.vehicle_id for part in (*changes.gave_way, *changes.came_back)]
    pull_forward(set(moved), reason="event", now=now)
    return changes


def _asked(vehicle_ids: Iterable[int], now: datetime) -> Mapping[int, list[EventParticipation]]:
    """Return by car the parts in open events that serve or wait, of cars that have several or wait with one."""
    keys = sorted(set(vehicle_ids))
    several = Enrollment.objects.filter(vehicle__any_of=keys, ended_at__isnull=True).order_by().values("vehicle")
    dual = several.annotate(count=Count("pk")).filter(count__gt=1).values("vehicle")
    # Two events that are announced at once see each other's parts one after the other.
    list(Vehicle.objects.select_for_update(no_key=True).filter(pk__in=dual).order_by("pk").values_list("pk"))
    rows = _open_parts(now).filter(enrollment__vehicle__any_of=keys)
    counted = rows.order_by().values("enrollment__vehicle").annotate(count=Count("pk"), waits=Count("yields_to"))
    shared = counted.filter(Q(count__gt=1) | Q(waits__gt=0)).values_list("enrollment__vehicle", flat=True)
    found: defaultdict[int, list[EventParticipation]] = defaultdict(list)
    loaded = rows.filter(enrollment__vehicle__any_of=list(shared)).select_related(
        "event__terms__program__utility", "enrollment__vehicle__link"
    )
    for part in loaded.order_by("pk").select_for_update(of=("self",), no_key=True):
        found[part.enrollment.vehicle_id].append(part)
    return found


def _open_parts(now: datetime) -> QuerySet[EventParticipation]:
    stands = Q(state__in=SERVES) | Q(state=State.UNABLE, yields_to__isnull=False)
    return EventParticipation.objects.filter(stands, event__state__in=OPEN, event__ends_at__gt=now)


def _may_return(waiting: Sequence[EventParticipation], now: datetime) -> Mapping[int, str]:
    """Return the parts that may get their car back, with why it does less than asked ("" where it does not).

    The terms' notice can still be kept, the car is still in the program, and it can help.
    """
    in_time = [
        part
        for part in waiting
        if part.event.starts_at > now
        and part.event.starts_at >= now + timedelta(minutes=part.event.terms.minimum_notice_minutes)
        and part.enrollment.ended_at is None
    ]
    cars = load_cars({part.enrollment.vehicle_id for part in in_time}, now=now) if in_time else {}
    decided = {part.pk: decide(part.event, part.enrollment, cars[part.enrollment.vehicle_id]) for part in in_time}
    return {key: reason for key, (state, reason) in decided.items() if state == State.IN}


@dataclass(frozen=True)
class _Ranks:
    """What an event's rank depends on beside its own row, by event key."""

    asks: Mapping[int, tuple[int | None, bool]]
    approved: Collection[int]


def _ranks(events: Collection[int]) -> _Ranks:
    asks = OperatorAsk.objects.filter(grid_event__in=events)
    approved = EventApproval.objects.filter(event__in=events)
    return _Ranks(
        asks={
            event: (priority, is_emergency)
            for event, priority, is_emergency in asks.values_list(
                "grid_event", "operator_event__priority", "is_emergency"
            )
        },
        approved=set(approved.values_list("event", flat=True)),
    )


def _claim(part: EventParticipation, ranks: _Ranks, now: datetime) -> Claim:
    event = part.event
    priority, is_emergency = ranks.asks.get(event.pk, (None, False))
    return Claim(
        event=event.pk,
        starts_at=event.starts_at,
        ends_at=event.ends_at,
        announce_at=event.announce_at,
        has_begun=part.state in SERVES and event.starts_at <= now,
        is_drawn=part.state == State.CONTROL,
        priority=priority,
        is_emergency=is_emergency,
        has_two_people=event.pk in ranks.approved,
    )


def _bring_in_line(part: EventParticipation, loss: Loss | None, reason: str, changes: Changes, now: datetime) -> None:
    before = (part.state, part.reason, part.yields_to_id)
    was_serving = part.state in SERVES
    if loss is not None:
        part.state, part.reason, part.yields_to_id = State.UNABLE, f"yields_{loss.rule}", loss.to
    elif not was_serving:
        part.state, part.reason, part.yields_to_id, part.call = State.IN, reason, None, EventParticipation.Call.PLAN
    if (part.state, part.reason, part.yields_to_id) == before:
        return
    part.decided_at = now
    part.save(update_fields=["state", "reason", "yields_to", "call", "decided_at"])
    logger.info("participation %s: %s %s", part.public_id, part.state, part.reason)
    if was_serving:
        changes.gave_way.append(part)
    elif part.state == State.IN:
        changes.came_back.append(part)


def _tell_who_lost(
    changes: Changes, events: Mapping[int, GridEvent], inviting: GridEvent | None, now: datetime
) -> None:
    for (event_id, to), owner_ids in _owners_by_event(changes.gave_way).items():
        if inviting is None or event_id != inviting.pk:
            event = events[event_id]
            known = sorted(owners_told(event, owner_ids))
            other = events[to].terms.program.name
            tell(event, kind="event_gave_way", owner_ids=known, now=now, mark=_mark(now), other=other)


def _tell_who_came_back(changes: Changes, events: Mapping[int, GridEvent], now: datetime) -> None:
    for (event_id, _nobody), owner_ids in _owners_by_event(changes.came_back).items():
        event = events[event_id]
        if event.state == GridEvent.State.ANNOUNCED or not event.terms.control_share_percent:
            tell(event, kind="event_announced", owner_ids=owner_ids, now=now, mark=_mark(now))


def _mark(now: datetime) -> str:
    return f":{now:%Y%m%dT%H%M%S%f}"


def _owners_by_event(parts: Iterable[EventParticipation]) -> Mapping[tuple[int, int], Sequence[int]]:
    found: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
    for part in parts:
        found[part.event_id, part.yields_to_id or 0].add(part.enrollment.vehicle.owner_id)
    return {key: sorted(owner_ids) for key, owner_ids in found.items()}
