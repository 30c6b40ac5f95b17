"""Reading cars: when, what is kept of it, and the stays at the plug that readings show.

Readings are history; the newest by the car's own time counts, whatever order they arrive in. Coordinates are compared
with the owner's home and dropped.
"""

import logging
from collections.abc import Collection, Generator, Sequence
from dataclasses import fields
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, Subquery

from accounts.models import Consent
from foundation import clock
from foundation.rounds import work_through
from vehicles import gateway, meter
from vehicles.automakers.base import VehicleState
from vehicles.automakers.errors import (
    AutomakerError,
    BudgetSpent,
    RateLimited,
    ScopeMissing,
    Unreachable,
    VehicleGone,
)
from vehicles.flows import budgets, cars, chargers, readings
from vehicles.models import ChargeReading, Command, HomeCharger, Vehicle, VehicleLink

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
ELSEWHERE = timedelta(minutes=30)
# A poll that was about to begin is spared by a push that says the same.
PUSH_SPARES = timedelta(seconds=60)
FIRST_BACKOFF = timedelta(minutes=15)
MOST_BACKOFF = timedelta(hours=4)
ONCE_A_DAY = timedelta(days=1)


def latest_reading(vehicle: Vehicle) -> ChargeReading | None:
    """Return the reading with the newest time of the car's own, or None before the first."""
    return ChargeReading.objects.filter(vehicle=vehicle).order_by("-observed_at").first()


def latest_readings(vehicles: Sequence[Vehicle]) -> dict[int, ChargeReading]:
    """Return the newest reading of each car by its own time, by vehicle key; cars that were never read are left out."""
    newest = ChargeReading.objects.filter(vehicle=OuterRef("pk")).order_by("-observed_at")
    cars = Vehicle.objects.filter(pk__in=[vehicle.pk for vehicle in vehicles])
    keys = cars.annotate(newest=Subquery(newest.values("pk")[:1])).values_list("newest", flat=True)
    rows = ChargeReading.objects.filter(pk__in=[key for key in keys if key is not None])
    return {reading.vehicle_id: reading for reading in rows}


def may_read(vehicle: Vehicle) -> bool:
    """Say whether the owner lets us read the car now."""
    return Consent.objects.filter(
        user=vehicle.owner_id, purpose=Consent.Purpose.DATA_USE, revoked_at__isnull=True
    ).exists()


def ask_reading(*, vehicle: Vehicle, by: datetime) -> None:
    """Have the car read by `by`, or as soon as its maker may be asked again; a reading that is due earlier stays so."""
    ask_readings([(vehicle, by)])


def ask_readings(wanted: Collection[tuple[Vehicle, datetime]]) -> None:
    """Have cars read as `ask_reading` does for one, in a few statements."""
    newest = latest_readings([vehicle for vehicle, _ in wanted])
    by_time: dict[datetime, list[int]] = {}
    for vehicle, by in wanted:
        reading = newest.get(vehicle.pk)
        at = by if reading is None else max(by, reading.fetched_at + timedelta(seconds=vehicle.can.min_poll_seconds))
        by_time.setdefault(at, []).append(vehicle.pk)
    for by, vehicle_ids in by_time.items():
        Vehicle.objects.filter(pk__in=vehicle_ids, state=Vehicle.State.ACTIVE).filter(
            Q(next_read_at__gt=by) | Q(next_read_at__isnull=True)
        ).update(next_read_at=by)


def read_due_vehicles(*, now: datetime, limit: int, workers: int = 1) -> int:
    """Read active cars whose reading is due, and return how many were asked. One car's failure stops no other.

    Cars whose owner does not let us read them are never due. `workers` cars are asked side by side.
    """
    claimed = _claim_in_batches(now=now, limit=limit, size=2 * workers)
    try:
        return work_through(claimed, lambda vehicle: _read_claimed(vehicle, now=now), workers=workers)
    finally:
        claimed.close()


