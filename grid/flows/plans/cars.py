"""Everything the grid room knows of cars at one instant, loaded for many cars with a fixed number of queries."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from accounts.models import Consent
from grid.models import Dispatch, EventParticipation, GridEvent, Plan, PlanningState, Site, Tariff
from vehicles.automakers.base import Capabilities, read_capabilities
from vehicles.models import (
    ChargeOverride,
    ChargePreference,
    ChargeReading,
    DatedDeparture,
    Departure,
    PlugSession,
    Vehicle,
)
from vehicles.schedule import Dated, away_until

Row = TypeVar("Row")
NEEDED = (Consent.Purpose.DATA_USE, Consent.Purpose.GRID_PARTICIPATION)
OPEN_EVENT_STATES = (GridEvent.State.ANNOUNCED,)
DATES_KEPT = timedelta(days=16)  # habits are learnt from departures of so long ago


@dataclass(frozen=True)
class CarNow:
    """One car with its owner's wishes, its home, its last readings and what we are about to do with it."""

    vehicle: Vehicle
    state: PlanningState | None
    preference: ChargePreference | None
    departures: dict[int, time]
    site: Site | None
    reading: ChargeReading | None
    soc_reading: ChargeReading | None
    session: PlugSession | None
    overrides: tuple[ChargeOverride, ...]
    participations: tuple[EventParticipation, ...]
    purposes: frozenset[str]
    plan: Plan | None
    dispatch: Dispatch | None
    can: Capabilities = field(default_factory=Capabilities)
    dated: tuple[Dated, ...] = ()

    @property
    def zone(self) -> ZoneInfo:
        """The clock of the car's home."""
        return ZoneInfo(self.site.time_zone) if self.site else self.vehicle.owner.zone

    @property
    def is_plugged_at_home(self) -> bool:
        """Whether the car stands at the home plug, as far as readings say."""
        said = self.reading is None or (
            self.reading.is_plugged_in is not False and self.reading.is_at_home is not False
        )
        return self.session is not None and self.session.is_at_home and said

    @property
    def soc_percent(self) -> float | None:
        """The newest state of charge, or None."""
        if self.soc_reading is None or self.soc_reading.soc_percent is None:
            return None
        return float(self.soc_reading.soc_percent)

    @property
    def limit_percent(self) -> float | None:
        """The car's own charge limit, from the newest reading or the plug-in, or None."""
        if self.soc_reading is not None and self.soc_reading.limit_percent is not None:
            return float(self.soc_reading.limit_percent)
        return None if self.session is None else float(self.session.limit_percent)

    def away_until(self, now: datetime) -> datetime | None:
        """Return until when the owner said that the car is away; None where it is not away."""
        return away_until(self.dated, self.zone, now) if self.dated else None

    @property
    def override_kind(self) -> str:
        """The owner's word in force: charge_now, skip or ""; charge_now is the stronger one."""
        if not self.overrides:
            return ""
        kinds = {override.kind for override in self.overrides}
        return next((kind for kind in (ChargeOverride.Kind.CHARGE_NOW, ChargeOverride.Kind.SKIP) if kind in kinds), "")

    @property
    def charge_w(self) -> int:
        """What car and charger together can charge, AC side."""
        evse_w = self.site.evse_max_charge_w if self.site else self.vehicle.max_charge_w
        return min(self.vehicle.max_charge_w, evse_w)

    @property
    def obstacle(self) -> str:
        """Why the car is neither planned nor steered, as a key; "" where it is."""
        if self.vehicle.state != Vehicle.State.ACTIVE or not self.vehicle.is_controlling:
            return "not_active"
        if not self.purposes.issuperset(NEEDED):
            return "no_consent"
        if self.preference is None:
            return "no_preference"
        if self.preference.is_paused:
            return "paused"
        if self.site is None:
            return "no_home"
        return "no_reading" if self.soc_percent is None else ""

    def discharge_obstacle(self, now: datetime) -> str:
        """Return why the car may not give energy back at `now`, as a key; "" where it may."""
        if not self.can.can_discharge or self.vehicle.max_discharge_w <= 0:
            return "car"
        if self.preference is None or not self.preference.is_v2g_allowed:
            return "preference"
        if self.site is None or not self.site.is_evse_bidirectional:
            return "charger"
        last_day = self.site.export_permission_ends_on_date
        is_over = last_day is not None and now.astimezone(self.zone).date() > last_day
        if not self.site.has_export_permission or self.site.export_limit_w <= 0 or is_over:
            return "export_permission"
        if Consent.Purpose.GRID_PARTICIPATION not in self.purposes:
            return "consent"
        return "override" if self.override_kind else ""

    def discharge_w(self, now: datetime) -> int:
        """Return how much the car may give back at `now`, AC side, as a positive power; 0 = nothing."""
        if self.discharge_obstacle(now) or self.site is None:
            return 0
        return min(self.vehicle.max_discharge_w, self.can.max_discharge_w, self.site.export_limit_w)


