"""Looking into linked accounts once a day: cars that came are offered, cars that seem gone are looked at."""

import logging
from datetime import datetime, timedelta

from django.db.models import F, Q

from accounts.flows.notices import notify
from foundation import clock
from foundation.fields import keyed_hash
from foundation.rounds import work_through
from vehicles import gateway
from vehicles.automakers.errors import AutomakerError
from vehicles.flows import cars
from vehicles.flows.joining import list_cars, offer_found
from vehicles.flows.telemetry import ask_reading
from vehicles.models import Vehicle, VehicleLink

logger = logging.getLogger(__name__)

LOOK_EVERY = timedelta(days=1)
AFTER_FAILURE = timedelta(hours=2)


def list_due_accounts(*, now: datetime, limit: int, workers: int = 1) -> int:
    """Look into the accounts that are due and return how many cars were new. One account's failure stops no other."""
    wall = clock.wall()
    due = VehicleLink.objects.filter(
        Q(listed_at__isnull=True) | Q(listed_at__lte=now - LOOK_EVERY),
        Q(quiet_until__isnull=True) | Q(quiet_until__lte=wall),
        state=VehicleLink.State.ACTIVE,
    ).order_by(F("listed_at").asc(nulls_first=True))
    rows = due.select_related("owner")[:limit]
    return work_through(rows, lambda link: _look_if_mine(link, now=now), workers=workers)


def _look_if_mine(link: VehicleLink, *, now: datetime) -> int:
    claimed = VehicleLink.objects.filter(pk=link.pk, listed_at=link.listed_at).update(listed_at=now)
    if not claimed:
        return 0
    try:
        return len(look_for_cars(link=link, now=now))
    except AutomakerError as error:
        logger.info("link %s: cars not listed: %s", link.public_id, error)
        VehicleLink.objects.filter(pk=link.pk).update(listed_at=now - LOOK_EVERY + AFTER_FAILURE)
        return 0


def look_for_cars(*, link: VehicleLink, now: datetime) -> list[Vehicle]:
    """List the account's cars, offer those that are new, tell the owner, and return them; raises AutomakerError.

    A car that is no longer listed is not believed to be gone before it was asked itself.
    """
    known = set(Vehicle.objects.filter(link=link).exclude(state=Vehicle.State.UNLINKED).values_list("pk", flat=True))
    found = gateway.call_account(link, list_cars)
    offered = offer_found(link=link, found=found, now=now, is_fresh_link=False)
    fresh = [car for car in offered if car.state == Vehicle.State.OFFERED and car.pk not in known]
    _look_at_missing(link, {keyed_hash(f"{link.maker}:{car.ref.external_id}") for car in found}, now=now)
    for car in fresh:
        notify(
            user=link.owner,
            kind="car_found",
            key=f"car_found:{car.public_id}:{now:%Y%m%d}",
            params={"vehicle": str(car), "maker": gateway.adapter(link.maker).name},
            now=now,
        )
    return fresh


def _look_at_missing(link: VehicleLink, listed: set[str], *, now: datetime) -> None:
    rows = Vehicle.objects.filter(link=link).exclude(state=Vehicle.State.UNLINKED)
    for car in rows.exclude(external_id_hash__in=listed)[:50]:
        if car.state == Vehicle.State.ACTIVE:
            ask_reading(vehicle=car, by=now)
        else:
            cars.let_go(car, now=now)
