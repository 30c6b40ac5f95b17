"""One car's night as the planner shall see it, and what is kept beside its plan."""

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from grid.flows.cars import CarNow
from grid.flows.habits import Habit
from grid.flows.pricebook import MICROS, NightPrices, PriceBook
from grid.models import GridEvent
from grid.problems import (
    SLOT_MINUTES,
    Ask,
    Night,
    departure_slots,
    presence,
    slots_from,
)
from vehicles.automakers.base import HoldEnds
from vehicles.schedule import SAFETY_MARGIN, next_departure_at

REPLAN_EVERY = timedelta(hours=1)
ASK_AGAIN_AFTER = timedelta(minutes=5)
RETRY_AFTER = timedelta(minutes=15)
MOST_DEPARTURES = 4
LATEST_GUESS = timedelta(hours=1)

Record = dict[str, Any]


@dataclass(frozen=True)
class Draft:
    """What a car's night is planned from, or why it is not planned."""

    car: CarNow
    now: datetime
    obstacle: str = ""
    night: Night | None = None
    made_from: Record = field(default_factory=dict)

    @property
    def departure_at(self) -> datetime | None:
        """The next departure that the plan serves, or None."""
        return self.night.departures[0] if self.night and self.night.departures else None

    @property
    def next_due_at(self) -> datetime:
        """When the next plan is due: within the hour, and right after anything that ends before."""
        if self.obstacle:
            return self.now + ASK_AGAIN_AFTER
        ends = [override.ends_at for override in self.car.overrides]
        return min([self.now + REPLAN_EVERY, *(at for at in ends if at > self.now)])


def draft_plan(car: CarNow, *, habit: Habit, prices: PriceBook, now: datetime) -> Draft:
    """Return what the car's night is planned from at `now`."""
    if car.obstacle or car.site is None:
        return Draft(car, now, obstacle=car.obstacle or "no_home")
    departures = departures_ahead(car, now=now)
    known = prices.of(car.site.tariff, slots_from(now=now, departures=departures))
    night = _night(car, habit, known, departures, now)
    return Draft(car, now, night=night, made_from=_made_from(car, night, habit, known))


def _night(car: CarNow, habit: Habit, known: NightPrices, departures: list[datetime], now: datetime) -> Night:
    preference, vehicle, soc_percent = car.preference, car.vehicle, car.soc_percent
    assert preference is not None
    assert soc_percent is not None
    slots = slots_from(now=now, departures=departures)
    is_eager, returns_at = _is_eager(car), None if car.is_plugged_at_home else _returns_at(habit, now)
    asks, discharge_w = _asks(car, is_eager=is_eager), car.discharge_w(now)
    limit = car.limit_percent if car.limit_percent is not None else 100.0
    fills_up = is_eager or any(ask.kind == GridEvent.Kind.ABSORB for ask in asks)
    return Night(
        name=str(vehicle.public_id),
        slots=slots,
        presence=presence(
            slots=slots,
            returns_at=returns_at,
            departures=departures,
            away=habit.away,
            trip_kwh=habit.trip_share * vehicle.capacity_wh / 1000,
        ),
        import_price=known.imports,
        export_price=known.exports,
        carbon_kg_per_kwh=known.carbon,
        carbon_price=settings.CARBON_PRICE_MICROS_PER_KG / MICROS if known.is_carbon_known else 0.0,
        capacity_wh=vehicle.capacity_wh,
        soc_percent=soc_percent,
        charge_w=car.charge_w,
        discharge_w=discharge_w,
        charge_efficiency=float(vehicle.charge_efficiency),
        discharge_efficiency=float(vehicle.discharge_efficiency),
        wear_per_kwh=settings.V2G_WEAR_MICROS_PER_KWH / MICROS,
        minimum_percent=float(preference.minimum_soc_percent),
        # The reserve is kept from being given back; a car that gives nothing back need not hurry to reach it.
        reserve_percent=float(preference.reserve_soc_percent if discharge_w else preference.minimum_soc_percent),
        target_percent=float(preference.target_soc_percent),
        max_percent=limit if fills_up else min(limit, float(preference.target_soc_percent)),
        departures=tuple(at for at in departures if at <= slots.ends_at),
        margin=SAFETY_MARGIN + timedelta(seconds=car.can.worst_latency_seconds),
        is_eager=is_eager,
        asks=asks,
        stay_began_at=car.session.plugged_in_at if car.session and returns_at is None else None,
        stay_soc_percent=float(car.session.soc_percent) if car.session else soc_percent,
        limit_percent=limit,
    )


