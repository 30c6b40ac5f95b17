"""What pages and calls show of an owner's cars, as rows to watch."""

from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery

from foundation.stamps import Stamp, Watched, columns_of
from vehicles.models import (
    ChargeOverride,
    ChargePreference,
    ChargeReading,
    DatedDeparture,
    Departure,
    PlugSession,
    Vehicle,
)

# What readers and commands keep for themselves, and what is shown nowhere.
BOOKKEEPING = ("external_id", "external_id_hash", "vin", "vin_hash", "next_read_at", "lease_until", "read_failures")


def _cars(owner: int, at: datetime) -> QuerySet[Any]:
    del at
    return Vehicle.objects.filter(owner=owner)


def _newest_readings(owner: int, at: datetime) -> QuerySet[Any]:
    newest = ChargeReading.objects.filter(vehicle=OuterRef("pk")).order_by("-observed_at").values("pk")
    with_soc = newest.filter(soc_percent__isnull=False)
    found: QuerySet[Any] = _cars(owner, at).annotate(newest=Subquery(newest[:1]), newest_soc=Subquery(with_soc[:1]))
    return found


def _overrides(owner: int, at: datetime) -> QuerySet[Any]:
    in_force = Q(cancelled_at__isnull=True, starts_at__lte=at, ends_at__gt=at)
    return ChargeOverride.objects.filter(in_force, vehicle__owner=owner)


CARS = Watched(_cars, [*columns_of(Vehicle, but=BOOKKEEPING), "link__state", "link__maker", "link__state_reason"])
WISHES = Watched(lambda owner, _at: ChargePreference.objects.filter(vehicle__owner=owner), columns_of(ChargePreference))
DEPARTURES = Watched(
    lambda owner, _at: Departure.objects.filter(preference__vehicle__owner=owner), columns_of(Departure)
)
DATES = Watched(lambda owner, _at: DatedDeparture.objects.filter(vehicle__owner=owner), columns_of(DatedDeparture))
READINGS = Watched(_newest_readings, ["pk", "newest", "newest_soc"])  # a reading is never changed, but joined by newer
STAYS = Watched(
    lambda owner, _at: PlugSession.objects.filter(vehicle__owner=owner, unplugged_at=None), columns_of(PlugSession)
)
OVERRIDES = Watched(_overrides, columns_of(ChargeOverride))

# What the list of an owner's cars shows.
LISTED = Stamp(CARS, READINGS, OVERRIDES)
