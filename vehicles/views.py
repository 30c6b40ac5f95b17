"""Pages and actions of cars: link, choose, prefer, override, unlink. Whoever does not own a car gets a 404."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from foundation import clock
from foundation.pages import add_refusal, owner_action, owner_page, owner_read, refusals_as_messages, signed_in
from vehicles import gateway
from vehicles.automakers.base import LinkKind
from vehicles.automakers.registry import AUTOMAKERS
from vehicles.flows.cars import UnableToSaveCar, save_specs, take_control
from vehicles.flows.chargers import can_ever_discharge
from vehicles.flows.health import LinkHealth, healths
from vehicles.flows.places import set_home_from_vehicle
from vehicles.flows.preferences import (
    UnableToSavePreference,
    cancel_override,
    charge_now,
    save_preference,
    skip_tonight,
)
from vehicles.flows.telemetry import latest_readings
from vehicles.forms import PreferenceForm, SpecsForm
from vehicles.models import ChargeOverride, HomeCharger, Vehicle, VehicleLink


def owned_vehicle(request: HttpRequest, vehicle: UUID) -> Vehicle:
    """Return the owner's active car, or raise 404: for strangers it does not exist."""
    rows = Vehicle.objects.select_related("link", "preference", "owner")
    return get_object_or_404(rows, public_id=vehicle, owner=signed_in(request, User), state=Vehicle.State.ACTIVE)


def maker_name(slug: str) -> str:
    """Return how a maker is called on pages."""
    maker = AUTOMAKERS.get(slug)
    return maker.name if maker else slug.capitalize()


@owner_read
def cars(request: HttpRequest) -> HttpResponse:
    """List the owner's cars with their last reading, how their accounts fare, and the makers that can be linked."""
    owner = signed_in(request, User)
    rows = list(Vehicle.objects.filter(owner=owner, state=Vehicle.State.ACTIVE).select_related("preference"))
    readings = latest_readings(rows)
    links = VehicleLink.objects.filter(owner=owner).exclude(state=VehicleLink.State.REVOKED)
    accounts = _accounts(links)
    context = {
        "cars": [{"vehicle": row, "preference": row.preference, "reading": readings.get(row.pk)} for row in rows],
        "accounts": accounts,
        "broken_accounts": [one for one in accounts if one["health"].state == VehicleLink.State.NEEDS_RELINK],
        "waiting_accounts": [one for one in accounts if one["health"].next_step == "choose"],
        "makers": makers_on_offer({one["maker"] for one in accounts}),
        "now": clock.now(),
    }
    return render(request, "vehicles/cars.html", context)


def broken_accounts(owner: User) -> list[dict[str, Any]]:
    """Return the owner's accounts that must be linked again, as `vehicles/_relink.html` shows them."""
    links = VehicleLink.objects.filter(owner=owner, state=VehicleLink.State.NEEDS_RELINK)
    return _accounts(links)


def _accounts(links: QuerySet[VehicleLink]) -> list[dict[str, Any]]:
    rows = list(links.prefetch_related("vehicles", "chargers"))
    fares = healths(rows)
    return [_account(link, fares[link.pk]) for link in rows]


def _account(link: VehicleLink, health: LinkHealth) -> dict[str, Any]:
    states = [vehicle.state for vehicle in link.vehicles.all()]
    return {
        "public_id": link.public_id,
        "maker": link.maker,
        "maker_name": maker_name(link.maker),
        "health": health,
        "cars": states.count(Vehicle.State.ACTIVE),
        "boxes": len([box for box in link.chargers.all() if box.state != HomeCharger.State.UNLINKED]),
        "offered": states.count(Vehicle.State.OFFERED) if link.state == VehicleLink.State.ACTIVE else 0,
    }


_HOW = {
    LinkKind.REDIRECT: _("You sign in on its own page and come back here."),
    LinkKind.DEVICE_CODE: _("We show you a code; you type it on its own page."),
    LinkKind.HOSTED_PAGE: _("You pick your make on its page, sign in there and come back here."),
}