def _claim_in_batches(*, now: datetime, limit: int, size: int) -> Generator[Vehicle, None, None]:
    """Yield due cars, leased to us a few at a time, so that many workers share them; gives back what nobody took."""
    left = limit
    while left > 0 and (batch := _claim_due(now=now, limit=min(size, left))):
        left -= len(batch)
        try:
            while batch:
                yield batch.pop(0)
        finally:
            Vehicle.objects.filter(pk__in=[vehicle.pk for vehicle in batch]).update(lease_until=None)


def _claim_due(*, now: datetime, limit: int) -> list[Vehicle]:
    consent = Consent.objects.filter(user=OuterRef("owner"), purpose=Consent.Purpose.DATA_USE, revoked_at__isnull=True)
    wall = clock.wall()
    due = Vehicle.objects.filter(
        Q(lease_until__isnull=True) | Q(lease_until__lte=wall),
        Q(link__quiet_until__isnull=True) | Q(link__quiet_until__lte=wall),
        Exists(consent),
        state=Vehicle.State.ACTIVE,
        link__state=VehicleLink.State.ACTIVE,
        next_read_at__lte=now,
    ).order_by("next_read_at")
    # The gateway reads tokens at the last moment, and a VIN is not needed to read a car.
    rows = due.select_related("link", "owner", "home_charger").defer(
        "vin", "link__access_token", "link__refresh_token", "link__secrets"
    )
    with transaction.atomic():
        batch = list(rows.select_for_update(skip_locked=True, of=("self",))[:limit])
        if batch:
            Vehicle.objects.filter(pk__in=[vehicle.pk for vehicle in batch]).update(lease_until=wall + LEASE)
    return batch


def _read_claimed(vehicle: Vehicle, *, now: datetime) -> bool:
    try:
        _read(vehicle, now=now)
    except Exception:
        _come_back(vehicle, after=FIRST_BACKOFF, now=now)
        raise
    return True


def read_vehicle(*, vehicle: Vehicle, now: datetime) -> ChargeReading | None:
    """Ask the maker for the car's state, keep it, set when to ask next, and return the newest reading.

    None where the owner does not let us read, or the maker or car did not answer; the car's `read_failure` then says
    why. A car that left the account is taken out, with its history kept.
    """
    if not may_read(vehicle):
        _come_back(vehicle, after=ELSEWHERE, now=now)
        return None
    return _read(vehicle, now=now)


def _read(vehicle: Vehicle, *, now: datetime) -> ChargeReading | None:
    try:
        state = _ask(vehicle, now=now)
    except AutomakerError as error:
        _note_failure(vehicle, error, now=now)
        return None
    reading = record_state(vehicle=vehicle, state=state, now=now)
    Vehicle.objects.filter(pk=vehicle.pk).update(
        next_read_at=_next_read_at(vehicle, reading, now=now),
        lease_until=None,
        read_failure="" if reading else "maker_failed",
        read_failures=0,
    )
    return reading


def _ask(vehicle: Vehicle, *, now: datetime) -> VehicleState:
    """Ask the car's maker, and the wall box that serves it; one of the two is enough. Raises AutomakerError."""
    box = getattr(vehicle, "home_charger", None)
    if box is None:
        chargers.forget_box(vehicle, now=now)
        return gateway.call(vehicle, lambda maker, car: maker.read_state(car))
    state, trouble = None, None
    pause = timedelta(seconds=vehicle.own.min_poll_seconds)
    if not box.is_used or box.car_asked_at is None or box.car_asked_at <= now - pause:
        try:
            state = gateway.call(vehicle, lambda maker, car: maker.read_state(car))
        except AutomakerError as error:
            trouble = error
        else:
            HomeCharger.objects.filter(pk=box.pk).update(car_asked_at=now)
    state = chargers.with_charger(vehicle=vehicle, state=state, now=now)
    if state is None:
        raise trouble or Unreachable("neither the car nor its wall box answered")
    return state


