"""One car's page: what it is doing, what it was told, which program it is in."""

from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Exists
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.models import User
from foundation import clock
from foundation.pages import is_part, owner_read, signed_in
from grid.flows.events.abilities import missing_for_discharge
from grid.models import Site
from grid.views.programs import memberships
from vehicles import wording
from vehicles.abilities import abilities
from vehicles.flows import foreign
from vehicles.flows.bills import bills_of
from vehicles.flows.chargers import chargers_of
from vehicles.flows.health import link_health
from vehicles.flows.preferences import departures_of, open_override
from vehicles.flows.telemetry import latest_reading
from vehicles.models import Command, HomePlace, Vehicle
from vehicles.schedule import next_departure_at
from vehicles.views import maker_name, owned_vehicle
from vehicles.views_wishes import dates_shown

SHOWN_COMMANDS = 20


@owner_read
def car(request: HttpRequest, vehicle: UUID) -> HttpResponse:
    """Show one car of the owner; its record and the programs it may join are fetched alone."""
    found, now = owned_vehicle(request, vehicle), clock.now()
    owner = signed_in(request, User)
    place = HomePlace.objects.filter(owner=owner)
    home = Site.objects.filter(owner=owner).annotate(has_place=Exists(place)).first()
    boxes, dates = chargers_of(owner.pk), dates_shown(found, owner.zone, now)
    zone = ZoneInfo(home.time_zone) if home else owner.zone
    context = {
        "vehicle": found,
        "preference": found.preference,
        "reading": latest_reading(found),
        "departure_at": next_departure_at(departures_of(found), zone, now, tuple(one["row"].dated for one in dates)),
        "dates": dates,
        "override": open_override(found, now),
        "maker_name": maker_name(found.link.maker),
        "health": link_health(found.link, boxes=boxes),
        "abilities": abilities(found.own),
        "trouble": wording.message(found.read_failure) if found.read_failure else "",
        "knows_home": bool(getattr(home, "has_place", False)) if home else place.exists(),
        "memberships": memberships(found, now),
        "foreign": _foreign(found, owner),
        "charger": next((row for row in boxes if row.serves_id == found.pk and row.state == row.State.ACTIVE), None),
        "chargers": [row for row in boxes if row.serves is None],
        "discharge_missing": [wording.message(key) for key in missing_for_discharge(found, site=home, now=now)],
        "now": now,
    }
    return render(request, "grid/car.html", context)


@owner_read
def record(request: HttpRequest, vehicle: UUID) -> HttpResponse:
    """Show what the car was told and what our asking cost it."""
    found, now = owned_vehicle(request, vehicle), clock.now()
    context = {
        "vehicle": found,
        "commands": list(Command.objects.filter(vehicle=found)[:SHOWN_COMMANDS]),
        "bills": bills_of(found, now=now),
        "now": now,
    }
    return render(request, "grid/_record.html" if is_part(request) else "grid/record.html", context)


def _foreign(vehicle: Vehicle, owner: User) -> str:
    sign = foreign.open_sign(vehicle)
    return foreign.describe(sign, owner.zone) if sign else ""
