"""Thousands of cars that are due, loaded for planning in a handful of queries, a column at a time."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from django.db.models import FilteredRelation, FloatField, OuterRef, Q, Subquery, TextField
from django.db.models.functions import Cast

from accounts.models import Consent
from grid.flows.plans.cars import CarNow, dated_departures, overrides_in_force, participations_ahead
from grid.flows.plans.habits import Habit, read_habit
from grid.models import EventParticipation, PlanningState, Site, Tariff
from grid.rows.bare import bare
from grid.rows.columns import CLOCK, IDENTITY, MISSING, REAL, TEXT, TIME, WHOLE, at_micros, read_columns
from vehicles.automakers.base import Capabilities, read_capabilities
from vehicles.models import ChargeOverride, ChargePreference, ChargeReading, Departure, PlugSession, Vehicle
from vehicles.schedule import Dated

Row = tuple[Any, ...]

NEEDED = frozenset({Consent.Purpose.DATA_USE, Consent.Purpose.GRID_PARTICIPATION})
VEHICLE = (
    ("id", "vehicle_id", WHOLE), ("public_id", "vehicle__public_id", IDENTITY), ("state", "vehicle__state", TEXT),
    ("is_controlling", "vehicle__is_controlling", WHOLE), ("capacity_wh", "vehicle__capacity_wh", WHOLE),
    ("max_charge_w", "vehicle__max_charge_w", WHOLE), ("max_discharge_w", "vehicle__max_discharge_w", WHOLE),
    ("charge_efficiency", "charge_efficiency", REAL), ("discharge_efficiency", "discharge_efficiency", REAL),
)  # fmt: skip
PREFERENCE = (
    ("id", "vehicle__preference__id", WHOLE), ("version", "vehicle__preference__version", WHOLE),
    ("target_soc_percent", "vehicle__preference__target_soc_percent", WHOLE),
    ("minimum_soc_percent", "vehicle__preference__minimum_soc_percent", WHOLE),
    ("reserve_soc_percent", "vehicle__preference__reserve_soc_percent", WHOLE),
    ("is_v2g_allowed", "vehicle__preference__is_v2g_allowed", WHOLE),
    ("is_paused", "vehicle__preference__is_paused", WHOLE),
)  # fmt: skip
SITE = (
    ("id", "home__id", WHOLE), ("version", "home__version", WHOLE), ("time_zone", "home__time_zone", TEXT),
    ("tariff_id", "home__tariff_id", WHOLE), ("evse_max_charge_w", "home__evse_max_charge_w", WHOLE),
    ("is_evse_bidirectional", "home__is_evse_bidirectional", WHOLE),
    ("has_export_permission", "home__has_export_permission", WHOLE),
    ("export_limit_w", "home__export_limit_w", WHOLE), ("carbon_choice", "home__carbon_choice", TEXT),
    ("feeder_id", "home__feeder_id", WHOLE), ("month_kwh", "home__month_kwh", WHOLE),
    ("export_permission_ends_on_date", "permission_ends", TEXT),
)  # fmt: skip
SESSION = (
    ("id", "stay__id", WHOLE), ("plugged_in_at", "stay__plugged_in_at", TIME), ("soc_percent", "stay_soc", REAL),
    ("limit_percent", "stay_limit", REAL), ("is_at_home", "stay__is_at_home", WHOLE),
)  # fmt: skip
STATE = (
    ("pk", "pk", WHOLE), ("reason", "reason", TEXT), ("preference_version", "preference_version", WHOLE),
    ("plug_session_id", "plug_session_id", WHOLE), ("habit", "habit_text", TEXT), ("learnt_at", "learnt_at", TIME),
    ("capabilities", "capabilities", TEXT), ("agrees_data", "agrees_data__id", WHOLE),
    ("agrees_grid", "agrees_grid__id", WHOLE), ("newest", "newest", WHOLE), ("newest_soc", "newest_soc", WHOLE),
)  # fmt: skip
READING = (
    ("id", "pk", WHOLE), ("observed_at", "observed_at", TIME), ("soc_percent", "soc", REAL),
    ("limit_percent", "limit", REAL), ("is_plugged_in", "is_plugged_in", WHOLE), ("is_at_home", "is_at_home", WHOLE),
)  # fmt: skip
FIELDS = {
    name: tuple(field[0] for field in group)
    for name, group in (
        ("vehicle", VEHICLE), ("preference", PREFERENCE), ("site", SITE), ("session", SESSION), ("reading", READING)
    )
}  # fmt: skip
TRUTHS = ("is_controlling", "is_v2g_allowed", "is_paused", "is_evse_bidirectional", "has_export_permission")


@dataclass(frozen=True, slots=True)
class Due:
    """One car claimed for planning: its PlanningState's key, why it is due, what is known of it and of its habits.

    `habit` is None where it is to be learnt anew.
    """

    state_id: int
    reason: str
    car: CarNow
    habit: Habit | None


def load_fleet(state_ids: Collection[int], *, now: datetime) -> list[Due]:
    """Return what planning needs of these cars, in the order of their states' keys."""
    fields = (*STATE, *VEHICLE, *PREFERENCE, *SITE, *SESSION)
    columns = read_columns(
        _rows(state_ids).values_list(*(field[1] for field in fields)), [field[2] for field in fields]
    )
    parts: list[list[Row]] = []
    for group in (STATE, VEHICLE, PREFERENCE, SITE, SESSION):
        parts.append(_rows_of(group, columns[: len(group)]))
        columns = columns[len(group) :]
    vehicle_ids = [row[0] for row in parts[1]]
    known = _Known.load(vehicle_ids, parts[0], [row[3] for row in parts[3]], now)
    return [_due(row, known, now) for row in zip(*parts, strict=True)]


