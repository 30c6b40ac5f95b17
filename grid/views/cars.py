"""One car's page: what it is doing, what it was told, which program it is in."""

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext

from accounts.models import User
from foundation import clock
from foundation.pages import owner_action, owner_read, refusals_as_messages, signed_in
from grid.flows.abilities import missing_for_discharge
from grid.flows.enrollment import enroll_vehicle, programs_open_to, withdraw_vehicle
from grid.models import Enrollment, Program, Site
from vehicles import wording
from vehicles.abilities import abilities
from vehicles.flows import foreign
from vehicles.flows.bills import bills_of
from vehicles.flows.chargers import charger_of, chargers_of
from vehicles.flows.health import link_health
from vehicles.flows.preferences import open_override
from vehicles.flows.telemetry import latest_reading
from vehicles.models import ChargePreference, Command, HomePlace, Vehicle
from vehicles.schedule import next_departure_at
from vehicles.views import maker_name, owned_vehicle

SHOWN_COMMANDS = 20


@owner_read
def car(request: HttpRequest, vehicle: UUID) -> HttpResponse:
    """Show one car of the owner."""
    found, now = owned_vehicle(request, vehicle), clock.now()
    owner = signed_in(request, User)
    enrollment = (
        Enrollment.objects.filter(vehicle=found, ended_at__isnull=True).select_related("program__utility").first()
    )
    context = {
        "vehicle": found,
        "preference": found.preference,
        "reading": latest_reading(found),
        "departure_at": _departure_at(found.preference, owner, now),
        "override": open_override(found, now),
        "maker_name": maker_name(found.link.maker),
        "health": link_health(found.link),
        "abilities": abilities(found.own),
        "trouble": wording.message(found.read_failure) if found.read_failure else "",
        "knows_home": HomePlace.objects.filter(owner=owner).exists(),
        "enrollment": enrollment,
        "programs": [] if enrollment else _programs(found, now),
        "foreign": _foreign(found, owner),
        "bills": bills_of(found, now=now),
        "charger": charger_of(found),
        "chargers": [row for row in chargers_of(owner.pk) if row.serves is None],
        "discharge_missing": [wording.message(key) for key in missing_for_discharge(found, now=now)],
        "commands": list(Command.objects.filter(vehicle=found)[:SHOWN_COMMANDS]),
        "now": now,
    }
    return render(request, "grid/car.html", context)


def _foreign(vehicle: Vehicle, owner: User) -> str:
    sign = foreign.open_sign(vehicle)
    return foreign.describe(sign, owner.zone) if sign else ""


def _departure_at(preference: ChargePreference, owner: User, now: datetime) -> datetime | None:
    home = Site.objects.filter(owner=owner).first()
    departures = {row.weekday: row.leaves_at_local for row in preference.departures.all()}
    return next_departure_at(departures, ZoneInfo(home.time_zone) if home else owner.zone, now)


def _programs(vehicle: Vehicle, now: datetime) -> list[dict[str, Any]]:
    found = []
    for program, why_not in programs_open_to(vehicle, now=now):
        terms = program.terms.filter(valid_from_at__lte=now).order_by("-version").first()
        found.append({"program": program, "why_not": why_not, "terms": terms})
    return found


@owner_action
def enroll(request: HttpRequest, vehicle: UUID) -> HttpResponse:
    """Let the car take part in a program."""
    found = owned_vehicle(request, vehicle)
    program = get_object_or_404(Program, slug=request.POST.get("program", ""))
    with refusals_as_messages(
        request, success=gettext("{car} takes part in {program} now.").format(car=found, program=program)
    ):
        enroll_vehicle(vehicle=found, program=program, now=clock.now())
    return redirect("car", found.public_id)


@owner_action
def withdraw(request: HttpRequest, vehicle: UUID) -> HttpResponse:
    """Take the car out of its program."""
    found = owned_vehicle(request, vehicle)
    with refusals_as_messages(
        request, success=gettext("{car} has left the program. What it earned stays yours.").format(car=found)
    ):
        withdraw_vehicle(vehicle=found, now=clock.now())
    return redirect("car", found.public_id)