def load_cars(vehicle_ids: Collection[int], *, now: datetime) -> dict[int, CarNow]:
    """Return what is known of each car at `now`, by vehicle key; the number of queries does not grow with the cars.

    Planning many cars loads them by `fleet.load_fleet`, which leaves out what a plan is not made from.
    """
    return {car.vehicle.pk: car for car in _load(Vehicle.objects.filter(pk__in=vehicle_ids), now)}


@dataclass(frozen=True)
class Known:
    """Rows by the key of their car; sites by their owner's, readings by their own."""

    sites: dict[int, Site]
    departures: dict[int, dict[int, time]]
    dated: dict[int, tuple[Dated, ...]]
    readings: dict[int, ChargeReading]
    sessions: dict[int, PlugSession]
    overrides: dict[int, list[ChargeOverride]]
    parts: dict[int, list[EventParticipation]]
    plans: dict[int, Plan]
    dispatches: dict[int, Dispatch]


def _load(cars: "QuerySet[Vehicle]", now: datetime) -> list[CarNow]:
    rows = with_keys(cars).select_related("owner", "preference", "planning").defer("vin")
    vehicles = list(rows.order_by("pk"))
    ids = [vehicle.pk for vehicle in vehicles]
    plans, dispatches = _under_way(vehicles)
    known = Known(
        sites={site.owner_id: site for site in _sites({vehicle.owner_id for vehicle in vehicles})},
        departures=_departures(vehicles),
        dated=dated_departures(ids, now=now),
        readings=newest_readings(vehicles),
        sessions={row.vehicle_id: row for row in PlugSession.objects.filter(vehicle__in=vehicles, unplugged_at=None)},
        overrides=by_car(overrides_in_force(ids, now), lambda row: row.vehicle_id),
        parts=by_car(participations_ahead(ids, now=now), lambda part: part.enrollment.vehicle_id),
        plans=plans,
        dispatches=dispatches,
    )
    return [car_of(vehicle, known) for vehicle in vehicles]


def car_of(vehicle: Vehicle, known: Known) -> CarNow:
    """Put together what is known of one car."""
    return CarNow(
        vehicle=vehicle,
        state=getattr(vehicle, "planning", None),
        preference=getattr(vehicle, "preference", None),
        departures=known.departures.get(vehicle.pk, {}),
        site=known.sites.get(vehicle.owner_id),
        reading=known.readings.get(_key(vehicle, "newest")),
        soc_reading=known.readings.get(_key(vehicle, "newest_soc")),
        session=known.sessions.get(vehicle.pk),
        overrides=tuple(known.overrides.get(vehicle.pk, ())),
        participations=tuple(known.parts.get(vehicle.pk, ())),
        purposes=frozenset(purpose for purpose in NEEDED if getattr(vehicle, f"agrees_{purpose}")),
        plan=known.plans.get(vehicle.pk),
        dispatch=known.dispatches.get(vehicle.pk),
        can=read_capabilities(vehicle.capabilities),
        dated=known.dated.get(vehicle.pk, ()),
    )


def with_keys(cars: "QuerySet[Vehicle]") -> "QuerySet[Vehicle]":
    """Let each car carry how its link fares, the keys of its newest readings, and what its owner agrees to."""
    # One look into the index a car, whatever the length of its history.
    newest = ChargeReading.objects.filter(vehicle=OuterRef("pk")).order_by("-observed_at")
    consents = Consent.objects.filter(user=OuterRef("owner"), revoked_at=None)
    return cars.annotate(
        link_state=F("link__state"),
        link_maker=F("link__maker"),
        link_reason=F("link__state_reason"),
        newest=Subquery(newest.values("pk")[:1]),
        newest_soc=Subquery(newest.filter(soc_percent__isnull=False).values("pk")[:1]),
        **{f"agrees_{purpose}": Exists(consents.filter(purpose=purpose)) for purpose in NEEDED},
    )


def _key(vehicle: Vehicle, name: str) -> int:
    key: int | None = getattr(vehicle, name)
    return key or 0