def _rows(state_ids: Collection[int]) -> Any:
    real = FloatField()
    # One look into the index a car, whatever the length of its history.
    newest = ChargeReading.objects.filter(vehicle=OuterRef("vehicle")).order_by("-observed_at")
    return (
        PlanningState.objects.filter(pk__any_of=state_ids)
        .order_by("pk")
        .annotate(
            home=FilteredRelation("vehicle__owner__sites"),
            stay=FilteredRelation("vehicle__plug_sessions", condition=Q(vehicle__plug_sessions__unplugged_at=None)),
            newest=Subquery(newest.values("pk")[:1]),
            newest_soc=Subquery(newest.filter(soc_percent__isnull=False).values("pk")[:1]),
            agrees_data=_agreed(Consent.Purpose.DATA_USE),
            agrees_grid=_agreed(Consent.Purpose.GRID_PARTICIPATION),
            habit_text=Cast("habit", TextField()),
            capabilities=Cast("vehicle__capabilities", TextField()),
            charge_efficiency=Cast("vehicle__charge_efficiency", real),
            discharge_efficiency=Cast("vehicle__discharge_efficiency", real),
            permission_ends=Cast("home__export_permission_ends_on_date", TextField()),
            stay_soc=Cast("stay__soc_percent", real),
            stay_limit=Cast("stay__limit_percent", real),
        )
    )


def _agreed(purpose: str) -> FilteredRelation:
    consents = "vehicle__owner__consents"
    return FilteredRelation(
        consents, condition=Q(**{f"{consents}__purpose": purpose, f"{consents}__revoked_at__isnull": True})
    )


def _rows_of(fields: Sequence[tuple[str, str, str]], columns: Sequence[Any]) -> list[Row]:
    """Turn columns into rows of Python's own values, None for what is missing."""
    lists = []
    for (name, _, kind), column in zip(fields, columns, strict=True):
        values = column if isinstance(column, list) else column.tolist()
        if kind == REAL:
            values = [value if value == value else None for value in values]  # noqa: PLR0124 - only NaN is not itself
        elif kind == TIME:
            values = [None if value == MISSING else at_micros(value) for value in values]
        elif name in TRUTHS or name in {"is_plugged_in", "is_at_home"}:
            values = [None if value == MISSING else bool(value) for value in values]
        elif kind == WHOLE:
            values = [None if value == MISSING else value for value in values]
        lists.append(values)
    return list(zip(*lists, strict=True))


