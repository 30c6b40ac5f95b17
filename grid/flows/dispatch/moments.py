"""What the steering rules need to know of a car, and when its events begin and end for it alone."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache

from grid.flows.dispatch import tending
from grid.flows.plans.cars import CarNow
from grid.flows.plans.departures import next_departure
from grid.models import Dispatch, EventParticipation, GridEvent, OperatorAsk, Plan
from grid.rules import loop
from grid.rules.steering import EventWindow, Moment, PlanSlot
from vehicles.flows.allowing import oldest_reading
from vehicles.flows.stopping import stop_in_force
from vehicles.schedule import latest_safe_release_at

# An event of so long ago may still hold a car: by the car's own offset.
LONGEST_OFFSET = timedelta(minutes=30)


@dataclass(frozen=True)
class Around:
    """What concerns the cars of one sweep together.

    `ended` are events that are just over, by vehicle key; `moved` how far each event may be moved for a car, by its
    key; `waiting` the cars whose wires carry no more.
    """

    is_stopped: bool = False
    ended: dict[int, tuple[EventParticipation, ...]] = field(default_factory=dict)
    moved: dict[int, timedelta] = field(default_factory=dict)
    waiting: frozenset[int] = frozenset()


def look_around(vehicle_ids: Collection[int], *, now: datetime, waiting: frozenset[int] = frozenset()) -> Around:
    """Return what concerns these cars together, in a handful of queries."""
    parts = EventParticipation.objects.filter(
        enrollment__vehicle__any_of=vehicle_ids,
        enrollment__ended_at__isnull=True,
        state=EventParticipation.State.IN,
        event__state=GridEvent.State.ANNOUNCED,
        event__ends_at__lte=now,
        event__ends_at__gt=now - LONGEST_OFFSET,
    ).select_related("event__terms__program__utility", "enrollment")
    ended: dict[int, tuple[EventParticipation, ...]] = {}
    for part in parts:
        ended[part.enrollment.vehicle_id] = (*ended.get(part.enrollment.vehicle_id, ()), part)
    asks = OperatorAsk.objects.filter(
        grid_event__state=GridEvent.State.ANNOUNCED,
        grid_event__ends_at__gt=now - LONGEST_OFFSET,
        randomize_seconds__gt=0,
    )
    moved = {event: timedelta(seconds=most) for event, most in asks.values_list("grid_event", "randomize_seconds")}
    return Around(is_stopped=stop_in_force() is not None, ended=ended, moved=moved, waiting=waiting)


def window_of(part: EventParticipation, *, vehicle: object, moved: timedelta | None = None) -> EventWindow:
    """Return the event as this car sees it: its own offset, or moved either way where the utility asked for that.

    The same car has the same offset at the same event, whoever asks and however often.
    """
    event = part.event
    seed = f"{event.public_id}:{vehicle}"
    most = timedelta(seconds=event.terms.program.utility.offset_seconds)
    return EventWindow(
        participation=part.pk,
        kind=event.kind,
        starts_at=event.starts_at,
        ends_at=event.ends_at,
        spread=timedelta(0) if moved else loop.offset(seed, most),
        shift=loop.shift(seed, min(moved, LONGEST_OFFSET)) if moved else timedelta(0),
        is_pressed=part.call == EventParticipation.Call.PRESSED,
    )


def moment_of(car: CarNow, *, now: datetime, around: Around | None = None) -> Moment:
    """Return what the steering rules need to know of a car."""
    around = around or look_around([car.vehicle.pk], now=now)
    preference, reading, can = car.preference, car.soc_reading, car.can
    # Without a departure there is no schedule to keep in the car, and without that it is not held.
    is_holdable = can.can_hold and not (can.needs_backstop and next_departure(car, now=now) is None)
    return Moment(
        now=now,
        obstacle="stopped" if around.is_stopped else car.obstacle,
        read_at=reading.observed_at if reading else None,
        is_plugged_at_home=car.is_plugged_at_home,
        soc_percent=car.soc_percent,
        minimum_percent=float(preference.minimum_soc_percent) if preference else 0.0,
        reserve_percent=float(preference.reserve_soc_percent) if preference else 0.0,
        target_percent=float(preference.target_soc_percent) if preference else 100.0,
        is_full=tending.is_full(car),
        stale_after=oldest_reading(car.vehicle),
        override=car.override_kind,
        can_hold=is_holdable,
        is_timed=can.can_hold_until or can.needs_backstop,
        discharge_w=car.discharge_w(now),
        planned_at=car.plan.made_at if car.plan else None,
        slots=slots_ahead(car.plan, now=now) if car.plan else (),
        events=_windows(car, around),
        held_w=_held_w(car.dispatch, now),
        spread=_spread(car, now),
        must_wait=car.vehicle.pk in around.waiting,
        safe_release_at=_safe_release_at(car, now),
    )


def _windows(car: CarNow, around: Around) -> tuple[EventWindow, ...]:
    """Return the car's events; one of which nothing would be paid to this car asks nothing of it."""
    parts = (*around.ended.get(car.vehicle.pk, ()), *car.participations)
    windows = [window_of(part, vehicle=car.vehicle.public_id, moved=around.moved.get(part.event_id)) for part in parts]
    return tuple(window for window in windows if window.is_paid)


