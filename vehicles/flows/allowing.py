"""What must be true before a car may be held or discharged; asked when a command is requested and again when sent."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from accounts.models import Consent
from foundation.refusals import Refusal
from vehicles.automakers.base import Capabilities, HoldEnds
from vehicles.flows.telemetry import latest_reading, latest_readings
from vehicles.models import (
    ChargeOverride,
    ChargePreference,
    ChargeReading,
    Command,
    HomeCharger,
    HomePlace,
    MakerSwitch,
    StopOrder,
    Vehicle,
    VehicleLink,
)
from vehicles.schedule import latest_safe_release_at, soc_after

LONGEST_HOLD = timedelta(minutes=15)
OLDEST_READING = timedelta(minutes=30)
OLDEST_ASLEEP = timedelta(hours=12)
ASLEEP = "car_asleep"  # the message key of a reading that failed so
STEERABLE_HOLDS = frozenset({HoldEnds.TIMED, HoldEnds.SCHEDULE, HoldEnds.START_STOP})


class UnableToCommand(Refusal):
    """The car is not told anything."""


@dataclass(frozen=True)
class Intent:
    """A hold or discharge that somebody wants; `power_w` < 0 discharges."""

    vehicle: Vehicle
    kind: str
    ends_at: datetime
    power_w: int
    floor_soc_percent: int
    departure_at: datetime | None
    charge_w: int


@dataclass(frozen=True)
class Facts:
    """What is known of one car when it is asked whether it may be held or discharged."""

    vehicle: Vehicle
    preference: ChargePreference | None
    reading: ChargeReading | None
    purposes: frozenset[str] = frozenset()
    override: str = ""
    is_stopped: bool = False
    is_maker_off: bool = False
    has_home_place: bool = True


def check_allowed(intent: Intent, *, now: datetime) -> None:
    """Raise UnableToCommand unless the car may be held or discharged as intended; see `check_facts`."""
    check_facts(intent, load_facts([intent.vehicle.pk], now=now)[intent.vehicle.pk], now=now)


def load_facts(vehicle_ids: Collection[int], *, now: datetime) -> dict[int, Facts]:
    """Return what is known of each car, by its key; the number of queries does not grow with the cars."""
    is_stopped = StopOrder.objects.filter(lifted_at__isnull=True).exists()
    cars = Vehicle.objects.filter(pk__in=vehicle_ids).select_related("link", "owner", "preference")
    cars = cars.defer("vin", "link__access_token", "link__refresh_token", "link__secrets")  # nothing needs opening
    vehicles = {vehicle.pk: vehicle for vehicle in cars}
    owners = {vehicle.owner_id for vehicle in vehicles.values()}
    purposes: dict[int, set[str]] = {}
    consents = Consent.objects.filter(user__in=owners, revoked_at__isnull=True)
    for owner_id, purpose in consents.values_list("user", "purpose"):
        purposes.setdefault(owner_id, set()).add(purpose)
    overrides: dict[int, str] = {}
    said = ChargeOverride.objects.filter(
        vehicle__in=vehicles, cancelled_at__isnull=True, starts_at__lte=now, ends_at__gt=now
    )
    for vehicle_id, kind in said.values_list("vehicle", "kind"):
        is_stronger = kind == ChargeOverride.Kind.CHARGE_NOW
        overrides[vehicle_id] = kind if is_stronger else overrides.get(vehicle_id, kind)
    off = _makers_off(vehicles)
    readings = latest_readings(list(vehicles.values()))
    backed = {vehicle.owner_id for vehicle in vehicles.values() if vehicle.can.needs_backstop}
    homes = set(HomePlace.objects.filter(owner__in=backed).values_list("owner", flat=True)) if backed else set()
    return {
        key: Facts(
            vehicle=vehicle,
            preference=getattr(vehicle, "preference", None),
            reading=readings.get(key),
            purposes=frozenset(purposes.get(vehicle.owner_id, ())),
            override=overrides.get(key, ""),
            is_stopped=is_stopped,
            is_maker_off=key in off,
            has_home_place=vehicle.owner_id not in backed or vehicle.owner_id in homes,
        )
        for key, vehicle in vehicles.items()
    }


def _makers_off(vehicles: Mapping[int, Vehicle]) -> set[int]:
    """Return the keys of the cars whose maker, or whose wall box's maker, is switched off."""
    makers = set(MakerSwitch.objects.filter(is_on=False).values_list("maker", flat=True))
    if not makers:
        return set()
    off = {key for key, vehicle in vehicles.items() if vehicle.link.maker in makers}
    # A wall box in use: commands go through its maker.
    boxed = [key for key, vehicle in vehicles.items() if vehicle.own_capabilities]
    boxes = HomeCharger.objects.filter(serves__in=boxed, link__maker__in=makers)
    return off.union(boxes.values_list("serves", flat=True))


