"""The programs that a car is in or may join: what they promise, what changes, why one does not fit, other providers."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext

from accounts.models import User
from foundation import clock
from foundation.formats import reader_in
from foundation.pages import is_part, owner_action, owner_read, refusals_as_messages, signed_in
from grid.flows.programs.elsewhere import declare_program, end_declaration
from grid.flows.programs.enrollment import Shared, enroll_vehicle, withdraw_vehicle
from grid.flows.programs.objections import offers_to
from grid.flows.programs.terms_words import Line
from grid.flows.programs.versions import held_and_coming, lines_of
from grid.models import Enrollment, EnrollmentConfirmation, Program, ProgramElsewhere, ProgramTerms
from vehicles.models import HomePlace, Vehicle
from vehicles.views import owned_vehicle


@owner_read
def program(request: HttpRequest, vehicle: UUID) -> HttpResponse:
    """Show the programs that the car is in, else (or with `?others`) those that it may join, with every reason why not.

    Both at once would ask the database for much that few look at.
    """
    found, now = owned_vehicle(request, vehicle), clock.now()
    context: dict[str, Any] = {"vehicle": found, "now": now, "knows_home": True}
    joined = set(Enrollment.objects.filter(vehicle=found, ended_at__isnull=True).values_list("program", flat=True))
    if joined and "others" not in request.GET:
        context["memberships"] = memberships(found, now)
    else:
        context |= {"programs": _offers(found, now, but=joined), "is_in_some": bool(joined)}
    if not joined:
        declared = ProgramElsewhere.objects.filter(owner=found.owner, ended_at__isnull=True).select_related("program")
        context |= {
            "declared": list(declared),
            "declarable": list(_others(found.owner).exclude(declared_elsewhere__in=declared)),
            "knows_home": HomePlace.objects.filter(owner=found.owner).exists(),
        }
    return render(request, "grid/_program.html" if is_part(request) else "grid/program.html", context)


def memberships(vehicle: Vehicle, now: datetime) -> list[dict[str, Any]]:
    """Return the car's enrollments as pages show them: whether each waits, what it pays and says, what is coming."""
    rows = Enrollment.objects.filter(vehicle=vehicle, ended_at__isnull=True).order_by("enrolled_at", "pk")
    return [_membership(one, vehicle, now) for one in rows.select_related("program__utility", "confirmation")]


def _membership(enrollment: Enrollment, vehicle: Vehicle, now: datetime) -> dict[str, Any]:
    lines, coming = held_and_coming(enrollment.program, now=now, reader=reader_in(vehicle.owner.country))
    confirmation = getattr(enrollment, "confirmation", None)
    return {
        "enrollment": enrollment,
        "is_waiting": confirmation is not None and confirmation.state == EnrollmentConfirmation.State.WAITING,
        "pays": [line for line in lines if line.is_pay],
        "beside": beside_of(lines),
        "lines": lines,
        "coming": coming,
    }


def beside_of(lines: Sequence[Line]) -> str:
    """Return the names of the programs that terms go beside, as their lines say; "" where they go alone."""
    return next((line.value for line in lines if line.key == "beside"), "")


def _offers(vehicle: Vehicle, now: datetime, *, but: Collection[int]) -> list[dict[str, Any]]:
    offers = [one for one in offers_to(vehicle, now=now) if one.program.pk not in but]
    lines = lines_of([one.terms for one in offers if one.terms], reader=reader_in(vehicle.owner.country))
    return [
        {
            "program": one.program,
            "terms": one.terms,
            "objections": [objection.reason for objection in one.objections],
            "lines": lines[one.terms.pk] if one.terms else [],
            "beside": beside_of(lines[one.terms.pk]) if one.terms else "",
        }
        for one in offers
    ]


def _others(owner: User) -> QuerySet[Program]:
    """Return the programs of the home's utility in which a home may be through somebody else."""
    return Program.objects.filter(utility__tariffs__sites__owner=owner, utility__is_demo=False).distinct()


@owner_action
def enroll(request: HttpRequest, vehicle: UUID) -> HttpResponse:
    """Let the car take part in a program; where the utility is asked first, it waits for its word."""
    found = owned_vehicle(request, vehicle)
    wanted = get_object_or_404(Program, slug=request.POST.get("program", ""))
    shared = None
    if request.POST.get("shares"):
        shared = Shared(request.POST.get("account_name", ""), request.POST.get("service_account", ""))
    success = gettext("{car} takes part in {program} now.")
    terms = ProgramTerms.in_force(program=wanted, at=clock.now())
    if terms is not None and terms.needs_confirmation:
        success = gettext("{car} has asked to join {program}.")
    with refusals_as_messages(request, success=success.format(car=found, program=wanted)):
        enroll_vehicle(vehicle=found, program=wanted, shared=shared, now=clock.now())
    return redirect("car", found.public_id)


@owner_action
def withdraw(request: HttpRequest, vehicle: UUID) -> HttpResponse:
    """Take the car out of its program, or of the one named where it is in several."""
    found, slug = owned_vehicle(request, vehicle), request.POST.get("program", "")
    left = get_object_or_404(Program, slug=slug) if slug else None
    with refusals_as_messages(
        request, success=gettext("{car} has left the program. What it earned stays yours.").format(car=found)
    ):
        withdraw_vehicle(vehicle=found, program=left, now=clock.now())
    return redirect("car", found.public_id)


@owner_action
def declare(request: HttpRequest, vehicle: UUID) -> HttpResponse:
    """Note that the home is in a program through somebody else."""
    found = owned_vehicle(request, vehicle)
    owner = signed_in(request, User)
    wanted = get_object_or_404(_others(owner), slug=request.POST.get("program", ""))
    with refusals_as_messages(request, success=gettext("Noted: your home is in {program}.").format(program=wanted)):
        declare_program(owner=owner, program=wanted, now=clock.now())
    return redirect("car_program", found.public_id)


@owner_action
def undeclare(request: HttpRequest, declared: UUID) -> HttpResponse:
    """Note that the home is no longer in a program through somebody else."""
    mine = ProgramElsewhere.objects.filter(owner=signed_in(request, User)).select_related("program")
    found = get_object_or_404(mine, public_id=declared)
    end_declaration(declared=found, now=clock.now())
    return redirect("cars")
