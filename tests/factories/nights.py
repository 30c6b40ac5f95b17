"""Makes what a car did and said: departures, stays at the plug, readings; and cars of the other command class."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

from accounts.models import User
from grid.arrays.packing import REASONS, pack_plan, pack_problem_series, pack_series
from grid.models import Enrollment, Plan, Tariff
from tests.factories import grid
from vehicles.automakers.base import Capabilities
from vehicles.models import ChargeReading, Departure, PlugSession, Vehicle

START_STOP = Capabilities(
    can_start_stop=True, hold_ends="start_stop", worst_latency_seconds=120, min_poll_seconds=60
).as_json()
TIMED = Capabilities(
    can_start_stop=True, hold_ends="timed", is_metered=True, worst_latency_seconds=120, min_poll_seconds=60
).as_json()
V2G = Capabilities(
    can_start_stop=True,
    hold_ends="timed",
    max_discharge_w=9_600,
    is_metered=True,
    worst_latency_seconds=120,
    min_poll_seconds=60,
).as_json()
NIGHT_RATE = [{"weekdays": list(range(7)), "from": "00:00", "to": "06:00", "rate": 60_000}]


def leaves(vehicle: Vehicle, at: time = time(7, 30), weekdays: Iterable[int] = range(5)) -> None:
    """Let the car leave at `at` local time on the weekdays."""
    for weekday in weekdays:
        Departure.objects.create(preference=vehicle.preference, weekday=weekday, leaves_at_local=at)


def reading(vehicle: Vehicle, *, at: datetime, soc: float | str, **fields: Any) -> ChargeReading:
    """Return a reading of the car, plugged in at home and charging unless told otherwise."""
    values = {
        "fetched_at": at,
        "soc_percent": Decimal(str(soc)),
        "limit_percent": Decimal(90),
        "is_plugged_in": True,
        "is_at_home": True,
        "charge_state": "charging",
    }
    return ChargeReading.objects.create(vehicle=vehicle, observed_at=at, **(values | fields))


def stay(vehicle: Vehicle, *, at: datetime, soc: float | str, **fields: Any) -> PlugSession:
    """Return a stay at the home plug since `at`."""
    values = {"soc_percent": Decimal(str(soc)), "limit_percent": Decimal(90), "is_at_home": True}
    return PlugSession.objects.create(vehicle=vehicle, plugged_in_at=at, **(values | fields))


def arrives(vehicle: Vehicle, *, at: datetime, soc: float | str, **fields: Any) -> ChargeReading:
    """Plug the car in at home: a stay, and the reading that showed it."""
    stay(vehicle, at=at, soc=soc)
    return reading(vehicle, at=at, soc=soc, **fields)


def night_tariff() -> Tariff:
    """Return a tariff that is half as dear from midnight to six."""
    return grid.tariff(
        slug="night", kind=Tariff.Kind.TIME_OF_USE, periods=NIGHT_RATE, export_rate_micros_per_kwh=40_000
    )


def plugged_car(owner: User, *, now: datetime, soc: float = 50, kind: str = "v2g", **fields: Any) -> Enrollment:
    """Return an enrolled car that came home ten minutes ago, leaves at 7:30 on weekdays and pays less at night."""
    can = {"v2g": V2G, "timed": TIMED, "start_stop": START_STOP}[kind]
    grid.home(owner, now=now, tariff=night_tariff())
    enrolled = grid.enrollment(
        owner, now=now, capabilities=can, max_discharge_w=9_600 if kind == "v2g" else 0, **fields
    )
    leaves(enrolled.vehicle)
    arrives(enrolled.vehicle, at=now - timedelta(minutes=10), soc=soc)
    return enrolled


def rewrite(plan: Plan, *powers_kw: float) -> Plan:
    """Let the plan's first slots do what the test wants, and keep it so."""
    solution = {**plan.solution, "power_kw": [*powers_kw, *plan.solution["power_kw"][len(powers_kw) :]]}
    plan.arrays = pack_plan(
        problem=plan.problem,
        solution=solution,
        reasons=bytes(REASONS.index(reason) for reason in solution["reasons"]),
        series=pack_problem_series(plan.problem),
        others={key: pack_series(plan.inputs[key]) for key in ("import_price", "baseline_kw")},
    )
    plan.save()
    return Plan.objects.get(pk=plan.pk)