@dataclass(frozen=True, slots=True)
class _Known:
    """What belongs to the cars in other tables, by key."""

    tariffs: dict[int, Tariff]
    departures: dict[int, dict[int, time]]
    dated: dict[int, tuple[Dated, ...]]
    readings: dict[int, ChargeReading]
    overrides: dict[int, list[ChargeOverride]]
    parts: dict[int, list[EventParticipation]]

    @classmethod
    def load(
        cls, vehicle_ids: Sequence[int], states: Sequence[Row], tariff_ids: Iterable[int | None], now: datetime
    ) -> "_Known":
        overrides: dict[int, list[ChargeOverride]] = {}
        for override in overrides_in_force(vehicle_ids, now):
            overrides.setdefault(override.vehicle_id, []).append(override)
        parts: dict[int, list[EventParticipation]] = {}
        for part in participations_ahead(vehicle_ids, now=now):
            parts.setdefault(part.enrollment.vehicle_id, []).append(part)
        tariffs = Tariff.objects.select_related("utility", "price_feed", "carbon_feed")
        reading_ids = {key for state in states for key in state[-2:] if key is not None}
        return cls(
            tariffs=tariffs.in_bulk({key for key in tariff_ids if key is not None}),
            departures=_departures(vehicle_ids),
            dated=dated_departures(vehicle_ids, now=now),
            readings=_readings(reading_ids),
            overrides=overrides,
            parts=parts,
        )


def _departures(vehicle_ids: Sequence[int]) -> dict[int, dict[int, time]]:
    rows = Departure.objects.filter(preference__vehicle__any_of=vehicle_ids).order_by("preference", "weekday")
    columns = read_columns(rows.values_list("preference__vehicle", "weekday", "leaves_at_local"), [WHOLE, WHOLE, CLOCK])
    found: dict[int, dict[int, time]] = {}
    for vehicle_id, weekday, micros in zip(*(column.tolist() for column in columns), strict=True):
        leaves_at = _time_of_day(micros)
        if vehicle_id in found:
            found[vehicle_id][weekday] = leaves_at
        else:
            found[vehicle_id] = {weekday: leaves_at}
    return found


@lru_cache(maxsize=2048)
def _time_of_day(micros: int) -> time:
    seconds, micros = divmod(micros, 1_000_000)
    return time(seconds // 3600, seconds // 60 % 60, seconds % 60, micros)


def _readings(keys: Collection[int]) -> dict[int, ChargeReading]:
    real = FloatField()
    rows = ChargeReading.objects.filter(pk__any_of=keys).order_by().annotate(
        soc=Cast("soc_percent", real), limit=Cast("limit_percent", real)
    )  # fmt: skip
    columns = read_columns(rows.values_list(*(field[1] for field in READING)), [field[2] for field in READING])
    return {row[0]: bare(ChargeReading, FIELDS["reading"], row) for row in _rows_of(READING, columns)}


@lru_cache(maxsize=1024)
def _can(capabilities: str) -> Capabilities:
    return read_capabilities(json.loads(capabilities))


@lru_cache(maxsize=8)
def _purposes(agrees_data: bool, agrees_grid: bool) -> frozenset[str]:  # noqa: FBT001 - the cache's key
    agreed = {Consent.Purpose.DATA_USE: agrees_data, Consent.Purpose.GRID_PARTICIPATION: agrees_grid}
    return frozenset(purpose for purpose in NEEDED if agreed[purpose])


def _due(row: tuple[Row, ...], known: _Known, now: datetime) -> Due:
    state, vehicle, preference, site, session = row
    (key, reason, version, plug_session_id, habit, learnt_at, can, data, grid, newest, newest_soc) = state
    car = CarNow(
        vehicle=bare(Vehicle, FIELDS["vehicle"], vehicle),
        state=None,
        preference=None if preference[0] is None else bare(ChargePreference, FIELDS["preference"], preference),
        departures=known.departures.get(vehicle[0], {}),
        site=None if site[0] is None else _site(site, known.tariffs),
        reading=known.readings.get(newest),
        soc_reading=known.readings.get(newest_soc),
        session=None if session[0] is None else bare(PlugSession, FIELDS["session"], session),
        overrides=tuple(known.overrides.get(vehicle[0], ())),
        participations=tuple(known.parts.get(vehicle[0], ())),
        purposes=_purposes(bool(data), bool(grid)),
        plan=None,
        dispatch=None,
        can=_can(can),
        dated=known.dated.get(vehicle[0], ()),
    )
    is_fresh = learnt_at is not None and now - learnt_at < LEARN_EVERY
    is_same = version == preference[1] and plug_session_id == session[0]
    return Due(key, reason, car, read_habit(habit) if habit and is_fresh and is_same else None)


LEARN_EVERY = timedelta(days=1)


def _site(values: Row, tariffs: dict[int, Tariff]) -> Site:
    site = bare(Site, FIELDS["site"], values)
    last_day = values[-1]
    site.__dict__["export_permission_ends_on_date"] = None if last_day is None else date.fromisoformat(last_day)
    site.tariff = tariffs[values[3]]
    return site