def departures_ahead(car: CarNow, *, now: datetime) -> list[datetime]:
    """Return the car's next departures in order of time, by its home's clock; empty where the owner named none."""
    return list(_departures_ahead(tuple(sorted(car.departures.items())), car.zone, now))


@lru_cache(maxsize=4096)
def _departures_ahead(weekly: tuple[tuple[int, time], ...], zone: ZoneInfo, now: datetime) -> tuple[datetime, ...]:
    # Most owners leave at one of a few quarter hours: in a sweep over many cars each is worked out once.
    found: list[datetime] = []
    at = now
    while len(found) < MOST_DEPARTURES:
        leaves_at = next_departure_at(dict(weekly), zone, at)
        if leaves_at is None:
            break
        found.append(leaves_at)
        at = leaves_at
    return tuple(found)


def next_departure(car: CarNow, *, now: datetime) -> datetime | None:
    """Return the car's next departure after `now`, or None for a car without one."""
    return next(iter(departures_ahead(car, now=now)), None)


def _is_eager(car: CarNow) -> bool:
    # A car that cannot end a hold by itself is held in events alone: outside them it charges as it likes. So does
    # one whose owner wants it charged now, or left alone.
    return bool(car.override_kind) or car.can.hold_ends != HoldEnds.TIMED


def _asks(car: CarNow, *, is_eager: bool) -> tuple[Ask, ...]:
    skipped_until = max((override.ends_at for override in car.overrides), default=None)
    return tuple(
        Ask(
            kind=part.event.kind,
            starts_at=part.event.starts_at,
            ends_at=part.event.ends_at,
            reward_per_kwh=part.event.reward_micros_per_kwh / MICROS,
        )
        for part in car.participations
        if (skipped_until is None or part.event.starts_at >= skipped_until)
        and not (is_eager and part.event.kind == GridEvent.Kind.ABSORB)
    )


def _returns_at(habit: Habit, now: datetime) -> datetime:
    expected = habit.unplugged_at + habit.away if habit.unplugged_at else now + LATEST_GUESS
    # A car that is late may come any minute; an hour from now is as good a guess as any.
    return expected if expected > now else now + LATEST_GUESS


def _made_from(car: CarNow, night: Night, habit: Habit, known: NightPrices) -> dict[str, Any]:
    assert car.preference is not None
    assert car.site is not None
    assert car.soc_reading is not None
    feeds = {
        name: feed.latest_ends_at.isoformat()
        for name, feed in (("price", car.site.tariff.price_feed), ("carbon", car.site.tariff.carbon_feed))
        if feed is not None and feed.latest_ends_at is not None
    }
    return {
        "preference_version": car.preference.version,
        "site_version": car.site.version,
        "tariff": car.site.tariff.slug,
        "currency": car.site.tariff.utility.currency,
        "reading": {"observed_at": car.soc_reading.observed_at.isoformat(), "soc_percent": car.soc_percent},
        "plug_session": car.session.pk if car.session else None,
        "override": car.override_kind,
        "events": [{"event": str(part.event.public_id), "version": part.event.version} for part in car.participations],
        "asks": [
            {
                "kind": ask.kind,
                "starts_at": ask.starts_at.isoformat(),
                "ends_at": ask.ends_at.isoformat(),
                "reward_per_kwh": ask.reward_per_kwh,
            }
            for ask in night.asks
        ],
        "feeds_known_until": feeds,
        "guessed_price_slots": known.guessed,
        "is_eager": night.is_eager,
        "discharge_obstacle": "" if night.discharge_w else car.discharge_obstacle(night.slots.starts_at),
        "away_minutes": round(habit.away.total_seconds() / 60),
        "trip_share": round(habit.trip_share, 4),
        "slot_minutes": SLOT_MINUTES,
        "departure_slots": departure_slots(night),
    }
