"""Where home is: taken from a car that stands there, kept encrypted, compared and never shown."""

from datetime import datetime, timedelta

from django.utils.translation import gettext

from accounts.flows.consents import has_consent
from accounts.models import Consent
from foundation import clock, leases
from foundation.refusals import Refusal
from vehicles import gateway, wording
from vehicles.automakers.base import VehicleState
from vehicles.automakers.errors import AutomakerError, RateLimited
from vehicles.flows import readings
from vehicles.models import ChargeReading, HomePlace, Vehicle

NEWEST_PLACE = timedelta(hours=1)


class UnableToSetHome(Refusal):
    """Home stays where it was."""


def set_home_from_vehicle(*, vehicle: Vehicle, now: datetime) -> HomePlace:
    """Make the place where the car stands now the home of its owner, and return it.

    The car is asked at once; it then counts as at home. Raises UnableToSetHome where we may not read it, or it does
    not say where it is, or its last position is older than an hour and it is not plugged in.
    """
    if vehicle.state != Vehicle.State.ACTIVE:
        raise UnableToSetHome(gettext("This car is not linked."), code="vehicle_not_active")
    if not has_consent(vehicle.owner, Consent.Purpose.DATA_USE):
        raise UnableToSetHome(gettext("Allow us to read your car first."), code="no_consent")
    try:
        state = _ask(vehicle, now=now)
    except AutomakerError as error:
        raise UnableToSetHome(
            gettext("{trouble} Please try again later.").format(trouble=wording.message(error.message_key)),
            code="maker_unreachable",
        ) from None
    home = _keep_home(vehicle=vehicle, state=state, now=now)
    readings.keep_state(vehicle=vehicle, state=state, now=now, source=ChargeReading.Source.POLL)
    return home


def _ask(vehicle: Vehicle, *, now: datetime) -> VehicleState:
    """Ask the car, as often as its maker allows however often its owner asks; the next poll is spared."""
    name, pause = f"home:{vehicle.pk}", timedelta(seconds=vehicle.own.min_poll_seconds)
    token = leases.acquire(name, seconds=pause / timedelta(seconds=clock.rate() or 1))
    if token is None:
        raise RateLimited("asked by its owner just now", scope="vehicle")
    try:
        state = gateway.call(vehicle, lambda maker, car: maker.read_state(car))
    except RateLimited as error:
        if error.retry_at is not None and leases.release(name, token):
            leases.acquire(name, seconds=max(1.0, (error.retry_at - clock.wall()).total_seconds()))
        raise
    Vehicle.objects.filter(pk=vehicle.pk, next_read_at__lt=now + pause).update(next_read_at=now + pause)
    return state


def _keep_home(*, vehicle: Vehicle, state: VehicleState, now: datetime) -> HomePlace:
    seen = state.place
    if seen is None:
        raise UnableToSetHome(
            gettext("The car does not tell where it is. Check its location sharing."), code="place_unknown"
        )
    is_plugged_in = state.is_plugged_in is not None and state.is_plugged_in.value
    if seen.observed_at < now - NEWEST_PLACE and not is_plugged_in:
        raise UnableToSetHome(
            gettext("The car's last position is old. Start it or plug it in at home, then try again."),
            code="place_stale",
        )
    place = {"latitude": repr(seen.value.latitude), "longitude": repr(seen.value.longitude), "set_at": now}
    home, _ = HomePlace.objects.update_or_create(owner_id=vehicle.owner_id, defaults=place)
    return home
