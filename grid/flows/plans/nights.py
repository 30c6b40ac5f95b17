"""One car's night as the planner shall see it, and what is kept beside its plan."""

import json
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from django.conf import settings

from grid.arrays.bulk import Made
from grid.arrays.presence import Presence
from grid.arrays.problems import Ask, Night, NightCare
from grid.arrays.slots import SLOT, SLOT_MINUTES, Slots, slots_from
from grid.flows.owners.carbon import carbon_price
from grid.flows.plans.cars import CarNow
from grid.flows.plans.departures import known_departures
from grid.flows.plans.habits import Habit, real_charge_w
from grid.flows.prices.pricebook import MICROS, NightPrices, PriceBook
from grid.models import GridEvent
from grid.planner.hedge import ENOUGH_DEPARTURES, SHORTFALL_PRICE, margin_slots
from grid.planner.shape import SIX_AMPERES_KW, SWITCHES, nights_in
from vehicles.automakers.base import HoldEnds
from vehicles.schedule import SAFETY_MARGIN

REPLAN_EVERY = timedelta(hours=1)
ASK_AGAIN_AFTER = timedelta(minutes=5)
RETRY_AFTER = timedelta(minutes=15)
LATEST_GUESS = timedelta(hours=1)
NOW_HERE = math.nan  # the return of a car that is at its plug


@dataclass(frozen=True)
class Draft:
    """What a car's night is planned from, or why it is not planned."""

    car: CarNow
    now: datetime
    obstacle: str = ""
    night: Night | None = None
    made_from: str = ""

    @property
    def departure_at(self) -> datetime | None:
        """The next departure that the plan serves, or None."""
        return self.night.departures[0] if self.night and self.night.departures else None

    @property
    def starts_at(self) -> datetime | None:
        """The start of the plan's first slot, or None without a plan."""
        return self.night.slots.starts_at if self.night else None

    def made_from_text(self, made: Made) -> str:
        """Return what the plan was made from, and what its care costs, as JSON."""
        hedge, shape = made.added_cost
        return (
            f'{self.made_from}, "with_rewards": {"true" if made.with_rewards else "false"}, '
            f'"expected_reward": {list(made.expected_reward)}, '
            f'"added_cost": {{"hedge": {hedge:.6f}, "shape": {shape:.6f}}}}}'
        )

    @property
    def next_due_at(self) -> datetime:
        """When the next plan is due: within the hour, and right after anything that ends before."""
        if self.obstacle:
            return self.now + ASK_AGAIN_AFTER
        if not self.car.overrides:
            return self.now + REPLAN_EVERY
        ends = [override.ends_at for override in self.car.overrides]
        return min([self.now + REPLAN_EVERY, *(at for at in ends if at > self.now)])


def draft_plan(
    car: CarNow, *, habit: Habit, prices: PriceBook, now: datetime, usual_early: tuple[int, ...] = ()
) -> Draft:
    """Return what the car's night is planned from at `now`; `usual_early` is how early other owners left."""
    if car.obstacle or car.site is None:
        return Draft(car, now, obstacle=car.obstacle or "no_home")
    is_little_known = len(habit.minutes_early) < ENOUGH_DEPARTURES
    ahead = _ahead(known_departures(car, now=now), usual_early if is_little_known else (), now)
    known = prices.of(car.site.tariff, ahead.slots, month_kwh=car.site.month_kwh)
    night = _night(car, habit, known, ahead, now)
    return Draft(car, now, night=night, made_from=_made_from(car, night, habit, known))


@dataclass(frozen=True, slots=True)
class _Ahead:
    """The slots of a plan, the departures that end in them, and all departures ahead in slots from the first.

    `switches` are those it may have, `usual_early` how early other owners left, where little is known of this one.
    """

    slots: Slots
    departures: tuple[datetime, ...]
    leaves: tuple[float, ...]
    switches: int
    usual_early: tuple[int, ...]


@lru_cache(maxsize=4096)
def _ahead(departures: tuple[datetime, ...], usual_early: tuple[int, ...], now: datetime) -> _Ahead:
    # Many cars leave alike: in a sweep over them each night is laid out once.
    slots = slots_from(now=now, departures=departures)
    return _Ahead(
        slots=slots,
        departures=tuple(at for at in departures if at <= slots.ends_at),
        leaves=tuple((at - slots.starts_at) / SLOT for at in departures),
        switches=SWITCHES * nights_in(slots.count, SLOT_MINUTES / 60),
        usual_early=usual_early,
    )