def check_facts(intent: Intent, facts: Facts, *, now: datetime) -> None:
    """Raise UnableToCommand unless the car may be held or discharged as intended.

    The order is the owner's: link and consent, their word, the car's ability, where it stands, its charge, and that
    it still leaves full enough on time even if the release comes late.
    """
    vehicle, preference = facts.vehicle, facts.preference
    if facts.is_stopped:
        raise UnableToCommand("Everything is stopped for the moment.", code="stopped")
    check_steerable(vehicle)
    _check_owner(facts)
    can = vehicle.can
    _check_span(intent, now=now)
    assert preference is not None
    _check_ability(intent, can, preference)
    _check_backstop(intent, can, has_home_place=facts.has_home_place)
    reading = _usable_reading(facts, now=now)
    _check_charge(intent, can, preference, reading)
    latest = _latest_release_at(intent, can, preference, reading, now=now)
    if latest is not None and intent.ends_at > latest:
        raise UnableToCommand("The car might not be full enough when it leaves.", code="departure_at_risk")


def latest_release_at(intent: Intent, *, now: datetime) -> datetime | None:
    """Return the last instant at which the hold or discharge may end so that the car leaves full enough.

    None where it has no departure or nothing is known of its charge.
    """
    reading, preference = latest_reading(intent.vehicle), ChargePreference.objects.filter(vehicle=intent.vehicle)
    wishes = preference.first()
    if reading is None or reading.soc_percent is None or wishes is None:
        return None
    return _latest_release_at(intent, intent.vehicle.can, wishes, reading, now=now)


def oldest_reading(vehicle: Vehicle) -> timedelta:
    """Return how old a reading of the car may be to steer by: half an hour, with two exceptions.

    Longer where the maker may not be asked that often. Much longer for a car that is known to sleep and keeps a
    schedule of ours: asleep at its plug it neither charges nor leaves, and what it said last still holds.
    """
    can = vehicle.can
    if can.needs_backstop and vehicle.read_failure == ASLEEP:
        return OLDEST_ASLEEP
    return max(OLDEST_READING, 1.5 * timedelta(seconds=can.min_poll_seconds))


def check_not_stopped() -> None:
    """Raise UnableToCommand while the kill switch is thrown."""
    if StopOrder.objects.filter(lifted_at__isnull=True).exists():
        raise UnableToCommand("Everything is stopped for the moment.", code="stopped")


def check_steerable(vehicle: Vehicle) -> None:
    """Raise UnableToCommand unless the car takes part through a link that works and is in control."""
    if vehicle.state != Vehicle.State.ACTIVE:
        raise UnableToCommand("This car does not take part.", code="vehicle_not_active")
    if vehicle.link.state != VehicleLink.State.ACTIVE:
        raise UnableToCommand("The car's account must be linked again.", code="link_not_active")
    if not vehicle.is_controlling:
        raise UnableToCommand("Another link steers this car.", code="not_controlling")


def _check_owner(facts: Facts) -> None:
    if facts.is_maker_off:
        raise UnableToCommand("Cars of this maker are switched off for the moment.", code="maker_off")
    if not facts.purposes.issuperset({Consent.Purpose.DATA_USE, Consent.Purpose.GRID_PARTICIPATION}):
        raise UnableToCommand("The owner does not agree to this.", code="no_consent")
    if facts.preference is None or facts.preference.is_paused:
        raise UnableToCommand("The owner has paused this car.", code="paused")
    if facts.override:
        raise UnableToCommand("The owner wants something else just now.", code=f"overridden_{facts.override}")