def makers_on_offer(linked: set[str]) -> list[dict[str, str]]:
    """Return the makers that can be linked as pages show them; `linked` are those that the owner has."""
    return [
        {
            "slug": slug,
            "name": maker_name(slug),
            "how": str(_HOW[AUTOMAKERS[slug].link_kind]),
            "label": (gettext("Link another {maker} account") if slug in linked else gettext("Link {maker}")).format(
                maker=maker_name(slug)
            ),
        }
        for slug in gateway.offered_makers()
    ]


@owner_page
def preferences(request: HttpRequest, vehicle: UUID) -> HttpResponse:
    """Show and change what the owner wants of one car."""
    car = owned_vehicle(request, vehicle)
    can_give_back = can_ever_discharge(car)
    form = PreferenceForm(request.POST or None, preference=car.preference)
    if request.method == "POST" and form.is_valid():
        try:
            save_preference(vehicle=car, now=clock.now(), **form.wishes(can_give_back=can_give_back))
        except UnableToSavePreference as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, gettext("Saved. The next plan follows in a moment."))
            return redirect("car", car.public_id)
    return render(request, "vehicles/preferences.html", {"form": form, "vehicle": car, "can_give_back": can_give_back})


@owner_page
def specs(request: HttpRequest, vehicle: UUID) -> HttpResponse:
    """Let the owner say what battery and charger the car has."""
    car = owned_vehicle(request, vehicle)
    form = SpecsForm(request.POST or None, vehicle=car)
    if request.method == "POST" and form.is_valid():
        try:
            save_specs(vehicle=car, now=clock.now(), **form.specs())
        except UnableToSaveCar as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, gettext("Saved. The next plan counts with it."))
            return redirect("car", car.public_id)
    return render(request, "vehicles/specs.html", {"form": form, "vehicle": car})


@owner_action
def control(request: HttpRequest, vehicle: UUID) -> HttpResponse:
    """Steer a car from here that was only watched."""
    car = owned_vehicle(request, vehicle)
    with refusals_as_messages(request, success=gettext("{car} is steered from here now.").format(car=car)):
        take_control(vehicle=car, now=clock.now())
    return back_from(request, car)


@owner_action
def start_charging(request: HttpRequest, vehicle: UUID) -> HttpResponse:
    """Charge now, whatever the plan says."""
    car = owned_vehicle(request, vehicle)
    with refusals_as_messages(
        request, success=gettext("{car} charges now. Your plan comes back once it is full.").format(car=car)
    ):
        charge_now(vehicle=car, now=clock.now())
    return back_from(request, car)


@owner_action
def skip(request: HttpRequest, vehicle: UUID) -> HttpResponse:
    """Leave the car alone tonight."""
    car = owned_vehicle(request, vehicle)
    with refusals_as_messages(
        request, success=gettext("{car} is left alone tonight: it simply charges.").format(car=car)
    ):
        skip_tonight(vehicle=car, now=clock.now())
    return back_from(request, car)


@owner_action
def cancel(request: HttpRequest, override: UUID) -> HttpResponse:
    """End a "charge now" or "skip tonight" early."""
    mine = ChargeOverride.objects.filter(vehicle__owner=signed_in(request, User)).select_related("vehicle")
    found = get_object_or_404(mine, public_id=override)
    with refusals_as_messages(request, success=gettext("Back to your plan.")):
        cancel_override(override=found, now=clock.now())
    return back_from(request, found.vehicle)


@owner_action
def home_here(request: HttpRequest, vehicle: UUID) -> HttpResponse:
    """Take the place where the car stands now as home."""
    car = owned_vehicle(request, vehicle)
    with refusals_as_messages(
        request, success=gettext("Noted: this is home. We keep it encrypted, and compare with it only.")
    ):
        set_home_from_vehicle(vehicle=car, now=clock.now())
    return back_from(request, car)


def back_from(request: HttpRequest, car: Vehicle) -> HttpResponse:
    """Go back to the page on which the owner pressed."""
    pages = {
        "dashboard": f"{reverse('dashboard')}?car={car.public_id}",
        "welcome": reverse("onboarding"),
        "wishes": reverse("welcome_step", args=["wishes"]),
    }
    return redirect(pages.get(request.POST.get("next", ""), reverse("car", args=[car.public_id])))
