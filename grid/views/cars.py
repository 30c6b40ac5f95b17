"""One car's page: what it is doing, what it was told, which program it is in."""

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Exists, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext

from accounts.models import User
from foundation import clock
from foundation.pages import owner_action, owner_read, refusals_as_messages, signed_in
from grid.flows.abilities import missing_for_discharge
from grid.flows.enrollment import enroll_vehicle, programs_open_to, withdraw_vehicle
from grid.models import Enrollment, Program, ProgramTerms, Site
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
        "health": link_health(found.link),
        "abilities": abilities(found.own),
        "trouble": wording.message(found.read_failure) if found.read_failure else "",
        "knows_home": bool(getattr(home, "has_place", False)) if home else place.exists(),
        "enrollment": _enrollment(found),
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
    return render(request, "grid/_record.html" if _is_part(request) else "grid/record.html", context)


@owner_read
def program(request: HttpRequest, vehicle: UUID) -> HttpResponse:
    """Show the program that the car is in, or those that it may join, with the reason where it may not."""
    found, now = owned_vehicle(request, vehicle), clock.now()
    enrollment = _enrollment(found)
    context = {
        "vehicle": found,
        "enrollment": enrollment,
        "programs": [] if enrollment else _programs(found, now),
        "knows_home": HomePlace.objects.filter(owner=found.owner).exists(),
        "now": now,
    }
    return render(request, "grid/_program.html" if _is_part(request) else "grid/program.html", context)


def _is_part(request: HttpRequest) -> bool:
    return "HX-Request" in request.headers


def _enrollment(vehicle: Vehicle) -> Enrollment | None:
    rows = Enrollment.objects.filter(vehicle=vehicle, ended_at__isnull=True)
    return rows.select_related("program__utility").first()


def _foreign(vehicle: Vehicle, owner: User) -> str:
    sign = foreign.open_sign(vehicle)
    return foreign.describe(sign, owner.zone) if sign else ""


def _programs(vehicle: Vehicle, now: datetime) -> list[dict[str, Any]]:
    offers = programs_open_to(vehicle, now=now)
    in_force = ProgramTerms.objects.filter(
        Q(valid_until_at__isnull=True) | Q(valid_until_at__gt=now),
        program__in=[row for row, _ in offers],
        valid_from_at__lte=now,
    )
    newest = {terms.program_id: terms for terms in in_force.order_by("version")}
    return [{"program": row, "why_not": why_not, "terms": newest.get(row.pk)} for row, why_not in offers]


@owner_action
def enroll(request: HttpRequest, vehicle: UUID) -> HttpResponse:
    """Let the car take part in a program."""
    found = owned_vehicle(request, vehicle)
    wanted = get_object_or_404(Program, slug=request.POST.get("program", ""))
    with refusals_as_messages(
        request, success=gettext("{car} takes part in {program} now.").format(car=found, program=program)
    ):
        enroll_vehicle(vehicle=found, program=wanted, now=clock.now())
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
