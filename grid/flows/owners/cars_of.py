"""One owner's cars as pages know them: what `cars` asks of many, in statements that are compiled once."""

from datetime import datetime, time

from accounts.models import User
from foundation.statements import Once
from grid.flows.plans.cars import (
    DATES_KEPT,
    CarNow,
    Known,
    by_car,
    car_of,
    dated_by_car,
    in_force_at,
    newest_readings,
    parts_ahead,
    with_keys,
)
from grid.models import Dispatch, EventParticipation, Plan, Site
from vehicles.models import ChargeOverride, DatedDeparture, Departure, PlugSession, Vehicle


class _OfOwner:
    """What is asked of one owner, as `_load` asks it of many cars."""

    cars = Once[Vehicle](
        lambda owner, _at: (
            with_keys(Vehicle.objects.filter(owner=owner, state=Vehicle.State.ACTIVE))
            .select_related("owner", "preference", "planning")
            .defer("vin", "external_id", "own_capabilities", "owner__password")
            .order_by("pk")
        )
    )
    sites = Once[Site](
        lambda owner, _at: (
            Site.objects.filter(owner=owner)
            .select_related("tariff__utility", "tariff__price_feed", "tariff__carbon_feed")
            .defer("address")
        )
    )
    departures = Once[Departure](
        lambda owner, _at: (
            Departure.objects.filter(preference__vehicle__owner=owner)
            .select_related("preference")
            .order_by("preference", "weekday")
        )
    )
    dated = Once[DatedDeparture](
        lambda owner, _at: DatedDeparture.objects.filter(vehicle__owner=owner).order_by("vehicle_id", "first_date")
    )
    stays = Once[PlugSession](
        lambda owner, _at: PlugSession.objects.filter(vehicle__owner=owner, unplugged_at=None).order_by()
    )
    overrides = Once[ChargeOverride](
        lambda owner, at: ChargeOverride.objects.filter(in_force_at(at), vehicle__owner=owner).order_by("starts_at")
    )
    parts = Once[EventParticipation](lambda owner, at: parts_ahead(at).filter(enrollment__vehicle__owner=owner))
    plans = Once[Plan](lambda owner, _at: Plan.objects.filter(vehicle__owner=owner, is_current=True).order_by())
    dispatches = Once[Dispatch](
        lambda owner, _at: (
            Dispatch.objects.filter(vehicle__owner=owner, stopped_at=None)
            .select_related("command", "participation")
            .order_by()
        )
    )


def load_cars_of(owner: User, *, now: datetime) -> list[CarNow]:
    """Return what is known of each of the owner's cars that take part; asked for with every page, so compiled once."""
    vehicles = _OfOwner.cars.of(owner.pk, at=now)
    departures: dict[int, dict[int, time]] = {}
    for row in _OfOwner.departures.of(owner.pk, at=now):
        departures.setdefault(row.preference.vehicle_id, {})[row.weekday] = row.leaves_at_local
    since = (now - DATES_KEPT).date()
    known = Known(
        sites={site.owner_id: site for site in _OfOwner.sites.of(owner.pk, at=now)},
        departures=departures,
        dated=dated_by_car(row for row in _OfOwner.dated.of(owner.pk, at=now) if row.last_date >= since),
        readings=newest_readings(vehicles),
        sessions={row.vehicle_id: row for row in _OfOwner.stays.of(owner.pk, at=now)},
        overrides=by_car(_OfOwner.overrides.of(owner.pk, at=now), lambda row: row.vehicle_id),
        parts=by_car(_OfOwner.parts.of(owner.pk, at=now), lambda part: part.enrollment.vehicle_id),
        plans={plan.vehicle_id: plan for plan in _OfOwner.plans.of(owner.pk, at=now)},
        dispatches={row.vehicle_id: row for row in _OfOwner.dispatches.of(owner.pk, at=now)},
    )
    return [car_of(vehicle, known) for vehicle in vehicles]