def participations_ahead(vehicle_ids: Collection[int], *, now: datetime) -> list[EventParticipation]:
    """Return the announced events that these cars take part in and that are not over, soonest first.

    A car in reserve is asked nothing yet, so that its plan and its commands know nothing of the event.
    """
    rows = parts_ahead(now).filter(enrollment__vehicle__any_of=vehicle_ids)
    if len(vehicle_ids) == 1:  # a page
        return list(rows)
    parts = list(rows.select_related(None).select_related("enrollment").defer("frozen"))
    # Thousands of cars share a few events: each is read once.
    events = GridEvent.objects.select_related("terms__program__utility").in_bulk({part.event_id for part in parts})
    for part in parts:
        part.event = events[part.event_id]
    return parts


def parts_ahead(now: datetime) -> "QuerySet[EventParticipation]":
    """Return every car's part in announced events that are not over, soonest first; none of cars in reserve."""
    rows = EventParticipation.objects.filter(
        enrollment__ended_at__isnull=True,
        state=EventParticipation.State.IN,
        event__state__in=OPEN_EVENT_STATES,
        event__ends_at__gt=now,
    ).exclude(call=EventParticipation.Call.RESERVE)
    return rows.select_related("event__terms__program__utility", "enrollment").order_by("event__starts_at", "pk")


def _under_way(vehicles: Collection[Vehicle]) -> tuple[dict[int, Plan], dict[int, Dispatch]]:
    plans = Plan.objects.filter(vehicle__in=vehicles, is_current=True)
    dispatches = Dispatch.objects.filter(vehicle__in=vehicles, stopped_at=None).select_related(
        "command", "participation"
    )
    return {plan.vehicle_id: plan for plan in plans}, {row.vehicle_id: row for row in dispatches}


def _departures(vehicles: Collection[Vehicle]) -> dict[int, dict[int, time]]:
    rows = Departure.objects.filter(preference__vehicle__in=vehicles).order_by("preference", "weekday")
    found: dict[int, dict[int, time]] = {}
    for vehicle_id, weekday, leaves_at in rows.values_list("preference__vehicle", "weekday", "leaves_at_local"):
        found.setdefault(vehicle_id, {})[weekday] = leaves_at
    return found


def dated_departures(vehicle_ids: Collection[int], *, now: datetime) -> dict[int, tuple[Dated, ...]]:
    """Return what owners said of single dates, lately past or ahead, by vehicle key; cars without any are left out."""
    rows = DatedDeparture.objects.filter(vehicle__any_of=vehicle_ids, last_date__gte=(now - DATES_KEPT).date())
    return dated_by_car(rows.order_by("vehicle", "first_date"))


def dated_by_car(rows: Iterable[DatedDeparture]) -> dict[int, tuple[Dated, ...]]:
    """Return what was said of single dates as schedules read it, by car."""
    return {car: tuple(row.dated for row in said) for car, said in by_car(rows, lambda row: row.vehicle_id).items()}


def by_car(rows: Iterable[Row], car: Callable[[Row], int]) -> dict[int, list[Row]]:
    """Return rows by the key of their car, in the order in which they come."""
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(car(row), []).append(row)
    return found


def newest_readings(vehicles: Collection[Vehicle]) -> dict[int, ChargeReading]:
    """Return the readings that `with_keys` named, by their own key."""
    keys = {_key(vehicle, name) for vehicle in vehicles for name in ("newest", "newest_soc")}
    return {reading.pk: reading for reading in ChargeReading.objects.filter(pk__in=keys)}


def _sites(owner_ids: Collection[int]) -> list[Site]:
    if len(owner_ids) == 1:  # a page
        joined = ("tariff__utility", "tariff__price_feed", "tariff__carbon_feed")
        return list(Site.objects.filter(owner__in=owner_ids).select_related(*joined))
    sites = list(Site.objects.filter(owner__in=owner_ids).defer("address"))
    # Thousands of homes share a few tariffs: each is read once.
    tariffs = Tariff.objects.select_related("utility", "price_feed", "carbon_feed")
    by_key = tariffs.in_bulk({site.tariff_id for site in sites})
    for site in sites:
        site.tariff = by_key[site.tariff_id]
    return sites


def overrides_in_force(vehicle_ids: Collection[int], now: datetime) -> Iterable[ChargeOverride]:
    """Return the owners' words in force at `now` for these cars, oldest first."""
    return ChargeOverride.objects.filter(in_force_at(now), vehicle__any_of=vehicle_ids).order_by("starts_at")


def in_force_at(now: datetime) -> Q:
    """Return the condition under which an override counts at `now`."""
    return Q(cancelled_at__isnull=True, starts_at__lte=now, ends_at__gt=now)