def record_state(
    *, vehicle: Vehicle, state: VehicleState, now: datetime, source: str = ChargeReading.Source.POLL
) -> ChargeReading | None:
    """Keep what the car said and return its newest reading; None where it has never said anything usable.

    What came without being asked for goes onto the car's bill, and spares the poll that was about to begin.
    """
    kept, is_newest = readings.keep(vehicle=vehicle, state=state, now=now, source=source)
    newest = kept if is_newest else latest_reading(vehicle)
    if source != ChargeReading.Source.POLL:
        _note_push(vehicle, state, newest, now=now)
    return newest


def _note_push(vehicle: Vehicle, state: VehicleState, newest: ChargeReading | None, *, now: datetime) -> None:
    signals = sum(getattr(state, item.name) is not None for item in fields(state))
    meter.count_push(meter.Caller(vehicle.link, can=vehicle.own, car=vehicle.pk), signals=signals, now=now)
    is_whole = newest is not None and newest.soc_percent is not None and newest.is_plugged_in is not None
    if is_whole and not _is_commanded(vehicle, now=now):  # a value alone, of a car never read, spares nothing
        Vehicle.objects.filter(pk=vehicle.pk, next_read_at__lte=now + PUSH_SPARES).update(
            next_read_at=_next_read_at(vehicle, newest, now=now), read_failure="", read_failures=0
        )


def _next_read_at(vehicle: Vehicle, reading: ChargeReading | None, *, now: datetime) -> datetime:
    need = budgets.Need.SELDOM
    if reading is not None and reading.is_plugged_in and reading.is_at_home is not False:
        need = budgets.Need.OFTEN if _is_commanded(vehicle, now=now) else budgets.Need.USUAL
    return budgets.next_read_at(vehicle=vehicle, need=need, now=now)


def _is_commanded(vehicle: Vehicle, *, now: datetime) -> bool:
    return Command.objects.filter(vehicle=vehicle).occupying(now).exists()


def _note_failure(vehicle: Vehicle, error: AutomakerError, *, now: datetime) -> None:
    logger.info("car %s not read: %s", vehicle.public_id, error)
    if isinstance(error, VehicleGone) and _has_left_account(vehicle):
        cars.let_go(vehicle, now=now)
        cars.tell_car_left(vehicle, reason="no_longer_in_account", now=now)
        Vehicle.objects.filter(pk=vehicle.pk).update(lease_until=None, read_failure=error.message_key)
        return
    is_asked_to_wait = isinstance(error, BudgetSpent) or (isinstance(error, RateLimited) and error.scope == "vehicle")
    if is_asked_to_wait and error.retry_at is not None:
        after = max(timedelta(seconds=1), (error.retry_at - clock.wall()) * clock.rate())
    elif isinstance(error, ScopeMissing):
        after = ONCE_A_DAY
    elif isinstance(error, Unreachable):
        after = ELSEWHERE
    else:
        after = min(MOST_BACKOFF, FIRST_BACKOFF * 2 ** min(vehicle.read_failures, 6))
    is_asleep = isinstance(error, Unreachable) and error.is_asleep
    # A car that sleeps through its hold does what it shall; only what is under way is looked for often.
    rows = Command.objects.filter(vehicle=vehicle)
    is_awaited = rows.filter(state__in=Command.UNFINISHED) if is_asleep else rows.occupying(now)
    if not is_asked_to_wait and is_awaited.exists():
        after = min(after, budgets.PAUSES[budgets.Need.OFTEN])
    key = "maker_off" if error.reason == "maker_off" else error.message_key
    _come_back(vehicle, after=after, now=now, failure=key)


def _has_left_account(vehicle: Vehicle) -> bool:
    """Ask for the account's list before believing that a car is gone: one wrong 404 must not unlink it."""
    try:
        refs = gateway.call(vehicle, lambda maker, car: maker.list_vehicles(car.account))
    except AutomakerError:
        return False
    return vehicle.external_id not in {ref.external_id for ref in refs}


def _come_back(vehicle: Vehicle, *, after: timedelta, now: datetime, failure: str = "") -> None:
    changes: dict[str, object] = {"next_read_at": now + after, "lease_until": None}
    if failure:
        changes |= {"read_failure": failure, "read_failures": F("read_failures") + 1}
    Vehicle.objects.filter(pk=vehicle.pk).update(**changes)