def _night(car: CarNow, habit: Habit, known: NightPrices, ahead: _Ahead, now: datetime) -> Night:
    preference, vehicle, soc_percent = car.preference, car.vehicle, car.soc_percent
    assert preference is not None
    assert soc_percent is not None
    assert car.site is not None
    slots = ahead.slots
    is_eager, returns_at = _is_eager(car), None if car.is_plugged_at_home else _returns_at(car, habit, now)
    asks, discharge_w = _asks(car, is_eager=is_eager), car.discharge_w(now)
    limit = car.limit_percent if car.limit_percent is not None else 100.0
    fills_up = is_eager or any(ask.kind == GridEvent.Kind.ABSORB for ask in asks)
    return Night(
        name=str(vehicle.public_id),
        slots=slots,
        presence=Presence(
            count=slots.count,
            returns=NOW_HERE if returns_at is None else (returns_at - slots.starts_at) / SLOT,
            leaves=ahead.leaves,
            away=habit.away / SLOT,
            trip_total_kwh=habit.trip_share * vehicle.capacity_wh / 1000,
        ),
        import_price=known.imports,
        export_price=known.exports,
        carbon_kg_per_kwh=known.carbon,
        carbon_price=carbon_price(car.site.carbon_choice) if known.is_carbon_known else 0.0,
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
        departures=ahead.departures,
        margin=_margin(car, habit),
        is_eager=is_eager,
        asks=asks,
        stay_began_at=car.session.plugged_in_at if car.session and returns_at is None else None,
        stay_soc_percent=float(car.session.soc_percent) if car.session else soc_percent,
        limit_percent=limit,
        real_charge_w=real_charge_w(car, habit),
        care=EAGER_CARE if is_eager else _care(habit.minutes_early, ahead),
    )


def _margin(car: CarNow, habit: Habit) -> timedelta:
    """Return how long before departure the car shall be ready: longer where we know little of when it truly leaves."""
    return _margin_of(len(habit.minutes_early), car.can.worst_latency_seconds)


@lru_cache(maxsize=4096)
def _margin_of(departures_seen: int, worst_latency_seconds: int) -> timedelta:
    little_known = margin_slots(departures_seen, SLOT_MINUTES) * SLOT
    return SAFETY_MARGIN + timedelta(seconds=worst_latency_seconds) + little_known


# A car that charges at once has nothing to hedge, to spread or to thin out.
EAGER_CARE = NightCare(least_kw=SIX_AMPERES_KW)


def _care(minutes_early: tuple[int, ...], ahead: _Ahead) -> NightCare:
    return NightCare(
        shortfall_price=SHORTFALL_PRICE,
        minutes_early=minutes_early,
        usual_early=ahead.usual_early,
        switches=ahead.switches,
        least_kw=SIX_AMPERES_KW,
        is_spread=True,
    )


def _is_eager(car: CarNow) -> bool:
    # A car that cannot end a hold by itself is held in events alone: outside them it charges as it likes. So does
    # one whose owner wants it charged now, or left alone.
    return bool(car.override_kind) or car.can.hold_ends != HoldEnds.TIMED


def _asks(car: CarNow, *, is_eager: bool) -> tuple[Ask, ...]:
    if not car.participations:
        return ()
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


def _returns_at(car: CarNow, habit: Habit, now: datetime) -> datetime:
    expected = habit.unplugged_at + habit.away if habit.unplugged_at else now + LATEST_GUESS
    # A car that is late may come any minute; an hour from now is as good a guess as any.
    guess = expected if expected > now else now + LATEST_GUESS
    return max(guess, car.away_until(now) or guess)


def _made_from(car: CarNow, night: Night, habit: Habit, known: NightPrices) -> str:
    """Return what the plan is made from as JSON, without the closing brace: the plan's own part follows it.

    It is written out, because a sweep over many cars spends longer in a JSON encoder than in the planner.
    """
    assert car.preference is not None
    assert car.site is not None
    assert car.soc_reading is not None
    reading = car.soc_reading
    discharge_obstacle = "" if night.discharge_w else car.discharge_obstacle(night.slots.starts_at)
    return (
        f'{{"preference_version": {car.preference.version}, "site_version": {car.site.version}, '
        f"{known.told}, "
        f'"reading": {{"observed_at": "{reading.observed_at.isoformat()}", "soc_percent": {car.soc_percent}}}, '
        f'"plug_session": {car.session.pk if car.session else "null"}, "override": "{car.override_kind}", '
        f'"events": {_events(car) if car.participations else "[]"}, '
        f'"asks": {_told(night.asks) if night.asks else "[]"}, '
        f'"guessed_price_slots": {known.guessed}, "is_eager": {"true" if night.is_eager else "false"}, '
        f'"discharge_obstacle": "{discharge_obstacle}", "away_minutes": {round(habit.away.total_seconds() / 60)}, '
        f'"trip_share": {habit.trip_share:.4f}, "slot_minutes": {SLOT_MINUTES}, '
        f'"departure_slots": {night.departure_slots}, "charge_w": {night.power_w}'
    )


def _events(car: CarNow) -> str:
    return json.dumps(
        [{"event": str(part.event.public_id), "version": part.event.version} for part in car.participations]
    )


def _told(asks: tuple[Ask, ...]) -> str:
    return json.dumps(
        [
            {
                "kind": ask.kind,
                "starts_at": ask.starts_at.isoformat(),
                "ends_at": ask.ends_at.isoformat(),
                "reward_per_kwh": ask.reward_per_kwh,
            }
            for ask in asks
        ]
    )
