"""Which car a wall box serves. Whoever does not own both gets a 404."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext

from accounts.models import User
from foundation import clock
from foundation.pages import owner_action, refusals_as_messages, signed_in
from vehicles.flows.chargers import assign_charger
from vehicles.models import HomeCharger
from vehicles.views import owned_vehicle


@owner_action
def assign(request: HttpRequest, vehicle: UUID) -> HttpResponse:
    """Let the posted wall box serve the car, or no car any more where `serves` is "no"."""
    car = owned_vehicle(request, vehicle)
    boxes = HomeCharger.objects.filter(link__owner=signed_in(request, User)).select_related("link", "serves")
    named = request.POST.get("charger", "")
    charger = next((box for box in boxes if str(box.public_id) == named), None)
    if charger is None:
        raise Http404
    is_served = request.POST.get("serves") != "no"
    said = gettext("{charger} serves {car} now.") if is_served else gettext("{charger} serves no car now.")
    with refusals_as_messages(request, success=said.format(charger=charger, car=car)):
        assign_charger(charger=charger, vehicle=car if is_served else None, now=clock.now())
    return redirect("car", car.public_id)