def moment_within(car: CarNow, *, event: EventWindow, now: datetime) -> Moment:
    """Return the car's moment as it would be with this event alone, its own offsets left out."""
    return replace(moment_of(car, now=now, around=Around()), events=(event,), spread=timedelta(0))


def slots_ahead(plan: Plan, *, now: datetime) -> tuple[PlanSlot, ...]:
    """Return the plan's slots from the current one on, as steering reads them."""
    first = plan.slot_at(now)
    if first is None:
        return ()
    plugged, power_kw = plan.problem["plugged"], plan.solution["power_kw"]
    starts, ends = _edges(plan.starts_at, plan.slot_minutes, first, len(power_kw))
    powers_w = [round(kw * 1000) for kw in power_kw[first:]]
    return tuple(map(PlanSlot, starts, ends, powers_w, map(bool, plugged[first:])))


@lru_cache(maxsize=64)
def _edges(starts_at: datetime, minutes: int, first: int, count: int) -> tuple[list[datetime], list[datetime]]:
    """Return where slots begin and where they end, from `first` on; thousands of plans are of the same slots."""
    edges = [starts_at + timedelta(minutes=minutes * index) for index in range(first, count + 1)]
    return edges[:-1], edges[1:]


def _safe_release_at(car: CarNow, now: datetime) -> datetime | None:
    departure_at = next_departure(car, now=now)
    if departure_at is None or car.soc_percent is None or car.preference is None:
        return None
    return latest_safe_release_at(
        departure_at=departure_at,
        soc_percent=car.soc_percent,
        target_soc_percent=float(car.preference.target_soc_percent),
        capacity_wh=car.vehicle.capacity_wh,
        charge_w=car.charge_w,
        charge_efficiency=float(car.vehicle.charge_efficiency),
        worst_latency_seconds=car.can.worst_latency_seconds,
    )


def _held_w(dispatch: Dispatch | None, now: datetime) -> int | None:
    if dispatch is None or dispatch.stopped_at is not None or dispatch.command is None:
        return None
    command = dispatch.command
    is_over = command.released_at is not None or command.ends_at is None or command.ends_at <= now
    return None if is_over else dispatch.power_w


def _spread(car: CarNow, now: datetime) -> timedelta:
    """Return how much later than its plan the car begins to charge tonight, so that not all begin in one instant."""
    if car.site is None:
        return timedelta(0)
    most = timedelta(seconds=car.site.tariff.utility.offset_seconds)
    return loop.offset(f"{now:%Y-%m-%d}:{car.vehicle.public_id}", most)