def _check_span(intent: Intent, *, now: datetime) -> None:
    if intent.ends_at <= now:
        raise UnableToCommand("This would already be over.", code="already_over", field="ends_at")
    if intent.ends_at > now + LONGEST_HOLD:
        raise UnableToCommand("A command lasts 15 minutes at most.", code="too_long", field="ends_at")


def _check_ability(intent: Intent, can: Capabilities, preference: ChargePreference) -> None:
    if intent.kind == Command.Kind.HOLD:
        if can.hold_ends not in STEERABLE_HOLDS:
            raise UnableToCommand("This car's charging cannot be paused.", code="cannot_hold")
        if intent.power_w != 0:
            raise UnableToCommand("A hold moves no energy.", code="power_does_not_fit", field="power_w")
        return
    if not can.can_discharge:
        raise UnableToCommand("This car cannot give energy back.", code="cannot_discharge")
    if not -min(can.max_discharge_w, intent.vehicle.max_discharge_w) <= intent.power_w < 0:
        raise UnableToCommand("The car cannot discharge at this power.", code="power_does_not_fit", field="power_w")
    if not preference.is_v2g_allowed:
        raise UnableToCommand("The owner does not allow giving energy back.", code="v2g_not_allowed")
    if intent.floor_soc_percent < preference.reserve_soc_percent:
        raise UnableToCommand("This would break the owner's reserve.", code="below_reserve", field="floor_soc_percent")


def _check_backstop(intent: Intent, can: Capabilities, *, has_home_place: bool) -> None:
    """A car that is held by a schedule kept in it needs to know when and where to start by itself."""
    if not can.needs_backstop:
        return
    if intent.departure_at is None:
        raise UnableToCommand(
            "Say when the car leaves: it is only held with a schedule that fills it in time.", code="no_departure"
        )
    if not has_home_place:
        raise UnableToCommand(
            "Say where home is: the car's own schedule holds for one place.", code="home_place_missing"
        )


def _usable_reading(facts: Facts, *, now: datetime) -> ChargeReading:
    reading, vehicle = facts.reading, facts.vehicle
    if reading is None or reading.soc_percent is None or reading.observed_at < now - oldest_reading(vehicle):
        raise UnableToCommand("The car has not been heard of for too long.", code="stale_reading")
    if not reading.is_plugged_in:
        raise UnableToCommand("The car is not plugged in.", code="not_plugged_in")
    if reading.is_at_home is None:
        raise UnableToCommand("It is not known whether the car is at home.", code="home_unknown")
    if not reading.is_at_home:
        raise UnableToCommand("The car is not at home.", code="not_at_home")
    return reading


def _check_charge(intent: Intent, can: Capabilities, preference: ChargePreference, reading: ChargeReading) -> None:
    assert reading.soc_percent is not None
    if reading.soc_percent < preference.minimum_soc_percent:
        raise UnableToCommand("The battery is below the owner's minimum.", code="below_minimum")
    if not can.can_hold_until and reading.soc_percent < can.min_restart_soc_percent:
        raise UnableToCommand("At this charge the maker would not start the car again.", code="below_restart")
    if intent.kind == Command.Kind.DISCHARGE and reading.soc_percent <= intent.floor_soc_percent:
        raise UnableToCommand("The battery is at its reserve.", code="at_reserve")


def _latest_release_at(
    intent: Intent, can: Capabilities, preference: ChargePreference, reading: ChargeReading, *, now: datetime
) -> datetime | None:
    if intent.departure_at is None:
        return None
    vehicle = intent.vehicle
    assert reading.soc_percent is not None
    # Counted from the reading on: whatever the car gave back since then is not seen yet.
    since = min(reading.observed_at, now)
    soc_at_end = soc_after(
        soc_percent=float(reading.soc_percent),
        power_w=intent.power_w,
        seconds=(intent.ends_at - since).total_seconds(),
        capacity_wh=vehicle.capacity_wh,
        discharge_efficiency=float(vehicle.discharge_efficiency),
    )
    return latest_safe_release_at(
        departure_at=intent.departure_at,
        soc_percent=soc_at_end,
        target_soc_percent=preference.target_soc_percent,
        capacity_wh=vehicle.capacity_wh,
        charge_w=intent.charge_w,
        charge_efficiency=float(vehicle.charge_efficiency),
        worst_latency_seconds=can.worst_latency_seconds,
    )
